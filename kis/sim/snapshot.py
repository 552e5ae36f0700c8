"""The whole state of a simulator as JSON, and back: orders, cash, prices, books, tokens, random state.

Not included: planted faults, recorded requests, the rate limiters' last second, websocket sessions.
"""
# ruff: noqa: SLF001  a snapshot reads and writes the private state

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from kis.sim.api.oauth import Token
from kis.sim.exchange.book import QueueEntry
from kis.sim.exchange.ledger import Flow, Position
from kis.sim.exchange.orders import Action, BookedOrder, Fill, OrderDivision, OrderSide
from kis.sim.exchange.prices import DayBar, Minute
from kis.sim.exchange.scenario import ScheduledStep, ScriptAction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kis.sim.api.oauth import Oauth
    from kis.sim.exchange.book import MatchingBook
    from kis.sim.exchange.exchange import Exchange
    from kis.sim.exchange.ledger import Ledger
    from kis.sim.exchange.prices import Issue

VERSION = 1
_ISSUE = (
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
    """The present state as JSON."""
    exchange.roll()
    places = {order: place for place, order in enumerate(exchange.orders)}
    version, internal, gauss = exchange._rng.getstate()
    return {
        "version": VERSION,
        "profile": oauth.env.value,
        "at": exchange.now().isoformat(),
        "day": exchange._today.isoformat(),
        "last_number": exchange._last_number,
        "chance": [version, list(internal), gauss],
        "orders": [_order(order) for order in exchange.orders],
        "waiting": [places[order] for order in exchange._waiting],
        "fills": [_fill(fill, places) for fill in exchange.fills],
        "ledger": _ledger(exchange.ledger),
        "issues": {code: _issue(issue) for code, issue in exchange.issues.items()},
        "books": {code: _book(book, places) for code, book in exchange.books.items()},
        "cues": [[one.at.isoformat(), one.code, one.action.value, one.percent] for one in exchange.schedule.waiting],
        "tokens": _tokens(oauth),
    }


def _order(order: BookedOrder) -> dict[str, Any]:
    return asdict(order) | {"at": order.at.isoformat(), "visible_at": order.visible_at.isoformat()}


def _fill(fill: Fill, places: Mapping[BookedOrder, int]) -> list[Any]:
    return [fill.at.isoformat(), places[fill.order], fill.quantity, fill.price, fill.fee, fill.tax, fill.cost]


def _ledger(ledger: Ledger) -> dict[str, Any]:
    positions = []
    for position in ledger.positions.values():
        row = asdict(position)
        row["average"] = [position.average.numerator, position.average.denominator]
        row["settles"] = position.settles.isoformat() if position.settles else None
        positions.append(row)
    flows = [[f.traded.isoformat(), f.settles.isoformat(), f.side.value, f.amount] for f in ledger.flows]
    return {"deposit": ledger.deposit, "today": ledger.today.isoformat(), "positions": positions, "flows": flows}


def _issue(issue: Issue) -> dict[str, Any]:
    return {name: getattr(issue, name) for name in _ISSUE} | {
        "first_day": issue.first_day.isoformat(),
        "since": [[bar.day.isoformat(), *bar[1:]] for bar in issue.since],
        "minutes": {name: list(minute) for name, minute in issue.minutes.items()},
    }


def _book(book: MatchingBook, places: Mapping[BookedOrder, int]) -> dict[str, Any]:
    queues = {
        side.value: [
            [price, [[entry.quantity, None if entry.order is None else places[entry.order]] for entry in queue]]
            for price, queue in prices.items()
        ]
        for side, prices in book._queues.items()
    }
    return {"bid": book.bid, "depth": book.depth, "salt": book._salt, "queues": queues}


def _tokens(oauth: Oauth) -> dict[str, Any]:
    live = [[token.text, token.issued.isoformat(), token.expires.isoformat()] for token in oauth.live.values()]
    return {
        "live": live,
        "approvals": {key: expires.isoformat() for key, expires in oauth.approvals.items()},
        "current": oauth._current.text if oauth._current else None,
        "issued": oauth._issued.isoformat() if oauth._issued else None,
        "count": oauth._count,
    }


# --- restoring --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Read:
    """The contents of a snapshot, read completely before anything is changed."""

    orders: list[BookedOrder]
    waiting: list[BookedOrder]
    fills: list[Fill]
    positions: dict[str, Position]
    flows: list[Flow]
    issues: dict[str, dict[str, Any]]
    books: dict[str, tuple[int, int | None, int, dict[OrderSide, dict[int, list[QueueEntry]]]]]
    steps: list[ScheduledStep]
    tokens: list[Token]
    approvals: dict[str, datetime]
    random_state: tuple[Any, ...]
    day: date
    ledger_day: date
    deposit: int
    last_number: int
    current: str | None
    issued: datetime | None
    count: int


def moment_of(state: Mapping[str, Any]) -> datetime:
    """When a snapshot was taken.

    Raises:
        SnapshotUnreadable: it does not say.
    """
    try:
        return _moment(state["at"])
    except (KeyError, TypeError, ValueError) as wrong:
        raise SnapshotUnreadable(f"the snapshot does not say when it was taken: {wrong}") from None


def restored(state: Mapping[str, Any], exchange: Exchange, oauth: Oauth) -> None:
    """Replaces the present state.

    Args:
        state: result of `taken`, of a simulator with the same profile and the same listed issues.
        exchange: to be changed.
        oauth: to be changed.

    Raises:
        SnapshotUnreadable: it is not such a state; nothing was changed.
    """
    if state.get("version") != VERSION:
        raise SnapshotUnreadable(f"a snapshot of version {state.get('version')}; this simulator reads {VERSION}")
    if state.get("profile") != oauth.env.value:
        raise SnapshotUnreadable(
            f"a snapshot of profile {state.get('profile')}; this simulator plays {oauth.env.value}"
        )
    if set(state.get("issues", ())) != set(exchange.issues):
        raise SnapshotUnreadable("the snapshot lists other issues than this simulator")
    try:
        read = _read(state)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as wrong:
        raise SnapshotUnreadable(f"not a snapshot: {type(wrong).__name__}: {wrong}") from None
    _put_exchange(read, exchange)
    oauth.live.clear()
    oauth.live.update({token.text: token for token in read.tokens})
    oauth.approvals.clear()
    oauth.approvals.update(read.approvals)
    oauth._current = oauth.live.get(read.current) if read.current else None
    oauth._issued, oauth._count = read.issued, read.count


def _put_exchange(read: _Read, exchange: Exchange) -> None:
    exchange._today, exchange._last_number = read.day, read.last_number
    exchange._rng.setstate(read.random_state)
    exchange.orders[:], exchange._waiting[:] = read.orders, read.waiting
    exchange.fills.clear()
    exchange.fills.extend(read.fills)
    for code, figures in read.issues.items():
        issue = exchange.issues[code]
        issue.__dict__.pop("past", None)  # generated again from the restored seed
        for name, value in figures.items():
            setattr(issue, name, value)
    for code, (bid, depth, salt, queues) in read.books.items():
        book = exchange.books[code]
        book.bid, book.depth, book._salt, book._queues = bid, depth, salt, queues
        entries = (entry for prices in queues.values() for queue in prices.values() for entry in queue)
        book._own_entries = sum(entry.order is not None for entry in entries)
    ledger = exchange.ledger
    ledger.deposit, ledger.today = read.deposit, read.ledger_day
    ledger.positions, ledger.flows = read.positions, read.flows
    ledger.reserved.clear()
    ledger.reserved_shares.clear()
    for order in read.orders:
        ledger.reserve(order)
    exchange.schedule.clear()
    exchange.schedule.add(read.steps)


def _read(state: Mapping[str, Any]) -> _Read:
    orders = [_order_read(row) for row in state["orders"]]
    version, internal, gauss = state["chance"]
    random_state = (int(version), tuple(int(word) for word in internal), gauss)
    random.Random().setstate(random_state)  # noqa: S311  raises on an invalid state, before anything is changed
    ledger, tokens = state["ledger"], state["tokens"]
    held = [_position(row) for row in ledger["positions"]]
    return _Read(
        orders=orders,
        waiting=[orders[place] for place in state["waiting"]],
        fills=[Fill(_moment(at), orders[place], *map(int, rest)) for at, place, *rest in state["fills"]],
        positions={position.code: position for position in held},
        flows=[Flow(_day(t), _day(s), OrderSide(side), int(amount)) for t, s, side, amount in ledger["flows"]],
        issues={code: _issue_read(row) for code, row in state["issues"].items()},
        books={code: _book_read(row, orders) for code, row in state["books"].items()},
        steps=[
            ScheduledStep(_moment(at), code, ScriptAction(act), float(percent))
            for at, code, act, percent in state["cues"]
        ],
        tokens=[Token(text, _moment(issued), _moment(expires)) for text, issued, expires in tokens["live"]],
        approvals={key: _moment(expires) for key, expires in tokens["approvals"].items()},
        random_state=random_state,
        day=_day(state["day"]),
        ledger_day=_day(ledger["today"]),
        deposit=int(ledger["deposit"]),
        last_number=int(state["last_number"]),
        current=tokens["current"],
        issued=_moment(tokens["issued"]) if tokens["issued"] else None,
        count=int(tokens["count"]),
    )


def _order_read(row: Mapping[str, Any]) -> BookedOrder:
    kinds = {"side": OrderSide(row["side"]), "kind": OrderDivision(row["kind"]), "action": Action(row["action"])}
    times = {name: _moment(row[name]) for name in ("at", "visible_at")}
    return BookedOrder(**{**row, **kinds, **times})


def _position(row: Mapping[str, Any]) -> Position:
    settles = _day(row["settles"]) if row["settles"] else None
    return Position(**{**row, "average": Fraction(*row["average"]), "settles": settles})


def _issue_read(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _ISSUE} | {
        "first_day": _day(row["first_day"]),
        "since": [DayBar(_day(day), *map(int, rest)) for day, *rest in row["since"]],
        "minutes": {name: Minute(*map(int, minute)) for name, minute in row["minutes"].items()},
    }


def _book_read(
    row: Mapping[str, Any], orders: list[BookedOrder]
) -> tuple[int, int | None, int, dict[OrderSide, dict[int, list[QueueEntry]]]]:
    queues = {
        side: {
            int(price): [
                QueueEntry(int(quantity), None if place is None else orders[place]) for quantity, place in lots
            ]
            for price, lots in row["queues"][side.value]
        }
        for side in OrderSide
    }
    return int(row["bid"]), row["depth"], int(row["salt"]), queues


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} bears no time zone")
    return moment


def _day(text: str) -> date:
    return date.fromisoformat(text)
