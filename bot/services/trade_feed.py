"""Trades of stocks as they happen, over the registrations that fill notices leave free."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import TypeVar

import structlog

from kis.errors import KisError
from kis.stream import Gap, KisStream, Listener, Trade
from kis.subscriptions import MAX_REGISTRATIONS

log = structlog.get_logger(__name__)

OnTrade = Callable[[Trade], object]
OnGap = Callable[[Gap], object]
_T = TypeVar("_T")

MAX_STREAMED = MAX_REGISTRATIONS - 1
"""Stocks at once: one registration is for fill notices, always."""
MIN_REGISTRATION = timedelta(seconds=60)
"""A stock keeps its registration so long while it is wanted at all: KIS blocks who registers again and again."""
_FULL = "OPSP0008"


def interleaved(wants: Iterable[Sequence[str]]) -> list[str]:
    """Everybody's first, everybody's second, and so on, each once."""
    return list(dict.fromkeys(code for turn in zip_longest(*wants) for code in turn if code is not None))


def allot(wants: Iterable[Sequence[str]], held: Collection[str], room: int) -> list[str]:
    """Which stocks get one of `room` registrations: those held, then everybody's most urgent, everybody's second, ...

    What is held keeps its place only if anybody still wants it.
    """
    wanted = interleaved(wants)
    return list(dict.fromkeys([*(code for code in held if code in wanted), *wanted]))[:room]


class LiveStream(KisStream):
    """A stream that also tells how far it has come."""

    @property
    def complete(self) -> bool:
        """Whether KIS has taken all that was registered for, and nothing was missed since."""
        return len(self._registrations) > 0 and self._registrations.complete and self.blind_since is None


class Subscription:
    """A subscriber to trades; `want` changes the stocks, `close` ends it."""

    def __init__(self, feed: "TradeFeed", codes: Sequence[str], on_trade: OnTrade, on_gap: OnGap | None = None) -> None:
        self._feed = feed
        self.codes: tuple[str, ...] = tuple(dict.fromkeys(codes))
        """The stocks it wants, the most urgent first."""
        self.on_trade = on_trade
        self.on_gap = on_gap

    @property
    def streamed(self) -> frozenset[str]:
        """Every trade of these comes in now; the others' prices are to be polled."""
        return self._feed.streamed & set(self.codes)

    def want(self, codes: Sequence[str]) -> None:
        """Want these stocks from now on, the most urgent first."""
        wanted = tuple(dict.fromkeys(codes))
        if wanted != self.codes:
            self.codes = wanted
            self._feed.refresh()

    def close(self) -> None:
        """Get no more trades."""
        self.codes = ()
        self._feed.unsubscribe(self)


class TradeFeed:
    """Shares the registrations among subscribers, and hands each the trades of its stocks."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._subscriptions: list[Subscription] = []
        self._stream: LiveStream | None = None
        self._registered: dict[str, tuple[Listener[Trade], asyncio.Task[None], datetime]] = {}
        self._confirmed: set[str] = set()
        self._refused: set[str] = set()
        self._room = MAX_STREAMED
        self._broken: set[Callable[..., object]] = set()

    @property
    def streamed(self) -> frozenset[str]:
        """Stocks of which every trade comes in now."""
        if self._stream is None or self._stream.blind_since is not None:
            return frozenset()
        return frozenset(self._confirmed)

    def subscribe(self, codes: Sequence[str], on_trade: OnTrade, on_gap: OnGap | None = None) -> Subscription:
        """Get the trades of some stocks, the most urgent first, as far as there is room; `streamed` tells of which.

        `on_trade` is quick, for the next trade waits; `on_gap` gets the times after which trades may have been missed.
        """
        subscription = Subscription(self, codes, on_trade, on_gap)
        self._subscriptions.append(subscription)
        self.refresh()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """A subscriber is gone."""
        with suppress(ValueError):
            self._subscriptions.remove(subscription)
        self.refresh()

    def open(self, stream: LiveStream) -> None:
        """Use a new stream, on which fill notices are registered for."""
        self._stream = stream
        self._refused.clear()
        self._room = MAX_STREAMED
        self.refresh()

    def close(self) -> None:
        """The stream is over."""
        self._stream = None
        for code in list(self._registered):
            self._drop(code)

    def gap(self, gap: Gap) -> None:
        """Trades may have been missed."""
        for one in list(self._subscriptions):
            if one.on_gap is not None:
                self._call(one.on_gap, gap)
        self.refresh()

    def refresh(self) -> None:
        """Register for what is wanted most and no longer for the rest; called on every change, and now and then."""
        if self._stream is None:
            return
        now = self._clock()
        wants = [[code for code in one.codes if code not in self._refused] for one in self._subscriptions]
        held = [code for code, (_, _, since) in self._registered.items() if now - since < MIN_REGISTRATION]
        chosen = allot(wants, held, self._room)
        for code in self._registered.keys() - set(chosen):
            self._drop(code)
        for code in chosen:
            if code not in self._registered:
                self._register(self._stream, code, now)
        if self._stream.complete:
            self._confirmed.update(self._registered)

    def _register(self, stream: LiveStream, code: str, now: datetime) -> None:
        try:
            listener = stream.trades([code])
        except KisError as failure:
            self._refuse(code, failure)
            return
        task = asyncio.get_running_loop().create_task(self._forward(code, listener))
        self._registered[code] = (listener, task, now)

    def _drop(self, code: str) -> None:
        listener, task, _ = self._registered.pop(code)
        self._confirmed.discard(code)
        listener.end()
        task.cancel()

    async def _forward(self, code: str, listener: Listener[Trade]) -> None:
        try:
            async for trade in listener:
                self._confirmed.add(code)
                for one in list(self._subscriptions):
                    if code in one.codes:
                        self._call(one.on_trade, trade)
        except KisError as failure:
            self._refuse(code, failure)
        except Exception:  # noqa: BLE001 - it ended the whole stream, and whoever opened that is told
            self._forget(code)

    def _refuse(self, code: str, failure: KisError) -> None:
        """KIS does not register for it: not tried again on this stream, and no more than there are now."""
        self._refused.add(code)
        self._forget(code)
        log.info("trades of a stock cannot be streamed", stock=code, code=failure.code, why=str(failure))
        if failure.code == _FULL:
            self._room = len(self._registered)

    def _forget(self, code: str) -> None:
        self._registered.pop(code, None)
        self._confirmed.discard(code)

    def _call(self, to: Callable[[_T], object], what: _T) -> None:
        """A subscriber's error is no other's; the first of many is logged."""
        try:
            to(what)
        except Exception:
            if to not in self._broken:
                log.exception("a subscriber to trades failed over one")
            self._broken.add(to)
        else:
            self._broken.discard(to)
