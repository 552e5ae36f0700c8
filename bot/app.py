"""The whole bot, built in reading order from its settings, and kept running. Decides nothing itself."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from filelock import FileLock, Timeout
from telegram import Bot
from telegram.error import InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from bot import __version__
from bot.chat.access import Guard
from bot.chat.account import AccountView
from bot.chat.cards import Frame
from bot.chat.commands import Handlers
from bot.chat.control import Control
from bot.chat.dispatch import Dispatcher
from bot.chat.inbox import InboxPoll
from bot.chat.market import Market
from bot.chat.messenger import Messenger
from bot.chat.trading import Trading
from bot.hours import Hours
from bot.names import LiveSymbols
from bot.notify import Notifier
from bot.orders.brakes import Brake, Brakes
from bot.orders.desk import Desk
from bot.orders.lists import Lists, Reading
from bot.orders.ports import Notice
from bot.orders.watch import Watch
from bot.settings import BadSettings, Settings
from bot.store.audit import AuditLog
from bot.store.database import claim, open_database
from bot.store.inbox import Inbox
from bot.store.journal import SqliteJournal
from bot.store.keys import DayKeys
from bot.store.outbox import Outbox
from bot.store.people import People
from bot.store.runs import Runs
from kis import symbols
from kis.client import KisClient
from kis.config import MASTER_URL, KisConfig, kst_now
from kis.endpoints import Env, Generation
from kis.errors import KisError, Misconfigured
from kis.executions import ExecutionsPoll

log = structlog.get_logger(__name__)

BUSY, IN_SESSION, IDLE = 3.0, 15.0, 60.0
"""Seconds between readings of the broker's list: while something is open, in session, and otherwise."""
FIRST_TABLE = 5.0
"""Seconds the start waits for the table of stocks; after that it arrives while the bot is at work."""
SWEEP = 0.5
"""Seconds between looks for tickets whose time is up."""
BLIND_FOR = timedelta(seconds=20)
"""The list could not be read for longer than this while something was open: people are told when it ends."""
CLOCK_STEP = 2.0
"""Seconds the clock may be set back before everything new is stopped."""


class AlreadyRunning(Exception):
    """Another copy works on the same data directory."""


