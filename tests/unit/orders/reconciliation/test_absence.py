"""Never told absent while the broker has the order: lists that lose a row, readings that fail, bookings that come late."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.orders.model.events import NotFound
from bot.orders.reconciliation.resolution import wants_evidence
from kis.models.orders import UnreadableRow
from tests.support.order_events import report
from tests.unit.orders.reconciliation.test_resolution import CLAIMED, LOST, SILENT, Reader, at

LONGEST_LIE = 30.0
"""Seconds for which a list may lose a row: less than this, from its first reading without it to the last."""
LATEST = 90.0
"""Seconds after the sending by which a broker has booked what it will book."""


@dataclass(frozen=True)
class Reading:
    """One reading of the list, `after` seconds after the one before; `loses`: without the row, if the list may."""

    after: float
    loses: bool


def read_at(*seconds: float, loses: tuple[float, ...] = ()) -> list[Reading]:
    times = (0.0, *seconds)
    return [Reading(now - before, now in loses) for before, now in pairwise(times)]


READINGS = st.lists(st.builds(Reading, st.one_of(st.floats(0.01, 9), st.floats(0.01, 200)), st.booleans()), max_size=40)


def played(one, readings, booked, *, longest, channel="OpnAPI"):
    """Whether the order is ever told absent. It is cancelled in HTS as soon as it is booked, so that its cash is back."""
    reader, now, lying_since = Reader(one), 0.0, None
    row = report(channel=channel, remaining=0, cancelled=10)
    for reading in readings:
        now += reading.after
        if now < booked:
            rows, lying_since = (), None
        else:
            lying_since = (now if lying_since is None else lying_since) if reading.loses else None
            rows = (row,) if lying_since is None or now - lying_since >= longest else ()
            lying_since = None if rows else lying_since
        asked = wants_evidence(reader.one, reader.attempt, reader.resolution, at(now))
        if reader.reads(now, *rows, evidence=SILENT if asked else None, channel=channel) == NotFound():
            return True
    return False


@given(READINGS, st.floats(0, LATEST))
@example(read_at(1, 2, 4, 6, 180, loses=(180,)), 7.0).via("four readings before it was booked, one that loses its row")
@example(read_at(1, 2, 4, 6, 180, 183, 186, loses=(180, 183, 186)), 7.0).via("the same list read three times")
@example(read_at(1, 2, 4, 6, 89, 200, 203, loses=(200, 203)), 90.0).via("booked as late as may be")
def test_an_order_that_the_broker_has_is_never_told_absent(readings, booked):
    """Its row may be lost for less than half a minute at a time, and any reading may fail."""
    assert not played(LOST, readings, booked, longest=LONGEST_LIE)


@given(READINGS, st.floats(0, 10))
@example(read_at(2, 10, loses=(10,)), 7.0).via("booked between the two readings that used to suffice")
def test_a_refusal_in_an_unknown_code_is_not_believed_of_an_order_that_the_broker_has(readings, booked):
    """A row may be missing from one reading, never from two in a row."""
    assert not played(CLAIMED, readings, booked, longest=0.001)


@pytest.mark.parametrize(
    ("one", "every", "by"), [(LOST, 3, 183), (LOST, 15, 195), (LOST, 60, 300), (CLAIMED, 3, 15), (CLAIMED, 15, 45)]
)
def test_an_order_that_never_arrived_is_told_absent_soon_enough_at_every_pace_of_reading(one, every, by):
    never = 10**9
    seconds = range(every, by + 1, every)

    assert played(one, read_at(*seconds), never, longest=0)
    assert not played(one, read_at(*seconds[:-1]), never, longest=0)


# --- rows that cannot be read -------------------------------------------------------------------------------------------


def spoilt(order_no="", code="005930"):
    return (UnreadableRow(order_no, code, "a quantity of 10^30"),)


def clear_readings(reader, *seconds):
    return [isinstance(reader.reads(second), NotFound) for second in seconds]


@pytest.mark.parametrize(
    ("row", "blocks"),
    [
        (spoilt(), True),
        (spoilt(code=""), True),
        (spoilt("0000000009"), True),
        (spoilt("0000000009", ""), True),
        (spoilt(code="000660"), False),
        (spoilt("0000000001"), False),  # listed before the sending
        (spoilt("0000000005"), False),  # another order of ours
    ],
)
def test_no_absence_is_proven_by_a_list_with_a_row_that_cannot_be_read_and_may_be_the_order(row, blocks):
    reader = Reader(LOST)
    assert not any(clear_readings(reader, 2, 60, 120, 150, 180))
    found = reader.reads(183, unreadable=row, linked=frozenset({"0000000005"}))
    assert isinstance(found, NotFound) is not blocks


def test_such_a_list_begins_the_wait_and_the_count_anew():
    reader = Reader(LOST)
    assert not any(clear_readings(reader, 2, 60, 120))
    assert reader.reads(150, unreadable=spoilt()) is None
    assert clear_readings(reader, 180, 183, 210, 270, 300, 330, 333) == [False] * 6 + [True]

    few = Reader(LOST)
    assert not any(clear_readings(few, 2, 60, 120, 140))
    assert few.reads(150, unreadable=spoilt()) is None
    assert clear_readings(few, 270, 330, 333, 336, 339) == [False] * 4 + [True]

    early = Reader(LOST)
    assert not any(clear_readings(early, 2, 60, 120, 140))
    assert early.reads(150, unreadable=spoilt()) is None
    assert clear_readings(early, 160, 170, 180, 330, 333, 363) == [False] * 5 + [True]


def test_a_rejection_is_believed_after_readings_five_seconds_apart():
    assert clear_readings(Reader(CLAIMED), 5.5, 10, 10.5) == [False, False, True]
    assert clear_readings(Reader(CLAIMED), 5.6, 10, 10.5) == [False, False, False]
    assert clear_readings(Reader(CLAIMED), 5, 9.9, 10.5) == [False, False, False]
