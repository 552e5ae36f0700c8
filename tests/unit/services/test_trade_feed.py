"""Trades of watched stocks: who hears which, in what order registrations go, and what a gap does to them."""

import asyncio
import contextlib
import json
from datetime import datetime, timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot.services.fill_stream import FillStream, StreamState
from bot.services.trade_feed import MAX_STREAMED, TradeFeed, allot
from bot.store.outbox import Outbox
from kis.config import kst_now
from kis.sim import Simulator
from kis.stream import Gap
from tests.kis.stream_guest import config_of
from tests.sim.socket_guest import TRADES
from tests.support.members import notifications
from tests.support.outbox import empty_database
from tests.support.waiting import until

SAMSUNG, HYNIX = "005930", "000660"


class Ahead:
    def __init__(self):
        self.by = timedelta()

    def __call__(self) -> datetime:
        return kst_now() + self.by


class Floor:
    """A simulator, and a fill stream connected to it."""

    def __init__(self, sim, stream, trades, clock):
        self.sim, self.stream, self.trades, self.clock = sim, stream, trades, clock
        self.codes = list(sim.exchange.issues)

    def trade(self, code=SAMSUNG, quantity=1):
        self.sim.exchange.trade(code, self.sim.exchange.quote(code).last, quantity)

    @property
    def registered(self):
        """Codes of the trades that the broker has registrations for."""
        return {topic.tr_key for one in self.sim.websocket.sessions for topic in one.topics if topic.tr_id == TRADES}

    async def comes(self, true):
        await until(true)


async def soon(seconds):
    await asyncio.sleep(min(seconds, 0.001))


@contextlib.asynccontextmanager
async def floor(tmp_path, monkeypatch, **config):
    monkeypatch.setattr("bot.services.fill_stream.CHECK_INTERVAL", 0.02)
    sim, clock = Simulator(rate_limit=False), Ahead()
    async with sim.serve() as url:
        trades = TradeFeed(clock)
        stream = FillStream(
            config_of(sim, url, tmp_path, **config),
            trades,
            wake=lambda: None,
            notifications=notifications(Outbox(empty_database(), kst_now)),
            clock=clock,
            sleep=soon,
            always=True,
        )
        work = asyncio.create_task(stream.run())
        try:
            at = Floor(sim, stream, trades, clock)
            await at.comes(lambda: stream.state is not StreamState.DISCONNECTED)
            yield at
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


# --- who gets a registration ------------------------------------------------------------------------------------------


def test_everybodys_most_urgent_comes_before_anybodys_second():
    assert allot([["a", "b", "c"], ["x", "y"], []], [], 4) == ["a", "x", "b", "y"]


def test_a_stock_that_two_want_takes_one_place():
    assert allot([["a", "b"], ["b", "a", "c"]], [], 3) == ["a", "b", "c"]


def test_what_is_held_keeps_its_place_while_somebody_wants_it():
    assert allot([["a", "b", "c"]], ["c", "z"], 2) == ["c", "a"]


CODES = st.lists(st.sampled_from("abcdefghij"), unique=True)


@given(st.lists(CODES, max_size=4), CODES, st.integers(0, 8))
def test_no_place_is_wasted_and_none_is_made_up(wants, held, room):
    wanted = {code for one in wants for code in one}
    chosen = allot(wants, held[:room], room)
    assert len(chosen) == len(set(chosen)) == min(room, len(wanted))
    assert set(chosen) <= wanted
    assert set(held[:room]) & wanted <= set(chosen)


# --- over a socket ----------------------------------------------------------------------------------------------------


async def test_trades_go_to_whoever_watches_them(tmp_path, monkeypatch):
    async with floor(tmp_path, monkeypatch) as at:
        first, second = [], []
        one = at.trades.subscribe([SAMSUNG], first.append)
        two = at.trades.subscribe([HYNIX, SAMSUNG], second.append)
        await at.comes(lambda: two.streamed == {SAMSUNG, HYNIX})
        assert one.streamed == {SAMSUNG}
        at.trade(SAMSUNG, 3)
        at.trade(HYNIX, 4)
        await at.comes(lambda: len(second) == 2)
        assert [(trade.code, trade.quantity) for trade in first] == [(SAMSUNG, 3)]
        assert sorted((trade.code, trade.quantity) for trade in second) == [(HYNIX, 4), (SAMSUNG, 3)]
        two.close()
        await at.comes(lambda: at.registered == {SAMSUNG})
        assert two.streamed == frozenset()


async def test_what_is_wanted_may_change_and_only_the_difference_is_told_to_kis(tmp_path, monkeypatch):
    async with floor(tmp_path, monkeypatch) as at:
        watching = at.trades.subscribe(at.codes[:3], lambda _: None)
        await at.comes(lambda: watching.streamed == set(at.codes[:3]))
        watching.want(at.codes[1:4])
        await at.comes(lambda: watching.streamed == set(at.codes[1:4]))
        assert at.registered == set(at.codes[1:4])
        received = [json.loads(frame) for frame in at.sim.websocket.sessions[0].received]
        told = [
            (one["header"]["tr_type"], one["body"]["input"]["tr_key"])
            for one in received
            if one["body"]["input"]["tr_id"] == TRADES
        ]
        assert sorted(told[:3]) == sorted(("1", code) for code in at.codes[:3])
        assert sorted(told[3:]) == [("1", at.codes[3]), ("2", at.codes[0])]


