"""Who goes next, and how far apart: on a loop whose time only passes when all wait."""

from __future__ import annotations

import asyncio
import selectors
from itertools import pairwise
from math import ceil
from random import Random

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from kis.callers import calling_for, lane_of_read
from kis.endpoints import Lane
from kis.rate_limit import RateLimiter


class _Jump(selectors.DefaultSelector):
    """Waits for nothing: time passes instead."""

    def __init__(self):
        super().__init__()
        self.passed = 0.0

    def select(self, timeout=None):
        # Never nothing at all: a timer due in less than the resolution of floats would be due for ever.
        self.passed += (timeout or 0) + 1e-10
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.jump = _Jump()
        super().__init__(self.jump)

    def time(self):
        return self.jump.passed


def virtually(story):
    """Runs a test on virtual time."""

    def test():
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(story())

    test.__name__ = story.__name__
    return test


def now():
    return asyncio.get_running_loop().time()


class Queue:
    """Callers and when each was let through."""

    def __init__(self, pace):
        self.pace = pace
        self.passed = []
        self.tasks = []

    def call(self, lane, label=None, *, ledger=False):
        async def go():
            await self.pace.acquire(lane, ledger=ledger)
            self.passed.append((label if label is not None else lane.name, now()))

        self.tasks.append(asyncio.create_task(go()))
        return self.tasks[-1]

    async def finish(self):
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return [label for label, _ in self.passed]

    def gaps(self):
        times = [at for _, at in self.passed]
        return [later - earlier for earlier, later in pairwise(times)]


@virtually
async def test_one_call_an_interval_and_never_two_together():
    queue = Queue(RateLimiter(0.2))
    for number in range(30):
        queue.call(Lane.QUOTE, number)
    assert await queue.finish() == list(range(30))
    assert queue.passed[0][1] < 0.001
    assert queue.gaps() == pytest.approx([0.2] * 29)


@virtually
async def test_a_cancel_goes_before_all_that_wait():
    queue = Queue(RateLimiter(0.2))
    for lane in (Lane.QUOTE, Lane.REPORT, Lane.QUOTE, Lane.FILLS, Lane.ORDER):
        queue.call(lane)
    await asyncio.sleep(0.05)
    queue.call(Lane.CANCEL)
    assert await queue.finish() == ["QUOTE", "CANCEL", "ORDER", "FILLS", "QUOTE", "REPORT"]
    assert queue.passed[1][1] == pytest.approx(0.2)


@virtually
async def test_a_storm_of_quotes_delays_a_cancel_by_one_interval_at_most():
    queue = Queue(RateLimiter(1.0))
    for _ in range(50):
        queue.call(Lane.QUOTE)
    await asyncio.sleep(10.3)
    queue.call(Lane.CANCEL)
    await queue.finish()
    assert ("CANCEL", pytest.approx(11.0)) in queue.passed


@virtually
async def test_a_waiter_that_gives_up_costs_nobody_a_turn():
    chance = Random(3)
    queue = Queue(RateLimiter(0.2))
    waiting = [queue.call(Lane(chance.randrange(5)), number) for number in range(60)]
    for task in chance.sample(waiting[1:], 40):
        await asyncio.sleep(chance.choice([0, 0, 0.01, 0.05]))
        task.cancel()
    await queue.finish()
    assert len(queue.passed) >= 20
    assert max(queue.gaps()) == pytest.approx(0.2)
    assert min(queue.gaps()) == pytest.approx(0.2)


@virtually
async def test_a_turn_granted_to_one_who_gives_up_at_that_moment_passes_on():
    queue = Queue(RateLimiter(0.2))
    queue.call(Lane.QUOTE, "first")
    second = queue.call(Lane.QUOTE, "second")
    queue.call(Lane.QUOTE, "third")
    queue.call(Lane.QUOTE, "fourth")
    queue.call(Lane.QUOTE, "fifth")
    await asyncio.sleep(0)
    line = queue.pace._calls
    grant = line._grant_next

    def grant_and_cancel():
        line._grant_next = grant
        granted = grant()
        second.cancel()
        return granted

    line._grant_next = grant_and_cancel
    assert await queue.finish() == ["first", "third", "fourth", "fifth"]
    assert queue.passed[1][1] == pytest.approx(0.2)
    assert queue.gaps() == pytest.approx([0.2] * 3)


