"""Draws charts in a child process, so that a drawing that crashes or hangs does not harm the bot."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-P", str(Path(__file__).with_name("draw.py")))
"""The program; `-P`, because beside it lie modules of ours whose names are other libraries' too."""
TIMEOUT = 10.0
"""Seconds from the request to the picture, waiting included; drawing takes a fraction of one."""
ENVIRONMENT = frozenset({"PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT"})
"""Variables handed to the child; the secrets beside them are not."""
_PNG = b"\x89PNG\r\n\x1a\n"


class ChartRenderer:
    """Draws one chart at a time."""

    def __init__(self, command: Sequence[str] = COMMAND, timeout: float = TIMEOUT) -> None:
        """`command`: reads facts and writes a PNG, as `bot.charts.draw` does; `timeout`: seconds for one picture."""
        self._command = command
        self._timeout = timeout
        self._lock = asyncio.Lock()

    async def draw(self, facts: Mapping[str, Any]) -> bytes | None:
        """The chart of these facts (see `bot.charts.draw.picture`) as a PNG; None if it cannot be drawn."""
        asked = json.dumps(facts).encode()
        try:
            async with asyncio.timeout(self._timeout), self._lock:
                return await self._drawn(asked)
        except (OSError, TimeoutError) as error:
            log.warning("a chart could not be drawn", why=type(error).__name__)
            return None

    async def _drawn(self, asked: bytes) -> bytes | None:
        pipe = asyncio.subprocess.PIPE
        environ = {name: value for name, value in os.environ.items() if name in ENVIRONMENT}
        child = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, stderr=pipe, env=environ)
        try:
            picture, complaint = await child.communicate(asked)
        finally:
            if child.returncode is None:  # timed out or cancelled
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        if child.returncode or not picture.startswith(_PNG):
            said = complaint.decode(errors="replace")[-400:]
            log.warning("a chart could not be drawn", status=child.returncode, said=said)
            return None
        return picture
