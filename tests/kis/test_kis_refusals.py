"""From whatever comes back to what is now true: the code decides, not the HTTP status."""

from __future__ import annotations

import httpx
import pytest

from kis import (
    BadRequest,
    KisError,
    Misconfigured,
    NotSent,
    OrderKind,
    Refused,
    Throttled,
    TokenRejected,
    Unavailable,
    Unknown,
    Unsupported,
)
from tests.kis.kis_wire import ACCOUNT, KEY, SECRET, TOKEN_PATH, refusal, sample

BUY = {"price": 75_700, "kind": OrderKind.LIMIT}
STUMBLES = ["EGW00001", "EGW00002", "EGW00202", "EGW00203", "EGW00204", "EGW00300", "EGW00301", "EGW00302"]
STUMBLES += ["EGW00316", "IGW00009", "OPSQ3001", "OPSQ0001", *(f"OPSQ{n:04}" for n in range(3, 12)), "OPSQ1002"]
SETTINGS = {
    "EGW00102": "KIS_APP_KEY",
    "EGW00103": "KIS_APP_KEY",
    "EGW00104": "KIS_APP_SECRET",
    "EGW00105": "KIS_APP_SECRET",
    "EGW02004": "KIS_ENV",
    "IGW00002": "KIS_ACCOUNT",
    "OPSQ2000": "KIS_ACCOUNT",
}
BUSINESS = ["APBK0918", "APBK0919", "APBK0952", "APBK0400", "APBK0506", "APBK9999", "40250000", "40570000"]


async def refused_order(kis, wire, body, status=200):
    wire.answer("order-cash", body, status=status)
    with pytest.raises(KisError) as caught:
        await kis.buy("005930", 1, **BUY)
    return caught.value


async def refused_price(kis, wire, body, status=200):
    wire.answer("inquire-price", body, status=status)
    with pytest.raises(KisError) as caught:
        await kis.price("005930")
    return caught.value


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("code", BUSINESS)
async def test_a_business_no_means_nothing_happened(kis, wire, code, status):
    error = await refused_order(kis, wire, refusal(code, rt_cd="7", words="사유  "), status)
    assert type(error) is Refused
    assert (error.code, error.message, error.status) == (code, "사유", status)
    assert (error.endpoint, error.env) == ("buy", "paper")
    assert len(wire.sent("order-cash")) == 1


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("code", STUMBLES)
async def test_a_stumble_leaves_a_write_unknown(kis, wire, code, status):
    error = await refused_order(kis, wire, refusal(code), status)
    assert type(error) is Unknown
    assert error.code == code
    assert len(wire.sent("order-cash")) == 1


@pytest.mark.parametrize("code", STUMBLES)
async def test_a_stumble_on_a_read_is_asked_again_then_unavailable(kis, wire, code):
    error = await refused_price(kis, wire, refusal(code), 500)
    assert type(error) is Unavailable
    assert len(wire.sent("inquire-price")) == 4


@pytest.mark.parametrize("code", ["EGW00999", "OPSQ7777", "IGW00099", "APBK0013", "40600000"])
async def test_a_code_that_settles_nothing_leaves_a_write_unknown(kis, wire, code):
    assert type(await refused_order(kis, wire, refusal(code))) is Unknown


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500, 502, 503])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"rt_cd',
        b'{"note": "hello"}',
        b"[" * 99_999,
        b"\xff",
        b"9" * 9_999,
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_no_answer_of_kis_leaves_a_write_unknown(kis, wire, body, status):
    assert type(await refused_order(kis, wire, body, status)) is Unknown
    assert len(wire.sent("order-cash")) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>502</html>", b"[]", b'{"rt_cd', b"[" * 99_999], ids=lambda b: repr(b[:20])
)
async def test_no_answer_of_kis_is_asked_again_then_unavailable(kis, wire, body):
    error = await refused_price(kis, wire, body, 502)
    assert type(error) is Unavailable
    assert error.status == 502
    assert len(wire.sent("inquire-price")) == 4


@pytest.mark.parametrize(
    "output", [{}, {"ODNO": ""}, {"ODNO": "0000000000"}, {"ODNO": None}, [], {"odno": 51378}, None]
)
async def test_taken_without_a_whole_answer_is_unknown(kis, wire, output):
    error = await refused_order(kis, wire, {"rt_cd": "0", "msg_cd": "APBK0013", "msg1": "", "output": output})
    assert type(error) is Unknown


async def test_a_no_that_bears_an_order_number_is_unknown(kis, wire):
    assert type(await refused_order(kis, wire, sample("order_real") | {"rt_cd": "1"})) is Unknown


