"""Living messages: what they cost, when they change, when they end, and what a restart makes of them."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from bot.services.live_watchlists import LIVE_FOR
from kis.krx import KST
from tests.support.outbox import OWNER, TRADER
from tests.support.watch_world import HYNIX, SAMSUNG, in_harness, trade

LIVE, PAUSE, REFRESH = "w:live", "w:pause", "w:refresh"
SATURDAY = datetime(2026, 11, 21, 10, 0, tzinfo=KST)
CLOSING = datetime(2026, 11, 23, 15, 29, tzinfo=KST)


# --- life -------------------------------------------------------------------------------------------------------------


def test_a_living_message_follows_the_price_and_stops_after_its_time():
    async def play(harness):
        message = await harness.say("005930")
        async with harness.at_work():
            assert "5분" in (await harness.tap(message, LIVE)).text
            assert "실시간 09:10까지" in harness.text(message)
            for _ in range(3):
                price = harness.move()
                await asyncio.sleep(16)
                assert f"{price:,}" in harness.text(message)
            await asyncio.sleep(LIVE_FOR.total_seconds())
            assert "실시간이 끝났습니다" in harness.text(message)
            assert LIVE in harness.buttons(message)
            before, price = len(harness.asked), harness.move()
            await asyncio.sleep(60)
            assert len(harness.asked) == before, "nothing is asked while nobody looks"
            assert f"{price:,}" not in harness.text(message)
            await harness.tap(message, LIVE)
            await asyncio.sleep(12)
            assert f"{price:,}" in harness.text(message)

    in_harness(play)


def test_prices_that_do_not_move_change_no_message():
    async def play(harness):
        message = await harness.say("005930, 000660")
        async with harness.at_work():
            await harness.tap(message, LIVE)
            before = len(harness.edits)
            await asyncio.sleep(120)
            assert len(harness.edits) == before

    in_harness(play)


def test_looks_of_one_message_are_five_seconds_apart_however_much_trades():
    async def play(harness):
        message = await harness.say("005930")
        harness.stream.streamed = frozenset({SAMSUNG})
        async with harness.at_work():
            await harness.tap(message, LIVE)
            began = harness.clock.seconds()
            for number in range(300):
                harness.stream.on_trade(trade(harness, SAMSUNG, 70_000 + number))
                await asyncio.sleep(0.2)
        times = [at for at, _, _ in harness.edits if at > began]
        assert len(times) in range(9, 13)
        assert min(after - before for before, after in pairwise(times)) > 4.5

    in_harness(play)


def test_a_pause_ends_it_at_once_and_a_tap_makes_it_last():
    async def play(harness):
        message = await harness.say("005930")
        async with harness.at_work():
            await harness.tap(message, LIVE)
            await asyncio.sleep(200)
            await harness.tap(message, REFRESH)
            await asyncio.sleep(200)
            assert "실시간 09:13까지" in harness.text(message)
            await harness.tap(message, PAUSE)
            assert "기준" in harness.text(message)
            before = len(harness.asked)
            harness.move()
            await asyncio.sleep(60)
            assert len(harness.asked) == before

    in_harness(play)


def test_the_newest_message_lives_and_the_older_one_says_where_it_went():
    async def play(harness):
        first = await harness.say("005930")
        async with harness.at_work():
            await harness.tap(first, LIVE)
            second = await harness.say()
            assert "새 메시지로 옮겼습니다" in harness.text(first)
            assert harness.buttons(first) == []
            price = harness.move()
            await asyncio.sleep(16)
            assert f"{price:,}" in harness.text(second)
            assert "새 메시지로 옮겼습니다" in harness.text(first)
            assert PAUSE in harness.buttons(second)

    in_harness(play)


def test_a_look_that_still_waited_is_not_shown_over_the_farewell_of_an_older_message():
    async def play(harness):
        first = await harness.say("005930")
        await harness.tap(first, LIVE)
        harness.move()
        await harness.prices.refresh([SAMSUNG])
        await asyncio.sleep(6)
        await harness.prices.refresh([SAMSUNG])
        harness.lists.turn()
        assert harness.outbox.next(TRADER).kind == "look"
        await harness.say()
        assert "새 메시지로 옮겼습니다" in harness.text(first)

    in_harness(play)


def test_a_message_that_was_deleted_lives_no_longer():
    async def play(harness):
        message = await harness.say("005930")
        await harness.tap(message, LIVE)
        harness.move()
        await asyncio.sleep(11)
        harness.lists.turn()
        await asyncio.sleep(1)
        harness.lists.turn()
        letter = harness.outbox.next(TRADER)
        harness.outbox.sending(letter)
        harness.outbox.failed(letter, "message to edit not found")
        harness.lists.turn()
        before = len(harness.asked)
        async with harness.at_work():
            await asyncio.sleep(60)
        assert len(harness.asked) == before

    in_harness(play)


@pytest.mark.parametrize("how", ["remove", "suspend"])
def test_who_is_shut_out_is_shown_nothing_more_and_costs_nothing_more(how):
    async def play(harness):
        message = await harness.say("005930", OWNER)
        theirs = await harness.say("000660")
        async with harness.at_work():
            await harness.tap(message, LIVE, OWNER)
            await harness.tap(theirs, LIVE)
            await asyncio.sleep(5)
            getattr(harness.people, how)(TRADER)
            harness.move(HYNIX)
            await asyncio.sleep(1)
            before = (harness.text(theirs), Counter(harness.asked)[HYNIX])
            await asyncio.sleep(60)
            assert (harness.text(theirs), Counter(harness.asked)[HYNIX]) == before
            assert harness.stream.codes == [SAMSUNG]

    in_harness(play)


def test_at_the_close_it_ends_and_while_closed_it_does_not_begin():
    async def play(harness):
        message = await harness.say("005930")
        async with harness.at_work():
            await harness.tap(message, LIVE)
            await asyncio.sleep(300)
            assert "장 마감" in harness.text(message)
            assert LIVE not in harness.buttons(message)

    in_harness(play, start=CLOSING, always=False)


def test_on_a_closed_day_it_says_so_and_asks_for_nothing_by_itself():
    async def play(harness):
        message = await harness.say("005930")
        assert "장 마감" in harness.text(message)
        assert LIVE not in harness.buttons(message)
        before = len(harness.asked)
        assert harness.lists.live(TRADER) is False
        async with harness.at_work():
            await asyncio.sleep(600)
        assert len(harness.asked) == before

    in_harness(play, start=SATURDAY, always=False)


def test_a_clock_that_is_set_back_lets_nothing_live_for_hours():
    async def play(harness):
        message = await harness.say("005930")
        await harness.tap(message, LIVE)
        harness.clock._start -= timedelta(hours=1)
        async with harness.at_work():
            await asyncio.sleep(5)
        assert "실시간이 끝났습니다" in harness.text(message)

    in_harness(play)


# --- a new start ------------------------------------------------------------------------------------------------------


def test_after_a_restart_it_lives_on_and_shows_no_less_than_before():
    async def play(harness):
        message = await harness.say("005930, 000660")
        async with harness.at_work():
            await harness.tap(message, LIVE)
            await asyncio.sleep(10)
        price = harness.move()
        again = harness.again()
        async with again.client, again.at_work():
            seen = []
            for _ in range(60):
                await asyncio.sleep(0.5)
                seen.append(harness.text(message))
            assert f"{price:,}" in seen[-1]
            assert all("…" not in one and "–" not in one for one in seen)
            assert PAUSE in harness.buttons(message)
            await asyncio.sleep(300)
            assert "실시간이 끝났습니다" in harness.text(message)

    in_harness(play)


def test_what_ran_out_while_we_were_down_is_ended_at_the_start():
    async def play(harness):
        message = await harness.say("005930")
        async with harness.at_work():
            await harness.tap(message, LIVE)
        await asyncio.sleep(600)
        again = harness.again()
        before = len(harness.asked)
        async with again.client, again.at_work():
            await asyncio.sleep(5)
        assert "실시간이 끝났습니다" in harness.text(message)
        assert len(harness.asked) == before

    in_harness(play)


def test_an_end_that_was_written_down_and_not_shown_is_shown_at_the_start():
    async def play(harness):
        message = await harness.say("005930")
        await harness.tap(message, LIVE)
        (screen,) = harness.book.screens()
        harness.book.keep(screen._replace(live_until=None))
        again = harness.again()
        async with again.client, again.at_work():
            await asyncio.sleep(2)
        assert "실시간이 끝났습니다" in harness.text(message)

    in_harness(play)
