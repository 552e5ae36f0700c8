"""The simulated broker's websocket, over a real socket."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from kis.sim import Simulator
from tests.sim.socket_guest import BOOKS, NOTICES, TRADES, guest, unsealed

SAMSUNG, HYNIX = "005930", "000660"


@pytest.fixture
def make(clock):
    def make(**options):
        return Simulator(**{"clock": clock, "rate_limit": False, **options})

    return make


# --- registering ------------------------------------------------------------------------------------------


async def test_an_answer_has_the_captured_shape(make):
    sim = make()
    async with sim.serve() as url, guest(sim, url) as one:
        answer = await one.answer(BOOKS, SAMSUNG)
    output = answer["body"].pop("output")
    assert answer == {
        "header": {"tr_id": BOOKS, "tr_key": SAMSUNG, "encrypt": "N"},
        "body": {"rt_cd": "0", "msg_cd": "OPSP0000", "msg1": "SUBSCRIBE SUCCESS"},
    }
    assert (len(output["iv"]), len(output["key"])) == (16, 32)


@pytest.mark.parametrize("path", ["/tryitout", "/tryitout/H0STCNT0", "", "/"])
async def test_any_path_will_do(make, path):
    sim = make()
    async with sim.serve() as url, guest(sim, url, path) as one:
        assert await one.code(TRADES, SAMSUNG) == "OPSP0000"


async def test_twice_is_already_and_never_is_not_found(make):
    sim = make()
    async with sim.serve() as url, guest(sim, url) as one:
        assert await one.code(TRADES, SAMSUNG, "2") == "OPSP0003"
        assert await one.code(TRADES, SAMSUNG) == "OPSP0000"
        twice = (await one.answer(TRADES, SAMSUNG))["body"]
        assert (twice["msg_cd"], twice["rt_cd"], twice["msg1"]) == ("OPSP0002", "1", "ALREADY IN SUBSCRIBE")
        assert await one.code(TRADES, SAMSUNG, "2") == "OPSP0001"
        sim.exchange.set_price(SAMSUNG, sim.exchange.quote(SAMSUNG).last)
        assert await one.silence()


async def test_the_forty_second_registration_is_refused_and_an_end_makes_room(make):
    sim = make()
    codes = list(sim.exchange.issues)
    async with sim.serve() as url, guest(sim, url) as one:
        kinds = [(tr_id, code) for code in codes[:21] for tr_id in (TRADES, BOOKS)]
        assert {await one.code(*topic) for topic in kinds[:41]} == {"OPSP0000"}
        refused = (await one.answer(*kinds[41]))["body"]
        assert (refused["msg_cd"], refused["msg1"], refused["rt_cd"]) == ("OPSP0008", "MAX SUBSCRIBE OVER", "1")
        assert await one.code(*kinds[0], "2") == "OPSP0001"
        assert await one.code(*kinds[41]) == "OPSP0000"


async def test_a_second_session_is_told_so_and_closed_and_the_first_goes_on(make):
    sim = make()
    async with sim.serve() as url, guest(sim, url) as first:
        assert await first.code(TRADES, SAMSUNG) == "OPSP0000"
        async with guest(sim, url) as second:
            assert await second.answer(TRADES, HYNIX) == {
                "header": {"tr_id": "(null)", "tr_key": "", "encrypt": "N"},
                "body": {"rt_cd": "9", "msg_cd": "OPSP8996", "msg1": "ALREADY IN USE appkey"},
            }
            with pytest.raises(ConnectionClosed):
                await second.receive()
        assert await first.code(TRADES, HYNIX) == "OPSP0000"
    assert sim.websocket.connects == 2


async def test_whoever_leaves_makes_room(make):
    sim = make()
    async with sim.serve() as url:
        for _ in range(2):
            async with guest(sim, url) as one:
                assert await one.code(TRADES, SAMSUNG) == "OPSP0000"


async def test_an_approval_key_must_be_known_and_is_good_for_a_day(make, clock):
    sim = make()
    async with sim.serve() as url, guest(sim, url) as one:
        assert await one.code(TRADES, SAMSUNG, approval_key="00000000-0000-0000-0000-000000000000") == "OPSP0011"
        assert await one.code(TRADES, SAMSUNG) == "OPSP0000"
        clock.move(hours=24)
        assert await one.code(TRADES, HYNIX) == "OPSP0011"


@pytest.mark.parametrize(
    ("asked", "header", "code"),
    [
        (("H0STXXX0", SAMSUNG), {}, "OPSP8991"),
        ((TRADES, "999999"), {}, "OPSP8992"),
        ((NOTICES["paper"], "somebody"), {}, "OPSP8992"),
        ((NOTICES["real"], "kisbot"), {}, "OPSP8991"),
        ((TRADES, SAMSUNG), {"tr_type": "3"}, "OPSP8993"),
        ((TRADES, SAMSUNG), {"custtype": ""}, "OPSP8997"),
    ],
)
async def test_what_is_wrong_with_a_frame_is_named(make, asked, header, code):
    sim = make()
    async with sim.serve() as url, guest(sim, url) as one:
        assert await one.code(*asked, **header) == code


# --- what is pushed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [46, 47])
async def test_a_trade(make, fields):
    sim = make(trade_fields=fields)
    issue = sim.exchange.quote(SAMSUNG)
    async with sim.serve() as url, guest(sim, url) as one:
        await one.answer(TRADES, SAMSUNG)
        sim.exchange.trade(SAMSUNG, issue.last + issue.tick, 7)
        sim.exchange.trade(HYNIX, sim.exchange.quote(HYNIX).last, 7)
        tr_id, (record,) = await one.records()
        assert await one.silence()
    assert (tr_id, len(record)) == (TRADES, fields)
    change = issue.last - issue.base
    assert record[:5] == [SAMSUNG, "100000", str(issue.last), "2" if change > 0 else "5", str(change)]
    assert record[12:15] == ["7", str(issue.volume), str(issue.value)]
    assert record[21] == "1"
    assert record[33:36] == ["20261120", "20", "N"]
    assert record[44] == ""
    assert record[46:] == ["2"] * (fields - 46)


async def test_trades_that_come_together_share_a_frame(make):
    sim = make()
    price = sim.exchange.quote(SAMSUNG).last
    async with sim.serve() as url, guest(sim, url) as one:
        await one.answer(TRADES, SAMSUNG)
        for quantity in range(1, 24):
            sim.exchange.trade(SAMSUNG, price, quantity)
        first, second = (await one.records())[1], (await one.records())[1]
    assert [record[12] for record in first + second] == [str(quantity) for quantity in range(1, 24)]
    assert len(first) == 20


@pytest.mark.parametrize("fields", [59, 63])
async def test_a_book(make, fields):
    sim = make(book_fields=fields)
    async with sim.serve() as url, guest(sim, url) as one:
        await one.answer(BOOKS, SAMSUNG)
        issue = sim.exchange.quote(SAMSUNG)
        sim.exchange.submit("buy", SAMSUNG, "limit", 3, issue.step(sim.exchange.books[SAMSUNG].bid, -2))
        tr_id, (record,) = await one.records()
        asks, bids = sim.exchange.levels(SAMSUNG, "sell"), sim.exchange.levels(SAMSUNG, "buy")
        sim.exchange.trade(HYNIX, sim.exchange.quote(HYNIX).last, 1)
        assert await one.silence()  # nothing changed here
    assert (tr_id, len(record)) == (BOOKS, fields)
    assert [int(price) for price in record[3:23]] == [level.price for level in (*asks, *bids)]
    assert [int(size) for size in record[23:43]] == [level.quantity for level in (*asks, *bids)]
    assert record[43:45] == [str(sum(level.quantity for level in side)) for side in (asks, bids)]
    assert record[47:53] == ["0", "0", "0", f"-{issue.base}", "5", "-100.00"]


@pytest.mark.parametrize("profile", ["paper", "real"])
async def test_notices_of_an_order_and_its_fill(make, profile):
    sim = make(profile=profile)
    async with sim.serve() as url, guest(sim, url) as one:
        answer = await one.answer(NOTICES[profile], sim.credentials.hts_id)
        assert answer["header"]["encrypt"] == "Y"
        order = sim.exchange.submit("buy", SAMSUNG, "market", 3)
        told = [unsealed(await one.receive(), answer["body"]["output"]) for _ in range(2)]
    assert [tr_id for tr_id, _ in told] == [NOTICES[profile]] * 2
    accepted, filled = (fields for _, fields in told)
    account = sim.credentials.account.replace("-", "")
    assert accepted[:5] == filled[:5] == ["kisbot", account, order.number, "", "02"]
    assert accepted[8:15] == [SAMSUNG, "3", "0", "100000", "0", "1", "1"]
    assert filled[8:15] == [SAMSUNG, "3", str(sim.exchange.fills[-1].price), "100000", "0", "2", "2"]
    assert len(filled) == 26
    assert filled[24] == order.name


async def test_the_short_notice(make):
    sim = make(notice_fields=23)
    async with sim.serve() as url, guest(sim, url) as one:
        answer = await one.answer(NOTICES["paper"], "kisbot")
        sim.exchange.submit("buy", SAMSUNG, "market", 3)
        _, fields = unsealed(await one.receive(), answer["body"]["output"])
    assert len(fields) == 23
    assert (fields[9], fields[10], fields[16], fields[18]) == ("0000000003", "000000000", "000000003", "1Y")


async def test_a_revision_and_a_cancel_are_received_then_confirmed(make):
    sim = make()
    issue = sim.exchange.quote(SAMSUNG)
    order = sim.exchange.submit("buy", SAMSUNG, "limit", 3, issue.lower)
    async with sim.serve() as url, guest(sim, url) as one:
        answer = await one.answer(NOTICES["paper"], "kisbot")
        revised = sim.exchange.revise(order.number, issue.step(issue.lower, 1))
        request = sim.exchange.cancel(revised.number)
        told = [unsealed(await one.receive(), answer["body"]["output"])[1] for _ in range(4)]
    assert [(fields[2], fields[3], fields[5], fields[13], fields[14]) for fields in told] == [
        (revised.number, order.number, "1", "1", "1"),
        (revised.number, order.number, "1", "1", "2"),
        (request.number, revised.number, "2", "1", "1"),
        (request.number, revised.number, "2", "1", "2"),
    ]


async def test_what_a_market_order_leaves_over_lapses(make):
    sim = make()
    sim.exchange.books[SAMSUNG].depth = 0
    async with sim.serve() as url, guest(sim, url) as one:
        answer = await one.answer(NOTICES["paper"], "kisbot")
        sim.exchange.submit("buy", SAMSUNG, "market", 3)
        told = [unsealed(await one.receive(), answer["body"]["output"])[1] for _ in range(2)]
    assert [(fields[9], fields[13], fields[14]) for fields in told] == [("3", "1", "1"), ("3", "1", "3")]


# --- heartbeat and faults ---------------------------------------------------------------------------------


async def test_a_heartbeat_may_be_answered_with_its_text_or_with_a_pong(make):
    sim = make(heartbeat=0.02)
    async with sim.serve() as url, guest(sim, url) as one:
        asked = await one.receive()
        assert asked == {"header": {"tr_id": "PINGPONG", "datetime": "20261120100000"}}
        await one.socket.pong(json.dumps(asked))
        await one.socket.send(json.dumps(await one.receive()))
        await one.receive()
        assert sim.websocket.sessions[0].echoed == 1
        await one.ask(TRADES, SAMSUNG)
        answers = [await one.receive() for _ in range(3)]
        assert "OPSP0000" in [one.get("body", {}).get("msg_cd") for one in answers]


async def test_a_stalled_socket_is_open_and_silent_and_holds_its_place(make):
    sim = make(heartbeat=0.02)
    async with sim.serve() as url, guest(sim, url) as one:
        assert await one.code(TRADES, SAMSUNG) == "OPSP0000"
        sim.faults.plant("stall_socket")
        assert await one.silence(0.1)
        async with guest(sim, url) as other:
            assert await other.code(TRADES, SAMSUNG) == "OPSP8996"
    assert sim.faults.fired == {"stall_socket": 1}


async def test_a_dropped_socket_is_gone_without_a_close_frame(make):
    sim = make()
    async with sim.serve() as url, guest(sim, url) as one:
        await one.answer(TRADES, SAMSUNG)
        sim.faults.plant("drop_socket", path=TRADES)
        sim.exchange.trade(SAMSUNG, sim.exchange.quote(SAMSUNG).last, 1)
        with pytest.raises(ConnectionClosed) as closed:
            await one.receive()
        assert closed.value.rcvd is None
        async with guest(sim, url) as other:
            assert await other.code(TRADES, SAMSUNG) == "OPSP0000"


async def test_frames_come_twice_or_in_the_wrong_order(make):
    sim = make()
    async with sim.serve() as url, guest(sim, url) as one:
        await one.answer(TRADES, SAMSUNG)
        price = sim.exchange.quote(SAMSUNG).last
        sim.faults.plant("repeat_frame", path=TRADES)
        sim.faults.plant("swap_frames", path=TRADES)
        for shares in (1, 2, 3):
            sim.exchange.trade(SAMSUNG, price, shares)
            await asyncio.sleep(0.01)
        volumes = [(await one.records())[1][0][12] for _ in range(4)]
        assert volumes == ["1", "1", "3", "2"]
        assert await one.silence()
    assert sim.faults.fired == {"repeat_frame": 1, "swap_frames": 1}


async def test_a_bad_cipher_is_one_notice_in_another_key(make):
    sim = make()
    async with sim.serve() as url, guest(sim, url) as one:
        output = (await one.answer(NOTICES["paper"], "kisbot"))["body"]["output"]
        sim.faults.plant("bad_cipher")
        sim.exchange.submit("buy", SAMSUNG, "market", 1)
        with pytest.raises((UnicodeDecodeError, LookupError)):
            assert unsealed(await one.receive(), output)[1][13]
        assert unsealed(await one.receive(), output)[1][13] == "2"


async def test_faults_of_the_socket_leave_requests_alone(make):
    sim = make()
    async with sim.serve() as url:
        sim.faults.plant("drop_socket")
        async with guest(sim, url) as one:
            assert sim.faults.waiting == 1
            with pytest.raises(ConnectionClosed):
                await one.code(TRADES, SAMSUNG)


# --- odds and ends ----------------------------------------------------------------------------------------


def test_there_have_never_been_records_of_other_lengths():
    for name, count in (("trade_fields", 48), ("book_fields", 60), ("notice_fields", 25)):
        with pytest.raises(ValueError, match="fields, not"):
            Simulator(**{name: count})


def test_the_environment_names_the_socket():
    assert Simulator().environ("http://127.0.0.1:8000")["KIS_WS_URL"] == "ws://127.0.0.1:8000"


async def test_a_moving_market_speaks(make):
    sim = make(moving=True, sleep=lambda _: asyncio.sleep(0.01))
    async with sim.serve() as url, guest(sim, url) as one:
        await one.answer(TRADES, SAMSUNG)
        assert (await one.records())[0] == TRADES


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["header", "body", "input", "tr_id", "tr_key", "tr_type", "approval_key"]),
            inner,
            max_size=4,
        )
    ),
)


@settings(max_examples=12, deadline=None)
@given(arrived=st.lists(st.text(max_size=60) | json_values.map(json.dumps), max_size=20))
def test_whatever_arrives_is_answered(arrived):
    async def visit():
        sim = Simulator(rate_limit=False)
        async with sim.serve() as url, guest(sim, url, approval_key="none") as one:
            for frame in arrived:
                await one.socket.send(frame)
                assert (await one.receive())["body"]["rt_cd"] == "9"

    asyncio.run(visit())
