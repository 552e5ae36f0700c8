"""An event loop in a thread of its own, for callers that wait."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")
# Longer than an order can be under way, which is what closing waits for.
_PATIENCE = 20.0


class Portal:
    """Runs coroutines for threads that have no event loop, all on the same one (anyio's blocking portal)."""

    def __init__(self) -> None:
        """Starts the thread; it is a daemon, so that a program which forgets to close still ends."""
        self._running = start_blocking_portal("asyncio", name="kis")
        self._portal = self._running.__enter__()
        self._thread = self._portal.call(threading.get_ident)
        self._process = os.getpid()

    @property
    def is_ours(self) -> bool:
        """Whether the thread is one of this process: a forked child has the object without the thread."""
        return os.getpid() == self._process

    def run(self, work: Callable[_P, Awaitable[_T]], *args: _P.args, **options: _P.kwargs) -> _T:
        """Waits for a coroutine; one that is interrupted (Ctrl-C) is cancelled before the interruption goes on."""

        async def asked() -> _T:
            return await work(*args, **options)

        future = self._portal.start_task_soon(asked)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Awaits one more coroutine, for a while at most, then ends the loop and its thread.

        Called from the loop's own thread, as the garbage collector may, it leaves the work to another.
        """
        if not self.is_ours:
            # The thread stayed behind in the parent. What ends the portal would wait for it without end.
            vars(self._portal)["call"] = _nothing
            return
        if threading.get_ident() == self._thread:
            threading.Thread(target=self._end, args=(last,), name="kis-closing", daemon=True).start()
        else:
            self._end(last)

    def _end(self, last: Callable[[], Awaitable[None]]) -> None:
        failure: BaseException | None = None
        try:
            self._portal.start_task_soon(last).result(_PATIENCE)
        except BaseException as error:  # noqa: BLE001 - whatever befell the last work, the thread must end
            failure = error
        # Told of a failure, the portal cancels what still runs instead of waiting for it.
        with suppress(BaseException):
            self._running.__exit__(type(failure) if failure else None, failure, None)
        if isinstance(failure, KeyboardInterrupt):
            raise failure


def _nothing(*_: object) -> None:
    """Stands in for a call into a thread that is not there."""
