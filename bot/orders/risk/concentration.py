"""How much of the account may lie in one stock: a check beside those of `rules.py`, for it alone reads the balance.

Pure: facts in, reasons out.
"""

from decimal import ROUND_DOWN, Decimal

from bot.orders.model.order import OrderRequest
from bot.orders.model.reason import Reason
from bot.orders.risk.checks import Facts
from kis.models import Balance, Side


def position_reasons(
    request: OrderRequest, facts: Facts, balance: Balance | None, percent: Decimal, *, coming: int = 0
) -> list[Reason]:
    """Why a buy would put too much of the account into one stock, if it would; nothing for a sale.

    The account is worth the same after the fill as before it, so the share is measured against its total value now.
    What is held counts at the last price, what is bought at what the order may pay; what is on its way counts too.

    Args:
        request: the order.
        facts: what was read for it; of these only the quote and `expected`.
        balance: the account, None where it could not be read.
        percent: the most that may lie in one stock; 0: any share.
        coming: shares of this stock in other buy orders that are open or in doubt.
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
