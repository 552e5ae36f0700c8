"""What `make bench` stands on still runs, and its judge can tell good from bad."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from kis.krx import KST
from tests.bench.fill_latency import told_after
from tests.bench.journal_cost import journal_cost
from tests.bench.load import load
from tests.bench.load_report import Seen, Tap, figures_of
from tests.bench.price_cost import price_cost
from tests.bench.report import as_markdown, machine, on_screen
from tests.bench.tap_to_wire import WAYS, world

AT = datetime(2026, 11, 23, 10, 0, tzinfo=KST)


def _seen(states: dict[int, str], taps: dict[int, Tap], booked: Counter[int], waiting: frozenset[int] = frozenset()):
    return Seen(
        taps=taps,
        states=states,
        fresh=dict.fromkeys(taps, False),
        booked=booked,
        waiting=waiting,
        queues=[{"orders": 1}, {"orders": 3}],
        drained={"orders": 2.0},
        shares={"bot": 0.4},
        late_ms=[1.0],
        busy=0.5,
        starved=0.0,
        calls=Counter({"order-cash": 18}),
        seconds=1,
    )


def _tap(*, answered: bool = True, told: bool = True, posts: int = 0) -> Tap:
    after = AT + timedelta(seconds=1)
    return Tap(AT, "…", after if answered else None, [after] * posts, after if told else None)


async def test_the_bench_takes_its_figures_and_prints_them():
    rows, figures = await price_cost(rounds=1, calls=16)

    where = machine()
    assert figures["alone"]["typed"]["cpu_us"] > 0
    assert all(row.here in as_markdown(rows, where) and row.en in on_screen(rows, where) for row in rows)


async def test_a_tap_at_once_is_timed_from_the_tap_to_the_order():
    taken = await world(WAYS["at_once"], 1, asyncio.Lock())

    assert [0 < seconds < 5 for seconds, _ in taken] == [True]


async def test_a_fill_is_timed_from_the_match_to_its_message():
    delays, counts = await told_after(1, random.Random(1), heard=True)

    assert [0 < milliseconds < 5_000 for milliseconds in delays] == [True]
    assert counts["missed_by_stream"] == 0


async def test_the_journal_costs_commits_and_they_are_counted_on_both_sides_of_the_order():
    rows, figures = await journal_cost(sends=2, taps=1)

    commits = figures["commits"]
    assert any("attempts" in name for name in commits["before_the_order"])
    assert any("attempts" in name for name in commits["after_it"])
    assert figures["sync"]["p50_ms"] > 0
    assert rows


async def test_every_tap_of_a_short_load_ends_in_a_told_state_and_once_in_the_ledger():
    _, figures = await load(seconds=0.1, patience=15)

    assert (figures["taps"], figures["lost"], figures["twice"]) == (5, 0, 0)
    assert figures["states"] == {"open": 5}
    assert figures["to_card_ms"]["sent"]["n"] == 5


@pytest.mark.parametrize(
    ("tap", "state"),
    [(_tap(answered=False), "expired"), (_tap(told=False), "expired"), (_tap(), "confirmed"), (_tap(), "submitting")],
)
def test_a_tap_of_which_nobody_was_told_or_that_never_ended_is_lost(tap, state):
    assert figures_of(_seen({7: state}, {7: tap}, Counter()))["lost"] == 1


def test_a_tap_that_ended_and_was_told_is_not_lost():
    assert figures_of(_seen({7: "expired"}, {7: _tap()}, Counter()))["lost"] == 0


def test_a_tap_whose_card_still_waits_to_leave_is_not_lost_but_not_told_yet():
    figures = figures_of(_seen({7: "expired"}, {7: _tap(told=False)}, Counter(), frozenset({7})))

    assert (figures["lost"], figures["not_told_yet"]) == (0, 1)


@pytest.mark.parametrize(("posts", "booked"), [(2, 1), (1, 2)])
def test_an_order_that_left_twice_or_was_booked_twice_is_a_duplicate(posts, booked):
    seen = _seen({7: "open"}, {7: _tap(posts=posts)}, Counter({7: booked}))

    assert figures_of(seen)["twice"] == 1


def test_an_order_at_the_broker_that_was_told_as_not_sent_is_seen():
    assert figures_of(_seen({7: "expired"}, {7: _tap()}, Counter({7: 1})))["booked_unknown_to_us"] == 1


def test_an_order_told_as_sent_that_the_broker_does_not_have_is_seen():
    assert figures_of(_seen({7: "open"}, {7: _tap(posts=1)}, Counter()))["sent_not_booked"] == 1


def test_the_broker_s_pace_is_named_where_it_is_used_up_before_any_process():
    assert figures_of(_seen({7: "open"}, {7: _tap(posts=1)}, Counter({7: 1})))["bottleneck"] == "broker's pace"
