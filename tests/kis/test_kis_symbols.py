"""Master files: cut by bytes, kept for the day, never guessed from."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import date

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kis import Unavailable
from kis.symbols import Stock, Symbols, load, parse_master

URL = "https://127.0.0.1/master"
TODAY, TOMORROW = date(2026, 11, 20), date(2026, 11, 23)
# By hand from the record layouts of KIS's repository: width of the tail, where base price and halt stand.
LAYOUT = {"KOSPI": (227, 41, 60), "KOSDAQ": (221, 36, 55)}


def line(market, code, name, group="ST", base=75_700, halted="N"):
    width, base_at, halt_at = LAYOUT[market]
    tail = bytearray(b" " * width)
    tail[0:2] = group.encode()
    tail[base_at : base_at + 9] = b"%09d" % base
    tail[halt_at : halt_at + 1] = halted.encode()
    head = code.ljust(9).encode() + b"KR7005930003" + name.encode("cp949").ljust(40)
    return head + bytes(tail)


KOSPI = [
    line("KOSPI", "005930", "삼성전자"),
    line("KOSPI", "005935", "삼성전자우", base=57_500),
    line("KOSPI", "069500", "KODEX 200", "EF", 44_000),
    line("KOSPI", "Q530031", "삼성 레버리지 WTI원유 선물 ETN", "EN", 1_995),
    line("KOSPI", "0155E0", "글자 있는 종목", halted="Y"),
    line("KOSPI", "57JV01", "KJV01삼성전자콜", "EW", 100),
]
KOSDAQ = [line("KOSDAQ", "247540", "에코프로비엠", base=151_200), line("KOSDAQ", "086520", "에코프로", halted="Y")]


def packed(market, lines, how=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        archive.writestr(f"{market.lower()}_code.mst", b"\n".join(lines) + b"\n")
    return file.getvalue()


class Folder:
    """KIS's download folder."""

    def __init__(self):
        self.files = {"kospi_code.mst.zip": packed("KOSPI", KOSPI), "kosdaq_code.mst.zip": packed("KOSDAQ", KOSDAQ)}
        self.asked = []

    async def __call__(self, url, /):
        self.asked.append(url)
        try:
            return self.files[url.rsplit("/", 1)[1]]
        except KeyError:
            raise Unavailable("no file") from None


@pytest.fixture
def folder():
    return Folder()


@pytest.fixture
def symbols():
    return Symbols([*parse_master(b"\n".join(KOSPI), "KOSPI"), *parse_master(b"\n".join(KOSDAQ), "KOSDAQ")])


