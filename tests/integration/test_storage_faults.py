"""The disk refuses for a while: the process lives, nothing leaves unrecorded, people are told, and all goes on by itself.

What befalls the disk while an order is on its way stands in the fault matrix too (rows D).
"""

import asyncio
import contextlib
import sqlite3

import pytest
import structlog.testing

from bot.app.application import BotApplication
from bot.demo.run import OWNER, TRADER
from bot.orders.risk.trading_halt import HaltLevel
from bot.store import database
from bot.store.private_files import BadDatabase
from tests.chaos import disk
from tests.integration.test_command_line import kisbot
from tests.support.conversation import FAST, Ahead, bought, posts, press, say, settled, spoken
from tests.support.stage import stage
from tests.support.storage_faults import FAULTS, PlantedErrors
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time

OVERSEERS_TOLD = "기록을 디스크에 남기지 못하고"
PERSON_TOLD = "지금 기록을 남길 수 없어"
OVER = "다시 기록할 수 있게 되어"


@pytest.fixture(autouse=True)
def log(capsys):
    """What is logged, as lines; a fault that lasts must not fill it."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def counted(on, text, person=OWNER):
    return sum(text in one for one in spoken(on, person.id))


def well(on):
    """Nothing waits: the halt is stored, no update is open, every message is out."""
    parts = on.app.parts
    return not (
        parts.storage_monitor.failing
        or parts.desk.risk_context.conflicts
        or on.telegram.unread
        or on.app.storage.inbox.open()
        or on.app.storage.outbox.ready()
    )


async def healed(on):
    await until(lambda: well(on))
    await settled(on)
    await asyncio.sleep(1)  # what is told past the outbox is on its way


async def trade_again(on):
    """A person lets orders go out again, and one does."""
    await say(on, "/resume", "정상")
    before = posts(on)
    await bought(on, "000660 1 시장가")
    assert posts(on) == before + 1
    await asyncio.sleep(10)


def agree(on):
    """The broker's ledger, the journal and what people were told are the same story."""
    storage = on.app.storage
    rows = [dict(zip(("state", "order_no", "filled", "id"), row, strict=True)) for row in storage.db.execute(
        "SELECT state, order_no, filled, id FROM orders").fetchall()]  # fmt: skip
    ours = {row["order_no"]: row for row in rows if row["order_no"]}
    ledger = {order.number: order for order in on.broker.exchange.orders}
    assert set(ours) == set(ledger), (rows, ledger)
    (attempts,) = storage.db.execute("SELECT count(*) FROM attempts WHERE endpoint != 'cancel'").fetchone()
    assert attempts >= posts(on)
    for number, order in ledger.items():
        assert ours[number]["filled"] == order.filled
        told = [one for one in spoken(on) if "✅ 체결" in one and number.lstrip("0") in one]
        assert bool(order.filled) == bool(told), (number, spoken(on))
    assert not on.app.fault.done()


# --- a minute in which nothing can be written -------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
async def test_a_minute_without_the_disk_ends_nothing_loses_nothing_and_is_told(tmp_path, name, log):
    async with stage(**FAST, data_dir=tmp_path, kisbot_ticket_seconds=300) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        await bought(on, "000660 2 시장가")
        with FAULTS[name](on.app.storage.db, tmp_path / "kisbot.db"):
            await on.telegram.send(TRADER.id, "/price 005930")
            await on.telegram.tap(OWNER.id, ticket.message_id, "확인", timeout=3)
            await asyncio.sleep(8)
            if name != "broken":  # then nobody is known who could be told
                assert counted(on, PERSON_TOLD, TRADER) == 1
            assert counted(on, OVERSEERS_TOLD) == 1
            status = on.app.parts.trading_halt._held
            assert (status.level, status.why) == (HaltLevel.NEW, "DISK")
            await asyncio.sleep(52)
            assert not on.app.fault.done()
            assert on.telegram.unread >= 2, "what is not stored is not confirmed"
            assert posts(on) == 1
            assert counted(on, OVERSEERS_TOLD) == 1
            assert counted(on, OVER) == 0
        await healed(on)
        assert posts(on) == 1, "a tap that came to light a minute late sends nothing"
        assert counted(on, "제때 처리하지 못해") == 1
        assert counted(on, "삼성전자", TRADER) == 1, "what was asked is answered, once"
        assert counted(on, OVER) == 1
        assert counted(on, "신규중지") == 1
        stored = on.app.storage.journal.halt_status()
        assert (stored.level, stored.why) == (HaltLevel.NEW, "DISK")
        agree(on)
        await trade_again(on)
        agree(on)
    assert sum(one["log_level"] in {"error", "critical"} for one in log) <= 4, log


