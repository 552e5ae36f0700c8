"""How values become rows and rows values, and what every store of rows has."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.orders.model.events import Event
from bot.orders.model.order import Order
from bot.orders.model.reason import Reason

JSON_COLUMNS = frozenset({"cautions", "notes", "approvers", "asked"})
"""Tuples in the domain; a JSON list in the table, and an empty text for none."""

_ORDER = TypeAdapter(Order)
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class Store:
    """Tables of the database, and the clock that dates their rows."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock

    def _now(self) -> str:
        return iso(self._clock())

    def _row(self, source: str, *values: object) -> dict[str, Any] | None:
        """The first row of `SELECT * FROM` this; no look-up of the schema, as `Table.rows_where` makes one."""
        return next(self._db.query(f"SELECT * FROM {source}", values), None)  # noqa: S608  # our own words


def iso(moment: datetime) -> str:
    """A moment as rows hold it."""
    return moment.isoformat(timespec="milliseconds")


def marks(values: Collection[object]) -> str:
    """A question mark for each value."""
    return ",".join("?" * len(values))


def as_json(data: Mapping[str, Any]) -> str:
    """The facts as text; half a character, which SQLite cannot store, becomes a question mark."""
    text = json.dumps(dict(data), ensure_ascii=False, default=str)
    return text.encode(errors="replace").decode()


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
