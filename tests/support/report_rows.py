"""Rows of the broker's list as a test needs them."""

from datetime import date
from decimal import Decimal

from kis.models import OrderKind, OrderReport, Side

DAY = date(2026, 11, 24)


def row(number: int, side: Side, quantity: int, price: int, *, code: str = "005930", **changes) -> OrderReport:
    """An order that has filled, given at second `number` of the session, unless the changes say otherwise."""
    values = {
        "day": DAY,
        "time": f"09{number // 60:02}{number % 60:02}",
        "branch": "00950",
        "order_no": f"{number:010}",
        "side": side,
        "kind": OrderKind.LIMIT,
        "code": code,
        "name": f"종목{code}",
        "quantity": quantity,
        "price": price,
        "filled": quantity,
        "filled_amount": quantity * price,
        "average_price": Decimal(price),
        "remaining": 0,
        "cancelled": 0,
        "rejected": 0,
    }
    return OrderReport.model_validate(values | changes)


def buy(number: int, quantity: int, price: int, **changes) -> OrderReport:
    return row(number, Side.BUY, quantity, price, **changes)


def sell(number: int, quantity: int, price: int, **changes) -> OrderReport:
    return row(number, Side.SELL, quantity, price, **changes)
