"""A gap is told once, when it is over, over twenty seconds and with orders of ours open; with what it hid."""

import json
from datetime import timedelta

import pytest

from bot.chat.i18n.frame import Frame
from bot.chat.messages.outage import outage_push
from bot.orders.model.order import Attempt, OrderState
from bot.orders.reconciliation.report_handler import OrderListSnapshot
from bot.services.outages import reading_time, uptime
from bot.store.reading_mark import ReadingMarks
from tests.support.order_events import grown, report
from tests.support.outage_world import Harness

JUST_OVER = 20.001
KO, EN = Frame("ko", "practice", "…56-01"), Frame("en", "practice", "…56-01")


@pytest.fixture
def harness():
    return Harness()


@pytest.fixture
def watched(harness):
    """One order of ours is open, and was just seen."""
    harness.sends()
    harness.reads(report())
    return harness


def row(number=7, filled=0, **more):
    return grown(filled, order_no=f"{number:010d}", **more)


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "times"), [(3.0, 0), (20.0, 0), (JUST_OVER, 2)])
def test_just_over_twenty_seconds_with_an_open_order_is_told(watched, seconds, times):
    watched.passes(seconds)
    watched.reads(report())
    assert len(watched.notices) == times


@pytest.mark.parametrize(("seconds", "times"), [(23, 0), (44, 0), (44.001, 1)])
def test_a_list_that_takes_long_to_read_is_no_gap_each_time_it_was_read(watched, seconds, times):
    """On paper: 375 orders are 25 pages of 15, at a call a second."""
    assert reading_time([375], 15, 1.0) == timedelta(seconds=24)
    watched.passes(seconds)
    watched.reads(took=24)

    assert len(watched.notices) == 2 * times


def test_a_short_list_or_several_take_a_call_each():
    assert reading_time([0], 15, 1.0) == timedelta()
    assert reading_time([15], 15, 1.0) == timedelta()
    assert reading_time([16, 0], 15, 1.0) == timedelta(seconds=2)
    assert reading_time([250], 100, 0.2) == timedelta(seconds=0.4)


def test_it_is_told_once_and_the_next_gap_again(watched):
    for gaps in (1, 2):
        watched.passes(60)
        for _ in range(3):
            watched.reads(report())
            watched.passes(3)
        assert len(watched.notices) == 2 * gaps


def test_without_an_order_of_ours_nothing_is_told(harness):
    harness.reads(report())  # it was made elsewhere
    harness.passes(600)
    harness.reads(grown(5))
    assert harness.notices == []


def test_the_rest_of_an_idle_poll_is_no_gap_until_an_order_leaves(harness):
    harness.reads()
    harness.passes(58)
    harness.sends()
    harness.passes(1)
    harness.reads(report())
    assert harness.notices == []


@pytest.mark.parametrize(("seconds", "times"), [(20.0, 0), (JUST_OVER, 2)])
def test_an_order_that_left_unseen_is_blind_from_then_on(harness, seconds, times):
    harness.reads()
    harness.passes(300)
    harness.sends()
    harness.passes(seconds)
    harness.reads(report())
    assert len(harness.notices) == times
    if times:
        assert harness.gap["since"] == (harness.clock() - timedelta(seconds=seconds)).isoformat()


def test_an_order_in_doubt_counts(harness):
    harness.sends(state=OrderState.UNKNOWN)
    harness.reads()
    harness.passes(60)
    harness.reads()
    assert harness.gap["open"] == 1


def test_a_doubt_of_yesterday_is_read_as_rarely_as_nothing_and_is_no_gap(harness):
    harness.sends(state=OrderState.UNKNOWN)
    yesterday = harness.clock().date()
    harness.passes(86_400)
    harness.reads()
    harness.reads(day=yesterday)
    told = len(harness.notices)
    harness.passes(60)
    harness.reads()
    assert len(harness.notices) == told


def test_a_reading_that_could_not_be_taken_in_ends_nothing(watched):
    """Only what `saw` is called after ends a gap; the one that does so later tells the whole of it."""
    watched.passes(60)
    watched.watch.handle(OrderListSnapshot(watched.clock().date(), (report(order_no="0000000099"),)))
    watched.passes(60)
    watched.reads(report())
    assert watched.gap["since"] == (watched.clock() - timedelta(seconds=120)).isoformat()


