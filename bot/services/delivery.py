"""Sends what waits in the outbox: in order within a chat, chats beside each other, within Telegram's limits.

A message goes out twice at most, the second time marked as a possible repeat.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import count

import structlog

from bot.chat.transport.sender import ChatBlocked, Delivered, MaybeDelivered, Outcome, RetryLater, Undeliverable
from bot.orders.access.preferences import Ring
from bot.services.delivery_policy import DeliveryPolicy
from bot.store.database import is_storage_fault
from bot.store.outbox import Outbox, OutboxMessage
from kis.backoff import backoff

log = structlog.get_logger(__name__)

OVERALL_RATE = (5, 20.0)
"""Burst, and messages a second after it, over all chats: never more than 25 in a second (Telegram allows 30)."""
CHAT_RATE = (20, 1.0)
"""A short burst, then one a second, which is what Telegram allows for one chat."""
GROUP_RATE = (5, 0.25)
"""Never more than 20 in a minute, which is what Telegram allows for a group."""
FIRST_BACKOFF, MAX_BACKOFF = 0.5, 30.0
POLL_INTERVAL = 1.0
"""Seconds between readings of the outbox without a wake-up: another process may have written a message."""


class SendRate:
    """A burst, then a steady rate: at most `burst` + `rate` x t turns in any t seconds."""

    def __init__(self, burst: int, rate: float, clock: Callable[[], float]) -> None:
        """`rate`: turns a second; `clock`: monotonic seconds."""
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
    """One message at a time per chat, chats beside each other."""

    def __init__(
        self,
        outbox: Outbox,
        policy: DeliveryPolicy,
        deliver: Callable[[OutboxMessage], Awaitable[Outcome]],
        reachable: Callable[[], Awaitable[bool]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`clock`: the seconds by which `sleep` sleeps; by default the event loop's."""
        self._outbox = outbox
        self._policy = policy
        self._deliver = deliver
        self._reachable = reachable
        self._sleep = sleep
        self._clock = clock or asyncio.get_running_loop().time
        self._overall_rate = SendRate(*OVERALL_RATE, self._clock)
        self._chat_rates: dict[int, SendRate] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._failures: dict[int, int] = {}
        """Refusals in a row, by chat."""
        self._recovery_due = False
        """An internal error left a message marked as being sent."""

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._outbox.recover(list(self._busy))
        ticking = asyncio.get_running_loop().create_task(self._tick())
        try:
            while True:
                self._outbox.queued.clear()
                self._start()
                await self._outbox.queued.wait()
        finally:
            ticking.cancel()

    async def drain(self, seconds: float) -> None:
        """Deliver what is waiting for so long at most; the rest goes out after the next start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self._start()
                    if not self._busy:
                        return
                    await asyncio.wait(self._busy.values(), return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.sleep(0)  # a task that is done leaves `_busy` in a callback of its own

    async def cancel(self) -> None:
        """Stop at once; what was being sent stays marked and goes out again after the next start."""
        for task in list(self._busy.values()):
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            await self._sleep(POLL_INTERVAL)
            if self._recovery_due:
                self._recover()
            self._outbox.queued.set()

    def _start(self) -> None:
        for chat_id in self._outbox.ready(list(self._busy)):
            task = asyncio.get_running_loop().create_task(self._send_next(chat_id))
            self._busy[chat_id] = task
            task.add_done_callback(partial(self._free, chat_id))

    def _free(self, chat_id: int, done: asyncio.Task[None]) -> None:
        self._busy.pop(chat_id, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            if not is_storage_fault(error):
                log.error("a message could not be handled; it is sent again", exc_info=error)
            self._recovery_due = True  # at the next tick: a full disk, say, is not tried again in a busy loop
            return
        self._outbox.queued.set()

    def _recover(self) -> None:
        try:
            self._outbox.recover(list(self._busy))
        except Exception as error:
            if not is_storage_fault(error):
                log.exception("messages being sent cannot be recovered; tried again shortly")
        else:
            self._recovery_due = False

    async def _send_next(self, chat_id: int) -> None:
        await self._wait_for_turn(chat_id)
        message = self._pick(chat_id)
        if message is None:
            return
        self._outbox.sending(message)
        try:
            outcome = await self._deliver(message)
        except Exception as error:
            log.exception("a message failed while it was rendered or sent", row=message.id, kind=message.kind)
            outcome = MaybeDelivered(type(error).__name__)
        while True:
            try:
                await self._settle(message, outcome)
            except Exception as error:
                if not is_storage_fault(error):
                    raise
                await self._sleep(POLL_INTERVAL)  # the chat stays busy: what was sent is not sent once more
            else:
                return

    async def _wait_for_turn(self, chat_id: int) -> None:
        """Wait for this chat's rate, then for the overall one; the most urgent message is chosen only after that."""
        rate = self._chat_rates.get(chat_id)
        if rate is None:
            rate = self._chat_rates[chat_id] = SendRate(*(GROUP_RATE if chat_id < 0 else CHAT_RATE), self._clock)
        for one in (rate, self._overall_rate):
            if (seconds := one.turn()) > 0:
                await self._sleep(seconds)

    def _pick(self, chat_id: int) -> OutboxMessage | None:
        while (message := self._outbox.next(chat_id)) is not None:
            ring = self._policy.ring(message)
            if message.kind == "card" and self._outbox.newer_card(message):
                self._outbox.sent(message, None)  # the newer one shows the same order, later
            elif ring is Ring.OFF:
                self._outbox.withhold(message, listed=self._policy.listed(chat_id))
            else:
                return replace(message, silent=ring is Ring.SILENT)
        return None

    async def _settle(self, message: OutboxMessage, outcome: Outcome) -> None:
        failures = self._failures.pop(message.chat_id, 0)
        match outcome:
            case Delivered(message_id):
                self._outbox.sent(message, message_id)
            case Undeliverable(why):
                self._outbox.failed(message, why)
                log.warning("undeliverable", chat=message.chat_id, kind=message.kind, why=why)
            case ChatBlocked(why):
                self._outbox.stopped(message, why)
                log.warning("the chat refuses us", chat=message.chat_id, why=why)
            case MaybeDelivered():
                self._outbox.doubt(message)
                await self._until_reachable()
            case RetryLater(seconds, _):
                self._outbox.again(message)
                self._failures[message.chat_id] = failures + 1
                if seconds is None:
                    seconds = backoff(failures, first=FIRST_BACKOFF, most=MAX_BACKOFF)
                await self._sleep(seconds)  # the chat stays busy meanwhile, which keeps its order

    async def _until_reachable(self) -> None:
        """A possible repeat goes out only once Telegram answers again, so that an outage makes one and not many."""
        for failures in count():
            await self._sleep(backoff(failures, first=FIRST_BACKOFF, most=MAX_BACKOFF))
            if await self._reachable():
                return