async def test_only_zero_is_a_yes_be_it_text_or_number(kis, wire):
    wire.answer("order-cash", sample("order_real") | {"rt_cd": 0})
    assert (await kis.buy("005930", 1, **BUY)).order_no == "0000085100"


@pytest.mark.parametrize("rt_cd", ["1", "2", "7", "9", "", "00", "-0", None, False])
async def test_nothing_but_zero_is_a_yes(kis, wire, rt_cd):
    wire.answer("inquire-price", sample("price") | {"rt_cd": rt_cd})
    with pytest.raises(KisError):
        await kis.price("005930")
    error = await refused_order(kis, wire, refusal("APBK0952") | {"rt_cd": rt_cd})
    assert type(error) is (Unknown if rt_cd is None else Refused)


SHAPES = {
    "msg_cd": refusal("EGW00201"),
    "message": {"rt_cd": "1", "msg1": "초당 거래건수를 초과하였습니다.", "message": "EGW00201"},
    "error_code": {"error_description": "초당", "error_code": "EGW00201"},
}


@pytest.mark.parametrize("status", [200, 429, 500])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_rate_refusal_of_a_write_is_handed_back_at_once(kis, wire, shape, status):
    error = await refused_order(kis, wire, SHAPES[shape], status)
    assert type(error) is Throttled
    assert error.code == "EGW00201"
    assert len(wire.sent("order-cash")) == 1


async def test_the_ledgers_rate_refusal_of_a_write_is_handed_back_at_once(kis, wire):
    assert type(await refused_order(kis, wire, refusal("EGW00215"), 500)) is Throttled
    assert len(wire.sent("order-cash")) == 1


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_rate_refusal_of_a_read_is_asked_again(kis, wire, shape):
    wire.answer("inquire-price", SHAPES[shape], status=500)
    wire.answer("inquire-price", sample("price"))
    assert (await kis.price("005930")).price == 75_700


@pytest.mark.parametrize(("body", "status"), [(refusal("EGW00201"), 500), (b"slow down", 429)])
async def test_a_rate_refusal_that_stays_is_throttled(kis, wire, body, status):
    error = await refused_price(kis, wire, body, status)
    assert type(error) is Throttled
    assert len(wire.sent("inquire-price")) == 4


@pytest.mark.parametrize(("code", "setting"), SETTINGS.items())
async def test_settings_that_do_not_fit_are_named(kis, wire, code, setting):
    for error in (
        await refused_order(kis, wire, refusal(code, rt_cd="2"), 500),
        await refused_price(kis, wire, refusal(code, rt_cd="2"), 500),
    ):
        assert type(error) is Misconfigured
        assert error.setting == setting
        assert setting in str(error)
        assert setting in error.advice.ko
        assert setting in error.advice.en


@pytest.mark.parametrize("code", ["EGW02006", "OPSQ0002"])
async def test_what_kis_says_is_not_offered(kis, wire, code):
    assert type(await refused_price(kis, wire, refusal(code), 500)) is Unsupported


@pytest.mark.parametrize("code", ["IGW00007", "OPSQ2001", "OPSQ2002", "EGW00101", "EGW00131", "OPSQ9999"])
async def test_a_malformed_request_is_not_sent_again(kis, wire, code):
    assert type(await refused_order(kis, wire, refusal(code), 500)) is BadRequest
    assert type(await refused_price(kis, wire, refusal(code), 500)) is BadRequest
    assert len(wire.sent("inquire-price")) == 1


@pytest.mark.parametrize("code", ["EGW00121", "EGW00122", "EGW00123"])
@pytest.mark.parametrize("status", [200, 500])
async def test_a_refused_token_is_issued_anew_and_the_call_replayed(kis, wire, clock, code, status):
    wire.answer("inquire-price", sample("price"))
    await kis.price("005930")
    await clock.sleep(90)
    wire.answer(TOKEN_PATH, {"access_token": "token-2", "expires_in": 86400})
    wire.answer("order-cash", refusal(code), status=status)
    wire.answer("order-cash", sample("order_paper"))
    assert (await kis.buy("005930", 1, **BUY)).order_no == "0000051378"
    assert [call.headers["authorization"] for call in wire.sent("order-cash")] == ["Bearer token-1", "Bearer token-2"]


async def test_a_token_refused_twice_is_not_tried_a_third_time(kis, wire, clock):
    wire.answer("inquire-price", sample("price"))
    await kis.price("005930")
    await clock.sleep(61)
    wire.answer("order-cash", refusal("EGW00123"), status=500)
    with pytest.raises(TokenRejected):
        await kis.buy("005930", 1, **BUY)
    assert (len(wire.sent("order-cash")), len(wire.sent(TOKEN_PATH))) == (2, 2)


