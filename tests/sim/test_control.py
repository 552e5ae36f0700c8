"""The clock that can be frozen, stepped and run fast; snapshots; and the door through which both are asked for."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from kis.sim import SimClock, Simulator
from kis.sim.snapshot import SnapshotUnreadable
from tests.sim.customer import KOREA, QUOTATIONS, Clock, Customer

SAMSUNG = "005930"
TEN = datetime(2026, 11, 20, 10, tzinfo=KOREA)


@pytest.fixture
def real():
    return Clock()


@pytest.fixture
def sim_clock(real):
    return SimClock(TEN, real=real)


@pytest.fixture
async def door(sim_clock, visit):
    customer = await visit(clock=sim_clock, control=True, profile="real")

    async def call(name, **body):
        return (await customer.http.post(f"/__sim__/{name}", json=body)).json()

    call.customer = customer
    return call


# --- the clock --------------------------------------------------------------------------------------------


def test_it_runs_as_the_world_does_until_told_otherwise(sim_clock, real):
    real.move(seconds=5)
    assert sim_clock() == TEN + timedelta(seconds=5)
    sim_clock.run(60)
    real.move(seconds=2)
    assert sim_clock() == TEN + timedelta(seconds=125)
    sim_clock.freeze()
    real.move(hours=1)
    assert sim_clock() == TEN + timedelta(seconds=125)
    sim_clock.step(0.5)
    assert sim_clock() == TEN + timedelta(seconds=125.5)
    sim_clock.run()
    real.move(seconds=1)
    assert sim_clock() == TEN + timedelta(seconds=126.5)


def test_it_freezes_at_a_later_moment_and_tells_korean_time(sim_clock):
    sim_clock.freeze(datetime(2026, 11, 20, 6, 30, tzinfo=UTC))
    assert (sim_clock().hour, sim_clock().minute, sim_clock.frozen) == (15, 30, True)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda clock: clock.freeze(TEN - timedelta(seconds=1)),
        lambda clock: clock.freeze(datetime(2026, 11, 21)),  # noqa: DTZ001  what is refused
        lambda clock: clock.step(-1),
        lambda clock: clock.step(400 * 86400),
        lambda clock: clock.step(float("nan")),
        lambda clock: clock.run(0),
        lambda clock: clock.run(float("nan")),
        lambda clock: clock.run(100_000),
    ],
)
def test_it_does_not_go_back_nor_mad(sim_clock, wrong):
    with pytest.raises(ValueError, match=r"clock|zone|step|speed"):
        wrong(sim_clock)
    assert sim_clock() == TEN


async def test_who_sleeps_by_it_wakes_when_it_is_stepped(sim_clock):
    sim_clock.freeze()
    sleeper = asyncio.create_task(sim_clock.sleep(10))
    await asyncio.sleep(0)
    sim_clock.step(9)
    await asyncio.sleep(0.01)
    assert not sleeper.done()
    sim_clock.step(1)
    await asyncio.wait_for(sleeper, 1)


async def test_who_sleeps_by_it_wakes_when_it_is_put_elsewhere(sim_clock):
    sim_clock.freeze()
    sleeper = asyncio.create_task(sim_clock.sleep(10))
    await asyncio.sleep(0)
    sim_clock.put(TEN - timedelta(days=1))
    await asyncio.wait_for(sleeper, 1)
    assert sim_clock() == TEN - timedelta(days=1)


async def test_a_minute_of_it_run_fast_is_a_moment_of_ours():
    clock = SimClock()
    clock.run(3_600)
    await asyncio.wait_for(clock.sleep(60), 1)


async def test_a_market_moves_with_its_clock():
    clock = SimClock()
    clock.freeze()
    sim = Simulator(clock=clock, moving=True)
    volume = sim.exchange.quote(SAMSUNG).volume
    async with sim.serve():
        await asyncio.sleep(0.01)
        assert sim.exchange.quote(SAMSUNG).volume == volume
        clock.run(1_000)
        await asyncio.sleep(0.05)
    assert sim.exchange.quote(SAMSUNG).volume > volume


async def test_the_limit_on_calls_keeps_to_the_world_s_clock(visit, sim_clock, real):
    customer = await visit(clock=sim_clock, rate_limit=True, control=True)
    sim_clock.freeze()
    assert [(await customer.price()).status_code for _ in range(2)] == [200, 500]
    real.move(seconds=1)
    assert (await customer.price()).status_code == 200


# --- the door: clock, halt, tokens, scenarios -------------------------------------------------------------


async def test_the_clock_is_frozen_stepped_and_run_through_the_door(door, real):
    assert await door("clock") == {"now": "2026-11-20T10:00:00+09:00", "frozen": False, "speed": 1.0}
    assert (await door("clock", freeze=True))["frozen"] is True
    assert (await door("clock", step=90))["now"] == "2026-11-20T10:01:30+09:00"
    assert (await door("clock", freeze="2026-11-20T15:20:00"))["now"] == "2026-11-20T15:20:00+09:00"
    assert await door("clock", speed=10) == {"now": "2026-11-20T15:20:00+09:00", "frozen": False, "speed": 10.0}
    real.move(seconds=60)
    assert (await door("clock"))["now"] == "2026-11-20T15:30:00+09:00"


async def test_a_step_over_midnight_ends_the_day(door):
    await door.customer.order("buy", price="70000")
    await door("clock", freeze=True, step=86_400 * 3)
    (order,) = (await door("state"))["orders"]
    assert order["open"] == 0
    assert (await door.customer.price()).json()["msg_cd"] == "EGW00123"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("clock", {"freeze": "2026-11-20T09:00:00"}),
        ("clock", {"freeze": "noon"}),
        ("clock", {"step": -1}),
        ("clock", {"step": None}),
        ("clock", {"speed": 0}),
        ("clock", {"sped": 2}),
        ("halt", {"code": "999999"}),
        ("scenario", {"play": "boom"}),
        ("scenario", {"play": "halt:999999"}),
        ("scenario", {"play": "halt@soon"}),
        ("restore", {}),
        ("restore", {"at": "2026-11-20T10:00:00+09:00", "version": 1}),
    ],
)
async def test_the_door_says_what_was_wrong_and_changes_nothing(door, name, body):
    before = await door("snapshot")
    answer = await door.customer.http.post(f"/__sim__/{name}", json=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert await door("snapshot") == before


async def test_a_clock_that_was_handed_in_is_not_moved_from_outside(visit):
    customer = await visit(control=True)
    answer = await customer.http.post("/__sim__/clock", json={"step": 1})
    assert answer.status_code == 400
    assert "SimClock" in answer.json()["error"]


async def test_the_door_gives_a_simulator_a_clock_of_its_own():
    assert isinstance(Simulator(control=True).clock, SimClock)
    assert not isinstance(Simulator().clock, SimClock)


async def test_tokens_are_dropped_through_the_door(door):
    assert await door("tokens") == {"live": 1}
    assert await door("tokens", drop=True) == {"live": 0}
    assert (await door.customer.price()).json()["msg_cd"] == "EGW00121"


async def test_an_issue_is_halted_and_resumed_through_the_door(door):
    await door("halt", code=SAMSUNG)
    assert (await door.customer.price()).json()["output"]["temp_stop_yn"] == "Y"
    await door("halt", code=SAMSUNG, on=False)
    assert (await door.customer.price()).json()["output"]["temp_stop_yn"] == "N"


async def test_scenarios_are_listed_played_and_called_off(door):
    assert {"gap_up", "halt", "vi", "limit_up", "limit_down", "crash"} <= set((await door("scenario"))["scenarios"])
    assert len((await door("scenario", play="limit_up@60"))["waiting"]) == 3
    await door("clear")
    assert (await door("scenario"))["waiting"] == []


async def test_the_door_takes_json_alone_so_that_no_web_page_can_knock(door):
    answer = await door.customer.http.post("/__sim__/tokens", content=b'{"drop": true}')
    assert answer.status_code == 415
    assert await door("tokens") == {"live": 1}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8800"},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8800"},
        {"host": ""},
        {"host": "["},
    ],
)
async def test_the_door_is_shut_to_web_pages_and_to_names_that_are_pointed_here(door, headers):
    answer = await door.customer.http.post("/__sim__/tokens", json={"drop": True}, headers=headers)
    assert answer.status_code == 403
    assert await door("tokens") == {"live": 1}


@pytest.mark.parametrize("host", ["localhost:8800", "127.0.0.1:8800", "[::1]:8800", "192.168.0.9:8800"])
async def test_the_door_is_open_to_programs_by_address(door, host):
    answer = await door.customer.http.post("/__sim__/tokens", json={}, headers={"host": host})
    assert answer.json() == {"live": 1}


async def test_get_never_opens_the_door_and_no_call_through_it_is_kept(door):
    assert (await door.customer.http.get("/__sim__/state")).status_code == 500
    await door("state")
    assert [r.method for r in door.customer.sim.requests if "__sim__" in r.path] == ["GET"]


# --- snapshots --------------------------------------------------------------------------------------------


async def lived_in(visit, clock, **options):
    """A customer some way into a day: a fill, an order in the book, one that waits in a VI, a sale, a token."""
    customer = await visit(clock=clock, profile="real", moving=True, holdings={"000660": (5, 100000)}, **options)
    await customer.order("buy", price="0", kind="01", quantity="3")
    await customer.order("buy", price="70000", quantity="2")
    await customer.order("sell", code="000660", kind="01", price="0", quantity="1")
    customer.sim.exchange.play(f"vi:{SAMSUNG},crash:000660@600")
    await customer.order("buy", price="78000", quantity="1")
    keys = {"appkey": customer.headers["appkey"], "secretkey": customer.headers["appsecret"]}
    await customer.http.post("/oauth2/Approval", json={"grant_type": "client_credentials", **keys})
    return customer


async def face(customer):
    """All that a client can see."""
    book = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
    answers = [
        await customer.balance(),
        await customer.executions(),
        await customer.open_orders(),
        await customer.price(),
        await customer.buying_power(),
        await customer.get(QUOTATIONS + "inquire-asking-price-exp-ccn", "FHKST01010200", book),
    ]
    return [answer.json() for answer in answers]


async def test_a_snapshot_goes_through_json_and_comes_back_whole(visit):
    clock = SimClock(TEN, real=Clock())
    customer = await lived_in(visit, clock)
    state, seen = json.loads(json.dumps(customer.sim.snapshot())), await face(customer)
    clock.step(86_400)
    await customer.log_in()
    assert await face(customer) != seen
    customer.sim.restore(state)
    assert clock() == TEN
    assert customer.sim.snapshot() == state
    customer.headers["authorization"] = f"Bearer {state['tokens']['current']}"
    assert await face(customer) == seen


async def test_another_simulator_goes_on_from_a_snapshot_as_the_first_would_have(visit):
    clocks = [SimClock(TEN, real=Clock()) for _ in range(2)]
    first = await lived_in(visit, clocks[0])
    second = await visit(clock=clocks[1], profile="real", seed=99)
    second.sim.restore(json.loads(json.dumps(first.sim.snapshot())))
    for customer, clock in zip((first, second), clocks, strict=True):
        for _ in range(50):
            clock.step(5)
            customer.sim.exchange.step()
        await customer.order("buy", price="69000", quantity="1")
    second.headers = first.headers
    assert await face(second) == await face(first)
    assert second.sim.snapshot() == first.sim.snapshot()


async def test_money_and_promises_come_back(visit, sim_clock):
    customer = await visit(clock=sim_clock, profile="real")
    await customer.order("buy", price="70000", quantity="10")
    power = customer.sim.exchange.ledger.buying_power
    state = customer.sim.snapshot()
    await customer.request(customer.sim.exchange.orders[0].number)
    assert customer.sim.exchange.ledger.buying_power > power
    customer.sim.restore(state)
    assert customer.sim.exchange.ledger.buying_power == power
    assert customer.sim.exchange.trade(SAMSUNG, 70000, 10) == 10
    assert customer.sim.exchange.ledger.held(SAMSUNG) == 10


@pytest.mark.parametrize(
    "spoilt",
    [
        {"version": 2},
        {"profile": "paper"},
        {"issues": {}},
        {"orders": [{}]},
        {"waiting": [7]},
        {"chance": [3, [1, 2], None]},
        {"books": {SAMSUNG: {}}},
        {"day": "yesterday"},
        {"at": None},
        {"ledger": None},
        {"tokens": {"live": 1}},
    ],
)
async def test_what_is_no_snapshot_changes_nothing(visit, sim_clock, spoilt):
    customer = await lived_in(visit, sim_clock)
    state = customer.sim.snapshot()
    with pytest.raises(SnapshotUnreadable):
        customer.sim.restore({**state, **spoilt})
    assert customer.sim.snapshot() == state


async def test_only_a_clock_of_ours_can_go_to_a_later_moment(visit, clock):
    state = Simulator(clock=SimClock(TEN + timedelta(hours=1), real=Clock())).snapshot()
    customer = await visit()
    with pytest.raises(SnapshotUnreadable, match="SimClock"):
        customer.sim.restore(state)


async def test_snapshots_through_the_door_over_a_socket():
    sim = Simulator(control=True, rate_limit=False)
    async with sim.serve() as base_url, httpx.AsyncClient(base_url=base_url) as http:
        customer = await Customer(sim, http).log_in()
        state = (await http.post("/__sim__/snapshot", json={})).json()
        await customer.order("buy")
        assert len(sim.exchange.orders) == 1
        assert (await http.post("/__sim__/restore", json=state)).json() == {}
        assert sim.exchange.orders == []
        assert (await customer.price()).status_code == 200
