"""The local Telegram behind an httpx transport without a socket, in whatever time the event loop has."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import httpx
from telegram import Bot
from telegram.request import HTTPXRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.demo.telegram import LocalTelegram

BASE = "http://127.0.0.1:9"
"""What the bot is told the Bot API's server to be; nobody listens there."""


class MemoryTelegram(httpx.AsyncBaseTransport):
    """Hands the bot's calls to a local Telegram in the same thread, and raises what httpx raises over a connection.

    Attributes:
        calls: how many of each method were made, whatever became of them.
        away: nobody can be connected to.
        before: called with each method's name; here a fault may be planted for that very call.
    """

    def __init__(self, telegram: LocalTelegram, *, latency: float = 0.0) -> None:
        """`latency`: seconds until a call arrives."""
        self.calls: Counter[str] = Counter()
        self.away = False
        self.before: Callable[[str], None] = lambda _: None
        self._app = httpx.ASGITransport(telegram.app)
        self._latency = latency

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one call; its read timeout holds for all of it."""
        method = request.url.path.rpartition("/")[2]
        self.calls[method] += 1
        self.before(method)
        if self.away:
            raise httpx.ConnectError("All connection attempts failed", request=request)
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("read")):
                await asyncio.sleep(self._latency)
                return await self._app.handle_async_request(request)
        except TimeoutError:
            raise httpx.ReadTimeout("", request=request) from None
        except ConnectionResetError:
            raise httpx.ReadError("", request=request) from None


def memory_bot(telegram: LocalTelegram, token: str) -> Bot:
    """Another program with this bot's token, without a socket."""
    wire = {"transport": MemoryTelegram(telegram)}
    requests = [HTTPXRequest(httpx_kwargs=wire) for _ in range(2)]
    return Bot(token, base_url=f"{BASE}/bot", request=requests[0], get_updates_request=requests[1])
