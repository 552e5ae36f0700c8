"""`kisbot run` as a process: until it asks Telegram for the first time, what it holds when idle, what it imports."""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil

from bot.demo.run import OWNER, TOKEN
from bot.demo.telegram import LocalTelegram
from kis.sim import Simulator
from tests.bench.broker import environment
from tests.bench.report import Row, median, times
from tests.support.waiting import happens

LIBRARIES = "aiolimiter, filelock, httpx, pydantic_settings, sqlite_utils, structlog, telegram.ext, typer"
"""What the bot stands on: a process that imports these and does nothing is the measure beside it."""
MEASURE = f"import asyncio, sys, {LIBRARIES}; print(flush=True); sys.stdin.read()"
UNWANTED = ("pandas", "matplotlib", "numpy", "PIL", "kis.sim", "bot.demo")
MEGA = 1 << 20


async def start_up(*, starts: int = 5, idle: float = 5.0) -> tuple[list[Row], dict[str, Any]]:
    """Start-up time, memory after some idle seconds, and whether anything heavy was imported."""
    async with _world() as world:
        pairs = [(await _start(world), await _import_only()) for _ in range(starts)]
        held = await _memory(world, idle)
        modules = await _modules(world)
    bot_s = median([bot for bot, _ in pairs])
    libraries_s, libraries_mb = (median([libraries[n] for _, libraries in pairs]) for n in (0, 1))
    unwanted = [name for name in UNWANTED if any(one == name or one.startswith(f"{name}.") for one in modules)]
    start_ratio = median([bot / seconds for bot, (seconds, _) in pairs])
    figures = {
        "starts": starts,
        "start_s": bot_s,
        "libraries_s": libraries_s,
        "start_ratio": start_ratio,
        "rss_mb": held,
        "libraries_rss_mb": libraries_mb,
        "modules": len(modules),
        "unwanted": unwanted,
    }
    return [
        Row(
            "`kisbot run`이 텔레그램에 처음 물을 때까지: 라이브러리 import만 하는 프로세스 대비",
            "`kisbot run` until its first poll, beside a process that only imports the libraries",
            times(start_ratio),
            f"{bot_s:.2f} s / {libraries_s:.2f} s",
        ),
        Row(
            f"{idle:.0f}초 쉰 뒤 메모리 (RSS), 같은 프로세스 대비",
            f"memory (RSS) after {idle:.0f} idle seconds, beside the same",
            times(held / libraries_mb),
            f"{held:.0f} MB / {libraries_mb:.0f} MB",
        ),
        Row(
            "실행 중 pandas·matplotlib·numpy·Pillow·모의 서버·데모를 import하나",
            "pandas, matplotlib, numpy, Pillow, simulator or demo imported by `run`",
            f"예 · yes: {', '.join(unwanted)}" if unwanted else "아니오 · no",
            f"{len(modules)} modules",
        ),
    ], figures


class _World:
    """A broker and a Telegram for a bot in another process."""

    def __init__(self, telegram: LocalTelegram, environ: dict[str, str], home: Path) -> None:
        self.telegram = telegram
        self._environ = environ
        self._home = home
        self._runs = 0

    @contextlib.asynccontextmanager
    async def bot(self, *flags: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, float]]:
        """A bot with a data directory of its own, up to its first poll; yields it and the seconds that took."""
        self._runs += 1
        home = self._home / str(self._runs)
        home.mkdir()
        environ = environment(**self._environ, KISBOT_DATA_DIR=str(home / "data"))
        polls = self._polls()
        began = time.perf_counter()
        with (home / "err").open("wb") as errors, (home / "out").open("wb") as words:
            child = await asyncio.create_subprocess_exec(
                sys.executable, *flags, "-m", "bot", "run", cwd=home, env=environ, stdout=words, stderr=errors
            )
            try:
                up = await happens(lambda: child.returncode is not None or self._polls() > polls, within=60)
                if not up or child.returncode is not None:
                    raise RuntimeError(f"the bot did not start: {self.errors()[-800:]}")
                yield child, time.perf_counter() - began
            finally:
                if child.returncode is None:
                    child.terminate()
                await child.wait()

    def errors(self) -> str:
        """What the last bot wrote to its standard error."""
        return (self._home / str(self._runs) / "err").read_text(encoding="utf-8", errors="replace")

    def _polls(self) -> int:
        return sum(call.method == "getUpdates" for call in self.telegram.calls)


@contextlib.asynccontextmanager
async def _world() -> AsyncIterator[_World]:
    broker = Simulator(profile="real", token_rules=False)
    telegram = LocalTelegram(token=TOKEN, people=(OWNER,))
    with tempfile.TemporaryDirectory(prefix="kisbot-bench-") as home:
        async with broker.serve() as kis_url, telegram.serve() as page:
            given = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_BASE": f"{page}/bot", "KISBOT_OWNER_ID": str(OWNER.id)}
            yield _World(telegram, broker.environ(kis_url) | given, Path(home))


async def _start(world: _World) -> float:
    async with world.bot() as (_, seconds):
        return seconds


async def _import_only() -> tuple[float, float]:
    """Seconds until the libraries stand in memory, and megabytes they take there."""
    began = time.perf_counter()
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEASURE, stdin=pipe, stdout=pipe, env=environment()
    )
    assert child.stdout is not None
    assert child.stdin is not None
    if not await child.stdout.readline():
        raise RuntimeError("the libraries cannot be imported")
    seconds = time.perf_counter() - began
    held = psutil.Process(child.pid).memory_info().rss / MEGA
    child.stdin.close()
    await child.wait()
    return seconds, held


async def _memory(world: _World, idle: float) -> float:
    async with world.bot() as (child, _):
        await asyncio.sleep(idle)
        return psutil.Process(child.pid).memory_info().rss / MEGA


async def _modules(world: _World) -> set[str]:
    """Every module that a run up to its first poll and a second more has imported."""
    async with world.bot("-X", "importtime"):
        await asyncio.sleep(1)
    lines = [line for line in world.errors().splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}