@virtually
async def test_when_all_give_up_the_moment_stays_free():
    queue = Queue(RateLimiter(1.0))
    queue.call(Lane.QUOTE, "first")
    waiting = queue.call(Lane.QUOTE, "given up")
    await asyncio.sleep(0.5)
    waiting.cancel()
    await asyncio.sleep(0.6)
    queue.call(Lane.QUOTE, "late")
    await queue.finish()
    assert queue.passed[1] == ("late", pytest.approx(1.1))


@virtually
async def test_the_last_waiter_leaving_and_another_coming_keeps_the_distance():
    queue = Queue(RateLimiter(1.0))
    queue.call(Lane.QUOTE, "first")
    waiting = queue.call(Lane.QUOTE, "given up")
    await asyncio.sleep(0.5)
    waiting.cancel()
    queue.call(Lane.QUOTE, "next")
    queue.call(Lane.QUOTE, "after")
    await asyncio.sleep(0.1)
    assert "kis-pace-calls" in {task.get_name() for task in asyncio.all_tasks()}
    await queue.finish()
    assert queue.passed[1:] == [("next", pytest.approx(1.0)), ("after", pytest.approx(2.0))]


@virtually
async def test_no_interval_no_waiting():
    queue = Queue(RateLimiter(0))
    for _ in range(100):
        queue.call(Lane.REPORT)
    await queue.finish()
    assert now() < 0.001


@virtually
async def test_after_a_rate_refusal_nothing_goes_out_for_a_window_and_a_tenth_slower_pace_is_back_in_ten_seconds():
    pace = RateLimiter(0.2)
    queue = Queue(pace)
    queue.call(Lane.QUOTE)
    await queue.finish()
    with structlog.testing.capture_logs() as logs:
        pace.slow_down()
        pace.slow_down()
        assert pace.interval == pytest.approx(0.22)
        queue.call(Lane.CANCEL)
        await asyncio.sleep(0.3)
        pace.slow_down()  # of a call that was under way
        for _ in range(4):
            queue.call(Lane.QUOTE)
        await queue.finish()
        assert queue.passed[1] == ("CANCEL", pytest.approx(1.3))
        assert queue.gaps()[1:] == pytest.approx([0.22] * 4)
        intervals = []
        while pace.interval > 0.2:
            intervals.append(pace.interval)
            await asyncio.sleep(0.3)
        assert intervals == sorted(intervals, reverse=True)
        assert len(set(intervals)) >= 9
        assert 10 < now() < 12
        await queue.pace.acquire(Lane.QUOTE)
    assert [(line["event"], line["interval"]) for line in logs] == [("pace_slowed", 0.22), ("pace_recovered", 0.2)]


@virtually
async def test_refusals_again_and_again_widen_by_tenths_up_to_eight_times():
    pace = RateLimiter(1.0)
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            pace.slow_down()
            await asyncio.sleep(1.05)
        assert pace.interval == pytest.approx(1.1**5)
        for _ in range(30):
            pace.slow_down()
            await asyncio.sleep(1.05)
        assert pace.interval == 8.0
        await asyncio.sleep(11)
        assert pace.interval == 1.0
    assert [line["event"] for line in logs] == ["pace_slowed", "pace_recovered"]


def served(queue, sources, lane=Lane.QUOTE):
    for source, calls in sources.items():
        with calling_for(source):
            for number in range(calls):
                queue.call(lane, f"{source}{number}")


@virtually
async def test_within_a_lane_the_sources_take_turns_and_each_is_served_in_its_own_order():
    queue = Queue(RateLimiter(1.0))
    queue.call(Lane.CANCEL, "now")
    served(queue, {"flood": 100, "a": 3, "b": 2})
    await asyncio.sleep(7.5)
    served(queue, {"late": 1})
    await queue.finish()
    assert [label for label, _ in queue.passed[:10]] == [
        *("now", "flood0", "a0", "b0", "flood1", "a1", "b1", "flood2", "a2", "flood3")
    ]
    assert queue.passed[10][0] == "late0"
    assert len(queue.passed) == 107


