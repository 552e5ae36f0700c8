"""People with a phone: they look, order, agree, cancel, set alerts and mistype, through the chat alone."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from bot.chat.handlers.commands import COMMANDS
from bot.demo.telegram import ChatMessage, ChatUser, LocalTelegram
from bot.orders.access.roles import Role
from kis.krx import step
from kis.sim.exchange.exchange import Exchange
from kis.sim.exchange.orders import API_CHANNEL, Action

FROM, UNTIL = time(8, 35), time(15, 50)
"""People begin before the market and end after it."""
BETWEEN = 240.0
"""Seconds between two things a person does, on average."""
ANSWER = 60.0
"""Seconds a person waits before they call it silence."""
LOOKS = (
    "{name}", "/price {name}", "/book {code}", "/top", "/index", "/balance", "/balance", "/orders", "/orders", "/status",
    "/alerts", "/policy", "/limits", "/help", "/start", "/why", "/watch", "/watch {name}", "/pnl", "/pnl week", "/fills",
    "/chart {code}", "/settings", "/audit 5",
)  # fmt: skip
"""What people look at, as far as the bot has such a command."""
MISTAKES = (
    "/buy 삼성전자 -3",
    "/buy 없는종목 1",
    "안녕",
    "/cancel 999",
    "/sell 005930 열주",
    "/alert 005930",
    "/revise 1 2",
)
BIG = 0.12
"""Share of orders above what goes out without another's consent."""


@dataclass
class Town:
    """What all people have in common.

    Attributes:
        excused: whether an answer may be missing now, because Telegram is away.
        counts: what people did.
        refused: why there was no ticket, by the first line of the answer.
        silent: what was never answered, and when.
    """

    telegram: LocalTelegram
    exchange: Exchange
    clock: Callable[[], datetime]
    excused: Callable[[], bool]
    codes: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)


