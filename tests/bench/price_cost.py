"""What a typed price costs in CPU time beside the same GET with httpx alone, taken in turns in one process."""

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import PRICE, Env
from kis.payloads import Payloads
from kis.responses import Headers
from kis.sim.exchange.prices import listed
from tests.bench.broker import broker_elsewhere
from tests.bench.report import Row, median, times

TOGETHER = 32
STOCKS = [listing.code for listing in listed()][:TOGETHER]
SETTINGS = {
    "alone": (STOCKS[:1], "한 번에 하나", "one at a time"),
    "32_stocks": (STOCKS, f"동시에 {TOGETHER}종목", f"{TOGETHER} stocks at once"),
    "32_same": (
        STOCKS[:1] * TOGETHER,
        f"같은 종목을 동시에 {TOGETHER}번 (답을 나눠 씀)",
        f"{TOGETHER} tasks asking for one stock, who share the answer",
    ),
}
"""Which stock each task asks for."""
Call = Callable[[str], Awaitable[Any]]


async def price_cost(*, rounds: int = 5, calls: int = 160) -> tuple[list[Row], dict[str, Any]]:
    """CPU time of a call, one at a time and with many tasks at once."""
    figures: dict[str, Any] = {"rounds": rounds, "calls_a_round": calls}
    async with contenders() as ways:
        for name, (stocks, *_) in SETTINGS.items():
            figures[name] = await _race(ways, stocks, rounds, calls)
    return [_row(figures[name], ko, en) for name, (_, ko, en) in SETTINGS.items()], figures


def _row(figures: dict[str, Any], ko: str, en: str) -> Row:
    typed, plain, lean = (figures[name]["cpu_us"] for name in ("typed", "plain", "lean"))
    return Row(
        f"`KisClient.price()`의 CPU: `httpx.get`과 `json.loads` 대비 / 미리 만든 요청 대비, {ko}",
        f"CPU of `KisClient.price()` beside `httpx.get` and `json.loads` / beside a prepared request, {en}",
        f"{times(figures['plain']['typed_beside_it'])} / {times(figures['lean']['typed_beside_it'])}",
        f"{typed:.0f} µs / {plain:.0f} µs / {lean:.0f} µs",
    )


@contextlib.asynccontextmanager
async def contenders() -> AsyncIterator[dict[str, Call]]:
    """Three ways to the same price: typed, as anybody would write it with httpx, and httpx at its leanest."""
    async with contextlib.AsyncExitStack() as stack:
        environ = await stack.enter_async_context(broker_elsewhere())
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kisbot-bench-")))
        config = KisConfig(
            env=Env(environ["KIS_ENV"]),
            app_key=environ["KIS_APP_KEY"],
            app_secret=environ["KIS_APP_SECRET"],
            account=environ["KIS_ACCOUNT"],
            rest_url=environ["KIS_REST_URL"],
            min_interval=0,
            token_dir=home,
        )
        kis = await stack.enter_async_context(KisClient(config))
        raw, rawest = [await stack.enter_async_context(httpx.AsyncClient(trust_env=False)) for _ in range(2)]
        await kis.price(STOCKS[0])
        token = _token(home)
        pairs = Headers(config.app_key, config.app_secret).full(token, str(PRICE.tr_id(config.env, config.generation)))
        headers = {name.decode(): value.decode() for name, value in pairs}
        url, requests = config.rest + PRICE.path, Payloads(config)
        asked = {code: dict(requests.stock(PRICE, code)) for code in STOCKS}
        prepared = {code: httpx.URL(url, params=params) for code, params in asked.items()}

        async def typed(code: str) -> object:
            return await kis.price(code)

        async def plain(code: str) -> object:
            answer = await raw.get(url, params=asked[code], headers=headers)
            return json.loads(answer.raise_for_status().content)["output"]["stck_prpr"]

        async def lean(code: str) -> object:
            answer = await rawest.send(httpx.Request("GET", prepared[code], headers=pairs))
            return json.loads(answer.content)["output"]["stck_prpr"]

        yield {"typed": typed, "plain": plain, "lean": lean}


def _token(home: Path) -> str:
    """The access token the typed client has just been given."""
    (kept,) = home.glob("kis-token-*.json")
    return str(json.loads(kept.read_text(encoding="utf-8"))["token"])


async def _race(ways: dict[str, Call], stocks: list[str], rounds: int, calls: int) -> dict[str, Any]:
    for call in ways.values():
        await _cpu(call, stocks, calls)
    taken = [{name: await _cpu(call, stocks, calls) for name, call in ways.items()} for _ in range(rounds)]
    return {
        name: {
            "cpu_us": median([one[name] for one in taken]),
            # within a round, so that whatever else the machine does meets all of them alike
            "typed_beside_it": median([one["typed"] / one[name] for one in taken]),
        }
        for name in ways
    }


async def _cpu(call: Call, stocks: list[str], calls: int) -> float:
    """Microseconds of this process's CPU time per call, with a task for each stock."""
    each = max(1, calls // len(stocks))

    async def worker(code: str) -> None:
        for _ in range(each):
            await call(code)

    began = time.process_time()
    await asyncio.gather(*(worker(code) for code in stocks))
    return (time.process_time() - began) * 1e6 / (each * len(stocks))
