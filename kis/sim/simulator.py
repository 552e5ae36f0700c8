"""The whole simulated broker: exchange, wire, faults, and the environment that points a client at it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any, Literal

from kis.endpoints import Env
from kis.sim import snapshot
from kis.sim.admin_api import AdminApi
from kis.sim.api.context import ApiContext, Recorded
from kis.sim.api.oauth import Credentials, Oauth
from kis.sim.api.rate_limit import PER_SECOND, Window
from kis.sim.asgi_app import AsgiApp, Visit
from kis.sim.exchange.clock import SimClock, now_in_korea
from kis.sim.exchange.exchange import Exchange
from kis.sim.faults.faults import Faults
from kis.sim.server import serving
from kis.sim.websocket.server import Layout, WebSocketServer

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from kis.sim.faults.response_plan import ResponsePlan

_WARM_UP_STEPS = 40
_BRANCHES = {Env.PAPER: "00950", Env.REAL: "03930"}


class Simulator:
    """KIS in a box: one customer, one account, one environment.

    Attributes:
        app: the ASGI application.
        exchange: cash, shares, orders and prices, to look at and to move.
        faults: what shall go wrong.
        oauth: keys and tokens.
        sockets: who is connected to the websocket, and what for.
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
        """Put the broker together; nothing runs until it is served.

        Args:
            profile: which environment it plays; codes, page sizes and what is offered depend on it.
            seed: of all chance: prices, book sizes, order numbers.
            clock: tells the time; aware. A `SimClock` can be frozen, stepped and run fast, and the market with it.
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
            control: open the control door, `POST /__sim__/...`; the default clock is a `SimClock` then.
            scenario: market scripts that begin now: `name[:code][@seconds]`, several with commas.
            refuse_share: of the calls under the limit, the share that is refused as over it nevertheless.
            trade_fields: fields of a trade on the websocket, 46 as before 2026-09-14 or 47.
            book_fields: fields of an order book there, 59 or 63.
            notice_fields: fields of a fill notice there, 23 or 26.
            heartbeat: seconds of the world's clock between the websocket's heartbeats; KIS tells no figure.

        Raises:
            ValueError: there is no such scenario or layout, or the share is not from 0 to less than 1.
        """
        env = Env(profile)
        if control and clock is now_in_korea:
            clock = SimClock()
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
        broker = ApiContext(env, self.exchange, self.oauth, self.oauth.customer.account, strict)
        # Clients keep the pace of the world's clock, whatever the simulated one does.
        pace = clock.real if isinstance(clock, SimClock) else clock
        whims = random.Random(seed)  # noqa: S311  moods, not secrets
        limit = per_second or PER_SECOND[env]
        window = Window(limit, pace, whim=refuse_share, rng=whims) if rate_limit else None
        ledger_window = Window(ledger_per_second, pace) if ledger_per_second else None
        door = AdminApi(self) if control else None
        layout = Layout(trade_fields, book_fields, notice_fields)
        self.sockets = WebSocketServer(self.exchange, self.oauth, self.faults, layout=layout, beat=heartbeat, seed=seed)
        self.app = AsgiApp(
            broker,
            self.faults,
            window=window,
            ledger_window=ledger_window,
            control=door,
            sleep=sleep,
            sockets=self.sockets,
        )
        if moving:
            for _ in range(_WARM_UP_STEPS):
                self.exchange.step()
        self.exchange.play(scenario)

    @property
    def clock(self) -> Callable[[], datetime]:
        """What tells the simulator its time."""
        return self._clock

    @property
    def requests(self) -> deque[Recorded]:
        """Requests that arrived, oldest first, the last ten thousand."""
        return self.app.requests

    @property
    def credentials(self) -> Credentials:
        """Keys and account of the simulator's one customer."""
        return self.oauth.customer

    def answer(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b"") -> ResponsePlan:
        """Answer a request in this very call, without socket, event loop or waiting.

        Nothing is slept through: `after` of what comes back tells the seconds that planted faults take, those
        before the broker acts among them. `receive` keeps the two apart.

        Args:
            method: in capitals.
            path: as sent.
            query: as sent, without the question mark.
            headers: names in lower case.
            body: as sent.
        """
        visit = self.app.receive(method, path, query, headers, body)
        fate = visit.act()
        fate.after += visit.before
        return fate

    def receive(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b"") -> Visit:
        """Take in a request as `answer` does, and leave it to the caller when the broker acts."""
        return self.app.receive(method, path, query, headers, body)

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
            "KIS_WS_URL": base_url.replace("http", "ws", 1),
            "KIS_MASTER_URL": f"{base_url}/common/master",
            "KISBOT_PRACTICE": "true",
        }
        if self._always_open:
            environ["KISBOT_MARKET_HOURS"] = "always"
        return environ

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON can hold it: orders, money, prices, books, tokens, chance."""
        return snapshot.taken(self.exchange, self.oauth)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a snapshot of the same profile and listings; a `SimClock` shows its moment again.

        Raises:
            Unreadable: it is no such snapshot, or of a time this simulator's clock has not reached; nothing
                was changed.
        """
        at = snapshot.moment_of(state)
        if not isinstance(self._clock, SimClock) and at > self.exchange.now():
            raise snapshot.SnapshotUnreadable(f"the snapshot is of {at.isoformat()}, which only a SimClock can go to")
        snapshot.restored(state, self.exchange, self.oauth)
        if isinstance(self._clock, SimClock):
            self._clock.put(at)

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
            alive = self._move() if self._moving else self._look()
            mover = asyncio.create_task(alive, name="kis.sim market")
            try:
                yield base_url
            finally:
                mover.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await mover

    async def _move(self) -> None:
        clock, sleep = self._clock, self._sleep
        if isinstance(clock, SimClock) and sleep is asyncio.sleep:
            sleep = clock.sleep
        while True:
            await sleep(1.0)
            self.exchange.step()

    async def _look(self) -> None:
        """Scripts happen when somebody looks, so somebody does."""
        while True:
            await asyncio.sleep(1.0)
            self.exchange.roll()
