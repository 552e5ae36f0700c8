"""Two buys tapped within the age of one reading of the account: the second is checked against what the first left."""

import asyncio

import pytest

from bot.demo.run import OWNER
from kis.sim import Simulator
from tests.support import virtual_time
from tests.support.conversation import FAST, posts, say, spoken
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time

PRICES = (60_000, 60_100)


@pytest.mark.parametrize(("cash", "sent"), [(100_000, 1), (200_000, 2)])
async def test_two_buys_in_a_row_are_not_both_sent_where_the_cash_covers_one(cash, sent):
    broker = Simulator(profile="real", seed=1, cash=cash, clock=virtual_time.now)
    async with stage(**FAST, broker=broker) as on:
        tickets = [await say(on, f"/buy 005930 1 {price}", "매수 확인") for price in PRICES]
        await asyncio.sleep(2)  # both tickets have been on the screen, and the account was read for them
        await asyncio.gather(*(on.telegram.tap(OWNER.id, one.message_id, "확인") for one in tickets))
        await asyncio.sleep(10)

        assert posts(on) == sent, "the broker is not asked what the bot can know"
        assert len(broker.exchange.orders) == sent
        assert sum("보내지 않음" in text for text in spoken(on)) == len(PRICES) - sent
