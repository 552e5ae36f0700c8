"""The whole state of a simulator as JSON, and back: orders, cash, prices, books, tokens, random state.

Not included: planted faults, recorded requests, the rate limiters' last second, websocket sessions.
"""
# ruff: noqa: SLF001  a snapshot reads and writes the private state

from __future__ import annotations

import json
import random
from dataclasses import asdict, astuple, replace
from datetime import date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from kis.sim.api.oauth import Token
from kis.sim.exchange.book import MatchingBook, QueueEntry
from kis.sim.exchange.clock import SimClock
from kis.sim.exchange.ledger import Flow, Position
from kis.sim.exchange.orders import Action, BookedOrder, Fill, OrderDivision, OrderSide
from kis.sim.exchange.prices import DayBar, Minute
from kis.sim.exchange.scenario import ScheduledStep, ScriptAction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kis.sim.api.oauth import Oauth
    from kis.sim.exchange.exchange import Exchange
    from kis.sim.exchange.ledger import Ledger
    from kis.sim.exchange.prices import Issue

VERSION = 1
_FIGURES = (
    "base",
    "last",
    "usual_volume",
    "past_seed",
    "open",
    "high",
    "low",
    "volume",
    "value",
    "halted",
    "vi",
    "early",
)


class SnapshotUnreadable(ValueError):
    """The snapshot cannot be restored; nothing was changed."""


def taken(exchange: Exchange, oauth: Oauth) -> dict[str, Any]:
    """The present state as JSON; an order within another part is its place among the orders."""
    exchange.roll()
    places = {order: place for place, order in enumerate(exchange.orders)}

    def plain(value: object) -> Any:
        match value:
            case date():
                return value.isoformat()
            case Fraction():
                return value.as_integer_ratio()
            case QueueEntry():
                return [value.quantity, value.order]
            case BookedOrder():
                return places[value]
        raise TypeError(f"no form in JSON: {value!r}")

    ledger = exchange.ledger
    state = {
        "version": VERSION,
        "profile": oauth.env.value,
        "at": exchange.now(),
        "day": exchange._today,
        "last_number": exchange._last_number,
        "chance": exchange._rng.getstate(),
        "orders": [asdict(order) for order in exchange.orders],
        "waiting": exchange._waiting,
        "fills": [[f.at, f.order, f.quantity, f.price, f.fee, f.tax, f.cost] for f in exchange.fills],
        "ledger": {
            "deposit": ledger.deposit,
            "today": ledger.today,
            "positions": [asdict(position) for position in ledger.positions.values()],
            "flows": ledger.flows,
        },
        "issues": {
            code: {name: getattr(issue, name) for name in (*_FIGURES, "first_day", "since", "minutes")}
            for code, issue in exchange.issues.items()
        },
        "books": {
            code: {
                "bid": book.bid,
                "depth": book.depth,
                "salt": book._salt,
                "queues": {side: list(queues.items()) for side, queues in book._queues.items()},
            }
            for code, book in exchange.books.items()
        },
        "cues": exchange.schedule.waiting,
        "tokens": {
            "live": [astuple(token) for token in oauth.live.values()],
            "approvals": oauth.approvals,
            "current": oauth._current.text if oauth._current else None,
            "issued": oauth._issued,
            "count": oauth._count,
        },
    }
    read: dict[str, Any] = json.loads(json.dumps(state, default=plain))
    return read


def restored(state: Mapping[str, Any], exchange: Exchange, oauth: Oauth) -> None:
    """Replaces the present state by a result of `taken`, and sets a `SimClock` to the snapshot's time.

    Raises:
        SnapshotUnreadable: it is not of the same profile and listed issues, or of a time that the exchange's clock
            has not reached; nothing was changed.
    """
    clock = exchange.clock
    try:
        at = _moment(state["at"])
    except (KeyError, TypeError, ValueError) as wrong:
        raise SnapshotUnreadable(f"the snapshot does not say when it was taken: {wrong}") from None
    if not isinstance(clock, SimClock) and at > exchange.now():
        raise SnapshotUnreadable(f"the snapshot is of {at.isoformat()}, which only a SimClock can go to")
    if state.get("version") != VERSION:
        raise SnapshotUnreadable(f"a snapshot of version {state.get('version')}; this simulator reads {VERSION}")
    if state.get("profile") != oauth.env.value:
        raise SnapshotUnreadable(
            f"a snapshot of profile {state.get('profile')}; this simulator plays {oauth.env.value}"
        )
    if set(state.get("issues", ())) != set(exchange.issues):
        raise SnapshotUnreadable("the snapshot lists other issues than this simulator")
    try:
        _restore(state, exchange, oauth)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as wrong:
        raise SnapshotUnreadable(f"not a snapshot: {type(wrong).__name__}: {wrong}") from None
    if isinstance(clock, SimClock):
        clock.put(at)


