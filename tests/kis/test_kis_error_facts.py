"""What every error tells, whatever went wrong: which call, where, KIS's code and words, and what to do in Korean."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from kis import BadAnswer, KisError, NotSent, OrderKind, Refused, Throttled, TokenRejected, Unavailable, Unknown
from tests.kis.kis_wire import TOKEN_PATH, refusal, sample

LIMIT = {"price": 75_700, "kind": OrderKind.LIMIT}
CALLS = {
    "price": ("inquire-price", lambda kis: kis.price("005930")),
    "executions": ("inquire-daily-ccld", lambda kis: kis.executions()),
    "buy": ("order-cash", lambda kis: kis.buy("005930", 1, **LIMIT)),
    "revise_cancel": ("order-rvsecncl", lambda kis: kis.cancel("51378")),
}
ANSWERED = [
    (refusal("APBK0952", words="주문가능금액을 초과 했습니다   "), 200, "APBK0952"),
    (refusal("EGW00201", words="초당 거래건수를 초과하였습니다."), 500, "EGW00201"),
    (refusal("EGW00215", words="원장에서 허용 가능한 초당 거래건수를 초과하였습니다."), 500, "EGW00215"),
    (refusal("EGW00316", words="일시 오류"), 500, "EGW00316"),
    (refusal("IGW00007", words="MCA 전문바디 구성 중 오류가 발생하였습니다."), 500, "IGW00007"),
    (refusal("OPSQ2000", words="ERROR : INPUT INVALID_CHECK_ACNO"), 200, "OPSQ2000"),
    (refusal("EGW02006", words="모의투자 미제공"), 500, "EGW02006"),
    (refusal("XYZ99999", words="처음 보는 코드"), 200, "XYZ99999"),
    (b"<html>gateway</html>", 502, None),
]
LOST = [httpx.ReadError("x"), httpx.ReadTimeout("x"), httpx.ConnectError("x"), httpx.RemoteProtocolError("x")]
KOREAN = re.compile(r"[가-힣 ,.·()A-Z_0-9:\"'-]+(요|다|-)\.?|.*대안: .+")


async def failure(make, wire, call):
    with pytest.raises(KisError) as caught:
        await CALLS[call][1](make(env="real"))
    return caught.value


def check(error, call):
    assert (error.endpoint, error.env) == (call, "real")
    assert error.message
    assert KOREAN.fullmatch(error.advice.ko), error.advice.ko
    assert str(error).startswith(f"{call}: ")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("body", "status", "code"), ANSWERED)
async def test_an_answered_call_tells_code_words_and_status(make, wire, call, body, status, code):
    wire.answer(CALLS[call][0], body, status=status)
    error = await failure(make, wire, call)
    check(error, call)
    assert (error.code, error.status) == (code, status)
    if code:
        assert error.message == body["msg1"].strip()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("lost", LOST, ids=lambda error: type(error).__name__)
async def test_a_call_without_an_answer_has_no_status(make, wire, call, lost):
    wire.fail(CALLS[call][0], lost)
    error = await failure(make, wire, call)
    check(error, call)
    assert (error.code, error.status) == (None, None)
    writes = call in {"buy", "revise_cancel"}
    assert type(error) is ((NotSent if isinstance(lost, httpx.ConnectError) else Unknown) if writes else Unavailable)


async def test_pages_that_contradict_each_other_tell_their_status_too(make, wire):
    wire.answer("inquire-daily-ccld", sample("executions") | {"output1": "none"})
    error = await failure(make, wire, "executions")
    check(error, "executions")
    assert (type(error), error.status) == (BadAnswer, 200)


@pytest.mark.parametrize("code", ["EGW00201", "EGW00215"])
async def test_a_throttled_order_is_a_refusal_and_is_not_sent_again(make, wire, code):
    wire.answer("order-cash", refusal(code), status=500)
    error = await failure(make, wire, "buy")
    assert type(error) is Throttled
    assert isinstance(error, Refused)
    assert len(wire.sent("order-cash")) == 1


async def test_an_order_whose_token_stays_refused_is_a_refusal_sent_twice(make, wire, clock):
    wire.answer("inquire-price", sample("price"))
    await make(env="real").price("005930")
    await clock.sleep(61)
    wire.answer("order-cash", refusal("EGW00123"), status=500)
    error = await failure(make, wire, "buy")
    check(error, "buy")
    assert type(error) is TokenRejected
    assert (len(wire.sent("order-cash")), len(wire.sent(TOKEN_PATH))) == (2, 2)


@pytest.mark.parametrize("call", ["buy", "revise_cancel"])
async def test_the_hash_is_of_the_very_bytes_that_leave(make, wire, call):
    wire.answer("/uapi/hashkey", sample("hashkey"))
    wire.answer(CALLS[call][0], sample("order_paper"))
    await CALLS[call][1](make(hashkey=True))
    hashing, order = wire.arrived[1:]
    assert hashing.content == order.content
    assert order.headers["hashkey"] == sample("hashkey")["HASH"]


async def test_the_hash_of_a_cancel_waits_behind_no_order(make, wire):
    wire.answer("/uapi/hashkey", sample("hashkey"))
    wire.answer("order-cash", sample("order_paper"))
    wire.answer("order-rvsecncl", sample("order_paper"))
    kis = make(hashkey=True, min_interval=0.01)
    await kis.hashkey({})
    orders = [asyncio.create_task(kis.buy("005930", 1, **LIMIT)) for _ in range(10)]
    await asyncio.sleep(0)
    await kis.cancel("51378")
    assert wire.sent("order-cash") == []
    assert len(wire.sent("/uapi/hashkey")) <= 4
    await asyncio.gather(*orders)
