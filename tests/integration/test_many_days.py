"""Weeks of trading by chance on a paper account: what is worked out from bases and lists is what the exchange did."""

import asyncio
import random
import tempfile
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from bot.reports.bookkeeper import Bookkeeper
from bot.reports.cost import Doubt
from bot.store.outbox import Outbox
from bot.store.reports import ReportStore
from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import Env
from kis.krx import KST
from kis.sim import Simulator
from kis.sim.exchange.orders import OrderSide
from tests.support.memory_wire import MemoryWire
from tests.support.outbox import empty_database
from tests.support.virtual_time import run_virtual

HOLDINGS = {"000660": (30, 251_500), "035720": (60, 61_250), "069500": (80, 42_180)}
CODES = (*HOLDINGS, "005930")
MONDAY = datetime(2026, 11, 16, 8, 0, tzinfo=KST)
DAYS = 9


def trading(play, seed):
    """Run a test over an account of its own."""

    async def go(clock):
        simulator = Simulator(clock=clock, profile="paper", holdings=HOLDINGS, rate_limit=False, seed=seed)
        customer = simulator.credentials
        with tempfile.TemporaryDirectory() as home:
            config = KisConfig(
                env=Env(simulator.env),
                app_key=customer.app_key,
                app_secret=customer.app_secret,
                account=customer.account,
                min_interval=0,
                rest_url="http://127.0.0.1:9",
                token_dir=Path(home),
            )
            wire = MemoryWire(simulator, sleep=asyncio.sleep, clock=clock)
            async with KisClient(config, clock=clock, sleep=asyncio.sleep, transport=wire) as client:
                db = empty_database()
                keeper = Bookkeeper(
                    client,
                    ReportStore(db, Outbox(db, clock), clock),
                    clock=clock,
                    ours=lambda _: frozenset(),
                    began=lambda _: None,
                    etf=lambda code: code == "069500",
                    fee_percent=Decimal("0.0142"),
                    estimates=True,
                )
                return await play(clock, simulator, keeper)

    return run_virtual(go, MONDAY)


async def until(clock, hour):
    """Wait for an hour of today, or of tomorrow if it is past."""
    now = clock()
    then = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=hour)
    await asyncio.sleep(((then if then > now else then + timedelta(days=1)) - now).total_seconds())


def trade(exchange, rng):
    code = rng.choice(CODES)
    can = exchange.ledger.sellable(code)
    if can and rng.random() < 0.6:
        exchange.submit("sell", code, "market", rng.randint(1, min(can, 15)))
    else:
        exchange.submit("buy", code, "market", rng.randint(1, 4))


def realised(exchange):
    """Won that the sales of each day brought before costs, from the exchange's fills and an average kept here."""
    lots = {code: (quantity, Fraction(average)) for code, (quantity, average) in HOLDINGS.items()}
    days = {}
    for fill in exchange.fills:
        quantity, average = lots.get(fill.order.code, (0, Fraction()))
        amount = fill.quantity * fill.price
        if fill.order.side is OrderSide.BUY:
            lots[fill.order.code] = (
                quantity + fill.quantity,
                (quantity * average + amount) / (quantity + fill.quantity),
            )
            continue
        lots[fill.order.code] = (quantity - fill.quantity, average)
        days[fill.at.date()] = days.get(fill.at.date(), 0) + amount - fill.quantity * average
    return days


@pytest.mark.parametrize("seed", range(5))
def test_every_day_of_a_fortnight_is_told_whatever_bases_were_missed(seed):
    """The bot is away on some evenings, and takes a base amid the day on others."""

    async def play(clock, simulator, keeper):
        exchange = simulator.exchange
        rng = random.Random(seed)
        assert await keeper.keep_base()
        first = clock().date()
        for _ in range(DAYS):
            await until(clock, 9)
            for _ in range(rng.randrange(6)):
                await asyncio.sleep(rng.randrange(60, 1_800))
                trade(exchange, rng)
            if rng.random() < 0.3:
                assert await keeper.keep_base(clock())
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(rng.randrange(60, 1_800))
                trade(exchange, rng)
            await until(clock, 20.2)
            if rng.random() < 0.6:
                assert await keeper.keep_base(clock())
        last = clock().date()
        taken, _ = await keeper.period(first, last)
        gross = realised(exchange)
        assert len(gross) > 3, "there was something to tell"
        assert (taken.doubt, sum(one.profit is None for one in taken.days)) == (Doubt.NONE, 0)
        for one in taken.days:
            fills = [fill for fill in exchange.fills if fill.at.date() == one.day]
            costs = sum(fill.tax + (fill.fee if fill.order.side is OrderSide.SELL else 0) for fill in fills)
            # a base bears the broker's own average, which has four decimals
            assert abs(one.profit - (gross.get(one.day, 0) - costs)) <= 1
            assert one.fee == sum(fill.fee for fill in fills)
            assert one.tax == sum(fill.tax for fill in fills)
        for one in taken.days:  # and each day asked for by itself is the same
            alone, _ = await keeper.period(one.day, one.day)
            assert alone.days == (one,)

    trading(play, seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_transfer_spoils_its_own_stretch_and_no_other(seed):
    async def play(clock, simulator, keeper):
        exchange = simulator.exchange
        rng = random.Random(seed)
        assert await keeper.keep_base()
        first = clock().date()
        for day in range(4):
            await until(clock, 10)
            exchange.submit("sell", "035720", "market", rng.randint(1, 5))
            if day == 2:
                exchange.ledger.positions["035720"].quantity += 7
            await until(clock, 20.2)
            assert await keeper.keep_base(clock())
        taken, _ = await keeper.period(first, clock().date())
        assert [one.profit is None for one in taken.days] == [False, False, True, False]
        assert (taken.profit, taken.doubt) == (None, Doubt.SHARES)

    trading(play, seed)


def test_a_base_is_not_taken_while_the_account_trades():
    """A fill between the list and the balance would be in one and not in the other."""

    async def play(clock, simulator, keeper):
        async def meanwhile():
            await asyncio.sleep(2)
            simulator.exchange.submit("buy", "005930", "market", 1)

        simulator.faults.plant("slow", path="inquire-balance", seconds=5.0)
        trading_on = asyncio.create_task(meanwhile())
        assert not await keeper.keep_base()
        await trading_on
        assert await keeper.keep_base()

    trading(play, 1)