class App:
    """One running bot. `async with App(settings).running():` and it trades."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = kst_now) -> None:
        """Builds everything; opens the database and nothing else.

        Raises:
            BadDatabase: the database cannot be trusted, or is another account's.
            AlreadyRunning: another copy holds the data directory.
            kis.errors.Misconfigured: the KIS settings contradict each other.
        """
        self._settings = settings
        self._clock = clock
        settings.kisbot_data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FileLock(settings.kisbot_data_dir / "kisbot.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise AlreadyRunning(f"이미 실행 중입니다 · another kisbot works in {settings.kisbot_data_dir}") from None

        self.client = KisClient(kis_config(settings), clock=clock)
        self.db = open_database(settings.database)
        claim(self.db, mode=settings.mode, account=self.client.account_masked, now=clock())
        self.audit = AuditLog(self.db, clock, DayKeys(settings.kisbot_data_dir))
        self.people = People(self.db, self.audit, clock)
        self.inbox = Inbox(self.db, clock)
        self.outbox = Outbox(self.db, clock)
        self.journal = SqliteJournal(self.db, self.audit, self.outbox, clock=clock, wake=self._wake_notifier)
        self.runs = Runs(self.db, self.audit, settings.kisbot_data_dir, clock)

        frame = Frame(settings.kisbot_lang, settings.mode, self.client.account_masked)
        self.hours = Hours(always=settings.kisbot_market_hours == "always", auctions=settings.kisbot_auctions)
        self.brakes = Brakes(self.journal, clock=clock, overseers=self.people.owners)
        self.watch = Watch(
            self.journal, self.brakes, clock=clock, day_over=self.hours.day_over, overseers=self.people.owners
        )
        self.lists = Lists(self.client, self.watch)
        self.poll = ExecutionsPoll(self.lists.read, self._interval)
        self.desk = Desk(
            self.client,
            self.journal,
            self.brakes,
            self.hours,
            clock=clock,
            limits=settings.limits(),
            wake=self.poll.wake,
            elsewhere=self.watch.elsewhere,
            run=lambda: self.runs.number,
        )

        self.bot = telegram_bot(settings)
        self.symbols = LiveSymbols(self._load_symbols, clock)
        market = Market(self.client, self.symbols, frame)
        account = AccountView(self.client, self.desk, frame, clock)
        trading = Trading(self.desk, self.client, market, account, frame)
        control = Control(self.desk, frame, clock)
        self.dispatcher = Dispatcher(
            self.bot,
            Guard(self.people.get),
            Handlers(market, account, trading, control, frame),
            trading,
            self.symbols,
            post=self._post,
            record=self.audit.add,
            clock=clock,
            frame=frame,
        )
        messenger = Messenger(self.bot, order=self.journal.get, card_message=self.outbox.card_message, frame=frame)
        self.notifier = Notifier(self.outbox, messenger.deliver, messenger.reachable)
        self.inbox_poll = InboxPoll(self.bot, self.inbox, self.dispatcher.handle, self._hold)
        self.fault: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        """Done when a part of the bot has died."""
        self.ready = False
        """Whether everything is at work."""
        self.readings = 0
        """Clean readings of the broker's list so far."""
        self._seen_at = clock()
        self.blind_since: datetime | None = None
        self._recovered_from = 0
        """How many orders were in doubt when this run began."""

    # --- running ------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["App"]:
        """Everything at work; on the way out orders on their way are waited for and messages are sent.

        Raises:
            BadSettings: Telegram or KIS refuses what the settings say; the text names the setting.
        """
        try:
            await self._meet_telegram()
            await self._meet_kis()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_TABLE):
                    await self.symbols.refresh()
            self.people.welcome_owners(self._settings.kisbot_owner_id)
            for person in self.people.all():
                await self.dispatcher.offer_menu(person.user_id, person.role)
            await self._recover()
            intake = self._work(self.inbox_poll.run())
            work = [
                self._work(self.notifier.run()),
                self._work(self.poll.run(self._note, self._lost_sight, self._sees_again)),
                self._work(self._housekeep()),
                self._work(self.symbols.run()),
            ]
            self.ready = True
            try:
                yield self
            finally:
                await self._wind_down(intake, work)
        finally:
            await self._close()

    def _work(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Keep a part at work; if it dies of a fault the whole bot must stop, and `fault` says so."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        log.error("a part of the bot died", exc_info=task.exception())
        if not self.fault.done():
            self.fault.set_result(task.exception())

    async def _wind_down(self, intake: asyncio.Task[None], work: list[asyncio.Task[None]]) -> None:
        intake.cancel()
        await self.inbox_poll.drain()
        await self.desk.drain()
        for task in work:
            task.cancel()
        await asyncio.wait(work)
        await self.notifier.drain(3)
        await self.notifier.cancel()
        await self.dispatcher.drain()
        self.runs.end()

    async def _close(self) -> None:
        with contextlib.suppress(TelegramError):
            await self.bot.shutdown()
        await self.client.close()
        self.db.close()
        self._lock.release()

    async def _meet_telegram(self) -> None:
        """Wait for Telegram as long as it takes; only a wrong token is hopeless."""
        fault, told = 0.5, False
        while True:
            try:
                await self.bot.initialize()
                break
            except InvalidToken:
                raise BadSettings(
                    "TELEGRAM_BOT_TOKEN: 텔레그램이 이 토큰을 모릅니다 · Telegram does not know this token"
                ) from None
            except TelegramError as error:
                if not told:
                    log.warning("waiting for Telegram", why=type(error).__name__)
                told = True
                await asyncio.sleep(fault)
                fault = min(fault * 2, 15)

    async def _meet_kis(self) -> None:
        """A key, secret or account that KIS refuses is named now, not at the first order."""
        try:
            await self.client.executions(self._clock().date())
        except Misconfigured as error:
            raise BadSettings(f"{error.setting}: {error.advice.ko} · {error.advice.en} ({error.message})") from None
        except KisError as error:
            log.warning("KIS does not answer yet", code=error.code, why=type(error).__name__)

    # --- after a start, and while things go wrong --------------------------------------------------------------------

    async def _recover(self) -> None:
        """Nothing is sent until it is known what became of all that was on its way; a bad end leaves the brakes on."""
        start = self.runs.begin(__version__)
        if start.restored or self.audit.begun in {"restored", "lost"}:
            self.brakes.pull(Brake.NEW, "RESTORED")
        elif start.unclean:
            self.brakes.pull(Brake.BUYS, "UNCLEAN_STOP")
        self.desk.recover()
        left = self.watch.unresolved()
        if left:
            self._tell_owners("recovering", {"count": left, "run": self.runs.number})
        try:
            await self._note(await self.lists.read())
        except KisError as error:
            log.warning("KIS's list cannot be read yet", code=error.code, why=type(error).__name__)
        self._recovered_from = left

    def _see_recovery_end(self) -> None:
        if self.desk.situation.recovering and not self.watch.unresolved():
            self.desk.situation.recovering = False
            if self._recovered_from:
                self._tell_owners("recovered", {"count": self._recovered_from, "run": self.runs.number})

    def _tell_owners(self, kind: str, data: dict[str, object]) -> None:
        self.journal.tell([Notice(kind, chat, data) for chat in self.people.owners()])

    def _tell_blind(self) -> None:
        """The list is readable again after a while: people learn from when to when nothing could be seen."""
        since, self.blind_since = self.blind_since, None
        if since is not None and self._clock() - since > BLIND_FOR and self.desk.working():
            data: dict[str, object] = {"since": since.isoformat(), "until": self._clock().isoformat()}
            chats = dict.fromkeys([*self.people.owners(), *(order.chat_id for order in self.desk.working())])
            self.journal.tell([Notice("blind", chat, data, f"blind:{since.isoformat()}:{chat}") for chat in chats])

    # --- the pieces' needs --------------------------------------------------------------------------------------------

    def _post(self, kind: str, chat_id: int, data: Mapping[str, Any], key: str | None = None) -> None:
        self.outbox.put(kind, chat_id, data, key)
        self.notifier.wake()

    async def _load_symbols(self, day: date) -> symbols.Symbols:
        url = self._settings.kis_master_url or MASTER_URL
        return await symbols.load(url, self._settings.kisbot_data_dir / "master", day)

    def _wake_notifier(self) -> None:
        self.notifier.wake()

    def _hold(self, why: str) -> None:
        """Another program polls the same bot: nothing new goes out until a person has looked."""
        if why:
            self.brakes.pull(Brake.NEW, why)

    def _interval(self) -> float:
        if self.watch.busy():
            return BUSY
        return IN_SESSION if self.hours.open(self._clock()) else IDLE

    async def _note(self, readings: list[Reading]) -> None:
        self._tell_blind()
        for reading in readings:
            try:
                self.watch.note(reading)
            except Exception:
                log.exception("a reading of the list could not be taken in", day=reading.day.isoformat())
        self._seen_at = self._clock()
        self._see_recovery_end()
        self.readings += 1

    async def _lost_sight(self, error: KisError) -> None:
        self.blind_since = self._seen_at
        self.audit.add("broker.lost", code=error.code)

    async def _sees_again(self) -> None:
        self.audit.add("broker.back")

    async def _housekeep(self) -> None:
        tidied = self._clock().date()
        last, ticked = self._clock(), asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(SWEEP)
            now, tick = self._clock(), asyncio.get_running_loop().time()
            if (now - last).total_seconds() - (tick - ticked) < -CLOCK_STEP:
                self.brakes.pull(Brake.NEW, "CLOCK_STEP")
            last, ticked = now, tick
            self.desk.expire()
            self.watch.remind()
            if now.date() != tidied:
                tidied = now.date()
                self.audit.new_day()
                self.inbox.tidy()
                self.outbox.tidy()


def kis_config(settings: Settings) -> KisConfig:
    """The broker's part of the settings."""
    return KisConfig(
        env=Env(settings.kis_env),
        app_key=settings.kis_app_key.get_secret_value(),
        app_secret=settings.kis_app_secret.get_secret_value(),
        account=settings.kis_account.get_secret_value(),
        hts_id=settings.kis_hts_id,
        generation=Generation(settings.kis_tr_generation),
        min_interval=settings.kis_min_interval,
        hashkey=settings.kis_hashkey,
        rest_url=settings.kis_rest_url,
        ws_url=settings.kis_ws_url,
        master_url=settings.kis_master_url or MASTER_URL,
        token_dir=settings.kisbot_data_dir,
    ).within_limit()


def telegram_bot(settings: Settings) -> Bot:
    """The Bot API's client; no proxy variable of the environment redirects it.

    Certificates are loaded only for an address that has one: a plain one on this machine does not.
    """
    os.environ.setdefault("PTB_TIMEDELTA", "1")  # else its RetryAfter warns each time it is raised
    http = {"trust_env": False, "verify": settings.telegram_api_base.startswith("https:")}

    def request(pool: int) -> HTTPXRequest:
        return HTTPXRequest(connection_pool_size=pool, connect_timeout=5, read_timeout=15, httpx_kwargs=http)

    return Bot(
        settings.telegram_bot_token.get_secret_value(),
        base_url=settings.telegram_api_base,
        request=request(16),
        get_updates_request=request(2),
    )
