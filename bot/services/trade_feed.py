"""Trades of watched stocks as they happen, over the registrations that fill notices leave free."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, zip_longest
from typing import TypeVar

import structlog

from kis.errors import KisError
from kis.stream import Gap, KisStream, Listener, Trade
from kis.subscriptions import MAX_REGISTRATIONS

log = structlog.get_logger(__name__)

OnTrade = Callable[[Trade], object]
OnGap = Callable[[Gap], object]
OnHeard = Callable[[frozenset[str]], object]
_T = TypeVar("_T")

ROOM = MAX_REGISTRATIONS - 1
"""Stocks at once: one registration is for fill notices, always."""
STAYS = timedelta(seconds=60)
"""A stock keeps its registration so long while it is wanted at all: KIS blocks who registers again and again."""
_FULL = "OPSP0008"


def allot(wants: Iterable[Sequence[str]], held: Collection[str], room: int) -> list[str]:
    """Which stocks get a registration.

    Args:
        wants: what each wishes to hear, the most urgent first.
        held: those that keep their place if anybody still wants them.
        room: how many there are in all.

    Returns:
        Those that are held, then everybody's first, everybody's second, and so on.
    """
    wants = list(wants)
    turns = [code for turn in zip_longest(*wants) for code in turn if code is not None]
    wanted = set(turns)
    return list(dict.fromkeys(chain((code for code in held if code in wanted), turns)))[:room]


class LiveStream(KisStream):
    """A stream that also tells how far it has come."""

    @property
    def complete(self) -> bool:
        """Whether KIS has taken all that was registered for, and nothing was missed since."""
        return len(self._registrations) > 0 and self._registrations.complete and self.blind_since is None


class Subscription:
    """One who listens to trades; `want` changes the stocks, `close` ends it."""

    def __init__(
        self,
        tape: "TradeFeed",
        codes: Sequence[str],
        on_trade: OnTrade,
        on_gap: OnGap | None = None,
        on_heard: OnHeard | None = None,
    ) -> None:
        """`on_heard` is told whenever `heard` changes."""
        self._tape = tape
        self.codes: tuple[str, ...] = tuple(dict.fromkeys(codes))
        """What it wishes to hear, the most urgent first."""
        self.on_trade = on_trade
        self.on_gap = on_gap
        self.on_heard = on_heard
        self.told: frozenset[str] = frozenset()
        """What `on_heard` was told last."""

    @property
    def heard(self) -> frozenset[str]:
        """Every trade of these comes in now; the others' prices are to be asked for."""
        return self._tape.heard & set(self.codes)

    def want(self, codes: Sequence[str]) -> None:
        """Wish to hear these stocks from now on, the most urgent first."""
        wanted = tuple(dict.fromkeys(codes))
        if wanted != self.codes:
            self.codes = wanted
            self._tape.look()

    def close(self) -> None:
        """Hear nothing more."""
        self.codes = ()
        self._tape.leave(self)


class TradeFeed:
    """Shares the registrations among those who watch, and hands each what it asked for."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._watching: list[Subscription] = []
        self._stream: LiveStream | None = None
        self._following: dict[str, tuple[Listener[Trade], asyncio.Task[None], datetime]] = {}
        self._taken: set[str] = set()
        self._refused: set[str] = set()
        self._room = ROOM
        self._broken: set[Callable[..., object]] = set()

    @property
    def heard(self) -> frozenset[str]:
        """Stocks of which every trade comes in now."""
        if self._stream is None or self._stream.blind_since is not None:
            return frozenset()
        return frozenset(self._taken)

    def watch(
        self,
        codes: Sequence[str],
        on_trade: OnTrade,
        on_gap: OnGap | None = None,
        on_heard: OnHeard | None = None,
    ) -> Subscription:
        """Hear the trades of some stocks, as far as there is room.

        Args:
            codes: the most urgent first.
            on_trade: gets each trade; quick, for the next one waits.
            on_gap: hears of times after which trades may have been missed.
            on_heard: hears which of the stocks come in, whenever that changes.
        """
        watching = Subscription(self, codes, on_trade, on_gap, on_heard)
        self._watching.append(watching)
        self.look()
        return watching

    def leave(self, watching: Subscription) -> None:
        """One who watched is gone."""
        with suppress(ValueError):
            self._watching.remove(watching)
        self.look()

    def open(self, stream: LiveStream) -> None:
        """Listen to a new stream, on which fill notices are registered for."""
        self._stream = stream
        self._refused.clear()
        self._room = ROOM
        self.look()

    def close(self) -> None:
        """The stream is over."""
        self._stream = None
        for code in list(self._following):
            self._drop(code)
        self._tell()

    def gap(self, gap: Gap) -> None:
        """Trades may have been missed."""
        for one in list(self._watching):
            if one.on_gap is not None:
                self._hand(one.on_gap, gap)
        self.look()

    def look(self) -> None:
        """Register for what is wanted most and no longer for the rest, and tell what comes in; now and then."""
        if self._stream is not None:
            self._arrange(self._stream)
            if self._stream.complete:
                self._taken.update(self._following)
        self._tell()

    def _arrange(self, stream: LiveStream) -> None:
        now = self._clock()
        wants = [[code for code in one.codes if code not in self._refused] for one in self._watching]
        held = [code for code, (_, _, since) in self._following.items() if now - since < STAYS]
        chosen = allot(wants, held, self._room)
        for code in self._following.keys() - set(chosen):
            self._drop(code)
        for code in chosen:
            if code not in self._following:
                self._follow(stream, code, now)

    def _tell(self) -> None:
        for one in list(self._watching):
            heard = one.heard
            if one.on_heard is not None and heard != one.told:
                one.told = heard
                self._hand(one.on_heard, heard)

    def _follow(self, stream: LiveStream, code: str, now: datetime) -> None:
        try:
            listener = stream.trades([code])
        except KisError as failure:
            self._refuse(code, failure)
            return
        task = asyncio.get_running_loop().create_task(self._listen(code, listener))
        self._following[code] = (listener, task, now)

    def _drop(self, code: str) -> None:
        listener, task, _ = self._following.pop(code)
        self._taken.discard(code)
        listener.end()
        task.cancel()

    async def _listen(self, code: str, listener: Listener[Trade]) -> None:
        try:
            async for trade in listener:
                if code not in self._taken:
                    self._taken.add(code)
                    self._tell()
                for one in list(self._watching):
                    if code in one.codes:
                        self._hand(one.on_trade, trade)
        except KisError as failure:
            self._refuse(code, failure)
        except Exception:  # noqa: BLE001 - it ended the whole stream, and whoever opened that is told
            self._forget(code)

    def _refuse(self, code: str, failure: KisError) -> None:
        """KIS does not register for it: not asked again on this stream, and no more than there are now."""
        self._refused.add(code)
        self._forget(code)
        log.info("trades of a stock cannot be heard", stock=code, code=failure.code, why=str(failure))
        if failure.code == _FULL:
            self._room = len(self._following)

    def _forget(self, code: str) -> None:
        self._following.pop(code, None)
        self._taken.discard(code)

    def _hand(self, to: Callable[[_T], object], what: _T) -> None:
        """Nobody's fault is another's; the first of many is logged."""
        try:
            to(what)
        except Exception:
            if to not in self._broken:
                log.exception("one who watches trades broke over one")
            self._broken.add(to)
        else:
            self._broken.discard(to)
