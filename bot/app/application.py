"""The whole bot, kept running. Decides nothing itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime
from itertools import count
from typing import Any

import structlog
from telegram.error import InvalidToken, TelegramError

from bot import __version__
from bot.app.container import Container
from bot.config.settings import BadSettings, Settings
from bot.orders.model.notice import Notice
from bot.orders.reconciliation.report_reader import OrderListSnapshot
from bot.orders.risk.trading_halt import HaltLevel
from bot.services.outages import reading_time, uptime
from kis.backoff import backoff
from kis.config import kst_now
from kis.errors import KisError, Misconfigured
from kis.transport import Transport

log = structlog.get_logger(__name__)

FIRST_TABLE = 5.0
"""Seconds the start waits for the table of stocks; after that it arrives while the bot is at work."""
SWEEP = 0.5
"""Seconds between looks for tickets whose time is up."""
STALE_AFTER = 60.0
"""Seconds without a clean reading of the list, with orders open, after which people are told while it lasts."""
CLOCK_STEP = 2.0
"""Seconds the clock may be set back before everything new is stopped."""


class BotApplication(Container):
    """One running bot. `async with App(settings).running():` and it trades."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = kst_now,
        ticks: Callable[[], float] = uptime,
        network: Transport | None = None,
    ) -> None:
        """Builds everything; raises as `Container`."""
        super().__init__(settings, clock=clock, ticks=ticks, network=network)
        self.fault: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        """Done when a part of the bot has died."""
        self.ready = False
        """Whether everything is at work."""
        self.readings = 0
        """Clean readings of the broker's list so far."""
        self._stale = False
        """People know that the list cannot be read."""
        self._ill = False
        """Housekeeping failed last time."""
        self._recovered_from = 0
        """How many orders were in doubt when this run began."""

    # --- running ------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["BotApplication"]:
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
                await self.calls.offer_menu(person.user_id, person.role)
            await self._recover()
            self.anchors.tell_of_new_key()
            intake = self._work(self.inbox_poll.run())
            work = [
                self._work(self.notifier.run()),
                self._work(self.poll.run(self._note, self._lost_sight, self._sees_again)),
                self._work(self._housekeep()),
                self._work(self.sentry.run()),
                self._work(self.ears.run()),
                self._work(self.alert_watch.run()),
                self._work(self.closing.run()),
                self._work(self.watch_lists.run()),
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
        await self.stepup_chat.drain()
        await self.desk.drain()
        for task in work:
            task.cancel()
        await asyncio.wait(work)
        await self.notifier.drain(3)
        await self.notifier.cancel()
        await self.calls.drain()
        self.runs.end()

    async def _close(self) -> None:
        with contextlib.suppress(TelegramError):
            await self.bot.shutdown()
        await self.client.close()
        self.db.close()
        self._lock.release()

    async def _meet_telegram(self) -> None:
        """Wait for Telegram as long as it takes; only a wrong token is hopeless."""
        for failures in count():
            try:
                await self.bot.initialize()
                break
            except InvalidToken:
                raise BadSettings(
                    "TELEGRAM_BOT_TOKEN: 텔레그램이 이 토큰을 모릅니다 · Telegram does not know this token",
                ) from None
            except TelegramError as error:
                if not failures:
                    log.warning("waiting for Telegram", why=type(error).__name__)
                await asyncio.sleep(backoff(failures, first=0.5, most=15.0))

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
            self.brakes.pull(HaltLevel.NEW, "RESTORED")
        elif start.unclean:
            self.brakes.pull(HaltLevel.BUYS, "UNCLEAN_STOP")
        self.desk.recover()
        left = self.watch.unresolved()
        if left:
            self._tell_owners("recovering", {"count": left, "run": self.runs.number})
        try:
            await self._note(await self.lists.read())
        except KisError as error:
            self.sight.failed()
            log.warning("KIS's list cannot be read yet", code=error.code, why=type(error).__name__)
        self._recovered_from = left

    def _see_recovery_end(self) -> None:
        if self.desk.situation.recovering and not self.watch.unresolved():
            self.desk.situation.recovering = False
            if self._recovered_from:
                self._tell_owners("recovered", {"count": self._recovered_from, "run": self.runs.number})

    def _tell_owners(self, kind: str, data: dict[str, object]) -> None:
        self.journal.tell([Notice(kind, chat, data) for chat in self.people.owners()])

    async def _note(self, readings: list[OrderListSnapshot]) -> None:
        whole = True
        for reading in readings:
            try:
                self.watch.note(reading)
            except Exception:
                whole = False
                log.exception("a reading of the list could not be taken in", day=reading.day.isoformat())
                self.troubles.report("READING_LOST")
            self.ears.on_snapshot(reading)
        if whole:
            self._saw(readings)
            self._stale = False
        self._see_recovery_end()
        self.readings += 1

    def _saw(self, readings: list[OrderListSnapshot]) -> None:
        try:
            self.sight.succeeded(reading_time((len(one.rows) for one in readings), *self._paging))
        except Exception:  # a disk that refuses must not end the poll
            log.exception("a clean reading could not be written down")

    def _see_staleness(self) -> None:
        """Orders are open and their fills cannot be seen: people learn that while it lasts, once."""
        if not self._stale and self.sight.silence() > STALE_AFTER and self.watch.busy():
            self._stale = True
            self.troubles.report("LIST_STALE", also=[order.chat_id for order in self.desk.working()])

    async def _lost_sight(self, error: KisError) -> None:
        self.sight.failed()
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
                self.brakes.pull(HaltLevel.NEW, "CLOCK_STEP")
            last, ticked = now, tick
            try:
                self.desk.expire()
                self.watch.remind()
                self.anchors.tick()
                self.sentry.look()
                self._see_staleness()
                self._ill = False
            except Exception:  # a disk that refuses must not end what waits for it to be well again
                log.exception("housekeeping failed; it is tried again")
                if not self._ill:
                    self._ill = True
                    self.troubles.report("HOUSEKEEPING")
            if now.date() != tidied:
                tidied = now.date()
                self.audit.new_day()
                self.inbox.tidy()
                self.outbox.tidy()
