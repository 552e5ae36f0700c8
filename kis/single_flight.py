"""Identical reads share one call while it is under way, and a recent answer where the caller accepts one.

All who share a call get the same answer or the same error. A caller that is cancelled leaves the call to the others;
the last one to leave cancels it. Only for reads: nothing that changes anything at KIS may be shared.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from datetime import datetime

    from kis.responses import ApiResponse

MAX_CACHE_AGE = 1.0
"""Seconds for which an answer may be served again."""
_MAX_CACHED = 512


_K = TypeVar("_K", bound="Hashable")
_T = TypeVar("_T")


class _Call(Generic[_K, _T]):
    """One call under way, and the futures of those who wait for it, in order of arrival."""

    __slots__ = ("key", "task", "waiters")

    def __init__(self, key: _K) -> None:
        self.key = key
        self.waiters: dict[asyncio.Future[_T], None] = {}
        self.task: asyncio.Task[None]

    def pop_waiters(self) -> list[asyncio.Future[_T]]:
        waiters = [waiter for waiter in self.waiters if not waiter.done()]
        self.waiters.clear()
        return waiters


class SingleFlight(Generic[_K, _T]):
    """Calls under way by key: `do` joins one or starts it, `forget` lets nobody join any more."""

    def __init__(self) -> None:
        self._joinable: dict[_K, _Call[_K, _T]] = {}
        self._running: set[_Call[_K, _T]] = set()

    async def do(self, key: _K, function: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """The result, or the error, of the call under way for this key, or else of a new one by `function`."""
        call = self._joinable.get(key)
        if call is None:
            call = self._joinable[key] = self._start(key, function)
        waiter: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        call.waiters[waiter] = None
        try:
            return await waiter
        except asyncio.CancelledError:
            call.waiters.pop(waiter, None)
            if not call.waiters:
                self._detach(call)
                call.task.cancel()
            raise

    def _start(self, key: _K, function: Callable[[], Coroutine[Any, Any, _T]]) -> _Call[_K, _T]:
        call: _Call[_K, _T] = _Call(key)
        call.task = asyncio.create_task(self._run(call, function), name="kis-read")
        call.task.add_done_callback(lambda _: self._ended(call))
        self._running.add(call)
        return call

    async def _run(self, call: _Call[_K, _T], function: Callable[[], Coroutine[Any, Any, _T]]) -> None:
        try:
            result = await function()
        except Exception as failure:  # noqa: BLE001 - it goes to all who wait
            self._detach(call)
            for waiter in call.pop_waiters():
                waiter.set_exception(failure)
        else:
            self._detach(call)
            for waiter in call.pop_waiters():
                waiter.set_result(result)

    def _ended(self, call: _Call[_K, _T]) -> None:
        self._detach(call)
        self._running.discard(call)
        for waiter in call.pop_waiters():
            waiter.cancel()  # the task was cancelled from outside, as when the event loop ends

    def _detach(self, call: _Call[_K, _T]) -> None:
        if self._joinable.get(call.key) is call:
            del self._joinable[call.key]

    def forget(self, key: _K) -> None:
        """Lets nobody join the call under way any more: whoever comes from now on starts a new one."""
        self._joinable.pop(key, None)

    async def close(self, failure: Callable[[_K], Exception]) -> None:
        """Cancels all calls; those who wait for a key get `failure(key)`."""
        calls = list(self._running)
        for call in calls:
            for waiter in call.pop_waiters():
                waiter.set_exception(failure(call.key))
            call.task.cancel()
        if calls:
            await asyncio.wait([call.task for call in calls])


class ResponseCache(Generic[_K]):
    """Answers of the last second by key, 512 at most."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._cached: dict[_K, ApiResponse] = {}

    def get(self, key: _K, max_age: float) -> ApiResponse | None:
        """The last answer if it was received within `max_age` seconds; its `at` tells when."""
        cached = self._cached.get(key)
        return cached if cached is not None and 0 <= self._age(cached) <= max_age else None

    def put(self, key: _K, answer: ApiResponse) -> None:
        """Stores an answer for a second."""
        cached = self._cached
        cached.pop(key, None)
        while cached:
            oldest = next(iter(cached))
            # A negative age comes of a clock that was set back.
            if len(cached) < _MAX_CACHED and 0 <= self._age(cached[oldest]) <= MAX_CACHE_AGE:
                break
            del cached[oldest]
        cached[key] = answer

    def _age(self, answer: ApiResponse) -> float:
        return (self._clock() - answer.at).total_seconds()