@pytest.mark.parametrize("step", [-7_200, 7_200])
def test_a_clock_that_is_set_makes_no_gap_and_hides_none(watched, step):
    watched.clock.forward(timedelta(seconds=step))
    watched.passes(3)
    watched.reads(report())
    assert watched.notices == []
    watched.clock.forward(timedelta(seconds=step))
    watched.passes(30)
    watched.reads(report())
    assert watched.gap["since"] == (watched.clock() - timedelta(seconds=30)).isoformat()


def test_uptime_only_goes_forward():
    first = uptime()
    assert uptime() >= first


# --- across a restart -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "times"), [(20.0, 0), (JUST_OVER, 2)])
def test_a_bot_that_was_off_says_so(watched, seconds, times):
    began = watched.clock()
    watched.passes(seconds)
    watched.start()
    watched.reads(report())
    assert len(watched.notices) == times
    if times:
        assert watched.gap["since"] == began.isoformat()
        assert watched.gap["off"] == watched.clock().isoformat()
        assert not watched.gap["unread"]


def test_a_night_with_nothing_open_is_none_and_with_an_order_left_open_it_is(watched):
    watched.reads(grown(10))
    watched.passes(40_000)
    watched.start()
    watched.reads(grown(10))
    assert watched.notices == []
    watched.sends(8)
    watched.reads(grown(10), row(8))
    watched.passes(30_000)
    watched.start()
    watched.reads(grown(10), row(8, 10))
    assert (watched.gap["fills"], watched.gap["shares"], watched.gap["open"]) == (1, 10, 1)


def test_killed_after_the_reading_was_taken_in_and_before_the_gap_was_told_it_is_told_with_all_that_was_found(watched):
    watched.passes(60)
    watched.watch.handle(OrderListSnapshot(watched.clock().date(), (grown(4),)))
    watched.passes(5)
    watched.start()
    watched.reads(grown(10))
    assert (watched.gap["fills"], watched.gap["shares"], watched.gap["orders"]) == (2, 10, 1)


