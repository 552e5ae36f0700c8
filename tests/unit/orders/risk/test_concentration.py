"""How much of the account may lie in one stock after a buy."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.orders.risk.concentration import position_reasons
from kis.models import Balance, Holding, OrderKind, Side
from tests.support.risk_cases import BUY as ASK
from tests.support.risk_cases import FACTS, QUOTE

PERCENT = Decimal(30)


def balance(total=10_000_000, held=0):
    rows = ()
    if held:
        rows = (
            Holding(code=ASK.code, name=ASK.name, quantity=held, sellable=held, average_price=1, price=QUOTE.price,
                    cost=held, value=held * QUOTE.price, profit=0, profit_rate=0),
        )  # fmt: skip
    return Balance(
        holdings=rows, deposit=total, d1_cash=total, d2_cash=total, stock_value=0, total_value=total, profit=0, cost=0,
        at=QUOTE.at,
    )  # fmt: skip


def codes(quantity, *, total=10_000_000, held=0, percent=PERCENT, **more):
    ask = replace(ASK, quantity=quantity, kind=OrderKind.LIMIT, price=QUOTE.price, **more.pop("ask", {}))
    return position_reasons(ask, FACTS, balance(total, held), percent, **more)


FITS = 10_000_000 * 30 // 100 // QUOTE.price


def test_a_buy_up_to_the_share_goes_through_and_one_more_does_not():
    assert codes(FITS) == []
    (reason,) = codes(FITS + 1)
    assert (reason.code, reason.values["fits"], reason.values["max"]) == ("POSITION_MAX", FITS, "30")


def test_what_is_held_and_what_is_coming_count():
    assert codes(FITS - 5, held=5) == []
    assert codes(FITS - 5, held=4, coming=1) == []
    (reason,) = codes(FITS - 4, held=4, coming=1)
    assert reason.values["fits"] == FITS - 5


def test_who_holds_too_much_already_may_buy_none_and_sell_all():
    (reason,) = codes(1, held=FITS + 10)
    assert reason.values["fits"] == 0
    assert codes(FITS + 10, held=FITS + 10, ask={"side": Side.SELL}) == []


def test_zero_percent_is_no_limit():
    assert codes(10**6, percent=Decimal(0)) == []


def test_a_market_order_counts_at_what_the_book_promises():
    ask = replace(ASK, quantity=FITS, kind=OrderKind.MARKET, price=None)
    assert position_reasons(ask, FACTS, balance(), PERCENT) == []
    dearer = replace(FACTS, expected=QUOTE.price * 2)
    assert position_reasons(ask, dearer, balance(), PERCENT)[0].code == "POSITION_MAX"


@pytest.mark.parametrize("seen", [None, balance(total=0), balance(total=-1)])
def test_an_account_that_could_not_be_read_refuses(seen):
    (reason,) = position_reasons(replace(ASK, quantity=1), FACTS, seen, PERCENT)
    assert (reason.code, reason.values) == ("FACTS_MISSING", {"what": "BALANCE"})
