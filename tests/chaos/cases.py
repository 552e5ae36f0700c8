"""What goes wrong on the way of an order, and how often in a row: the same plan for every policy under test."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kis.krx import step
from kis.sim.exchange import Exchange
from kis.sim.faults import Faults
from kis.sim.orders import Kind, Side

ORDER_PATH = "order-cash"
LIST_PATH = "inquire-daily-ccld"

TOGETHER = 3
"""Orders under way beside each other."""

How = Callable[[random.Random], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One way for an order's request or answer to go astray.

    Attributes:
        faults: names the simulator knows, with options drawn for each order.
        read_timeout: seconds of patience with KIS's answer, where waiting out the client's own would take long.
        settles: real seconds until whatever was too slow for us has happened at the broker.
        stretch: seconds that pass on the clock meanwhile.
        tail: whether the broker books later than the bot waits, so that "absent" may be said too soon.
        twin: whether a person keys in the very same order elsewhere within the same seconds.
    """

    name: str
    faults: tuple[tuple[str, How], ...] = ()
    read_timeout: float | None = None
    settles: float = 0.0
    stretch: float = 0.0
    twin: bool = False
    tail: bool = False
    known_limit: str = ""
    """What is then known not to hold; such a case is told and not judged."""

    def plant(self, faults: Faults, options: list[dict[str, Any]], *, times: int = 1) -> None:
        for (name, _), how in zip(self.faults, options, strict=True):
            faults.plant(name, path=ORDER_PATH, times=times, **how)

    def options(self, rng: random.Random) -> list[dict[str, Any]]:
        return [how(rng) for _, how in self.faults]


def _is(**how: Any) -> How:
    return lambda _: how


def _late(first: float, last: float) -> How:
    return lambda rng: {"seconds": rng.uniform(first, last)}


_LOST = ("lose_reply", _is())
CASES = (
    Case("calm"),
    Case("lose_request", (("lose_request", _is()),)),
    Case("lose_reply", (_LOST,)),
    Case("cut_reply", (("cut_reply", lambda rng: {"sent": rng.randrange(200)}),)),
    Case("html", (("html", lambda rng: {"status": rng.choice((200, 502, 503, 504))}),)),
    Case("html, done", (("html", lambda rng: {"status": rng.choice((200, 502, 504)), "acts": True}),)),
    Case("garbage", (("garbage", lambda rng: {"acts": rng.random() < 0.5}),)),
    Case("empty", (("empty", lambda rng: {"acts": rng.random() < 0.5}),)),
    Case("no_order_no", (("no_order_no", _is()),)),
    Case("throttle", (("throttle", _is()),)),
    Case("stale_token", (("stale_token", _is()),)),
    Case("refuse, no money", (("refuse", _is(code="APBK0952", message="주문가능금액을 초과 했습니다", status=200)),)),
    Case("refuse, passing", (("refuse", _is(code="EGW00001", message="일시적 오류가 발생했습니다.")),)),
    Case("refuse, timed out", (("refuse", lambda rng: {"code": "EGW00301", "acts": rng.random() < 0.7}),)),
    Case("slow, done", (("slow", _is(seconds=0.6)),), read_timeout=0.3, settles=0.7),
    Case("slow, then done", (("slow", _is(seconds=0.6, acts=False)),), read_timeout=0.3, settles=0.7),
    Case("late_booking", (_LOST, ("late_booking", _late(1, 150)))),
    Case("late_booking > 180 s", (_LOST, ("late_booking", _late(200, 330))), tail=True),
    Case("twin, lose_reply", (_LOST,), twin=True),
    Case("twin, late_booking", (_LOST, ("late_booking", _late(3, 9))), twin=True),
    Case(
        "slow, done 20 s later",
        (("slow", _is(seconds=1.5, acts=False)),),
        read_timeout=0.3,
        settles=1.6,
        stretch=20,
    ),
    Case(
        "twin, lose_request",
        (("lose_request", _is()),),
        twin=True,
        known_limit="until three of the day's orders have shown our channel, the same order keyed in elsewhere within "
        "the same seconds is taken for ours",
    ),
)


@dataclass
class Intent:
    """One order somebody wants, and what shall befall it.

    Attributes:
        strike: how many requests in a row the fault befalls; 0 for none. One that sends once meets it once.
        stranger: seconds after which somebody keys in the same order elsewhere; negative for before; 0 for nobody.
        shaken: how many readings of the order list fail after it.
    """

    code: str
    side: Side
    kind: Kind
    quantity: int
    away: int
    """Ticks from the market, for a limit order."""
    strike: int
    options: list[dict[str, Any]]
    stranger: float = 0.0
    shaken: int = 0
    double_tap: bool = False


def plan(case: Case, rounds: int, pool: list[str], seed: str) -> list[list[Intent]]:
    """Rounds of orders for three stocks each; terms repeat from round to round, so that nothing but care tells them apart.

    Where a twin may leave a stock in doubt for good, every round has stocks of its own.
    """
    rng = random.Random(seed)
    step = TOGETHER if case.twin else 0
    chosen = [[pool[(number * step + n) % len(pool)] for n in range(TOGETHER)] for number in range(rounds)]
    return [[_intent(case, code, rng) for code in codes] for codes in chosen]


def _intent(case: Case, code: str, rng: random.Random) -> Intent:
    return Intent(
        code=code,
        side=rng.choice((Side.BUY, Side.BUY, Side.SELL)),
        kind=rng.choice((Kind.MARKET, Kind.LIMIT)),
        quantity=rng.choice((1, 2)),
        away=rng.choice((0, 5)),
        strike=rng.choices((0, 1, 2, 4), (1, 6, 2, 1))[0],
        options=case.options(rng),
        stranger=rng.uniform(1, 8) if case.twin else rng.choice((0, 0, 0, -1, 30)),
        shaken=rng.choice((0, 0, 0, 2)),
        double_tap=rng.random() < 0.3,
    )


def limit_price(exchange: Exchange, intent: Intent) -> int:
    """Won, some ticks on the cautious side of the market; 0 for a market order."""
    if intent.kind is Kind.MARKET:
        return 0
    towards = -1 if intent.side is Side.BUY else 1
    return step(exchange.quote(intent.code).last, towards * intent.away)
