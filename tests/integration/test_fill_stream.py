"""The websocket wakes the poll and is believed in nothing else; whatever befalls it, fills are told, once."""

import asyncio
import contextlib
import json
import random
from datetime import timedelta

import pytest
import structlog

from bot.chat.i18n.frame import Frame
from bot.chat.messages.fills import fill_notice_push
from bot.chat.messages.system import stream_line
from bot.demo.run import OWNER
from bot.services.fill_stream import StreamState
from bot.store.reading_mark import StreamStats
from kis.sim import Simulator
from kis.sim.faults.catalogue import ALWAYS
from tests.bench.tap_to_wire import quiet
from tests.sim.socket_guest import NOTICES, guest
from tests.support import virtual_time
from tests.support.conversation import Ahead, confirmed, reread
from tests.support.fill_stream import WITHOUT_STREAM, streaming
from tests.support.stage import stage
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time

LOW = 60_000
"""Won at which an order for 005930 waits."""
LIST = "inquire-daily-ccld"
NOTICE = NOTICES["real"]


@contextlib.asynccontextmanager
async def without_stream(*, poll=3600.0, kis_min_interval=0.0, **broker):
    """A stage whose app does not listen itself, and reads the list every so many seconds unless woken."""
    async with stage(
        broker=Simulator(**{"profile": "real", "rate_limit": False, "clock": virtual_time.now, **broker}),
        kis_min_interval=kis_min_interval,
        **WITHOUT_STREAM,
    ) as on:
        on.app.parts.report_poll._interval = lambda: poll
        await reread(on)
        yield on


async def soon(seconds):
    await asyncio.sleep(min(seconds, 0.02))


async def resting(on, quantity=5):
    """An order that waits at the exchange; its number."""
    card = await confirmed(on, "📨 접수", f"005930 {quantity} {LOW}")
    return card.split("주문번호 ")[1].split()[0]


def fills(on, chat=OWNER.id):
    """Every growth that was told in a chat: shares of the step, and in all."""
    rows = on.app.storage.db.execute("SELECT data FROM outbox WHERE kind = 'fill' AND chat_id = ? ORDER BY id", [chat])
    return [(one["step"], one["filled"]) for one in (json.loads(row[0]) for row in rows)]


async def told(on, filled):
    await until(lambda: any(total == filled for _, total in fills(on)))


# --- a fill -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "fields"), [("paper", 23), ("real", 26)])
async def test_a_fill_is_told_at_once_however_rarely_the_list_is_read(profile, fields):
    async with without_stream(profile=profile, notice_fields=fields) as on, streaming(on) as at:
        number = await resting(on)
        before = on.telegram.revision
        on.broker.exchange.trade("005930", LOW, 2)
        await on.telegram.wait(OWNER.id, "누적 2/5주", after=before, timeout=1.0)
        on.broker.exchange.trade("005930", LOW, 3)
        await on.telegram.wait(OWNER.id, "누적 5/5주", after=before, timeout=1.0)
        assert fills(on) == [(2, 2), (3, 5)]
        assert (at.stream.counts.notices, at.stream.counts.fills) == (3, 2)
        assert at.stream.last(number) is not None


async def test_an_order_made_elsewhere_is_told_at_once_too():
    async with without_stream() as on, streaming(on):
        await reread(on)
        before = on.telegram.revision
        on.broker.exchange.submit("buy", "005930", "market", 3, channel="HTS")
        await on.telegram.wait(OWNER.id, "외부 주문", after=before, timeout=1.0)


@pytest.mark.parametrize("fault", ["repeat_frame", "swap_frames"])
async def test_a_notice_twice_or_out_of_turn_is_told_once(fault):
    async with without_stream() as on, streaming(on) as at:
        await resting(on)
        on.broker.faults.plant(fault, times=2, path=NOTICE)
        for total in (1, 2, 3, 4):
            on.broker.exchange.trade("005930", LOW, 1)
            if fault == "repeat_frame" or total % 2 == 0:
                await told(on, total)
        assert on.broker.faults.fired[fault] == 2 - (fault == "swap_frames" and on.broker.faults.waiting)
        assert sum(step for step, _ in fills(on)) == 4
        assert len(fills(on)) == len({total for _, total in fills(on)})
        assert at.stream.counts.missed_by_poll == 0


