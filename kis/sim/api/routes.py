"""The handlers by path and TR id, and the TRs each environment offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kis import endpoints
from kis.endpoints import Endpoint, Env, Lane, TrIds
from kis.sim.api import account, indices, listing_info, quotations, rankings, trading
from kis.sim.api.responses import gateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from kis.sim.api.context import ApiCall, ApiContext
    from kis.sim.api.responses import SimResponse


class Route(NamedTuple):
    """One call and its handler."""

    endpoint: Endpoint
    handler: Callable[[ApiContext, ApiCall], SimResponse]


# A call that other clients make and ours does not.
_SEARCH_INFO = Endpoint(
    "product_info",
    "GET",
    "/uapi/domestic-stock/v1/quotations/search-info",
    TrIds("CTPF1604R", None, "CTPF1604R", None),
    Lane.REPORT,
)
_ROUTES = (
    Route(endpoints.BUY, trading.buy),
    Route(endpoints.SELL, trading.sell),
    Route(endpoints.REVISE_CANCEL, trading.revise_cancel),
    Route(endpoints.BALANCE, account.balance),
    Route(endpoints.BUYING_POWER, account.buying_power),
    Route(endpoints.EXECUTIONS, trading.executions),
    Route(endpoints.EXECUTIONS_OLDER, trading.executions),
    Route(endpoints.OPEN_ORDERS, trading.open_orders),
    Route(endpoints.PRICE, quotations.price),
    Route(endpoints.ORDER_BOOK, quotations.order_book),
    Route(endpoints.DAILY_BARS, quotations.daily_bars),
    Route(endpoints.VOLUME_RANK, rankings.volume_rank),
    Route(endpoints.INDEX, indices.index_price),
    Route(endpoints.SELLABLE, account.sellable),
    Route(endpoints.PERIOD_PROFIT, account.period_profit),
    Route(endpoints.MINUTE_BARS, quotations.minute_bars),
    Route(endpoints.FLUCTUATION_RANK, rankings.fluctuation),
    Route(endpoints.INDEX_BARS, indices.daily_index),
    Route(endpoints.HOLIDAYS, listing_info.holidays),
    Route(endpoints.STOCK_INFO, listing_info.stock_info),
    Route(_SEARCH_INFO, listing_info.product_info),
)


def _offered(env: Env) -> dict[str, Route]:
    """The routes of an environment by TR id, old ids included."""
    by_id = {}
    for route in _ROUTES:
        ids = route.endpoint.tr
        for tr_id in (ids.real, ids.legacy_real) if env is Env.REAL else (ids.paper, ids.legacy_paper):
            if tr_id is not None:
                by_id[tr_id] = route
    return by_id


class Routes:
    """The TRs of one environment; those of the other are known only for the right refusal."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._here = _offered(env)
        real = _offered(Env.REAL)
        # On paper, clients send a real account's TR id with a V in front, whether paper offers it or not.
        paper = _offered(Env.PAPER) | {f"V{tr_id[1:]}": route for tr_id, route in real.items()}
        self._paths = {route.endpoint.path for route in real.values()}
        self._elsewhere = {**real, **paper}

    def find(self, method: str, path: str, tr_id: str) -> Route:
        """The route of a call.

        Raises:
            ApiRefusal: no such path, TR id missing, not offered here, or of another path.
        """
        if path not in self._paths:
            raise gateway("EGW00203", "OPS라우팅 중 오류가 발생했습니다.")
        if not tr_id:
            raise gateway("OPSQ9999", "ERROR INVALID tr_id NOT FOUND")
        route = self._here.get(tr_id)
        if route is not None and (route.endpoint.method, route.endpoint.path) == (method, path):
            return route
        known = self._elsewhere.get(tr_id)
        if route is None and known is not None and known.endpoint.path == path:
            if self._env is Env.PAPER:
                raise gateway("EGW02006", "모의투자 TR 이 아닙니다.")
            raise gateway("EGW02004", "실전투자 TR 이 아닙니다.")
        raise gateway("OPSQ0002", "없는 서비스 코드 입니다.")
