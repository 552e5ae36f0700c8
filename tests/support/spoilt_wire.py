"""The broker's order list on its way to the bot, with rows changed or added."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stage import MemoryStage

Rows = list[dict[str, Any]]


class SpoiltLists(httpx.AsyncBaseTransport):
    """Stands before the broker; `spoil` changes the rows of each order list in place, None leaves them alone."""

    def __init__(self, broker: httpx.AsyncBaseTransport) -> None:
        self._broker = broker
        self.spoil: Callable[[Rows], None] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Passes the request on, and its answer back."""
        response = await self._broker.handle_async_request(request)
        if self.spoil is None or not request.url.path.endswith("inquire-daily-ccld"):
            return response
        body = json.loads(await response.aread())
        self.spoil(body["output1"])
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-length"]
        return httpx.Response(response.status_code, headers=headers, content=json.dumps(body).encode())


def spoilt_lists(on: MemoryStage) -> SpoiltLists:
    """Puts a `SpoiltLists` into a stage's wire."""
    network: Any = on.network
    network._kis = spoilt = SpoiltLists(network._kis)
    return spoilt


def row_of(rows: Rows, number: str) -> dict[str, Any]:
    """The row of an order number."""
    return next(row for row in rows if row["odno"].zfill(10) == number)
