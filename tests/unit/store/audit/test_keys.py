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
from tests.support.audit_guest import Harness, tamper


@pytest.fixture
def harness(tmp_path):
    made = Harness(tmp_path / "home")
    yield made
    made.close()


# --- days -----------------------------------------------------------------------------------------------------------------


def test_each_day_has_its_key_and_the_old_one_is_nowhere(harness):
    seen = []
    for day in (23, 24, 27, 30):
        harness.clock.to(day)
        harness.log.new_day()
        harness.work(2)
        seen.append(harness.keys.read().key)
        (harness.home / "audit-day-key.1.tmp").write_text(seen[-1].hex())  # a writer was killed here
    harness.clock.to(30, hour=23)
    harness.keys.write(harness.keys.read())

    assert len(set(seen)) == 4
    assert harness.verdict().ok
    assert {row.key_day for row in harness.rows()} == {f"2026-11-{day}" for day in (23, 24, 27, 30)}
    left = b"".join(path.read_bytes() for path in harness.home.iterdir())
    assert not any(old.hex().encode() in left or old in left for old in seen[:-1])


def test_a_days_key_seals_neither_the_day_before_nor_a_shorter_past(harness):
    """What somebody who takes the machine over on the second day can make of the first."""
    harness.work(5)
    harness.clock.to(24)
    harness.log.new_day()
    harness.work(5)
    rows, today = harness.rows(), harness.keys.read()
    with_today = rows[3]._replace(name="박", key_day=today.day.isoformat())
    forged = [*rows[:3], chain.sealed(rows[2].mac, with_today, today.key)]

    tamper(harness.path, forged)
    assert harness.verdict(day_key=False).problem.seq == 4
    harness.keys.write(type(today)(today.id, today.day, today.key, 3, rows[2].mac))
    tamper(harness.path, rows[:3])
    assert harness.verdict().problem == Problem(ChainFault.REWRITTEN, 3), "nor is a mark set back believed"


def test_a_day_that_ends_inside_a_transaction_waits_for_its_end(harness):
    harness.work(1)
    harness.clock.to(24)
    with harness.db.atomic():
        harness.log.add("order.confirmed")
        assert harness.keys.read().day.day == 23
    harness.log.new_day()
    harness.log.add("order.accepted")

    assert [row.key_day[-2:] for row in harness.rows()[-2:]] == ["23", "24"]
    assert harness.verdict().ok


def test_what_is_rolled_back_leaves_no_trace_in_the_chain(harness):
    for day in (23, 24):
        harness.clock.to(day)
        with suppress(RuntimeError), harness.db.atomic():
            harness.log.add("order.confirmed")
            harness.log.add("order.submitting")
            raise RuntimeError
        with harness.db.atomic():
            harness.log.add("kept")
            with suppress(RuntimeError), harness.db.atomic():
                harness.log.add("inner")
                raise RuntimeError
        harness.log.new_day()

    assert [row.action for row in harness.rows()] == ["audit.key_made", "kept", "kept"]
    assert harness.verdict().ok


def test_a_clock_set_back_is_remarked_upon_and_one_gone_mad_is_not_followed(harness):
    harness.clock.to(25)
    harness.log.new_day()
    harness.clock.to(24)
    harness.work(1)
    harness.clock.now = datetime(2099, 1, 1, tzinfo=KST)
    harness.work(1)

    verdict = harness.verdict()
    assert verdict.ok
    assert verdict.backdated == 2
    assert harness.rows()[-1].key_day == "2026-11-25"


def test_a_key_that_cannot_be_replaced_goes_on_and_is_replaced_later(harness, monkeypatch):
    harness.clock.to(24)
    with monkeypatch.context() as no_room:
        no_room.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space")))
        harness.log.new_day()
        harness.log.add("still.sealed")
    harness.log.new_day()
    harness.log.add("sealed.anew")

    assert [row.key_day[-2:] for row in harness.rows()[-2:]] == ["23", "24"]
    assert harness.verdict().ok


# --- starts ---------------------------------------------------------------------------------------------------------------


def test_a_restart_goes_on_with_the_same_key(harness):
    assert harness.log.begun == "first"
    harness.work(2)
    for day in (23, 24, 25):
        harness.clock.to(day)
        assert harness.again().begun == ""
        harness.work(1)

    assert harness.verdict().ok
    assert len(harness.verdict().keys) == 1


def test_a_lost_key_begins_a_chain_that_only_its_own_key_proves(harness):
    harness.work(3)
    harness.keys.path.unlink()
    assert harness.again().begun == "lost"
    harness.work(2)
    both = harness.keys.firsts()

    assert harness.verdict().problem == Problem(ChainFault.WRONG_KEY, 5)
    assert len(both) == 2
    verdict = harness.verdict(firsts=both)
    assert verdict.ok
    assert [seq for seq, _ in verdict.keys] == [1, 5]
    assert harness.verdict(firsts=both[1:]).unproven == 4
    rows = harness.rows()
    rows[2] = rows[2]._replace(name="박")
    tamper(harness.path, rows)
    assert harness.verdict(firsts=both[1:]).problem == Problem(ChainFault.CHANGED, 1, 4), (
        "what was before is fixed by the digest"
    )


