"""The whole simulated broker: exchange, wire, faults, and the environment that points a client at it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from kis.endpoints import Env
from kis.krx import KST
from kis.sim.exchange import Exchange
from kis.sim.faults import Faults
from kis.sim.gateway import Broker, Recorded
from kis.sim.limits import PER_SECOND, Window
from kis.sim.oauth import Credentials, Oauth
from kis.sim.serving import serving
from kis.sim.wire import Wire

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

_WARM_UP_STEPS = 40
_BRANCHES = {Env.PAPER: "00950", Env.REAL: "03930"}


def now_in_korea() -> datetime:
    """The time, KST."""
    return datetime.now(KST)


class Simulator:
    """KIS in a box: one customer, one account, one environment.

    Attributes:
        app: the ASGI application.
        exchange: cash, shares, orders and prices, to look at and to move.
        faults: what shall go wrong.
        oauth: keys and tokens.
    """

    def __init__(
        self,
        *,
        profile: Literal["paper", "real"] = "paper",
        seed: int = 1,
        clock: Callable[[], datetime] = now_in_korea,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        always_open: bool = True,
        moving: bool = False,
        cash: int = 10_000_000,
        holdings: Mapping[str, tuple[int, int]] | None = None,
        token_rules: bool = True,
        rate_limit: bool = True,
        per_second: int | None = None,
        ledger_per_second: int | None = None,
        ledger_lag: float = 0.0,
        strict: bool = True,
        control: bool = False,
    ) -> None:
        """Put the broker together; nothing runs until it is served.

        Args:
            profile: which environment it plays; codes, page sizes and what is offered depend on it.
            seed: of all chance: prices, book sizes, order numbers.
            clock: tells the time; aware.
            sleep: waits, for slow answers and between steps.
            always_open: take orders at any hour and tell clients so (`KISBOT_MARKET_HOURS`).
            moving: let prices move, a step a second, while it is served.
            cash: won in the account.
            holdings: code to (shares, average price in won).
            token_rules: refuse a token within a minute of a new one.
            rate_limit: refuse calls over `per_second`.
            per_second: calls a second; by default what KIS allows the profile.
            ledger_per_second: calls a second to the ledger, which KIS limits apart; None for no such limit.
            ledger_lag: seconds until an order shows in the order lists.
            strict: refuse order bodies that lack a key, as KIS has done since 2026-08.
            control: open the control door, `POST /__sim__/...`.
        """
        env = Env(profile)
        self._clock = clock
        self._sleep = sleep
        self._moving = moving
        self._always_open = always_open
        self.exchange = Exchange(
            clock=clock,
            rng=random.Random(seed),  # noqa: S311  prices, not secrets
            cash=cash,
            holdings=holdings,
            always_open=always_open,
            ledger_lag=ledger_lag,
            branch=_BRANCHES[env],
        )
        self.faults = Faults()
        self.oauth = Oauth(env, clock, rules=token_rules)
        self.env = env
        broker = Broker(env, self.exchange, self.oauth, self.oauth.customer.account, strict)
        window = Window(per_second or PER_SECOND[env], clock) if rate_limit else None
        ledger_window = Window(ledger_per_second, clock) if ledger_per_second else None
        self.app = Wire(broker, self.faults, window=window, ledger_window=ledger_window, control=control, sleep=sleep)
        if moving:
            for _ in range(_WARM_UP_STEPS):
                self.exchange.step()

    @property
    def requests(self) -> deque[Recorded]:
        """Requests that arrived, oldest first, the last ten thousand."""
        return self.app.requests

    @property
    def credentials(self) -> Credentials:
        """Keys and account of the simulator's one customer."""
        return self.oauth.customer

    def environ(self, base_url: str) -> dict[str, str]:
        """The environment variables that point a client at this simulator.

        Args:
            base_url: what `serve` yielded.
        """
        customer = self.credentials
        environ = {
            "KIS_ENV": self.env.value,
            "KIS_APP_KEY": customer.app_key,
            "KIS_APP_SECRET": customer.app_secret,
            "KIS_ACCOUNT": customer.account,
            "KIS_HTS_ID": customer.hts_id,
            "KIS_REST_URL": base_url,
            "KIS_MASTER_URL": f"{base_url}/common/master",
            "KISBOT_PRACTICE": "true",
        }
        if self._always_open:
            environ["KISBOT_MARKET_HOURS"] = "always"
        return environ

    @contextlib.asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Listen on a real socket until the block is left; with `moving`, prices move meanwhile.

        Args:
            host: address to listen on.
            port: 0 for a free one.

        Yields:
            The base URL.
        """
        async with serving(self.app, host, port) as base_url:
            mover = asyncio.create_task(self._move(), name="kis.sim market") if self._moving else None
            try:
                yield base_url
            finally:
                if mover is not None:
                    mover.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await mover

    async def _move(self) -> None:
        while True:
            await self._sleep(1.0)
            self.exchange.step()
