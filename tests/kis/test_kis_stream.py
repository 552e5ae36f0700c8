"""The stream over real sockets, against the simulated broker: what is pushed, registered and refused."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging

import pytest
import structlog
from websockets.asyncio.server import serve

from kis import BadRequest, Misconfigured, Refused, Side
from kis.frames import NoticeKind
from kis.sim import Simulator
from kis.stream import BookUpdate, FillNotice, Gap, KisStream, Trade
from tests.kis.kis_wire import Wire, WireTransport
from tests.kis.stream_guest import HYNIX, SAMSUNG, Naps, config_of, harness, nothing_from
from tests.support.waiting import until

APPROVAL = "/oauth2/Approval"


# --- what is pushed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fields", "phase"), [(46, ""), (47, "2")])
async def test_trades_come_as_they_happen(tmp_path, clock, fields, phase):
    async with harness(tmp_path, clock, trade_fields=fields) as at:
        trades = at.stream.trades([SAMSUNG])
        await at.registered()
        at.trade(quantity=7)
        at.trade(HYNIX)
        trade = await at.heard(trades)
        issue = at.sim.exchange.quote(SAMSUNG)
        assert (trade.code, trade.price, trade.quantity, trade.volume) == (SAMSUNG, issue.last, 7, issue.volume)
        assert (trade.time, trade.at, trade.phase) == ("100000", clock(), phase)
        await nothing_from(trades)


async def test_several_records_of_a_frame_are_several_trades(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        trades = at.stream.trades([SAMSUNG])
        await at.registered()
        for quantity in range(1, 31):
            at.trade(quantity=quantity)
        assert [(await at.heard(trades)).quantity for _ in range(30)] == list(range(1, 31))


@pytest.mark.parametrize("fields", [59, 63])
async def test_books_come_when_they_change(tmp_path, clock, fields):
    async with harness(tmp_path, clock, book_fields=fields) as at:
        books = at.stream.order_books(SAMSUNG)
        await at.registered()
        at.trade()
        book = await at.heard(books)
        for side, levels in (("sell", book.asks), ("buy", book.bids)):
            assert list(levels) == [tuple(level) for level in at.sim.exchange.levels(SAMSUNG, side)]
        assert (book.expected_price, book.at) == (None, clock())


@pytest.mark.parametrize("fields", [23, 26])
@pytest.mark.parametrize("profile", ["paper", "real"])
async def test_notices_tell_what_becomes_of_an_order(tmp_path, clock, profile, fields):
    async with harness(tmp_path, clock, profile=profile, notice_fields=fields) as at:
        notices = at.stream.fill_notices()
        await at.registered()
        exchange = at.sim.exchange
        issue = exchange.quote(SAMSUNG)
        order = exchange.submit("buy", SAMSUNG, "market", 3)
        waiting = exchange.submit("buy", SAMSUNG, "limit", 2, issue.lower)
        request = exchange.cancel(waiting.number)
        told = [await at.heard(notices) for _ in range(5)]
    assert [(notice.kind, notice.order_no, notice.original_no) for notice in told] == [
        (NoticeKind.ACCEPTED, order.number, ""),
        (NoticeKind.FILLED, order.number, ""),
        (NoticeKind.ACCEPTED, waiting.number, ""),
        (NoticeKind.ACCEPTED, request.number, waiting.number),
        (NoticeKind.CANCELLED, request.number, waiting.number),
    ]
    fill = told[1]
    assert (fill.side, fill.quantity, fill.price, fill.name) == (Side.BUY, 3, exchange.fills[0].price, order.name)
    assert told[2].order_price == issue.lower


async def test_one_iterator_has_it_all_in_order(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        events = at.stream.events(trades=[SAMSUNG], order_books=[SAMSUNG], fill_notices=True)
        await at.registered(3)
        at.sim.exchange.submit("buy", SAMSUNG, "market", 1)
        kinds = [type(await at.heard(events)) for _ in range(4)]
    assert sorted(kind.__name__ for kind in kinds) == ["BookUpdate", "FillNotice", "FillNotice", "Trade"]
    assert {Trade, BookUpdate, FillNotice} == set(kinds)


async def test_notices_of_another_account_of_the_login_are_left_out(tmp_path, clock):
    async with harness(tmp_path, clock, config={"account": "99999999-01"}) as at:
        notices = at.stream.fill_notices()
        await at.registered()
        at.sim.exchange.submit("buy", SAMSUNG, "market", 1)
        await nothing_from(notices)


# --- registrations ----------------------------------------------------------------------------------------


async def test_nobody_listens_nobody_connects(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        await asyncio.sleep(0.02)
        assert (at.sim.websocket.connects, len(at.sim.requests)) == (0, 0)


async def test_listeners_share_a_registration_which_ends_with_the_last(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        first, second = at.stream.trades([SAMSUNG]), at.stream.trades([SAMSUNG, HYNIX])
        await at.registered(2)
        at.trade()
        assert await at.heard(first) == await at.heard(second)
        await second.aclose()
        await at.registered(1)
        at.trade()
        assert (await at.heard(first)).code == SAMSUNG
        with pytest.raises(StopAsyncIteration):
            await anext(second)
        await first.aclose()
        await until(lambda: at.sim.websocket.sessions[0].topics == {})
        sent = [json.loads(frame)["header"]["tr_type"] for frame in at.sim.websocket.sessions[0].received]
        assert sorted(sent) == ["1", "1", "2", "2"]


async def test_a_listener_let_go_ends_its_registration(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        at.stream.trades([HYNIX])
        trades = at.stream.trades([SAMSUNG])
        gc.collect()
        await at.registered(1)
        at.trade()
        assert (await at.heard(trades)).code == SAMSUNG


async def test_our_own_count_stops_the_forty_second(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        codes = list(at.sim.exchange.issues)
        held = at.stream.events(trades=codes[:20], order_books=codes[:20], fill_notices=True)
        with pytest.raises(Refused, match="41"):
            at.stream.trades([codes[20]])
        again = at.stream.trades(codes[:20])  # no more than there were
        await at.registered(41)
        assert len(at.sim.websocket.sessions[0].received) == 41
        await held.aclose()
        assert at.stream.trades(codes[:41]) is not again


async def test_too_many_for_kis_is_told_once_and_not_tried_again(tmp_path, clock, monkeypatch):
    monkeypatch.setattr("kis.sim.websocket.server.MAX_REGISTRATIONS", 1)
    async with harness(tmp_path, clock) as at:
        first = at.stream.trades([SAMSUNG])
        await at.registered()
        with structlog.testing.capture_logs() as logs:
            second = at.stream.events(trades=[HYNIX])
            with pytest.raises(Refused) as refused:
                await at.heard(second)
        assert refused.value.code == "OPSP0008"
        assert [line["event"] for line in logs] == ["registration_refused"]
        at.trade()
        assert (await at.heard(first)).code == SAMSUNG
        assert len(at.sim.websocket.sessions[0].received) == 2
        assert at.naps.taken == []


async def test_already_registered_is_as_good(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        trades = at.stream.trades([SAMSUNG])
        await at.registered()
        at.stream._registrations.resend(next(iter(trades.topics)))
        await until(lambda: len(at.sim.websocket.sessions[0].received) == 2)
        at.trade()
        assert (await at.heard(trades)).code == SAMSUNG
        assert at.stream.blind_since is None


async def test_one_approval_key_serves_many_connections(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        trades = at.stream.trades([SAMSUNG])
        for _ in range(3):
            await at.registered()
            at.sim.faults.plant("drop_socket")
            at.trade()
            await at.naps.over()
            await until(lambda: at.sim.faults.waiting == 0)
        await at.registered()
        assert [request.path for request in at.sim.requests] == [APPROVAL]
        assert json.loads(at.sim.requests[0].body).keys() == {"grant_type", "appkey", "secretkey"}
        assert at.sim.websocket.connects == 4
        await trades.aclose()


# --- what cannot be ---------------------------------------------------------------------------------------


async def test_keys_that_do_not_fit_end_the_stream(tmp_path, clock):
    async with harness(tmp_path, clock, config={"app_secret": "wrong"}) as at:
        trades = at.stream.trades([SAMSUNG])
        with pytest.raises(Misconfigured) as failure:
            await at.heard(trades)
        assert failure.value.setting == "KIS_APP_SECRET"
        with pytest.raises(Misconfigured):
            at.stream.order_books([SAMSUNG])
        assert (len(at.sim.requests), at.sim.websocket.connects, at.naps.taken) == (1, 0, [])


async def test_leaving_ends_the_iteration(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        trades = at.stream.trades([SAMSUNG])
        await at.registered()
        at.trade()
        await at.heard(trades)
        await at.stream.close()
        assert [trade async for trade in trades] == []


def stream(tmp_path, **changes):
    sim = Simulator()
    return KisStream(config_of(sim, "http://127.0.0.1:1", tmp_path, **changes))


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1",
        "ws://",
        "ws://user@127.0.0.1",
        "ws://somewhere.example",
        "ws://127.0.0.1:port",
        "wss://h/?q",
        "ws://ops.koreainvestment.com:21000",
    ],
)
def test_an_address_that_cannot_be_right_is_named(tmp_path, address):
    with pytest.raises(Misconfigured) as failure:
        stream(tmp_path, ws_url=address)
    assert failure.value.setting == "KIS_WS_URL"


@pytest.mark.parametrize(("env", "port"), [("real", 21_000), ("paper", 31_000)])
async def test_without_an_address_it_is_the_environments_own(tmp_path, monkeypatch, env, port):
    asked = []

    def connect(address, **_options):
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("kis.websocket.connect", connect)
    wire = Wire()
    wire.answer("/oauth2/Approval", {"approval_key": "key"})
    config = config_of(Simulator(), "http://127.0.0.1:1", tmp_path, env=env, rest_url=None, ws_url=None)
    async with KisStream(config, transport=WireTransport(wire)) as made:
        trades = made.trades([SAMSUNG])
        await until(lambda: asked)
        await trades.aclose()
    assert asked == [f"ws://ops.koreainvestment.com:{port}/tryitout"]


async def test_what_cannot_be_listened_to(tmp_path, clock):
    async with harness(tmp_path, clock, config={"hts_id": ""}) as at:
        with pytest.raises(Misconfigured, match="KIS_HTS_ID"):
            at.stream.fill_notices()
        for wrong in ("5930", "삼성전자", "00593O1234", 5930, None):
            with pytest.raises(BadRequest):
                at.stream.trades([wrong])
        with pytest.raises(BadRequest):
            at.stream.events()


def test_a_stream_that_is_not_open_says_so(tmp_path):
    with pytest.raises(RuntimeError, match="async with"):
        stream(tmp_path).trades([SAMSUNG])


async def test_a_slow_reader_hears_what_it_lost(tmp_path, clock, monkeypatch):
    monkeypatch.setattr("kis.subscriptions._MAX_QUEUED", 3)
    async with harness(tmp_path, clock) as at:
        events, trades = at.stream.events(trades=[SAMSUNG]), at.stream.trades([SAMSUNG])
        await at.registered()
        for quantity in range(1, 6):
            at.trade(quantity=quantity)
        await until(lambda: len(trades._queue) == 3)
        assert await at.heard(events) == Gap(clock(), clock())
        for listener in (events, trades):
            assert [(await at.heard(listener)).quantity for _ in range(3)] == [3, 4, 5]


async def test_nothing_secret_is_logged(tmp_path, clock, caplog):
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        async with harness(tmp_path, clock) as at:
            notices = at.stream.fill_notices()
            await at.registered()
            at.sim.faults.plant("bad_cipher")
            at.sim.exchange.submit("buy", SAMSUNG, "market", 1)
            await at.heard(notices)
            at.sim.faults.plant("drop_socket")
            at.sim.exchange.submit("buy", SAMSUNG, "market", 1)
            await at.naps.over()
            key = at.sim.requests[0]
            approvals = list(at.sim.oauth.approvals)
    told = repr(logs) + "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("kis.sim")
    )
    credentials = at.sim.credentials
    for secret in (*approvals, credentials.app_key, credentials.app_secret, credentials.account[:8], "홍길동"):
        assert secret not in told
    assert key.path == APPROVAL
    assert {"frame_unreadable", "stream_away"} <= {line["event"] for line in logs}


# --- a server of our own, for what the simulator does not do ----------------------------------------------


@contextlib.asynccontextmanager
async def answering(tmp_path, clock, answer, naps):
    """A stream whose websocket answers every frame with what `answer` says."""
    sim = Simulator(clock=clock, rate_limit=False)
    received = []

    async def handle(socket):
        async for frame in socket:
            received.append(frame)
            for text in answer(frame, len(received)):
                await socket.send(text)

    async with sim.serve() as url, serve(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        config = config_of(sim, url, tmp_path, ws_url=f"ws://127.0.0.1:{port}")
        async with KisStream(config, clock=clock, sleep=naps) as opened:
            yield sim, opened, received


def reply(code, message="", *, tr_id="H0STCNT0", tr_key=SAMSUNG):
    header = {"tr_id": tr_id, "tr_key": tr_key, "encrypt": "N"}
    return json.dumps({"header": header, "body": {"rt_cd": "1", "msg_cd": code, "msg1": message}})


@pytest.fixture
def naps():
    return Naps()


async def test_a_heartbeat_is_answered_with_its_very_text(tmp_path, clock, naps):
    beat = '{"header": {"tr_id":"PINGPONG",  "datetime":"20241011121818"}}'
    async with answering(tmp_path, clock, lambda _, n: [beat] if n == 1 else [], naps) as (_, opened, received):
        trades = opened.trades([SAMSUNG])
        await until(lambda: len(received) == 2)
        assert received[1] == beat
        await trades.aclose()


async def test_an_approval_key_that_is_refused_is_asked_anew(tmp_path, clock, naps):
    def answer(_, n):
        return [reply("OPSP0011", "invalid approval : NOT FOUND") if n == 1 else reply("OPSP0000")]

    async with answering(tmp_path, clock, answer, naps) as (sim, opened, received):
        trades = opened.trades([SAMSUNG])
        await naps.over()
        await until(lambda: len(received) == 2 and opened.blind_since is None)
        assert [request.path for request in sim.requests] == [APPROVAL] * 2
        keys = [json.loads(frame)["header"]["approval_key"] for frame in received]
        assert keys[0] != keys[1]
        await trades.aclose()


@pytest.mark.parametrize("code", ["OPSP0007", "OPSP0009"])
async def test_a_stumble_is_tried_again_later_on_the_same_connection(tmp_path, clock, naps, code):
    def answer(_, n):
        return [reply(code) if n < 3 else reply("OPSP0002")]

    async with answering(tmp_path, clock, answer, naps) as (_, opened, received):
        trades = opened.trades([SAMSUNG])
        await naps.over()
        await naps.over()
        await until(lambda: len(received) == 3)
        assert naps.taken == [20.0, 40.0]
        await trades.aclose()


async def test_a_fault_that_names_no_registration_keeps_away_for_long(tmp_path, clock, naps):
    async with answering(tmp_path, clock, lambda *_: [reply("OPSP8995", tr_id="(null)", tr_key="")], naps) as (
        _,
        opened,
        received,
    ):
        trades = opened.trades([SAMSUNG])
        await until(lambda: naps.taken)
        assert naps.taken[0] >= 45
        assert len(received) == 1
        await trades.aclose()


async def test_a_large_frame_is_taken(tmp_path, clock, naps):
    async with answering(tmp_path, clock, lambda *_: ["x" * 1_000_000, reply("OPSP0000")], naps) as (
        _,
        opened,
        _received,
    ):
        events = opened.events(trades=[SAMSUNG])
        assert isinstance(await asyncio.wait_for(anext(events), 2), Gap)  # nobody could read it, but it did not close
        assert naps.taken == []
