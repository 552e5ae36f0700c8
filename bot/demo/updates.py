"""The queue of updates a bot reads with getUpdates, and the button presses that wait for an answer.

Source: Telegram Bot API, "Getting updates": an update is confirmed by asking for a higher offset, is kept
for at most 24 hours, and only one reader is served at a time.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.demo.chats import Clock
from bot.demo.parameters import MethodRefused

_MAX_AGE = timedelta(hours=24)
_ANSWER_TIMEOUT = timedelta(seconds=30)
_OPT_IN_KINDS = frozenset({"chat_member", "message_reaction", "message_reaction_count"})  # only when asked for
_JUST_NOW = 2.0  # seconds after a read in which its reader still counts as there
_MAX_OPEN_TAPS = 1000  # button presses


def conflict() -> MethodRefused:
    """409: another getUpdates took this one's place."""
    return MethodRefused(
        409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    )


class Updates:
    """Updates waiting to be read, and whether a bot is reading."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_id = 100_001
        self._waiting: list[tuple[datetime, dict[str, Any]]] = []
        self._allowed: frozenset[str] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._last_read = float("-inf")
        self._closed = False

    def __len__(self) -> int:
        self._drop_old()
        return len(self._waiting)

    @property
    def being_read(self) -> bool:
        """Whether a bot waits for updates now, or did so a moment ago."""
        return self._reader is not None or asyncio.get_running_loop().time() - self._last_read < _JUST_NOW

    def put(self, update: dict[str, Any]) -> None:
        """Queue an update under the next id, unless the bot did not ask for its kind."""
        kinds = update.keys() - {"update_id"}
        wanted = kinds - _OPT_IN_KINDS if self._allowed is None else kinds & self._allowed
        if not wanted:
            return
        self._waiting.append((self._clock(), {"update_id": self._next_id, **update}))
        self._next_id += 1
        self._wake()

    def allow(self, kinds: Sequence[str]) -> None:
        """Set the kinds queued from now on; none means Telegram's default."""
        self._allowed = frozenset(kinds) or None

    def forget_all(self) -> None:
        """Drop whatever waits (deleteWebhook with drop_pending_updates)."""
        self._waiting.clear()

    async def read(self, offset: int, limit: int, timeout: float) -> list[dict[str, Any]]:  # noqa: ASYNC109 - the Bot API's own name
        """Confirm what lies before `offset`, then return what waits, at once or within `timeout` seconds."""
        if offset < 0:
            self._drop_old()
            del self._waiting[: max(len(self._waiting) + offset, 0)]
        elif offset:
            self._waiting = [(at, update) for at, update in self._waiting if update["update_id"] >= offset]
        if self._reader is not None and not self._reader.done():
            self._reader.set_exception(conflict())
        if not len(self) and timeout > 0 and not self._closed:
            await self._arrival(timeout)
        self._last_read = asyncio.get_running_loop().time()
        return [update for _, update in self._waiting[:limit]]

    def open(self) -> None:
        """Let readers wait again."""
        self._closed = False

    def close(self) -> None:
        """Answer every waiting reader with nothing, because the server stops."""
        self._closed = True
        self._wake()

    async def _arrival(self, timeout: float) -> None:  # noqa: ASYNC109 - the Bot API's own name
        reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = reader
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader, timeout)
        finally:
            if self._reader is reader:
                self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _drop_old(self) -> None:
        oldest = self._clock() - _MAX_AGE
        self._waiting = [(at, update) for at, update in self._waiting if at > oldest]


@dataclass(frozen=True)
class CallbackResult:
    """What the person saw after pressing a button; `answered` is False when the bot said nothing in time."""

    text: str = ""
    show_alert: bool = False
    answered: bool = False


class Taps:
    """Button presses, each to be answered once and within 30 seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(4_700_000_000_000_001)
        self._open: dict[str, tuple[datetime, asyncio.Future[CallbackResult]]] = {}

    def press(self) -> tuple[str, asyncio.Future[CallbackResult]]:
        """Open a press: its callback query id, and the answer to come."""
        query_id = str(next(self._numbers))
        answer: asyncio.Future[CallbackResult] = asyncio.get_running_loop().create_future()
        self._open[query_id] = (self._clock(), answer)
        if len(self._open) > _MAX_OPEN_TAPS:
            del self._open[next(iter(self._open))]
        return query_id, answer

    def close(self) -> None:
        """End every wait for an answer, because the server stops."""
        for _, answer in self._open.values():
            if not answer.done():
                answer.set_result(CallbackResult())

    def answer(self, query_id: str, text: str, *, show_alert: bool) -> bool:
        """Answer a press. False: no such press, answered before, or more than 30 seconds old."""
        pressed_at, answer = self._open.pop(query_id, (None, None))
        if pressed_at is None or answer is None or self._clock() - pressed_at > _ANSWER_TIMEOUT:
            return False
        if not answer.done():
            answer.set_result(CallbackResult(text, show_alert, answered=True))
        return True
