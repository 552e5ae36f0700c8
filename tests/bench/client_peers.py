"""Our client beside raw httpx and beside the KIS clients people use, on loopback, the broker in another process.

The others are those that `make guests` installs; where it has not run, their rows say so.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import PRICE, Env
from kis.models import OrderKind
from kis.payloads import Payloads
from kis.responses import Headers
from kis.sim import Simulator
from tests.bench.broker import ROOT, environment
from tests.bench.report import Row, median, times

PEERS = ("python-kis", "mojito2", "kis-trader")
GUESTS = ROOT / ".venv-guests"
LIMIT = 18
TASKS = (1, 32)
CALLS = 384
ROUNDS = 7
RATE_SECONDS = 7.0
STEADY = 5.0  # seconds of those that count, once the burst of the beginning is over
BACKLOG = 200
TRIALS = 8
ASKERS = 1000
LOW = 0.8  # of the price: on the books, far from being filled
LOWEST = 0.71  # of it: below, the exchange refuses
Quote = Callable[[str], Awaitable[Any]]
Cost = Callable[[int], Awaitable[float]]
_Process = asyncio.subprocess.Process


class _Absent(Exception):
    """Why a guest has no figures."""


async def run(*, guests: Path = GUESTS) -> tuple[list[Row], dict[str, Any]]:
    """Four questions to each client: CPU, use of the rate, waiting behind a backlog, a thousand askers."""
    figures: dict[str, Any] = {name: {} for name in ("ours", "httpx", *PEERS)}
    async with _broker(limited=False) as broker:
        await _side_by_side(broker, guests, figures)
    for name in ("ours", *PEERS):
        async with _broker(limited=True) as broker:
            if name == "ours":
                figures[name] |= await _own_limits(broker)
            elif "absent" not in figures[name]:
                try:
                    async with _guest(guests, name, broker, limited=True) as child:
                        figures[name] |= await _guest_limits(child, broker)
                except _Absent as reason:
                    figures[name]["limits_absent"] = str(reason)
    return _rows(figures), figures


# The broker


class _Tally:
    """The broker's application, counting what it says to calls of the API."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._said: list[tuple[float, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["path"].startswith("/uapi/"):
                self._said.append((time.monotonic(), message["status"]))
            await send(message)

        await self._app(scope, receive, counted)

    def taken(self, begin: float, end: float) -> dict[str, int]:
        """What was said since the last time, and of that what was accepted between two moments after the first."""
        said, self._said = self._said, []
        first = said[0][0] if said else 0.0
        counted = Counter("accepted" if status == 200 else "refused" for _, status in said)
        steady = sum(status == 200 and begin <= at - first < end for at, status in said)
        return {"accepted": counted["accepted"], "refused": counted["refused"], "steady": steady}


@dataclass
class _Broker:
    at: dict[str, str]
    codes: list[str]
    prices: dict[str, int]
    child: _Process

    async def tally(self, begin: float = 0.0, end: float = 0.0) -> dict[str, int]:
        """What the broker said since the last tally."""
        found: dict[str, int] = await _ask(self.child, {"begin": begin, "end": end})
        return found


@contextlib.asynccontextmanager
async def _broker(*, limited: bool) -> AsyncIterator[_Broker]:
    how = "limited" if limited else "free"
    async with _child([sys.executable, "-m", "tests.bench.client_peers", how]) as child:
        first = await _line(child)
        yield _Broker(first["at"], sorted(first["prices"]), first["prices"], child)


