"""The simulated broker as a whole: exchange, REST and websocket, faults, and the settings for a client."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any, Literal

from kis.endpoints import Env
from kis.sim import snapshot
from kis.sim.admin_api import AdminApi
from kis.sim.api.context import ApiContext
from kis.sim.api.oauth import Oauth
from kis.sim.asgi_app import PER_SECOND, AsgiApp, RateLimitWindow, ReceivedRequest
from kis.sim.exchange.clock import SimClock, now_in_korea
from kis.sim.exchange.exchange import Exchange
from kis.sim.faults.catalogue import Faults
from kis.sim.server import serving
from kis.sim.websocket.server import Layout, WebSocketServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from kis.sim.faults.response_plan import ResponsePlan

_WARM_UP_STEPS = 40
_BRANCHES = {Env.PAPER: "00950", Env.REAL: "03930"}


class Simulator:
    """A simulated KIS: one customer, one account, one environment.

    Attributes:
        app: the ASGI application.
        exchange: cash, shares, orders and prices.
        faults: faults to plant.
        oauth: keys and tokens.
        websocket: the websocket's sessions and registrations.
        clock: the simulator's clock.
        requests: requests received, oldest first, the last ten thousand.
        credentials: keys and account of the simulator's one customer.
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
        scenario: str = "",
        refuse_share: float = 0.0,
        trade_fields: int = 47,
        book_fields: int = 63,
        notice_fields: int = 26,
        heartbeat: float = 10.0,
    ) -> None:
        """Builds the broker; nothing runs until it is served.

        Args:
            profile: the environment; codes, page sizes and offered calls depend on it.
            seed: of all random numbers: prices, book sizes, order numbers.
            clock: the present moment, aware. A `SimClock` can be frozen, stepped and run fast.
            sleep: waits, for slow answers and between steps.
            always_open: accept orders at any hour, and set this for clients (`KISBOT_MARKET_HOURS`).
            moving: move prices, one step a second, while it is served.
            cash: won in the account.
            holdings: code to (shares, average price in won).
            token_rules: refuse a token within a minute of a new one.
            rate_limit: refuse calls over `per_second`.
            per_second: calls a second; by default what KIS allows the profile.
            ledger_per_second: calls a second to the ledger, which KIS limits separately; None for no such limit.
            ledger_lag: seconds until an order appears in the order lists.
            strict: refuse order bodies that lack a key, as KIS has done since 2026-08.
            control: serve the admin API, `POST /__sim__/...`; the default clock is a `SimClock` then.
            scenario: market scripts that begin now: `name[:code][@seconds]`, separated by commas.
            refuse_share: share of the calls under the limit that is refused as over it.
            trade_fields: fields of a trade on the websocket, 46 as before 2026-09-14 or 47.
            book_fields: fields of an order book there, 59 or 63.
            notice_fields: fields of a fill notice there, 23 or 26.
            heartbeat: real seconds between the websocket's heartbeats; KIS documents no figure.

        Raises:
            ValueError: unknown scenario or layout, or a share outside [0, 1).
        """
        env = Env(profile)
        if control and clock is now_in_korea:
            clock = SimClock()
        self.clock = clock
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
        broker = ApiContext(env, self.exchange, self.oauth, self.oauth.customer.account, strict)
        # Clients space their calls by the real clock, whatever the simulated one does.
        real_clock = clock.real if isinstance(clock, SimClock) else clock
        rng = random.Random(seed)  # noqa: S311  refusals, not secrets
        limit = per_second or PER_SECOND[env]
        window = RateLimitWindow(limit, real_clock, rng, refuse_share=refuse_share) if rate_limit else None
        ledger_window = RateLimitWindow(ledger_per_second, real_clock, rng) if ledger_per_second else None
        layout = Layout(trade_fields, book_fields, notice_fields)
        self.websocket = WebSocketServer(
            self.exchange, self.oauth, self.faults, layout=layout, heartbeat=heartbeat, seed=seed
        )
        self.app = AsgiApp(
            broker,
            self.faults,
            window=window,
            ledger_window=ledger_window,
            admin=AdminApi(self.exchange, self.faults, self.oauth) if control else None,
            sleep=sleep,
            websocket=self.websocket,
        )
        self.requests = self.app.requests
        self.credentials = self.oauth.customer
        if moving:
            for _ in range(_WARM_UP_STEPS):
                self.exchange.step()
        self.exchange.play(scenario)

    def answer(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b"") -> ResponsePlan:
        """Answers a request in this call, without socket, event loop or waiting.

        `ResponsePlan.after` is the delay in seconds that planted faults cause, including the delay before the
        broker processes the request; `receive` gives that one separately.
        """
        request = self.app.receive(method, path, query, headers, body)
        plan = request.act()
        plan.after += request.before
        return plan

    def receive(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b""
    ) -> ReceivedRequest:
        """Receives a request as `answer` does; the caller decides when it is processed."""
        return self.app.receive(method, path, query, headers, body)

    def environ(self, base_url: str) -> dict[str, str]:
        """The environment variables that point a client at this simulator, with the base URL that `serve` yields."""
        customer = self.credentials
        environ = {
            "KIS_ENV": self.env.value,
            "KIS_APP_KEY": customer.app_key,
            "KIS_APP_SECRET": customer.app_secret,
            "KIS_ACCOUNT": customer.account,
            "KIS_HTS_ID": customer.hts_id,
            "KIS_REST_URL": base_url,
            "KIS_WS_URL": base_url.replace("http", "ws", 1),
            "KIS_MASTER_URL": f"{base_url}/common/master",
            "KISBOT_PRACTICE": "true",
        }
        if self._always_open:
            environ["KISBOT_MARKET_HOURS"] = "always"
        return environ

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON: orders, cash, prices, books, tokens, random state."""
        return snapshot.taken(self.exchange, self.oauth)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a snapshot of the same profile and listings; a `SimClock` is set to its time.

        Raises:
            SnapshotUnreadable: it is no such snapshot, or of a time this simulator's clock has not reached;
                nothing was changed.
        """
        snapshot.restored(state, self.exchange, self.oauth)

    @contextlib.asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serves on a real socket until the block is left; with `moving`, prices move meanwhile.

        Yields the base URL; port 0 for a free one.
        """
        async with serving(self.app, host, port) as base_url:
            loop = self._move() if self._moving else self._run_schedule()
            market = asyncio.create_task(loop, name="kis.sim market")
            try:
                yield base_url
            finally:
                market.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await market

    async def _move(self) -> None:
        sleep = self._sleep
        if isinstance(self.clock, SimClock) and sleep is asyncio.sleep:
            sleep = self.clock.sleep
        while True:
            await sleep(1.0)
            self.exchange.step()

    async def _run_schedule(self) -> None:
        """Scheduled steps run when the exchange is used; this runs them if nobody uses it."""
        while True:
            await asyncio.sleep(1.0)
            self.exchange.roll()
