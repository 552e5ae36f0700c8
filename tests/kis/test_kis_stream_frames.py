"""The parser of the websocket's frames, against captured ones (account, login and names replaced)."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kis import BadAnswer, Env, KisError, OrderKind, Side
from kis.cipher import Cipher
from kis.frames import (
    BOOKS,
    NOTICES,
    TRADES,
    ControlReply,
    Data,
    FillNotice,
    Heartbeat,
    NoticeKind,
    Trade,
    read_frame,
    read_records,
    subscription,
)
from kis.krx import KST
from kis.models import Level
from kis.sim.websocket.frames import NoticeKey

NOTICES_REAL, NOTICES_PAPER = NOTICES[Env.REAL], NOTICES[Env.PAPER]
AT = datetime(2026, 11, 20, 10, 0, tzinfo=KST)
# Captured 2025-07-30, 46 fields.
TRADE = "005930^094751^71950^2^1350^1.91^71690.50^71000^72300^70600^72000^71900^1^8305216^595403999350^21115^28170^7055^136.06^3060313^4163762^5^0.51^29.46^090014^2^950^090708^5^-350^090030^2^1350^20250730^20^N^93994^113056^1668973^822214^0.14^10584139^78.47^0^^71000"
# Captured 2024, 59 fields.
BOOK = "066570^121523^0^99100^99200^99300^99400^99500^99600^99700^99800^99900^100000^98900^98800^98700^98600^98500^98400^98300^98200^98100^98000^1244^1096^775^2090^3584^2831^4081^4526^5637^7314^1108^4129^4670^2050^1665^995^3837^678^1288^4068^33178^24488^0^0^0^0^6134^-97200^5^-100.00^354177^0^3930^0^0^0"
# The portal's examples, and captures of paper from 2023: 23 fields.
ORDERED = "HTSID^1234567801^0000002891^^02^0^01^0^136480^0000000001^000000000^094941^0^1^1^06010^000000001^성명^하림^10^^하림^"
FILLED = "HTSID^1234567801^0000002891^^02^0^00^0^136480^0000000001^000003190^094941^0^2^2^06010^000000001^성명^하림^10^^하림^000000000"
PAPER_ORDERED = "HTSID^1234567801^0000001562^^02^0^00^0^027360^0000000001^000002200^092701^0^1^1^00950^000000001^성명^1Y^10^^아주IB투자^"
PAPER_FILLED = "HTSID^1234567801^0000005008^^02^0^00^0^069500^0000000001^000043295^144700^0^2^2^00950^000000001^성명^1Y^10^^KODEX200^000044000"
LONG = "HTSID^1234567801^91252^^01^0^00^0^005930^3^250000^105531^0^2^2^00950^3^성명^0^1^N^^10^^삼성전자^250500"


def one(tr_id, payload):
    (record,) = read_records(tr_id, 1, payload, AT)
    return record


# --- frames -----------------------------------------------------------------------------------------------


def test_a_registration_is_the_documented_object():
    assert json.loads(subscription("key", TRADES, "005930", register=True)) == {
        "header": {"approval_key": "key", "custtype": "P", "tr_type": "1", "content-type": "utf-8"},
        "body": {"input": {"tr_id": "H0STCNT0", "tr_key": "005930"}},
    }
    assert json.loads(subscription("key", TRADES, "005930", register=False))["header"]["tr_type"] == "2"


def test_an_answer():
    frame = '{"header":{"tr_id":"H0STASP0","tr_key":"066570","encrypt":"N"},"body":{"rt_cd":"0","msg_cd":"OPSP0000","msg1":"SUBSCRIBE SUCCESS","output":{"iv":"0123456789abcdef","key":"abcdefghijklmnopqrstuvwxyz012345"}}}'
    words = ("OPSP0000", "SUBSCRIBE SUCCESS", "abcdefghijklmnopqrstuvwxyz012345", "0123456789abcdef")
    assert read_frame(frame) == ControlReply("H0STASP0", "066570", *words)


def test_the_captured_refusal_of_a_second_session():
    frame = '{"header":{"tr_id":"(null)","tr_key":"","encrypt":"N"},"body":{"rt_cd":"9","msg_cd":"OPSP8996","msg1":"ALREADY IN USE appkey"}}'
    assert read_frame(frame) == ControlReply("(null)", "", "OPSP8996", "ALREADY IN USE appkey")


def test_a_heartbeat_keeps_its_text():
    text = '{"header":{"tr_id":"PINGPONG","datetime":"20241011121818"}}'
    assert read_frame(text) == Heartbeat(text)
    assert read_frame(text.encode()) == Heartbeat(text)


def test_data():
    assert read_frame("0|H0STCNT0|003|a^b|c") == Data("H0STCNT0", 3, "a^b|c", encrypted=False)
    assert read_frame("1|H0STCNI0|001|c2VhbGVk") == Data("H0STCNI0", 1, "c2VhbGVk", encrypted=True)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "0",
        "0|",
        "0|H0STCNT0",
        "0|H0STCNT0|x|y",
        "0|H0STCNT0|000|y",
        "0|H0STCNT0|-1|y",
        "2|H0STCNT0|001|y",
        "{}",
        "[]",
        "null",
        '{"header":{}}',
        '{"header":{"tr_id":"X"}}',
        '{"header":{"tr_id":"X"},"body":[]}',
        "[" * 100_000,
        b"\xff\xfe",
        "0|H0STCNT0|99999999999|y",
    ],
)
def test_what_is_no_frame_is_a_bad_answer(frame):
    with pytest.raises(BadAnswer):
        read_frame(frame)


# --- trades -----------------------------------------------------------------------------------------------


def test_the_captured_trade():
    trade = one(TRADES, TRADE)
    assert (trade.code, trade.day, trade.time, trade.price, trade.quantity) == (
        "005930",
        date(2025, 7, 30),
        "094751",
        71_950,
        1,
    )
    assert (trade.change, trade.change_rate, trade.strength) == (1_350, Decimal("1.91"), Decimal("136.06"))
    assert (trade.open, trade.high, trade.low, trade.ask, trade.bid) == (71_000, 72_300, 70_600, 72_000, 71_900)
    assert (trade.volume, trade.value) == (8_305_216, 595_403_999_350)
    assert (trade.taker, trade.halted, trade.phase, trade.at) == (Side.SELL, False, "", AT)


def test_the_forty_seventh_field_is_the_phase_and_more_are_left_alone():
    assert one(TRADES, TRADE + "^2").phase == "2"
    assert one(TRADES, TRADE + "^2^new^newer").phase == "2"


@pytest.mark.parametrize("appended", ["", "^2", "^2^x"])
def test_several_records_are_split_by_their_count(appended):
    later = TRADE.replace("^71950^", "^72000^", 1)
    trades = read_records(TRADES, 3, "^".join(record + appended for record in (TRADE, TRADE, later)), AT)
    assert [trade.price for trade in trades] == [71_950, 71_950, 72_000]


def test_a_falling_price_bears_its_sign():
    assert one(TRADES, TRADE.replace("^2^1350^1.91^", "^5^-1350^-1.91^")).change == -1_350


@pytest.mark.parametrize(("code", "taker"), [("1", Side.BUY), ("5", Side.SELL), ("3", None), ("", None)])
def test_the_taker(code, taker):
    assert one(TRADES, TRADE.replace("^4163762^5^", f"^4163762^{code}^")).taker is taker


def test_codes_with_letters_stay_whole():
    assert one(TRADES, TRADE.replace("005930", "0155E0")).code == "0155E0"


# --- books ------------------------------------------------------------------------------------------------


def test_the_captured_book():
    book = one(BOOKS, BOOK)
    assert (book.code, book.time, book.total_ask, book.total_bid) == ("066570", "121523", 33_178, 24_488)
    assert book.asks[0] == Level(99_100, 1_244)
    assert book.bids[9] == Level(98_000, 4_068)
    assert (len(book.asks), len(book.bids)) == (10, 10)
    assert (book.expected_price, book.middle, book.phase) == (None, None, "")


def test_sixty_three_fields_and_an_auction():
    book = one(BOOKS, BOOK.replace("^0^0^0^0^6134^", "^0^0^99000^17^6134^") + "^99000.5^10^1^2")
    assert (book.expected_price, book.expected_quantity, book.middle, book.phase) == (
        99_000,
        17,
        Decimal("99000.5"),
        "2",
    )


def test_lines_without_a_price_are_left_out():
    assert len(one(BOOKS, BOOK.replace("^100000^", "^0^", 1)).asks) == 9


# --- notices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "kind", "order_no", "price", "name"),
    [
        (ORDERED, NoticeKind.ACCEPTED, "0000002891", 0, "하림"),
        (FILLED, NoticeKind.FILLED, "0000002891", 3_190, "하림"),
        (PAPER_ORDERED, NoticeKind.ACCEPTED, "0000001562", 2_200, "아주IB투자"),
        (PAPER_FILLED, NoticeKind.FILLED, "0000005008", 43_295, "KODEX200"),
    ],
)
def test_the_short_notice(payload, kind, order_no, price, name):
    notice = one(NOTICES_PAPER, payload)
    assert (notice.kind, notice.order_no, notice.price, notice.name) == (kind, order_no, price, name)
    assert (notice.side, notice.quantity, notice.order_quantity, notice.original_no) == (Side.BUY, 1, 1, "")


@pytest.mark.parametrize("more", ["", "^a^b^c"])
def test_the_long_notice_and_one_that_grew(more):
    notice = one(NOTICES_REAL, LONG + more)
    assert (notice.kind, notice.side, notice.order_kind) == (NoticeKind.FILLED, Side.SELL, OrderKind.LIMIT)
    assert (notice.quantity, notice.price, notice.order_quantity) == (3, 250_000, 3)
    assert (notice.order_no, notice.branch, notice.time) == ("0000091252", "00950", "105531")
    assert (notice.name, notice.order_price, notice.at) == ("삼성전자", 250_500, AT)


@pytest.mark.parametrize("count", [18, 22, 24, 25])
def test_of_another_length_only_the_common_part_is_read(count):
    notice = one(NOTICES_REAL, "^".join(LONG.split("^")[:count]))
    assert (notice.kind, notice.price, notice.name, notice.order_price) == (NoticeKind.FILLED, 250_000, "", None)


def test_nothing_shows_whose_notice_it_is():
    notice = one(NOTICES_REAL, LONG)
    for private in ("HTSID", "1234567801", "성명"):
        assert private not in repr(notice)
    assert "성명" not in notice.model_dump_json()
    assert "HTSID" not in notice.model_dump_json()


@pytest.mark.parametrize(
    ("change", "refused", "filled", "stage", "kind"),
    [
        ("0", "0", "2", "2", NoticeKind.FILLED),
        ("1", "0", "2", "2", NoticeKind.FILLED),
        ("0", "1", "1", "2", NoticeKind.REJECTED),
        ("2", "1", "1", "1", NoticeKind.REJECTED),
        ("0", "0", "1", "1", NoticeKind.ACCEPTED),
        ("0", "0", "1", "2", NoticeKind.ACCEPTED),
        ("2", "0", "1", "1", NoticeKind.ACCEPTED),
        ("2", "0", "1", "2", NoticeKind.CANCELLED),
        ("1", "0", "1", "2", NoticeKind.REVISED),
        ("0", "0", "1", "3", NoticeKind.LAPSED),
    ],
)
def test_what_a_notice_means(change, refused, filled, stage, kind):
    fields = LONG.split("^")
    fields[5], fields[12], fields[13], fields[14] = change, refused, filled, stage
    assert one(NOTICES_REAL, "^".join(fields)).kind is kind


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tr_id", "count", "payload"),
    [
        (TRADES, 1, ""),
        (TRADES, 1, "^".join(TRADE.split("^")[:45])),
        (TRADES, 2, TRADE + "^2"),
        (TRADES, 100, TRADE),
        (TRADES, 1, TRADE.replace("^71950^", "^many^")),
        (TRADES, 1, TRADE.replace("^71950^", "^-71950^")),
        (TRADES, 1, TRADE.replace("^71950^", "^1E+999999999^")),
        (TRADES, 1, TRADE.replace("^20250730^", "^20250732^")),
        (BOOKS, 1, "^".join(BOOK.split("^")[:58])),
        (BOOKS, 1, BOOK.replace("^4068^", "^-1^")),
        (NOTICES_REAL, 1, "^".join(LONG.split("^")[:17])),
        (NOTICES_REAL, 1, LONG.replace("^0^2^2^", "^0^7^2^")),
        (NOTICES_REAL, 1, LONG.replace("^0^2^2^", "^Y^1^2^")),
        (NOTICES_REAL, 1, LONG.replace("^01^0^", "^03^0^")),
        ("H0NXCNT0", 1, TRADE),
    ],
)
def test_what_cannot_be_read_is_a_bad_answer_without_the_text(tr_id, count, payload):
    with pytest.raises(BadAnswer) as failure:
        read_records(tr_id, count, payload, AT)
    for private in ("HTSID", "1234567801", "성명"):
        assert private not in str(failure.value)


texts = st.text(max_size=12) | st.sampled_from(
    ["", "0", "-1", "1E+999999999", "9" * 5_000, "NaN", "1_0", "٣", "2", "1", "005930"]
)


@settings(max_examples=300, deadline=None)
@example(frame="0|H0STCNT0|001|" + "^" * 46)
@given(
    frame=st.text(max_size=200) | st.binary(max_size=60) | st.builds("{}|{}|{}|{}".format, texts, texts, texts, texts)
)
def test_no_frame_raises_anything_else(frame):
    try:
        assert isinstance(read_frame(frame), Heartbeat | ControlReply | Data)
    except BadAnswer as failure:
        assert failure.advice.ko  # noqa: PT017 - it may not be raised at all


@settings(max_examples=300, deadline=None)
@given(data=st.data(), tr_id=st.sampled_from([TRADES, BOOKS, NOTICES_PAPER, "H0STXXX0"]), count=st.integers(1, 4))
def test_no_payload_raises_anything_else(data, tr_id, count):
    sample = {TRADES: TRADE, BOOKS: BOOK}.get(tr_id, LONG)
    fields = ((sample + "^") * count).split("^")[:-1]
    for place in data.draw(st.lists(st.integers(0, len(fields) - 1), max_size=4)):
        fields[place] = data.draw(texts)
    fields = fields[: data.draw(st.integers(0, len(fields)) | st.just(len(fields)))]
    try:
        records = read_records(tr_id, count, "^".join(fields), AT)
    except BadAnswer:
        return
    assert all(isinstance(record, Trade | FillNotice) or record.asks is not None for record in records)


@settings(max_examples=200, deadline=None)
@given(sealed=st.text(max_size=80) | st.binary(max_size=64).map(lambda raw: raw.hex()), text=st.text(max_size=200))
def test_a_cipher_opens_what_fits_and_nothing_else(sealed, text):
    key = NoticeKey("k" * 32, "i" * 16)
    cipher = Cipher(*key)
    assert cipher.decrypt(key.encrypt(text)) == text
    try:
        cipher.decrypt(sealed)
    except KisError as failure:
        assert isinstance(failure, BadAnswer)  # noqa: PT017 - it may not be raised at all


@pytest.mark.parametrize(("key", "iv"), [("", ""), ("k" * 31, "i" * 16), ("k" * 32, "i" * 15), ("열" * 32, "i" * 16)])
def test_keys_of_the_wrong_length_are_a_bad_answer(key, iv):
    with pytest.raises(BadAnswer):
        Cipher(key, iv)