def test_killed_while_it_was_told_it_is_told_once(watched, monkeypatch):
    watched.passes(60)
    monkeypatch.setattr(ReadingMarks, "mark", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        watched.reads(report())
    monkeypatch.undo()
    assert watched.notices == []
    watched.start()
    watched.reads(report())
    assert len(watched.notices) == 2


def test_a_bot_that_could_not_read_before_it_was_killed_says_both(watched):
    watched.outages.failed()
    watched.passes(60)
    watched.start()
    watched.reads(report())
    assert watched.gap["unread"]
    watched.passes(60)
    watched.start()
    watched.reads(report())
    assert not watched.notices[-1][1]["unread"]


def test_a_clock_set_back_between_two_runs_invents_nothing(watched):
    watched.clock.forward(timedelta(hours=-3))
    watched.start()
    watched.reads(report())
    assert watched.notices == []


# --- what was found ---------------------------------------------------------------------------------------------------


def test_it_tells_what_the_reading_found_and_not_what_was_told_before(watched):
    watched.reads(grown(3))
    watched.sends(8)
    watched.sends(9)
    watched.reads(grown(3), row(8), row(9))
    watched.passes(60)
    watched.reads(grown(5), row(8, 10), row(9, cancelled=10))
    gap = watched.gap
    assert (gap["open"], gap["fills"], gap["shares"], gap["orders"]) == (3, 2, 12, 2)
    assert gap["ended"] == {"cancelled": 1}


def test_nothing_found_is_said_too(watched):
    watched.passes(60)
    watched.reads(report())
    assert (watched.gap["fills"], watched.gap["ended"]) == (0, {})
    assert "그사이 체결 없음" in outage_push(watched.gap, KO).text
    assert "Nothing filled" in outage_push(watched.gap, EN).text


def test_a_gap_over_midnight_ends_with_the_day_that_it_hid(watched):
    yesterday = watched.clock().date()
    watched.passes(15 * 3600)
    watched.watch.handle(OrderListSnapshot(yesterday, (grown(4),), {}, over=True))
    watched.reads()
    assert (watched.gap["shares"], watched.gap["ended"]) == (4, {"lapsed": 1})
    text = outage_push(watched.gap, KO).text
    assert "11/23 10:00:00 ~ 11/24 01:00:00" in text
    assert "(15시간)" in text
    assert "장 마감 미체결 1" in text


def test_the_last_fills_of_a_day_are_not_cut_off_by_a_list_that_was_asked_for_before_it_ended(watched):
    """Asked for before midnight and there after it, a list proves nothing about the day's end."""
    yesterday = watched.clock().date()
    over = watched.watch.is_over(yesterday)
    watched.passes(15 * 3600)
    watched.watch.handle(OrderListSnapshot(yesterday, (grown(4),), {}, over))
    watched.watch.handle(OrderListSnapshot(yesterday, (grown(9),), {}, watched.watch.is_over(yesterday)))
    assert watched.journal.get(1).filled == 9


def test_what_the_close_took_back_is_no_cancel_also_in_a_list_that_may_lack_the_last_fills(watched):
    yesterday = watched.clock().date()
    watched.passes(15 * 3600)
    watched.watch.handle(
        OrderListSnapshot(yesterday, (report(filled=4, filled_amount=284_000, remaining=0, cancelled=6),))
    )
    assert watched.journal.get(1).state is OrderState.PARTIAL
    watched.watch.handle(
        OrderListSnapshot(
            yesterday, (report(filled=7, filled_amount=497_000, remaining=0, cancelled=3),), {}, over=True
        )
    )
    one = watched.journal.get(1)
    assert (one.state, one.filled) == (OrderState.LAPSED, 7)


def test_a_lost_order_that_is_found_after_its_day_was_ended_by_the_day_and_not_cancelled(harness):
    one = harness.sends(state=OrderState.UNKNOWN)
    harness.journal.attempted(Attempt(one.id, 1, harness.clock(), frozenset()))
    sent = harness.clock()
    row = report(time=f"{sent:%H%M%S}", filled=4, filled_amount=284_000, remaining=0, cancelled=6)
    harness.passes(15 * 3600)
    for _ in range(3):
        harness.watch.handle(OrderListSnapshot(sent.date(), (row,), {}, over=True))
        harness.passes(15)
    found = harness.journal.get(one.id)
    assert (found.state, found.filled) == (OrderState.LAPSED, 4)


# --- words ------------------------------------------------------------------------------------------------------------


def test_both_causes_have_their_words(watched):
    watched.passes(90)
    watched.reads(grown(2))
    unread = watched.gap
    text = outage_push(unread, KO).text
    assert "읽지 못했습니다" in text
    assert "꺼져 있었습니다" not in text
    assert "10:00:00 ~ 10:01:30" in text
    assert "(1분 30초)" in text
    assert "체결 1건 · 주문 1건에서 모두 2주" in text
    off = {**unread, "off": unread["until"]}
    assert "봇이 꺼져 있었습니다 (10:01:30에 다시 켜짐)" in outage_push(off, KO).text
    assert "not running (back at 10:01:30)" in outage_push(off, EN).text
    assert "either" in outage_push({**off, "unread": True}, EN).text


def test_a_letter_of_an_older_version_can_still_be_sent():
    old = {"since": "2026-11-23T10:00:00+09:00", "until": "2026-11-23T10:01:00+09:00"}
    assert "10:00:00부터 10:01:00까지" in outage_push(old, KO).text


# --- orders made elsewhere --------------------------------------------------------------------------------------------


def external(harness):
    rows = harness.db.execute("SELECT data FROM outbox WHERE kind = 'external_fill' ORDER BY id")
    return [json.loads(data)["filled"] for (data,) in rows]


def test_what_filled_elsewhere_while_the_bot_was_off_is_told(harness):
    harness.reads(grown(3))
    assert external(harness) == []  # it stood there at the very first look
    harness.start()
    harness.reads(grown(5))
    harness.start()
    harness.reads(grown(5), row(8, 2))
    assert external(harness) == [5, 2]


def test_what_filled_elsewhere_on_either_side_of_midnight_is_told(harness):
    harness.reads(grown(3))
    yesterday = harness.clock().date()
    harness.passes(86_400)
    assert harness.watch.days() == [yesterday, harness.clock().date()]
    harness.reads(grown(10), day=yesterday)
    harness.reads(row(1, 4, day=harness.clock().date()))
    assert external(harness) == [10, 4]
    assert harness.watch.days() == [harness.clock().date()]
