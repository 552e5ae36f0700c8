"""Nights of fills over unreliable lines: nothing is missed or told twice, every gap is told, and the judge can say no."""

import json
from collections import Counter

import pytest

from bot.orders.hours import TradingHours
from bot.orders.reconciliation.report_handler import ReportHandler
from bot.services.outages import OutageTracker
from kis.client import KisClient
from kis.models import OrderList
from tests.chaos.error_log import keeping_errors
from tests.chaos.fills import broken, one_night, told
from tests.chaos.fills_account import PROMISES

FEW = 150


@pytest.fixture(autouse=True)
def _listening():
    with keeping_errors():
        yield


def test_a_night_of_fills_keeps_every_promise():
    night = one_night("a", 400)
    assert broken(night) == [], night.notes
    assert night.counts["fills"] > 250
    assert night.counts["notices told"] == night.counts["notices due"] > 0
    assert night.fired["killed"] + night.fired["killed while taking in"] > 0
    assert "missed 0, told twice 0" in told(night)


def test_one_seed_is_one_night_to_the_last_fault():
    first, second = (one_night("c", FEW) for _ in range(2))
    assert (first.counts, first.fired) == (second.counts, second.fired)


def _last(world, kind):
    row = world.connection.execute(
        "SELECT id, data, chat_id FROM outbox WHERE kind = ? ORDER BY id DESC LIMIT 1", [kind]
    ).fetchone()
    assert row is not None, f"no {kind} in this night"
    return row[0], json.loads(row[1]), row[2]


def _put(world, kind, data, chat):
    world.connection.execute(
        "INSERT INTO outbox (chat_id, kind, data, urgency, state, tries, made_at, order_id, key) "
        "VALUES (?, ?, ?, 0, 'pending', 0, '', ?, 'ext:2026-11-23::')",
        [chat, kind, json.dumps(data), data.get("order")],
    )


def _lose(kind):
    return lambda world: world.connection.execute("DELETE FROM outbox WHERE id = ?", [_last(world, kind)[0]])


def _change(kind, **by):
    def change(world):
        number, data, _ = _last(world, kind)
        data |= {name: (data[name] + more if isinstance(more, int) else more) for name, more in by.items()}
        world.connection.execute("UPDATE outbox SET data = ? WHERE id = ?", [json.dumps(data), number])

    return change


def _double(kind, **other):
    def double(world):
        _, data, chat = _last(world, kind)
        _put(world, kind, data | other, chat)

    return double


TAMPERED = {
    "missed": _lose("fill"),
    "doubled": _double("fill"),
    "numbers": _change("fill", number=1),
    "elsewhere": _lose("external_fill"),
    "notices missing": _lose("blind"),
    "notices extra": _double("blind"),
    "notices extra ": _double("blind", until="2026-11-23T23:45:00+09:00"),
    "notices wrong": _change("blind", shares=1),
    "notices wrong ": _change("blind", since="2026-11-23T23:45:00+09:00"),
    "notices wrong  ": _change("blind", off="2026-11-23T23:45:00+09:00", unread=False, fills=1),
}


def test_the_judge_notices_one_letter_too_few_too_many_or_wrong():
    found = {}

    def tamper(world):
        assert _promises(world.account.verdict()[0]) == set()
        for name, spoil in TAMPERED.items():
            world.connection.execute("SAVEPOINT spoilt")
            spoil(world)
            found[name] = _promises(world.account.verdict()[0])
            world.connection.execute("ROLLBACK TO spoilt")

    assert broken(one_night("a", 400, tamper)) == []
    for name in TAMPERED:
        assert name.strip() in found[name], (name, found[name])


def _promises(counts: Counter[str]) -> set[str]:
    return {name for name in PROMISES if counts[name]}


async def _hasty(self, day, honest=KisClient.order_list):
    """One share more than the broker has, of whatever has begun to fill."""
    rows = (await honest(self, day)).rows
    return OrderList(
        tuple(
            row.model_copy(update={"filled": row.filled + 1}) if 0 < row.filled < row.quantity else row for row in rows
        )
    )


@pytest.mark.parametrize(
    ("where", "name", "what", "promise"),
    [
        (ReportHandler, "_days_seen", lambda _: {}, "elsewhere"),
        (OutageTracker, "_notices", lambda *_: [], "notices missing"),
        (TradingHours, "day_over", lambda _, day, now: day <= now.date(), "missed"),
        (KisClient, "order_list", _hasty, "early"),
    ],
)
def test_a_bot_with_a_fault_is_caught(monkeypatch, where, name, what, promise):
    monkeypatch.setattr(where, name, what)
    night = one_night("a", FEW)
    assert promise in _promises(night.counts), night.notes