async def test_notices_of_another_account_wake_nobody():
    async with without_stream() as on, streaming(on, config={"account": "99999999-01"}) as at:
        on.broker.exchange.submit("buy", "005930", "market", 1)
        await asyncio.sleep(0.1)
        assert (at.wakes, at.stream.counts.notices) == ([], 0)


async def test_a_burst_of_notices_leaves_others_their_calls():
    """The list's lane goes before that of prices: read back to back it would leave them none until the burst is over."""
    async with without_stream(kis_min_interval=0.1) as on, streaming(on) as at:
        await resting(on, 40)
        rounds, waits = on.app.readings, []

        async def burst():
            for _ in range(40):
                on.broker.exchange.trade("005930", LOW, 1)
                await asyncio.sleep(0.02)

        bursting = asyncio.create_task(burst())
        await asyncio.sleep(0.15)
        while not bursting.done():
            began = virtual_time.ticks()
            await on.app.parts.client.price("000660")
            waits.append(virtual_time.ticks() - began)
        await told(on, 40)
        assert len(waits) >= 2
        assert max(waits) < 1.0
        assert on.app.readings - rounds >= 2
        assert sum(step for step, _ in fills(on)) == 40
        assert at.stream.counts.missed_by_poll == 0
        await quiet(on)


# --- what befalls the connection --------------------------------------------------------------------------------------


async def test_a_lost_connection_ends_in_one_reading_that_finds_what_was_missed():
    async with without_stream() as on, streaming(on, sleep=soon) as at:
        await resting(on)
        await asyncio.sleep(0.05)
        at.wakes.clear()
        on.broker.faults.plant("drop_socket", path=NOTICE)
        on.broker.exchange.trade("005930", LOW, 5)  # its notice is lost with the connection
        await told(on, 5)
        assert (len(at.wakes), at.stream.counts.gaps, at.stream.counts.fills) == (1, 1, 0)
        assert at.stream.state is StreamState.CONNECTED
        assert on.broker.websocket.connects == 2


async def test_a_silent_stall_is_noticed_and_recovered_from():
    async with without_stream(heartbeat=0.05) as on, streaming(on, sleep=soon, silence=0.3) as at:
        await resting(on)
        began = at.stream.since
        on.broker.faults.plant("stall_socket", path=NOTICE)
        on.broker.exchange.trade("005930", LOW, 5)
        await told(on, 5)
        await at.reaches(StreamState.CONNECTED)
        assert at.stream.since > began
        assert (on.broker.websocket.connects, at.stream.counts.gaps) == (2, 1)


async def test_a_notice_that_cannot_be_opened_is_a_reason_to_read():
    async with without_stream() as on, streaming(on) as at:
        await resting(on)
        on.broker.faults.plant("bad_cipher")
        on.broker.exchange.trade("005930", LOW, 2)
        await told(on, 2)
        assert at.stream.counts.gaps == 1
        await until(lambda: on.broker.websocket.sessions[0].topics and at.stream.state is StreamState.CONNECTED)
        on.broker.exchange.trade("005930", LOW, 3)
        await told(on, 5)
        assert fills(on) == [(2, 2), (3, 5)]


async def test_while_another_program_holds_the_session_the_poll_works_and_then_it_is_ours_again():
    naps = asyncio.Event()
    taken = []

    async def nap(seconds):
        if seconds >= 1:
            taken.append(seconds)
            await naps.wait()

    async with without_stream(poll=0.2) as on:
        url = f"http://127.0.0.1:{on.kis_port}"
        async with guest(on.broker, url, connect=on.sockets.connect) as other:
            assert await other.code(NOTICE, on.broker.credentials.hts_id) == "OPSP0000"
            async with streaming(on, wait=False, sleep=nap) as at:
                await until(lambda: taken)
                assert taken[0] >= 45
                assert at.stream.state is StreamState.DISCONNECTED
                await resting(on)
                on.broker.exchange.trade("005930", LOW, 5)
                await told(on, 5)
                assert (at.wakes, at.stream.state, len(taken)) == ([], StreamState.DISCONNECTED, 1)
                await other.socket.close()
                naps.set()
                await at.reaches(StreamState.CONNECTED)
                assert at.stream.counts.missed_by_stream == 0


