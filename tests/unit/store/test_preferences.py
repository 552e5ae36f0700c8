"""What people want to hear is kept as they said it, and goes on record."""

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.access.preferences import Preferences, Quiet, Ring, Topic
from bot.store.audit.log import AuditLog
from bot.store.preferences import PreferenceStore
from tests.support.outbox import OWNER, TRADER, Clock, empty_database

TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
WANTED = st.builds(
    Preferences,
    lang=st.sampled_from([None, "ko", "en"]),
    rings=st.dictionaries(st.sampled_from(list(Topic)), st.sampled_from(list(Ring))),
    quiet=st.none() | st.builds(Quiet, TIMES, TIMES),
    roundup=st.booleans(),
)


@pytest.fixture(scope="module")
def db():
    opened = empty_database()
    yield opened
    opened.close()


@given(WANTED)
def test_what_was_kept_is_what_is_read(db, wanted):
    book = PreferenceStore(db, AuditLog(db, Clock()), Clock())
    book.keep(TRADER, wanted)

    assert book.of(TRADER) == wanted
    assert book.of(OWNER) == Preferences(), "nobody else's"


def test_each_change_is_on_record_with_its_person(db):
    book = PreferenceStore(db, AuditLog(db, Clock()), Clock())
    book.keep(TRADER, Preferences().having(Topic.FILLS, Ring.OFF))

    row = db.execute("SELECT user_id, detail FROM audit WHERE action = 'people.settings' ORDER BY seq DESC").fetchone()
    assert row[0] == TRADER
    assert "fills" in row[1]
    assert "off" in row[1]


@given(TIMES, TIMES, TIMES)
def test_quiet_hours_hold_their_beginning_and_not_their_end(since, until, at):
    """Walking from the beginning, minute by minute over midnight, one is within until the end is reached."""
    minutes = lambda one: one.hour * 60 + one.minute  # noqa: E731
    length = (minutes(until) - minutes(since)) % 1440
    assert Quiet(since, until).holds(at) is ((minutes(at) - minutes(since)) % 1440 < length)


def test_hours_are_read_as_they_are_written():
    quiet = Quiet(time(22), time(7, 30))

    assert str(quiet) == "22:00-07:30"
    assert Quiet.read(str(quiet)) == quiet
    with pytest.raises(ValueError, match="isoformat"):
        Quiet.read("soon")
