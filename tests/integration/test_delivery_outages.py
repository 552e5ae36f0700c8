"""Outbox to chat in any weather: whatever becomes of each letter, and whenever the program is killed."""

import asyncio
from collections import Counter
from datetime import timedelta

import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from bot.chat.transport.sender import ChatBlocked, Delivered, MaybeDelivered, RetryLater, Undeliverable
from bot.services.delivery import Delivery
from bot.store.migrations.registry import MIGRATIONS
from bot.store.outbox import Outbox
from tests.support.databases import memory_connection
from tests.support.outbox import delivery_policy
from tests.support.telegram_wire import START

CHATS = (1, 2)


class AnyWeather:
    """An outbox and its delivery in time that jumps, and chats that see what is really delivered."""

    def __init__(self, fates):
        self.fates, self.seconds, self.seen = list(fates), 0.0, []
        self.db = Database(memory_connection(), execute_plugins=False)
        MIGRATIONS.apply(self.db)
        self.db.execute("PRAGMA synchronous = OFF")
        self.box = Outbox(self.db, lambda: START + timedelta(seconds=self.seconds))
        self.killed = asyncio.Event()
        self.start()

    def start(self):
        self.killed.clear()
        policy = delivery_policy(self.db, lambda: START)
        self.delivery = Delivery(self.box, policy, self.deliver, self.reachable, self.sleep, lambda: self.seconds)
        self.work = asyncio.create_task(self.delivery.run())

    async def stop(self):
        self.work.cancel()
        await asyncio.wait([self.work])
        await self.delivery.cancel()

    async def sleep(self, seconds):
        self.seconds += seconds
        await asyncio.sleep(0)

    async def reachable(self):
        return True

    async def deliver(self, message):
        await asyncio.sleep(0)
        fate = self.fates.pop() if self.fates else "delivered"
        if fate in {"delivered", "doubled", "killed late"}:
            self.seen.append((message, len(self.seen)))
        match fate:
            case "delivered":
                return Delivered(len(self.seen))
            case "held":
                return RetryLater(None, "")
            case "flooded":
                return RetryLater(7, "")
            case "refused":
                return Undeliverable("")
            case "blocked":
                return ChatBlocked("")
            case "broken":
                raise KeyError
            case "killed early" | "killed late":
                self.killed.set()
                await asyncio.Event().wait()
        return MaybeDelivered("")  # doubled, lost

    async def turn(self, times=1):
        for _ in range(times):
            await asyncio.sleep(0)
            if self.killed.is_set():
                await self.stop()
                self.start()

    def unsettled(self):
        return self.db.execute(
            "SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending', 'given_up')"
        ).fetchone()[0]


FATES = [
    "delivered",
    "doubled",
    "lost",
    "held",
    "flooded",
    "refused",
    "blocked",
    "broken",
    "killed early",
    "killed late",
]
STEP = st.one_of(
    st.tuples(st.just("fill"), st.integers(1, 2), st.integers(1, 8)),
    st.tuples(st.sampled_from(["ended", "reply", "trouble", "absent"]), st.integers(1, 2), st.just(1)),
    st.tuples(st.just("turn"), st.just(0), st.integers(1, 12)),
    st.tuples(st.just("kill"), st.just(0), st.just(1)),
)


async def any_weather(steps, fates):
    with structlog.testing.capture_logs():
        on = AnyWeather(fates)
        numbers = Counter()
        for what, order_id, times in steps:
            if what == "turn":
                await on.turn(times)
            elif what == "kill":
                await on.stop()
                on.start()
            elif what == "fill":
                for chat in CHATS:
                    for number in range(numbers[order_id] + 1, numbers[order_id] + times + 1):
                        on.box.put("fill", chat, {"order": order_id, "filled": number}, f"{order_id}:{number}:{chat}")
                numbers[order_id] += times
            else:
                for chat in CHATS:
                    on.box.put(what, chat, {"order": order_id, "code": what, "text": what})
        for _ in range(5000):
            if not on.unsettled():
                break
            on.seconds += 60
            await on.turn()
        assert not on.unsettled(), "everything ends"
        await on.stop()
        return on


@example(
    [("fill", 1, 1), ("fill", 1, 1), ("turn", 0, 2), ("fill", 1, 1), ("fill", 1, 1)],
    ["doubled", "delivered", "delivered", "doubled"],
)
@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=12), st.lists(st.sampled_from(FATES), max_size=40))
def test_in_any_weather_every_fill_is_told_at_most_twice_and_in_order(steps, fates):
    on = asyncio.run(any_weather(steps, fates))

    states = dict(on.db.execute("SELECT id, state FROM outbox WHERE kind = 'fill'"))
    assert set(states.values()) <= {"sent", "digested"}
    copies, in_digest, newest = Counter(), set(), Counter()
    for message, _ in on.seen:
        if message.kind == "digest":
            in_digest |= {one.id for one in message.parts}
            continue
        for row in message.rows:
            copies[row] += 1
            assert copies[row] == 1 or message.resent, "a second copy says so"
            assert copies[row] <= 2
        if message.kind == "fill":
            assert message.data["filled"] >= newest[message.chat_id, message.order_id]
            newest[message.chat_id, message.order_id] = message.data["filled"]
    for row, state in states.items():
        assert row in in_digest or (state == "sent" and copies[row]), "nothing is lost"
    on.db.close()
