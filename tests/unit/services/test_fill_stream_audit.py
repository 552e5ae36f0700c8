"""What notices told, held against what the list shows: who missed what, and nothing counted that nobody missed."""

import random
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from bot.services.fill_stream_audit import RECHECK_AFTER, WINDOW, FillStreamAudit
from kis.frames import FillNotice, NoticeKind
from kis.krx import KST
from kis.models import OrderKind, OrderReport, Side

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=KST)
SECOND = timedelta(seconds=1)
LATE = WINDOW + SECOND
ALWAYS = NINE - SECOND


def notice(at, quantity=1, *, order_no="0000000001", price=70_000, kind=NoticeKind.FILLED, total=100):
    return FillNotice(
        kind=kind,
        account="1234567801",
        order_no=order_no,
        branch="03930",
        side=Side.BUY,
        order_kind=OrderKind.LIMIT,
        code="005930",
        name="삼성전자",
        quantity=quantity,
        price=price,
        order_quantity=total,
        time=at.strftime("%H%M%S"),
        at=at,
    )


def row(filled, *, order_no="0000000001", quantity=100, day=NINE):
    return OrderReport(
        day=day.date(),
        time="090000",
        branch="03930",
        order_no=order_no,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        code="005930",
        quantity=quantity,
        price=70_000,
        filled=filled,
        filled_amount=filled * 70_000,
        average_price=Decimal(70_000),
        remaining=quantity - filled,
        cancelled=0,
        rejected=0,
    )


class Day:
    """A morning: seconds pass, and the list shows what it is told to."""

    def __init__(self):
        self.now = NINE
        self.audit = FillStreamAudit(NINE)
        self.since = ALWAYS
        self.missing, self.found = [], []

    def tell(self, quantity=1, **given):
        self.audit.notice(notice(self.now, quantity, **given), self.now)

    def show(self, *filled, **given):
        rows = [row(shares, order_no=f"{n:010d}", **given) for n, shares in enumerate(filled, 1)]
        self.audit.snapshot(self.now.date(), rows, self.now)

    def passes(self, seconds, *shown, every=1):
        for _ in range(0, seconds, every):
            self.now += every * SECOND
            if shown:
                self.show(*shown)
            missing, found = self.audit.judge(self.now, self.since)
            self.missing += missing
            self.found += found

    @property
    def missed(self):
        return self.audit.counts.missed_by_stream, self.audit.counts.missed_by_poll


@pytest.fixture
def day():
    day = Day()
    day.show(0)
    return day


# --- both agree -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["notice", "list"])
def test_a_fill_that_both_see_is_missed_by_neither(day, first):
    if first == "notice":
        day.tell(5)
    day.passes(9, 0 if first == "notice" else 5)
    if first == "list":
        day.tell(5)
    day.passes(30, 5)
    assert (day.missed, day.missing) == ((0, 0), [])


def test_a_notice_that_comes_twice_is_one_fill(day):
    for _ in range(2):
        day.tell(5)
    day.passes(30, 5)
    assert (day.missed, day.audit.counts.notices, day.audit.counts.fills) == ((0, 0), 2, 1)


def test_a_repeat_long_after_the_fill_alarms_nobody(day):
    told = notice(day.now, 5)
    day.audit.notice(told, day.now)
    day.passes(30, 5)
    day.audit.notice(told, day.now)
    day.passes(30, 5)
    assert (day.missed, day.missing) == ((0, 0), [])


def test_many_fills_that_one_reading_finds_belong_to_many_notices(day):
    for quantity in (10, 20, 30):
        day.tell(quantity)
        day.passes(1)
    day.passes(30, 60)
    assert day.missed == (0, 0)


def test_what_stood_in_the_list_at_the_first_reading_is_no_news():
    day = Day()
    day.show(40)
    day.passes(30, 40)
    assert day.missed == (0, 0)


def test_other_news_than_fills_wait_for_nothing(day):
    day.tell(100, kind=NoticeKind.ACCEPTED)
    assert day.audit.last("0000000001") == NINE
    day.passes(30, 0)
    assert (day.missed, day.audit.counts.notices, day.audit.counts.fills) == ((0, 0), 1, 0)


# --- missed by the stream ---------------------------------------------------------------------------------------------


def test_growth_without_a_notice_is_missed_by_the_stream_once(day):
    day.passes(30, 5)
    assert day.missed == (1, 0)


def test_a_notice_just_in_time_after_the_growth_counts(day):
    day.passes(1, 5)
    day.passes(10)
    day.tell(5)
    day.passes(5)
    assert day.missed == (0, 0)


def test_a_notice_of_another_order_explains_nothing(day):
    day.tell(5, order_no="0000000002")
    day.passes(1, 5, 5)
    day.passes(30, 5, 5)
    assert day.missed == (1, 0)


@pytest.mark.parametrize("since", [None, NINE + SECOND])
def test_growth_while_the_stream_was_away_is_not_its_fault(day, since):
    day.since = since
    day.passes(30, 5)
    assert day.missed == (0, 0)


def test_a_notice_from_before_the_last_reading_explains_growth_that_was_found_late(day):
    """The list could not be read for a minute: what was told meanwhile is what the next reading finds."""
    day.tell(5)
    day.tell(7, order_no="0000000002")
    day.passes(60)
    day.show(5, 9)
    day.passes(30, 5, 9)
    assert day.missed == (0, 0)


# --- missed by the poll -----------------------------------------------------------------------------------------------


