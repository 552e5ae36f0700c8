"""Looking for a lost order: what may be it, what is never taken for it, and what proves that it is not there."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from bot.orders.model.events import FoundAtBroker, NotFound
from bot.orders.model.order import Attempt, OrderAction, OrderState
from bot.orders.reconciliation.resolution import AccountEvidence, Ambiguous, Resolution, candidates, overdue, resolve
from kis.krx import KST
from kis.models import OrderKind, Side
from tests.support.order_events import report
from tests.unit.orders.model.test_order import order

SENT = datetime(2026, 11, 23, 10, 0, 0, 400_000, tzinfo=KST)
DAY = date(2026, 11, 23)
MEANS = 5_000_000
ATTEMPT = Attempt(1, 1, SENT, frozenset({"0000000001"}), first_at=SENT, means=MEANS)
LOST = order(OrderState.UNKNOWN, day=DAY)
CLAIMED = replace(LOST, claimed=True)
REVISION = replace(LOST, act=OrderAction.REVISE, parent=4)
SILENT = AccountEvidence(MEANS)
"""The account as it was: nothing was set aside."""
NONE: frozenset[str] = frozenset()


def at(seconds: float) -> datetime:
    return SENT + timedelta(seconds=seconds)


def fits(*rows, one=LOST, attempt=ATTEMPT, linked=NONE, **more):
    return candidates(one, attempt, rows, linked, **more)


class Reader:
    """Reads the list at given seconds after the sending, one reading building upon the other."""

    def __init__(self, one=LOST, attempt=ATTEMPT, resolution=None):
        self.one, self.attempt, self.resolution = one, attempt, resolution or Resolution()

    def reads(self, seconds, *rows, evidence=SILENT, **more):
        self.resolution, found = resolve(
            self.one,
            self.attempt,
            self.resolution,
            rows,
            more.pop("linked", NONE),
            at(seconds),
            evidence=evidence,
            **more,
        )
        return found


# --- which rows may be it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"order_no": "0000000001"},
        {"order_no": "0000000005"},
        {"original_no": "0000000003"},
        {"day": date(2026, 11, 20)},
        {"code": "000660"},
        {"side": Side.SELL},
        {"quantity": 9},
        {"quantity": 11},
        {"kind": OrderKind.MARKET, "price": 0},
        {"kind": OrderKind.OTHER},
        {"price": 71_100},
    ],
    ids=str,
)
def test_a_row_that_differs_in_anything_is_not_the_lost_order(changes):
    assert fits(report(**changes), linked=frozenset({"0000000005"})) == ((), ())
    assert fits(report(), linked=frozenset({"0000000005"})) == ((report(),), ())


def test_a_row_that_differs_hides_none_that_fits():
    strange = [report(order_no="0000000001"), report(order_no="0000000020", price=1)]

    assert fits(*strange, report(), *strange) == ((report(),), ())


def test_a_market_order_has_no_price_to_match():
    market = replace(LOST, kind=OrderKind.MARKET, price=None)

    assert fits(report(kind=OrderKind.MARKET, price=0), one=market)[0]
    assert fits(report(kind=OrderKind.MARKET, price=71_300), one=market)[0]
    assert fits(report(), one=market) == ((), ())


@pytest.mark.parametrize(
    ("time", "found"),
    [
        ("095957", "odd"),
        ("095958", "fits"),
        ("100000", "fits"),
        ("100015", "fits"),
        ("100016", "odd"),
        ("235959", "odd"),
    ],
)
def test_a_row_is_of_the_right_second_from_two_before_until_fifteen_after_the_sending(time, found):
    row = report(time=time)

    assert fits(row) == {"fits": ((row,), ()), "odd": ((), (row,))}[found]


@pytest.mark.parametrize(("offset", "first", "last"), [(5.0, "100003", "100020"), (-4.6, "095953", "100010"), (0.4, "095958", "100015")])  # fmt: skip
def test_the_window_is_that_of_the_brokers_own_clock(offset, first, last):
    """A stamp is the broker's; whole seconds, since its stamps are."""
    attempt = replace(ATTEMPT, offset=offset)

    def judged(time: str, seconds: int) -> str:
        moment = datetime.strptime(time, "%H%M%S") + timedelta(seconds=seconds)  # noqa: DTZ007  # only its digits
        fitting, late = fits(report(time=moment.strftime("%H%M%S")), attempt=attempt)
        return "fits" if fitting else "odd" if late else "no"

    assert [judged(first, -1), judged(first, 0), judged(last, 0), judged(last, 1)] == ["odd", "fits", "fits", "odd"]


