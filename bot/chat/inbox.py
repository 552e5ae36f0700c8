"""Updates from Telegram: stored, then confirmed, then answered. Asking for the next ones is what confirms."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog
from telegram import Bot, Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.chat.messenger import seconds_to_wait

log = structlog.get_logger(__name__)

WANTED = ("message", "callback_query")
LONG_POLL = 25
"""Seconds Telegram may hold a request open while nothing happens."""
CALM = 60.0
"""Seconds without a second poller after which trading is let go on."""
SLOWEST = 15.0


class Store(Protocol):
    """Where updates are kept; `bot.store.inbox.Inbox` fits as it is."""

    def keep(self, updates: Sequence[tuple[int, dict[str, Any]]]) -> list[int]: ...
    def open(self) -> list[tuple[int, dict[str, Any]]]: ...
    def done(self, update_id: int) -> None: ...
    def next_offset(self) -> int | None: ...


class InboxPoll:
    """Long polling that loses nothing across a crash and answers nothing twice."""

    def __init__(
        self,
        bot: Bot,
        store: Store,
        handle: Callable[[Update], Awaitable[None]],
        hold: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`hold(why)` stops new orders while another copy polls the same token; `hold("")` lets them go on."""
        self._bot = bot
        self._store = store
        self._handle = handle
        self._hold = hold
        self._sleep = sleep
        self._answering: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer what an earlier run left open, then poll until cancelled.

        Raises:
            telegram.error.InvalidToken: Telegram does not know the token.
        """
        for update_id, body in self._store.open():
            self._answer(update_id, body)
        faults = _Faults()
        while True:
            try:
                updates = await self._bot.get_updates(
                    offset=self._store.next_offset(), timeout=LONG_POLL, allowed_updates=list(WANTED)
                )
            except InvalidToken:
                raise
            except TelegramError as error:
                if isinstance(error, Conflict):
                    self._hold("TELEGRAM_CONFLICT")
                await self._sleep(faults.wait(error))
                continue
            if faults.calm():
                self._hold("")
            bodies = {update.update_id: update.to_dict() for update in updates}
            for update_id in self._store.keep(list(bodies.items())):
                self._answer(update_id, bodies[update_id])

    async def drain(self) -> None:
        """Let the answers under way end; what does not end in time is answered after the next start."""
        if self._answering:
            await asyncio.wait(self._answering, timeout=5)
        for task in self._answering:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._answering, return_exceptions=True)

    def _answer(self, update_id: int, body: dict[str, Any]) -> None:
        async def run() -> None:
            update = Update.de_json(body, self._bot)
            if update is not None:
                await self._handle(update)
            self._store.done(update_id)

        task = asyncio.get_running_loop().create_task(run())
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)


class _Faults:
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
            self._conflict_at = time.monotonic()
            return SLOWEST
        if self._row == 1:
            log.warning("Telegram cannot be reached", why=type(error).__name__)
        return min(0.5 * 2.0 ** (self._row - 1), SLOWEST)

    def calm(self) -> bool:
        """After an answered poll: whether a conflict has just been over for long enough."""
        if self._row:
            log.info("Telegram is back", failed_polls=self._row)
        self._row = 0
        if self._conflict_at is None or time.monotonic() - self._conflict_at < CALM:
            return False
        self._conflict_at = None
        return True
