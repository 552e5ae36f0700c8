"""What is asked again, when, and what never is."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import httpx
import pytest
import structlog

from kis import KisError, NotSent, OrderKind, Unavailable, Unknown
from kis import session as session_module
from tests.kis.kis_wire import KEY, SECRET, TOKEN_PATH, refusal, sample

BUY = {"price": 75_700, "kind": OrderKind.LIMIT}
LOST = [
    httpx.ReadTimeout("x"),
    httpx.ReadError("x"),
    httpx.WriteError("x"),
    httpx.WriteTimeout("x"),
    httpx.RemoteProtocolError("x"),
    httpx.DecodingError("x"),
    TimeoutError(),
    RuntimeError("anything"),
    OSError("anything"),
]
NEVER_LEFT = [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")]


def name(error):
    return type(error).__name__


async def test_a_read_is_asked_four_times_with_growing_pauses(kis, wire, clock):
    wire.fail("inquire-price", httpx.ReadError("x"))
    with pytest.raises(Unavailable, match="ReadError"):
        await kis.price("005930")
    assert len(wire.sent("inquire-price")) == 4
    assert [round(pause / base, 1) for pause, base in zip(clock.slept, (0.5, 1, 2), strict=True)] == pytest.approx(
        [1, 1, 1], abs=0.2
    )
    assert not set(clock.slept) & {0.5, 1, 2}


@pytest.mark.parametrize("error", [*LOST[:7], *NEVER_LEFT], ids=name)
async def test_a_read_survives_one_failure_of_any_kind(kis, wire, error):
    wire.fail("inquire-price", error)
    wire.answer("inquire-price", sample("price"))
    assert (await kis.price("005930")).price == 75_700


async def test_no_attempt_begins_after_ten_seconds(kis, wire, clock):
    def slow(_):
        clock.now += timedelta(seconds=9)
        raise httpx.ReadTimeout("x")

    wire.answer("inquire-price", sample("price"))
    await kis.price("005930")
    wire._last["inquire-price"] = slow
    with pytest.raises(Unavailable):
        await kis.price("005930")
    assert len(wire.sent("inquire-price")) == 3
    assert len(clock.slept) == 1


@pytest.mark.parametrize("error", LOST, ids=name)
@pytest.mark.parametrize("way", ["buy", "sell", "cancel", "revise"])
async def test_a_write_whose_answer_is_lost_is_unknown_and_is_not_sent_again(kis, wire, error, way):
    wire.fail("order-cash", error)
    wire.fail("order-rvsecncl", error)
    orders = {
        "buy": lambda: kis.buy("005930", 1, **BUY),
        "sell": lambda: kis.sell("005930", 1, **BUY),
        "cancel": lambda: kis.cancel("51378"),
        "revise": lambda: kis.revise("51378", **BUY),
    }
    with pytest.raises(Unknown) as caught:
        await orders[way]()
    assert len(wire.arrived) == 2
    assert "주문내역" in caught.value.advice.ko


@pytest.mark.parametrize("error", NEVER_LEFT, ids=name)
async def test_a_write_that_never_left_goes_out_again_then_says_so(kis, wire, clock, error):
    wire.fail("order-cash", error)
    with pytest.raises(NotSent):
        await kis.buy("005930", 1, **BUY)
    assert len(wire.sent("order-cash")) == 4
    assert len(clock.slept) == 3
    wire.fail("order-cash", error)
    wire.answer("order-cash", sample("order_paper"))
    assert (await kis.buy("005930", 1, **BUY)).order_no == "0000051378"


async def test_a_caller_that_is_cancelled_leaves_its_order_alone(kis, wire):
    arrived, answer = asyncio.Event(), asyncio.Event()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _):
            arrived.set()
            await answer.wait()
            return httpx.Response(200, json=sample("order_paper"))

    await kis._session.token.get()
    wire.stand_in = Slow()
    ordering = asyncio.create_task(kis.buy("005930", 1, **BUY))
    await arrived.wait()
    ordering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ordering
    with structlog.testing.capture_logs() as logs:
        closing = asyncio.create_task(kis.close())
        await asyncio.sleep(0)
        assert not closing.done()
        answer.set()
        await closing
    assert [line["event"] for line in logs] == ["write_answered_unheard"]


async def test_after_closing_nothing_is_sent(kis, wire):
    await kis.close()
    with pytest.raises(NotSent, match="closed"):
        await kis.buy("005930", 1, **BUY)
    with pytest.raises(Unavailable, match="closed"):
        await kis.price("005930")
    assert wire.arrived == []


async def test_an_order_that_waits_for_its_turn_while_all_is_closed_was_not_sent(make, wire):
    wire.answer("inquire-price", sample("price"))
    kis = make(min_interval=0.02)
    await kis.price("005930")
    ordering = asyncio.create_task(kis.buy("005930", 1, **BUY))
    await asyncio.sleep(0)
    await kis.close()
    with pytest.raises(NotSent, match="closed"):
        await ordering
    assert wire.sent("order-cash") == []


@pytest.mark.parametrize("way", ["read", "write"])
async def test_an_answer_that_never_ends_is_given_up(kis, wire, monkeypatch, way):
    class Dripping(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _):
            await asyncio.sleep(60)

    await kis._session.token.get()
    monkeypatch.setattr(session_module, "_CALL_TIMEOUT", 0.005)
    wire.stand_in = Dripping()
    with pytest.raises(Unknown if way == "write" else Unavailable):
        await (kis.buy("005930", 1, **BUY) if way == "write" else kis.price("005930"))


async def test_no_log_line_tells_a_secret(make, wire, caplog):
    wire.fail("inquire-balance", httpx.ReadError(f"{KEY} {SECRET}"))
    wire.answer("inquire-balance", refusal("EGW00201", words=KEY), status=500)
    wire.answer("inquire-balance", refusal("OPSQ2000", words="12345678 no"), status=500)
    wire.answer("order-cash", refusal("APBK0952", words=SECRET))
    logging.getLogger().setLevel(logging.INFO)
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.INFO):
        kis = make()
        for ask in (kis.balance(), kis.buy("005930", 1, **BUY)):
            with pytest.raises(KisError):
                await ask
    assert len(logs) > 2
    for secret in (KEY, SECRET, "12345678", "token-1"):
        assert secret not in f"{logs} {caplog.text} {kis.account_masked}"


async def test_the_clocks_difference_is_the_median_of_the_last_twenty(kis, wire):
    assert kis.clock_offset == 0
    wire.answer("inquire-price", sample("price"), Date="Fri, 20 Nov 2026 01:00:07 GMT")
    for _ in range(15):
        await kis.price("005930")
    assert kis.clock_offset == 7
    wire.answer("inquire-price", sample("price"), Date="Fri, 20 Nov 2026 00:59:57 GMT")
    for _ in range(11):
        await kis.price("005930")
    assert kis.clock_offset == -3
    wire.answer("inquire-price", sample("price"), Date="a while ago")
    await kis.price("005930")
    assert kis.clock_offset == -3


async def test_reads_and_writes_have_their_timeouts_and_follow_no_redirect(kis, wire):
    wire.answer("inquire-price", sample("price"))
    wire.answer("order-cash", b"", status=307, Location="https://127.0.0.1/elsewhere")
    await kis.price("005930")
    with pytest.raises(Unknown):
        await kis.buy("005930", 1, **BUY)
    for call in wire.arrived:
        assert call.extensions["timeout"] == {"connect": 3.0, "read": 10.0, "write": 3.0, "pool": 10.0}
    assert [call.url.path for call in wire.arrived[:1]] == [TOKEN_PATH]
    assert len(wire.arrived) == 3
