"""The state machine of one alert, and the index that must do exactly what stepping every alert would."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.alerts.engine import LiveAlerts
from bot.alerts.model import Alert, AlertKind, AlertState, Comparison, Repeat, Tick, facts, moved, near, step
from kis.krx import KST

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
CODE = "005930"


def alert(line=72_000, op=Comparison.ABOVE, again=Repeat.REPEAT, kind=AlertKind.PRICE, **more):
    return Alert(
        1, 7, 7, CODE, "삼성전자", kind, op, line, again, NOW, NOW + timedelta(days=30), **more,
    )  # fmt: skip


def tick(price=None, minute=0, **more):
    return Tick(CODE, NOW + timedelta(minutes=minute), price, **more)


def run(one, *prices):
    """The states it goes through, a bell where it fires."""
    trail = []
    for minute, price in enumerate(prices):
        one, fired = step(one, tick(price, minute))
        trail.append(f"{one.state.value}{'!' if fired else ''}")
    return trail


@pytest.mark.parametrize(
    ("op", "prices", "trail"),
    [
        (Comparison.ABOVE, (71_900, 72_000, 72_100), ["armed", "armed", "resting!"]),
        (Comparison.AT_LEAST, (71_900, 72_000), ["armed", "resting!"]),
        (Comparison.BELOW, (72_100, 72_000, 71_900), ["armed", "armed", "resting!"]),
        (Comparison.AT_MOST, (72_100, 72_000), ["armed", "resting!"]),
    ],
)
def test_the_sign_says_whether_the_line_itself_counts(op, prices, trail):
    assert run(alert(op=op), *prices) == trail


def test_once_is_once():
    assert run(alert(again=Repeat.ONCE), 72_100, 60_000, 72_100) == ["done!", "done", "done"]


def test_trembling_on_the_line_fires_once_and_half_a_percent_back_arms_again():
    trail = run(alert(), 72_100, 71_900, 72_100, 71_700, 72_100, 71_600, 72_100)

    assert trail == ["resting!", "resting", "resting", "resting", "resting", "armed", "resting!"]


def test_downward_the_same_mirrored():
    trail = run(alert(op=Comparison.BELOW), 71_900, 72_300, 71_900, 72_400, 71_900)

    assert trail == ["resting!", "resting", "resting", "armed", "resting!"]


def test_where_half_a_percent_is_less_than_two_ticks_the_ticks_count():
    assert run(alert(2_000, Comparison.AT_LEAST), 2_000, 1_991, 1_990, 2_000)[1:] == ["resting", "armed", "resting!"]
    assert run(alert(100, Comparison.AT_LEAST), 100, 99, 98, 100)[1:] == ["resting", "armed", "resting!"]


def test_made_past_its_line_it_fires_on_the_next_crossing_only_and_any_way_back_arms_it():
    beyond = alert(state=AlertState.BEYOND)

    assert run(beyond, 72_500, 72_100, 72_000, 72_100) == ["beyond", "beyond", "armed", "resting!"]


def test_a_move_since_the_close_has_another_line_every_day_and_is_armed_anew():
    one = alert(kind=AlertKind.MOVE, op=Comparison.AT_LEAST, percent=Decimal(3), line=1, day=None)

    same, fired = step(one, tick(99_999))
    assert (same, fired) == (one, None), "without the day's base price nothing is known"
    one, fired = step(one, tick(103_000, base=100_000))
    assert (one.line, one.state, fired is not None) == (103_000, AlertState.RESTING, True)
    one, fired = step(one, tick(103_000, base=100_000))
    assert fired is None
    one, fired = step(one, tick(105_000, 24 * 60, base=103_000))
    assert (one.line, one.start, one.state, fired) == (106_090, 103_000, AlertState.ARMED, None)


def test_once_a_day_means_that_coming_back_arms_nothing():
    one = alert(10_000, Comparison.AT_LEAST, Repeat.DAILY, AlertKind.MOVE, percent=Decimal(5), day=NOW.date())

    assert run(one, 10_000, 8_000, 10_000) == ["resting!", "resting", "resting"]


def test_volume_counts_by_the_day():
    one = alert(3_000_000, Comparison.AT_LEAST, kind=AlertKind.VOLUME, factor=Decimal(3), day=NOW.date())

    one, fired = step(one, tick(volume=3_000_000))
    assert fired
    one, fired = step(one, tick(volume=9_000_000))
    assert not fired
    one, fired = step(one, tick(1, 24 * 60, volume=4_000_000))
    assert fired, "already past it at the first look of the next day"
    assert fired.alert.crossings == 2


def test_a_halt_fires_when_it_begins_and_again_when_another_begins():
    one, seen = alert(1, Comparison.AT_LEAST, kind=AlertKind.HALT), []
    for flag in (None, False, True, True, None, False, True):
        one, fired = step(one, tick(halted=flag))
        seen.append(fired is not None)

    assert seen == [False, False, True, False, False, False, True]


def test_past_its_time_it_ends_and_does_not_fire():
    one, fired = step(replace(alert(), expires_at=NOW), tick(99_000))

    assert (one.state, fired) == (AlertState.EXPIRED, None)


def test_a_percentage_is_reached_at_the_first_whole_won_that_has_moved_so_far():
    assert (moved(71_300, Decimal(3)), moved(71_300, Decimal(-3))) == (73_439, 69_161)
    assert (moved(101, Decimal("0.01")), moved(1, Decimal(-99))) == (102, 1)
    assert (near(91_900, up=True), near(49_500, up=False)) == (90_981, 49_995)


def test_a_limit_that_is_not_told_is_no_limit():
    one = alert(1, Comparison.AT_LEAST, Repeat.DAILY, AlertKind.UPPER)

    assert step(one, tick(70_000, base=70_000)) == (one, None)
    one, fired = step(one, tick(90_100, base=70_000, upper=91_000, lower=49_000))
    assert (one.line, fired is not None) == (90_090, True)


def test_the_facts_of_a_crossing_are_plain_json():
    _, fired = step(alert(percent=Decimal("-3.5")), tick(72_100, unseen=True, since=NOW, last=70_000))

    assert fired.key == "alert:1:1"
    data = fired.data()
    assert data["percent"] == "-3.5"
    assert (data["number"], data["unseen"], data["last"], data["since"]) == (1, True, 70_000, NOW.isoformat())
    assert facts(fired.alert)["op"] == ">"


prices = st.integers(1, 60)
ticks_seen = st.lists(
    st.tuples(
        st.integers(0, 3 * 24),
        st.one_of(st.none(), prices),
        st.one_of(st.none(), prices),
        st.one_of(st.none(), st.booleans()),
        st.booleans(),
    ),
    max_size=30,
)
alerts_made = st.lists(
    st.tuples(
        st.sampled_from([one for one in AlertKind if one is not AlertKind.HOLDINGS]),
        st.sampled_from(Comparison),
        prices,
        st.sampled_from(Repeat),
        st.sampled_from([AlertState.ARMED, AlertState.BEYOND]),
        st.integers(1, 96),
    ),
    max_size=12,
)


@given(alerts_made, ticks_seen)
def test_the_index_changes_exactly_what_stepping_every_alert_changes(made, seen):
    every = {}
    for number, (kind, op, line, again, state, hours) in enumerate(made, start=1):
        flag = kind in {AlertKind.HALT, AlertKind.VI}
        every[number] = replace(
            alert(1 if flag else line, Comparison.AT_LEAST if flag else op, again, kind),
            id=number, state=state, percent=Decimal(5) if kind is AlertKind.MOVE else None,
            expires_at=NOW + timedelta(hours=hours),
        )  # fmt: skip
    board = LiveAlerts(every.values())
    for hours, price, volume, flag, based in sorted(seen, key=lambda one: one[0]):
        one = Tick(CODE, NOW + timedelta(hours=hours), price, volume, flag, flag, 30 if based else None, 39, 21)
        wanted = {}
        for number, before in every.items():
            after, fired = step(before, one)
            every[number] = after
            if fired or (after != before and after.live):
                wanted[number] = (after, fired)
        assert not (wanted and price and board.quiet(CODE, price, volume, one.at.date()) and flag is None)
        changes = board.changes(one)
        found = {
            change.after.id: (change.after, change.fired) for change in changes if change.after.live or change.fired
        }
        assert found == wanted
        board.apply(changes)
    assert len(board) == sum(number in board for number in every)
    for number in list(every):
        board.remove(number)
    assert (len(board), list(board.codes)) == (0, [])


@settings(deadline=None)
@example([(AlertKind.HALT, Comparison.BELOW, 1, Repeat.REPEAT, AlertState.ARMED, 1)], [(0, None, None, False, True)])
@given(alerts_made, ticks_seen)
def test_the_same_tick_twice_changes_nothing_the_second_time(made, seen):
    for kind, op, line, again, state, _ in made:
        one = replace(alert(line, op, again, kind, percent=Decimal(2)), state=state)
        for hours, price, volume, flag, based in sorted(seen, key=lambda item: item[0]):
            now = Tick(CODE, NOW + timedelta(hours=hours), price, volume, flag, flag, 30 if based else None, 39, 21)
            one, _ = step(one, now)
            assert step(one, now) == (one, None)
