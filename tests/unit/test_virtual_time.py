"""Virtual time: no waiting, no chance, no standstill that goes unnoticed."""

import asyncio
import time
from datetime import timedelta

import pytest

from tests.support.virtual_time import MONDAY_MORNING, Standstill, VirtualClock, run_virtual


def test_a_day_of_sleep_takes_no_time_and_the_clock_shows_it():
    async def play(clock: VirtualClock):
        await asyncio.sleep(86_400)
        return clock()

    began = time.monotonic()
    assert abs(run_virtual(play) - MONDAY_MORNING - timedelta(days=1)) < timedelta(milliseconds=1)
    assert time.monotonic() - began < 60


def test_timers_go_off_in_their_order_whatever_the_order_they_were_set_in():
    async def play(_: VirtualClock):
        heard = []

        async def after(seconds: float):
            await asyncio.sleep(seconds)
            heard.append(seconds)

        await asyncio.gather(*(after(seconds) for seconds in (3, 1, 2, 0.5)))
        return heard

    assert run_virtual(play) == [0.5, 1, 2, 3]


def test_a_timeout_comes_after_its_virtual_seconds():
    async def play(clock: VirtualClock):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.sleep(11)
        return (clock() - MONDAY_MORNING).total_seconds()

    assert run_virtual(play) == pytest.approx(10)


def test_whoever_asks_again_until_time_has_passed_is_answered():
    async def play(clock: VirtualClock):
        while clock() == MONDAY_MORNING:  # noqa: ASYNC110  # that is the question
            await asyncio.sleep(0)
        return clock()

    assert run_virtual(play) > MONDAY_MORNING


def test_waiting_for_what_nobody_will_do_is_an_error_and_not_a_hang():
    async def play(_: VirtualClock):
        await asyncio.Event().wait()

    with pytest.raises(Standstill):
        run_virtual(play)
