"""docs/simulator.md names everything there is, and its example runs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kis.sim import Simulator
from kis.sim.admin_api import AdminApi
from kis.sim.exchange.scenario import SCRIPTS
from kis.sim.faults.catalogue import KINDS
from tests.support.proxy import FAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(\w+)`", PAGE))
SIM = Simulator()
OPTIONS = set(inspect.signature(Simulator.__init__).parameters) - {"self"}


@pytest.mark.parametrize(
    "names", [OPTIONS, set(KINDS), set(FAULTS), set(SCRIPTS), set(AdminApi(SIM.exchange, SIM.faults, SIM.oauth).calls)]
)
def test_the_page_names_every_option_fault_script_and_call(names):
    assert names - NAMED == set()


def test_the_example_of_the_page_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=ROOT)
    assert (done.returncode, done.stdout.strip()) == (0, "92300"), done.stderr
