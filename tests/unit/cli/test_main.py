"""What `kisbot` imports before it knows which command is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.limits import ITEM_NAMES
from bot.orders.risk.limit_overrides import ITEMS

ROOT = Path(__file__).parents[3]
HEAVY = {"asyncio", "pydantic", "sqlite3", "sqlite_utils", "structlog", "telegram", "httpx", "kis", "bot.orders.model"}


@pytest.mark.parametrize("words", [["version"], ["--help"], ["users", "--help"]])
def test_no_command_pays_for_the_imports_of_another(words):
    script = f"""
import sys
from bot.cli.main import cli
cli({words!r}, standalone_mode=False)
print(*sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    unused = HEAVY - ({"pydantic", "asyncio"} if words[-1] == "--help" else set())  # rich draws the help
    assert not set(done.stdout.splitlines()[-1].split()) & unused


def test_the_help_names_every_limit_that_can_be_set():
    assert tuple(ITEMS) == ITEM_NAMES
