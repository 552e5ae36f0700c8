"""Killed anywhere between a tick and its commit, or just after: no crossing is lost and none is told twice."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.alerts.model import AlertKind, AlertState, Comparison, Repeat
from bot.store.alerts import AlertStore
from tests.support.alert_day import OPEN, stand
from tests.support.outbox import TRADER, Clock, empty_database
from tests.unit.alerts.test_model import alert


class Killed(BaseException):
    """As by `kill -9`: nothing that is written to catch faults of ours catches it."""


class Fragile(AlertStore):
    """A table whose program dies at some of its commits: before, in the middle, or after."""

    plan: list[str]

    def commit(self, changes):
        fate = self.plan.pop(0) if self.plan else ""
        if fate == "before":
            raise Killed
        if fate == "within":
            with self._db.atomic():
                super().commit(changes)
                raise Killed
        told = super().commit(changes)
        if fate == "after":
            raise Killed
        return told


def begun(db, clock, plan):
    on = stand(db, clock)
    on.book.__class__ = Fragile
    on.book.plan = plan
    return on


prices = st.integers(90, 110)
wanted = st.lists(
    st.tuples(st.sampled_from(Comparison), prices, st.sampled_from([Repeat.ONCE, Repeat.REPEAT]), st.booleans()),
    min_size=1,
    max_size=5,
)
fates = st.lists(st.sampled_from(["", "", "before", "within", "after"]), max_size=12)


def life(made, seen, plan):
    """All that was told, and how often it died; after each death the same price is seen again, as a poll would."""
    db, clock, deaths = empty_database(), Clock(), 0
    clock.now = OPEN
    plan = list(plan)
    on = begun(db, clock, plan)
    for op, line, again, move in made:
        one = replace(alert(line, op, again), id=0, made_at=OPEN, expires_at=OPEN + timedelta(days=9))
        if move:
            one = replace(one, kind=AlertKind.MOVE, percent=Decimal(line - 100), line=line, day=OPEN.date())
        on.watch.add(replace(one, state=AlertState.BEYOND if one.past(100) else AlertState.ARMED), None, 99)
    for number, price in enumerate(seen, start=1):
        clock.now = OPEN + timedelta(seconds=number)
        while True:
            try:
                on.watch.on_tick("005930", price, number, clock.now)
                break
            except Killed:
                deaths += 1
                on = begun(db, clock, plan)
    rows = db.execute("SELECT chat_id, key FROM outbox WHERE kind = 'alert' ORDER BY id").fetchall()
    left = [(one.id, one.state, one.crossings) for one in on.book.of(TRADER)]
    return rows, left, deaths


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wanted, st.lists(prices, max_size=25), fates)
def test_a_life_with_deaths_tells_what_one_without_tells(made, seen, plan):
    whole, left, none = life(made, seen, [])
    broken, left_after, deaths = life(made, seen, plan)

    assert none == 0
    assert deaths <= sum(bool(one) for one in plan)
    assert (broken, left_after) == (whole, left)
    assert len(set(broken)) == len(broken)


def test_a_disk_that_fails_delays_a_crossing_and_loses_none(monkeypatch):
    on = stand()
    on.watch.add(replace(alert(), id=0), None, 9)
    real = on.book.commit

    def full(changes):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(on.book, "commit", full)
    on.watch.on_tick("005930", 72_100, 1, on.clock.now)
    assert on.pushes == {}
    on.clock.forward(timedelta(seconds=1))
    on.watch.on_tick("005930", 60_000, 2, on.clock.now)
    monkeypatch.setattr(on.book, "commit", real)
    on.watch.on_tick("005930", 60_500, 3, on.clock.now)
    assert on.pushes == {}, "it is left alone for a second"
    on.clock.forward(timedelta(seconds=1))
    on.watch.on_tick("005930", 61_000, 3, on.clock.now)

    assert on.pushes[1] == [(1, "2026-11-23T10:00:00+09:00")], "although the price came back while nothing was written"
    on.watch.on_tick("005930", 72_200, 4, on.clock.now)
    assert [number for number, _ in on.pushes[1]] == [1, 2]


def test_what_was_last_seen_survives_and_the_words_say_since_when_nobody_looked():
    on = stand()
    on.watch.add(replace(alert(), id=0), None, 9)
    on.watch.on_tick("005930", 71_000, 1, on.clock.now)
    on.clock.forward(timedelta(minutes=2))
    on.watch.sweep()
    later = stand(on.db, on.clock)
    on.clock.forward(timedelta(hours=1))
    later.watch.on_tick("005930", 73_000, 1, on.clock.now)

    (data,) = on.db.execute("SELECT data FROM outbox").fetchone()
    assert '"unseen": true, "since": "2026-11-23T10:00:00+09:00", "last": 71000' in data
