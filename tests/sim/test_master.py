"""The listed issues, and the master files as KIS's own readers slice them."""

from __future__ import annotations

import io
import zipfile

import pytest

from kis import krx
from kis.sim import Simulator
from kis.sim.exchange.prices import listed
from kis.symbols import load

TAILS = {"kospi": 227, "kosdaq": 221}


async def lines(visit, market):
    customer = await visit()
    answer = await customer.http.get(f"/common/master/{market}_code.mst.zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [f"{market}_code.mst"]
        text = archive.read(f"{market}_code.mst")
    assert text.endswith(b"\n")
    return text.removesuffix(b"\n").split(b"\n")


@pytest.mark.parametrize("market", ["kospi", "kosdaq"])
async def test_every_line_has_a_head_and_the_tail_of_its_market(visit, market):
    wanted = [listing for listing in listed() if listing.market.lower() == market]
    got = await lines(visit, market)
    assert len(got) == len(wanted)
    for line, listing in zip(got, wanted, strict=True):
        # The reader of the official repository cuts the decoded line from its end.
        text = line.decode("cp949")
        head, tail = text[: -TAILS[market]], text[-TAILS[market] :]
        assert len(line) == 61 + TAILS[market]
        assert (head[0:9].rstrip(), head[21:].strip()) == (listing.code, listing.name)
        assert head[9:21] == listing.isin
        assert tail[:2] == listing.group


async def test_columns_of_the_kospi_tail(visit):
    line = next(line for line in await lines(visit, "kospi") if line.startswith(b"005935"))
    tail = line[-227:].decode("cp949")
    assert tail[41:50] == "000057500"
    assert (tail[50:55], tail[55:60]) == ("00001", "00001")
    assert (tail[60:63], tail[63:65]) == ("NNN", "00")
    assert tail[158] == "1"


async def test_columns_of_the_kosdaq_tail(visit):
    line = next(line for line in await lines(visit, "kosdaq") if line.startswith(b"247540"))
    tail = line[-221:].decode("cp949")
    assert tail[36:45] == "000118400"
    assert (tail[55:58], tail[58:60], tail[153]) == ("NNN", "00", "0")


async def test_a_halt_shows_in_the_master(visit):
    customer = await visit()
    customer.sim.exchange.issues["005930"].halted = True
    answer = await customer.http.get("/common/master/kospi_code.mst.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        first = archive.read("kospi_code.mst").split(b"\n")[0]
    assert first[-227:][60:61] == b"Y"


def test_the_table_of_listed_issues_is_sound():
    table = listed()
    assert len(table) >= 120
    assert len({listing.code for listing in table}) == len({listing.name for listing in table}) == len(table)
    assert {listing.market for listing in table} == {"KOSPI", "KOSDAQ"}
    assert sum(listing.etf for listing in table) >= 20
    for listing in table:
        assert krx.on_tick(listing.price, etf=listing.etf), listing
        assert len(listing.code) == 6
        assert len(listing.name.encode("cp949")) <= 40
    names = {listing.code: listing.name for listing in table}
    assert (names["005930"], names["373220"], names["247540"]) == ("삼성전자", "LG에너지솔루션", "에코프로비엠")


@pytest.mark.parametrize(("code", "isin"), [("005930", "KR7005930003"), ("000660", "KR7000660001")])
def test_the_standard_code_has_its_check_digit(code, isin):
    assert next(listing.isin for listing in listed() if listing.code == code) == isin


async def test_the_client_s_own_reader_has_the_files_from_the_simulator(tmp_path, clock):
    sim = Simulator(clock=clock)
    async with sim.serve() as url:
        symbols = await load(sim.environ(url)["KIS_MASTER_URL"], tmp_path, clock().date())
    assert len(symbols) == len(listed())
    for listing in listed():
        assert (symbols.get(listing.code).name, symbols.get(listing.code).group) == (listing.name, listing.group)
