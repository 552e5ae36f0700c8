"""The events of the local Telegram in order, each with a growing revision number, for pages and waiting tests."""

from __future__ import annotations

import asyncio
from typing import Any

_MAX_BACKLOG = 2000  # events a page may fall behind before it has to load everything again


class Feed:
    """Publishes events to its subscribers. Used from one event loop."""

    def __init__(self) -> None:
        self.revision = 1  # so that 0 means "from the beginning"
        self._waiting: set[asyncio.Future[None]] = set()
        self._pages: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def publish(self, kind: str, **values: Any) -> None:
        """Queue an event under the next revision for every page, and wake everyone who waits for a change."""
        self.revision += 1
        event = {"kind": kind, "revision": self.revision, **values}
        for page in list(self._pages):
            if page.full():
                self._pages.discard(page)
                page.get_nowait()
                page.put_nowait(None)
            else:
                page.put_nowait(event)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def changed(self) -> None:
        """Wait for the next event."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def subscribe(self) -> asyncio.Queue[dict[str, Any] | None]:
        """Open a page's queue of events; None in it means the stream is over."""
        page: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_MAX_BACKLOG)
        self._pages.add(page)
        return page

    def unsubscribe(self, page: asyncio.Queue[dict[str, Any] | None]) -> None:
        """Forget a page that has gone."""
        self._pages.discard(page)

    def close(self) -> None:
        """End every page's stream, because the server stops."""
        for page in self._pages:
            if page.full():
                page.get_nowait()
            page.put_nowait(None)
        self._pages.clear()
