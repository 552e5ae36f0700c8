"""The bot's lifecycle: start, recovery, the long-running tasks, housekeeping and stop."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from itertools import count

import structlog
from telegram.error import InvalidToken, TelegramError

from bot import __version__
from bot.app.container import Container
from bot.config.settings import BadSettings, Settings
from bot.orders.model.notice import Notice
from bot.orders.reconciliation.report_handler import OrderListSnapshot
from bot.orders.risk.trading_halt import HaltLevel
from bot.services.outages import reading_time, uptime
from bot.store.database import is_storage_fault, unusable
from kis.backoff import backoff
from kis.callers import calling_for
from kis.config import kst_now
from kis.endpoints import EXECUTIONS
from kis.errors import KisError, Misconfigured
from kis.transport import Transport

log = structlog.get_logger(__name__)

FIRST_SYMBOLS_TIMEOUT = 5.0
"""Seconds the start waits for the table of stocks; after that it arrives while the bot is at work."""
HOUSEKEEPING_INTERVAL = 0.5
"""Seconds between checks for tickets whose time is up."""
MAX_LIST_AGE = 60.0
"""Seconds without a reading of the list, with orders open, after which people are told while it lasts."""
MAX_CLOCK_STEP = 2.0
"""Seconds the clock may be set back before trading is halted."""


class BotApplication:
    """One running bot. `async with BotApplication(settings).running():` and it trades."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = kst_now,
        ticks: Callable[[], float] = uptime,
        network: Transport | None = None,
    ) -> None:
        """Builds everything; raises as `Container`."""
        self._settings = settings
        self._clock = clock
        self.parts = Container(settings, clock=clock, ticks=ticks, network=network)
        self.storage = self.parts.storage
        self.fault: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        """Done when a part of the bot has died."""
        self.ready = False
        """Everything is at work."""
        self.readings = 0
        """How often the broker's list was read to its end."""
        self._stale = False
        """Overseers were told that the list cannot be read."""
        self._housekeeping_failed = False
        """Housekeeping failed last time, and overseers were told."""
        self._tidied = clock().date()
        self._clocks = clock(), asyncio.get_running_loop().time()
        """The clock as it was looked at last, and the loop's own time then."""
        self._in_doubt_at_start = 0
        """How many orders were in doubt when this run began."""

    # --- running ------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["BotApplication"]:
        """Everything at work; on the way out orders being sent are waited for and messages are delivered.

        Raises:
            BadSettings: Telegram or KIS refuses what the settings say; the text names the setting.
        """
        try:
            try:
                await self._start()
            except Exception as error:
                if is_storage_fault(error):
                    raise unusable(self._settings.database, error) from error
                raise
            parts = self.parts
            intake = self._work("updates", parts.update_poller.run)
            work = [
                self._work("delivery", parts.delivery.run),
                self._work(
                    "order list", partial(parts.report_poll.run, self._handle, self._list_lost, self._list_back)
                ),
                self._work("housekeeping", self._housekeep),
                self._work("circuit breaker", parts.circuit_breaker.run),
                self._work("fill stream", parts.fill_stream.run),
                self._work("alerts", parts.alert_runner.run),
                self._work("reports", parts.close_reports.run),
                self._work("watch lists", parts.live_watchlists.run),
                self._work("symbols", parts.symbols.run),
            ]
            self.ready = True
            try:
                yield self
            finally:
                await self._wind_down(intake, work)
        finally:
            await self._close()

    async def _start(self) -> None:
        """All that comes before the parts are at work."""
        await self._connect_telegram()
        await self._check_kis()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SYMBOLS_TIMEOUT):
                await self.parts.symbols.refresh()
        self.storage.people.welcome_owners(self._settings.kisbot_owner_id)
        for person in self.storage.people.all():
            await self.parts.calls.offer_menu(person.user_id, person.role)
        await self._recover()
        self.parts.audit_anchors.tell_of_new_key()

    def _work(self, source: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run a part, whose reads take turns with those of the others, and again whenever the database refused it.

        If it dies of any other exception the whole bot must stop, and `fault` says so.
        """
        with calling_for(source):
            task = asyncio.get_running_loop().create_task(self.parts.storage_monitor.retry(run))
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
        await self.parts.update_poller.drain()
        await self.parts.second_factor_chat.drain()
        await self.parts.desk.drain()
        for task in work:
            task.cancel()
        await asyncio.wait(work)
        with contextlib.suppress(sqlite3.Error):  # refused, and logged as such: left for the next start
            await self.parts.delivery.drain(3)
        await self.parts.delivery.cancel()
        await self.parts.calls.drain()
        with contextlib.suppress(sqlite3.Error):
            self.storage.runs.end()

    async def _close(self) -> None:
        await self.parts.storage_monitor.close()
        with contextlib.suppress(TelegramError):
            await self.parts.bot.shutdown()
        await self.parts.client.close()
        self.storage.close()

    async def _connect_telegram(self) -> None:
        """Wait for Telegram as long as it takes; only a wrong token is hopeless."""
        for failures in count():
            try:
                await self.parts.bot.initialize()
                break
            except InvalidToken:
                raise BadSettings(
                    "TELEGRAM_BOT_TOKEN: 텔레그램이 이 토큰을 모릅니다 · Telegram does not know this token"
                ) from None
            except TelegramError as error:
                if not failures:
                    log.warning("waiting for Telegram", why=type(error).__name__)
                await asyncio.sleep(backoff(failures, first=0.5, most=15.0))

    async def _check_kis(self) -> None:
        """A key, secret or account that KIS refuses is named now, not at the first order."""
        try:
            await self.parts.client.executions(self._clock().date())
        except Misconfigured as error:
            raise BadSettings(f"{error.setting}: {error.advice.ko} · {error.advice.en} ({error.message})") from None
        except KisError as error:
            log.warning("KIS does not answer yet", code=error.code, why=type(error).__name__)

    # --- after a start, and while things go wrong --------------------------------------------------------------------

    async def _recover(self) -> None:
        """Nothing is sent until the outcome of all that was being sent is known; an unclean stop halts trading."""
        start = self.storage.runs.begin(__version__)
        if start.restored or self.storage.audit.begun in {"restored", "lost"}:
            self.parts.trading_halt.halt(HaltLevel.NEW, "RESTORED")
        elif start.unclean:
            self.parts.trading_halt.halt(HaltLevel.BUYS, "UNCLEAN_STOP")
        self.parts.desk.recover()
        left = self.parts.report_handler.unresolved()
        if left:
            self._tell_owners("recovering", {"count": left, "run": self.storage.runs.number})
        try:
            await self._handle(await self.parts.report_reader.read())
        except KisError as error:
            self.parts.outages.failed()
            log.warning("KIS's list cannot be read yet", code=error.code, why=type(error).__name__)
        self._in_doubt_at_start = left

    def _end_recovery(self) -> None:
        if self.parts.desk.risk_context.recovering and not self.parts.report_handler.unresolved():
            self.parts.desk.risk_context.recovering = False
            if self._in_doubt_at_start:
                self._tell_owners("recovered", {"count": self._in_doubt_at_start, "run": self.storage.runs.number})

    def _tell_owners(self, kind: str, data: dict[str, object]) -> None:
        notifications = self.parts.notifications
        notifications.tell([Notice(kind, chat, data) for chat in notifications.owners()])

    async def _handle(self, snapshots: list[OrderListSnapshot]) -> None:
        whole = True
        for snapshot in snapshots:
            try:
                self.parts.report_handler.handle(snapshot)
            except Exception as error:
                if is_storage_fault(error):
                    raise  # the list is read again, and nothing of it was passed over
                whole = False
                log.exception("a snapshot of the list could not be handled", day=snapshot.day.isoformat())
                self.parts.operator_alerts.report("READING_LOST")
            self.parts.fill_stream.on_snapshot(snapshot)
        if whole:
            self._record_reading(snapshots)
            self._stale = False
        self._end_recovery()
        self.readings += 1

    def _record_reading(self, snapshots: list[OrderListSnapshot]) -> None:
        try:
            self.parts.outages.succeeded(
                reading_time(
                    (len(one.rows) for one in snapshots),
                    EXECUTIONS.page_size(self.parts.kis_config.env) or 1,
                    self.parts.kis_config.interval,
                )
            )
        except Exception as error:
            if is_storage_fault(error):
                raise
            log.exception("a reading of the list could not be recorded")

    def _check_staleness(self) -> None:
        """Orders are open and their fills cannot be seen: people learn that while it lasts, once."""
        if not self._stale and self.parts.outages.silence() > MAX_LIST_AGE and self.parts.report_handler.busy():
            self._stale = True
            self.parts.operator_alerts.report("LIST_STALE", also=[order.chat_id for order in self.parts.desk.working()])

    async def _list_lost(self, error: KisError) -> None:
        self.parts.outages.failed()
        self.storage.audit.add("broker.lost", code=error.code)

    async def _list_back(self) -> None:
        self.storage.audit.add("broker.back")

    async def _housekeep(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_INTERVAL)
            self._check_clock()
            self.parts.trading_halt.keep()
            try:
                self.parts.desk.expire()
                self.parts.report_handler.remind()
                self.parts.audit_anchors.tick()
                self.parts.circuit_breaker.check()
                self._check_staleness()
                self._housekeeping_failed = False
            except Exception as error:
                if is_storage_fault(error):
                    raise
                log.exception("housekeeping failed; it is tried again")
                if not self._housekeeping_failed:
                    self._housekeeping_failed = True
                    self.parts.operator_alerts.report("HOUSEKEEPING")
            today = self._clock().date()
            if today != self._tidied:
                self.storage.audit.new_day()
                self.storage.inbox.tidy()
                self.storage.outbox.tidy()
                self._tidied = today

    def _check_clock(self) -> None:
        last, ticked = self._clocks
        now, tick = self._clocks = self._clock(), asyncio.get_running_loop().time()
        if (now - last).total_seconds() - (tick - ticked) < -MAX_CLOCK_STEP:
            self.parts.trading_halt.halt(HaltLevel.NEW, "CLOCK_STEP")
