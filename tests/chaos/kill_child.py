"""One life of the real bot in a process of its own, that ends where it is told to by a `kill -9` of itself.

It is forked from a server that has imported everything, so that a life costs what it does and not what it loads.
"""

import asyncio
import contextlib
import mmap
import os
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bot.app.application import BotApplication
from bot.config.settings import GivenSettings
from bot.orders.model.order import IN_DOUBT, ON_ITS_WAY
from kis import failpoints as crash
from kis.config import kst_now
from tests.chaos import kill_points
from tests.chaos.error_log import keep_errors

STEP = 12.0
"""Seconds that pass at once between two readings, so that three minutes of looking take a moment."""
READINGS = 60
EVERY = 0.005
NEVER_MIND = "UPDATE outbox SET state = 'failed' WHERE state = 'pending' AND chat_id = ?"


class SharedClock:
    """Real time moved ahead by hand, the same in every process that opened the file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), 8)

    def __call__(self) -> datetime:
        return kst_now() + timedelta(seconds=struct.unpack("d", self._ahead[:8])[0])

    def jump(self, seconds: float) -> None:
        """Let time pass at once, for everybody."""
        self._ahead[:8] = struct.pack("d", struct.unpack("d", self._ahead[:8])[0] + seconds)


def live(line: Connection, settings: dict[str, Any], clock_file: Path, spec: str) -> None:
    """Run until killed, or told to stop."""
    keep_errors()
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    asyncio.run(_live(line, settings, SharedClock(clock_file), spec))


async def _live(line: Connection, settings: dict[str, Any], clock: SharedClock, spec: str) -> None:
    app = BotApplication(GivenSettings(**settings), clock=clock)
    kill_points.mark(
        journal=app.storage.journal,
        outbox=app.storage.outbox,
        inbox=app.storage.inbox,
        desk=app.parts.desk,
        delivery=app.parts.delivery,
        poll=app.parts.update_poller,
    )
    async with app.running():
        await _settle(app, clock)
        line.send("ready")
        while (word := await _heard(line)) != "stop":
            if word == "arm":
                crash.arm(spec)
            elif word == "settle":
                await _settle(app, clock)
            elif word == "quiet":
                await _quiet(app, clock)
            line.send(word)


async def _heard(line: Connection) -> str:
    while not line.poll():  # noqa: ASYNC110  # a pipe has no event
        await asyncio.sleep(EVERY)
    return str(line.recv())


async def _settle(app: BotApplication, clock: SharedClock) -> None:
    """Look after what is in doubt, at a pace of our own."""
    for _ in range(READINGS):
        await _until(lambda: not app.storage.journal.in_state(ON_ITS_WAY - IN_DOUBT), 5)
        if not app.storage.journal.in_state(IN_DOUBT) and not app.parts.desk.risk_context.recovering:
            break
        before = app.readings
        app.parts.report_poll.wake()
        await _until(lambda before=before: app.readings > before, 2)
        clock.jump(STEP)
    before = app.readings
    app.parts.report_poll.wake()
    await _until(lambda: app.readings > before, 2)


async def _quiet(app: BotApplication, clock: SharedClock) -> None:
    """Let everything be told but what is only for the owner, whose chat is as slow as Telegram has it."""
    owner = app.storage.people.owners()[0]
    for _ in range(30):
        with contextlib.suppress(Exception):
            app.storage.db.execute(NEVER_MIND, [owner])
        pending = "SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending')"
        if not app.storage.db.execute(pending).fetchone()[0]:
            return
        clock.jump(6)
        await asyncio.sleep(0.2)


async def _until(true: Callable[[], object], within: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not true():  # noqa: ASYNC110  # rows and readings have no event
                await asyncio.sleep(EVERY)