def test_a_fill_that_clean_readings_do_not_show_is_told_once_and_corrected_once(day):
    day.tell(5)
    day.passes(10, 0)
    assert day.missing == []
    day.passes(60, 0)
    assert [(one.notice.order_no, one.notified, one.listed, one.notice.quantity) for one in day.missing] == [
        ("0000000001", 5, 0, 5)
    ]
    assert (day.missed, day.found) == ((0, 1), [])
    day.passes(60, 5)
    assert [(one.notified, one.listed) for one in day.found] == [(5, 5)]
    assert (len(day.missing), day.missed) == (1, (0, 1))


def test_more_fills_of_an_order_in_doubt_are_counted_and_not_told_again(day):
    day.tell(5)
    day.passes(20, 0)
    day.tell(6)
    day.passes(20, 0)
    assert (len(day.missing), day.missed) == (1, (0, 2))
    day.passes(5, 5)
    assert day.found == []
    day.passes(5, 11)
    assert [(one.notified, one.listed) for one in day.found] == [(11, 11)]
    day.tell(7)
    day.passes(20, 11)
    assert [one.notified for one in day.missing] == [5, 18]


@pytest.mark.parametrize("readings", [0, 1])
def test_nothing_is_missing_from_a_list_that_was_not_read_twice(day, readings):
    day.tell(5)
    for _ in range(readings):
        day.passes(1, 0)
    day.passes(120)
    assert day.missing == []
    day.passes(2, 0)
    assert len(day.missing) == 1


def test_growth_that_is_older_than_the_notice_does_not_stand_for_it():
    """Ten shares filled before anybody listened: a notice of five more is not among them."""
    day = Day()
    day.show(10)
    day.passes(60, 10)
    day.tell(5)
    day.passes(20, 10)
    assert [(one.notified, one.listed) for one in day.missing] == [(5, 10)]
    day.passes(5, 15)
    assert len(day.found) == 1


def test_a_full_order_has_every_fill_that_may_be_told_of_it():
    day = Day()
    day.show(100)
    day.passes(60, 100)
    day.tell(5)
    day.passes(60, 100)
    assert day.missing == []


def test_it_is_read_again_a_few_times_while_a_told_fill_does_not_show(day):
    day.tell(5)
    asked = []
    for seconds in range(1, 30):
        day.now += SECOND
        day.show(0)
        if day.audit.wants_snapshot(day.now):
            asked.append(seconds * SECOND)
    assert asked == list(RECHECK_AFTER)


def test_what_shows_is_not_read_again(day):
    day.tell(5)
    day.passes(1, 5)
    assert not day.audit.wants_snapshot(day.now + 20 * SECOND)


# --- days -------------------------------------------------------------------------------------------------------------


def test_every_day_counts_for_itself_and_numbers_begin_anew(day):
    day.tell(5)
    day.passes(20, 0)
    day.audit.gap(day.now)
    assert day.missed == (0, 1)
    day.now = NINE + timedelta(days=1)
    day.show(0, day=day.now)
    day.tell(5)
    day.passes(30)
    assert (day.missed, day.audit.counts.gaps) == ((0, 0), 0)
    assert [one.gaps for one in day.audit.days.values()] == [1, 0]
    for days in range(2, 20):
        day.audit.gap(NINE + timedelta(days=days))
    assert len(day.audit.days) == 7


def test_a_day_goes_on_where_another_run_left_it_and_another_day_begins_anew(day):
    day.tell(5)
    day.passes(20, 0)
    kept = {one.day: one.figures for one in day.audit.days.values()}
    again = FillStreamAudit(day.now, kept)
    assert again.counts == day.audit.counts
    assert again.counts.missed_by_poll == 1
    tomorrow = FillStreamAudit(day.now + timedelta(days=1), kept)
    assert tomorrow.counts.notices == 0
    assert list(tomorrow.days) == [NINE.date(), tomorrow.counts.day]


def test_the_list_of_another_day_says_nothing_of_today(day):
    day.tell(5)
    day.audit.snapshot((NINE - timedelta(days=1)).date(), [row(5, day=NINE - timedelta(days=1))], day.now)
    day.passes(30, 0)
    assert len(day.missing) == 1


@pytest.mark.parametrize("seed", range(3))
def test_whatever_order_notices_and_readings_come_in_a_prompt_list_is_never_accused(seed):
    """Notices dropped, doubled, late and swapped, readings at any moment: only what no notice told of is counted."""
    chance = random.Random(seed)
    day = Day()
    orders = 40
    truth = [0] * orders
    mute = {n for n in range(orders) if chance.random() < 0.2}
    queue = []
    day.show(*truth, quantity=10_000)
    grown = 0
    for _ in range(1_500):
        day.now += timedelta(seconds=chance.choice([0, 0, 1, 2]))
        n = chance.randrange(orders)
        quantity = chance.randint(1, 9)
        truth[n] += quantity
        if n not in mute:
            one = notice(day.now, quantity, order_no=f"{n + 1:010d}", price=chance.randint(1, 10**6), total=10_000)
            queue += [one] * chance.choice([1, 1, 1, 2])
        chance.shuffle(queue)
        while queue and (len(queue) > 3 or day.now - min(one.at for one in queue) > 3 * SECOND):
            day.audit.notice(queue.pop(), day.now)
        if chance.random() < 0.3:
            before = [day.audit._orders.get((f"{m + 1:010d}", "005930")) for m in mute]
            shown = dict(zip(mute, [one.filled if one else 0 for one in before], strict=True))
            grown += sum(truth[m] > shown[m] for m in mute)
            day.show(*truth, quantity=10_000)
        missing, _ = day.audit.judge(day.now, day.since)
        assert missing == []
    while queue:
        day.audit.notice(queue.pop(), day.now)
    grown += sum(truth[m] > day.audit._orders[f"{m + 1:010d}", "005930"].filled for m in mute)
    day.show(*truth, quantity=10_000)
    day.passes(30)
    assert day.missed == (grown, 0)
