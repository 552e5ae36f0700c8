"""How much of the account may lie in one stock: the one pre-trade check that reads the balance. Pure."""

from decimal import ROUND_DOWN, Decimal

from bot.orders.model.order import OrderRequest
from bot.orders.model.reason import Reason
from bot.orders.risk.checks import Facts
from kis.models import Balance, Side


def position_reasons(
    request: OrderRequest, facts: Facts, balance: Balance | None, percent: Decimal, *, coming: int = 0
) -> list[Reason]:
    """The reason why a buy would put more than `percent` of the account into one stock; 0 allows any share.

    The share is of the account's total value, which a fill does not change. Shares held count at the last price, those
    bought at what the order may pay; so do the `coming` ones: of other buys of this stock, open or in doubt.
    """
    if not percent or request.side is not Side.BUY:
        return []
    price = request.price if request.price is not None else facts.expected or facts.quote.price
    if balance is None or balance.total_value <= 0 or price <= 0:
        return [Reason("FACTS_MISSING", {"what": "BALANCE"})]
    held = sum(one.quantity for one in balance.holdings if one.code == request.code)
    there = held * max(facts.quote.price, 0) + coming * price
    most = int(balance.total_value * percent / 100)
    after = there + request.quantity * price
    if after <= most:
        return []
    share = (Decimal(after) * 100 / balance.total_value).quantize(Decimal("0.1"), ROUND_DOWN)
    fits = max(0, most - there) // price
    return [Reason("POSITION_MAX", {"name": request.name, "percent": f"{share}", "max": f"{percent:f}", "fits": fits})]