def test_every_field_of_a_line():
    assert parse_master(KOSPI[0], "KOSPI") == [Stock("005930", "삼성전자", "KOSPI", False, "ST", 75_700, False)]
    assert parse_master(KOSDAQ[1], "KOSDAQ") == [Stock("086520", "에코프로", "KOSDAQ", False, "ST", 75_700, True)]
    assert parse_master(KOSPI[2], "KOSPI") == [Stock("069500", "KODEX 200", "KOSPI", True, "EF", 44_000, False)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_ends_of_lines(end):
    assert len(parse_master(end.join(KOSPI) + end + end, "KOSPI")) == 5


def test_letters_and_etns_stay_warrants_go(symbols):
    assert symbols.get("0155e0").name == "글자 있는 종목"
    assert symbols.get("Q530031").etf
    assert symbols.get("57JV01") is None
    assert len(symbols) == 7


def test_one_strange_line_is_left_out_and_a_strange_file_refused():
    with structlog.testing.capture_logs() as logs:
        assert len(parse_master(b"\n".join([KOSDAQ[0]] * 200 + [b"short"]), "KOSDAQ")) == 200
    assert [entry["event"] for entry in logs] == ["master_lines_left_out"]
    with pytest.raises(ValueError, match="not as documented"):
        parse_master(b"\n".join(KOSDAQ), "KOSPI")


def test_a_name_is_exact_but_for_case_and_blanks(symbols):
    assert symbols.named("삼성전자").code == "005930"
    assert symbols.named(" kodex200 ").code == "069500"
    assert symbols.named("삼성") is None
    assert symbols.named("") is None


def test_two_of_one_name_are_nobody():
    stock = Stock("000001", "쌍둥이", "KOSPI", False, "ST", 1, False)
    twins = Symbols([stock, Stock("000002", "쌍둥이", "KOSDAQ", False, "ST", 1, False)])
    assert twins.named("쌍둥이") is None
    assert len(twins.search("쌍둥이")) == 2


def test_search_puts_beginnings_first(symbols):
    assert [s.code for s in symbols.search("삼성")] == ["005930", "005935", "Q530031"]
    assert [s.code for s in symbols.search("비엠")] == ["247540"]
    assert [s.code for s in symbols.search("0059")] == ["005930", "005935"]
    assert [s.code for s in symbols.search("에코프로", limit=1)] == ["086520"]
    assert symbols.search("  ") == []


async def test_the_day_is_downloaded_once(folder, tmp_path):
    for _ in range(2):
        assert len(await load(URL + "/", tmp_path, TODAY, fetch=folder)) == 7
    assert folder.asked == [f"{URL}/kospi_code.mst.zip", f"{URL}/kosdaq_code.mst.zip"]
    await load(URL, tmp_path, TOMORROW, fetch=folder)
    assert len(folder.asked) == 4


@pytest.mark.parametrize("broken", [None, b"", b"<html>", packed("KOSDAQ", KOSDAQ), packed("KOSPI", [])])
async def test_yesterdays_copy_serves_with_one_line_a_market(folder, tmp_path, broken):
    await load(URL, tmp_path, TODAY, fetch=folder)
    folder.files["kospi_code.mst.zip"] = broken
    if broken is None:
        folder.files.clear()
    with structlog.testing.capture_logs() as logs:
        assert (await load(URL, tmp_path, TOMORROW, fetch=folder)).get("005930").name == "삼성전자"
    markets = [entry["market"] for entry in logs if entry["event"] == "master_file_of_another_day"]
    assert markets == (["KOSPI", "KOSDAQ"] if broken is None else ["KOSPI"])


async def test_without_file_and_copy_it_is_unavailable(folder, tmp_path):
    folder.files.clear()
    with pytest.raises(Unavailable):
        await load(URL, tmp_path, TODAY, fetch=folder)


async def test_a_broken_copy_is_downloaded_anew(folder, tmp_path):
    await load(URL, tmp_path, TODAY, fetch=folder)
    for copy in tmp_path.iterdir():
        copy.write_bytes(b"half")
    assert len(await load(URL, tmp_path, TODAY, fetch=folder)) == 7
    assert len(folder.asked) == 4


async def test_two_copies_are_kept(folder, tmp_path):
    for day in range(1, 6):
        await load(URL, tmp_path, date(2026, 11, day), fetch=folder)
    assert sorted(copy.name for copy in tmp_path.iterdir()) == [
        "kosdaq_code.mst-20261104.zip",
        "kosdaq_code.mst-20261105.zip",
        "kospi_code.mst-20261104.zip",
        "kospi_code.mst-20261105.zip",
    ]


@given(st.binary(max_size=600), st.sampled_from(sorted(LAYOUT)))
@example(line("KOSPI", "005930", "삼성전자")[:-1] + b"\xff\n", "KOSPI")
@example(b"\n\n", "KOSDAQ")
def test_no_bytes_raise_anything_but_a_value_error(content, market):
    try:
        stocks = parse_master(content, market)
    except ValueError:
        return
    assert all(isinstance(stock, Stock) and stock.market == market for stock in stocks)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
@example(zipfile.ZIP_DEFLATED, [(60, 255)])
async def test_no_damage_to_a_file_raises_anything_but_unavailable(tmp_path_factory, how, damage):
    folder = Folder()
    content = bytearray(packed("KOSPI", KOSPI, how))
    for place, byte in damage:
        content[place % len(content)] = byte
    folder.files["kospi_code.mst.zip"] = bytes(content)
    with suppress(Unavailable):
        assert len(await load(URL, tmp_path_factory.mktemp("copies"), TODAY, fetch=folder)) > 0


@given(st.binary(max_size=300))
async def test_no_download_raises_anything_but_unavailable(tmp_path_factory, content):
    async def fetch(url):
        return content

    with pytest.raises(Unavailable):
        await load(URL, tmp_path_factory.mktemp("copies"), TODAY, fetch=fetch)
