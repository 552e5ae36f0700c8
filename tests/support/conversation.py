"""How a test talks to the bot: send, press, wait, and count what reached the broker."""

from datetime import datetime, timedelta
from typing import Any

from bot.demo.run import OWNER, Stage
from bot.demo.telegram import ChatMessage
from tests.support import virtual_time
from tests.support.waiting import PATIENCE, until


class Ahead:
    """The loop's time, moved forward by hand: broker, Telegram and bot are given the same one."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return virtual_time.now() + self._ahead

    def ticks(self) -> float:
        """The same as seconds that are never set back."""
        return virtual_time.ticks() + self._ahead.total_seconds()

    def jump(self, **by: float) -> None:
        """Let time pass at once."""
        self._ahead += timedelta(**by)


async def reread(on: Stage, times: int = 1) -> None:
    """Have the broker's list read so many times, and wait for that."""
    for _ in range(times):
        wanted = on.app.readings + 1
        on.app.parts.report_poll.wake()
        await until(lambda wanted=wanted: on.app.readings >= wanted)


async def reread_for_three_minutes(on: Stage, clock: Ahead) -> None:
    """Have the list read as spread as an absence needs it: in the third minute, and twice after it."""
    for seconds in (140, 41, 3):
        clock.jump(seconds=seconds)
        await reread(on)


FAST: dict[str, Any] = {"kis_min_interval": 0.06, "kisbot_resume_pause": 0, "kis_hts_id": ""}
"""Just under the simulated broker's 18 calls a second."""


async def say(on: Stage, text: str, expect: str, person: int = OWNER.id, within: float = PATIENCE) -> ChatMessage:
    """Send a message and wait for the answer that holds the text."""
    before = on.telegram.revision
    await on.telegram.send(person, text)
    return await on.telegram.wait(person, expect, after=before, timeout=within)


async def press(on: Stage, message: ChatMessage, label: str, expect: str, person: int = OWNER.id) -> ChatMessage:
    """Press a button and wait for what follows."""
    before = on.telegram.revision
    await on.telegram.tap(person, message.message_id, label)
    return await on.telegram.wait(person, expect, after=before, timeout=PATIENCE)


async def settled(on: Stage) -> None:
    """Wait until every update is confirmed and answered and every message is with its reader: nothing more comes of it."""
    under_way = (
        "SELECT 1 FROM inbox WHERE done_at IS NULL UNION SELECT 1 FROM outbox WHERE state IN ('pending', 'sending')"
    )
    await until(lambda: not on.telegram.unread and not on.app.storage.db.execute(under_way).fetchone())


async def bought(on: Stage, words: str = "005930 10 시장가", person: int = OWNER.id) -> ChatMessage:
    """Buy, as far as the broker's order number."""
    ticket = await say(on, f"/buy {words}", "매수 확인", person)
    return await press(on, ticket, "확인", "주문번호", person)


async def confirmed(on: Stage, expect: str, words: str = "005930 1 시장가", within: float = PATIENCE) -> str:
    """Buy, and wait for the card that tells what became of it."""
    ticket = await say(on, f"/buy {words}", "매수 확인")
    before = on.telegram.revision
    await on.telegram.tap(OWNER.id, ticket.message_id, "확인")
    return (await on.telegram.wait(OWNER.id, expect, after=before, timeout=within)).text


def posts(on: Stage, path: str = "order-cash") -> int:
    """Orders that reached the broker."""
    return sum(one.method == "POST" and one.path.endswith(path) for one in on.broker.requests)


def spoken(on: Stage, person: int = OWNER.id) -> list[str]:
    """All that the bot says in a chat, as it stands."""
    return [message.text for message in on.telegram.chat(person) if message.sender == "bot"]
