"""The database of `tests/data/old`, and all that its test touches of the program: a rename is followed here alone.

The test itself knows strings, files, rows of SQLite and what a person sees.
"""

import asyncio
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyotp
import pytest
from click.testing import Result
from telegram import InlineKeyboardMarkup
from typer.testing import CliRunner

from bot.app.application import BotApplication
from bot.chat.handlers.order_history import history_pages
from bot.chat.i18n.frame import Frame
from bot.chat.transport.sender import MessageSender, Undeliverable
from bot.cli.main import cli
from bot.config.settings import GivenSettings
from bot.demo.run import HOLDINGS, TOKEN
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.access.preferences import Preferences
from bot.orders.model.order import Order
from bot.orders.risk.checks import Limits
from bot.store.alerts import AlertStore
from bot.store.audit.keys import DayKeys
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.inbox import Inbox
from bot.store.invites import Invites
from bot.store.journal import SqliteJournal
from bot.store.limits import LimitStore
from bot.store.order_history import OrderHistory
from bot.store.outbox import Outbox, OutboxMessage, message_of
from bot.store.people import People
from bot.store.preferences import PreferenceStore
from bot.store.reading_mark import ReadingMarks, StreamStats
from bot.store.reports import ReportStore
from bot.store.runs import Runs
from bot.store.second_factors import FactorKey, SecondFactors
from bot.store.watchlist import WatchlistStore
from kis.krx import KST
from kis.sim import Simulator
from kis.sim.exchange.orders import API_CHANNEL
from tests.support.club import ClubClock
from tests.support.memory_telegram import BASE, MemoryTelegram
from tests.support.memory_wire import MemoryNetwork, MemoryWire
from tests.support.outbox import waiting
from tests.support.virtual_time import VirtualLoop

if TYPE_CHECKING:
    from sqlite_utils import Database

Lang = Literal["ko", "en"]
OLD = Path(__file__).parents[1] / "data" / "old"
KEYS = ("audit-day-key.json", "audit-first-key.txt", "stepup-key.txt", "kisbot.runs")
"""What lies beside the database in a data directory."""
STOPPED = datetime(2026, 11, 27, 9, 40, tzinfo=KST)
"""Shortly after the last thing that was written."""
MONDAY = datetime(2026, 11, 30, 8, 50, tzinfo=KST)
"""When its last day has surely ended."""
ACCOUNT = "…56-01"
NAMES = {1001: "김관리", 1002: "박관리", 1003: "이매매", 1004: "최매매", 1005: "정조회"}


# --- the files --------------------------------------------------------------------------------------------------------


def laid_out(home: Path) -> Path:
    """A data directory as the bot left it, readable by its owner alone."""
    home.mkdir(mode=0o700)
    with closing(raw()) as made, closing(sqlite3.connect(home / "kisbot.db")) as file:
        made.backup(file)
    for name in KEYS:
        shutil.copyfile(OLD / name, home / name)
    for path in home.iterdir():
        path.chmod(0o600)
    return home


def raw() -> sqlite3.Connection:
    """The database as it was written, in memory, untouched by the program."""
    made = sqlite3.connect(":memory:")
    made.executescript((OLD / "kisbot.sql").read_text(encoding="utf-8"))
    return made


def stopped() -> datetime:
    """The clock of whoever opens it."""
    return STOPPED


# --- the command line -------------------------------------------------------------------------------------------------