async def test_what_kis_refuses_for_good_is_asked_again_after_long_and_hurts_nobody():
    taken = []
    again = asyncio.Event()

    async def nap(seconds):
        if seconds >= 1:
            taken.append(seconds)
            await again.wait()

    async with without_stream() as on:
        with structlog.testing.capture_logs() as logs:
            async with streaming(on, wait=False, sleep=nap, config={"hts_id": "somebody"}) as at:
                await until(lambda: taken)
                assert (taken, at.stream.state) == ([600.0], StreamState.DISCONNECTED)
                await confirmed(on, "✅ 체결", "005930 1 시장가")
                assert at.wakes == []
        assert [line["event"] for line in logs].count("KIS refuses the fill stream") == 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", None])
async def test_an_address_that_cannot_be_right_is_told_and_hurts_nobody(address):
    """Nor does a simulated account ever go to KIS's own websocket, where no other address is set."""
    with structlog.testing.capture_logs() as logs:
        async with without_stream() as on, streaming(on, wait=False, config={"ws_url": address}) as at:
            await reread(on)
            assert at.stream.state is StreamState.DISCONNECTED
            assert at.stream.since is not None
    told = [line["why"] for line in logs if line["event"] == "KIS refuses the fill stream"]
    assert len(told) == 1
    assert "KIS_WS_URL" in told[0]


async def test_without_a_login_nobody_listens_and_that_is_said():
    async with without_stream() as on, streaming(on, wait=False, config={"hts_id": ""}) as at:
        await confirmed(on, "✅ 체결", "005930 1 시장가")
        assert (at.stream.state, at.stream.since, at.wakes) == (StreamState.OFF, None, [])
        assert on.broker.websocket.connects == 0
        watching = at.trades.subscribe(["005930"], lambda _: None)
        assert watching.streamed == frozenset()
        assert "KIS_HTS_ID" in stream_line(at.stream, KO)


async def test_a_fault_of_our_own_reaches_neither_the_poll_nor_the_connection(monkeypatch):
    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr("bot.services.fill_stream_audit.FillStreamAudit.notice", broken)
    monkeypatch.setattr("bot.services.fill_stream_audit.FillStreamAudit.snapshot", broken)
    async with without_stream() as on:
        with structlog.testing.capture_logs() as logs:
            async with streaming(on) as at:
                await resting(on)
                on.broker.exchange.trade("005930", LOW, 5)
                await told(on, 5)
                assert at.stream.state is StreamState.CONNECTED
        assert [line["event"] for line in logs].count("a notice could not be taken in") == 1


# --- the list is behind -----------------------------------------------------------------------------------------------


async def test_a_fill_the_list_does_not_show_is_told_as_just_that_and_corrected_when_it_does(monkeypatch):
    monkeypatch.setattr("bot.services.fill_stream.CHECK_INTERVAL", 0.02)
    monkeypatch.setattr("bot.services.fill_stream_audit.WINDOW", timedelta(seconds=0.4))
    monkeypatch.setattr(
        "bot.services.fill_stream_audit.RECHECK_AFTER", tuple(timedelta(seconds=one) for one in (0.1, 0.2, 0.3, 1.0))
    )
    async with without_stream() as on, streaming(on) as at:
        number = await resting(on)
        on.broker.faults.plant("empty_list", times=ALWAYS, path=LIST)
        on.broker.exchange.trade("005930", LOW, 2)
        await until(lambda: at.notices)
        assert [(one.kind, one.data["order_no"], one.data["told"]) for one in at.notices] == [("heard", number, 2)]
        assert fills(on) == []
        on.broker.faults.clear()
        await told(on, 2)
        await until(lambda: len(at.notices) == 2)
        assert [one.kind for one in at.notices] == ["heard", "heard_shown"]
        assert {one.chat_id for one in at.notices} == {OWNER.id}
        assert at.stream.counts.missed_by_poll == 1
        words = [fill_notice_push(one.kind, one.data, KO).text for one in at.notices]
        assert "체결 통보 수신, 확인 중" in words[0]
        assert number in words[0]
        assert "누적 체결</b>" not in words[0]
        assert "확인됨" in words[1]


