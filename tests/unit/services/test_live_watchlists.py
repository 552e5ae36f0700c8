"""Living messages: what they cost, when they change, when they end, and what a restart makes of them."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from bot.services.live_watchlists import LIVE_FOR
from kis.krx import KST
from tests.support.outbox import OWNER, TRADER
from tests.support.watch_world import HYNIX, SAMSUNG, in_house, trade

LIVE, PAUSE, REFRESH = "w:live", "w:pause", "w:refresh"
SATURDAY = datetime(2026, 11, 21, 10, 0, tzinfo=KST)
CLOSING = datetime(2026, 11, 23, 15, 29, tzinfo=KST)


# --- life -------------------------------------------------------------------------------------------------------------


def test_a_living_message_follows_the_price_and_stops_after_its_time():
    async def play(house):
        message = await house.say("005930")
        async with house.at_work():
            assert "5분" in (await house.tap(message, LIVE)).text
            assert "실시간 09:10까지" in house.text(message)
            for _ in range(3):
                price = house.move()
                await asyncio.sleep(16)
                assert f"{price:,}" in house.text(message)
            await asyncio.sleep(LIVE_FOR.total_seconds())
            assert "실시간이 끝났습니다" in house.text(message)
            assert LIVE in house.buttons(message)
            before, price = len(house.asked), house.move()
            await asyncio.sleep(60)
            assert len(house.asked) == before, "nothing is asked while nobody looks"
            assert f"{price:,}" not in house.text(message)
            await house.tap(message, LIVE)
            await asyncio.sleep(12)
            assert f"{price:,}" in house.text(message)

    in_house(play)


def test_prices_that_do_not_move_change_no_message():
    async def play(house):
        message = await house.say("005930, 000660")
        async with house.at_work():
            await house.tap(message, LIVE)
            before = len(house.edits)
            await asyncio.sleep(120)
            assert len(house.edits) == before

    in_house(play)


def test_looks_of_one_message_are_five_seconds_apart_however_much_trades():
    async def play(house):
        message = await house.say("005930")
        house.stream.streamed = frozenset({SAMSUNG})
        async with house.at_work():
            await house.tap(message, LIVE)
            began = house.clock.seconds()
            for number in range(300):
                house.stream.on_trade(trade(house, SAMSUNG, 70_000 + number))
                await asyncio.sleep(0.2)
        times = [at for at, _, _ in house.edits if at > began]
        assert len(times) in range(9, 13)
        assert min(after - before for before, after in pairwise(times)) > 4.5

    in_house(play)


def test_a_pause_ends_it_at_once_and_a_tap_makes_it_last():
    async def play(house):
        message = await house.say("005930")
        async with house.at_work():
            await house.tap(message, LIVE)
            await asyncio.sleep(200)
            await house.tap(message, REFRESH)
            await asyncio.sleep(200)
            assert "실시간 09:13까지" in house.text(message)
            await house.tap(message, PAUSE)
            assert "기준" in house.text(message)
            before = len(house.asked)
            house.move()
            await asyncio.sleep(60)
            assert len(house.asked) == before

    in_house(play)


def test_the_newest_message_lives_and_the_older_one_says_where_it_went():
    async def play(house):
        first = await house.say("005930")
        async with house.at_work():
            await house.tap(first, LIVE)
            second = await house.say()
            assert "새 메시지로 옮겼습니다" in house.text(first)
            assert house.buttons(first) == []
            price = house.move()
            await asyncio.sleep(16)
            assert f"{price:,}" in house.text(second)
            assert "새 메시지로 옮겼습니다" in house.text(first)
            assert PAUSE in house.buttons(second)

    in_house(play)


def test_a_look_that_still_waited_is_not_shown_over_the_farewell_of_an_older_message():
    async def play(house):
        first = await house.say("005930")
        await house.tap(first, LIVE)
        house.move()
        await house.prices.refresh([SAMSUNG])
        await asyncio.sleep(6)
        await house.prices.refresh([SAMSUNG])
        house.lists.turn()
        assert house.outbox.next(TRADER).kind == "look"
        await house.say()
        assert "새 메시지로 옮겼습니다" in house.text(first)

    in_house(play)


def test_a_message_that_was_deleted_lives_no_longer():
    async def play(house):
        message = await house.say("005930")
        await house.tap(message, LIVE)
        house.move()
        await asyncio.sleep(11)
        house.lists.turn()
        await asyncio.sleep(1)
        house.lists.turn()
        letter = house.outbox.next(TRADER)
        house.outbox.sending(letter)
        house.outbox.failed(letter, "message to edit not found")
        house.lists.turn()
        before = len(house.asked)
        async with house.at_work():
            await asyncio.sleep(60)
        assert len(house.asked) == before

    in_house(play)


@pytest.mark.parametrize("how", ["remove", "suspend"])
def test_who_is_shut_out_is_shown_nothing_more_and_costs_nothing_more(how):
    async def play(house):
        message = await house.say("005930", OWNER)
        theirs = await house.say("000660")
        async with house.at_work():
            await house.tap(message, LIVE, OWNER)
            await house.tap(theirs, LIVE)
            await asyncio.sleep(5)
            getattr(house.people, how)(TRADER)
            house.move(HYNIX)
            await asyncio.sleep(1)
            before = (house.text(theirs), Counter(house.asked)[HYNIX])
            await asyncio.sleep(60)
            assert (house.text(theirs), Counter(house.asked)[HYNIX]) == before
            assert house.stream.codes == [SAMSUNG]

    in_house(play)


def test_at_the_close_it_ends_and_while_closed_it_does_not_begin():
    async def play(house):
        message = await house.say("005930")
        async with house.at_work():
            await house.tap(message, LIVE)
            await asyncio.sleep(300)
            assert "장 마감" in house.text(message)
            assert LIVE not in house.buttons(message)

    in_house(play, start=CLOSING, always=False)


def test_on_a_closed_day_it_says_so_and_asks_for_nothing_by_itself():
    async def play(house):
        message = await house.say("005930")
        assert "장 마감" in house.text(message)
        assert LIVE not in house.buttons(message)
        before = len(house.asked)
        assert house.lists.live(TRADER) is False
        async with house.at_work():
            await asyncio.sleep(600)
        assert len(house.asked) == before

    in_house(play, start=SATURDAY, always=False)


def test_a_clock_that_is_set_back_lets_nothing_live_for_hours():
    async def play(house):
        message = await house.say("005930")
        await house.tap(message, LIVE)
        house.clock._start -= timedelta(hours=1)
        async with house.at_work():
            await asyncio.sleep(5)
        assert "실시간이 끝났습니다" in house.text(message)

    in_house(play)


# --- a new start ------------------------------------------------------------------------------------------------------


def test_after_a_restart_it_lives_on_and_shows_no_less_than_before():
    async def play(house):
        message = await house.say("005930, 000660")
        async with house.at_work():
            await house.tap(message, LIVE)
            await asyncio.sleep(10)
        price = house.move()
        again = house.again()
        async with again.client, again.at_work():
            seen = []
            for _ in range(60):
                await asyncio.sleep(0.5)
                seen.append(house.text(message))
            assert f"{price:,}" in seen[-1]
            assert all("…" not in one and "–" not in one for one in seen)
            assert PAUSE in house.buttons(message)
            await asyncio.sleep(300)
            assert "실시간이 끝났습니다" in house.text(message)

    in_house(play)


def test_what_ran_out_while_we_were_down_is_ended_at_the_start():
    async def play(house):
        message = await house.say("005930")
        async with house.at_work():
            await house.tap(message, LIVE)
        await asyncio.sleep(600)
        again = house.again()
        before = len(house.asked)
        async with again.client, again.at_work():
            await asyncio.sleep(5)
        assert "실시간이 끝났습니다" in house.text(message)
        assert len(house.asked) == before

    in_house(play)


def test_an_end_that_was_written_down_and_not_shown_is_shown_at_the_start():
    async def play(house):
        message = await house.say("005930")
        await house.tap(message, LIVE)
        (screen,) = house.book.screens()
        house.book.keep(screen._replace(live_until=None))
        again = house.again()
        async with again.client, again.at_work():
            await asyncio.sleep(2)
        assert "실시간이 끝났습니다" in house.text(message)

    in_house(play)
