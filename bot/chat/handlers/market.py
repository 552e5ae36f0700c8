"""Looking at the market: /price, /book, /top, /index."""

import re
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

from bot.chat import keyboards
from bot.chat.i18n.catalogue import MessageIds, reason
from bot.chat.i18n.formatting import arrow, large_won, percent, rough_shares, safe, signed, won
from bot.chat.i18n.frame import Frame
from bot.chat.parsing.order_args import split_stock
from bot.chat.ports import BrokerReads, StockLookup
from bot.chat.types import Button, Reply, Request
from kis.errors import Unsupported
from kis.models import Quote
from kis.symbols import Stock

MOST_RANKED = 30
"""What KIS lists."""
USUAL_RANKED = 10
BOOK_LINES = 5
BAR = 8
"""Blocks of the widest bar in an order book."""
MAX_BUTTON_DATA = 64
"""Bytes of data that Telegram lets a button carry."""
_WARNINGS: MessageIds[str] = {"caution": "caution", "warning": "warning", "risk": "risk"}
INDICES: MessageIds[str] = {"0001": "KOSPI", "1001": "KOSDAQ", "2001": "KOSPI 200"}


@dataclass(frozen=True)
class MarketHandlers:
    """Handlers that read the market and change nothing."""

    broker: BrokerReads
    symbols: StockLookup
    frame: Frame

    def which(
        self, words: str, command: str, ends: Container[str] = ()
    ) -> tuple[Stock | None, list[str], Reply | None]:
        """The stock that the words name, what follows it, and the question to ask back when it is not one stock.

        `ends`: words, in small letters, that may follow a stock's name in this command.
        """
        stock, named, rest = split_stock(words, self.symbols, ends)
        question = None if stock is not None else ask_which(named, command, " ".join(rest), self.symbols, self.frame)
        return stock, rest, question

    async def price(self, request: Request) -> Reply | None:
        """/price 종목: one stock now."""
        return await self._of_one(request, "/price", self._price)

    async def book(self, request: Request) -> Reply | None:
        """/book 종목: its order book."""
        return await self._of_one(request, "/book", self._book)

    async def _of_one(self, request: Request, command: str, show: Callable[[Stock], Awaitable[Reply]]) -> Reply | None:
        stock, _, question = self.which(request.words, command)
        return question if stock is None else await show(stock)

    async def _price(self, stock: Stock) -> Reply:
        frame, lang = self.frame, self.frame.lang
        quote = await self.broker.price(stock.code)
        lines = [
            f"<b>{safe(stock.name, 20)}</b> <code>{stock.code}</code> · {stock.market}{' ETF' if stock.etf else ''} {frame.badge}",
            f"<b>{won(quote.price, lang)}</b> {arrow(quote.change)} {signed(quote.change)} ({percent(quote.change_rate)})",
        ]
        if quote.open:
            lines.append(
                f"{frame.text('open')} {quote.open:,} · {frame.text('high')} {quote.high:,} · "
                f"{frame.text('low')} {quote.low:,}"
            )
        lines += [
            f"{frame.text('volume')} {quote.volume:,} · {frame.text('value')} {large_won(quote.value, lang)}",
            f"{frame.text('upper')} {quote.upper_limit:,} · {frame.text('lower')} {quote.lower_limit:,} · "
            f"{frame.text('tick')} {quote.tick:,}",
            *_flags(quote, frame),
            frame.as_of(quote.at),
        ]
        return Reply("\n".join(lines), keyboards.of_quote(stock.code, lang))

    async def _book(self, stock: Stock) -> Reply:
        frame = self.frame
        book = await self.broker.order_book(stock.code)
        asks, bids = book.asks[:BOOK_LINES], book.bids[:BOOK_LINES]
        widest = max((level.quantity for level in (*asks, *bids)), default=1)
        rows = [_book_row("🔵", level.price, level.quantity, widest) for level in reversed(asks)]
        rows += [_book_row("🔴", level.price, level.quantity, widest) for level in bids]
        head = f"📊 <b>{safe(stock.name, 20)}</b> <code>{stock.code}</code> {frame.badge}"
        totals = f"{frame.text('asks')} {book.total_ask:,} · {frame.text('bids')} {book.total_bid:,}"
        table = "\n".join(rows) or frame.text("The book is empty.")
        text = f"{head}\n<pre>{table}</pre>\n{totals}\n{frame.as_of(book.at)}"
        return Reply(text, keyboards.of_book(stock.code, frame.lang))

    async def top(self, request: Request) -> Reply | None:
        """/top [n]: the volume ranking."""
        frame, lang = self.frame, self.frame.lang
        said = re.fullmatch(r"\d{1,9}", request.words, re.ASCII)
        count = min(max(int(said[0]), 1), MOST_RANKED) if said else USUAL_RANKED
        try:
            ranked = await self.broker.volume_rank(count)
        except Unsupported:
            return Reply(frame.text("KIS offers no volume ranking on paper accounts. /price shows any single stock."))
        lines = [f"🏆 <b>{frame.text('Top volume')} {len(ranked)}</b> {frame.badge}"]
        lines += [
            f"{row.rank}. {safe(row.name, 20)} {row.price:,} {arrow(row.change)}{percent(row.change_rate)} · {rough_shares(row.volume, lang)}"
            for row in ranked
        ]
        first = tuple(Button(f"{row.rank}. {row.name}", f"/price {row.code}") for row in ranked[:4])
        return Reply("\n".join(lines), (first[:2], first[2:], (keyboards.refresh(f"/top {count}", lang),)))

    async def index(self, request: Request) -> Reply | None:  # noqa: ARG002  # every handler is asked
        """/index: KOSPI, KOSDAQ and KOSPI 200."""
        frame = self.frame
        lines = [f"📉 <b>{frame.text('Indices')}</b> {frame.badge}"]
        for code, names in INDICES.items():
            now = await self.broker.index(code)
            lines.append(
                f"<b>{frame.text(names)}</b> {now.value:,.2f} {arrow(now.change)} {signed(now.change)} ({percent(now.change_rate)})"
            )
            if now.advancing or now.declining:  # paper accounts are not told
                lines.append(
                    f"   {frame.text('up')} {now.advancing:,} · {frame.text('flat')} {now.unchanged:,} · "
                    f"{frame.text('down')} {now.declining:,}"
                )
        lines.append(frame.as_of(now.at))
        return Reply("\n".join(lines), ((keyboards.refresh("/index", frame.lang),),))


