"""The program that draws is not the bot: whatever it does, the bot goes on, and nothing of it stays."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.charts.renderer import ChartRenderer
from tests.support.chart_facts import days, facts

FACTS = facts(days((100, 200, 100, 200)))
ROOT = Path(__file__).parents[3]
STAMP = "import os, sys, time; from pathlib import Path; at = Path(sys.argv[1])"


def program(code, *arguments):
    return (sys.executable, "-c", code, *map(str, arguments))


async def gone(pid_file):
    """Wait until the process that wrote its number there is no more."""
    async with asyncio.timeout(60):
        while True:
            try:
                os.kill(int(pid_file.read_text()), 0)
            except ProcessLookupError:
                return
            await asyncio.sleep(0.01)


async def begun(pid_file):
    async with asyncio.timeout(60):
        while not (pid_file.exists() and pid_file.read_text()):  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)


async def test_a_chart_comes_back_as_a_picture():
    assert (await ChartRenderer().draw(FACTS)).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "code",
    ["raise SystemExit(3)", "print('no picture')", "import os; os.abort()", "print(end='')"],
    ids=["fails", "chatters", "crashes", "says nothing"],
)
async def test_a_program_that_fails_makes_no_picture(code):
    assert await ChartRenderer(program(code)).draw(FACTS) is None


async def test_facts_that_cannot_be_drawn_make_no_picture():
    assert await ChartRenderer().draw({**FACTS, "bars": []}) is None


async def test_a_program_that_is_not_there_makes_no_picture(tmp_path):
    assert await ChartRenderer((str(tmp_path / "nothing"),)).draw(FACTS) is None


HANGS = f"{STAMP}; at.write_text(str(os.getpid())); time.sleep(60)"


async def test_a_program_that_hangs_is_killed_in_time(tmp_path):
    began = time.monotonic()

    assert await ChartRenderer(program(HANGS, tmp_path / "pid"), timeout=0.5).draw(FACTS) is None

    assert time.monotonic() - began < 50
    await gone(tmp_path / "pid")


async def test_a_chart_that_nobody_wants_any_more_is_not_drawn_to_its_end(tmp_path):
    drawing = asyncio.create_task(ChartRenderer(program(HANGS, tmp_path / "pid")).draw(FACTS))
    await begun(tmp_path / "pid")
    drawing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await drawing
    await gone(tmp_path / "pid")


async def test_one_is_drawn_at_a_time(tmp_path):
    code = f"{STAMP}; at.open('a').write('begin '); time.sleep(0.1); at.open('a').write('end ')"
    charts = ChartRenderer(program(code, tmp_path / "log"))

    await asyncio.gather(*(charts.draw(FACTS) for _ in range(3)))

    assert (tmp_path / "log").read_text().split() == ["begin", "end"] * 3


async def test_waiting_for_ones_turn_counts_as_time(tmp_path):
    """Three pictures that hang hold their chats up for the time of one."""
    charts = ChartRenderer(program(HANGS, tmp_path / "pid"), timeout=1.5)
    began = time.monotonic()

    assert await asyncio.gather(*(charts.draw(FACTS) for _ in range(3))) == [None] * 3
    assert time.monotonic() - began < 4.4, "one after the other they would take 4.5 s"


async def test_the_program_is_told_no_secret_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KIS_APP_SECRET", "never")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "never")
    code = f"{STAMP}; import json; at.write_text(json.dumps(dict(os.environ)))"

    await ChartRenderer(program(code, tmp_path / "environ")).draw(FACTS)

    seen = json.loads((tmp_path / "environ").read_text())
    assert "never" not in seen.values()
    assert not [name for name in seen if name.startswith(("KIS", "TELEGRAM"))]


BOT = """
import asyncio, sys
from bot.demo.run import OWNER
from tests.support.stage import stage_on_sockets as stage
from tests.support.conversation import FAST, say

async def main():
    async with stage(**FAST) as on:
        shown = await say(on, "/chart 005930", "일봉", within=60)
        assert shown.file.data.startswith(b"\\x89PNG")

asyncio.run(main())
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_the_bot_has_loaded_nothing_that_draws_after_it_sent_a_chart():
    """Asked of a process of its own, because this one reads pictures itself."""
    done = subprocess.run(
        [sys.executable, "-c", BOT], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stderr[-2000:]
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "telegram" in loaded
    assert not loaded & {"PIL", "matplotlib", "numpy", "pandas"}
