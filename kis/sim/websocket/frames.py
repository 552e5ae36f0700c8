"""Frames as KIS's websocket sends them: trades, order books, fill notices and replies (KIS portal, 실시간시세).

Records can have the field counts of before 2026-09-14 (46 a trade, 59 a book), and a notice the 23 fields that paper
has been seen to send.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from kis.sim.api.responses import flag, percent, sign
from kis.sim.exchange.orders import Action, OrderSide, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from kis.sim.exchange.book import MatchingBook
    from kis.sim.exchange.orders import OrderUpdate
    from kis.sim.exchange.prices import Issue

TRADES, BOOKS = "H0STCNT0", "H0STASP0"
HEARTBEAT = "PINGPONG"
NOTICES = ("H0STCNI0", "H0STCNI9")
FIELDS: dict[str, tuple[int, ...]] = {"trade": (46, 47), "book": (59, 63), "notice": (23, 26)}
"""The field counts known, by kind of record."""

_HOLDER = "홍길동"
_DEPTH = 10
_ACTIONS = {Action.NEW: "0", Action.REVISE: "1", Action.CANCEL: "2"}
_STAGES = {UpdateKind.RECEIVED: "1", UpdateKind.CONFIRMED: "2", UpdateKind.FILLED: "2", UpdateKind.LAPSED: "3"}
_CONDITIONS = {"": "0", "IOC": "1", "FOK": "2"}


class NoticeKey(NamedTuple):
    """The key and iv of fill notices."""

    key: str
    iv: str

    def encrypt(self, text: str) -> str:
        """AES-256-CBC with PKCS#7 padding, in base64."""
        padder = PKCS7(algorithms.AES.block_size).padder()
        blocks = padder.update(text.encode()) + padder.finalize()
        encryptor = Cipher(algorithms.AES(self.key.encode()), modes.CBC(self.iv.encode())).encryptor()
        return base64.b64encode(encryptor.update(blocks) + encryptor.finalize()).decode()


@dataclass(slots=True)
class TradeCounts:
    """Buys and sells of one issue today; the aggressor is inferred from the direction of the price."""

    last: int = 0
    buying: bool = True
    buys: int = 0
    sells: int = 0
    bought: int = 0
    sold: int = 0

    def count(self, price: int, quantity: int) -> None:
        """Counts a trade."""
        if price != self.last:
            self.buying = price > self.last
        self.last = price
        if self.buying:
            self.buys += 1
            self.bought += quantity
        else:
            self.sells += 1
            self.sold += quantity


def data_frame(tr_id: str, records: Sequence[str]) -> str:
    """A plain data frame."""
    return f"0|{tr_id}|{len(records):03d}|{'^'.join(records)}"


def encrypted_frame(tr_id: str, records: Sequence[str], key: NoticeKey) -> str:
    """An encrypted data frame."""
    return f"1|{tr_id}|{len(records):03d}|{key.encrypt('^'.join(records))}"


def heartbeat(now: datetime) -> str:
    """The heartbeat frame."""
    return json.dumps({"header": {"tr_id": HEARTBEAT, "datetime": now.strftime("%Y%m%d%H%M%S")}})


def reply(topic: tuple[str, str], code: str, message: str, key: NoticeKey | None = None, *, rt_cd: str = "0") -> str:
    """The reply to a registration."""
    body: dict[str, Any] = {"rt_cd": rt_cd, "msg_cd": code, "msg1": message}
    if key is not None:
        body["output"] = {"iv": key.iv, "key": key.key}
    header = {"tr_id": topic[0], "tr_key": topic[1], "encrypt": flag(topic[0] in NOTICES)}
    return json.dumps({"header": header, "body": body}, ensure_ascii=False)


# --- records ----------------------------------------------------------------------------------------------