async def _serve(how: str) -> None:
    # not strict: the bodies of some clients lack keys that KIS has asked for of late
    broker = Simulator(profile="real", rate_limit=how == "limited", token_rules=False, cash=10**12, strict=False)
    prices = {code: int(LOW * issue.base) // 1000 * 1000 for code, issue in broker.exchange.issues.items()}
    issues = broker.exchange.issues
    prices = {code: price for code, price in prices.items() if price > LOWEST * issues[code].base}
    broker.app = tally = _Tally(broker.app)  # type: ignore[assignment]
    async with broker.serve() as base_url:
        _say({"at": broker.environ(base_url), "prices": prices})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(tally.taken(**json.loads(line)))


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


# Children that answer in lines of JSON


@contextlib.asynccontextmanager
async def _child(words: list[str], errors: Any = subprocess.DEVNULL) -> AsyncIterator[_Process]:
    pipe = subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, stderr=errors, env=environment(), limit=1 << 20
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()  # a guest may still have quotes in line
        await child.wait()


async def _line(child: _Process) -> dict[str, Any]:
    assert child.stdout is not None
    text = await asyncio.wait_for(child.stdout.readline(), 120)
    if not text:
        raise RuntimeError("ended without a word")
    found: dict[str, Any] = json.loads(text)
    return found


async def _ask(child: _Process, what: dict[str, Any]) -> dict[str, Any]:
    assert child.stdin is not None
    child.stdin.write(json.dumps(what).encode() + b"\n")
    return await _line(child)


# The guests


@contextlib.asynccontextmanager
async def _guest(guests: Path, name: str, broker: _Broker, *, limited: bool) -> AsyncIterator[_Process]:
    """A guest at work; raises `_Absent` with the reason where it cannot work, or ceases to."""
    python = guests / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        raise _Absent("make guests")
    with tempfile.TemporaryFile() as errors:
        try:
            async with _child([str(python), str(Path(__file__).with_name("peer.py")), name], errors) as child:
                await _ask(child, {"at": broker.at, "codes": broker.codes, "limited": limited})
                yield child
        except (RuntimeError, TimeoutError, OSError, ValueError) as failure:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip().splitlines() or [repr(failure)]
            raise _Absent(words[-1]) from failure


async def _side_by_side(broker: _Broker, guests: Path, figures: dict[str, Any]) -> None:
    """CPU of each in turns, round by round, so that whatever else the machine does meets all of them alike."""
    async with contextlib.AsyncExitStack() as stack:
        ways = await _own_ways(stack, broker)
        kis_price = ways["ours"]
        costs: dict[str, Cost] = {name: partial(_cpu, way, broker.codes) for name, way in ways.items()}
        children: dict[str, _Process] = {}
        for name in PEERS:
            try:
                children[name] = await stack.enter_async_context(_guest(guests, name, broker, limited=False))
            except _Absent as reason:
                figures[name]["absent"] = str(reason)
            else:
                costs[name] = partial(_guest_cost, children[name])
        for tasks in TASKS:
            rounds = [{name: await cost(tasks) for name, cost in costs.items()} for _ in range(1 + ROUNDS)][1:]
            for name in costs:
                figures[name][f"cpu_us_{tasks}"] = median([one[name] for one in rounds])
                figures[name][f"ours_beside_it_{tasks}"] = median([one["ours"] / one[name] for one in rounds])
        await broker.tally()
        await asyncio.gather(*(kis_price(broker.codes[0]) for _ in range(ASKERS)))
        figures["ours"]["calls"] = (await broker.tally())["accepted"]
        for name, child in children.items():
            await _ask(child, {"do": "asks", "askers": ASKERS})
            figures[name]["calls"] = (await broker.tally())["accepted"]


async def _guest_cost(child: _Process, tasks: int) -> float:
    found: float = (await _ask(child, {"do": "cost", "tasks": tasks, "calls": CALLS}))["cpu_us"]
    return found


async def _guest_limits(child: _Process, broker: _Broker) -> dict[str, Any]:
    await asyncio.sleep(1.1)
    await broker.tally()
    await _ask(child, {"do": "rate", "seconds": RATE_SECONDS, "tasks": 24})
    found = _use(await broker.tally(1.0, 1.0 + STEADY))
    await asyncio.sleep(1.1)
    price = broker.prices[broker.codes[0]]
    return found | await _ask(child, {"do": "wait", "quotes": BACKLOG, "price": price})


def _use(tally: dict[str, int]) -> dict[str, Any]:
    return {"rate_used": tally["steady"] / STEADY / LIMIT, "refused": tally["refused"]}


# Ourselves, and raw httpx


@contextlib.asynccontextmanager
async def _ours(broker: _Broker, interval: float) -> AsyncIterator[KisClient]:
    with tempfile.TemporaryDirectory(prefix="kisbot-bench-") as home:
        async with KisClient(_config(broker, Path(home), interval)) as kis:
            await kis.price(broker.codes[0])
            yield kis


def _config(broker: _Broker, home: Path, interval: float) -> KisConfig:
    return KisConfig(
        env=Env(broker.at["KIS_ENV"]),
        app_key=broker.at["KIS_APP_KEY"],
        app_secret=broker.at["KIS_APP_SECRET"],
        account=broker.at["KIS_ACCOUNT"],
        rest_url=broker.at["KIS_REST_URL"],
        min_interval=interval,
        token_dir=home,
    )


async def _own_ways(stack: contextlib.AsyncExitStack, broker: _Broker) -> dict[str, Quote]:
    kis = await stack.enter_async_context(_ours(broker, 0.0))
    raw = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    config = kis._config
    token = await kis._session.token.get()
    pairs = Headers(config.app_key, config.app_secret).full(token, str(PRICE.tr_id(config.env, config.generation)))
    headers = {name.decode(): value.decode() for name, value in pairs}
    questions = {code: Payloads(config).stock(PRICE, code) for code in broker.codes}

    async def plain(code: str) -> int:
        answer = await raw.get(config.rest + PRICE.path, params=questions[code], headers=headers)
        return int(json.loads(answer.raise_for_status().content)["output"]["stck_prpr"])

    return {"ours": kis.price, "httpx": plain}


async def _cpu(quote: Quote, codes: list[str], tasks: int) -> float:
    """Microseconds of this process's CPU time per quote; at no time do two ask for the same stock."""
    share = CALLS // tasks

    async def worker(number: int) -> None:
        for n in range(share):
            await quote(codes[(number + n * tasks) % len(codes)])

    began = time.process_time()
    await asyncio.gather(*(worker(number) for number in range(tasks)))
    return (time.process_time() - began) * 1e6 / (share * tasks)


async def _own_limits(broker: _Broker) -> dict[str, Any]:
    async with _ours(broker, 1 / LIMIT) as kis:
        await asyncio.sleep(1.1)
        await broker.tally()
        codes = deque(broker.codes)
        stop = time.monotonic() + RATE_SECONDS

        async def worker() -> None:
            while time.monotonic() < stop:
                codes.rotate()
                await kis.price(codes[0])

        await asyncio.gather(*(worker() for _ in range(24)))
        found = _use(await broker.tally(1.0, 1.0 + STEADY))
        return found | await _own_waits(kis, broker)


async def _own_waits(kis: KisClient, broker: _Broker) -> dict[str, float]:
    """The longest waits of several orders and cancels, one at a time, while quotes stand in line."""
    code = broker.codes[0]
    order: dict[str, Any] = {"price": broker.prices[code], "kind": OrderKind.LIMIT}
    half = BACKLOG // 2  # prices of one half and order books of the other: no two questions are the same
    backlog: list[asyncio.Task[Any]] = [asyncio.create_task(kis.price(code)) for code in broker.codes[:half]]
    backlog += [asyncio.create_task(kis.order_book(code)) for code in broker.codes[:half]]
    waits: dict[str, list[float]] = {"order_s": [], "cancel_s": []}
    for n in range(TRIALS):
        await asyncio.sleep(0.3 + 0.013 * n)  # at another moment between two calls each time
        began = time.monotonic()
        placed = await kis.buy(code, 1, **order)
        waits["order_s"].append(time.monotonic() - began)
        await asyncio.sleep(0.2 + 0.017 * n)
        began = time.monotonic()
        await kis.cancel(placed.order_no, branch=placed.branch)
        waits["cancel_s"].append(time.monotonic() - began)
    left = sum(not task.done() for task in backlog)
    for task in backlog:
        task.cancel()
    await asyncio.gather(*backlog, return_exceptions=True)
    return {name: max(found) for name, found in waits.items()} | {"left_in_line": left}


# What is told of it


def _rows(figures: dict[str, Any]) -> list[Row]:
    rows = [_cost_row(figures, tasks) for tasks in TASKS]
    ours = figures["ours"]
    slots = [ours[name] * LIMIT for name in ("order_s", "cancel_s")]
    rows += [
        Row(
            f"초당 {LIMIT}건 한도 중 쓴 비율과 거절된 호출",
            f"share of the {LIMIT} calls a second that is used, and calls refused",
            f"{ours['rate_used']:.1%}, {ours['refused']}",
            _others(figures, lambda one: f"{one['rate_used']:.1%}, {one['refused']}", "rate_used"),
        ),
        Row(
            f"시세 {BACKLOG}건 뒤에 선 주문 / 취소가 답을 받기까지 ({TRIALS}번 중 가장 긴 것, 한도의 호출 간격 단위)",
            f"an order / a cancel behind {BACKLOG} quotes until answered (the longest of {TRIALS}), in intervals of the limit",
            f"{slots[0]:.1f} / {slots[1]:.1f}",
            f"{_waits(ours)}; " + _others(figures, _waits, "order_s"),
        ),
        Row(
            f"{ASKERS}명이 한 종목 시세를 한꺼번에 물을 때 KIS 호출 수",
            f"calls to KIS when {ASKERS} ask for one price at once",
            str(ours["calls"]),
            _others(figures, lambda one: str(one["calls"]), "calls"),
        ),
    ]
    return rows


def _cost_row(figures: dict[str, Any], tasks: int) -> Row:
    name = f"cpu_us_{tasks}"
    ours = figures["ours"][name]
    beside = f"ours_beside_it_{tasks}"
    others = _others(figures, lambda one: f"{one[name]:.0f} µs ({times(one[beside])})", name)
    return Row(
        f"타입이 붙은 시세 하나의 CPU: 순수 httpx 대비 (동시 {tasks}개)",
        f"CPU of a typed price beside raw httpx, {tasks} at once",
        times(figures["httpx"][beside]),
        f"{ours:.0f} µs / {figures['httpx'][name]:.0f} µs; {others}",
    )


def _waits(one: dict[str, Any]) -> str:
    found = [one.get(name, "–") for name in ("order_s", "cancel_s")]
    return " / ".join(f"{wait * 1000:.0f} ms" if isinstance(wait, float) else str(wait) for wait in found)


def _others(figures: dict[str, Any], say: Callable[[dict[str, Any]], str], needed: str) -> str:
    told = []
    for name in PEERS:
        one = figures[name]
        if needed in one:
            told.append(f"{name} {say(one)}")
        else:
            told.append(f"{name}: {one.get('absent') or one.get('limits_absent') or 'no figure'}")
    return ", ".join(told)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
