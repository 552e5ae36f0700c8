"""Crash points: real processes that end where they are told to, and what had left them by then."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from kis import Outcome
from kis import failpoints as crash
from kis.failpoints import arm, at
from tests.kis.kis_wire import ACCOUNT, KEY, SECRET, sample

ROOT = Path(__file__).parents[2]
SEND = """
import asyncio, sys
from kis import KisClient, OrderKind, Side, config_from_env

async def main():
    async with KisClient(config_from_env()) as kis:
        for _ in range(2):
            written = kis.written(Side.BUY, "005930", 1, price=75_700, kind=OrderKind.LIMIT)
            print((await kis.send(written)).outcome, flush=True)

asyncio.run(main())
"""
TOKEN = {"access_token": "token-1", "expires_in": 86400}


@pytest.fixture(autouse=True)
def disarmed():
    yield
    arm("")


ENDED = -9 if os.name == "posix" else 9


class Gateway:
    """Gives tokens, takes orders, and keeps every byte of each connection."""

    def __init__(self):
        self.heard = []
        self.under_way = set()

    async def __call__(self, reader, writer):
        self.under_way.add(asyncio.current_task())
        heard = bytearray()
        self.heard.append(heard)
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                heard += chunk
                head, _, body = bytes(heard).partition(b"\r\n\r\n")
                if f"content-length: {len(body)}\r".encode() in head.lower() + b"\r":
                    content = json.dumps(TOKEN if b"/oauth2/" in head else sample("order_paper")).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content)
                    await writer.drain()
        writer.close()

    def orders(self):
        """What came of each order."""
        return [bytes(heard) for heard in self.heard if b"/oauth2/" not in heard]


async def ended_at(spec, tmp_path):
    """What a process said that was to end there, its status, and what came of its orders."""
    gateway = Gateway()
    server = await asyncio.start_server(gateway, "127.0.0.1", 0)
    environ = {
        "KIS_APP_KEY": KEY,
        "KIS_APP_SECRET": SECRET,
        "KIS_ACCOUNT": ACCOUNT,
        "KIS_MIN_INTERVAL": "0",
        "KIS_REST_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        "KISBOT_DATA_DIR": str(tmp_path / spec.replace(":", "-")),
        "KISBOT_CRASH_AT": spec,
        "PYTHONPATH": str(ROOT),
    }
    command = (sys.executable, "-c", SEND)
    child = await asyncio.create_subprocess_exec(*command, env=os.environ | environ, stdout=subprocess.PIPE)
    out, _ = await asyncio.wait_for(child.communicate(), 30)
    await asyncio.wait(gateway.under_way, timeout=5)
    server.close()
    said = [line for line in out.decode().splitlines() if line in set(Outcome)]
    return said, child.returncode, gateway.orders()


def parts(order):
    """How much of the request came: the headers, and which share of the body."""
    if not order:
        return "nothing"
    head, _, body = order.partition(b"\r\n\r\n")
    (length,) = (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-len"))
    return {0: "headers", length // 2: "half", length: "all"}[len(body)]


async def test_a_process_ends_at_its_point_and_no_byte_later(tmp_path):
    expected = {
        "socket_open:1": ([], ENDED, ["nothing"]),
        "half_body:1": ([], ENDED, ["half"]),
        "all_sent:1": ([], ENDED, ["all"]),
        "answer_read:1": ([], ENDED, ["all"]),
        "half_body:2": (["placed"], ENDED, ["all", "half"]),
        "": (["placed", "placed"], 0, ["all", "all"]),
    }
    runs = await asyncio.gather(*(ended_at(spec, tmp_path) for spec in expected))
    found = [(said, status, [parts(order) for order in orders]) for said, status, orders in runs]
    assert dict(zip(expected, found, strict=True)) == expected


@pytest.mark.parametrize("spec", ["all_sent", "all_sent:", "all_sent:0", "all_sent:-1", ":1", "all_sent:x", ":", "a:²"])
def test_a_choice_that_is_none_is_an_error_and_not_a_run_without_a_crash(spec, monkeypatch):
    with pytest.raises(ValueError, match="KISBOT_CRASH_AT"):
        arm(spec)
    monkeypatch.setenv("KISBOT_CRASH_AT", spec)
    with pytest.raises(ValueError, match="KISBOT_CRASH_AT"):
        runpy.run_path(crash.__file__)


def test_arming_takes_the_place_of_the_environments_choice():
    script = "from kis.failpoints import arm, at; arm('b:2'); at('a'); at('b'); print(1, flush=True); at('b'); print(2)"
    child = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"KISBOT_CRASH_AT": "a:1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (child.stdout.split(), child.returncode) == ([b"1"], ENDED)


def test_another_point_and_an_earlier_arrival_end_nothing():
    at("all_sent")
    arm("all_sent:3")
    assert crash.armed()
    for _ in range(2):
        at("all_sent")
        at("half_body")
    arm("")
    assert not crash.armed()
    at("all_sent")
