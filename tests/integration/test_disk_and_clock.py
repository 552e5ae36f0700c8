"""Disks that refuse, databases that are not what they seem, clocks that jump, and a second copy of the bot.

What befalls the disk and the clock while an order is on its way stands in the fault matrix (rows D and K).
"""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
from functools import partial

import pytest
import structlog

from bot.app.application import BotApplication
from bot.app.storage import AlreadyRunning
from bot.demo.run import OWNER, TOKEN
from bot.orders.access.roles import Actor, Role
from bot.orders.model.order import Order, OrderState
from bot.orders.risk.trading_halt import HaltLevel
from bot.store.database import open_database
from bot.store.private_files import BadDatabase
from tests.bench.broker import environment
from tests.chaos import disk, error_log
from tests.chaos.matrix_stand import Stand, hook, word
from tests.support.conversation import FAST, Ahead, posts, press, say
from tests.support.databases import memory_connection
from tests.support.memory_telegram import memory_bot
from tests.support.stage import stage
from tests.support.virtual_time import run_virtual

pytestmark = pytest.mark.virtual_time


@pytest.fixture(autouse=True)
def quietly():
    """Planted faults are logged as the faults they are; no test here reads the log."""
    usual = structlog.get_config()
    structlog.configure(
        processors=[error_log._keep],
        wrapper_class=structlog.make_filtering_bound_logger(40),
        cache_logger_on_first_use=False,
    )
    yield
    error_log.logged_errors()
    structlog.configure(**usual)


@contextlib.contextmanager
def on_disk(clock, home):
    with contextlib.closing(open_database(home / "kisbot.db")) as db:
        yield Stand(clock, home, connection=db.conn)


# --- opening ----------------------------------------------------------------------------------------------------------


def test_a_damaged_database_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "kisbot.db"
    db = open_database(path)
    db.execute("CREATE TABLE filling (bytes BLOB)")
    db.execute(
        "INSERT INTO filling SELECT randomblob(400) FROM (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300) SELECT x FROM n)"
    )
    db.execute("CREATE INDEX by_bytes ON filling (bytes)")
    db.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 20_000)

    with pytest.raises(BadDatabase, match=r"손상|열 수 없습니다"):
        open_database(path)


def test_a_database_that_somebody_else_holds_for_himself_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0.05))  # five seconds are long for a test
    path = tmp_path / "kisbot.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE other (x)")
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(BadDatabase, match="locked"):
        open_database(path)
    holder.close()


def test_a_folder_in_place_of_the_database_is_refused(tmp_path):
    (tmp_path / "kisbot.db").mkdir()

    with pytest.raises(BadDatabase, match="열 수 없습니다"):
        open_database(tmp_path / "kisbot.db")


# --- while it runs ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def read_only(connection):
    connection.execute("PRAGMA query_only=ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA query_only=OFF")


def test_upon_a_disk_that_may_only_be_read_nothing_leaves(tmp_path):
    async def play(clock):
        with on_disk(clock, tmp_path) as stand:
            await stand.begin()
            with contextlib.ExitStack() as fault:
                with hook("before_attempt:1", lambda _: fault.enter_context(read_only(stand.connection))):
                    order = await stand.order()
                assert stand.transport.posts == []
                with pytest.raises(sqlite3.OperationalError, match="readonly"):
                    await stand.ticket(stand.ask(stand.others[0]))
            await asyncio.sleep(90)
            assert stand.now(order.id).state is OrderState.EXPIRED, "as soon as it can be written, it is told"
            assert stand.exchange.orders == []
            await stand.life.end()

    run_virtual(play)


def test_a_tap_that_cannot_be_written_down_is_no_tap_and_may_be_made_again(tmp_path):
    async def play(clock):
        with on_disk(clock, tmp_path) as stand:
            await stand.begin()
            order = await stand.ticket()
            with disk.full(stand.connection), pytest.raises(sqlite3.OperationalError, match="full"):
                stand.tap(order)
            assert stand.now(order.id).state is OrderState.PROPOSED

            pressed = stand.tap(order)
            await stand.life.ask(stand.life.desk.carry_out(pressed))

            assert word(stand.now(order.id)) == "placed"
            assert len(stand.transport.posts) == 1
            await stand.life.end()

    run_virtual(play)


