"""When the stream is blind it says so, once, with the times; and it comes back without hammering."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import structlog

from kis.frames import NoticeKind
from kis.stream import Gap, KisStream
from tests.kis.stream_guest import HYNIX, SAMSUNG, Naps, config_of, harness, nothing_from
from tests.sim.socket_guest import TRADES, guest
from tests.support.waiting import until


def move(clock, seconds):
    clock.now += timedelta(seconds=seconds)


async def test_no_gap_while_nothing_was_missed(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        events = at.stream.events(trades=[SAMSUNG])
        await at.registered()
        more = at.stream.events(trades=[HYNIX], order_books=[SAMSUNG])
        await at.registered(3)
        await nothing_from(events)
        await nothing_from(more)
        assert at.stream.blind_since is None
        assert at.naps.taken == []


async def test_a_dropped_socket_is_a_gap_and_everything_is_registered_again(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        events = at.stream.events(trades=[SAMSUNG, HYNIX], fill_notices=True)
        await at.registered(3)
        move(clock, 5)
        at.trade()
        seen = (await at.heard(events)).at
        move(clock, 5)
        with structlog.testing.capture_logs() as logs:
            at.sim.faults.plant("drop_socket")
            at.trade()  # this one is lost
            await asyncio.wait_for(at.naps.resting.wait(), 2)
            assert at.stream.blind_since == seen
            move(clock, 3)
            await at.naps.over()
            gap = await at.heard(events)
        assert gap == Gap(seen, clock())
        assert gap.until - gap.since == timedelta(seconds=8)
        assert at.stream.blind_since is None
        assert [line["event"] for line in logs] == ["stream_away", "stream_back"]
        at.trade(HYNIX)
        assert (await at.heard(events)).code == HYNIX
        at.sim.exchange.submit("buy", SAMSUNG, "limit", 1, at.sim.exchange.quote(SAMSUNG).lower)
        assert (await at.heard(events)).kind is NoticeKind.ACCEPTED  # sealed with the new connection's key
        await nothing_from(events)


@pytest.mark.virtual_time
async def test_a_silent_socket_is_given_up_in_session(tmp_path, clock):
    async with harness(tmp_path, clock, silence=0.05, heartbeat=0.02) as at:
        events = at.stream.events(trades=[SAMSUNG])
        await at.registered()
        await asyncio.sleep(0.1)
        assert at.sim.websocket.connects == 1  # heartbeats keep it alive
        assert at.sim.websocket.sessions[0].echoed > 0
        at.sim.faults.plant("stall_socket")
        await at.naps.over()
        assert isinstance(await at.heard(events), Gap)
        at.trade()
        assert (await at.heard(events)).code == SAMSUNG
        assert at.sim.websocket.connects == 2
        assert at.sim.faults.fired == {"stall_socket": 1}


@pytest.mark.virtual_time
async def test_silence_out_of_session_is_just_that(tmp_path, clock):
    async with harness(tmp_path, clock, silence=0.01, in_session=lambda _: False) as at:
        events = at.stream.events(trades=[SAMSUNG])
        await at.registered()
        await asyncio.sleep(0.06)
        at.trade()
        assert (await at.heard(events)).code == SAMSUNG
        assert at.sim.websocket.connects == 1


async def test_a_notice_that_cannot_be_opened_is_a_gap_and_the_key_is_had_anew_once(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        events = at.stream.events(fill_notices=True)
        await at.registered()
        heard = clock()
        for lost in (1, 2):
            move(clock, 4)
            at.sim.faults.plant("bad_cipher")
            with structlog.testing.capture_logs() as logs:
                at.sim.exchange.submit("buy", SAMSUNG, "limit", 1, at.sim.exchange.quote(SAMSUNG).lower)
                gap = await at.heard(events)
            assert gap == Gap(heard, clock())
            assert [line["event"] for line in logs] == ["frame_unreadable"][: 2 - lost]
            await until(lambda: len(at.sim.websocket.sessions[0].received) == 3 and at.stream._registrations.complete)
            heard = clock()
            at.sim.exchange.submit("buy", SAMSUNG, "limit", 1, at.sim.exchange.quote(SAMSUNG).lower)
            assert (await at.heard(events)).kind is NoticeKind.ACCEPTED
        assert at.sim.websocket.connects == 1


async def test_a_broker_that_is_away_is_tried_ever_more_rarely_and_then_told_of(tmp_path, clock, monkeypatch):
    naps = Naps()

    def refused(*_, **__):
        raise ConnectionRefusedError

    async with harness(tmp_path, clock) as at:
        monkeypatch.setattr("kis.websocket.connect", refused)
        async with KisStream(config_of(at.sim, at.url, tmp_path), clock=clock, sleep=naps) as lonely:
            began = clock()
            events = lonely.events(trades=[SAMSUNG])
            with structlog.testing.capture_logs() as logs:
                for _ in range(9):
                    await naps.over()
                await until(lambda: len(naps.taken) == 10)
            assert [line["event"] for line in logs] == ["stream_away"]
            for pause, usual in zip(naps.taken, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
                assert 0.75 * usual <= pause <= 1.25 * usual
            assert len(set(naps.taken)) == 10
            assert lonely.blind_since == began
            move(clock, 300)
            monkeypatch.undo()
            await naps.over()
            assert await at.heard(events) == Gap(began, clock())
    assert [request.path for request in at.sim.requests] == ["/oauth2/Approval"]


async def test_another_program_with_our_key_is_left_alone_for_minutes(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        async with guest(at.sim, at.url) as other:
            assert await other.code(TRADES, SAMSUNG) == "OPSP0000"
            began = clock()
            events = at.stream.events(trades=[SAMSUNG, HYNIX], order_books=[HYNIX])
            with structlog.testing.capture_logs() as logs:
                for _ in range(5):
                    await at.naps.over()
                await until(lambda: len(at.naps.taken) == 6)
            assert [line["event"] for line in logs] == ["stream_away"]
            assert "OPSP8996" in logs[0]["reason"]
            for pause, usual in zip(at.naps.taken, [60, 120, 240, 480, 600, 600], strict=True):
                assert 0.75 * usual <= pause <= 1.25 * usual
            assert at.sim.websocket.connects == 1 + 6
            assert await other.code(TRADES, HYNIX) == "OPSP0000"  # undisturbed
        await at.naps.over()
        assert await at.heard(events) == Gap(began, clock())
        at.trade(HYNIX)
        assert (await at.heard(events)).code == HYNIX


async def test_what_fitted_before_and_is_too_many_now_is_waited_out(tmp_path, clock, monkeypatch):
    """As when KIS has not noticed yet that the connection before is gone."""
    async with harness(tmp_path, clock) as at:
        events = at.stream.events(trades=[SAMSUNG, HYNIX])
        await at.registered(2)
        monkeypatch.setattr("kis.sim.websocket.server.MAX_REGISTRATIONS", 1)
        at.sim.faults.plant("drop_socket")
        at.trade()
        await at.naps.over()
        await until(lambda: len(at.naps.taken) == 2)
        assert at.naps.taken[1] >= 45
        monkeypatch.undo()
        await at.naps.over()
        assert isinstance(await at.heard(events), Gap)
        at.trade(HYNIX)
        assert (await at.heard(events)).code == HYNIX
        assert at.sim.websocket.connects == 3


async def test_a_connection_that_held_for_a_minute_makes_the_next_pause_short_again(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        events = at.stream.events(trades=[SAMSUNG])
        for lasted in (1, 1, 1, 61, 1):
            await at.registered()
            await until(lambda: at.stream.blind_since is None and at.stream._registrations.complete)
            move(clock, lasted)
            at.sim.faults.plant("drop_socket")
            at.trade()
            await at.naps.over()
            assert isinstance(await at.heard(events), Gap)
        for pause, usual in zip(at.naps.taken, [1, 2, 4, 1, 2], strict=True):
            assert 0.75 * usual <= pause <= 1.25 * usual


async def test_a_listener_hears_of_no_gap_from_before_its_time(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        events = at.stream.events(trades=[SAMSUNG])
        await at.registered()
        at.sim.faults.plant("drop_socket")
        at.trade()
        await asyncio.wait_for(at.naps.resting.wait(), 2)
        move(clock, 10)
        late = at.stream.events(trades=[HYNIX])
        joined = clock()
        move(clock, 10)
        await at.naps.over()
        assert (await at.heard(late)).since == joined
        assert (await at.heard(events)).since < joined


async def test_what_nobody_listens_to_is_not_missed(tmp_path, clock):
    async with harness(tmp_path, clock) as at:
        events = at.stream.events(trades=[SAMSUNG])
        await at.registered()
        at.sim.faults.plant("drop_socket")
        at.trade()
        await asyncio.wait_for(at.naps.resting.wait(), 2)
        await events.aclose()
        await at.naps.over()
        await until(lambda: at.stream.blind_since is None)
        assert at.sim.websocket.connects == 1
        again = at.stream.events(trades=[SAMSUNG])
        await at.registered()
        await nothing_from(again)


@pytest.mark.parametrize("fault", ["drop_socket", "stall_socket"])
async def test_leaving_while_it_is_away_takes_no_time(tmp_path, clock, fault):
    async with harness(tmp_path, clock, silence=0.05) as at:
        events = at.stream.events(trades=[SAMSUNG])
        await at.registered()
        at.sim.faults.plant(fault)
        at.trade()
        await asyncio.wait_for(at.naps.resting.wait(), 2)
        async with asyncio.timeout(0.5):
            await at.stream.close()
        assert [event async for event in events] == []
