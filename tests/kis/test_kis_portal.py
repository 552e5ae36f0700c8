"""The thread behind a script's calls: it does not outlive its owner, nor keep a program from ending."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from anyio.from_thread import start_blocking_portal

from kis import KisApi, Misconfigured, NotSent, Unavailable
from tests.kis.kis_scripts import simulated

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    with simulated(tmp_path_factory.mktemp("paper")) as served:
        yield served


@pytest.fixture
def api(paper):
    with KisApi.from_env(paper[1]) as one:
        yield one


def threads():
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("kis")}


def test_a_representation_shows_no_secret(api, paper):
    environ = paper[1]
    assert repr(api) == "<KisApi paper …56-01>"
    for value in (api, api._client, api._config):
        for name in ("KIS_APP_KEY", "KIS_APP_SECRET", "KIS_ACCOUNT"):
            assert environ[name] not in repr(value)
    api.close()
    assert repr(api) == "<KisApi paper …56-01 closed>"


def test_once_closed_nothing_is_sent(paper):
    before = len(paper[0].requests)
    one = KisApi.from_env(paper[1])
    one.close()
    one.close()
    with pytest.raises(Unavailable, match="closed"):
        one.get_balance()
    with pytest.raises(NotSent, match="closed"):
        one.buy_stock("005930", 1, order_type="03")
    assert len(paper[0].requests) == before
    assert threads() == set()


def test_one_left_behind_is_collected_with_its_thread(paper):
    one = KisApi.from_env(paper[1])
    one.get_stock_price("005930")
    assert threads() == {"kis"}
    del one
    gc.collect()
    assert threads() == set()


def test_one_collected_in_its_own_thread_ends_all_the_same(paper, monkeypatch):
    portals = []

    @contextmanager
    def noted(*args, **options):
        with start_blocking_portal(*args, **options) as portal:
            portals.append(portal)
            yield portal

    monkeypatch.setattr("kis.blocking.start_blocking_portal", noted)
    holder = [KisApi.from_env(paper[1])]
    portals.pop().start_task_soon(holder.clear)
    for _ in range(200):
        gc.collect()
        if not threads():
            break
        time.sleep(0.01)
    assert threads() == set()


def test_a_misconfigured_one_starts_no_thread():
    with pytest.raises(Misconfigured):
        KisApi.from_env({})
    assert threads() == set()


def test_many_threads_may_share_one(api):
    found = []
    workers = [threading.Thread(target=lambda: found.append(api.get_stock_price("005930").code)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == ["005930"] * 8


async def test_it_waits_in_a_program_with_a_loop_of_its_own(api):
    assert api.get_stock_price("005930").code == "005930"


SCRIPT = """
import sys
from kis import KisApi
api = KisApi.from_env()
print(api.get_stock_price("005930").code)
print(sorted(name for name in ("pandas", "uvicorn", "telegram", "starlette", "websockets") if name in sys.modules))
"""


@pytest.mark.parametrize("ending", ["", "1 / 0"])
def test_a_script_that_forgets_to_close_ends_at_once(paper, ending):
    done = run(paper, SCRIPT + ending)
    assert done.stdout.split("\n")[:2] == ["005930", "[]"]
    assert done.returncode == (1 if ending else 0)
    if not ending:
        assert done.stderr == ""


def test_log_lines_keep_off_what_a_script_prints(paper, tmp_path):
    fresh = (paper[0], paper[1] | {"KISBOT_DATA_DIR": str(tmp_path)})  # no token yet: one is issued, and logged
    assert run(fresh, SCRIPT).stdout.startswith("005930\n")
    (tmp_path / "again").mkdir()
    fresh = (paper[0], paper[1] | {"KISBOT_DATA_DIR": str(tmp_path / "again")})
    done = run(fresh, "import logging; logging.basicConfig(level=logging.INFO)" + SCRIPT)
    assert done.stdout.startswith("005930\n")
    assert "INFO:kis.token:event='token_issued'" in done.stderr


def test_a_program_that_logs_in_its_own_way_is_left_alone(paper, monkeypatch):
    monkeypatch.setattr(structlog, "configure", lambda **_: pytest.fail("configured"))
    monkeypatch.setattr(structlog, "is_configured", lambda: True)
    KisApi.from_env(paper[1]).close()


def run(paper, script):
    environ = {**os.environ, **paper[1], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=20, check=False
    )


INTERRUPTED = """
import _thread, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from kis import KisApi
api = KisApi.from_env()
api.get_stock_price("005930")
threading.Timer(0.2, _thread.interrupt_main).start()
try:
    api.buy_stock("005930", 1, order_type="03")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupted_order_is_sent_to_its_end_and_the_script_ends(paper):
    sim = paper[0]
    before = len(sim.exchange.orders)
    sim.faults.plant("slow", path="order-cash", seconds=3.0)
    done = run(paper, INTERRUPTED)
    sim.faults.clear()
    assert done.stdout.endswith("interrupted\n"), done.stderr
    assert done.returncode == 0
    assert len(sim.exchange.orders) == before + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_told_to_make_its_own(paper):
    script = """
import os, warnings
warnings.simplefilter("ignore")
from kis import KisApi, Unavailable
api = KisApi.from_env()
child = os.fork()
try:
    api.get_stock_price("005930")
except Unavailable as failure:
    assert child == 0 and "another process" in str(failure)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    done = run(paper, script)
    assert (done.returncode, done.stderr) == (0, "")
