"""Two policies of the ordinary script, for comparison, upon the same client, wire and wishes.

Both are never killed and ask before every order for nothing, which flatters them.
"""

import asyncio

from kis.errors import KisError, NotSent, Refused, Throttled, TokenRejected, Unavailable, Unknown
from kis.models import OrderKind, OrderReport, Side
from kis.sim.exchange.orders import OrderDivision
from tests.chaos.verdict import End, Reported
from tests.chaos.wishes import Wish
from tests.chaos.world import World

RETRIES = 3
PAUSE = 1.0
TRIED_AGAIN = (Unknown, Unavailable, Throttled, TokenRejected, NotSent)
"""Network and server errors, and what KIS itself says will pass."""


class RetryThree:
    """On a network or server error send again, three times at most."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kis = world.client()
        self._ends: dict[int, End] = {}

    async def begin(self) -> None:
        """Nothing to get ready."""

    async def order(self, wish: Wish) -> None:
        await asyncio.sleep(wish.think)
        for _ in range(1 + RETRIES):
            try:
                placed = await self._kis.place(
                    Side(wish.side.value), wish.code, wish.quantity, price=wish.price or None, kind=kind_of(wish)
                )
            except TRIED_AGAIN:
                await asyncio.sleep(PAUSE)
                if (seen := await self._seen(wish)) is not None:
                    self._ends[wish.number] = End(Reported.PLACED, seen, "seen")
                    return
                continue
            except Refused:
                self._ends[wish.number] = End(Reported.NOT_PLACED, "", "refused")
                return
            self._ends[wish.number] = End(Reported.PLACED, placed.order_no, "direct")
            return
        self._ends[wish.number] = End(Reported.NOT_PLACED, "", "gave up")

    async def _seen(self, wish: Wish) -> str | None:
        """The number of an order that is there already; this policy does not look."""
        return None

    async def cancel(self, wish: Wish) -> None:
        end = self._ends.get(wish.number)
        if end is None or end.reported is not Reported.PLACED:
            return
        for _ in range(1 + RETRIES):
            try:
                await self._kis.cancel(end.order_no, kind=kind_of(wish))
            except TRIED_AGAIN:
                await asyncio.sleep(PAUSE)
            except KisError:
                return
            else:
                return

    async def revise(self, wish: Wish) -> None:
        end = self._ends.get(wish.number)
        if end is None or end.reported is not Reported.PLACED:
            return
        for _ in range(1 + RETRIES):
            try:
                await self._kis.revise(end.order_no, price=wish.revised, kind=kind_of(wish))
            except TRIED_AGAIN:
                await asyncio.sleep(PAUSE)
            except KisError:
                return
            else:
                return

    async def kill(self) -> None:
        """It has no memory to start again with: it is spared."""

    async def settle(self) -> None:
        """It believes what it was told at once."""

    def end(self, wish: Wish) -> End | None:
        return self._ends.get(wish.number)


class LookOnce(RetryThree):
    """On such an error look into the list once; what is not seen there is sent again."""

    async def _seen(self, wish: Wish) -> str | None:
        try:
            rows = await self._kis.executions(code=wish.code)
        except KisError:
            return None
        known = {end.order_no for end in self._ends.values()}
        found = [row.order_no for row in rows if row.order_no not in known and _same(row, wish)]
        return found[-1] if found else None


def kind_of(wish: Wish) -> OrderKind:
    """The client's word for the kind."""
    return OrderKind.MARKET if wish.kind is OrderDivision.MARKET else OrderKind.LIMIT


def _same(row: OrderReport, wish: Wish) -> bool:
    terms = (row.code, row.side.value, row.quantity, row.kind)
    wanted = (wish.code, wish.side.value, wish.quantity, kind_of(wish))
    return not row.is_revision and terms == wanted and (not wish.price or row.price == wish.price)
