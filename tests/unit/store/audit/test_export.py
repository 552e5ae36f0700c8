"""The files of the keys, and several processes that write one log with them, or are killed while they do."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bot.store.audit import chain
from bot.store.audit.keys import first_keys, first_keys_text
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.private_files import BadKey
from tests.support.audit_guest import Harness

ROOT = Path(__file__).parents[4]
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and signals as a POSIX system has them")


@pytest.fixture
def harness(tmp_path):
    made = Harness(tmp_path / "home")
    yield made
    made.close()


# --- files ----------------------------------------------------------------------------------------------------------------


@POSIX
def test_key_files_are_for_their_owner_alone(harness):
    for path in (harness.keys.path, harness.keys.first_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    harness.keys.path.chmod(0o640)

    with pytest.raises(BadKey, match="chmod 600"):
        harness.again()


@POSIX
def test_an_old_key_is_written_over(harness):
    other_name = harness.home / "another-name"
    os.link(harness.keys.path, other_name)
    harness.clock.to(24)
    harness.log.new_day()

    assert set(other_name.read_bytes()) == {0}


@POSIX
def test_a_key_file_that_goes_away_under_a_running_log_stops_nothing(harness):
    harness.keys.path.unlink()
    harness.work(2)

    assert harness.verdict().ok


def test_first_keys_are_read_as_they_were_shown_and_nothing_else_is():
    keys = [b"a" * 32, b"b" * 32]
    assert first_keys(first_keys_text(keys)) == keys
    assert first_keys(f"\n  {keys[0].hex()} \n") == keys[:1]
    for wrong in ("hello", "00" * 31, f"{chain.key_id(keys[1])} {keys[0].hex()}", f"x {keys[0].hex()}"):
        with pytest.raises(ValueError, match="line 1") as error:
            first_keys(wrong)
        assert keys[0].hex() not in str(error.value)


def test_a_key_never_stands_in_its_own_description(harness):
    assert harness.keys.read().key.hex() not in repr(harness.keys.read())
    assert str(harness.keys.read().key) not in repr(harness.keys.read())


# --- processes ------------------------------------------------------------------------------------------------------------

WRITER = """
    import sys
    from datetime import datetime, timedelta
    from pathlib import Path
    from bot.store.audit.log import AuditLog
    from bot.store.database import open_database
    from bot.store.audit.keys import DayKeys
    from kis.krx import KST

    home, name, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    now = datetime(2026, 11, 23, 23, 50, tzinfo=KST)
    def clock():
        global now
        now += timedelta(minutes=1)
        return now
    log = AuditLog(open_database(home / "kisbot.db"), clock, DayKeys(home))
    print("ready", flush=True)
    for number in range(rows):
        if number % 3:
            with log._db.atomic():
                log.add("work", name=name, n=number)
                log.add("more", name=name, n=number)
        else:
            log.add("work", name=name, n=number)
"""


def writer(home: Path, name: str, rows: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(home), name, str(rows)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_row_waits_for_another_writer_and_comes_after_its_rows(harness):
    """Also where it is the first thing its transaction does."""

    def write() -> None:
        with closing(open_database(harness.path)) as db:
            log = AuditLog(db, harness.clock, harness.keys)
            opened.set()
            assert held.wait(60)
            with db.atomic():
                log.add("second")

    opened, held = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(write)
        assert opened.wait(60)
        with harness.db.atomic():
            harness.log.add("first")
            held.set()
            time.sleep(0.1)
        other.result(60)

    assert [row.action for row in harness.rows()[1:]] == ["first", "second"]
    assert harness.verdict().ok


def test_two_processes_write_one_chain_over_midnight(harness):
    writers = [writer(harness.home, name, 30) for name in ("하나", "둘")]
    for one in writers:
        one.communicate(timeout=120)
        assert one.returncode == 0

    verdict = harness.verdict()
    assert verdict.ok
    assert verdict.rows == 1 + 2 * 50
    assert {row.key_day for row in harness.rows()} == {"2026-11-23", "2026-11-24"}


@POSIX
def test_a_kill_at_any_moment_leaves_a_whole_chain(harness):
    for life in range(3):
        victim = writer(harness.home, "짧은", 100_000)
        assert victim.stdout.readline() == b"ready\n"
        time.sleep(0.02 * life)
        victim.send_signal(signal.SIGKILL)
        victim.communicate(timeout=60)
        assert harness.verdict().ok
    harness.again()
    harness.work(1)

    assert harness.verdict().ok
    assert len(harness.verdict().keys) == 1


def test_a_sealed_row_costs_little_beside_its_commit(harness):
    began = time.thread_time()
    with harness.db.atomic():
        for _ in range(500):
            harness.log.add("order.proposed", code="005930", quantity=10)
    each = (time.thread_time() - began) / 500

    assert each < 0.01
