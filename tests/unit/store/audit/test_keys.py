"""The keys of the log: a new one every day, the old one gone, and a log that goes on whatever happens to them."""

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime

import pytest

from bot.store.audit import chain
from bot.store.audit.log import AuditLog
from bot.store.audit.verify import ChainFault, Problem
from bot.store.database import backup, open_database
from bot.store.migrations.registry import MIGRATIONS
from kis.krx import KST
from tests.support.audit_guest import House, tamper


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "home")
    yield made
    made.close()


# --- days -----------------------------------------------------------------------------------------------------------------


def test_each_day_has_its_key_and_the_old_one_is_nowhere(house):
    seen = []
    for day in (23, 24, 27, 30):
        house.clock.to(day)
        house.log.new_day()
        house.work(2)
        seen.append(house.keys.read().key)
        (house.home / "audit-day-key.1.tmp").write_text(seen[-1].hex())  # a writer was killed here
    house.clock.to(30, hour=23)
    house.keys.write(house.keys.read())

    assert len(set(seen)) == 4
    assert house.verdict().ok
    assert {row.key_day for row in house.rows()} == {f"2026-11-{day}" for day in (23, 24, 27, 30)}
    left = b"".join(path.read_bytes() for path in house.home.iterdir())
    assert not any(old.hex().encode() in left or old in left for old in seen[:-1])


def test_a_days_key_seals_neither_the_day_before_nor_a_shorter_past(house):
    """What somebody who takes the machine over on the second day can make of the first."""
    house.work(5)
    house.clock.to(24)
    house.log.new_day()
    house.work(5)
    rows, today = house.rows(), house.keys.read()
    with_today = rows[3]._replace(name="박", key_day=today.day.isoformat())
    forged = [*rows[:3], chain.sealed(rows[2].mac, with_today, today.key)]

    tamper(house.path, forged)
    assert house.verdict(day_key=False).problem.seq == 4
    house.keys.write(type(today)(today.id, today.day, today.key, 3, rows[2].mac))
    tamper(house.path, rows[:3])
    assert house.verdict().problem == Problem(ChainFault.REWRITTEN, 3), "nor is a mark set back believed"


def test_a_day_that_ends_inside_a_transaction_waits_for_its_end(house):
    house.work(1)
    house.clock.to(24)
    with house.db.atomic():
        house.log.add("order.confirmed")
        assert house.keys.read().day.day == 23
    house.log.new_day()
    house.log.add("order.accepted")

    assert [row.key_day[-2:] for row in house.rows()[-2:]] == ["23", "24"]
    assert house.verdict().ok


def test_what_is_rolled_back_leaves_no_trace_in_the_chain(house):
    for day in (23, 24):
        house.clock.to(day)
        with suppress(RuntimeError), house.db.atomic():
            house.log.add("order.confirmed")
            house.log.add("order.submitting")
            raise RuntimeError
        with house.db.atomic():
            house.log.add("kept")
            with suppress(RuntimeError), house.db.atomic():
                house.log.add("inner")
                raise RuntimeError
        house.log.new_day()

    assert [row.action for row in house.rows()] == ["audit.key_made", "kept", "kept"]
    assert house.verdict().ok


def test_a_clock_set_back_is_remarked_upon_and_one_gone_mad_is_not_followed(house):
    house.clock.to(25)
    house.log.new_day()
    house.clock.to(24)
    house.work(1)
    house.clock.now = datetime(2099, 1, 1, tzinfo=KST)
    house.work(1)

    verdict = house.verdict()
    assert verdict.ok
    assert verdict.backdated == 2
    assert house.rows()[-1].key_day == "2026-11-25"


def test_a_key_that_cannot_be_replaced_goes_on_and_is_replaced_later(house, monkeypatch):
    house.clock.to(24)
    with monkeypatch.context() as no_room:
        no_room.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space")))
        house.log.new_day()
        house.log.add("still.sealed")
    house.log.new_day()
    house.log.add("sealed.anew")

    assert [row.key_day[-2:] for row in house.rows()[-2:]] == ["23", "24"]
    assert house.verdict().ok


# --- starts ---------------------------------------------------------------------------------------------------------------


def test_a_restart_goes_on_with_the_same_key(house):
    assert house.log.begun == "first"
    house.work(2)
    for day in (23, 24, 25):
        house.clock.to(day)
        assert house.again().begun == ""
        house.work(1)

    assert house.verdict().ok
    assert len(house.verdict().keys) == 1


def test_a_lost_key_begins_a_chain_that_only_its_own_key_proves(house):
    house.work(3)
    house.keys.path.unlink()
    assert house.again().begun == "lost"
    house.work(2)
    both = house.keys.firsts()

    assert house.verdict().problem == Problem(ChainFault.WRONG_KEY, 5)
    assert len(both) == 2
    verdict = house.verdict(firsts=both)
    assert verdict.ok
    assert [seq for seq, _ in verdict.keys] == [1, 5]
    assert house.verdict(firsts=both[1:]).unproven == 4
    rows = house.rows()
    rows[2] = rows[2]._replace(name="박")
    tamper(house.path, rows)
    assert house.verdict(firsts=both[1:]).problem == Problem(ChainFault.CHANGED, 1, 4), (
        "what was before is fixed by the digest"
    )


