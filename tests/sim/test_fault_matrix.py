"""Every way of the fault matrix for KIS to go wrong that is the simulator's own, planted by name, over raw HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from kis.sim import Faults, SimClock, Simulator
from kis.sim.exchange.orders import HTS_CHANNEL
from kis.sim.faults.catalogue import ALWAYS, KINDS
from tests.sim.customer import Clock
from tests.sim.raw import V1, T, buy, executions, sell
from tests.support.waiting import until

ORDER = "order-cash"


def orders(caller):
    return len(caller.sim.exchange.orders)


async def ordered(caller):
    """A connection over which an order has gone out."""
    body = json.dumps(caller.order()).encode()
    fields = {**caller.headers("TTTC0012U" if caller.real else "VTTC0012U"), "Content-Length": len(body)}
    head = [f"POST {V1}{T}order-cash HTTP/1.1", f"Host: {caller.address.netloc}"]
    head += [f"{name}: {value}" for name, value in fields.items()]
    reader, writer = await asyncio.open_connection(caller.address.hostname, caller.address.port)
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    return reader, writer


async def raw_buy(caller, *, silent_after=None):
    """What arrives of the answer to an order, and how it ends: closed, reset, or open.

    Args:
        caller: whose order it is.
        silent_after: bytes of the body after which nothing more is expected; 0 for nothing at all.
    """
    reader, writer = await ordered(caller)
    came, end = b"", "closed"
    try:
        if silent_after:
            came = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(silent_after)
        async with asyncio.timeout(5 if silent_after is None else 0.05):
            while part := await reader.read(65536):
                came += part
    except ConnectionResetError:
        end = "reset"
    except TimeoutError:
        end = "open"
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return came, end


# --- answers that say something else ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 429, 500])
@pytest.mark.parametrize(("code", "field"), [("EGW00201", "message"), ("EGW00215", "msg_cd")])
async def test_a_throttle_comes_with_any_status_and_both_codes(served, status, code, field):
    caller = await served()
    caller.sim.faults.plant("throttle", times=2, path=ORDER, status=status, code=code)
    for _ in range(2):
        reply = await buy(caller)
        assert (reply.status, reply.body["rt_cd"], reply.body[field]) == (status, "1", code)
    assert orders(caller) == 0
    assert (await buy(caller)).body["rt_cd"] == "0"


async def test_a_stale_token_can_stay_stale(served):
    caller = await served()
    caller.sim.faults.plant("stale_token", times=ALWAYS)
    assert [(await buy(caller)).code for _ in range(4)] == ["EGW00123"] * 4
    assert (caller.sim.faults.waiting, caller.sim.faults.fired) == (1, {"stale_token": 4})
    caller.sim.faults.clear()
    assert (await buy(caller)).body["rt_cd"] == "0"


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize(
    ("name", "how", "status", "start"),
    [
        ("refuse", {"code": "EGW00301"}, 500, b'{"rt_cd"'),
        ("refuse", {"code": "EGW00302", "status": 200}, 200, b'{"rt_cd"'),
        ("refuse", {"code": "APBK9999", "status": 200, "rt_cd": "7"}, 200, b'{"rt_cd": "7"'),
        ("html", {"status": 502}, 502, b"<html><head><title>502 Bad Gateway<"),
        ("html", {"status": 503}, 503, b"<html><head><title>503 Service Unavailable<"),
        ("html", {"status": 504}, 504, b"<html><head><title>504 Gateway Timeout<"),
        ("html", {"status": 599}, 599, b"<html><head><title>599<"),
        ("empty", {}, 200, b""),
        ("garbage", {}, 200, b"ERROR"),
    ],
)
async def test_an_answer_that_leaves_open_what_was_done(served, name, how, status, start, acts):
    caller = await served()
    caller.sim.faults.plant(name, path=ORDER, acts=acts, **how)
    reply = await buy(caller)
    assert reply.status == status
    assert reply.raw.startswith(start)
    assert bool(reply.raw) == bool(start)
    assert (orders(caller), caller.sim.faults.fired) == (acts, {name: 1})


# --- answers that do not come, or not whole -----------------------------------------------------------------


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize(
    ("name", "how", "body", "end"),
    [
        ("lose_reply", {}, None, "closed"),
        ("reset_reply", {}, None, "reset"),
        ("mute", {}, None, "open"),
        ("head_only", {}, 0, "closed"),
        ("head_only", {"reset": True}, 0, "reset"),
        ("cut_reply", {"sent": 9}, 9, "closed"),
        ("cut_reply", {"sent": 9, "reset": True}, 9, "reset"),
        ("stall_reply", {"sent": 9}, 9, "open"),
    ],
)
async def test_how_an_answer_ends_says_nothing_of_what_was_done(served, name, how, body, end, acts):
    caller = await served()
    if body and not acts:
        how = {**how, "sent": 2}  # an answer of nobody is short: {}
        body = 2
    caller.sim.faults.plant(name, path=ORDER, acts=acts, **how)
    came, ended = await raw_buy(caller, silent_after=(body or 0) if end == "open" else None)
    head, _, content = came.partition(b"\r\n\r\n")
    assert (ended, head.startswith(b"HTTP/1.1 200"), len(content)) == (end, body is not None, body or 0)
    await until(lambda: caller.sim.faults.fired == {name: 1})
    await until(lambda: orders(caller) == acts)
    assert (await buy(caller)).body["rt_cd"] == "0"
    assert orders(caller) == acts + 1


async def test_an_answer_drips(served):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    caller = await served(sleep=sleep)
    caller.sim.faults.plant("drip", path=ORDER)
    reply = await buy(caller)
    assert reply.body["rt_cd"] == "0"
    assert slept == [1.0] * len(reply.raw)
    caller.sim.faults.plant("drip", path=ORDER, rate=50)
    slept.clear()
    reply = await buy(caller)
    assert sum(slept) == pytest.approx(len(reply.raw) / 50)
    assert max(slept) == pytest.approx(0.1)


async def test_who_leaves_amid_a_drip_is_noticed(served):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        await asyncio.sleep(0.005)

    caller = await served(sleep=sleep)
    caller.sim.faults.plant("drip", path=ORDER)
    reader, writer = await ordered(caller)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    await reader.readexactly(2)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.05)
    told = len(waits)
    await asyncio.sleep(0.05)
    assert 1 < len(waits) == told


async def test_who_leaves_amid_a_request_has_asked_nothing(served):
    caller = await served()
    before = len(caller.sim.requests)
    _, writer = await asyncio.open_connection(caller.address.hostname, caller.address.port)
    writer.write(f"POST {V1}{T}order-cash HTTP/1.1\r\nHost: kis\r\nContent-Length: 400\r\n\r\n{{".encode())
    await asyncio.sleep(0.02)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.02)
    assert (len(caller.sim.requests), orders(caller)) == (before, 0)


@pytest.mark.parametrize("seconds", [1, 8, 30, 90, 200, 300])
async def test_an_order_is_booked_late(served, seconds):
    caller = await served()
    caller.sim.faults.plant("late_booking", seconds=seconds)
    await buy(caller)
    caller.clock.move(seconds=seconds - 0.5)
    assert (await executions(caller)).body["output1"] == []
    caller.clock.move(seconds=0.5)
    assert len((await executions(caller)).body["output1"]) == 1


# --- at the broker, and on its clock ------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "channels"), [("before", ["Nsmart", "OpnAPI"]), ("after", ["OpnAPI", "Nsmart"])])
async def test_somebody_keys_in_the_same_order(served, when, channels):
    caller = await served()
    caller.sim.faults.plant("twin", when=when)
    caller.sim.faults.plant("lose_reply", path=ORDER)
    assert (await raw_buy(caller)) == (b"", "closed")
    ours, theirs = caller.sim.exchange.orders
    assert [ours.channel, theirs.channel] == channels
    same = [(order.side, order.code, order.kind, order.quantity, order.price) for order in (ours, theirs)]
    assert same[0] == same[1]
    assert HTS_CHANNEL == "Nsmart"


async def test_a_twin_of_a_sale_is_a_sale_and_one_that_cannot_be_is_none(served):
    caller = await served(holdings={"005930": (1, 60_000)})
    caller.sim.faults.plant("twin", times=2, when="after")
    await sell(caller)
    await buy(caller, ORD_QTY="x")
    assert [order.side.value for order in caller.sim.exchange.orders] == ["sell"]


@pytest.mark.parametrize("seconds", [5, -5, 0.5, 3600])
async def test_the_brokers_clock_is_wrong(served, seconds):
    caller = await served()
    caller.sim.faults.plant("skew", seconds=seconds, times=2)
    caller.sim.faults.plant("refuse", path=ORDER)
    for reply in (await executions(caller), await buy(caller)):
        shown = parsedate_to_datetime(reply.headers["Date"])
        assert shown == (caller.clock() + timedelta(seconds=seconds)).replace(microsecond=0)
    assert parsedate_to_datetime((await executions(caller)).headers["Date"]) == caller.clock()


# --- planting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("slow", {"seconds": -1}),
        ("slow", {"seconds": float("nan")}),
        ("slow", {"seconds": "5"}),
        ("slow", {"seconds": True}),
        ("throttle", {"code": "EGW00123"}),
        ("html", {"status": 42}),
        ("html", {"status": 502.0}),
        ("drip", {"rate": 0}),
        ("cut_reply", {"sent": -1}),
        ("cut_reply", {"reset": 1}),
        ("twin", {"when": "during"}),
        ("refuse", {"code": 7}),
        ("refuse", {"times": 0}),
        ("refuse", {"times": -2}),
        ("refuse", {"skip": -1}),
        ("lag", {"path": ORDER}),
        ("no_order_no", {"path": "inquire-price"}),
        ("no_order_no", {"acts": False}),
        ("lag", {"acts": False}),
        ("skew", {"minutes": 1}),
    ],
)
def test_a_plant_that_could_never_be_is_refused(name, how):
    faults = Faults()
    with pytest.raises(ValueError, match=name):
        faults.plant(name, **how)
    assert faults.waiting == 0


def test_every_fault_is_described():
    table = Path(inspect.getfile(Faults)).read_text(encoding="utf-8")
    described = {*re.findall(r'\n    # [^-].*\n    "(\w+)": FaultKind', table)}
    described |= {*re.findall(r'\n    "(\w+)": FaultKind.*  # \w', table)}
    assert set(KINDS) - described == set()


def test_an_answer_without_a_socket_tells_what_becomes_of_it():
    sim = Simulator(clock=SimClock(Clock()()), rate_limit=False)
    keys = {"appkey": sim.credentials.app_key, "appsecret": sim.credentials.app_secret}
    body = json.dumps({"grant_type": "client_credentials", **keys}).encode()
    sim.faults.plant("slow", seconds=3, acts=False)
    fate = sim.answer("POST", "/oauth2/tokenP", "", {}, body)
    assert (fate.status, fate.after, fate.answered, fate.arrives) == (200, 3, True, fate.body)
    sim.faults.plant("cut_reply", sent=7)
    fate = sim.answer("GET", "//oauth2/tokenP", "", {})
    assert (fate.status, fate.arrives, fate.end.value, len(sim.requests)) == (500, fate.body[:7], "closed", 2)
