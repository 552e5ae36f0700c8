"""A wire of bytes that answers by script, and a clock that only moves when told, for the tests of the client."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx

from kis.client import KisClient
from kis.config import KisConfig
from kis.fields import OrderKind, Side
from kis.krx import KST

if TYPE_CHECKING:
    from collections.abc import Callable

    from kis.receipts import Written

DATA = Path(__file__).parent / "data"
KEY = "PSkey" + "k" * 31
SECRET = "secret/+=" + "s" * 171
ACCOUNT = "12345678-01"
TOKEN_PATH = "/oauth2/tokenP"
HOSTS = {"real": "https://openapi.koreainvestment.com:9443", "paper": "https://openapivts.koreainvestment.com:29443"}


def sample(name: str) -> dict[str, Any]:
    """A captured answer."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


class Clock:
    """A moment in KST that moves when somebody sleeps."""

    def __init__(self, moment: datetime | None = None) -> None:
        self.now = moment or datetime(2026, 11, 20, 10, 0, tzinfo=KST)
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class Wire:
    """Answers requests from a script, the last line of which is repeated; keeps what arrived.

    Attributes:
        arrived: the requests that were answered from the script.
        stand_in: answers every request from now on in the script's place, at its own pace.
    """

    def __init__(self) -> None:
        self.arrived: list[httpx.Request] = []
        self.stand_in: httpx.AsyncBaseTransport | None = None
        self._script: dict[str, deque[Callable[[httpx.Request], httpx.Response]]] = defaultdict(deque)
        self._last: dict[str, Callable[[httpx.Request], httpx.Response]] = {}
        self.answer(TOKEN_PATH, {"access_token": "token-1", "expires_in": 86400})

    def answer(self, path: str, body: Any, *, status: int = 200, more: str = "", **headers: str) -> None:
        """Adds an answer to calls whose path ends so."""
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self._script[path].append(
            lambda _: httpx.Response(status, content=content, headers={"tr_cont": more, **headers})
        )

    def fail(self, path: str, error: Exception) -> None:
        """Adds a failure of the transport."""

        def raise_it(_: httpx.Request) -> httpx.Response:
            raise error

        self._script[path].append(raise_it)

    def forget(self, path: str) -> None:
        """Drops what was to be answered."""
        self._script[path].clear()
        self._last.pop(path, None)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.arrived.append(request)
        for path, script in self._script.items():
            if request.url.path.endswith(path) and (script or path in self._last):
                if script:
                    self._last[path] = script.popleft()
                return self._last[path](request)
        raise AssertionError(f"nothing was said about {request.url}")

    def sent(self, path: str) -> list[httpx.Request]:
        """The calls that arrived at a path."""
        return [request for request in self.arrived if request.url.path.endswith(path)]


class WireTransport(httpx.MockTransport):
    """The wire, or what stands in for it, as a client's network."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        stand_in = self._wire.stand_in
        if stand_in is not None:
            return await stand_in.handle_async_request(request)
        return await super().handle_async_request(request)


def config(tmp_path: Path, **changes: Any) -> KisConfig:
    """An account without pacing."""
    given: dict[str, Any] = {
        "env": "paper",
        "app_key": KEY,
        "app_secret": SECRET,
        "account": ACCOUNT,
        "min_interval": 0,
        "token_dir": tmp_path / "token",
    }
    return KisConfig(**(given | changes))


def client(wire: Wire, clock: Clock, tmp_path: Path, **changes: Any) -> KisClient:
    """A client whose network is the wire."""
    return KisClient(
        config(tmp_path, **changes), clock=clock, sleep=clock.sleep, rng=Random(7), transport=WireTransport(wire)
    )


def order(kis: KisClient) -> Written:
    """One share, written by a client."""
    return kis.written(Side.BUY, "005930", 1, price=75_700, kind=OrderKind.LIMIT)


def refusal(code: str, *, rt_cd: str = "1", words: str = "거부") -> dict[str, str]:
    """KIS's no."""
    return {"rt_cd": rt_cd, "msg_cd": code, "msg1": words}