def test_a_damaged_key_file_begins_a_new_chain(house):
    house.work(1)
    for spoilt in ("", "{}", "[" * 100_000, '{"id": "x", "day": "2026-11-23", "key": "00", "seq": 0, "mac": ""}'):
        house.keys.path.write_text(spoilt, encoding="utf-8")
        assert house.again().begun == "damaged"
    assert house.verdict(firsts=house.keys.firsts()).ok


def test_a_database_from_a_backup_is_told_from_the_one_the_key_knows(house, tmp_path):
    house.work(3)
    backup(house.path, tmp_path / "yesterday.db")
    house.clock.to(24)
    house.work(3)
    house.clock.to(25)
    house.log.new_day()
    house.close()
    for leftover in house.home.glob("kisbot.db*"):
        leftover.unlink()
    (tmp_path / "yesterday.db").rename(house.path)
    house.db = open_database(house.path)

    assert house.verdict().problem.fault is ChainFault.CUT_OFF
    assert house.again().begun == "restored"
    house.work(1)
    assert house.verdict(firsts=house.keys.firsts()).ok


def test_a_log_put_in_the_place_of_ours_is_told_from_it(house, tmp_path):
    other = House(tmp_path / "other")
    for one in (house, other):
        one.work(4)
        one.clock.to(24)
        one.log.new_day()
    other.close()
    tamper(house.path, other.rows())

    assert house.again().begun == "restored"


def test_a_first_key_that_was_kept_and_never_used_is_the_next(house):
    """Killed between the two files: the key its owner may hold already is the one to begin with."""
    house.keys.keep_first(b"w" * 32)
    house.log.begin_again()
    house.work(1)

    assert house.keys.firsts() == [*house.firsts, b"w" * 32]
    assert house.verdict(firsts=house.keys.firsts()).ok


def test_a_key_begun_by_choice_is_taken_up_by_who_works_on(house):
    house.work(1)
    house.keys.forget_firsts()
    with closing(open_database(house.path)) as other:
        AuditLog(other, house.clock, house.keys).begin_again()
    house.work(2)

    verdict = house.verdict(firsts=[*house.firsts, *house.keys.firsts()])
    assert verdict.ok
    assert len(verdict.keys) == 2


def test_a_begin_cut_short_is_finished_by_the_next_row(house, tmp_path):
    """The key file was written, and the row that speaks of it was not."""
    house.work(1)
    with suppress(KeyboardInterrupt), house.db.atomic():
        house.log._begin(house.keys, "asked")
        raise KeyboardInterrupt
    house.work(1)

    assert [row.action for row in house.rows()][-2:] == ["audit.key_made", "order.proposed"]
    assert house.verdict(firsts=house.keys.firsts()).ok


def test_rows_from_before_the_chain_are_sealed_as_they_were(tmp_path):
    path = tmp_path / "home" / "kisbot.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        from sqlite_utils import Database  # noqa: PLC0415

        MIGRATIONS.apply(Database(old), stop_before="m009_audit_chain")
        for number in range(5):
            old.execute(
                "INSERT INTO audit (at, user_id, name, action, detail) VALUES (?, 1, '김', 'command', ?)",
                ["2026-11-20T10:00:00.000+09:00", f'{{"n": {number}}}'],
            )
    house = House(path.parent)
    house.work(2)
    rows = house.rows()

    assert [row.action for row in rows[4:8]] == ["command", "audit.sealed", "audit.key_made", "order.proposed"]
    assert rows[5].at.endswith("+09:00")
    verdict = house.verdict()
    assert verdict.ok
    assert verdict.before == 6
    for spoilt in (
        [*rows[:2], rows[2]._replace(detail='{"n": 9}'), *rows[3:]],
        rows[1:],
        [*rows[:2], *rows[3:]],
        [rows[1]._replace(seq=1), rows[0]._replace(seq=2), *rows[2:]],
    ):
        tamper(path, spoilt)
        assert house.verdict().problem == Problem(ChainFault.CHANGED, 1, 5)
    tamper(path, rows)
    assert house.verdict(anchors=[(2, "ab" * 8)]).problem == Problem(ChainFault.REWRITTEN, 2), "it had no head to post"
    tamper(path, rows[:5] + rows[6:])
    assert house.verdict().problem == Problem(ChainFault.MISSING, 6, 6)
    house.close()


# --- heads ----------------------------------------------------------------------------------------------------------------


def test_heads_are_remembered_as_they_were_posted(house):
    house.work(2)
    head = house.log.anchor()
    assert house.log.anchor() == head, "the same end twice is one head"
    with house.db.atomic():
        house.log.add("bot.stopped")
        later = house.log.anchor()

    assert str(later) == f"4:{house.rows()[-1].mac[:16]}"
    assert house.db.execute("SELECT seq, head FROM audit_anchors").fetchall() == [tuple(head), tuple(later)]
    assert house.verdict().ok
    tamper(house.path, house.rows()[:2])
    assert house.verdict().problem == Problem(ChainFault.CUT_OFF, 3, 4)