BROKEN_DISK = """
    import sqlite3, sys
    from pathlib import Path
    from bot.store.database import open_database
    from tests.chaos import disk

    db = open_database(Path(sys.argv[1]))
    db.execute("CREATE TABLE kept (x)")
    db.execute("INSERT INTO kept VALUES (1)")
    with disk.broken():
        try:
            db.execute("INSERT INTO kept VALUES (2)")
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorname
    db.execute("INSERT INTO kept VALUES (3)")
    print(code, [x for (x,) in db.execute("SELECT x FROM kept")])
"""


@pytest.mark.skipif(os.name != "posix", reason="the limit of a file's size is a POSIX matter")
def test_the_planted_io_error_is_one_of_sqlites_own_and_leaves_what_was_written(tmp_path):
    """The fault that the matrix plants is real: shown in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BROKEN_DISK), str(tmp_path / "kisbot.db")],
        env=environment(), capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip

    assert child.stdout.strip() == "SQLITE_IOERR_WRITE [1, 3]"


def test_a_database_of_yesterday_sends_nothing_until_a_person_has_looked(tmp_path):
    async def play(clock):
        stand = Stand(clock, tmp_path)
        await stand.begin()
        yesterday = memory_connection()
        stand.connection.backup(yesterday)
        forgotten = await stand.order()
        assert word(forgotten) == "placed"
        stand.strike()
        await stand.again()
        stand.strike()
        await stand.life.end()

        stand.connection = yesterday
        await stand.begin()
        await asyncio.sleep(20)
        halt = stand.life.trading_halt.now()
        refused = await stand.ticket(stand.ask(stand.others[0]))
        elsewhere = {row.order_no for row in stand.life.watch.external_orders()}
        stand.release()
        made = await stand.order(stand.ask(stand.others[0]))

        assert (halt.level, halt.why) == (HaltLevel.NEW, "RESTORED")
        assert "TRADING_HALTED" in {one.code for one in refused}
        assert forgotten.order_no in elsewhere, "what was ordered since is seen, and is nobody's"
        assert word(made) == "placed"
        assert len(stand.exchange.orders) == 2
        await stand.life.end()

    run_virtual(play)


# --- the clock --------------------------------------------------------------------------------------------------------


async def test_a_clock_that_is_set_back_stops_what_is_new():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        clock.jump(seconds=-3)
        await on.telegram.wait(OWNER.id, "신규중지")

        halt = on.app.parts.trading_halt.now()
        assert (halt.level, halt.why) == (HaltLevel.NEW, "CLOCK_STEP")
        await press(on, ticket, "확인", "보내지 않음")
        assert posts(on) == 0


# --- a second copy ----------------------------------------------------------------------------------------------------


async def test_a_second_copy_on_the_same_folder_does_not_start(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        with pytest.raises(AlreadyRunning, match="이미 실행 중"):
            BotApplication(on.settings)
        await say(on, "/help", "/buy")


async def test_a_second_reader_of_the_same_token_stops_what_is_new():
    async with stage(**FAST) as on, memory_bot(on.telegram, TOKEN) as other:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        await other.get_updates(timeout=0)
        await on.telegram.wait(OWNER.id, "신규중지")

        halt = on.app.parts.trading_halt.now()
        assert (halt.level, halt.why) == (HaltLevel.NEW, "TELEGRAM_CONFLICT")
        data = ticket.buttons[0][0].data.removeprefix("t:")
        (order,) = on.app.storage.journal.in_state({OrderState.PROPOSED})
        await on.app.parts.desk.carry_out(on.app.parts.desk.press(data, owner_of(order)))
        assert on.app.storage.journal.get(order.id).state is OrderState.BLOCKED
        assert posts(on) == 0


def owner_of(order: Order) -> Actor:
    """The person whose order it is."""
    return Actor(order.user_id, order.chat_id, "", Role.OWNER)
