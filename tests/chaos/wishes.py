"""What people want in one world: orders at a person's pace, cancels, double taps, strangers at the broker's own program.

Everything is drawn from the seed before anything happens, so that every policy is asked for the same.
"""

import random
from dataclasses import dataclass

from kis.krx import step
from kis.sim.exchange.exchange import Exchange
from kis.sim.exchange.orders import OrderDivision, OrderSide

PEOPLE = 5
STOCKS = 12
"""How many a world trades in: few, so that orders on the same terms meet."""


@dataclass(frozen=True)
class Wish:
    """One order somebody wants.

    Attributes:
        number: in its world, from 0; it names the wish in faults and verdicts.
        person: whose it is.
        rest: seconds its person waits before asking.
        think: seconds between the ticket and the tap.
        price: won; 0 for a market order.
        taps: how often the button is pressed within a moment.
        twin: seconds from the tap to somebody keying in the same order elsewhere, negative before it; None for nobody.
        cancel: seconds after which its person wants it cancelled; None for never. `revise` likewise.
        killed: seconds after the tap at which the bot dies; None for never.
    """

    number: int
    person: int
    rest: float
    think: float
    code: str
    side: OrderSide
    kind: OrderDivision
    quantity: int
    price: int
    taps: int
    twin: float | None
    cancel: float | None
    revise: float | None
    revised: int
    killed: float | None

    @property
    def name(self) -> str:
        return f"order {self.number}"


def wishes(exchange: Exchange, pool: list[str], count: int, seed: str) -> list[list[Wish]]:
    """So many orders, by person, each person's in the order they are asked for."""
    rng = random.Random(f"{seed}:wishes")
    by_person: list[list[Wish]] = [[] for _ in range(PEOPLE)]
    for number in range(count):
        one = _wish(number, exchange, pool, rng)
        by_person[one.person].append(one)
    return by_person


def _wish(number: int, exchange: Exchange, codes: list[str], rng: random.Random) -> Wish:
    code = rng.choice(codes)
    side = rng.choice((OrderSide.BUY, OrderSide.BUY, OrderSide.SELL))
    kind = rng.choices((OrderDivision.LIMIT, OrderDivision.MARKET), (7, 3))[0]
    last = exchange.issues[code].last
    cautious = -1 if side is OrderSide.BUY else 1
    price = step(last, cautious * rng.choice((0, 0, 3))) if kind is OrderDivision.LIMIT else 0
    return Wish(
        number=number,
        person=rng.randrange(PEOPLE),
        rest=rng.uniform(0.5, 12),
        think=rng.uniform(0.2, 1.4),
        code=code,
        side=side,
        kind=kind,
        quantity=rng.choice((1, 1, 2, 10)),
        price=price,
        taps=rng.choices((1, 2, 3), (7, 2, 1))[0],
        twin=rng.uniform(-4, 12) if rng.random() < 0.08 else None,
        cancel=rng.expovariate(1 / 20) if price and rng.random() < 0.2 else None,
        revise=rng.expovariate(1 / 20) if price and rng.random() < 0.1 else None,
        revised=step(price, cautious) if price else 0,
        killed=rng.choice((rng.uniform(0, 0.6), rng.uniform(0, 15))) if rng.random() < 0.03 else None,
    )
