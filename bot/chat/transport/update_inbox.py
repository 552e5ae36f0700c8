"""Updates from Telegram: stored, then confirmed, then answered. Asking for the next ones is what confirms."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from telegram import Bot, Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.chat.ports import Inbox, StorageMonitor
from bot.chat.transport.flood_control import FloodControl
from bot.chat.transport.sender import seconds_to_wait
from kis.backoff import backoff

log = structlog.get_logger(__name__)

WANTED = ("message", "callback_query", "my_chat_member")
"""All that is ever asked for: no edited messages, channel posts, inline queries or polls."""
LONG_POLL = 25
"""Seconds Telegram may hold a request open while nothing happens."""
CALM = 60.0
"""Seconds without a second poller after which trading is let go on."""
SLOWEST = 15.0


@dataclass(eq=False)
class UpdatePoller:
    """Long polling that loses nothing across a crash and answers nothing twice.

    What cannot be stored is not confirmed: Telegram brings it again, and it counts once for flood control.
    """

    bot: Bot
    inbox: Inbox
    handle: Callable[[Update], Awaitable[None]]
    keeps: Callable[[Update], bool]
    """Whether an update is stored; others are handled all the same, so that strangers cannot fill the disk."""
    flood_control: FloodControl
    """Drops what is too much, before anything is stored, and says what goes first."""
    redact: Callable[[dict[str, Any]], dict[str, Any]]
    """Leaves what may be stored of an update: no typed code and no keypad."""
    hold: Callable[[str], None]
    """`hold(why)` stops new orders while another copy polls the same token; `hold("")` lets them go on."""
    storage: StorageMonitor
    """Has an update handled once more after the database refused it."""
    refused: Callable[[Update], None]
    """Tells the person of an update that it cannot be recorded for now; never raises."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _next: int = field(default=0, init=False)
    _answering: set[asyncio.Future[None]] = field(default_factory=set, init=False)
    _admitted: dict[int, bool] = field(default_factory=dict, init=False)
    """What flood control said of updates that are not confirmed yet."""
    _told: set[int] = field(default_factory=set, init=False)
    """Those of them whose person knows that they cannot be recorded."""
    _taken: set[int] = field(default_factory=set, init=False)
    """Updates this run answers, or failed to."""

    async def run(self) -> None:
        """Answer what was left open, then poll until cancelled.

        Raises:
            telegram.error.InvalidToken: Telegram does not know the token.
            Exception: updates cannot be stored; polling goes on where it was once this is called again.
        """
        for update_id, body in self.inbox.open():
            if update_id not in self._taken:
                self._answer(update_id, body)
        faults = _PollBackoff()
        while True:
            try:
                updates = await self._fetch()
            except InvalidToken:
                raise
            except TelegramError as error:
                if isinstance(error, Conflict):
                    self.hold("TELEGRAM_CONFLICT")
                await self.sleep(faults.wait(error))
                continue
            if faults.calm():
                self.hold("")
            self._take(updates)

    def _take(self, updates: Sequence[Update]) -> None:
        """Store updates and begin to answer them; only then they count as received."""
        taken = sorted(filter(self._admits, updates), key=self.flood_control.rank)
        try:
            bodies = {update.update_id: update.to_dict() for update in taken if self.keeps(update)}
            stored = [(update_id, self.redact(body)) for update_id, body in bodies.items()]
            fresh = self.inbox.keep(stored) if stored else []
        except Exception:
            for update in taken:
                if self.storage.failing and update.update_id not in self._told:
                    self._told.add(update.update_id)
                    self.refused(update)
            raise
        for update_id in fresh:
            self._answer(update_id, bodies[update_id])
        self._next = max(self._next, *(update.update_id + 1 for update in updates), 0)
        self._admitted.clear()
        self._told.clear()
        for update in taken:
            if update.update_id not in bodies:
                self._start(self.handle(update))

    def _admits(self, update: Update) -> bool:
        if update.update_id not in self._admitted:
            self._admitted[update.update_id] = self.flood_control.admits(update)
        return self._admitted[update.update_id]

    async def drain(self) -> None:
        """Let the answers under way end; what does not end in time is answered after the next start."""
        if self._answering:
            await asyncio.wait(self._answering, timeout=5)
        for task in self._answering:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._answering, return_exceptions=True)

    def _answer(self, update_id: int, body: dict[str, Any]) -> None:
        async def done() -> None:
            self.inbox.done(update_id)

        async def run() -> None:
            update = Update.de_json(body, self.bot)
            if update is not None:
                await self.storage.retry(partial(self.handle, update), partial(self.refused, update))
            await self.storage.retry(done)
            self._taken.discard(update_id)

        self._taken.add(update_id)
        self._start(run())

    async def _fetch(self) -> Sequence[Update]:
        offset = self._offset()
        try:
            return await self.bot.get_updates(offset=offset, timeout=LONG_POLL, allowed_updates=list(WANTED))
        except TelegramError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever the library makes of what a stranger may have sent
            log.warning("updates cannot be read together", why=type(error).__name__)
            return await self._fetch_singly()

    async def _fetch_singly(self) -> list[Update]:
        """The same updates, each read by itself: what cannot be read is passed over, and keeps nobody else waiting."""
        asked = {"offset": self._offset(), "timeout": 0, "allowed_updates": list(WANTED)}
        # The capital letter is the library's only way to hand out what it would parse itself; Telegram takes either.
        bodies: Any = await self.bot.do_api_request("GetUpdates", api_kwargs=asked)
        readable = []
        for body in bodies:
            try:
                update = Update.de_json(body, self.bot)
            except Exception as error:  # noqa: BLE001  # as above
                log.warning("an update cannot be read", update=body["update_id"], why=type(error).__name__)
                self._next = max(self._next, body["update_id"] + 1)
            else:
                readable.append(update)
        return readable

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._answering.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._answering.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("an update could not be handled", exc_info=task.exception())

    def _offset(self) -> int | None:
        """What to ask for next: past all that is on disk, and past what was only looked at."""
        kept = self.inbox.next_offset()
        return max(kept or 0, self._next) or None


class _PollBackoff:
    """How long to wait after a failed poll; one log line when Telegram goes away and one when it is back."""

    def __init__(self) -> None:
        self._row = 0
        self._conflict_at: float | None = None

    def wait(self, error: TelegramError) -> float:
        self._row += 1
        if isinstance(error, RetryAfter):
            return seconds_to_wait(error)
        if isinstance(error, Conflict):
            if self._conflict_at is None:
                log.error("another program polls this bot token: new orders are on hold")
            self._conflict_at = asyncio.get_running_loop().time()
            return SLOWEST
        if self._row == 1:
            log.warning("Telegram cannot be reached", why=type(error).__name__)
        return backoff(self._row - 1, first=0.5, most=SLOWEST)

    def calm(self) -> bool:
        """After an answered poll: whether a conflict has just been over for long enough."""
        if self._row:
            log.info("Telegram is back", failed_polls=self._row)
        self._row = 0
        if self._conflict_at is None or asyncio.get_running_loop().time() - self._conflict_at < CALM:
            return False
        self._conflict_at = None
        return True