def test_after_a_resend_a_row_of_the_first_try_still_fits():
    """The baseline is the first try's, and the window spans from there to fifteen seconds after the last."""
    again = replace(ATTEMPT, n=3, started_at=at(6), first_at=SENT)

    for time in ("095958", "100001", "100021"):
        assert fits(report(time=time), attempt=again)[0], time
    early = report(time="095957")
    assert fits(early, attempt=again) == ((), (early,)), "a clock may be wrong: a person is asked"
    assert fits(report(time="100022"), attempt=again)[1]
    assert fits(report(time="100003"), attempt=replace(again, first_at=None))[1], "one try is its own first"


def test_a_row_stands_at_the_second_of_its_own_day():
    """Sent in the last second before midnight; the list shows what it holds of the day after."""
    eve = datetime(2026, 11, 23, 23, 59, 59, tzinfo=KST)
    attempt = replace(ATTEMPT, started_at=eve, first_at=eve)
    after = report(day=date(2026, 11, 24), time="000001")

    assert fits(after, one=replace(LOST, day=date(2026, 11, 24)), attempt=attempt) == ((after,), ())


def test_a_revision_is_found_among_what_bears_its_parents_number():
    row = report(original_no="0000000004", quantity=6, remaining=6)

    assert fits(row, one=REVISION, parent_no="0000000004") == ((row,), ())
    for strange in (report(), report(original_no="0000000003"), report(original_no="0000000004", price=71_100)):
        assert fits(strange, one=REVISION, parent_no="0000000004") == ((), ())
    whole = report(original_no="0000000004")
    assert fits(whole, parent_no="0000000004") == ((), ()), "a new order is never a revision's row"


@pytest.mark.parametrize(("quantity", "found"), [(0, 0), (1, 1), (10, 1), (11, 0)])
def test_a_revision_takes_what_was_left_of_its_parent_and_no_more(quantity, found):
    row = report(original_no="0000000004", quantity=quantity)

    assert len(fits(row, one=REVISION, parent_no="0000000004")[0]) == found


def test_a_request_to_cancel_is_nobodys_lost_order():
    request = report(original_no="0000000004", side_name="매수취소")

    assert fits(request, one=REVISION, parent_no="0000000004") == ((), ())
    assert fits(report(original_no="0000000004", remaining=0), one=REVISION, parent_no="0000000004") == ((), ())


def test_without_its_parents_number_a_revision_is_not_found():
    assert fits(report(), one=REVISION) == ((), ())


def test_once_the_channel_is_known_an_order_from_elsewhere_is_never_taken_for_ours():
    stranger, ours = report(channel="Nsmart"), report(order_no="0000000008", channel="OpnAPI")

    assert fits(stranger, ours, channel="OpnAPI") == ((ours,), ())
    assert fits(stranger, ours) == ((stranger, ours), ())
    reader = Reader()
    reader.reads(2, stranger, ours, channel="OpnAPI")
    assert reader.reads(12, stranger, ours, channel="OpnAPI") == FoundAtBroker(ours)


# --- found ------------------------------------------------------------------------------------------------------------


def test_a_lone_row_is_believed_only_after_it_has_stood_alone_for_ten_seconds():
    reader = Reader()
    assert reader.reads(2, report()) is None
    assert reader.reads(11.9, report()) is None
    assert reader.reads(12, report()) == FoundAtBroker(report())


def test_a_row_that_changes_or_goes_begins_its_ten_seconds_anew():
    reader = Reader()
    reader.reads(2, report())
    reader.reads(8)
    assert reader.reads(12, report()) is None
    assert reader.reads(15, report(order_no="0000000008")) is None
    assert reader.reads(24, report(order_no="0000000008")) is None
    assert reader.reads(25, report(order_no="0000000008")) == FoundAtBroker(report(order_no="0000000008"))


def test_what_fills_meanwhile_is_still_the_same_row():
    reader = Reader()
    reader.reads(2, report())

    assert reader.reads(12, report(filled=3)) == FoundAtBroker(report(filled=3))


def test_a_row_taken_by_another_of_our_orders_is_no_longer_a_candidate():
    reader = Reader()
    reader.reads(2, report(), report(order_no="0000000008"))
    other = frozenset({"0000000007"})
    reader.reads(13, report(), report(order_no="0000000008"), linked=other)

    found = reader.reads(23, report(), report(order_no="0000000008"), linked=other)

    assert found == FoundAtBroker(report(order_no="0000000008"))


def test_a_lost_revision_is_found_by_its_parents_number():
    row = report(original_no="0000000004", quantity=6)
    reader = Reader(REVISION)
    reader.reads(2, row, parent_no="0000000004")

    assert reader.reads(12, row, parent_no="0000000004") == FoundAtBroker(row)


