"""Values as rows of plain dicts, for pandas, polars or CSV."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from kis.models import OrderBook

if TYPE_CHECKING:
    from collections.abc import Iterable

Record = dict[str, Any]


def to_records(values: BaseModel | Iterable[BaseModel]) -> list[Record]:
    """Rows of plain dicts, one per value, with our English names as keys.

    A value that holds a list (`DailyBars`, `Balance`, `PeriodProfit` ...) gives the rows of its list, and an
    `OrderBook` its lines, each with its `side`. Numbers are int or float, names and kinds str; days and moments stay
    date and datetime. Floats are for tables, not for calculating with money: use the value itself for that.

    With pandas: `pandas.DataFrame(to_records(api.get_daily_price("005930", count=250)))`.

    Args:
        values: one value, or several of a kind.

    Example:
        >>> rows = to_records(api.get_daily_price("005930", count=3))
        >>> list(rows[0])
        ['day', 'open', 'high', 'low', 'close', 'volume', 'value']
        >>> [row["side"] for row in to_records(api.get_order_book("005930"))][:2]
        ['ask', 'ask']
    """
    if isinstance(values, OrderBook):
        return _levels(values)
    if isinstance(values, BaseModel):
        lists = [held for held in _fields(values).values() if isinstance(held, tuple)]
        return [_record(row) for row in lists[0]] if len(lists) == 1 else [_record(values)]
    return [_record(value) for value in values]


def _levels(book: OrderBook) -> list[Record]:
    sides = (("ask", book.asks), ("bid", book.bids))
    return [{"side": side, **level._asdict()} for side, levels in sides for level in levels]


def _fields(value: BaseModel) -> Record:
    return {name: getattr(value, name) for name in type(value).model_fields}


def _record(value: BaseModel) -> Record:
    return {name: _plain(field) for name, field in _fields(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.value if isinstance(value, Enum) else value
