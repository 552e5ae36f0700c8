"""Planted faults, over a real socket: what a client sees, and what the broker did."""

from __future__ import annotations

import contextlib
import logging

import httpx
import pytest

from kis.sim import Faults, Simulator
from tests.sim.customer import Customer

ORDER = "order-cash"


@pytest.fixture
async def served(clock):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    sim = Simulator(clock=clock, rate_limit=False, sleep=sleep, control=True)
    async with sim.serve() as base_url, httpx.AsyncClient(base_url=base_url) as http:
        customer = await Customer(sim, http).log_in()
        customer.slept = slept
        yield customer


def orders(customer):
    return len(customer.sim.exchange.orders)


@pytest.mark.parametrize(
    ("name", "placed", "error"),
    [
        ("lose_request", 0, httpx.RemoteProtocolError),
        ("lose_reply", 1, httpx.RemoteProtocolError),
        ("cut_reply", 1, httpx.RemoteProtocolError),
    ],
)
async def test_a_lost_connection_says_nothing_of_what_was_done(served, caplog, name, placed, error):
    served.sim.faults.plant(name, path=ORDER)
    with caplog.at_level(logging.DEBUG), pytest.raises(error):
        await served.order("buy")
    assert orders(served) == placed
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (await served.order("buy")).json()["rt_cd"] == "0"
    assert served.sim.faults.fired == {name: 1}


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize(
    ("name", "status", "start"), [("html", 502, "<html>"), ("empty", 200, ""), ("garbage", 200, "ERROR")]
)
async def test_answers_that_are_none(served, name, status, start, acts):
    served.sim.faults.plant(name, path=ORDER, acts=acts)
    answer = await served.order("buy")
    assert answer.status_code == status
    assert answer.text.startswith(start)
    assert bool(answer.text) == bool(start)
    assert orders(served) == acts


async def test_an_html_page_of_the_edge_means_by_default_that_nothing_was_done(served):
    served.sim.faults.plant("html", status=504)
    assert (await served.order("buy")).status_code == 504
    assert orders(served) == 0


@pytest.mark.parametrize(
    ("name", "code"), [("throttle", ("message", "EGW00201")), ("stale_token", ("msg_cd", "EGW00123"))]
)
async def test_refusals_by_the_gateway(served, name, code):
    served.sim.faults.plant(name, times=2, path=ORDER)
    for _ in range(2):
        answer = await served.order("buy")
        assert answer.status_code == 500
        assert answer.json()[code[0]] == code[1]
    assert orders(served) == 0
    assert (await served.order("buy")).json()["rt_cd"] == "0"


async def test_a_refusal_of_your_own_words(served):
    served.sim.faults.plant("refuse", code="EGW00301", message="timeout", status=500, acts=True)
    answer = await served.order("buy")
    assert (answer.status_code, answer.json()) == (500, {"rt_cd": "1", "msg_cd": "EGW00301", "msg1": "timeout"})
    assert orders(served) == 1


async def test_an_accepted_order_without_a_number(served):
    served.sim.faults.plant("no_order_no")
    answer = await served.order("buy")
    assert answer.json()["rt_cd"] == "0"
    assert set(answer.json()["output"]) == {"KRX_FWDG_ORD_ORGNO", "ORD_TMD"}
    assert orders(served) == 1


async def test_a_slow_answer_comes_after_the_deed_or_before_it(served):
    served.sim.faults.plant("slow", seconds=9.0, path=ORDER)
    await served.order("buy")
    assert served.slept == [9.0]
    served.sim.faults.plant("slow", seconds=7.0, path=ORDER, acts=False)
    await served.order("buy")
    assert served.slept == [9.0, 7.0]


async def test_a_late_booking_hides_an_order_and_joins_with_a_lost_answer(served, clock):
    served.sim.faults.plant("lose_reply", path=ORDER)
    served.sim.faults.plant("late_booking", seconds=30, path=ORDER)
    with pytest.raises(httpx.RemoteProtocolError):
        await served.order("buy")
    assert (await served.executions()).json()["output1"] == []
    clock.move(seconds=30)
    assert len((await served.executions()).json()["output1"]) == 1
    assert served.sim.faults.fired == {"lose_reply": 1, "late_booking": 1}


async def test_a_page_that_repeats_its_cursor(served):
    served.sim.faults.plant("same_cursor", times=2, path="inquire-daily-ccld")
    first = await served.executions()
    cursor = first.json()["ctx_area_nk100"]
    second = await served.executions(tr_cont="N", CTX_AREA_NK100=cursor)
    assert first.headers["tr_cont"] == second.headers["tr_cont"] == "M"
    assert second.json()["ctx_area_nk100"] == cursor


async def test_a_fault_befalls_its_path_only_and_in_the_order_planted(served):
    served.sim.faults.plant("html", path="inquire-price")
    served.sim.faults.plant("empty", path="inquire-price")
    assert (await served.order("buy")).json()["rt_cd"] == "0"
    assert (await served.price()).status_code == 502
    assert (await served.price()).text == ""
    assert (await served.price()).json()["rt_cd"] == "0"
    served.sim.faults.plant("html")
    served.sim.faults.clear()
    assert (await served.price()).json()["rt_cd"] == "0"


def test_only_faults_that_exist_can_be_planted():
    faults = Faults()
    with pytest.raises(ValueError, match="no fault is named"):
        faults.plant("earthquake")
    with pytest.raises(ValueError, match="has no option"):
        faults.plant("slow", minutes=1)
    assert faults.waiting == 0


async def test_without_a_socket_a_dropped_connection_is_an_exception(visit):
    customer = await visit()
    customer.sim.faults.plant("lose_reply", path=ORDER)
    with pytest.raises(ConnectionResetError):
        await customer.order("buy")
    assert orders(customer) == 1


# --- the control door -------------------------------------------------------------------------------------


async def test_the_control_door_stages_a_scene(served):
    http = served.http
    await served.order("buy", price="70000")
    trade = {"code": "005930", "price": 70000, "quantity": 4}
    assert (await http.post("/__sim__/trade", json=trade)).json() == {"reached": 4}
    theirs = {"side": "buy", "code": "005930", "quantity": 1, "price": 69000}
    assert len((await http.post("/__sim__/order", json=theirs)).json()["number"]) == 10
    await http.post("/__sim__/price", json={"code": "005930", "price": 69500})
    await http.post("/__sim__/step", json={"times": 2})
    await http.post("/__sim__/fault", json={"name": "html", "path": "inquire-price"})
    assert (await served.price()).status_code == 502
    state = (await http.post("/__sim__/state", json={})).json()
    assert [(row["filled"], row["channel"]) for row in state["orders"]] == [(10, "OpnAPI"), (0, "Nsmart")]
    assert state["fired"] == {"html": 1}
    assert state["holdings"] == {"005930": 10}
    assert not [request for request in served.sim.requests if "__sim__" in request.path]


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("trade", {}, 400),
        ("price", {"code": "005930", "price": 1}, 400),
        ("fault", {"name": "x"}, 400),
        ("no", {}, 404),
    ],
)
async def test_the_control_door_says_what_was_wrong(served, name, body, status):
    answer = await served.http.post(f"/__sim__/{name}", json=body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


async def test_the_control_door_is_shut_unless_asked_for(visit):
    customer = await visit()
    answer = await customer.http.post("/__sim__/state", json={})
    assert answer.status_code == 500
    with contextlib.suppress(ValueError):
        assert "cash" not in answer.json()