async def test_a_token_refused_when_just_issued_waits_out_the_minute(kis, wire):
    wire.answer("inquire-price", refusal("EGW00123"), status=500)
    with pytest.raises(Throttled, match="once a minute"):
        await kis.price("005930")
    assert (len(wire.sent("inquire-price")), len(wire.sent(TOKEN_PATH))) == (1, 1)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_read_refused_by_status_alone_renews_the_token_too(kis, wire, clock, status):
    wire.answer("inquire-price", sample("price"))
    await kis.price("005930")
    await clock.sleep(61)
    wire.forget("inquire-price")
    wire.answer("inquire-price", b"denied", status=status)
    wire.answer("inquire-price", sample("price"))
    assert (await kis.price("005930")).price == 75_700
    assert len(wire.sent(TOKEN_PATH)) == 2


async def test_an_order_waiting_for_a_token_that_cannot_be_had_was_not_sent(kis, wire):
    wire.forget(TOKEN_PATH)
    wire.fail(TOKEN_PATH, httpx.ReadTimeout("slow"))
    with pytest.raises(NotSent):
        await kis.buy("005930", 1, **BUY)
    assert wire.sent("order-cash") == []


NOT_ORDERS = [
    {"code": "5930"},
    {"code": "005930 "},
    {"code": "00593o"},
    {"quantity": 0},
    {"quantity": -1},
    {"quantity": True},
    {"quantity": 1.0},
    {"price": None},
    {"price": 0},
    {"price": 75_700.0},
    {"kind": OrderKind.MARKET},
    {"kind": OrderKind.OTHER},
]


@pytest.mark.parametrize("change", NOT_ORDERS)
async def test_an_order_that_makes_no_sense_is_refused_before_anything_is_sent(kis, wire, change):
    order = {"code": "005930", "quantity": 1, "price": 75_700, "kind": OrderKind.LIMIT} | change
    with pytest.raises(BadRequest):
        await kis.buy(order["code"], order["quantity"], price=order["price"], kind=order["kind"])
    assert wire.arrived == []


@pytest.mark.parametrize(
    "change",
    [{"order_no": ""}, {"order_no": "000"}, {"order_no": "12x"}, {"branch": "x"}, {"venue": ""}, {"quantity": 0}],
)
async def test_a_cancel_that_makes_no_sense_is_refused_before_anything_is_sent(kis, wire, change):
    given = {"order_no": "51378"} | change
    with pytest.raises(BadRequest):
        await kis.cancel(given.pop("order_no"), **given)
    assert wire.arrived == []


@pytest.mark.parametrize("body", [refusal("APBK0952", words=f"{SECRET} {KEY} 12345678"), refusal("EGW00301")])
async def test_no_error_tells_a_secret(kis, wire, body):
    error = await refused_order(kis, wire, body)
    told = f"{error!s} {error!r} {error.message} {vars(error)} {error.advice} {error.__cause__!r}"
    for secret in (SECRET, KEY, ACCOUNT[:8], "token-1"):
        assert secret not in told


def every(kind):
    return {kind}.union(*map(every, kind.__subclasses__()))


@pytest.mark.parametrize("kind", sorted(every(KisError), key=repr))
def test_every_error_advises_in_both_languages(kind):
    more = {"setting": "KIS_ENV"} if kind is Misconfigured else {}
    advice = kind("no", endpoint="buy", env="paper", **more).advice
    assert advice.ko.endswith(("요.", "다.", "-"))
    assert advice.en


@pytest.mark.parametrize(("code", "word"), [("APBK0952", "금액"), ("APBK0506", "호가"), ("APBK0918", "정규장")])
def test_known_codes_have_advice_of_their_own(code, word):
    assert word in Refused("no", code=code).advice.ko


@pytest.mark.parametrize(
    ("rt_cd", "ask"), [("0", "executions"), ("0", "balance"), ("7", "balance"), ("0", "open_orders")]
)
async def test_no_rows_is_an_empty_list(make, wire, rt_cd, ask):
    body = {
        "rt_cd": rt_cd,
        "msg_cd": "KIOK0560",
        "msg1": "조회할 내용이 없습니다",
        "output2": sample("balance_paper")["output2"],
    }
    for path in ("inquire-daily-ccld", "inquire-balance", "inquire-psbl-rvsecncl"):
        wire.answer(path, body)
    answer = await getattr(make(env="real"), ask)()
    assert (answer.holdings if ask == "balance" else answer) == ()


async def test_no_rows_said_as_a_refusal_is_no_proof_that_there_is_no_order(kis, wire):
    wire.answer("inquire-daily-ccld", refusal("KIOK0560", rt_cd="7"))
    with pytest.raises(Refused):
        await kis.executions()
