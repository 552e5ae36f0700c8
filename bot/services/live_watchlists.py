"""Watch lists at work: the one message that shows each, for how long it lives, and when it is drawn anew.

A message lives for a while after its person's last tap: a bot cannot see who looks. While none lives, nothing is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bot.chat.messages.watchlist_messages import MOST
from bot.chat.types import WatchlistMode, WatchlistRow, WatchlistView
from bot.orders.hours import prices_move
from bot.services.price_feed import PATIENCE, TICK, PriceFeed
from bot.services.trade_feed import STAYS
from bot.store.watchlist import WatchedStock, WatchlistMessage
from kis.errors import KisError
from kis.models import Balance

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=5)
"""Between two looks of one message, unless its person asks: Telegram bears about one change a second in a chat."""
LASTS = timedelta(minutes=5)
"""So long a message lives after its person's last tap on it."""
OWED = timedelta(minutes=1)
"""What was still to be shown to somebody is given up after so long."""
OFFERS = 5
"""Stocks that an empty list proposes."""
USUAL = ("005930", "삼성전자")


class Broker(Protocol):
    """What is asked of the broker; `kis.KisClient` fits as it is."""

    async def balance(self) -> Balance:
        """What is held."""
        ...


class Market(Protocol):
    """When there is a market; `bot.orders.hours.TradingHours` fits as it is."""

    def open(self, now: datetime) -> bool:
        """Whether it is open."""
        ...


class Roster(Protocol):
    """Who is let in; `bot.store.people.People` fits as it is."""

    def get(self, user_id: int) -> object | None:
        """The person, or None for who is not let in now."""
        ...


class Book(Protocol):
    """The lists on disk; `bot.store.watchlist.WatchlistStore` fits as it is. See there."""

    def of(self, user_id: int) -> list[WatchedStock]: ...  # noqa: D102
    def add(self, user_id: int, stocks: Sequence[WatchedStock], most: int) -> list[WatchedStock]: ...  # noqa: D102
    def remove(self, user_id: int, codes: Collection[str]) -> None: ...  # noqa: D102
    def screens(self) -> list[WatchlistMessage]: ...  # noqa: D102
    def keep(self, screen: WatchlistMessage) -> None: ...  # noqa: D102


class Looks(Protocol):
    """Where looks leave; `bot.store.live_message.LiveMessages` fits as it is. See there."""

    def put(self, chat_id: int, look: Mapping[str, Any], *, asked: bool = False) -> bool: ...  # noqa: D102
    def drop(self, chat_id: int) -> None: ...  # noqa: D102
    def refused(self, chat_id: int, message_id: int) -> bool: ...  # noqa: D102
    def last(self, chat_id: int) -> Mapping[str, Any] | None: ...  # noqa: D102
    def message_of(self, letter: str) -> int | None: ...  # noqa: D102


@dataclass
class _View:
    """A person's message, and what is remembered of it while we run."""

    screen: WatchlistMessage
    shown: WatchlistView | None = None
    put_at: datetime | None = None
    owed: datetime | None = None
    """Since when something is still to be shown that its person asked for, or that ends its life."""
    over: bool = False
    hears_until: datetime | None = None
    """A while longer than it lives: KIS blocks who registers again and again."""
    offers: tuple[tuple[str, str], ...] = ()

    def live(self, now: datetime) -> bool:
        """Whether it is kept up to date; a clock that was set back makes none live for longer."""
        until = self.screen.live_until
        return until is not None and timedelta() < until - now <= LASTS


