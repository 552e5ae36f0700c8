"""Faults strike by name, as often as planted, and on the method named."""

import asyncio
from datetime import timedelta

import pytest
from telegram.error import BadRequest, Conflict, Forbidden, NetworkError, RetryAfter

from tests.support.local_chat import TRADER


async def test_refuse_closes_the_connection_with_nothing_done(bot, telegram):
    telegram.faults.plant("refuse", method="sendMessage")
    with pytest.raises(NetworkError, match="disconnected"):
        await bot.send_message(TRADER, "하나")
    assert telegram.chat(TRADER) == []
    await bot.send_message(TRADER, "둘")
    assert telegram.faults.fired == {"refuse": 1}


async def test_lose_reply_does_it_and_says_nothing(bot, telegram):
    telegram.faults.plant("lose_reply", method="sendMessage")
    with pytest.raises(NetworkError, match="disconnected"):
        await bot.send_message(TRADER, "하나")
    assert [m.text for m in telegram.chat(TRADER)] == ["하나"]


async def test_flood_says_how_long_to_wait(bot, telegram):
    telegram.faults.plant("flood", method="sendMessage", retry_after=7)
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(TRADER, "하나")
    assert caught.value.retry_after == timedelta(seconds=7)
    assert telegram.chat(TRADER) == []


async def test_error_is_any_refusal(bot, telegram):
    telegram.faults.plant(
        "error", method="sendMessage", status=403, description="Forbidden: bot was blocked by the user"
    )
    with pytest.raises(Forbidden, match="blocked by the user"):
        await bot.send_message(TRADER, "하나")
    telegram.faults.plant("error", method="sendMessage")
    with pytest.raises(NetworkError, match="Internal Server Error"):
        await bot.send_message(TRADER, "하나")


async def test_slow_is_carried_out_late(bot, telegram):
    telegram.faults.plant("slow", method="sendMessage", seconds=0.05)
    started = asyncio.get_running_loop().time()
    await bot.send_message(TRADER, "하나")
    assert asyncio.get_running_loop().time() - started >= 0.05
    assert len(telegram.chat(TRADER)) == 1


async def test_conflict_strikes_the_reading_of_updates_alone(bot, telegram):
    telegram.faults.plant("conflict")
    await bot.send_message(TRADER, "하나")
    with pytest.raises(Conflict):
        await bot.get_updates()
    assert await bot.get_updates() == ()


async def test_down_lasts_until_cleared(bot, telegram):
    telegram.faults.plant("down")
    for _ in range(3):
        with pytest.raises(NetworkError):
            await bot.send_message(TRADER, "하나")
    telegram.faults.clear()
    await bot.send_message(TRADER, "둘")
    assert [m.text for m in telegram.chat(TRADER)] == ["둘"]
    assert telegram.faults.fired["down"] == 3


async def test_a_fault_strikes_as_often_as_planted(bot, telegram):
    telegram.faults.plant("error", times=2, method="sendMessage", status=400, description="Bad Request: no")
    for _ in range(2):
        with pytest.raises(BadRequest):
            await bot.send_message(TRADER, "하나")
    await bot.send_message(TRADER, "하나")


def test_a_fault_nobody_knows_cannot_be_planted(telegram):
    with pytest.raises(ValueError, match="no fault named 'explode'"):
        telegram.faults.plant("explode")
    with pytest.raises(ValueError, match="does not take retry_after"):
        telegram.faults.plant("slow", retry_after=3)
