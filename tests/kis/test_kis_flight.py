"""Who shares a call with whom, and who never does."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from kis import BadRequest, KisError, OrderKind, Refused, Side, Unavailable
from kis import endpoints as api
from kis.single_flight import ResponseCache, SingleFlight
from tests.kis.kis_wire import TOKEN_PATH, refusal, sample

PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
BUY = {"price": 75_700, "kind": OrderKind.LIMIT}


class Held(httpx.AsyncBaseTransport):
    """Holds every call until let go, then hands it to the wire."""

    def __init__(self, wire):
        self.wire = wire
        self.arrived = 0
        self.given_up = 0
        self.gate = asyncio.Event()

    async def handle_async_request(self, request):
        self.arrived += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return self.wire(request)

    async def arrivals(self, number):
        async with asyncio.timeout(1):
            while self.arrived < number:  # noqa: ASYNC110 - a few rounds of the loop, no time passes
                await asyncio.sleep(0)


@pytest.fixture
async def held(kis, wire):
    await kis._session.token.get()
    wire.stand_in = Held(wire)
    return wire.stand_in


def tasks_of(ask, number):
    return [asyncio.create_task(ask()) for _ in range(number)]


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_thousand_askers_of_one_price_are_one_call(kis, wire, held):
    wire.answer("inquire-price", sample("price"))
    asking = tasks_of(lambda: kis.price("005930"), 1000)
    await held.arrivals(1)
    held.gate.set()
    quotes = await asyncio.gather(*asking)
    assert {quote.price for quote in quotes} == {75_700}
    assert len(wire.sent("inquire-price")) == 1
    await kis.price("005930")
    assert len(wire.sent("inquire-price")) == 2


async def test_different_questions_are_different_calls(kis, wire, held):
    wire.answer("inquire-price", sample("price"))
    wire.answer("inquire-asking-price-exp-ccn", sample("order_book"))
    held.gate.set()
    asking = (kis.price("005930"), kis.price("000660"), kis.order_book("005930"))
    await asyncio.gather(*asking, return_exceptions=True)  # the wire has one price for all
    assert held.arrived == 3


async def test_askers_that_give_up_hurt_nobody_whoever_came_first(kis, wire, held):
    wire.answer("inquire-price", sample("price"))
    asking = tasks_of(lambda: kis.price("005930"), 10)
    await held.arrivals(1)
    for task in asking[:9]:
        task.cancel()
    await settle()
    assert all(task.cancelled() for task in asking[:9])
    assert not asking[9].done()
    held.gate.set()
    assert (await asking[9]).price == 75_700
    assert (held.arrived, held.given_up) == (1, 0)


async def test_when_the_last_asker_has_left_the_call_is_given_up_and_the_next_begins_anew(kis, wire, held):
    wire.answer("inquire-price", sample("price"))
    asking = tasks_of(lambda: kis.price("005930"), 3)
    await held.arrivals(1)
    for task in asking:
        task.cancel()
    late = asyncio.create_task(kis.price("005930"))
    await held.arrivals(2)
    assert held.given_up == 1
    held.gate.set()
    assert (await late).price == 75_700


@pytest.mark.virtual_time
async def test_a_call_given_up_before_it_began_takes_no_turn(make, wire):
    wire.answer("inquire-price", sample("price"))
    kis = make(min_interval=0.02)
    await kis.price("005930")
    asking = asyncio.create_task(kis.price("000660"))
    await settle()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await kis.price("005930")
    assert len(wire.sent("inquire-price")) == 2


@pytest.mark.parametrize(
    ("body", "kind"), [(refusal("APBK0656"), Refused), (refusal("IGW00007"), BadRequest), (b"<html>", Unavailable)]
)
async def test_an_error_reaches_all_who_asked_and_none_who_ask_later(kis, wire, body, kind):
    wire.answer("inquire-price", body)
    found = await asyncio.gather(*tasks_of(lambda: kis.price("005930"), 50), return_exceptions=True)
    assert {type(error) for error in found} == {kind}
    assert {(error.endpoint, error.env) for error in found} == {("price", "paper")}
    assert len(wire.sent("inquire-price")) == (4 if kind is Unavailable else 1)
    wire.forget("inquire-price")
    wire.answer("inquire-price", sample("price"))
    assert (await kis.price("005930")).price == 75_700


async def test_equal_orders_are_as_many_orders(kis, wire, held):
    wire.answer("order-cash", sample("order_paper"))
    held.gate.set()
    await asyncio.gather(*tasks_of(lambda: kis.place(Side.BUY, "005930", 1, **BUY), 20))
    assert len(wire.sent("order-cash")) == 20


async def test_the_account_is_shared_until_the_call_leaves_and_asked_anew_from_then_on(kis, wire, held):
    """Or an order list that left before an order could pass for proof that there is no such order."""
    wire.answer("inquire-daily-ccld", sample("executions") | {"output1": []})
    early = tasks_of(kis.executions, 10)
    await held.arrivals(1)
    late = tasks_of(kis.executions, 10)
    await held.arrivals(2)
    held.gate.set()
    await asyncio.gather(*early, *late)
    assert held.arrived == 2


async def test_all_pages_of_a_list_are_shared(kis, wire):
    first = sample("executions")
    rows = [first["output1"][0] | {"ord_dt": "20261120", "odno": f"{number:010d}"} for number in range(1, 16)]
    cursor = {"ctx_area_fk100": "a".ljust(100), "ctx_area_nk100": "15".ljust(100)}
    wire.answer("inquire-daily-ccld", first | cursor | {"output1": rows}, more="F")
    wire.answer("inquire-daily-ccld", first | {"output1": rows[:1]})
    lists = await asyncio.gather(*tasks_of(kis.executions, 20))
    assert {len(reports) for reports in lists} == {16}
    assert len(wire.sent("inquire-daily-ccld")) == 2


async def test_closing_tells_those_who_wait(kis, wire, held):
    wire.answer("inquire-price", sample("price"))
    asking = tasks_of(lambda: kis.price("005930"), 3)
    await held.arrivals(1)
    await kis.close()
    errors = await asyncio.gather(*asking, return_exceptions=True)
    assert [(type(error), error.endpoint, error.env) for error in errors] == [(Unavailable, "price", "paper")] * 3
    assert "closed" in str(errors[0])
    assert held.given_up == 1


async def test_one_refused_token_is_renewed_once_for_all(kis, wire, clock):
    wire.answer("inquire-price", sample("price"))
    await kis.price("005930")
    await clock.sleep(90)
    wire.forget("inquire-price")
    wire.answer(TOKEN_PATH, {"access_token": "token-2", "expires_in": 86400})
    wire.answer("inquire-price", refusal("EGW00123"), status=500)
    wire.answer("inquire-price", sample("price"))
    quotes = await asyncio.gather(*tasks_of(lambda: kis.price("005930"), 30))
    assert len(quotes) == 30
    assert (len(wire.sent("inquire-price")), len(wire.sent(TOKEN_PATH))) == (3, 2)


async def test_a_recent_answer_will_do_where_one_says_so_and_bears_its_age(kis, wire, clock):
    wire.answer("inquire-price", sample("price"))
    read = kis._session.read
    first = await read(api.PRICE, PRICE)
    clock.now += timedelta(seconds=0.4)
    again = await read(api.PRICE, PRICE, max_age=0.5)
    assert again is first
    assert (clock() - again.at).total_seconds() == pytest.approx(0.4)
    assert (await read(api.PRICE, PRICE)).at == clock()
    assert len(wire.sent("inquire-price")) == 2
    clock.now += timedelta(seconds=0.51)
    assert (await read(api.PRICE, PRICE, max_age=0.5)).at == clock()
    assert len(wire.sent("inquire-price")) == 3


async def test_no_answer_is_kept_of_another_question_nor_of_a_failure(kis, wire):
    wire.answer("inquire-price", refusal("APBK0656"))
    for _ in range(2):
        with pytest.raises(KisError):
            await kis._session.read(api.PRICE, PRICE, max_age=1)
    wire.answer("inquire-price", sample("price"))
    await kis._session.read(api.PRICE, PRICE, max_age=1)
    await kis._session.read(api.PRICE, PRICE | {"FID_INPUT_ISCD": "000660"}, max_age=1)
    assert len(wire.sent("inquire-price")) == 4


async def test_a_clock_set_back_makes_no_answer_younger(kis, wire, clock):
    wire.answer("inquire-price", sample("price"))
    await kis._session.read(api.PRICE, PRICE)
    clock.now -= timedelta(hours=1)
    await kis._session.read(api.PRICE, PRICE, max_age=1)
    assert len(wire.sent("inquire-price")) == 2


@pytest.mark.parametrize(("endpoint", "max_age"), [(api.PRICE, 1.1), (api.PRICE, -0.1), (api.BALANCE, 0.1)])
async def test_an_age_beyond_a_second_or_of_an_account_is_refused_before_anything_is_sent(kis, wire, endpoint, max_age):
    with pytest.raises(BadRequest):
        await kis._session.read(endpoint, {}, max_age=max_age)
    with pytest.raises(BadRequest):
        await kis._session.read(api.PRICE, PRICE, max_age=float("nan"))
    assert wire.arrived == []


async def test_what_is_kept_is_a_second_of_answers(clock):
    class Dated:
        def __init__(self):
            self.at = clock()

    recent = ResponseCache(clock)
    for number in range(5000):
        recent.put(number, Dated())
        clock.now += timedelta(milliseconds=10)
    assert len(recent._cached) <= 102
    for number in range(5000):
        recent.put(number, Dated())
    assert len(recent._cached) <= 512


async def test_a_call_that_is_cancelled_from_elsewhere_leaves_nobody_waiting():
    flights = SingleFlight()
    asking = asyncio.create_task(flights.do("key", asyncio.Event().wait))
    await settle()
    flights._joinable["key"].task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (flights._joinable, flights._running) == ({}, set())


async def test_nothing_is_left_behind(make, wire, monkeypatch):
    flights = SingleFlight()
    monkeypatch.setattr("kis.session.SingleFlight", lambda: flights)
    kis = make()
    wire.answer("inquire-price", sample("price"))
    wire.answer("inquire-balance", sample("balance_paper"))
    await asyncio.gather(*tasks_of(lambda: kis.price("005930"), 3), kis.balance())
    await settle()
    assert (flights._joinable, flights._running) == ({}, set())
