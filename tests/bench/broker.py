"""The simulated broker in a process of its own, so that its work is not counted as the client's.

`python -m tests.bench.broker` prints its environment as one line of JSON and serves until its input is closed.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from kis.sim import Simulator

ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    """This process's environment for a child that imports this checkout, without any setting of a bot of the user's."""
    ours = ("KIS_", "KISBOT_", "TELEGRAM_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **more}


@contextlib.asynccontextmanager
async def broker_elsewhere() -> AsyncIterator[dict[str, str]]:
    """A broker without limits in another process; yields the environment that points a client at it."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.broker", stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    )
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        line = await asyncio.wait_for(child.stdout.readline(), 30)
        yield json.loads(line)
    finally:
        child.stdin.close()
        await child.wait()


async def serve() -> None:
    broker = Simulator(profile="real", rate_limit=False, token_rules=False)
    async with broker.serve() as base_url:
        sys.stdout.write(json.dumps(broker.environ(base_url)) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