class LiveWatchlists:
    """Everybody's lists, and the messages that show them."""

    def __init__(
        self,
        book: Book,
        looks: Looks,
        prices: PriceFeed,
        broker: Broker,
        market: Market,
        roster: Roster,
        *,
        clock: Callable[[], datetime],
        wake: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`wake` is called after a look was written."""
        self._book = book
        self._looks = looks
        self._prices = prices
        self._broker = broker
        self._market = market
        self._roster = roster
        self._clock = clock
        self._wake = wake
        self._sleep = sleep
        self._lists: dict[int, list[WatchedStock]] = {}
        self._broken = False
        self._views = {one.user_id: self._recalled(one) for one in book.screens()}

    # --- the lists ----------------------------------------------------------------------------------------------------

    def of(self, user_id: int) -> list[WatchedStock]:
        """A person's list, in the order in which it was made."""
        if user_id not in self._lists:
            self._lists[user_id] = self._book.of(user_id)
        return self._lists[user_id]

    def add(self, user_id: int, stocks: Iterable[tuple[str, str]]) -> list[str]:
        """Put stocks, codes with names, on a list as long as there is room; the codes of those that were added."""
        self._lists.pop(user_id, None)
        return [one.code for one in self._book.add(user_id, [WatchedStock(*one) for one in stocks], MOST)]

    def remove(self, user_id: int, codes: Collection[str]) -> None:
        """Take stocks off a list."""
        self._lists.pop(user_id, None)
        self._book.remove(user_id, codes)

    # --- the message, as its person has it ----------------------------------------------------------------------------

    async def show(self, user_id: int, letter: str) -> tuple[WatchlistView, int | None]:
        """Show the list in a message of its own; a life that the one before had goes on in it.

        Args:
            user_id: whose list, in their private chat.
            letter: key of the letter that the message will be sent by.

        Returns:
            What it shows, and the message that showed it until now, if there was one.
        """
        view, before = self._view(user_id), None
        if view.screen.letter != letter:
            before = self._message(view)
            self._move(view, letter=letter)
        await self._ask(view)
        view.shown = self._look(view)
        view.owed = self._clock() if view.shown.waits else None
        return view.shown, before

    def take(self, user_id: int, message_id: int) -> int | None:
        """The message that was tapped is the one that shows the list; returns the other that did until now, if any."""
        view = self._view(user_id)
        before = self._message(view)
        if before != message_id:
            self._move(view, message_id=message_id)
            return before
        if view.live(self._clock()):
            self._live_on(view)
        return None

    async def refresh(self, user_id: int) -> None:
        """Draw the message anew, with prices of this moment as far as they come in time."""
        view = self._view(user_id)
        view.put_at = self._clock()  # not drawn in between: its person waits for this
        await self._ask(view)
        self._answer(view)

    def live(self, user_id: int) -> bool:
        """Let the message live; False while there is no market, or nothing on the list."""
        view = self._view(user_id)
        may = prices_move(self._market, self._clock()) and bool(self.of(user_id))
        if may:
            self._live_on(view)
        self._answer(view)
        return may

    def pause(self, user_id: int) -> None:
        """Let the message rest."""
        view = self._view(user_id)
        self._rest(view)
        self._answer(view)

    def edit(self, user_id: int) -> None:
        """Have the buttons take stocks off the list, or no longer."""
        view = self._view(user_id)
        self._keep(view, editing=not view.screen.editing)
        self._answer(view)

    async def _ask(self, view: _View) -> None:
        stocks = self.of(view.screen.user_id)
        if stocks:
            await self._prices.ask([one.code for one in stocks])
            return
        try:
            async with asyncio.timeout(PATIENCE):
                held = (await self._broker.balance()).holdings
        except (KisError, TimeoutError):
            held = ()
        names = {one.code: one.name for one in held[: OFFERS - 1]}
        view.offers = tuple({**names, USUAL[0]: USUAL[1]}.items())

    def _answer(self, view: _View) -> None:
        """Show its person what they asked for; what cannot be shown yet is shown at a later turn."""
        look = self._look(view)
        put = self._put(view, look, asked=True)
        view.owed = self._clock() if look.waits or not put else None

    # --- where it stands ----------------------------------------------------------------------------------------------

    def _view(self, user_id: int) -> _View:
        return self._views.setdefault(user_id, _View(WatchlistMessage(user_id)))

    def _recalled(self, screen: WatchlistMessage) -> _View:
        """After a start: what the message showed when we ended is what it goes on from."""
        view = _View(screen)
        try:
            last = WatchlistView.model_validate(self._looks.last(screen.user_id) or {})
        except ValueError:
            return view
        if last.message_id != screen.message_id:
            return view
        view.shown, view.offers = last, last.offers
        if screen.live_until is not None:
            view.hears_until = screen.live_until + STAYS
            self._prices.recall({one.code: one.seen for one in last.rows if one.seen is not None})
        elif last.mode is WatchlistMode.LIVE:  # its end was written down, and not shown any more
            view.over, view.owed = True, self._clock()
        return view

    def _message(self, view: _View) -> int | None:
        screen = view.screen
        if screen.message_id is None and screen.letter is not None:
            found = self._looks.message_of(screen.letter)
            if found is not None:
                self._keep(view, message_id=found)
        return view.screen.message_id

    def _move(self, view: _View, *, letter: str | None = None, message_id: int | None = None) -> None:
        self._looks.drop(view.screen.user_id)
        view.shown = view.put_at = None
        self._keep(view, letter=letter, message_id=message_id, editing=False)
        if view.live(self._clock()):
            self._live_on(view)

    def _live_on(self, view: _View) -> None:
        until = self._clock() + LASTS
        view.over, view.hears_until = False, until + STAYS
        self._keep(view, live_until=until)

    def _rest(self, view: _View, *, over: bool = False) -> None:
        view.over, view.hears_until = over, self._clock() + STAYS
        self._keep(view, live_until=None)

    def _keep(self, view: _View, **changes: Any) -> None:
        view.screen = view.screen._replace(**changes)
        self._book.keep(view.screen)

    # --- at work ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look at what is due, until cancelled."""
        try:
            while True:
                await self._sleep(TICK)
                try:
                    self.turn()
                    self._broken = False
                except Exception:
                    if not self._broken:
                        log.exception("watch lists cannot be looked after; again shortly")
                    self._broken = True
        finally:
            self._prices.close()

    def turn(self) -> None:
        """End what is over, hear and ask for what living messages show, and draw those that have changed."""
        now = self._clock()
        for view in self._views.values():
            self._mind(view, now)
        heard = [view for view in self._views.values() if view.hears_until is not None and now < view.hears_until]
        live = [view for view in heard if view.live(now)]
        self._prices.hear([self._codes(view) for view in heard])
        self._prices.turn({view.screen.user_id: self._codes(view) for view in live})
        for view in self._views.values():
            self._draw(view, now)

    def _codes(self, view: _View) -> list[str]:
        return [one.code for one in self.of(view.screen.user_id)]

    def _mind(self, view: _View, now: datetime) -> None:
        """End a life that is over. Who is not let in any more is told nothing."""
        screen = view.screen
        if screen.live_until is None and view.owed is None:
            return
        if self._roster.get(screen.user_id) is None:
            self._looks.drop(screen.user_id)
            self._keep(view, live_until=None)
            view.owed = view.hears_until = None
        elif screen.live_until is None:
            return
        elif screen.message_id is not None and self._looks.refused(screen.user_id, screen.message_id):
            self._rest(view)  # there is no such message any more
        elif not (view.live(now) and prices_move(self._market, now) and self.of(screen.user_id)):
            self._rest(view, over=True)
            view.owed = now

    def _draw(self, view: _View, now: datetime) -> None:
        if view.owed is not None and not timedelta() <= now - view.owed < OWED:
            view.owed = None
        due = view.live(now) and (view.put_at is None or not timedelta() <= now - view.put_at < EVERY)
        if not (view.owed or due) or self._message(view) is None:
            return
        look = self._look(view)
        owed = view.owed is not None and not (look.waits and any(map(self._prices.asking, self._codes(view))))
        if not (owed or due):
            return
        same = view.shown is not None and not look.differs(view.shown)
        if (same or self._put(view, look, asked=owed)) and owed:
            view.owed = None

    def _put(self, view: _View, look: WatchlistView, *, asked: bool) -> bool:
        facts = look.model_dump(mode="json")
        if look.message_id is None or not self._looks.put(view.screen.user_id, facts, asked=asked):
            return False
        view.shown, view.put_at = look, look.at
        self._wake()
        return True

    def _look(self, view: _View) -> WatchlistView:
        now, screen = self._clock(), view.screen
        live, stocks = view.live(now), self.of(screen.user_id)
        return WatchlistView(
            message_id=self._message(view),
            at=now,
            mode=self._mode(view, now),
            until=screen.live_until if live else None,
            editing=screen.editing,
            rows=tuple(self._row(one, now) for one in stocks),
            offers=() if stocks else view.offers,
        )

    def _mode(self, view: _View, now: datetime) -> WatchlistMode:
        if view.live(now):
            return WatchlistMode.LIVE
        if not prices_move(self._market, now):
            return WatchlistMode.CLOSED
        return WatchlistMode.OVER if view.over else WatchlistMode.STILL

    def _row(self, stock: WatchedStock, now: datetime) -> WatchlistRow:
        code, seen = stock.code, self._prices.seen(stock.code)
        if seen is None:
            return WatchlistRow(code=code, name=stock.name, waits=self._prices.untried(code))
        return WatchlistRow(code=code, name=stock.name, seen=seen, old=self._prices.old(code, now))
