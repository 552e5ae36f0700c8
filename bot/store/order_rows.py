"""Orders and their events as rows: the one place where their JSON columns are written and read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from bot.orders.model.events import Event
from bot.orders.model.order import Order
from bot.orders.model.reason import Reason

JSON_COLUMNS = frozenset({"cautions", "notes", "approvers", "asked"})
"""Tuples in the domain; a JSON list in the table, and an empty text for none."""

_ORDER = TypeAdapter(Order)
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def order_row(order: Order) -> dict[str, Any]:
    """The columns of an order."""
    row: dict[str, Any] = _ORDER.dump_python(order, mode="json", exclude=set(JSON_COLUMNS))
    return row | {name: _text(getattr(order, name)) for name in JSON_COLUMNS}


def order_of(row: Mapping[str, Any]) -> Order:
    """The order of a row; columns that an older schema lacks have their default."""
    return _ORDER.validate_python({**row, **{name: json.loads(row.get(name) or "[]") for name in JSON_COLUMNS}})


def event_detail(event: Event) -> dict[str, Any]:
    """An event's fields as the audit log keeps them."""
    texts = {name: _text(value) for name, value in vars(event).items() if name in JSON_COLUMNS}
    detail: dict[str, Any] = _ANY.dump_python(asdict(event) | texts, mode="json")
    return detail


def _text(values: Sequence[object]) -> str:
    return json.dumps(values, ensure_ascii=False, default=_plain) if values else ""


def _plain(value: object) -> object:
    if isinstance(value, Reason):
        return {"code": value.code, "values": dict(value.values)}
    return value.isoformat() if isinstance(value, datetime) else str(value)
