"""The events of the local Telegram in order, each with a growing revision number, for pages and waiting tests."""

from __future__ import annotations

import asyncio
from typing import Any

_MAX_BACKLOG = 2000  # events a page may fall behind before it has to load everything again


class Feed:
    """Publishes events to its subscribers. Used from one event loop."""

    def __init__(self) -> None:
        self.revision = 1  # so that 0 means "from the beginning"
        self._changed = asyncio.Event()
        self._pages: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def publish(self, kind: str, **values: Any) -> None:
        """Queue an event under the next revision for every page, and wake everyone who waits for a change."""
        self.revision += 1
        event = {"kind": kind, "revision": self.revision, **values}
        for page in list(self._pages):
            if page.full():
                self._end(page)
            else:
                page.put_nowait(event)
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Wait for the next event."""
        await self._changed.wait()

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
        for page in list(self._pages):
            self._end(page)

    def _end(self, page: asyncio.Queue[dict[str, Any] | None]) -> None:
        self._pages.discard(page)
        if page.full():
            page.get_nowait()
        page.put_nowait(None)
