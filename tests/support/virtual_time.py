"""Time that costs nothing: an event loop whose clock jumps to the next timer as soon as nothing is left to do.

A day passes in seconds, and the same program with the same chance does the same things in the same order every time.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from kis.config import kst_now
from kis.krx import KST

MONDAY_MORNING = datetime(2026, 11, 23, 9, 5, tzinfo=KST)

TURN = 1e-6
"""Seconds that a turn of the loop takes: whoever asks again until time has passed shall not ask for ever."""

T = TypeVar("T")


class Standstill(RuntimeError):
    """Nothing is ready and no timer is set: in the world this program would wait for ever."""


class _Jumping(selectors.BaseSelector):
    """Instead of waiting for a file or the time, it moves the time; files never become ready."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        self._jump = jump
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, -1, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Standstill("nothing is ready and no timer is set")
        self._jump(timeout + TURN)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits. Nothing in it may use real sockets or files in waiting; threads it has none."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self._jump))

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """What would run in a thread runs here, at once: time could not be told how long to wait for it."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as failure:  # noqa: BLE001  # it is the caller's, as a thread would hand it over
            done.set_exception(failure)
        return done

    def _jump(self, seconds: float) -> None:
        self._now += seconds


class VirtualClock:
    """Called, it tells the loop's time as a moment in KST."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime = MONDAY_MORNING) -> None:
        self._loop = loop
        self._start = start

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time())

    def seconds(self) -> float:
        """Since the beginning."""
        return self._loop.time()


def now() -> datetime:
    """The present in KST by the running loop: virtual, else real."""
    loop = asyncio._get_running_loop()
    return MONDAY_MORNING + timedelta(seconds=loop.time()) if isinstance(loop, VirtualLoop) else kst_now()


def ticks() -> float:
    """Seconds that only go forward, by the running loop."""
    return asyncio.get_running_loop().time()


def run_virtual(play: Callable[[VirtualClock], Coroutine[Any, Any, T]], start: datetime = MONDAY_MORNING) -> T:
    """Run to the end in a loop of its own; tasks left over are cancelled, as `asyncio.run` does.

    Raises:
        Standstill: everybody waits for somebody else.
    """
    loop = VirtualLoop()
    try:
        main = loop.create_task(play(VirtualClock(loop, start)))
        try:
            return loop.run_until_complete(main)
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        loop.close()