# --- what is kept -----------------------------------------------------------------------------------------------------


async def test_what_was_counted_today_is_not_begun_anew_by_a_restart():
    async with without_stream() as on:
        days = StreamStats(on.app.storage.db)
        async with streaming(on, stats=days) as at:
            await resting(on)
            on.broker.exchange.trade("005930", LOW, 2)
            await told(on, 2)
            counted = at.stream.counts
        assert (counted.notices, counted.fills) == (2, 1)
        async with streaming(on, stats=days) as at:
            assert at.stream.counts == counted
            on.broker.exchange.trade("005930", LOW, 3)
            await told(on, 5)
            assert (at.stream.counts.notices, at.stream.counts.fills) == (3, 2)


async def test_the_figures_of_a_day_are_kept_and_logged_when_it_is_over(monkeypatch):
    monkeypatch.setattr("bot.services.fill_stream.CHECK_INTERVAL", 0.02)
    clock = Ahead()
    async with without_stream() as on:
        days = StreamStats(on.app.storage.db)
        with structlog.testing.capture_logs() as logs:
            async with streaming(on, stats=days, clock=clock) as at:
                await resting(on)
                today = at.stream.counts.day
                clock.jump(days=1)
                await until(lambda: at.stream.counts.day > today)
                await until(lambda: any(one["event"] == "a day's fill notices" for one in logs))
        (line,) = [one for one in logs if one["event"] == "a day's fill notices"]
        assert (line["day"], line["notices"], line["missed_by_poll"]) == (today.isoformat(), 1, 0)
        assert days.last(7)[today]["notices"] == 1
        assert (at.stream.counts.notices, list(at.stream.days)) == (0, [today, at.stream.counts.day])


# --- all at once ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
async def test_in_any_weather_every_fill_is_told_once(seed):
    chance = random.Random(seed)
    async with without_stream(poll=0.3, heartbeat=0.05) as on, streaming(on, sleep=soon, silence=0.3) as at:
        await resting(on, 60)
        names = ("drop_socket", "repeat_frame", "swap_frames", "stall_socket", "bad_cipher")
        for total in range(1, 61):
            if chance.random() < 0.2:
                on.broker.faults.plant(chance.choice(names), path=NOTICE)
            on.broker.exchange.trade("005930", LOW, 1)
            if chance.random() < 0.4:
                await asyncio.sleep(chance.random() / 20)
            assert len(fills(on)) <= total
        await told(on, 60)
        told_so_far = fills(on)
        assert sum(step for step, _ in told_so_far) == 60
        assert [total for _, total in told_so_far] == sorted({total for _, total in told_so_far})
        await at.reaches(StreamState.CONNECTED)
        assert at.stream.counts.missed_by_poll == 0
        await quiet(on)


# --- words ------------------------------------------------------------------------------------------------------------

KO, EN = Frame("ko", "practice", "…56-01"), Frame("en", "practice", "…56-01")


async def test_the_state_is_put_in_words():
    async with without_stream() as on, streaming(on, sleep=soon) as at:
        assert f"수신 중 ({at.stream.since:%H:%M}부터)" in stream_line(at.stream, KO)
        at.stream.counts.missed_by_stream = 2
        assert "오늘 통보 없던 체결 2" in stream_line(at.stream, KO)
        assert "2 without a notice, check KIS_HTS_ID" in stream_line(at.stream, EN)
        at.stream.counts.fills = 1
        assert "KIS_HTS_ID" not in stream_line(at.stream, EN)
        on.broker.faults.plant("drop_socket", times=ALWAYS)
        on.broker.exchange.submit("buy", "005930", "market", 1)
        await at.reaches(StreamState.DISCONNECTED)
        assert f"끊김 ({at.stream.since:%H:%M}부터)" in stream_line(at.stream, KO)