@virtually
async def test_a_source_whose_callers_give_up_leaves_its_turns_to_the_others():
    queue = Queue(RateLimiter(1.0))
    queue.call(Lane.CANCEL, "now")
    served(queue, {"gone": 5, "a": 3})
    await asyncio.sleep(0.5)
    for task in queue.tasks[1:6]:
        task.cancel()
    assert await queue.finish() == ["now", "a0", "a1", "a2"]
    assert queue.gaps() == pytest.approx([1.0] * 3)


@virtually
async def test_the_turn_goes_to_who_waits_however_deep_their_task_stands():
    """The source is that of the task that started the call, also through tasks of its own."""
    pace, passed = RateLimiter(1.0), []

    async def read(label):
        await pace.acquire(lane_of_read(Lane.REPORT))
        passed.append(label)

    async def handler(source, lane, calls):
        with calling_for(source, lane):
            await asyncio.gather(*(read(f"{source}{number}") for number in range(calls)))

    await pace.acquire(Lane.CANCEL)
    await asyncio.gather(
        handler("slow", None, 3),
        handler("flood", Lane.QUOTE, 5),
        handler("a", Lane.QUOTE, 1),
        handler("tap", Lane.PRETRADE, 1),
    )
    assert passed == ["tap0", "flood0", "a0", "flood1", "flood2", "flood3", "flood4", "slow0", "slow1", "slow2"]


@virtually
async def test_recovery_never_lets_two_calls_touch_and_never_makes_an_idle_line_wait():
    pace = RateLimiter(0.2)
    queue = Queue(pace)
    pace.slow_down()
    for _ in range(400):
        queue.call(Lane.QUOTE)
    await queue.finish()
    assert min(queue.gaps()) >= 0.2 - 1e-9
    pace.slow_down()
    await pace.acquire(Lane.QUOTE)
    await asyncio.sleep(61)
    before = now()
    await pace.acquire(Lane.CANCEL)
    assert now() - before < 0.001


@virtually
async def test_ledger_calls_keep_a_distance_of_their_own():
    queue = Queue(RateLimiter(0.2, ledger_interval=1.0))
    for number in range(3):
        queue.call(Lane.FILLS, f"ledger {number}", ledger=True)
        queue.call(Lane.QUOTE, f"quote {number}")
    order = await queue.finish()
    times = dict(queue.passed)
    assert order[:2] == ["ledger 0", "quote 0"] or order[:2] == ["quote 0", "ledger 0"]
    assert times["ledger 1"] - times["ledger 0"] >= 0.99
    assert times["ledger 2"] - times["ledger 1"] >= 0.99
    assert times["quote 2"] < 1.0


@virtually
async def test_the_ledgers_refusal_spaces_the_ledger_and_leaves_quotes_alone():
    pace = RateLimiter(0.2)
    pace.slow_down(ledger=True)
    queue = Queue(pace)
    for number in range(3):
        queue.call(Lane.FILLS, f"ledger {number}", ledger=True)
        queue.call(Lane.QUOTE, f"quote {number}")
    await queue.finish()
    times = dict(queue.passed)
    assert times["ledger 2"] - times["ledger 1"] >= 0.99
    assert times["quote 2"] <= 0.61
    await asyncio.sleep(200)
    before = now()
    for _ in range(3):
        await pace.acquire(Lane.FILLS, ledger=True)
    assert now() - before == pytest.approx(0.4)


@virtually
async def test_giving_up_after_the_ledgers_turn_hands_it_back():
    pace = RateLimiter(0.5, ledger_interval=10.0)
    queue = Queue(pace)
    queue.call(Lane.QUOTE, "first")
    given_up = queue.call(Lane.FILLS, "given up", ledger=True)
    await asyncio.sleep(0.1)
    given_up.cancel()
    await asyncio.sleep(0)
    queue.call(Lane.FILLS, "next", ledger=True)
    await queue.finish()
    assert queue.passed[1] == ("next", pytest.approx(0.5))