def test_an_order_thought_absent_is_still_found_when_it_turns_up():
    reader = Reader(replace(LOST, state=OrderState.ABSENT))
    reader.reads(300, report(time="100010"))

    assert reader.reads(310, report(time="100010")) == FoundAtBroker(report(time="100010"))


# --- a question to a person -------------------------------------------------------------------------------------------


def test_rows_that_fit_are_a_question_and_asked_once_for_each_set_of_them():
    two = [report(), report(order_no="0000000008", time="100002")]
    three = [*two, report(order_no="0000000009")]
    reader = Reader()

    assert reader.reads(2, *two) == Ambiguous(tuple(two))
    assert [reader.reads(second, *two) for second in (4, 60, 600)] == [None] * 3
    assert reader.reads(602, *three) == Ambiguous(tuple(three))
    assert reader.reads(604, *three) is None
    assert reader.reads(606, *two) == Ambiguous(tuple(two)), "it is another question than the last one"


def test_a_row_stamped_too_late_is_never_linked_by_itself_but_put_to_a_person_once():
    row = report(time="100020")
    reader = Reader()

    assert reader.reads(21, row) is None
    assert reader.reads(50.9, row) is None, "it may be a newer order of ours that is not written down yet"
    assert reader.reads(51, row) == Ambiguous((row,))
    for second in range(60, 1200, 10):
        assert reader.reads(second, row) is None, "neither asked again nor called absent"


def test_a_row_of_the_right_second_goes_before_those_stamped_late():
    late = report(order_no="0000000008", time="100020")
    reader = Reader()
    reader.reads(2, report(), late)

    assert reader.resolution.candidates == {"0000000007"}
    assert reader.reads(40, report(), late) == FoundAtBroker(report())


def test_a_row_whose_stamp_cannot_be_read_is_a_question_and_not_a_crash():
    for time in ("", "??", "256161", "1000011"):
        reader = Reader()
        reader.reads(2, report(time=time))
        assert reader.reads(32, report(time=time)) == Ambiguous((report(time=time),))


# --- absent -----------------------------------------------------------------------------------------------------------


def clear(*seconds, scans=2):
    """Snapshots without the order: so many early ones, and these."""
    return Resolution(scans=scans + len(seconds), late_scans=tuple(map(at, seconds)))


def test_absence_needs_time_and_readings_and_a_witness():
    def after(seconds, *before, scans=2, evidence=SILENT):
        return Reader(resolution=clear(*before, scans=scans)).reads(seconds, evidence=evidence)

    assert after(183, 150, 180) == NotFound()
    assert after(183, 150, 179.9) is None, "too soon: bookings a minute and a half late were seen"
    assert after(183, 150, 180, scans=1) is None, "after a restart a few readings prove nothing"
    assert after(183, 150, 180, evidence=None) is None, "the account's money was not asked"
    assert after(183, 150, 180, evidence=AccountEvidence(MEANS - 710_000)) is None, "the account's money says otherwise"


def test_readings_that_prove_absence_are_spread_over_half_a_minute():
    """One list that lags, or loses a row for a moment, is one lie however often it is read."""
    assert Reader(resolution=clear(153.1, 180)).reads(183) is None
    assert Reader(resolution=clear(153, 180)).reads(183) == NotFound()
    assert Reader(resolution=clear(300, 300.1, scans=9)).reads(329.9) is None
    assert Reader(resolution=clear(300, 300.1, scans=9)).reads(330) == NotFound()


def test_readings_are_counted_one_by_one_and_only_those_of_the_last_minute_and_later_are_spread():
    reader = Reader()

    found = [reader.reads(second) for second in (2, 119.9, 120, 179, 180, 181)]
    assert found == [None] * 5 + [NotFound()]
    assert reader.resolution.scans == 6
    assert reader.resolution.late_scans == (at(120), at(180), at(181))


def test_what_the_list_shows_is_not_absent():
    reader = Reader(resolution=clear(150, 180, scans=99))

    assert reader.reads(300, report()) is None
    assert reader.reads(301, report(time="100020")) is None


@pytest.mark.parametrize(("one", "seconds"), [(LOST, (2, 60, 120, 175, 178, 180)), (CLAIMED, (2, 8, 10))])
def test_a_row_that_was_there_a_moment_ago_is_not_called_absent_for_one_reading_without_it(one, seconds):
    """A list may lag for one reading; absence is counted from the last reading that showed something."""
    reader = Reader(one)
    for second in seconds[:-1]:
        reader.reads(second, report(time="100020"))

    assert reader.reads(seconds[-1]) is None


