"""A stage whose books are kept a second time: what a day came to, from the exchange's own fills alone."""

import contextlib
import json
from datetime import datetime
from fractions import Fraction
from typing import Any

from bot.demo.run import OWNER
from kis.krx import KST, sell_tax_rate
from kis.sim import Simulator
from kis.sim.exchange.orders import HTS_CHANNEL, BookedOrder, OrderSide
from tests.support.conversation import Ahead
from tests.support.stage import stage
from tests.support.virtual_time import now

FAST: dict[str, Any] = {"kis_min_interval": 0.0, "kis_hts_id": "", "kisbot_resume_pause": 0}
HOLDINGS = {"000660": (3, 251_500), "035720": (60, 61_250), "069500": (80, 42_180)}
RATE = Fraction(142, 1_000_000)
NO = {"code": "APBK9999", "status": 200}
"""A refusal that no retry could mend, so that a test need not wait for one."""


class At(Ahead):
    """Starts at a moment of KST, and can be sent to another."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self.go(moment)

    def go(self, moment: str) -> None:
        """To a moment, at once."""
        self._ahead = datetime.fromisoformat(moment).replace(tzinfo=KST) - now()


@contextlib.asynccontextmanager
async def harness(clock, profile="real", **options):
    broker = options.pop("broker", None) or Simulator(
        profile=profile, clock=clock, holdings=HOLDINGS, rate_limit=False, token_rules=False
    )
    async with stage(broker=broker, clock=clock, **FAST, **options) as on:
        await on.app.parts.close_reports.check()  # the base, where one is needed; the app looks only once a second
        yield on


def reports(on, person=OWNER.id):
    """What reports were written for a chat, in facts."""
    rows = on.app.storage.db.execute(
        "SELECT key, data FROM outbox WHERE kind = 'report' AND chat_id = ? ORDER BY id", [person]
    )
    return {key: json.loads(data) for key, data in rows.fetchall()}


def truth(on, day):
    """What a day came to, from the exchange's fills alone: shares, money and average cost kept anew here."""
    lots = {code: (quantity, Fraction(average)) for code, (quantity, average) in HOLDINGS.items()}
    found: dict[str, Any] = {"bought": 0, "sold": 0, "fee": 0, "tax": 0, "profit": Fraction(), "of": {}}
    amounts: dict[BookedOrder, int] = {}
    for fill in on.broker.exchange.fills:
        order, amount = fill.order, fill.quantity * fill.price
        quantity, average = lots.get(order.code, (0, Fraction()))
        gain = Fraction()
        if order.side is OrderSide.BUY:
            lots[order.code] = (quantity + fill.quantity, (quantity * average + amount) / (quantity + fill.quantity))
        else:
            lots[order.code] = (quantity - fill.quantity, average)
            gain = amount - fill.quantity * average
        if fill.at.date() != day:
            continue
        found["bought" if order.side is OrderSide.BUY else "sold"] += amount
        found["profit"] += gain
        shares, won = found["of"].get((order.code, order.side.value), (0, 0))
        found["of"][order.code, order.side.value] = (shares + fill.quantity, won + amount)
        amounts[order] = amounts.get(order, 0) + amount
    for order, amount in amounts.items():
        fee = int(amount * RATE)
        tax = 0 if order.side is OrderSide.BUY else int(amount * sell_tax_rate(day, etf=order.code == "069500"))
        found["fee"] += fee
        found["tax"] += tax
        found["profit"] -= (fee if order.side is OrderSide.SELL else 0) + tax
    value = sum(quantity * on.broker.exchange.issues[code].last for code, (quantity, _) in lots.items())
    found["unrealised"] = value - sum(quantity * average for quantity, average in lots.values())
    return found


def agrees(told, right, fills):
    """A report's figures are the exchange's; a won of rounding is allowed for every fill that realised something."""
    taken = told["taken"]
    assert [taken[name] for name in ("bought", "sold", "fee", "tax")] == [
        right[name] for name in ("bought", "sold", "fee", "tax")
    ]
    assert abs(taken["profit"] - right["profit"]) <= fills
    assert abs(told["wealth"]["unrealised"] - right["unrealised"]) <= len(HOLDINGS) + 1


def trade_a_day(on):
    """Buys and sales from here and elsewhere, in several fills, one of them revised, one left open."""
    exchange = on.broker.exchange
    exchange.submit("buy", "005930", "market", 7)
    exchange.submit("sell", "005930", "market", 4)
    low = exchange.issues["005930"].last - 1_000
    resting = exchange.submit("buy", "005930", "limit", 10, low)
    exchange.trade("005930", low, 3)
    moved = exchange.revise(resting.number, low - 500)
    exchange.trade("005930", low - 500, 2)
    exchange.submit("sell", "035720", "market", 12, channel=HTS_CHANNEL)
    exchange.submit("sell", "069500", "market", 20)
    return moved
