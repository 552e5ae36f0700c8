"""The handlers by path and TR id, and the TRs each environment offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kis import endpoints
from kis.endpoints import Env
from kis.sim.api import account, indices, listing_info, minute_bars, profit, quotations, rankings, trading
from kis.sim.api.responses import gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kis.endpoints import Endpoint
    from kis.sim.api.context import Handler


class Route(NamedTuple):
    """One TR at one path.

    Attributes:
        ledger: whether the ledger's own limiter counts it.
    """

    method: str
    path: str
    handler: Handler
    ledger: bool = False


_HANDLERS: tuple[tuple[Endpoint, Handler], ...] = (
    (endpoints.BUY, trading.buy),
    (endpoints.SELL, trading.sell),
    (endpoints.REVISE_CANCEL, trading.revise_cancel),
    (endpoints.BALANCE, account.balance),
    (endpoints.BUYING_POWER, account.buying_power),
    (endpoints.EXECUTIONS, trading.executions),
    (endpoints.EXECUTIONS_OLDER, trading.executions),
    (endpoints.OPEN_ORDERS, trading.open_orders),
    (endpoints.PRICE, quotations.price),
    (endpoints.ORDER_BOOK, quotations.order_book),
    (endpoints.DAILY_BARS, quotations.daily_bars),
    (endpoints.VOLUME_RANK, quotations.volume_rank),
    (endpoints.INDEX, indices.index_price),
    (endpoints.SELLABLE, account.sellable),
    (endpoints.PERIOD_PROFIT, profit.period_profit),
    (endpoints.MINUTE_BARS, minute_bars.minute_bars),
    (endpoints.FLUCTUATION_RANK, rankings.fluctuation),
    (endpoints.INDEX_BARS, indices.daily_index),
    (endpoints.HOLIDAYS, listing_info.holidays),
    (endpoints.STOCK_INFO, listing_info.stock_info),
)
# A call that other clients make and ours does not.
_SEARCH_INFO = "/uapi/domestic-stock/v1/quotations/search-info"


def _all(env: Env) -> Iterator[tuple[str, Route]]:
    for endpoint, handler in _HANDLERS:
        ids = endpoint.tr
        wanted = (ids.real, ids.legacy_real) if env is Env.REAL else (ids.paper, ids.legacy_paper)
        for tr_id in wanted:
            if tr_id is not None:
                yield tr_id, Route(endpoint.method, endpoint.path, handler, endpoint.ledger)
    if env is Env.REAL:
        yield "CTPF1604R", Route("GET", _SEARCH_INFO, listing_info.product_info)


class Routes:
    """The TRs of one environment; those of the other are known only for the right refusal."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._here = dict(_all(env))
        real = dict(_all(Env.REAL))
        # On paper, clients send a real account's TR id with a V in front, whether paper offers it or not.
        paper = dict(_all(Env.PAPER)) | {f"V{tr_id[1:]}": route for tr_id, route in real.items()}
        self._paths = {route.path for route in real.values()}
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
        if route is not None and route.path == path and route.method == method:
            return route
        known = self._elsewhere.get(tr_id)
        if route is None and known is not None and known.path == path:
            if self._env is Env.PAPER:
                raise gateway("EGW02006", "모의투자 TR 이 아닙니다.")
            raise gateway("EGW02004", "실전투자 TR 이 아닙니다.")
        raise gateway("OPSQ0002", "없는 서비스 코드 입니다.")
