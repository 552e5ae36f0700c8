"""`make chaos ARGS="--only week"`: half an hour of it is a week in the small, and its judge can fail."""

import dataclasses
import logging
from collections import Counter
from datetime import timedelta

import pytest

from kis.sim.exchange.orders import API_CHANNEL, HTS_CHANNEL
from tests.chaos import week
from tests.chaos.week import MONDAY
from tests.chaos.week_judge import MB, Logged, Records, Sample, Week, broken, mb_a_day
from tests.chaos.week_people import Town

DAY = MONDAY.date().isoformat()
OURS, OTHERS = (DAY, "0000000005", API_CHANNEL), (DAY, "0000000006", HTS_CHANNEL)


def _sample(hours: float, **changes) -> Sample:
    at = MONDAY + timedelta(hours=hours)
    usual = Sample(at, 100 * MB, 12, 1, 20, MB, MB, 0, {"orders": 9}, 0, 0)
    return dataclasses.replace(usual, **changes)


def _week(samples=(), **changes) -> Week:
    """A week in which all went well."""
    records = Records(
        filled={OURS: 10, OTHERS: 4},
        reported={(*OURS[:2], 3): 10, (*OURS[:2], 1): 10, (*OTHERS[:2], 1): 4},
        wanted={OURS[:2]: {1, 3}},
        twice=[],
        entries=Counter({(DAY, "fill", "sent"): 2}),
        overseers=[1],
        unsettled=[],
        updates=0,
    )
    town = Town(None, None, lambda: MONDAY, lambda: False, ())
    taken = list(samples) or [_sample(0), _sample(1)]
    return Week(taken, Logged(lambda: MONDAY), dataclasses.replace(records, **changes), town)


def test_half_an_hour_before_and_after_the_opening_keeps_every_promise():
    _, wrong, figures = week.played(0.4, 3, begins=MONDAY + timedelta(minutes=48))

    assert wrong == []
    assert figures["samples"][-1]["rows"]["orders"] > 0
    assert figures["people"]["messages"] > 5


def test_a_week_in_which_all_went_well_is_not_broken():
    assert broken(_week()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reported": {}}, "are filled, chat 1 was told of 0"),
        ({"reported": {(*OURS[:2], 3): 10, (*OURS[:2], 1): 9, (*OTHERS[:2], 1): 4}}, "chat 1 was told of 9"),
        ({"wanted": {}}, "is filled and in no record"),
        ({"entries": Counter({(DAY, "fill", "pending"): 1})}, "1 letters still wait"),
        ({"unsettled": ["#1 unknown"]}, "not settled: #1 unknown"),
        ({"twice": ["chat 1 was told of 10 twice"]}, "chat 1 was told of 10 twice"),
        ({"updates": 2}, "2 updates were not answered"),
        ({"audit": "CHANGED"}, "the audit chain: CHANGED"),
    ],
)
def test_what_was_not_told_not_settled_or_not_answered_is_seen(changes, words):
    assert any(words in one for one in broken(_week(**changes)))


@pytest.mark.parametrize("name", ["files", "tasks", "threads"])
def test_what_there_is_more_of_at_the_end_is_a_leak(name):
    samples = [_sample(0), _sample(1, **{name: 40})]

    assert any(one.startswith(f"{name}: ") for one in broken(_week(samples)))


def test_memory_that_grows_after_the_first_days_is_seen_and_what_fills_up_before_is_not():
    def samples(rss):
        return [_sample(hours, at=MONDAY + timedelta(hours=hours), rss=int(rss(hours) * MB)) for hours in range(168)]

    filling = samples(lambda hours: min(200, 100 + 2 * hours))
    leaking = samples(lambda hours: 100 + hours)
    assert mb_a_day(filling) == pytest.approx(0, abs=0.01)
    assert mb_a_day(leaking) == pytest.approx(24, abs=0.1)
    assert any("memory grows by 24.0 MB a day" in one for one in broken(_week(leaking)))


def test_a_line_that_comes_again_and_again_is_seen_and_so_is_an_error():
    found = _week()
    for n in range(301):
        found.logged.emit(logging.LogRecord("bot.x", logging.INFO, "", 0, "the same line", (), None))
        if n == 0:
            found.logged.emit(logging.LogRecord("bot.x", logging.ERROR, "", 0, "a part broke", (), None))

    wrong = broken(found)
    assert any("the same line') was logged 301 times" in one for one in wrong)
    assert any("a part broke" in one for one in wrong)


def test_a_midnight_without_the_head_of_the_audit_log_is_seen():
    samples = [_sample(0), _sample(30)]
    posted = Counter({((MONDAY + timedelta(days=1)).date().isoformat(), "anchor", "sent"): 1})

    assert any("no head was posted on 2026-11-17" in one for one in broken(_week(samples)))
    assert broken(_week(samples, entries=posted)) == []


def test_an_answer_that_never_came_is_seen():
    found = _week()
    found.people.silent.append("Mon 10:00:00 /balance")

    assert broken(found) == ["never answered: Mon 10:00:00 /balance"]
