"""The watch: asks in turn within its budget, only in session, misses nothing it is shown, and says what it did not see."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerts.model import AlertKind, Comparison
from bot.services.alert_runner import URGENCY, VERIFY_INTERVAL, AlertRunner
from kis.errors import Unavailable
from kis.krx import KST
from kis.models import Quote
from kis.stream import Gap
from tests.support.alert_day import stand
from tests.support.alert_world import in_harness
from tests.support.trade_source import trade as hand_trade
from tests.unit.alerts.test_model import CODE, alert

SATURDAY = datetime(2026, 11, 21, 10, 0, tzinfo=KST)


def one_of(code, line=72_000, **more):
    return replace(alert(line, Comparison.ABOVE, **more), id=0, code=code)


def quote(code, price, at, **more):
    values = {
        "code": code, "price": price, "change": 0, "change_rate": 0, "volume": 1_000, "value": 0, "open": price, "high": price,
        "low": price, "upper_limit": 91_000, "lower_limit": 49_000, "base_price": 70_000, "tick": 100, "market_name": "KOSPI",
        "status": "00", "warning": "00", "halted": "N", "vi": "N", "at": at, **more,
    }  # fmt: skip
    return Quote(**values)


# --- asking ---------------------------------------------------------------------------------------------------


def test_a_polled_crossing_rings_within_a_round_and_once():
    async def play(harness):
        await harness.say("005930 > 71500")
        async with harness.at_work():
            harness.exchange.set_price("005930", 71_000)
            await asyncio.sleep(10)
            assert harness.pushes == []
            harness.exchange.set_price("005930", 71_600)
            await asyncio.sleep(7)
            harness.exchange.set_price("005930", 71_700)
            await asyncio.sleep(20)
        assert len(harness.pushes) == 1
        assert "71,600원" in harness.pushes[0]
        assert "보지 못한 사이" not in harness.pushes[0]

    in_harness(play, always=True)


def test_the_budget_is_kept_and_nobody_starves():
    async def play(harness):

        codes = list(harness.exchange.issues)[:40]
        for code in codes:
            harness.watch.add(one_of(code, 10**9), None, 99)
        harness.watch.add(one_of(codes[0], harness.exchange.issues[codes[0]].last), None, 99)
        async with harness.at_work():
            await asyncio.sleep(600)
        asked = harness.asked
        assert sum(asked.values()) <= 200
        assert set(asked) == set(codes)
        assert asked[codes[0]] > 3 * asked[codes[1]], "the one beside its line is asked for more often"

    in_harness(play, always=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=12, unique=True))
def test_nobody_waits_longer_than_eight_turns_of_every_other(lines):
    on = stand()
    for number, line in enumerate(lines):
        on.watch.add(one_of(f"{number:06}", line), None, 99)
    last, longest = {}, Counter()
    for turn in range(8 * len(lines) * 3):
        on.clock.forward(timedelta(seconds=3))
        code = on.watch.next_stock(on.clock.now)
        on.prices._called_at[code] = on.clock.now
        on.watch._set_checked(code, 1_000, 1, on.clock.now)
        longest[code] = max(longest[code], turn - last.get(code, turn))
        last[code] = turn
    assert len(last) == len(lines)
    assert max(longest.values()) <= URGENCY[0][1] * len(lines)


def test_while_the_market_is_closed_nothing_is_asked_and_nothing_rings():
    async def play(harness):

        made = await harness.say("005930 > 1")
        assert "장이 열려 있지 않아" in made.text
        before = sum(harness.asked.values())
        async with harness.at_work():
            await asyncio.sleep(3_600)
        harness.watch.on_tick("005930", 99_000, 1, harness.clock())
        assert sum(harness.asked.values()) == before
        assert harness.pushes == []

    in_harness(play, start=SATURDAY)


def test_when_kis_does_not_answer_it_asks_ever_less_and_then_goes_on():
    async def play(harness):

        await harness.say("005930 > 71500")
        calls, real = [], harness.client.price

        async def away(code, *, max_age=0.0):
            calls.append(harness.clock.seconds())
            raise Unavailable("down", endpoint="price", env="real")

        harness.client.price = away
        async with harness.at_work():
            await asyncio.sleep(600)
            pauses = [round(after - before) for before, after in pairwise(calls)]
            assert pauses[:4] == [6, 12, 24, 48]
            assert max(pauses) == 60
            harness.client.price = real
            harness.exchange.set_price("005930", 71_600)
            await asyncio.sleep(130)
        assert len(harness.pushes) == 1
        assert "보지 못한 사이" in harness.pushes[0]

    in_harness(play, always=True)


# --- the stream -----------------------------------------------------------------------------------------------


def trade(price, at, volume=1_000):
    return hand_trade(CODE, price, at, volume)


def test_streamed_stocks_are_not_asked_for_once_they_were_seen():
    async def play(harness):
        await harness.say("005930 > 71500")
        await harness.say("000660 > 999999")
        harness.stream.streamed = frozenset({CODE})
        before = harness.asked[CODE]
        for _ in range(6):
            await harness.watch.turn()
        assert harness.stream.codes == [CODE, "000660"]
        assert harness.asked[CODE] <= before + 1
        harness.stream.on_trade(trade(71_600, harness.clock()))
        assert len(harness.pushes) == 1

    in_harness(play, always=True)


def test_a_gap_in_the_stream_is_asked_about_and_a_crossing_in_it_says_so():
    on = stand()
    on.watch.add(one_of(CODE), None, 9)
    on.stream.streamed = frozenset({CODE})
    on.stream.on_trade(trade(71_000, on.clock.now))
    on.clock.forward(timedelta(minutes=14))
    assert on.watch.next_stock(on.clock.now) is None, "nothing trades, and nothing is missed"
    since = on.clock.now
    on.clock.forward(timedelta(minutes=5))
    on.stream.on_gap(Gap(since, on.clock.now))
    assert on.watch.next_stock(on.clock.now) == CODE
    on.stream.on_trade(trade(73_000, on.clock.now))

    (data,) = on.db.execute("SELECT data FROM outbox").fetchone()
    assert f'"unseen": true, "since": "{since.isoformat()}", "last": 71000' in data


def test_a_quiet_streamed_stock_is_no_gap():
    on = stand()
    on.watch.add(one_of(CODE), None, 9)
    on.stream.streamed = frozenset({CODE})
    on.stream.on_trade(trade(71_000, on.clock.now))
    on.clock.forward(timedelta(hours=1))
    on.watch.on_tick(CODE, 73_000, 2, on.clock.now)

    assert '"unseen": false' in on.db.execute("SELECT data FROM outbox").fetchone()[0]


def test_a_stream_that_went_dumb_without_a_word_is_found_out_by_asking():
    on = stand()
    on.watch.add(one_of(CODE), None, 9)
    on.stream.streamed = frozenset({CODE})
    on.stream.on_trade(trade(71_000, on.clock.now))
    on.clock.forward(VERIFY_INTERVAL)

    assert on.watch.next_stock(on.clock.now) == CODE


def test_an_answer_overtaken_by_a_trade_changes_nothing_and_a_clock_set_back_does_not_stop_the_watch():
    on = stand()
    on.watch.add(one_of(CODE), None, 9)
    on.watch.on_tick(CODE, 71_000, 1, on.clock.now)
    on.watch.on_quote(CODE, quote(CODE, 73_000, on.clock.now - timedelta(seconds=1)))
    assert on.pushes == {}
    on.watch.on_tick(CODE, 73_000, 1, on.clock.now - timedelta(hours=2))
    assert len(on.pushes[1]) == 1


def test_a_price_of_nothing_is_no_price():
    on = stand()
    on.watch.add(replace(one_of(CODE), op=Comparison.BELOW), None, 9)
    on.watch.on_tick(CODE, 0, 0, on.clock.now)
    on.watch.on_quote(CODE, quote(CODE, 0, on.clock.now, open=1))
    assert on.pushes == {}


def test_one_price_that_breaks_us_does_not_stop_the_next(monkeypatch):
    on = stand()
    on.watch.add(one_of(CODE), None, 9)
    with monkeypatch.context() as broken:
        broken.setattr(on.book, "commit", lambda _: 1 / 0)
        on.watch.on_tick(CODE, 73_000, 1, on.clock.now)
    on.watch.on_tick(CODE, 73_000, 1, on.clock.now)
    assert len(on.pushes[1]) == 1


# --- days, and what is held -----------------------------------------------------------------------------------


def test_before_the_first_trade_of_the_day_a_quote_makes_no_price():
    on = stand()
    on.watch.add(one_of(CODE), None, 9)
    on.watch.on_quote(CODE, quote(CODE, 73_000, on.clock.now, open=0))
    assert on.pushes == {}


def test_the_base_price_of_the_day_is_asked_for_even_of_a_streamed_stock():
    on = stand()
    on.watch.add(one_of(CODE, kind=AlertKind.MOVE, percent=Decimal(3)), None, 9)
    on.stream.streamed = frozenset({CODE})
    on.stream.on_trade(trade(99_000, on.clock.now))
    assert on.pushes == {}
    assert on.watch.next_stock(on.clock.now) == CODE
    on.watch.on_quote(CODE, quote(CODE, 99_000, on.clock.now))
    assert len(on.pushes[1]) == 1
    assert on.watch.next_stock(on.clock.now) is None


def test_what_is_held_rings_for_moves_limits_halts_and_vi_once_each():
    async def play(harness):

        made = await harness.say("보유 5%")
        assert "보유 종목" in made.text
        issue = harness.exchange.issues["005930"]
        async with harness.at_work():
            await asyncio.sleep(30)
            assert harness.pushes == []
            harness.exchange.set_price("005930", issue.step(int(issue.base * 1.06), 0))
            await asyncio.sleep(30)
            assert ["전일 대비 +5%" in one for one in harness.pushes] == [True]
            issue.vi = True
            await asyncio.sleep(30)
            issue.vi = False
            issue.halted = True
            await asyncio.sleep(30)
            issue.halted = False
            harness.exchange.set_price("005930", issue.upper)
            await asyncio.sleep(60)
        heads = [one.split("\n")[1] for one in harness.pushes]
        assert [head.split(" ")[0] for head in heads[1:]] == ["⚡", "⛔", "상한가"]
        assert len(heads) == 4

    in_harness(play, always=True, holdings={"005930": (10, 70_000)})


def test_what_is_sold_is_watched_no_longer_and_what_is_bought_is():
    async def play(harness):
        await harness.say("보유 5%")
        await harness.watch.turn()
        assert set(harness.watch.live.codes) == {"005930"}
        position = harness.exchange.ledger.positions.pop("005930")
        position.code = "000660"
        harness.exchange.ledger.positions["000660"] = position
        await asyncio.sleep(600)
        await harness.watch.turn()
        assert set(harness.watch.live.codes) == {"000660"}
        assert len(harness.watch.live) == 6

    in_harness(play, always=True, holdings={"005930": (10, 70_000)})


def test_while_holdings_cannot_be_read_prices_still_are():
    async def play(harness):
        await harness.say("보유 5%")
        await harness.say("005930 > 71500")
        real = harness.client.balance

        async def away():
            raise Unavailable("down", endpoint="balance", env="real")

        harness.client.balance = away
        await harness.watch.turn()
        before = harness.asked["005930"]
        await asyncio.sleep(3)
        await harness.watch.turn()
        assert harness.asked["005930"] == before + 1
        harness.client.balance = real
        await asyncio.sleep(61)
        await harness.watch.turn()
        assert len(harness.watch.live) == 1 + 6

    in_harness(play, always=True, holdings={"000660": (10, 70_000)})


def test_a_fault_of_ours_while_asking_ends_nothing():
    async def play(harness):
        await harness.say("005930 > 71500")

        async def broken(code, *, max_age=0.0):
            raise RuntimeError("ours")

        harness.client.price = broken
        await harness.watch.turn()
        assert isinstance(harness.watch, AlertRunner)

    in_harness(play, always=True)


@pytest.mark.parametrize("count", [0, 1, 41])
def test_the_most_urgent_come_first_for_the_stream(count):
    on = stand()
    for number, line in enumerate((99_000, 71_500, 80_000)):
        on.watch.add(one_of(f"{number:06}", line), quote(f"{number:06}", 71_000, on.clock.now), 9)

    assert on.watch.urgent(count) == ["000001", "000002", "000000"][:count]