def ask_which(named: str, command: str, rest: str, symbols: StockLookup, frame: Frame) -> Reply:
    """The question which of the stocks is meant whose names begin with `named` or hold it."""
    if not len(symbols):
        return Reply(reason("NO_TABLE", {}, frame.lang))
    fits = [
        one for one in symbols.search(named, limit=10) if len(f"{command} {one.code} {rest}".encode()) <= MAX_BUTTON_DATA
    ]  # fmt: skip
    if not fits:
        return Reply(reason("NO_STOCK", {"text": named[:20]}, frame.lang))
    return Reply(frame.text("'{text}' — which one?", text=named[:20]), keyboards.stocks(fits, command, rest))


def _book_row(mark: str, price: int, quantity: int, widest: int) -> str:
    bar = "█" * max(1, round(BAR * quantity / widest)) if quantity else ""
    return f"{mark} {price:>9,} {quantity:>9,} {bar}"


def _flags(quote: Quote, frame: Frame) -> list[str]:
    found: list[str] = []
    if quote.halted:
        found.append(frame.text("⛔ halted"))
    if quote.vi:
        found.append(frame.text("⚡ volatility interruption"))
    if quote.warning.value in _WARNINGS:
        found.append(f"⚠️ {frame.text(_WARNINGS[quote.warning.value])}")
    return [" · ".join(found)] if found else []