def _restore(state: Mapping[str, Any], exchange: Exchange, oauth: Oauth) -> None:
    """Reads everything, which fails on an invalid state, before it changes anything."""
    rng = random.Random()  # noqa: S311  prices, not secrets
    version, internal, gauss = state["chance"]
    random_state = (int(version), tuple(int(word) for word in internal), gauss)
    rng.setstate(random_state)
    day, last_number = _day(state["day"]), int(state["last_number"])
    orders = [_order(row) for row in state["orders"]]
    waiting = [orders[place] for place in state["waiting"]]
    fills = [Fill(_moment(at), orders[place], *map(int, rest)) for at, place, *rest in state["fills"]]
    ledger = _ledger(exchange.ledger, state["ledger"])
    for order in orders:
        ledger.reserve(order)
    issues = {code: _issue(issue, state["issues"][code]) for code, issue in exchange.issues.items()}
    books = {code: _book(MatchingBook(issue, rng), state["books"][code], orders) for code, issue in issues.items()}
    steps = [
        ScheduledStep(_moment(at), code, ScriptAction(act), float(percent)) for at, code, act, percent in state["cues"]
    ]
    tokens = state["tokens"]
    live = {text: Token(text, _moment(issued), _moment(expires)) for text, issued, expires in tokens["live"]}
    approvals = {key: _moment(expires) for key, expires in tokens["approvals"].items()}
    current = live.get(tokens["current"]) if tokens["current"] else None
    issued_at, count = _moment(tokens["issued"]) if tokens["issued"] else None, int(tokens["count"])

    exchange._today, exchange._last_number = day, last_number
    exchange._rng.setstate(random_state)
    exchange.orders[:], exchange._waiting[:] = orders, waiting
    exchange.fills.clear()
    exchange.fills.extend(fills)
    exchange.issues.update(issues)
    exchange.books.update(books)
    exchange.ledger = ledger
    exchange.schedule.clear()
    exchange.schedule.add(steps)
    oauth.live, oauth.approvals = live, approvals
    oauth._current, oauth._issued, oauth._count = current, issued_at, count


def _order(row: Mapping[str, Any]) -> BookedOrder:
    kinds = {"side": OrderSide(row["side"]), "kind": OrderDivision(row["kind"]), "action": Action(row["action"])}
    times = {name: _moment(row[name]) for name in ("at", "visible_at")}
    return BookedOrder(**{**row, **kinds, **times})


def _ledger(ledger: Ledger, row: Mapping[str, Any]) -> Ledger:
    """The ledger of a snapshot, without reservations."""
    positions = {}
    for held in row["positions"]:
        settles = _day(held["settles"]) if held["settles"] else None
        positions[held["code"]] = Position(**{**held, "average": Fraction(*held["average"]), "settles": settles})
    flows = [Flow(_day(t), _day(s), OrderSide(side), int(amount)) for t, s, side, amount in row["flows"]]
    return replace(
        ledger,
        deposit=int(row["deposit"]),
        today=_day(row["today"]),
        positions=positions,
        flows=flows,
        reserved={},
        reserved_shares={},
    )


def _issue(issue: Issue, row: Mapping[str, Any]) -> Issue:
    """The issue of a snapshot, which generates its past again from the restored seed."""
    return replace(
        issue,
        **{name: row[name] for name in _FIGURES},
        first_day=_day(row["first_day"]),
        since=[DayBar(_day(day), *map(int, rest)) for day, *rest in row["since"]],
        minutes={name: Minute(*map(int, minute)) for name, minute in row["minutes"].items()},
    )


def _book(book: MatchingBook, row: Mapping[str, Any], orders: list[BookedOrder]) -> MatchingBook:
    """Sets a new book to the state of a snapshot."""
    book.bid, book.depth, book._salt = int(row["bid"]), row["depth"], int(row["salt"])
    for side, queues in book._queues.items():
        for price, entries in row["queues"][side.value]:
            queue = [QueueEntry(int(quantity), None if place is None else orders[place]) for quantity, place in entries]
            queues[int(price)] = queue
            book._own_entries += sum(entry.order is not None for entry in queue)
    return book


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} bears no time zone")
    return moment


_day = date.fromisoformat