@contextmanager
def terminal(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """`kisbot WORDS` with this data directory, at the time of `STOPPED`."""
    for name in [name for name in os.environ if name.startswith(("KIS", "TELEGRAM"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(home.parent)
    environ = {**Simulator(profile="real").environ(BASE), "TELEGRAM_BOT_TOKEN": TOKEN, "KISBOT_OWNER_ID": "1001"}
    for name, value in {**environ, "KISBOT_DATA_DIR": str(home)}.items():
        monkeypatch.setenv(name, value)
    for name, module in list(sys.modules.items()):
        if name.startswith("bot.") and hasattr(module, "kst_now"):
            monkeypatch.setattr(module, "kst_now", stopped)
    yield lambda *words: CliRunner().invoke(cli, list(words))


# --- what is read -----------------------------------------------------------------------------------------------------


class OldDatabase:
    """The parts of the program that read it, on a copy that was opened the public way."""

    def __init__(self, home: Path) -> None:
        self.db: Database = open_database(home / "kisbot.db")
        self.audit = AuditLog(self.db, stopped, DayKeys(home))
        self.outbox = Outbox(self.db, stopped)
        self.journal = SqliteJournal(self.db, self.audit, self.outbox, clock=stopped)
        self.people = People(self.db, self.audit, stopped, self.journal.void_person)
        self.invites = Invites(self.db, self.audit, self.people, stopped)
        self.order_history = OrderHistory(self.db, key_here=lambda: False)
        self.alerts = AlertStore(self.db, self.outbox, stopped)
        self.watched = WatchlistStore(self.db)
        self.preferences = PreferenceStore(self.db, self.audit, stopped)
        self.limits = LimitStore(self.db, self.audit, self.outbox, Limits(), stopped)
        self.factors = SecondFactors(self.db, self.audit, FactorKey(home), stopped)
        self.reports = ReportStore(self.db, self.outbox, stopped)
        self.runs = Runs(self.db, self.audit, home, stopped)
        self.inbox = Inbox(self.db, stopped)
        self.reading_marks = ReadingMarks(self.db)
        self.stream_stats = StreamStats(self.db)

    def ids(self, table: str, column: str = "id") -> list[Any]:
        """Every key of a table, in order."""
        return [key for (key,) in self.db.execute(f"SELECT DISTINCT {column} FROM {table} ORDER BY {column}")]

    def orders(self) -> list[Order]:
        """Every order, as the journal loads it."""
        found = [self.journal.get(number) for number in self.ids("orders")]
        assert all(isinstance(one, Order) for one in found)
        return [one for one in found if one is not None]

    def loaded(self) -> dict[str, int]:
        """Read every other table through its own class; how many rows each gave."""
        people = self.ids("people", "user_id")
        return {
            "people": len(self.people.everybody()),
            "attempts": sum(self.journal.attempt(number) is not None for number in self.ids("orders")),
            "votes": sum(len(self.journal.votes(number)) for number in self.ids("orders")),
            "buttons": sum(self.journal.button(key) is not None for key in self.ids("buttons", "digest")),
            "alerts": len(self.alerts._read("1", [])),
            "alerts live": sum(len(self.alerts.of(one)) for one in people),
            "alert looks": len(self.alerts.seen()),
            "watched": sum(len(self.watched.of(one)) for one in people),
            "screens": len(self.watched.screens()),
            "preferences": sum(self.preferences.of(one) != Preferences() for one in people),
            "limits": len(self.limits.overrides()),
            "factors": len(self.factors.all()),
            "bases": len(self.reports.bases(date.min, date.max)),
            "closings": sum(
                self.reports.last_told(datetime.fromisoformat(moment) + timedelta(seconds=1)) is not None
                for moment in self.ids("closings", "moment")
            ),
            "open updates": len(self.inbox.open()),
            "days seen": len(self.journal.days_seen()),
            "days heard": len(self.stream_stats.last(30)),
            "stories": len(self.order_history.newest(10_000)),
        }

    def settled(self) -> dict[str, Any]:
        """Single facts that people had settled, and what a person may do with them."""
        halt, mark = self.journal.halt_status(), self.reading_marks.last()
        assert halt is not None
        assert mark is not None
        tries = self.factors.tries(1004)
        limits = self.limits.limits_of(1004, STOPPED.date())
        quiet = self.preferences.of(1002)
        return {
            "brake": halt.level.name,
            "channel": self.journal.channel(),
            "worth": self.runs.worth(STOPPED.date()),
            "seen": (mark.at.date().isoformat(), mark.unread),
            "limits of 1004": (
                limits.max_quantity,
                limits.orders_per_minute,
                limits.collar_deny == Decimal("4.5"),
                limits.market_orders,
            ),
            "preferences of 1002": ({topic.value: ring.value for topic, ring in quiet.rings.items()}, str(quiet.quiet)),
            "language of 1011": self.preferences.of(1011).lang,
            "offset": self.inbox.next_offset(),
            "PIN of 1003": self.factors.answer(1003, "493817", "confirm", "1")[0],
            "TOTP of 1002": self.factors.answer(1002, _code("KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"), "confirm", "1")[0],
            "rounds and lock of 1004": (tries.rounds, tries.locked_until and tries.locked_until.isoformat()),
            "1005 barred": self.factors.tries(1005).barred,
        }

    # --- words ---

    def why(self, lang: Lang) -> str:
        """Every page of the story of every order."""
        frame = Frame(lang, "practice", ACCOUNT)
        told = []
        for order in self.orders():
            told += [f"=== {order.id} ===\n{page}" for page in history_pages(self.order_history.of(order), frame)]
        return "\n\n".join(told) + "\n"

    def messages(self, lang: Lang) -> str:
        """Every row of the outbox as its reader sees it, and the letters that go out next. Equal ones stand once."""
        shown: dict[str, list[str]] = {}
        for row in self.db.query("SELECT * FROM outbox ORDER BY id"):
            message = message_of(row)
            shown.setdefault(self._shown(message, lang), []).append(f"{message.id} {message.kind}")
        for message in waiting(self.outbox):
            shown.setdefault(self._shown(message, lang), []).append(f"next in {message.chat_id}: {message.id}")
        return "\n\n".join(f"=== {', '.join(rows)} ===\n{text}" for text, rows in shown.items()) + "\n"

    def _shown(self, message: OutboxMessage, lang: Lang) -> str:
        paper = _Paper()
        sender = MessageSender(
            paper,  # type: ignore[arg-type]  # it only takes down what would be sent
            order=self.journal.get,
            card_message=self.outbox.card_message,
            draw=_drawn,
            frame=Frame("ko", "practice", ACCOUNT),
            lang_of=lambda _: lang,
        )
        try:
            outcome = asyncio.run(sender.deliver(message))
        except KeyError as missing:  # once a letter has arrived, what made its buttons or its picture is forgotten
            return f"(its {missing} is forgotten)"
        return f"({outcome.why})" if isinstance(outcome, Undeliverable) else "\n".join(paper.lines)


class _Paper:
    """In the place of Telegram: what it was asked to show."""

    message_id = 1

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def called(*given: Any, reply_markup: InlineKeyboardMarkup | None = None, **named: Any) -> "_Paper":
            texts = [one for one in given if isinstance(one, str)]
            texts += [one for one in (named.get("caption"), *(getattr(one, "caption", None) for one in given)) if one]
            self.lines += [f"[{name} {named.get('parse_mode')}]", *texts]
            for row in reply_markup.inline_keyboard if reply_markup else ():
                self.lines.append(" ".join(f"[{key.text}|{key.callback_data}]" for key in row))
            return self

        return called


async def _drawn(_: Any) -> bytes:
    return b"a picture"


async def _undrawn(_: bytes) -> None:
    return None


def _code(secret: str) -> str:
    return pyotp.TOTP(secret).at(STOPPED)


def plain(page: str) -> str:
    """A page as the terminal shows it."""
    return re.sub(
        r"&(lt|gt|amp);", lambda one: {"lt": "<", "gt": ">", "amp": "&"}[one[1]], re.sub(r"<[^>]*>", "", page)
    )


# --- the whole bot ----------------------------------------------------------------------------------------------------


def lived(home: Path, lost: int) -> tuple[dict[int, str], dict[int, str], list[str]]:
    """Start the whole bot on a copy, with a broker that has one of its orders in doubt, and stop it on Monday.

    Args:
        home: the data directory.
        lost: the order that the broker has, though its answer never came.

    Returns:
        The state of every order ten minutes after the start and on Monday; what the owner was told.
    """
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_live(loop, home, lost))
    finally:
        loop.close()


async def _live(loop: VirtualLoop, home: Path, lost: int) -> tuple[dict[int, str], dict[int, str], list[str]]:
    with closing(sqlite3.connect(home / "kisbot.db")) as file:
        sent_at, side, code, quantity, price = file.execute(
            "SELECT sent_at, side, code, quantity, price FROM orders WHERE id = ?", [lost]
        ).fetchone()
    clock = ClubClock(loop, datetime.fromisoformat(sent_at).astimezone(KST))
    broker = Simulator(profile="real", seed=1, clock=clock, cash=100_000_000, holdings=HOLDINGS)
    broker.exchange.submit(side, code, "limit", quantity, price, channel=API_CHANNEL)
    clock.ahead += STOPPED - clock()
    telegram = LocalTelegram(token=TOKEN, people=[ChatUser(*one, "") for one in NAMES.items()], clock=clock)
    network = MemoryNetwork(MemoryWire(broker, sleep=asyncio.sleep, clock=clock), MemoryTelegram(telegram))
    values: dict[str, Any] = {name.lower(): value for name, value in broker.environ(BASE).items()}
    values |= {
        "telegram_bot_token": TOKEN,
        "telegram_api_base": f"{BASE}/bot",
        "kisbot_owner_id": "1001",
        "kisbot_data_dir": home,
        "kis_hts_id": "",
    }
    app = BotApplication(GivenSettings(**values), clock=clock, ticks=clock.seconds, network=network)
    app.parts.charts._drawn = _undrawn  # type: ignore[method-assign]  # virtual time does not wait for a process
    seen = []
    async with app.running():
        for moment in (STOPPED + timedelta(minutes=10), MONDAY):
            clock.ahead += max(timedelta(), moment - clock() - timedelta(minutes=10))
            await asyncio.sleep((moment - clock()).total_seconds())
            assert not app.fault.done()
            seen.append(dict(app.storage.db.execute("SELECT id, state FROM orders ORDER BY id").fetchall()))
    return seen[0], seen[1], [one.text for one in telegram.chat(1001) if one.sender == "bot"]
