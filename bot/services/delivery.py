"""Outbox to chat: nothing lost, no third copy, in order within its chat, paced; a possible repeat says so."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog

from bot.chat.transport.sender import ChatBlocked, Delivered, MaybeDelivered, Outcome, RetryLater, Undeliverable
from bot.orders.access.preferences import Ring
from bot.store.outbox import OutboxMessage

log = structlog.get_logger(__name__)

OVERALL = (5, 20.0)
"""Letters at once, and a second after that, over all chats: never more than 25 in a second (Telegram bears 30)."""
PER_CHAT = (20, 1.0)
"""A short burst, then one a second, which is what Telegram bears for one chat."""
PER_GROUP = (5, 0.25)
"""Never more than 20 in a minute, which is what Telegram bears for a group."""
SLOWEST = 30.0
LOOK_AGAIN = 1.0
"""Seconds between looks when nothing woke us: a letter written by another process is found too."""


class Box(Protocol):
    """What is asked of the outbox table; `bot.store.outbox.Outbox` fits as it is."""

    @property
    def queued(self) -> asyncio.Event: ...
    def ready(self, chats_busy: Sequence[int] = ()) -> list[int]: ...
    def next(self, chat_id: int) -> OutboxMessage | None: ...
    def sending(self, letter: OutboxMessage) -> None: ...
    def sent(self, letter: OutboxMessage, message_id: int | None) -> None: ...
    def again(self, letter: OutboxMessage) -> None: ...
    def doubt(self, letter: OutboxMessage) -> None: ...
    def failed(self, letter: OutboxMessage, error: str) -> None: ...
    def stopped(self, letter: OutboxMessage, error: str) -> None: ...
    def newer_card(self, letter: OutboxMessage) -> bool: ...
    def withhold(self, letter: OutboxMessage, *, listed: bool) -> None: ...
    def recover(self, chats_busy: Sequence[int] = ()) -> None: ...


class DeliveryPolicy(Protocol):
    """What readers want to hear; `bot.services.delivery_policy.DeliveryPolicy` fits as it is."""

    def ring(self, letter: OutboxMessage) -> Ring: ...
    def listed(self, chat_id: int) -> bool: ...


class AlwaysRings:
    """Nobody has silenced anything."""

    def ring(self, letter: OutboxMessage) -> Ring:  # noqa: ARG002  # whatever it is
        """Every letter rings."""
        return Ring.ON

    def listed(self, chat_id: int) -> bool:  # noqa: ARG002  # whoever it is
        """There is nothing to list."""
        return False


class SendRate:
    """A burst, then a steady rate: at most `burst` + `rate` x t turns in any t seconds."""

    def __init__(self, burst: int, rate: float, clock: Callable[[], float]) -> None:
        """`rate`: turns a second; `clock`: seconds that only ever grow."""
        self._step = 1 / rate
        self._slack = (burst - 1) * self._step
        self._clock = clock
        self._due = clock()

    def turn(self) -> float:
        """Take the next turn and return the seconds until it comes."""
        now = self._clock()
        due = max(self._due, now)
        self._due = due + self._step
        return max(0.0, due - self._slack - now)


class Delivery:
    """One letter at a time per chat, chats beside each other."""

    def __init__(
        self,
        box: Box,
        deliver: Callable[[OutboxMessage], Awaitable[Outcome]],
        reachable: Callable[[], Awaitable[bool]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] | None = None,
        manners: DeliveryPolicy | None = None,
    ) -> None:
        """`clock`: the seconds by which `sleep` sleeps; by default the event loop's."""
        self._manners = manners or AlwaysRings()
        self._box = box
        self._deliver = deliver
        self._reachable = reachable
        self._sleep = sleep
        self._clock = clock or asyncio.get_running_loop().time
        self._overall = SendRate(*OVERALL, self._clock)
        self._per_chat: dict[int, SendRate] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._faults: dict[int, int] = {}
        self._astray = False
        """A fault of ours left a letter half handled."""

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._box.recover()
        ticking = asyncio.get_running_loop().create_task(self._tick())
        try:
            while True:
                self._box.queued.clear()
                self._start()
                await self._box.queued.wait()
        finally:
            ticking.cancel()

    async def drain(self, seconds: float) -> None:
        """Deliver what is waiting, as long as a stop may take; the rest goes out after the next start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self._start()
                    if not self._busy:
                        return
                    await asyncio.wait(self._busy.values(), return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.sleep(0)  # a task that is done leaves `_busy` in a callback of its own

    async def cancel(self) -> None:
        """Stop at once; what was leaving is marked and goes once more after the next start."""
        for task in list(self._busy.values()):
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            await self._sleep(LOOK_AGAIN)
            if self._astray:
                self._find_again()
            self._box.queued.set()

    def _start(self) -> None:
        for chat_id in self._box.ready(list(self._busy)):
            task = asyncio.get_running_loop().create_task(self._one(chat_id))
            self._busy[chat_id] = task
            task.add_done_callback(partial(self._free, chat_id))

    def _free(self, chat_id: int, done: asyncio.Task[None]) -> None:
        self._busy.pop(chat_id, None)
        if not done.cancelled() and done.exception() is not None:
            log.error("a letter could not be handled; it goes once more", exc_info=done.exception())
            self._astray = True  # not at once: what broke, a full disk for one, must not be asked in a circle
            return
        self._box.queued.set()

    def _find_again(self) -> None:
        try:
            self._box.recover(list(self._busy))
        except Exception:
            log.exception("letters that were leaving cannot be looked after; again shortly")
        else:
            self._astray = False

    async def _one(self, chat_id: int) -> None:
        await self._turn(chat_id)
        letter = self._pick(chat_id)
        if letter is None:
            return
        self._box.sending(letter)
        try:
            outcome = await self._deliver(letter)
        except Exception as error:
            log.exception("a letter broke while it was made or sent", row=letter.id, kind=letter.kind)
            outcome = MaybeDelivered(type(error).__name__)
        await self._settle(letter, outcome)

    async def _turn(self, chat_id: int) -> None:
        """Wait for this chat's turn, then for everybody's; what is most urgent is looked for only after that."""
        pace = self._per_chat.get(chat_id)
        if pace is None:
            pace = self._per_chat[chat_id] = SendRate(*(PER_GROUP if chat_id < 0 else PER_CHAT), self._clock)
        for one in (pace, self._overall):
            if (seconds := one.turn()) > 0:
                await self._sleep(seconds)

    def _pick(self, chat_id: int) -> OutboxMessage | None:
        while (letter := self._box.next(chat_id)) is not None:
            ring = self._manners.ring(letter)
            if letter.kind == "card" and self._box.newer_card(letter):
                self._box.sent(letter, None)  # the newer one shows the same order, later
            elif ring is Ring.OFF:
                self._box.withhold(letter, listed=self._manners.listed(chat_id))
            else:
                return replace(letter, silent=ring is Ring.SILENT)
        return None

    async def _settle(self, letter: OutboxMessage, outcome: Outcome) -> None:
        faults = self._faults.pop(letter.chat_id, 0)
        match outcome:
            case Delivered(message_id):
                self._box.sent(letter, message_id)
            case Undeliverable(why):
                log.warning("undeliverable", chat=letter.chat_id, kind=letter.kind, why=why)
                self._box.failed(letter, why)
            case ChatBlocked(why):
                log.warning("the chat refuses us", chat=letter.chat_id, why=why)
                self._box.stopped(letter, why)
            case MaybeDelivered():
                self._box.doubt(letter)
                await self._until_reachable()
            case RetryLater(seconds, _):
                self._box.again(letter)
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
        await self._sleep(seconds if seconds is not None else min(0.5 * 2 ** min(faults, 10), SLOWEST))