@virtually
async def test_a_cancel_behind_two_hundred_quotes_and_fifty_orders_waits_one_interval_at_most():
    queue = Queue(RateLimiter(1 / 18))
    for number in range(250):
        queue.call(Lane.ORDER if number % 5 == 0 else Lane.QUOTE)
    for moment in (0.01, 1.3, 2.777):
        await asyncio.sleep(moment - now())
        queue.call(Lane.CANCEL, moment)
    await queue.finish()
    waited = [at - label for label, at in queue.passed if isinstance(label, float)]
    assert len(waited) == 3
    assert max(waited) <= 1 / 18 + 1e-6


@virtually
async def test_ledger_calls_in_line_keep_neither_a_cancel_nor_a_quote_waiting():
    queue = Queue(RateLimiter(0.2, ledger_interval=2.0))
    for number in range(20):
        queue.call(Lane.FILLS, f"ledger {number}", ledger=True)
    await asyncio.sleep(0.5)
    queue.call(Lane.QUOTE)
    queue.call(Lane.CANCEL)
    await asyncio.sleep(0.41)
    assert [label for label, _ in queue.passed] == ["ledger 0", "QUOTE", "CANCEL"]
    assert queue.passed[2][1] == pytest.approx(0.7)
    for task in queue.tasks:
        task.cancel()
    await queue.finish()


class Caller:
    """One who comes at some moment, and perhaps gives up."""

    def __init__(self, after, lane, ledger, patience):
        self.after, self.lane, self.ledger, self.patience = after, lane, ledger, patience

    def __repr__(self):
        return f"Caller({self.after}, {self.lane!r}, ledger={self.ledger}, patience={self.patience})"


moments = st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.02, 1 / 18, 0.2, 0.5, 0.999, 1.0, 3.0])
callers = st.builds(
    Caller,
    moments,
    st.sampled_from(Lane),
    st.booleans(),
    st.none() | st.sampled_from([0.0, 0.01, 1 / 18, 0.2, 0.4, 1.0]),
)


async def besieged(interval, crowd, refused):
    """When each of a crowd was let through, while KIS refuses now and then."""
    pace = RateLimiter(interval, ledger_interval=0.3)
    passed, of_ledger = [], []

    async def call(caller):
        async with asyncio.timeout(caller.patience):
            await pace.acquire(caller.lane, ledger=caller.ledger)
        passed.append(now())
        if caller.ledger:
            of_ledger.append(now())

    tasks = []
    for number, caller in enumerate(crowd):
        await asyncio.sleep(caller.after)
        tasks.append(asyncio.create_task(call(caller)))
        if number in refused:
            pace.slow_down(ledger=caller.ledger)
    await asyncio.gather(*tasks, return_exceptions=True)
    return passed, of_ledger


@settings(max_examples=150, deadline=None)
@given(
    interval=st.sampled_from([1 / 18, 0.06, 0.2, 1 / 3, 1.0]),
    crowd=st.lists(callers, min_size=2, max_size=80),
    refused=st.sets(st.integers(0, 80), max_size=3),
)
def test_no_second_holds_more_calls_than_the_limit_whatever_the_burst(interval, crowd, refused):
    with structlog.testing.capture_logs(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        passed, of_ledger = runner.run(besieged(interval, crowd, refused))
    limit = ceil(1 / interval - 1e-9)
    assert passed == sorted(passed)
    for first, after in zip(passed, passed[limit:], strict=False):
        assert after - first >= 1 - 1e-6
    assert all(later - earlier >= interval - 1e-6 for earlier, later in pairwise(passed))
    assert all(later - earlier >= 0.3 - 1e-5 for earlier, later in pairwise(of_ledger))


@virtually
async def test_ledger_calls_held_up_by_a_backlog_do_not_go_out_together():
    queue = Queue(RateLimiter(0.2, ledger_interval=1.0))
    for number in range(20):
        queue.call(Lane.QUOTE, number)
    for number in range(3):
        queue.call(Lane.REPORT, f"ledger {number}", ledger=True)
    await asyncio.sleep(2.5)
    queue.call(Lane.REPORT, "other")
    await queue.finish()
    assert ("other", pytest.approx(4.2)) in queue.passed
    times = [at for label, at in queue.passed if str(label).startswith("ledger")]
    assert times[0] == pytest.approx(4.0)
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1 - 1e-6
    assert times[2] < 6.5
