"""Live watch lists: the one message that shows each person's list, how long it stays live, and when it is redrawn.

A message stays live for a while after its person's last tap, as a bot cannot see who reads. While none is live, no
prices are polled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.chat.messages.watchlist_messages import MAX_STOCKS
from bot.chat.types import WatchlistMode, WatchlistRow, WatchlistView
from bot.orders.hours import TradingHours, prices_move
from bot.services.price_feed import CHECK_INTERVAL, REFRESH_TIMEOUT, PriceFeed, PriceSubscription
from bot.services.trade_feed import MIN_REGISTRATION, interleaved
from bot.store.live_message import LiveMessages
from bot.store.people import People
from bot.store.watchlist import WatchedStock, WatchlistMessage, WatchlistStore
from kis.client import KisClient
from kis.errors import KisError

log = structlog.get_logger(__name__)

REDRAW_INTERVAL = timedelta(seconds=5)
"""Between two updates of one message, unless its person taps: Telegram allows about one change a second in a chat."""
LIVE_FOR = timedelta(minutes=5)
"""So long a message stays live after its person's last tap on it."""
OWED_FOR = timedelta(minutes=1)
"""An update that a person waits for is given up after so long."""
PRICE_INTERVAL = timedelta(seconds=10)
"""A stock that is not streamed is read so often, if the calls suffice."""
SILENCE = timedelta(seconds=60)
"""A streamed stock without a trade for so long is read: trades tell of no halt, and a stream may be dead."""
MAX_OFFERS = 5
"""Stocks that an empty list proposes."""
DEFAULT_OFFER = ("005930", "삼성전자")


@dataclass
class _Live:
    """A person's message, and its state in this run."""

    message: WatchlistMessage
    shown: WatchlistView | None = None
    put_at: datetime | None = None
    owed_since: datetime | None = None
    """Since when an update is owed that its person asked for, or that ends its life."""
    over: bool = False
    stream_until: datetime | None = None
    """A while longer than it is live: KIS blocks who registers again and again."""
    offers: tuple[tuple[str, str], ...] = ()

    def live(self, now: datetime) -> bool:
        """Whether it is kept up to date; a clock that was set back keeps none live for longer."""
        until = self.message.live_until
        return until is not None and timedelta() < until - now <= LIVE_FOR