async def test_fill_notices_always_have_their_registration_and_the_rest_is_shared_most_urgent_first(
    tmp_path, monkeypatch
):
    async with floor(tmp_path, monkeypatch) as at:
        greedy = at.trades.subscribe(at.codes[:100], lambda _: None)
        modest = at.trades.subscribe(at.codes[150:155], lambda _: None)
        await at.comes(lambda: len(at.registered) == MAX_STREAMED)
        # whoever came first keeps its places for a minute; then the other has its share
        at.clock.by += timedelta(minutes=2)
        await at.comes(lambda: modest.streamed == set(at.codes[150:155]))
        await at.comes(lambda: greedy.streamed == set(at.codes[: MAX_STREAMED - 5]))
        topics = at.sim.websocket.sessions[0].topics
        assert len(topics) == 41
        assert sum(topic.tr_id != TRADES for topic in topics) == 1
        assert at.sim.websocket.connects == 1


async def test_a_registration_is_kept_for_a_minute_before_a_more_urgent_one_takes_its_place(tmp_path, monkeypatch):
    async with floor(tmp_path, monkeypatch) as at:
        watching = at.trades.subscribe(at.codes[:60], lambda _: None)
        await at.comes(lambda: watching.streamed == set(at.codes[:MAX_STREAMED]))
        watching.want(list(reversed(at.codes[:60])))
        await asyncio.sleep(0.1)
        assert watching.streamed == set(at.codes[:MAX_STREAMED])
        at.clock.by += timedelta(seconds=61)
        await at.comes(lambda: watching.streamed == set(at.codes[60 - MAX_STREAMED : 60]))


async def test_a_gap_is_told_to_all_and_everything_comes_in_again(tmp_path, monkeypatch):
    async with floor(tmp_path, monkeypatch) as at:
        happened = []
        watching = at.trades.subscribe([SAMSUNG], happened.append, happened.append)
        await at.comes(lambda: watching.streamed == {SAMSUNG})
        at.sim.faults.plant("drop_socket")
        at.trade()
        await at.comes(lambda: any(isinstance(one, Gap) for one in happened))
        await at.comes(lambda: watching.streamed == {SAMSUNG})
        at.trade(SAMSUNG, 7)
        await at.comes(lambda: getattr(happened[-1], "quantity", 0) == 7)
        kinds = [type(one).__name__ for one in happened]
        assert kinds.count("Gap") == 1
        assert kinds.index("Gap") < kinds.index("Trade")


async def test_while_nothing_is_heard_nothing_is_said_to_come_in(tmp_path, monkeypatch):
    async with floor(tmp_path, monkeypatch) as at:
        watching = at.trades.subscribe([SAMSUNG], lambda _: None)
        await at.comes(lambda: watching.streamed == {SAMSUNG})
        at.sim.faults.plant("drop_socket", times=-1)
        at.trade()
        await at.comes(lambda: watching.streamed == frozenset())
        at.sim.faults.clear()
        await at.comes(lambda: watching.streamed == {SAMSUNG})


async def test_a_stock_that_kis_does_not_know_is_asked_for_once(tmp_path, monkeypatch):
    async with floor(tmp_path, monkeypatch) as at:
        watching = at.trades.subscribe(["999999", "no code", SAMSUNG], lambda _: None)
        await at.comes(lambda: watching.streamed == {SAMSUNG})
        await asyncio.sleep(0.1)
        assert watching.streamed == {SAMSUNG}
        received = [json.loads(frame) for frame in at.sim.websocket.sessions[0].received]
        assert [one["body"]["input"]["tr_key"] for one in received].count("999999") == 1


async def test_where_kis_has_room_for_fewer_no_more_are_tried(tmp_path, monkeypatch):
    monkeypatch.setattr("kis.sim.websocket.server.MAX_REGISTRATIONS", 6)
    async with floor(tmp_path, monkeypatch) as at:
        watching = at.trades.subscribe(at.codes[:20], lambda _: None)
        await at.comes(lambda: len(watching.streamed) == 5)
        await asyncio.sleep(0.2)
        received = at.sim.websocket.sessions[0].received
        before = len(received)
        watching.want(at.codes[20:40])
        await at.comes(lambda: watching.streamed == set(at.codes[20:25]))
        await asyncio.sleep(0.1)
        assert len(received) - before == 10  # five ended, five begun
        assert at.stream.state is StreamState.CONNECTED


async def test_one_who_breaks_over_a_trade_is_nobody_elses_trouble(tmp_path, monkeypatch):
    def broken(_):
        raise RuntimeError("broken")

    with structlog.testing.capture_logs() as logs:
        async with floor(tmp_path, monkeypatch) as at:
            trades = []
            at.trades.subscribe([SAMSUNG], broken, broken)
            watching = at.trades.subscribe([SAMSUNG], trades.append)
            await at.comes(lambda: watching.streamed)
            for _ in range(3):
                at.trade()
            await at.comes(lambda: len(trades) == 3)
            assert at.stream.state is StreamState.CONNECTED
    assert [line["event"] for line in logs].count("a subscriber to trades failed over one") == 1


@pytest.mark.parametrize("login", ["", "somebody"])
async def test_where_nobody_listens_no_trades_come_in(tmp_path, monkeypatch, login):
    monkeypatch.setattr("bot.services.fill_stream.RECONNECT_INTERVAL", 3600)
    sim = Simulator(rate_limit=False)
    async with sim.serve() as url:
        trades = TradeFeed(kst_now)
        stream = FillStream(
            config_of(sim, url, tmp_path, hts_id=login),
            trades,
            wake=lambda: None,
            notifications=notifications(Outbox(empty_database(), kst_now)),
        )
        work = asyncio.create_task(stream.run())
        watching = trades.subscribe([SAMSUNG], lambda _: None)
        await asyncio.sleep(0.2)
        assert watching.streamed == frozenset()
        assert stream.state is (StreamState.DISCONNECTED if login else StreamState.OFF)
        assert work.done() is not bool(login)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