def test_a_damaged_key_file_begins_a_new_chain(harness):
    harness.work(1)
    for spoilt in ("", "{}", "[" * 100_000, '{"id": "x", "day": "2026-11-23", "key": "00", "seq": 0, "mac": ""}'):
        harness.keys.path.write_text(spoilt, encoding="utf-8")
        assert harness.again().begun == "damaged"
    assert harness.verdict(firsts=harness.keys.firsts()).ok


def test_a_database_from_a_backup_is_told_from_the_one_the_key_knows(harness, tmp_path):
    harness.work(3)
    backup(harness.path, tmp_path / "yesterday.db")
    harness.clock.to(24)
    harness.work(3)
    harness.clock.to(25)
    harness.log.new_day()
    harness.close()
    for leftover in harness.home.glob("kisbot.db*"):
        leftover.unlink()
    (tmp_path / "yesterday.db").rename(harness.path)
    harness.db = open_database(harness.path)

    assert harness.verdict().problem.fault is ChainFault.CUT_OFF
    assert harness.again().begun == "restored"
    harness.work(1)
    assert harness.verdict(firsts=harness.keys.firsts()).ok


def test_a_log_put_in_the_place_of_ours_is_told_from_it(harness, tmp_path):
    other = Harness(tmp_path / "other")
    for one in (harness, other):
        one.work(4)
        one.clock.to(24)
        one.log.new_day()
    other.close()
    tamper(harness.path, other.rows())

    assert harness.again().begun == "restored"


def test_a_first_key_that_was_kept_and_never_used_is_the_next(harness):
    """Killed between the two files: the key its owner may hold already is the one to begin with."""
    harness.keys.keep_first(b"w" * 32)
    harness.log.begin_again()
    harness.work(1)

    assert harness.keys.firsts() == [*harness.firsts, b"w" * 32]
    assert harness.verdict(firsts=harness.keys.firsts()).ok


def test_a_key_begun_by_choice_is_taken_up_by_who_works_on(harness):
    harness.work(1)
    harness.keys.forget_firsts()
    with closing(open_database(harness.path)) as other:
        AuditLog(other, harness.clock, harness.keys).begin_again()
    harness.work(2)

    verdict = harness.verdict(firsts=[*harness.firsts, *harness.keys.firsts()])
    assert verdict.ok
    assert len(verdict.keys) == 2


def test_a_begin_cut_short_is_finished_by_the_next_row(harness, tmp_path):
    """The key file was written, and the row that speaks of it was not."""
    harness.work(1)
    with suppress(KeyboardInterrupt), harness.db.atomic():
        harness.log._begin(harness.keys, "asked")
        raise KeyboardInterrupt
    harness.work(1)

    assert [row.action for row in harness.rows()][-2:] == ["audit.key_made", "order.proposed"]
    assert harness.verdict(firsts=harness.keys.firsts()).ok


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
    harness = Harness(path.parent)
    harness.work(2)
    rows = harness.rows()

    assert [row.action for row in rows[4:8]] == ["command", "audit.sealed", "audit.key_made", "order.proposed"]
    assert rows[5].at.endswith("+09:00")
    verdict = harness.verdict()
    assert verdict.ok
    assert verdict.before == 6
    for spoilt in (
        [*rows[:2], rows[2]._replace(detail='{"n": 9}'), *rows[3:]],
        rows[1:],
        [*rows[:2], *rows[3:]],
        [rows[1]._replace(seq=1), rows[0]._replace(seq=2), *rows[2:]],
    ):
        tamper(path, spoilt)
        assert harness.verdict().problem == Problem(ChainFault.CHANGED, 1, 5)
    tamper(path, rows)
    assert harness.verdict(anchors=[(2, "ab" * 8)]).problem == Problem(ChainFault.REWRITTEN, 2), (
        "it had no head to post"
    )
    tamper(path, rows[:5] + rows[6:])
    assert harness.verdict().problem == Problem(ChainFault.MISSING, 6, 6)
    harness.close()


# --- heads ----------------------------------------------------------------------------------------------------------------


def test_heads_are_remembered_as_they_were_posted(harness):
    harness.work(2)
    head = harness.log.anchor()
    assert harness.log.anchor() == head, "the same end twice is one head"
    with harness.db.atomic():
        harness.log.add("bot.stopped")
        later = harness.log.anchor()

    assert str(later) == f"4:{harness.rows()[-1].mac[:16]}"
    assert harness.db.execute("SELECT seq, head FROM audit_anchors").fetchall() == [tuple(head), tuple(later)]
    assert harness.verdict().ok
    tamper(harness.path, harness.rows()[:2])
    assert harness.verdict().problem == Problem(ChainFault.CUT_OFF, 3, 4)
