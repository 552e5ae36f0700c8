"""Identical questions share one call: those asked while it is under way, and those content with a recent answer.

An answer is the same for all who share it, and so is an error. Whoever gives up leaves the others their call;
when the last one has left, it is called off. Nothing that changes anything at KIS may come here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from datetime import datetime

LONGEST_AGE = 1.0
"""Seconds beyond which an answer is no longer recent for anybody."""

_MOST_KEPT = 512


_K = TypeVar("_K", bound="Hashable")


class _Dated(Protocol):
    @property
    def at(self) -> datetime: ...


_T = TypeVar("_T")
_D = TypeVar("_D", bound=_Dated)


class _Flight(Generic[_K, _T]):
    """One call, and those who wait for it in the order in which they came."""

    __slots__ = ("key", "task", "waiting")

    def __init__(self, key: _K) -> None:
        self.key = key
        self.waiting: dict[asyncio.Future[_T], None] = {}
        self.task: asyncio.Task[None]

    def landed(self) -> list[asyncio.Future[_T]]:
        """Those who wait, once."""
        waiting = [answer for answer in self.waiting if not answer.done()]
        self.waiting.clear()
        return waiting


class SingleFlight(Generic[_K, _T]):
    """Calls under way, by what they ask."""

    def __init__(self) -> None:
        self._open: dict[_K, _Flight[_K, _T]] = {}
        self._all: set[_Flight[_K, _T]] = set()

    async def ask(self, key: _K, call: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """The answer of the call under way for this key, or else of a new one.

        Args:
            key: what is asked; whatever makes a difference to the answer is part of it.
            call: asks.

        Raises:
            Exception: whatever the call raises, to all who wait for it.
        """
        flight = self._open.get(key)
        if flight is None:
            flight = self._open[key] = self._begun(key, call)
        answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        flight.waiting[answer] = None
        try:
            return await answer
        except asyncio.CancelledError:
            flight.waiting.pop(answer, None)
            if not flight.waiting:
                self._part(flight)
                flight.task.cancel()
            raise

    def _begun(self, key: _K, call: Callable[[], Coroutine[Any, Any, _T]]) -> _Flight[_K, _T]:
        flight: _Flight[_K, _T] = _Flight(key)
        flight.task = asyncio.create_task(self._fly(flight, call), name="kis-read")
        flight.task.add_done_callback(lambda _: self._over(flight))
        self._all.add(flight)
        return flight

    async def _fly(self, flight: _Flight[_K, _T], call: Callable[[], Coroutine[Any, Any, _T]]) -> None:
        try:
            found = await call()
        except Exception as failure:  # noqa: BLE001 - it is for those who asked, all of them
            self._part(flight)
            for answer in flight.landed():
                answer.set_exception(failure)
        else:
            self._part(flight)
            for answer in flight.landed():
                answer.set_result(found)

    def _over(self, flight: _Flight[_K, _T]) -> None:
        self._part(flight)
        self._all.discard(flight)
        for answer in flight.landed():
            answer.cancel()  # it was cancelled by none of them, as a loop does that comes to its end

    def _part(self, flight: _Flight[_K, _T]) -> None:
        if self._open.get(flight.key) is flight:
            del self._open[flight.key]

    def seal(self, key: _K) -> None:
        """Lets nobody join the call under way any more: whoever asks from now on is answered by a later one."""
        self._open.pop(key, None)

    async def close(self, failure: Callable[[_K], Exception]) -> None:
        """Calls everything off.

        Args:
            failure: what those get who wait for the answer to a key.
        """
        flights = list(self._all)
        for flight in flights:
            for answer in flight.landed():
                answer.set_exception(failure(flight.key))
            flight.task.cancel()
        if flights:
            await asyncio.wait([flight.task for flight in flights])


class Recent(Generic[_K, _D]):
    """Answers of the last second, by what was asked."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Keeps nothing yet.

        Args:
            clock: the present moment, as answers are dated.
        """
        self._clock = clock
        self._kept: dict[_K, _D] = {}

    def get(self, key: _K, max_age: float) -> _D | None:
        """The last answer, if it was received within so many seconds; its `at` tells when."""
        found = self._kept.get(key)
        return found if found is not None and 0 <= self._age(found) <= max_age else None

    def keep(self, key: _K, answer: _D) -> None:
        """Remembers an answer for a second."""
        kept = self._kept
        kept.pop(key, None)
        while kept:
            oldest = next(iter(kept))
            # An age below nothing comes of a clock that was set back.
            if len(kept) < _MOST_KEPT and 0 <= self._age(kept[oldest]) <= LONGEST_AGE:
                break
            del kept[oldest]
        kept[key] = answer

    def _age(self, answer: _D) -> float:
        return (self._clock() - answer.at).total_seconds()