def trade(issue: Issue, counts: TradeCounts, price: int, quantity: int, now: datetime, book: MatchingBook) -> str:
    """A trade, 47 fields."""
    change = price - issue.base
    asks, bids = book.levels(OrderSide.SELL), book.levels(OrderSide.BUY)
    hour = now.strftime("%H%M%S")
    fields = [
        issue.listing.code,
        hour,
        price,
        sign(change, at_upper=price == issue.upper, at_lower=price == issue.lower),
        change,
        percent(change, issue.base),
        f"{issue.value / max(1, issue.volume):.2f}",
        issue.open,
        issue.high,
        issue.low,
        asks[0].price if asks else 0,
        bids[0].price if bids else 0,
        quantity,
        issue.volume,
        issue.value,
        counts.sells,
        counts.buys,
        counts.buys - counts.sells,
        percent(counts.bought, counts.sold),
        counts.sold,
        counts.bought,
        "1" if counts.buying else "5",
        f"{counts.bought / max(1, counts.bought + counts.sold):.2f}",
        percent(issue.volume, issue.usual_volume),
        *_since("090000", price - issue.open),
        *_since(hour, price - issue.high),
        *_since(hour, price - issue.low),
        now.strftime("%Y%m%d"),
        "20",
        flag(issue.halted),
        asks[0].quantity if asks else 0,
        bids[0].quantity if bids else 0,
        sum(level.quantity for level in asks),
        sum(level.quantity for level in bids),
        percent(issue.volume, issue.shares),
        0,
        "0.00",
        "0",
        "",
        issue.base,
        "2",
    ]
    return _joined(fields)


def book(issue: Issue, levels: MatchingBook, now: datetime) -> str:
    """An order book, 63 fields, without an expected match, in whose place KIS sends leftover values."""
    asks, bids = levels.levels(OrderSide.SELL), levels.levels(OrderSide.BUY)
    short = [(side, _DEPTH - len(side)) for side in (asks, bids)]
    columns = [[*(level.price for level in side), *[0] * missing] for side, missing in short]
    columns += [[*(level.quantity for level in side), *[0] * missing] for side, missing in short]
    fields = [
        issue.listing.code,
        now.strftime("%H%M%S"),
        "0",
        *(number for column in columns for number in column),
        sum(level.quantity for level in asks),
        sum(level.quantity for level in bids),
        *(0, 0, 0, 0, 0),
        -issue.base,
        "5",
        "-100.00",
        issue.volume,
        *(0, 0, 0, 0, 0),
        *(0, 0, 0),
        "2",
    ]
    return _joined(fields)


def notice(update: OrderUpdate, login: str, account: str, count: int) -> str:
    """A fill notice, of 23 or 26 fields."""
    order = update.order
    filled = update.kind is UpdateKind.FILLED
    short = count == FIELDS["notice"][0]
    head = [
        login,
        account.replace("-", ""),
        order.number,
        order.original,
        "02" if order.side is OrderSide.BUY else "01",
        "0" if filled else _ACTIONS[order.action],
        order.kind.value,
        _CONDITIONS[order.kind.condition],
        order.code,
        f"{update.quantity:010d}" if short else update.quantity,
        f"{update.price:09d}" if short else update.price,
        update.at.strftime("%H%M%S"),
        "0",
        "2" if filled else "1",
        _STAGES[update.kind],
        order.branch,
        f"{order.quantity:09d}" if short else order.quantity,
        _HOLDER,
    ]
    tail = ["1Y", "10", "", order.name, f"{order.price:09d}"]
    if not short:
        tail = ["0", "1", "Y", "", "10", "", order.name, str(order.price)]
    return _joined([*head, *tail])


def truncated(record: str, count: int) -> str:
    """The first fields of a record, as before KIS appended others."""
    return "^".join(record.split("^")[:count])


def _since(hour: str, change: int) -> tuple[str, str, int]:
    return hour, sign(change), change


def _joined(fields: Iterable[object]) -> str:
    return "^".join(str(field) for field in fields)
