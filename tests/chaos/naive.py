"""The policy of the ordinary script, for comparison: on a network or server error send again, three times at most."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import Env
from kis.errors import KisError, Throttled, TokenRejected, Unavailable, Unknown
from kis.models import OrderKind
from kis.models import Side as OurSide
from kis.sim import Simulator
from kis.sim.orders import HTS_CHANNEL, Kind
from tests.chaos.cases import Case, Intent, limit_price, plan
from tests.chaos.clock import HandClock
from tests.chaos.desk_run import patience, world
from tests.chaos.verdict import Outcome, Told, judged, orders_between

RETRIES = 3
TRIED_AGAIN = (Unknown, Unavailable, Throttled, TokenRejected)


async def naive_run(case: Case, rounds: int, seed: int) -> Counter[str]:
    """The same case, the same orders and the same broker, with the other policy."""
    clock = HandClock()
    broker, pool = world(clock)
    sent: list[tuple[Outcome, int]] = []
    with tempfile.TemporaryDirectory(prefix="kisbot-chaos-") as home, patience(case.read_timeout):
        async with broker.serve() as url, KisClient(_config(broker, url, Path(home)), clock=clock) as kis:
            for intents in plan(case, rounds, pool, f"{seed}:{case.name}"):
                for intent in intents:
                    clock.push(62)
                    await kis.price(intent.code)
                    clock.push(62)  # a token is issued once a minute, and the one in use is older than that
                    sent.append(await _one(kis, broker, case, intent))
                await asyncio.sleep(case.settles)
    for n, (outcome, first) in enumerate(sent):
        later = [other for one, other in sent[n + 1 :] if one.code == outcome.code]
        last = later[0] if later else len(broker.exchange.orders)
        outcome.ours = orders_between(broker.exchange, outcome.code, first, last)
    return judged(outcome for outcome, _ in sent)


def _config(broker: Simulator, url: str, home: Path) -> KisConfig:
    customer = broker.credentials
    return KisConfig(
        env=Env.REAL,
        app_key=customer.app_key,
        app_secret=customer.app_secret,
        account=customer.account,
        min_interval=0,
        rest_url=url,
        token_dir=home,
    )


async def _one(kis: KisClient, broker: Simulator, case: Case, intent: Intent) -> tuple[Outcome, int]:
    price = limit_price(broker.exchange, intent)
    first = len(broker.exchange.orders)
    if intent.strike:
        case.plant(broker.faults, intent.options, times=intent.strike)
    told, number = await _send(kis, intent, price)
    broker.faults.clear()
    if intent.stranger > 0:
        broker.exchange.submit(intent.side, intent.code, intent.kind, intent.quantity, price, channel=HTS_CHANNEL)
    outcome = Outcome(
        code=intent.code,
        side=intent.side,
        kind=intent.kind,
        quantity=intent.quantity,
        price=price,
        told=told,
        order_no=number,
    )
    return outcome, first


async def _send(kis: KisClient, intent: Intent, price: int) -> tuple[Told, str]:
    kind = OrderKind.MARKET if intent.kind is Kind.MARKET else OrderKind.LIMIT
    for _ in range(1 + RETRIES):
        try:
            placed = await kis.place(OurSide(intent.side), intent.code, intent.quantity, price=price or None, kind=kind)
        except TRIED_AGAIN:
            continue
        except KisError:
            break
        return Told.PLACED, placed.order_no
    return Told.NOT_PLACED, ""
