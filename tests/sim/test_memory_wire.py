"""The transport without a socket is held against real sockets: the same fault, the same exception and trace."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from kis.responses import Trace
from kis.sim import Simulator
from kis.sim.faults.catalogue import KINDS
from tests.sim.customer import TRADING, Clock, Customer
from tests.support.memory_wire import MemoryWire
from tests.support.proxy import FAULTS, TcpProxy

ORDER = "order-cash"
TIMEOUT = httpx.Timeout(1.0, read=0.2)
TRUST = httpx.create_ssl_context()
CONNECTION = {"reset_on_accept", "black_hole", "garbage_tls", "refuse"}

OF_THE_BROKER = [
    ("lose_request", {}),
    ("lose_reply", {}),
    ("reset_reply", {}),
    ("reset_reply", {"acts": False}),
    ("head_only", {}),
    ("head_only", {"reset": True}),
    ("cut_reply", {"sent": 20}),
    ("cut_reply", {"sent": 0}),
    ("cut_reply", {"sent": 20, "reset": True}),
    ("cut_reply", {"sent": 9999}),
    ("mute", {}),
    ("mute", {"acts": False}),
    ("stall_reply", {"sent": 20}),
    ("drip", {"rate": 20_000.0}),
    ("drip", {"rate": 2.0}),
    ("slow", {"seconds": 0.02}),
    ("slow", {"seconds": 0.02, "acts": False}),
    ("slow", {"seconds": 0.3}),
    ("slow", {"seconds": 0.3, "acts": False}),
    ("html", {"status": 504}),
    ("empty", {}),
    ("garbage", {"acts": False}),
    ("throttle", {"status": 429, "code": "EGW00215"}),
    ("stale_token", {}),
    ("refuse", {"code": "EGW00302", "acts": True}),
    ("no_order_no", {}),
    ("late_booking", {"seconds": 8}),
    ("twin", {"when": "after"}),
    ("skew", {"seconds": -5}),
]
OF_THE_LINE = [
    ("refuse", {}),
    ("black_hole", {}),
    ("reset_on_accept", {}),
    ("reset_after_headers", {}),
    ("reset_after_headers", {"passed": True}),
    ("stall_request", {}),
    ("stall_request", {"at": 10}),
    ("stall_request", {"at": 9999}),
    ("cut_request", {"at": 0}),
    ("cut_request", {"at": 700}),
    ("cut_request", {"at": 9999}),
    ("cut_request", {"at": 30, "reset": True}),
    ("cut_request", {"at": 9999, "reset": True}),
    ("cut_answer", {"at": 0}),
    ("cut_answer", {"at": 0, "reset": True}),
    ("cut_answer", {"at": 60}),
    ("cut_answer", {"at": 60, "reset": True}),
    ("cut_answer", {"at": 220}),
    ("cut_answer", {"at": 220, "reset": True}),
    ("cut_answer", {"at": 9999}),
    ("stall_answer", {"at": 0}),
    ("stall_answer", {"at": 220}),
    ("stall_answer", {"at": 9999}),
    ("slow", {"bytes_per_second": 50_000}),
    ("slow", {"bytes_per_second": 2}),
    ("delay", {"seconds": 0.02}),
    ("delay", {"seconds": 0.3}),
    ("slice", {"size": 7}),
]


@dataclass
class Outcome:
    """All a client can know, and what the broker did."""

    failure: type | None
    answer: tuple | None
    begun: bool
    sent: bool
    orders: int
    fired: int


def order(customer, base_url, trace):
    """An order as our client sends it."""
    headers = {**customer.headers, "tr_id": customer.tr["buy"]}
    extensions = {"timeout": TIMEOUT.as_dict(), "trace": trace}
    return httpx.Request(
        "POST", f"{base_url}{TRADING}{ORDER}", headers=headers, json=customer.order_body(), extensions=extensions
    )


async def outcome(sim, customer, client, base_url, fired):
    trace, failure, answer = Trace(), None, None
    try:
        response = await client.send(order(customer, base_url, trace))
        answer = (response.status_code, response.content, response.headers.get("date"), response.headers.get("tr_cont"))
    except httpx.HTTPError as lost:
        failure = type(lost)
    return lambda: Outcome(failure, answer, trace.begun, trace.sent, len(sim.exchange.orders), sum(fired().values()))


def simulator():
    return Simulator(clock=Clock(), rate_limit=False)


async def over_sockets(plant, *, https=False):
    sim = simulator()
    async with sim.serve() as behind:
        proxy = TcpProxy("127.0.0.1", int(behind.rpartition(":")[2]))
        limits = httpx.Limits(max_keepalive_connections=0)
        async with proxy.serve() as url, httpx.AsyncClient(limits=limits, verify=TRUST) as client:
            async with httpx.AsyncClient(base_url=behind, verify=TRUST) as first:
                customer = await Customer(sim, first).log_in()
            plant(sim.faults, proxy)
            base_url = url.replace("http:", "https:") if https else url
            told = await outcome(sim, customer, client, base_url, lambda: proxy.fired + sim.faults.fired)
            if told().failure and sim.faults.fired["slow"]:
                await asyncio.sleep(0.2)  # until it has happened
            return told()


async def in_memory(plant, *, https=False):
    sim = simulator()
    sim_clock = Clock()

    async def sleep(seconds):
        sim_clock.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    wire = MemoryWire(sim, sleep=sleep, clock=sim_clock)
    async with httpx.AsyncClient(transport=wire, base_url="http://kis") as client:
        customer = await Customer(sim, client).log_in()
        plant(sim.faults, wire)
        base_url = "https://kis" if https else "http://kis"
        told = await outcome(sim, customer, client, base_url, lambda: wire.fired + sim.faults.fired)
        await wire.settle()
        return told()


@pytest.mark.parametrize(("name", "how"), OF_THE_BROKER, ids=str)
async def test_a_fault_of_the_broker_is_the_same_without_a_socket(name, how):
    def plant(faults, _):
        faults.plant(name, path=ORDER, **how)

    theirs = await over_sockets(plant)
    assert await in_memory(plant) == theirs
    assert theirs.fired == 1


@pytest.mark.parametrize(("name", "how"), OF_THE_LINE, ids=str)
async def test_a_fault_of_the_line_is_the_same_without_a_socket(name, how):
    def plant(_, line):
        line.plant(name, path=None if name in CONNECTION else ORDER, **how)

    theirs = await over_sockets(plant)
    assert await in_memory(plant) == theirs
    assert theirs.fired == 1


@pytest.mark.parametrize("name", ["black_hole", "garbage_tls", "reset_on_accept", "refuse"])
async def test_a_fault_of_the_line_under_tls_is_the_same_without_a_socket(name):
    def plant(_, line):
        line.plant(name)

    theirs = await over_sockets(plant, https=True)
    assert await in_memory(plant, https=True) == theirs
    assert not theirs.sent


def test_every_fault_is_compared():
    lists = {name for name, kind in KINDS.items() if kind.paths and "order-cash" not in kind.paths}
    sockets = {name for name, kind in KINDS.items() if kind.websocket}
    assert {name for name, _ in OF_THE_BROKER} == set(KINDS) - lists - sockets
    assert {name for name, _ in OF_THE_LINE} == set(FAULTS) - {"garbage_tls"}


class Later:
    """Sleeps that end when the test says so."""

    def __init__(self):
        self.clock = Clock()
        self._due = []

    async def sleep(self, seconds):
        woken = asyncio.Event()
        self._due.append((self.clock() + timedelta(seconds=seconds), woken))
        await woken.wait()

    async def go(self, seconds):
        await asyncio.sleep(0.001)
        self.clock.move(seconds=seconds)
        for due, woken in self._due:
            if due <= self.clock():
                woken.set()
        await asyncio.sleep(0.001)


async def test_who_is_cancelled_before_the_broker_begins_does_not_take_the_order_back():
    sim, time = simulator(), Later()
    wire = MemoryWire(sim, sleep=time.sleep, clock=time.clock, latency=4)
    customer = await Customer(
        sim, httpx.AsyncClient(transport=httpx.ASGITransport(sim.app), base_url="http://kis")
    ).log_in()
    sending = asyncio.create_task(wire.handle_async_request(patient(customer)))
    await time.go(3)
    sending.cancel()
    await time.go(0.5)
    assert sending.cancelled()
    assert sim.exchange.orders == []
    await time.go(0.5)
    assert len(sim.exchange.orders) == 1
    await wire.settle()


async def test_an_answer_is_under_way_for_as_long_as_was_said():
    sim, time = simulator(), Later()
    wire = MemoryWire(sim, sleep=time.sleep, clock=time.clock, latency=4)
    customer = await Customer(
        sim, httpx.AsyncClient(transport=httpx.ASGITransport(sim.app), base_url="http://kis")
    ).log_in()
    sim.faults.plant("slow", seconds=3)
    sending = asyncio.create_task(wire.handle_async_request(patient(customer)))
    await time.go(4)
    assert (len(sim.exchange.orders), sending.done()) == (1, False)
    await time.go(3)
    assert (await sending).json()["rt_cd"] == "0"


def patient(customer):
    request = order(customer, "http://kis", Trace())
    request.extensions = {}
    return request
