"""The way to the broker's list: it fails, stalls, takes its time, and is answered by a copy that is seconds behind."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from kis.sim import Simulator
from tests.support.memory_wire import MemoryWire

LIST = "inquire-daily-ccld"
WAY = 0.02
"""Seconds a request takes."""
BEHIND = 25.0
"""Seconds by which a copy of the list may be behind."""
_KEPT = 40


@dataclass(frozen=True)
class Mood:
    """The share of readings that each fault befalls, and of orders whose answer is lost."""

    failing: float = 0.0
    slow: float = 0.0
    stale: float = 0.0
    page: float = 0.0
    order: float = 0.0


CALM = Mood()
_FAILURES: tuple[tuple[str, Callable[[random.Random], dict[str, Any]]], ...] = (
    ("refuse", lambda _: {"code": "EGW00001", "message": "일시적 오류가 발생했습니다."}),
    ("html", lambda rng: {"status": rng.choice((502, 503, 504))}),
    ("lose_reply", lambda _: {}),
    ("garbage", lambda _: {}),
    ("cut_reply", lambda rng: {"sent": rng.randrange(1, 150)}),
    ("throttle", lambda _: {}),
    ("empty_list", lambda _: {"rt_cd": "1"}),
    ("mute", lambda _: {}),
)


class FillsWire(httpx.AsyncBaseTransport):
    """In front of the simulated broker.

    Attributes:
        fired: how often each fault has struck.
        mood: what befalls requests now.
        away: nobody is reached.
        frozen: every list is answered as it stood when this began.
        readings: pages of the list that were asked for.
    """

    def __init__(self, simulator: Simulator, rng: random.Random, *, clock: Callable[[], Any]) -> None:
        self._simulator = simulator
        self._inner = MemoryWire(simulator, sleep=asyncio.sleep, clock=clock)
        self._rng = rng
        self._said: dict[str, deque[tuple[float, httpx.Response]]] = {}
        self.fired: Counter[str] = Counter()
        self.mood = CALM
        self.away = False
        self.frozen: float | None = None
        self.readings = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.rpartition("/")[2]
        if self.away and path != "tokenP":
            raise httpx.ConnectError("planted", request=request)
        await asyncio.sleep(WAY)
        if path == LIST:
            return await self._list(request)
        if path == "order-cash" and self._rng.random() < self.mood.order:
            name = self._rng.choice(("lose_reply", "mute", "late_booking"))
            self._plant(f"order {name}", name, path, {"seconds": 8.0} if name == "late_booking" else {})
        return await self._inner.handle_async_request(request)

    async def _list(self, request: httpx.Request) -> httpx.Response:
        self.readings += 1
        rng, mood = self._rng, self.mood
        following = request.headers.get("tr_cont") == "N"
        chance = rng.random()
        if following and rng.random() < mood.page:
            self._plant("list page_fails", "page_fails", LIST, {})
        elif chance < mood.failing:
            name, how = rng.choice(_FAILURES)
            self._plant(f"list {name}", name, LIST, how(rng))
        elif chance < mood.failing + mood.slow:
            self._plant("list slow", "slow", LIST, {"seconds": rng.uniform(0.3, 8)})
        fresh = await self._inner.handle_async_request(request)
        await fresh.aread()
        asked = f"{request.url.query.decode()} {request.headers.get('tr_cont', '')}"
        now = asyncio.get_running_loop().time()
        said = self._said.setdefault(asked, deque(maxlen=_KEPT))
        old = self._behind(said, now)
        if fresh.status_code == httpx.codes.OK and fresh.content.startswith(b"{"):
            said.append((now, fresh))
        if old is None:
            return fresh
        return httpx.Response(
            old.status_code,
            headers={**_kept(old.headers), "date": fresh.headers.get("date", "")},
            content=old.content,
            request=request,
        )

    def _behind(self, said: deque[tuple[float, httpx.Response]], now: float) -> httpx.Response | None:
        """An answer of some seconds ago, where a copy answers in place of the list itself."""
        recent = [one for one in said if now - one[0] <= BEHIND]
        if self.frozen is not None:
            frozen = [one for at, one in recent if at <= self.frozen]
            self.fired["list frozen"] += bool(frozen)
            return frozen[-1] if frozen else None
        if recent and self._rng.random() < self.mood.stale:
            self.fired["list stale"] += 1
            return self._rng.choice(recent)[1]
        return None

    def _plant(self, called: str, name: str, path: str, how: dict[str, Any]) -> None:
        self.fired[called] += 1
        self._simulator.faults.plant(name, path=path, **how)


def _kept(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in {"date", "content-length"}}