def test_a_refusal_in_an_unknown_code_is_believed_after_ten_seconds_and_three_clean_readings():
    def after(seconds, *before, evidence=SILENT):
        return Reader(CLAIMED, resolution=clear(*before, scans=0)).reads(seconds, evidence=evidence)

    assert after(13, 2, 10) == NotFound()
    assert after(13, 2, 9.9) is None, "the last two readings after ten seconds"
    assert after(13, 10) is None, "three in all"
    assert after(13, 8.1, 10) is None, "five seconds from the first to the last"
    assert after(13, 2, 10, evidence=None) is None
    assert after(13, 2, 10, evidence=AccountEvidence(MEANS - 710_000)) is None


def test_only_an_order_in_doubt_becomes_absent():
    """One that is absent already stays so until the end of its day."""
    reader = Reader(replace(LOST, state=OrderState.ABSENT), resolution=clear(150, 180, scans=99))

    assert reader.reads(3000) is None


# --- too long ---------------------------------------------------------------------------------------------------------


def test_after_a_quarter_of_an_hour_a_person_is_asked_once():
    assert overdue(LOST, ATTEMPT, Resolution(), at(900))
    assert not overdue(LOST, ATTEMPT, Resolution(), at(899.9))
    assert not overdue(LOST, ATTEMPT, Resolution(asked=True), at(9000))
    assert not overdue(replace(LOST, state=OrderState.ABSENT), ATTEMPT, Resolution(), at(9000))


def test_that_a_person_was_asked_is_not_forgotten_by_the_next_reading():
    reader = Reader(resolution=Resolution(asked=True, asked_about=frozenset({"0000000099"})))
    reader.reads(901)

    assert reader.resolution.asked
    assert reader.resolution.asked_about == {"0000000099"}


# --- the channel of earlier days --------------------------------------------------------------------------------------


def test_the_channel_of_earlier_days_prefers_its_own_rows_and_puts_others_to_a_person():
    """It may have been renamed overnight: so it rules nothing out."""
    ours, stranger = report(channel="OpnAPI"), report(order_no="0000000008", channel="Nsmart")

    resolution, _ = resolve(LOST, ATTEMPT, Resolution(), [ours, stranger], frozenset(), at(2), used_to="OpnAPI")
    _, found = resolve(LOST, ATTEMPT, resolution, [ours, stranger], frozenset(), at(12), used_to="OpnAPI")
    assert found == FoundAtBroker(ours)

    resolution, found = resolve(LOST, ATTEMPT, Resolution(), [stranger], frozenset(), at(2), used_to="OpnAPI")
    resolution, found = resolve(LOST, ATTEMPT, resolution, [stranger], frozenset(), at(20), used_to="OpnAPI")
    assert found is None
    resolution, found = resolve(LOST, ATTEMPT, resolution, [stranger], frozenset(), at(40), used_to="OpnAPI")
    assert found == Ambiguous((stranger,))
    _, found = resolve(LOST, ATTEMPT, resolution, [stranger], frozenset(), at(400), used_to="OpnAPI")
    assert found is None, "neither linked nor called absent"


def test_a_row_that_was_there_and_went_starts_the_count_anew_in_readings_and_in_time():
    row = report(order_no="0000000008", time="100001")
    resolution = Resolution()
    for second in (2, 4, 6, 8, 100):
        resolution, _ = resolve(LOST, ATTEMPT, resolution, [row, report()], frozenset(), at(second))
    for second in (181, 200, 240, 275, 281):
        resolution, found = resolve(LOST, ATTEMPT, resolution, [], frozenset(), at(second), evidence=AccountEvidence())
        assert found is None, "two readings a hundred and eighty seconds after it was seen last"
    early = resolution
    _, found = resolve(LOST, ATTEMPT, resolution, [], frozenset(), at(284), evidence=AccountEvidence())
    assert found == NotFound()

    _, found = resolve(LOST, ATTEMPT, replace(early, scans=3), [], frozenset(), at(400), evidence=AccountEvidence())
    assert found is None, "the fourth reading without it"
    shown, _ = resolve(LOST, ATTEMPT, replace(early, scans=40), [row], frozenset(), at(300))
    assert (shown.scans, shown.late_scans, shown.shown_at) == (0, (), at(300))


def test_where_the_channel_of_today_is_known_that_of_earlier_days_says_nothing():
    row = report(channel="OpnAPI")

    resolution, _ = resolve(LOST, ATTEMPT, Resolution(), [row], frozenset(), at(2), channel="OpnAPI", used_to="Other")
    _, found = resolve(LOST, ATTEMPT, resolution, [row], frozenset(), at(12), channel="OpnAPI", used_to="Other")
    assert found == FoundAtBroker(row)
    resolution, _ = resolve(LOST, ATTEMPT, Resolution(), [row], frozenset(), at(2))
    _, found = resolve(LOST, ATTEMPT, resolution, [row], frozenset(), at(12))
    assert found == FoundAtBroker(row)
