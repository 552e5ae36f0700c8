"""One token for every process of this machine: real processes, against a simulator on a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest

from kis import KisApi, kst_now
from tests.kis.kis_scripts import simulated
from tests.kis.kis_wire import TOKEN_PATH

ASK = """
import sys
from kis import KisApi
with KisApi.from_env() as api:
    print("ready", flush=True)
    sys.stdin.readline()
    print(api.get_stock_price("005930").price, flush=True)
"""
PROCESSES = 3


def refreshed_at_once(environ):
    """What as many processes say that all ask at the same moment."""
    command = [sys.executable, "-W", "error", "-c", ASK]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    children = [
        subprocess.Popen(command, env=os.environ | environ, text=True, encoding="utf-8", **pipes)
        for _ in range(PROCESSES)
    ]
    try:
        assert [child.stdout.readline() for child in children] == ["ready\n"] * PROCESSES
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        return [child.communicate(timeout=30) for child in children], [child.returncode for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()


@pytest.mark.parametrize(
    ("token", "life"),
    [(None, None), ("about-to-end", timedelta(minutes=4)), ("forgotten-by-kis", timedelta(hours=12))],
    ids=["none yet", "about to end", "refused"],
)
def test_processes_that_refresh_the_token_at_once_ask_for_one(tmp_path, token, life):
    with simulated(tmp_path) as (sim, environ):
        if token:
            with KisApi.from_env(environ) as api:
                api.get_stock_price("005930")
            (file,) = tmp_path.glob("kis-token-*.json")
            ago = kst_now() - timedelta(hours=12)
            row = {"token": token, "expires": (kst_now() + life).isoformat(), "attempted": ago.isoformat()}
            file.write_text(json.dumps(row), encoding="utf-8")
        before = len(sim.requests)
        said, codes = refreshed_at_once(environ)
        asked = [one for one in list(sim.requests)[before:] if one.path == TOKEN_PATH]
        assert codes == [0] * PROCESSES, said
        assert len({out for out, _ in said}) == 1
        assert len(asked) == 1
        (file,) = tmp_path.glob("kis-token-*.json")
        assert json.loads(file.read_text(encoding="utf-8"))["token"] != token