async def test_another_programs_write_of_a_second_is_waited_out_without_a_word(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        with FAULTS["locked"](on.app.storage.db, tmp_path / "kisbot.db"):
            await on.telegram.send(OWNER.id, "/price 005930")
            await asyncio.sleep(1)
        await on.telegram.wait(OWNER.id, "삼성전자")
        await healed(on)
        assert counted(on, OVERSEERS_TOLD) == counted(on, PERSON_TOLD) == counted(on, OVER) == 0
        assert on.app.parts.trading_halt.now().level is HaltLevel.OFF
        await bought(on)


async def test_fills_while_nothing_can_be_written_are_told_once_when_it_is_over(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        ticket = await say(on, "/buy 005930 3 시장가", "매수 확인")
        await press(on, ticket, "확인", "접수")
        with FAULTS["read-only"](on.app.storage.db, tmp_path / "kisbot.db"):
            await asyncio.sleep(60)
            assert on.broker.exchange.orders[0].filled == 3
            assert counted(on, "✅ 체결") == 0
        await healed(on)
        await asyncio.sleep(10)
        told = "SELECT count(*) FROM outbox WHERE kind = 'fill' AND chat_id = ? AND state = 'sent' AND doubts = 0"
        assert on.app.storage.db.execute(told, [OWNER.id]).fetchone() == (1,)
        agree(on)


async def test_what_was_admitted_and_could_not_be_stored_counts_once_for_flood_control(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        with FAULTS["read-only"](on.app.storage.db, tmp_path / "kisbot.db"):
            for _ in range(40):
                await on.telegram.send(TRADER.id, "/help")
            await asyncio.sleep(90)
            assert counted(on, PERSON_TOLD, TRADER) == 1, "a person is told, not every update"
        await healed(on)
        assert counted(on, "/buy", TRADER) == 40
        assert counted(on, "메시지가 너무 많아", TRADER) == 0


# --- housekeeping -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
async def test_the_midnight_tidy_waits_for_the_disk(tmp_path, name):
    clock = Ahead()
    async with stage(**FAST, clock=clock, ticks=clock.ticks, data_dir=tmp_path) as on:
        for _ in range(3):
            await say(on, "/help", "/buy")
        await settled(on)
        with FAULTS[name](on.app.storage.db, tmp_path / "kisbot.db"):
            clock.jump(days=8)
            await asyncio.sleep(60)
            assert not on.app.fault.done()
        await healed(on)
        await until(lambda: on.app._tidied == clock().date())
        (kept,) = on.app.storage.db.execute("SELECT count(*) FROM inbox").fetchone()
        assert kept <= 1
        await say(on, "/help", "/buy")


@pytest.mark.parametrize("name", FAULTS)
async def test_a_clock_set_back_while_nothing_can_be_written_halts_all_the_same(tmp_path, name):
    clock = Ahead()
    async with stage(**FAST, clock=clock, data_dir=tmp_path) as on:
        with FAULTS[name](on.app.storage.db, tmp_path / "kisbot.db"):
            clock.jump(seconds=-5)
            await asyncio.sleep(2)
            held = on.app.parts.trading_halt._held
            assert held.level is HaltLevel.NEW
            await asyncio.sleep(60)
        await healed(on)
        stored = on.app.storage.journal.halt_status()
        assert (stored.level, stored.why) == (held.level, held.why)
        assert counted(on, "신규중지") == 1
        assert not on.app.fault.done()


# --- how long anybody waits -------------------------------------------------------------------------------------------


async def test_a_write_waits_for_another_program_less_than_200_ms_and_the_next_ones_not_at_all(tmp_path):
    """The event loop stands still meanwhile, so what is configured counts, and that it does not add up."""
    async with stage(**FAST, data_dir=tmp_path) as on:
        db = on.app.storage.db

        def waits():
            return db.execute("PRAGMA busy_timeout").fetchone()[0]

        assert 0 < waits() < 200
        with FAULTS["locked"](db, tmp_path / "kisbot.db"):
            for _ in range(3):
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    on.app.storage.audit.add("test")
                assert waits() == 0
        await healed(on)
        assert 0 < waits() < 200


# --- starting and stopping --------------------------------------------------------------------------------------------


def _spoil(path, name):
    """The database as a start finds it."""
    if name == "locked":
        return disk.locked(path)
    path.chmod(0o600)
    path.write_bytes(b"no database at all" * 400)
    return contextlib.nullcontext()


@pytest.mark.parametrize("name", ["locked", "damaged"])
def test_a_start_that_cannot_have_the_database_ends_in_one_sentence_within_seconds(tmp_path, name):
    home = tmp_path / "data"
    with contextlib.closing(database.open_database(home / "kisbot.db")):
        pass
    settings = {
        "KIS_APP_KEY": "k" * 36, "KIS_APP_SECRET": "s" * 180, "KIS_ACCOUNT": "12345678-01", "KIS_ENV": "paper",
        "TELEGRAM_BOT_TOKEN": "1:" + "A" * 35, "KISBOT_OWNER_ID": "1001", "KISBOT_DATA_DIR": str(home),
    }  # fmt: skip
    with _spoil(home / "kisbot.db", name):
        done = kisbot(tmp_path, "run", **settings)
    assert done.returncode != 0
    assert "데이터베이스를 열 수 없습니다 · the database cannot be used" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert database.OPENING_TIMEOUT <= 3_000


async def test_a_database_that_is_taken_while_the_bot_starts_ends_it_in_a_sentence(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        pass
    app = BotApplication(on.settings, clock=on.clock, network=on.network)
    with FAULTS["locked"](app.storage.db, tmp_path / "kisbot.db"), pytest.raises(BadDatabase, match="다른 프로그램이"):
        async with app.running():
            pass
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        app.storage.db.execute("SELECT 1")


async def test_a_stop_while_nothing_can_be_written_is_a_stop_without_a_trace(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        await bought(on)
        on.app.storage.db.conn.execute("PRAGMA query_only=ON")
        await on.telegram.send(OWNER.id, "/help")
        await asyncio.sleep(5)
    async with stage(**FAST, data_dir=tmp_path, broker=on.broker, telegram=on.telegram) as again:
        assert again.app.parts.trading_halt.now().why == "UNCLEAN_STOP"
        await again.telegram.wait(OWNER.id, "/buy")
        await asyncio.sleep(90)  # the broker gives a token once a minute
        agree(again)


# --- every statement --------------------------------------------------------------------------------------------------


UNSETTLED = "SELECT 1 FROM orders WHERE state IN ('proposed', 'confirmed', 'submitting', 'waiting', 'unknown')"


async def story(tmp_path, fails):
    """Buy, be told of the fill, ask for a price, cancel another order; then all is well again, and agrees."""
    async with stage(**FAST, data_dir=tmp_path) as on:
        whole = on.app.storage.db.conn
        planted = PlantedErrors(on.app.storage.db, fails)
        await on.telegram.send(OWNER.id, "/buy 005930 2 시장가")
        await asyncio.sleep(2)
        await tap_newest(on, "확인")
        await asyncio.sleep(5)
        await on.telegram.send(TRADER.id, "/price 005930")
        await on.telegram.send(OWNER.id, "/buy 000660 1 100000")
        await asyncio.sleep(2)
        await tap_newest(on, "확인")
        await asyncio.sleep(5)
        await on.telegram.send(OWNER.id, "/cancel all")
        await asyncio.sleep(2)
        await tap_newest(on, "취소")
        await asyncio.sleep(3)
        count = planted.count
        await asyncio.sleep(45 if planted.failed else 0)
        await healed(on)
        on.app.storage.db.conn = whole
        await until(lambda: not whole.execute(UNSETTLED).fetchone())
        await asyncio.sleep(5)
        await healed(on)
        assert len(on.broker.exchange.orders) <= 2
        assert posts(on) <= 2
        agree(on)
        assert counted(on, "삼성전자", TRADER) == 1
        if on.app.parts.trading_halt.now().level is not HaltLevel.OFF:
            await say(on, "/resume", "정상")
        await bought(on, "035420 1 시장가")
        return count, planted.failed


async def tap_newest(on, label):
    """Press the newest button that says so, if there is one, as a person would."""
    for message in reversed(on.telegram.chat(OWNER.id)):
        for row in message.buttons:
            for button in row:
                if label in button.text and button.data.startswith("t:"):
                    await on.telegram.tap_data(OWNER.id, message.message_id, button.data, timeout=3)
                    return


STATEMENTS = 600
"""So many the story has at least."""


async def test_the_story_without_a_fault(tmp_path):
    count, failed = await story(tmp_path, lambda _: False)
    assert count > STATEMENTS
    assert not failed


def once(at):
    """An I/O error at this one statement."""
    return lambda number: number == at


def for_half_a_minute(at):
    """From this statement on every one meets an I/O error, for thirty seconds."""
    began = []

    def fails(number):
        if number == at:
            began.append(asyncio.get_running_loop().time())
        return bool(began) and asyncio.get_running_loop().time() - began[0] < 30

    return fails


@pytest.mark.parametrize("fault", [once, for_half_a_minute])
@pytest.mark.parametrize("at", range(7, STATEMENTS, 97))
async def test_an_io_error_at_a_statement_loses_nothing_and_sends_nothing_unrecorded(tmp_path, at, fault):
    """A sample of the statements; `make chaos ARGS="--only disk"` takes every one."""
    _, failed = await story(tmp_path, fault(at))
    assert failed
