"""Outbox to chat: every letter at least once, in order within its chat, paced, and a possible repeat says so."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import structlog
from aiolimiter import AsyncLimiter

from bot.chat.messenger import Delivered, Held, Outcome, Undeliverable, Unsure
from bot.store.outbox import Letter

log = structlog.get_logger(__name__)

OVERALL = (25, 1.0)
"""Letters per second over all chats; Telegram's limit is about 30."""
PER_CHAT = (20, 20.0)
"""A short burst, then one a second, which is what Telegram bears for one chat."""
SLOWEST = 30.0
LOOK_AGAIN = 1.0
"""Seconds between looks when nothing woke us: a letter written by another process is found too."""


class Box(Protocol):
    """What is asked of the outbox table; `bot.store.outbox.Outbox` fits as it is."""

    def waiting(self, chats_busy: Sequence[int] = ()) -> list[Letter]: ...
    def sending(self, letter: Letter) -> None: ...
    def sent(self, letter: Letter, message_id: int | None) -> None: ...
    def again(self, letter: Letter, *, unsure: bool) -> None: ...
    def failed(self, letter: Letter, error: str) -> None: ...
    def newer_card(self, letter: Letter) -> bool: ...
    def recover(self) -> None: ...


class Notifier:
    """One letter at a time per chat, chats beside each other."""

    def __init__(
        self,
        box: Box,
        deliver: Callable[[Letter], Awaitable[Outcome]],
        reachable: Callable[[], Awaitable[bool]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._box = box
        self._deliver = deliver
        self._reachable = reachable
        self._sleep = sleep
        self._news = asyncio.Event()
        self._overall = AsyncLimiter(*OVERALL)
        self._per_chat: dict[int, AsyncLimiter] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._faults: dict[int, int] = {}

    def wake(self) -> None:
        """A letter was written: look at once."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._box.recover()
        while True:
            self._news.clear()
            for letter in self._box.waiting(list(self._busy)):
                task = asyncio.get_running_loop().create_task(self._one(letter))
                self._busy[letter.chat_id] = task
                task.add_done_callback(partial(self._free, letter.chat_id))
            with contextlib.suppress(TimeoutError):
                # wait_for of Python 3.11 can swallow a cancellation that comes together with the news
                async with asyncio.timeout(LOOK_AGAIN):
                    await self._news.wait()

    async def drain(self, seconds: float) -> None:
        """Deliver what is waiting, as long as a stop may take; the rest goes out after the next start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (letters := self._box.waiting(list(self._busy))) or self._busy:
                    if letters:
                        await self._one(letters[0])
                    else:
                        await asyncio.wait(self._busy.values())

    async def cancel(self) -> None:
        """Stop at once; what was leaving is marked and goes once more after the next start."""
        for task in list(self._busy.values()):
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def _free(self, chat_id: int, done: asyncio.Task[None]) -> None:
        self._busy.pop(chat_id, None)
        if not done.cancelled() and done.exception() is not None:
            log.error("a letter could not be handled; it goes again after the next start", exc_info=done.exception())
        self._news.set()

    async def _one(self, letter: Letter) -> None:
        if letter.kind == "card" and self._box.newer_card(letter):
            self._box.sent(letter, None)  # the newer one shows the same order, later
            return
        async with self._per_chat.setdefault(letter.chat_id, AsyncLimiter(*PER_CHAT)), self._overall:
            self._box.sending(letter)
            outcome = await self._deliver(letter)
        await self._settle(letter, outcome)

    async def _settle(self, letter: Letter, outcome: Outcome) -> None:
        faults = self._faults.pop(letter.chat_id, 0)
        match outcome:
            case Delivered(message_id):
                self._box.sent(letter, message_id)
            case Undeliverable(why):
                log.warning("undeliverable", chat=letter.chat_id, kind=letter.kind, why=why)
                self._box.failed(letter, why)
            case Unsure():
                self._box.again(letter, unsure=True)
                await self._until_reachable()
            case Held(seconds, _):
                self._box.again(letter, unsure=False)
                await self._wait(letter.chat_id, faults, seconds)

    async def _until_reachable(self) -> None:
        """A possible repeat goes out only once Telegram answers again, so that an outage makes one and not many."""
        pause = 0.5
        while True:
            await self._sleep(pause)
            if await self._reachable():
                return
            pause = min(pause * 2, SLOWEST)

    async def _wait(self, chat_id: int, faults: int, seconds: float | None) -> None:
        """The chat stays busy meanwhile, so that its order is kept."""
        self._faults[chat_id] = faults + 1
        await self._sleep(seconds if seconds is not None else min(0.5 * 2**faults, SLOWEST))