class Guest:
    """One of them."""

    def __init__(self, town: Town, person: ChatUser, role: Role, seed: str) -> None:
        self.person = person
        self.role = role
        self._town = town
        self._chance = random.Random(seed)
        self._looks = [one for one in LOOKS if self._may(one)]
        self._read_to = 0
        self._resuming = False

    def _may(self, words: str) -> bool:
        if not words.startswith("/"):
            return True
        word = words[1:].split(maxsplit=1)[0]
        return any(word in {one.name, one.korean} and self.role.covers(one.role) for one in COMMANDS)

    # --- a day --------------------------------------------------------------------------------------------------------

    async def day(self) -> None:
        """From before the market until after it."""
        now = self._town.clock()
        begins = datetime.combine(now.date(), FROM, now.tzinfo) + timedelta(minutes=self._chance.uniform(0, 30))
        ends = datetime.combine(now.date(), UNTIL, now.tzinfo)
        await asyncio.sleep(max(0.0, (begins - now).total_seconds()))
        minding = asyncio.create_task(self._mind())
        try:
            while self._town.clock() < ends:
                await self._act()
                await asyncio.sleep(self._chance.expovariate(1 / BETWEEN))
        finally:
            minding.cancel()
            await asyncio.gather(minding, return_exceptions=True)

    async def _act(self) -> None:
        acts: dict[Callable[[], Awaitable[None]], int] = {self._look: 40, self._alert: 4, self._mistake: 3}
        if self.role.covers(Role.TRADER):
            acts |= {self._order: 38, self._cancel: 10, self._revise: 5}
        if self.role is Role.ADMIN:
            acts[self._halt] = 1
        (act,) = self._chance.choices(list(acts), list(acts.values()))
        await act()

    async def say(self, words: str, fits: Callable[[ChatMessage], bool] = lambda _: True) -> ChatMessage | None:
        """Send something and wait for what fits; None if nothing did, and silence is noted."""
        town = self._town
        town.counts["messages"] += 1
        excused, before = town.excused(), town.telegram.revision
        await town.telegram.send(self.person.id, words)
        try:
            return await town.telegram.wait(self.person.id, fits, after=before, timeout=ANSWER)
        except TimeoutError:
            heard = any(one.sender == "bot" for one in town.telegram.since(self.person.id, before))
            if not heard and not excused and not town.excused():
                town.silent.append(f"{town.clock():%a %H:%M:%S} {words}")
            return None

    async def _tap(self, message: ChatMessage, label: str) -> bool:
        town = self._town
        excused = town.excused()
        try:
            result = await town.telegram.tap(self.person.id, message.message_id, label, timeout=ANSWER)
        except LookupError:
            return False  # the card has changed meanwhile
        town.counts["taps"] += 1
        if not result.answered and not excused and not town.excused():
            town.silent.append(f"{town.clock():%a %H:%M:%S} [{label}]")
        return True

    # --- what people do -----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        code = self._chance.choice(self._town.codes)
        name = self._town.exchange.issues[code].listing.name
        await self.say(self._chance.choice(self._looks).format(code=code, name=name))

    async def _halt(self) -> None:
        """Somebody has had enough; the owner will let go."""
        self._town.counts["halts"] += 1
        await self.say("/halt 매수")

    async def _mistake(self) -> None:
        await self.say(self._chance.choice(MISTAKES))

    async def _alert(self) -> None:
        code = self._chance.choice(self._town.codes)
        last = self._town.exchange.issues[code].last
        ticks = self._chance.choice((-4, -2, 2, 4))
        again = self._chance.choice(("", "", " 반복", " 오늘"))
        await self.say(f"/alert {code} {'>' if ticks > 0 else '<'} {step(last, ticks)}{again}")

    async def _order(self) -> None:
        chance, exchange = self._chance, self._town.exchange
        code = chance.choice(self._town.codes)
        issue = exchange.issues[code]
        owned = exchange.ledger.sellable(code)
        sells = owned > 0 and chance.random() < 0.5
        worth = chance.uniform(1_000_000, 4_000_000) if chance.random() < BIG else chance.uniform(20_000, 900_000)
        quantity = max(1, int(worth / issue.last))
        quantity = min(quantity, owned) if sells else quantity
        better = chance.choice((0, 1, 1, 2, 3, 6))
        price = step(issue.last, better if sells else -better, etf=issue.listing.etf)
        words = "시장가" if chance.random() < 0.25 else str(price)
        await self._ticket(f"/{'sell' if sells else 'buy'} {code} {quantity} {words}")

    async def _ticket(self, words: str) -> None:
        """Ask for a ticket, and mostly confirm it."""
        before = self._town.telegram.revision
        ticket = await self.say(words, _has("확인"))
        if ticket is None:
            answers = [one for one in self._town.telegram.since(self.person.id, before) if one.sender == "bot"]
            self._town.refused[answers[0].text.splitlines()[0][:60] if answers else "(no answer)"] += 1
            return
        self._town.counts["tickets"] += 1
        await asyncio.sleep(self._chance.uniform(1, 12))
        fate = self._chance.random()
        if fate > 0.93:
            return  # put away the phone
        if not await self._tap(ticket, "취소" if fate > 0.88 else "확인"):
            return
        await asyncio.sleep(self._chance.uniform(1, 4))
        again = next(
            (one for one in self._town.telegram.chat(self.person.id) if one.message_id == ticket.message_id), None
        )
        if again is not None and _has("그래도")(again) and fate < 0.7:
            await self._tap(again, "그래도")

    def _working(self) -> list[tuple[str, int, bool]]:
        """Number, price and whether a fund, of orders that were given through the bot."""
        exchange = self._town.exchange
        return [
            (one.number, one.price, exchange.issues[one.code].listing.etf)
            for one in exchange.open_orders()
            if one.channel == API_CHANNEL and one.action is not Action.CANCEL
        ]

    async def _cancel(self) -> None:
        working = self._working()
        number = self._chance.choice(working)[0] if working else ""
        listed = await self.say(f"/cancel {number}".strip())
        if listed is not None and not number and listed.buttons:
            await self._tap(listed, listed.buttons[0][0].text)

    async def _revise(self) -> None:
        working = [one for one in self._working() if one[1]]
        if working:
            number, price, etf = self._chance.choice(working)
            await self._ticket(f"/revise {number} {step(price, self._chance.choice((-1, 1)), etf=etf)}")

    # --- what people are asked ----------------------------------------------------------------------------------------

    async def _mind(self) -> None:
        """Read what comes: agree or refuse, and resume trading."""
        while True:
            await asyncio.sleep(self._chance.uniform(15, 45))
            now = self._town.telegram.revision
            news = self._town.telegram.since(self.person.id, self._read_to) if now != self._read_to else []
            self._read_to = now
            for message in {one.message_id: one for one in reversed(news)}.values():
                if _has("승인")(message):
                    await self._tap(message, "거절" if self._chance.random() < 0.1 else "승인")
                    self._town.counts["votes"] += 1
                elif _has("동의")(message):
                    await self._tap(message, "동의")
                    self._town.counts["releases"] += 1
                elif self.role is Role.OWNER and message.text[:1] in "🔴🟡" and "→" in message.text:
                    await self._let_go()

    async def _let_go(self) -> None:
        """Trading is halted: after a look at what is the matter it is resumed."""
        await self.say("/status")
        await asyncio.sleep(self._chance.uniform(30, 120))
        self._town.counts["resumes"] += 1
        await self.say("/resume")


def _has(label: str) -> Callable[[ChatMessage], bool]:
    return lambda message: any(label in key.text and key.data for row in message.buttons for key in row)
