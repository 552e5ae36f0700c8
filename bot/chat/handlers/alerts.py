"""/alert: be told of a price, a move, a volume, or of what happens to one's holdings."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import ROUND_CEILING

from bot.alerts.model import VOLUME_DAYS, Alert, AlertKind, AlertState, Comparison, Repeat, moved
from bot.chat.handlers.market import ask_which
from bot.chat.i18n.catalogue import msgid
from bot.chat.i18n.formatting import percent, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.alert_messages import list_card, made_card
from bot.chat.parsing.alert_args import (
    DELETE,
    HOLDINGS,
    AlertArgs,
    normalised,
    parse_alert_args,
    parse_holdings_args,
    sentence,
    split_condition,
)
from bot.chat.parsing.order_args import BadArguments, split_stock
from bot.chat.ports import AlertBook, BrokerReads, StockLookup
from bot.chat.types import Reply, Request
from bot.orders.hours import TradingHours
from kis.krx import KST
from kis.models import Quote
from kis.symbols import Stock

USUAL_DAYS = 30
"""How long an alert lasts if nothing is said."""
_BARS_BACK = timedelta(days=45)
"""Calendar days that surely hold so many trading days."""


@dataclass(frozen=True)
class AlertHandlers:
    """The handlers of /alert and /alerts."""

    book: AlertBook
    broker: BrokerReads
    symbols: StockLookup
    hours: TradingHours
    frame: Frame
    clock: Callable[[], datetime]
    most: int
    """Alerts that one person may have."""

    async def alerts(self, request: Request) -> Reply | None:
        """/alerts: the list."""
        return self._list(request)

    async def alert(self, request: Request) -> Reply | None:
        """/alert [종목 조건 | 보유 비율 | 삭제 번호]."""
        words = normalised(request.words)
        head, _, rest = words.partition(" ")
        if not words:
            return self._list(request)
        try:
            if head.lower() in DELETE:
                return self._delete(request, rest)
            if head.lower() in HOLDINGS:
                return self._holdings(request, parse_holdings_args(rest.split()))
            stock, _, parts = split_stock(words, self.symbols)
            if stock is None:
                named, rest = split_condition(words)
                return ask_which(named, "/alert", rest, self.symbols, self.frame)
            return await self._on_stock(request, stock, parse_alert_args(parts))
        except BadArguments as bad:
            return Reply(f"🚫 {sentence(bad.reason.code, bad.reason.values, self.frame.lang)}")

    def _list(self, request: Request, head: str = "") -> Reply:
        return list_card(self.book.of(request.actor.user_id), self.most, self.frame, head)

    def _delete(self, request: Request, word: str) -> Reply:
        known = re.fullmatch(r"#?(\d{1,15})", word, re.ASCII)
        if known is None or not self.book.delete(request.actor.user_id, int(known[1])):
            head = sentence("ALERT_GONE", {"word": word[:20]}, self.frame.lang)
            return self._list(request, f"🚫 {head}")
        return self._list(request, self.frame.text("🗑 alert #{number} deleted", number=known[1]))

    def _holdings(self, request: Request, words: AlertArgs) -> Reply:
        alert = replace(self._new(request, words, AlertKind.HOLDINGS, 1), again=Repeat.DAILY)
        note = self.frame.text("Moves and limits once a day for each stock, halts and VI whenever they are seen.")
        return self._add(alert, None, [note, *self._closed_note()])

    async def _on_stock(self, request: Request, stock: Stock, words: AlertArgs) -> Reply:
        self._expiry(words)  # refuses before the broker is asked
        quote = await self.broker.price(stock.code)
        if not quote.price:
            raise BadArguments("ALERT_NO_QUOTE", name=stock.name)
        if words.factor is not None:
            alert = await self._volume(request, stock, words)
        elif words.percent is not None and words.from_close:
            line = moved(quote.base_price or quote.price, words.percent)
            alert = self._of_stock(request, stock, words, AlertKind.MOVE, line, quote.base_price)
        elif words.percent is not None:
            line = moved(quote.price, words.percent)
            alert = self._of_stock(request, stock, words, AlertKind.PRICE, line, quote.price)
        else:
            alert = self._of_stock(request, stock, _sided(words, quote.price), AlertKind.PRICE, words.price or 0, 0)
        value = quote.volume if alert.kind is AlertKind.VOLUME else quote.price
        if (alert.kind is AlertKind.PRICE or alert.day is not None) and alert.past(value):
            alert = replace(alert, state=AlertState.BEYOND)
        return self._add(alert, quote, self._notes(alert, quote))

    async def _volume(self, request: Request, stock: Stock, words: AlertArgs) -> Alert:
        """Measured in whole days: how much was traded by a minute that nobody looked at cannot be known."""
        today = self.clock().date()
        bars = await self.broker.daily_bars(stock.code, today - _BARS_BACK, today - timedelta(days=1))
        days = [one.volume for one in bars.bars if one.day < today][:VOLUME_DAYS]
        average = sum(days) // len(days) if days else 0
        if not average or words.factor is None:
            raise BadArguments("ALERT_NO_BARS", name=stock.name)
        line = int((average * words.factor).to_integral_value(ROUND_CEILING))
        return self._of_stock(request, stock, words, AlertKind.VOLUME, line, average)

    def _of_stock(
        self, request: Request, stock: Stock, words: AlertArgs, kind: AlertKind, line: int, start: int
    ) -> Alert:
        alert = self._new(request, words, kind, line)
        by_day = kind is not AlertKind.PRICE and self.hours.open(alert.made_at)
        day = alert.made_at.astimezone(KST).date() if by_day else None
        return replace(alert, code=stock.code, name=stock.name, etf=stock.etf, day=day, start=start)

    def _new(self, request: Request, words: AlertArgs, kind: AlertKind, line: int) -> Alert:
        return Alert(
            id=0,
            user_id=request.actor.user_id,
            chat_id=request.actor.chat_id,
            code="",
            name="",
            kind=kind,
            op=words.op or Comparison.AT_LEAST,
            line=line,
            again=Repeat.REPEAT if words.repeat else Repeat.ONCE,
            made_at=self.clock(),
            expires_at=self._expiry(words),
            percent=words.percent,
            factor=words.factor,
            asked=request.update_id,
        )

    def _expiry(self, words: AlertArgs) -> datetime:
        now = self.clock().astimezone(KST)
        if words.days == 0 and not self.hours.open(now) and self.hours.next_open(now).date() != now.date():
            raise BadArguments("ALERT_OVER")
        days = USUAL_DAYS if words.days is None else words.days
        return datetime.combine(now.date() + timedelta(days=days + 1), time(), KST)

    def _add(self, alert: Alert, quote: Quote | None, notes: list[str]) -> Reply:
        made = self.book.add(alert, quote, self.most)
        if made is None:
            raise BadArguments("ALERT_MANY", most=self.most)
        return made_card(made, notes, self.frame)

    def _notes(self, alert: Alert, quote: Quote) -> list[str]:
        frame, lang = self.frame, self.frame.lang
        notes = [f"{frame.text('now')} <b>{won(quote.price, lang)}</b> ({percent(quote.change_rate)})"]
        if alert.state is AlertState.BEYOND:
            notes.append(
                frame.text("⚠️ It is past that already; you will be told when it comes back and crosses again.")
                if alert.kind is not AlertKind.VOLUME
                else frame.text("⚠️ Today's is past that already; it counts from the next trading day.")
            )
        if alert.kind is AlertKind.VOLUME:
            words = msgid("Today's volume so far against the daily average of the {days} trading days before now.")
            notes.append(frame.text(words, days=VOLUME_DAYS))
        elif quote.upper_limit and alert.bound > quote.upper_limit:
            limit = won(quote.upper_limit, lang)
            notes.append(frame.text("⚠️ Outside today's upper limit of {limit}: it cannot fire today.", limit=limit))
        elif quote.lower_limit and alert.bound < quote.lower_limit:
            limit = won(quote.lower_limit, lang)
            notes.append(frame.text("⚠️ Outside today's lower limit of {limit}: it cannot fire today.", limit=limit))
        return [*notes, *self._closed_note()]

    def _closed_note(self) -> list[str]:
        now = self.clock()
        if self.hours.open(now):
            return []
        opens = self.hours.next_open(now).astimezone(KST)
        return [self.frame.text("🌙 The market is closed; watched from {time}.", time=f"{opens:%m/%d %H:%M}")]


def _sided(words: AlertArgs, price: int) -> AlertArgs:
    """A bare price is waited for from where the price is now."""
    if words.op is not None or words.price is None:
        return words
    if words.price == price:
        raise BadArguments("ALERT_HERE", price=f"{price:,}")
    return replace(words, op=Comparison.AT_LEAST if words.price > price else Comparison.AT_MOST)