class LiveWatchlists:
    """Everybody's lists, and the messages that show them."""

    def __init__(
        self,
        store: WatchlistStore,
        messages: LiveMessages,
        prices: PriceFeed,
        client: KisClient,
        hours: TradingHours,
        people: People,
        *,
        clock: Callable[[], datetime],
        calls_per_minute: int,
    ) -> None:
        """`calls_per_minute`: to the broker, for live lists."""
        self._store = store
        self._messages = messages
        self._prices = PriceSubscription(prices, calls_per_minute=calls_per_minute)
        self._client = client
        self._hours = hours
        self._people = people
        self._clock = clock
        self._lists: dict[int, list[WatchedStock]] = {}
        self._served: dict[int, int] = {}
        """By person: the number of the last call for their list."""
        self._calls = 0
        self._broken = False
        self._live = {one.user_id: self._restored(one) for one in store.screens()}

    # --- the lists ----------------------------------------------------------------------------------------------------

    def of(self, user_id: int) -> list[WatchedStock]:
        """A person's list, in the order in which it was made."""
        if user_id not in self._lists:
            self._lists[user_id] = self._store.of(user_id)
        return self._lists[user_id]

    def add(self, user_id: int, stocks: Iterable[tuple[str, str]]) -> list[str]:
        """Put stocks, codes with names, on a list as long as there is room; the codes of those that were added."""
        self._lists.pop(user_id, None)
        return [one.code for one in self._store.add(user_id, [WatchedStock(*one) for one in stocks], MAX_STOCKS)]

    def remove(self, user_id: int, codes: Collection[str]) -> None:
        """Take stocks off a list."""
        self._lists.pop(user_id, None)
        self._store.remove(user_id, codes)

    # --- what people do -----------------------------------------------------------------------------------------------

    async def show(self, user_id: int, letter: str) -> tuple[WatchlistView, int | None]:
        """Show the list in a message of its own, with the outbox key `letter`; it is live if the one before was.

        Returns what it shows, and the message that showed it until now, if there was one.
        """
        one, before = self._of(user_id), None
        if one.message.letter != letter:
            before = self._message_id(one)
            self._move(one, letter=letter)
        await self._load(one)
        one.shown = self._view(one)
        one.owed_since = self._clock() if one.shown.waits else None
        return one.shown, before

    def take(self, user_id: int, message_id: int) -> int | None:
        """The message that was tapped is the one that shows the list; returns the other that did until now, if any."""
        one = self._of(user_id)
        before = self._message_id(one)
        if before != message_id:
            self._move(one, message_id=message_id)
            return before
        if one.live(self._clock()):
            self._extend(one)
        return None

    async def refresh(self, user_id: int) -> None:
        """Redraw the message with prices of this moment, as far as they come in time."""
        one = self._of(user_id)
        one.put_at = self._clock()  # not redrawn meanwhile: its person waits for this
        await self._load(one)
        self._respond(one)

    def live(self, user_id: int) -> bool:
        """Make the message live; False while there is no market, or nothing on the list."""
        one = self._of(user_id)
        may = prices_move(self._hours, self._clock()) and bool(self.of(user_id))
        if may:
            self._extend(one)
        self._respond(one)
        return may

    def pause(self, user_id: int) -> None:
        """Make the message live no longer."""
        one = self._of(user_id)
        self._end(one)
        self._respond(one)

    def edit(self, user_id: int) -> None:
        """Have the buttons take stocks off the list, or no longer."""
        one = self._of(user_id)
        self._keep(one, editing=not one.message.editing)
        self._respond(one)

    async def _load(self, one: _Live) -> None:
        codes = self._codes(one)
        if codes:
            await self._prices.refresh(codes)
            return
        try:
            async with asyncio.timeout(REFRESH_TIMEOUT):
                held = (await self._client.balance()).holdings
        except (KisError, TimeoutError):
            held = ()
        names = {stock.code: stock.name for stock in held[: MAX_OFFERS - 1]}
        one.offers = tuple({**names, DEFAULT_OFFER[0]: DEFAULT_OFFER[1]}.items())

    def _respond(self, one: _Live) -> None:
        """Show what a tap asked for; what cannot be shown yet is shown at a later turn."""
        view = self._view(one)
        put = self._put(one, view, asked=True)
        one.owed_since = self._clock() if view.waits or not put else None

    # --- state of a message -------------------------------------------------------------------------------------------

    def _of(self, user_id: int) -> _Live:
        return self._live.setdefault(user_id, _Live(WatchlistMessage(user_id)))

    def _restored(self, message: WatchlistMessage) -> _Live:
        """After a start: it goes on from what the message showed when the last run ended."""
        one = _Live(message)
        try:
            last = WatchlistView.model_validate(self._messages.last(message.user_id) or {})
        except ValueError:
            return one
        if last.message_id != message.message_id:
            return one
        one.shown, one.offers = last, last.offers
        if message.live_until is not None:
            one.stream_until = message.live_until + MIN_REGISTRATION
            self._prices.restore({row.code: row.seen for row in last.rows if row.seen is not None})
        elif last.mode is WatchlistMode.LIVE:  # its end was written down, but not shown any more
            one.over, one.owed_since = True, self._clock()
        return one

    def _message_id(self, one: _Live) -> int | None:
        message = one.message
        if message.message_id is None and message.letter is not None:
            found = self._messages.message_of(message.letter)
            if found is not None:
                self._keep(one, message_id=found)
        return one.message.message_id

    def _move(self, one: _Live, *, letter: str | None = None, message_id: int | None = None) -> None:
        self._messages.drop(one.message.user_id)
        one.shown = one.put_at = None
        self._keep(one, letter=letter, message_id=message_id, editing=False)
        if one.live(self._clock()):
            self._extend(one)

    def _extend(self, one: _Live) -> None:
        until = self._clock() + LIVE_FOR
        one.over, one.stream_until = False, until + MIN_REGISTRATION
        self._keep(one, live_until=until)

    def _end(self, one: _Live, *, over: bool = False) -> None:
        one.over, one.stream_until = over, self._clock() + MIN_REGISTRATION
        self._keep(one, live_until=None)

    def _keep(self, one: _Live, **changes: Any) -> None:
        message = one.message._replace(**changes)
        self._store.keep(message)
        one.message = message

    # --- prices -------------------------------------------------------------------------------------------------------

    def _next_call(self, now: datetime) -> Awaitable[bool] | None:
        """Read the stock of a live list that was read longest ago; the lists take turns."""
        lists = {user_id: self._codes(one) for user_id, one in self._live.items() if one.live(now)}
        self._served = {user_id: self._served.get(user_id, 0) for user_id in lists}
        for user_id in sorted(lists, key=lambda user_id: self._served[user_id]):
            due = [
                code
                for code in lists[user_id]
                if self._prices.due(code, now, interval=PRICE_INTERVAL, streamed=SILENCE)
            ]
            if due:
                self._calls += 1
                self._served[user_id] = self._calls
                return self._prices.read(self._prices.by_age(due)[0])
        return None

    def _codes(self, one: _Live) -> list[str]:
        return [stock.code for stock in self.of(one.message.user_id)]

    # --- redrawing ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Redraw what is due, until cancelled."""
        try:
            while True:
                await asyncio.sleep(CHECK_INTERVAL)
                try:
                    self.turn()
                    self._broken = False
                except Exception:
                    if not self._broken:
                        log.exception("watch lists cannot be redrawn; tried again shortly")
                    self._broken = True
        finally:
            self._prices.close()

    def turn(self) -> None:
        """End what is over, read the prices that are due, and redraw the live messages that have changed."""
        now = self._clock()
        for one in self._live.values():
            self._end_if_over(one, now)
        streamed = [one for one in self._live.values() if one.stream_until is not None and now < one.stream_until]
        self._prices.stream(interleaved(map(self._codes, streamed)))
        self._prices.begin_calls(self._next_call)
        for one in self._live.values():
            self._redraw(one, now)

    def _end_if_over(self, one: _Live, now: datetime) -> None:
        """Who is not let in any more is shown nothing."""
        message = one.message
        if message.live_until is None and one.owed_since is None:
            return
        if self._people.get(message.user_id) is None:
            self._messages.drop(message.user_id)
            self._keep(one, live_until=None)
            one.owed_since = one.stream_until = None
        elif message.live_until is None:
            return
        elif message.message_id is not None and self._messages.refused(message.user_id, message.message_id):
            self._end(one)  # there is no such message any more
        elif not (one.live(now) and prices_move(self._hours, now) and self.of(message.user_id)):
            self._end(one, over=True)
            one.owed_since = now

    def _redraw(self, one: _Live, now: datetime) -> None:
        if one.owed_since is not None and not timedelta() <= now - one.owed_since < OWED_FOR:
            one.owed_since = None
        due = one.live(now) and (one.put_at is None or not timedelta() <= now - one.put_at < REDRAW_INTERVAL)
        if not (one.owed_since or due) or self._message_id(one) is None:
            return
        view = self._view(one)
        owed = one.owed_since is not None and not (view.waits and any(map(self._prices.reading, self._codes(one))))
        if not (owed or due):
            return
        same = one.shown is not None and not view.differs(one.shown)
        if (same or self._put(one, view, asked=owed)) and owed:
            one.owed_since = None

    def _put(self, one: _Live, view: WatchlistView, *, asked: bool) -> bool:
        facts = view.model_dump(mode="json")
        if view.message_id is None or not self._messages.put(one.message.user_id, facts, asked=asked):
            return False
        one.shown, one.put_at = view, view.at
        return True

    def _view(self, one: _Live) -> WatchlistView:
        now, message = self._clock(), one.message
        stocks = self.of(message.user_id)
        return WatchlistView(
            message_id=self._message_id(one),
            at=now,
            mode=self._mode(one, now),
            until=message.live_until if one.live(now) else None,
            editing=message.editing,
            rows=tuple(self._row(stock, now) for stock in stocks),
            offers=() if stocks else one.offers,
        )

    def _mode(self, one: _Live, now: datetime) -> WatchlistMode:
        if one.live(now):
            return WatchlistMode.LIVE
        if not prices_move(self._hours, now):
            return WatchlistMode.CLOSED
        return WatchlistMode.OVER if one.over else WatchlistMode.STILL

    def _row(self, stock: WatchedStock, now: datetime) -> WatchlistRow:
        code, seen = stock.code, self._prices.latest(stock.code)
        if seen is None:
            return WatchlistRow(code=code, name=stock.name, waits=self._prices.unread(code))
        return WatchlistRow(code=code, name=stock.name, seen=seen, old=self._prices.stale(code, now))
