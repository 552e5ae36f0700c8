"""The table of alerts: whose they are, how many, how long, and numbers that are never given twice."""

from dataclasses import replace
from datetime import timedelta

from bot.alerts.engine import AlertChange
from bot.alerts.model import AlertKind, AlertState, Tick, step
from tests.support.alert_day import stand
from tests.support.outbox import OWNER, TRADER
from tests.unit.alerts.test_model import alert


def crossing(one, on):
    after, fired = step(one, Tick(one.code, on.clock.now, 99_000))
    return AlertChange(one, after, fired)


def test_an_alert_comes_back_as_it_was_written():
    on = stand()
    made = on.book.add(replace(alert(), id=0, etf=True, day=on.clock.now.date()))

    assert on.book.of(TRADER) == [made]
    assert on.book.live() == [made]


def test_one_update_makes_one_alert_however_often_it_is_answered():
    on = stand()

    first = on.book.add(replace(alert(), id=0, asked=77), 1)
    assert on.book.add(replace(alert(), id=0, asked=77), 1) == first
    assert on.book.add(replace(alert(), id=0, asked=78), 1) is None
    assert len(on.book.of(TRADER)) == 1


def test_nobody_deletes_anothers():
    on = stand()
    made = on.book.add(replace(alert(), id=0))

    assert on.book.delete(OWNER, made.id) == []
    assert on.book.delete(TRADER, made.id) == [made.id]
    assert on.book.delete(TRADER, made.id) == []


def test_with_an_alert_on_holdings_go_its_parts():
    on = stand()
    parent = on.book.add(replace(alert(kind=AlertKind.HOLDINGS), id=0, code=""))
    halt = replace(alert(kind=AlertKind.HALT), id=0, parent=parent.id)
    part = on.book.add(halt)

    assert on.book.of(TRADER) == [parent]
    assert on.book.delete(TRADER, part.id) == [], "a part goes only with the whole"
    assert on.book.add(halt) is None, "nor is it there twice"
    assert on.book.delete(TRADER, parent.id) == [parent.id, part.id]
    assert on.book.children(parent.id) == []


def test_what_was_deleted_meanwhile_does_not_fire():
    on = stand()
    made = on.book.add(replace(alert(), id=0))
    change = crossing(made, on)
    on.book.delete(TRADER, made.id)

    assert on.book.commit([change]) is False
    assert on.pushes == {}


def test_who_may_not_use_the_bot_now_is_not_told():
    on = stand()
    made = on.book.add(replace(alert(), id=0))
    on.db.execute("UPDATE people SET status = 'suspended' WHERE user_id = ?", [TRADER])

    assert on.book.commit([crossing(made, on)]) is False
    assert on.pushes == {}


def test_numbers_are_never_given_twice_for_the_outbox_knows_crossings_by_them():
    on = stand()
    first = on.book.add(replace(alert(), id=0))
    on.book.delete(TRADER, first.id)
    on.clock.forward(timedelta(days=31))
    on.book.tidy()
    assert on.db.execute("SELECT count(*) FROM alerts").fetchone() == (0,)

    assert on.book.add(replace(alert(), id=0)).id > first.id


def test_time_ends_an_alert_that_nothing_touches():
    on = stand()
    made = on.watch.add(replace(alert(), id=0, expires_at=on.clock.now + timedelta(days=1)), None, 9)
    on.clock.forward(timedelta(days=1))

    assert on.book.expire() == [made.id]
    assert on.book.of(TRADER) == []
    assert on.db.execute("SELECT state FROM alerts").fetchone() == (AlertState.EXPIRED.value,)


def test_with_a_person_who_is_removed_go_their_alerts():
    on = stand()
    made = on.watch.add(replace(alert(), id=0), None, 9)
    on.db.execute("UPDATE people SET status = 'removed' WHERE user_id = ?", [TRADER])
    on.watch.sweep()

    assert made.id not in on.watch.live
    assert on.book.live() == []
