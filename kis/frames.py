"""The websocket's frames, and the trades, order books and fill notices in them.

A system frame is JSON; a data frame is `flag|TR id|count|record^record^...` without a separator between records: the
fields of a record are all fields divided by the count. KIS appends fields without notice (trades grew from 46 to 47
and order books from 59 to 63 on 2026-09-14), so only missing ones are an error.
"""

from __future__ import annotations

import json
from datetime import datetime  # noqa: TC003 - pydantic reads the annotations at run time
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, ValidationError

from kis.endpoints import Env
from kis.error_codes import code_of, message_of
from kis.errors import BadAnswer
from kis.fields import Code, Count, Day, KindCode, Model, OrderNo, Ratio, Side, SideCode, Text, Won, Yes, alias, whole
from kis.models.quotes import Level, levels
from kis.responses import decoded

TRADES = "H0STCNT0"
BOOKS = "H0STASP0"
NOTICES = {Env.REAL: "H0STCNI0", Env.PAPER: "H0STCNI9"}

_HEARTBEAT = "PINGPONG"
_DEPTH = 10
_MAX_RECORDS = 999  # KIS writes the count in three digits
_MAX_SYSTEM = 10_000  # characters of a system frame

# Positions of the fields that are read (KIS portal, the table of each TR).
_TRADE = {
    "MKSC_SHRN_ISCD": 0,
    "STCK_CNTG_HOUR": 1,
    "STCK_PRPR": 2,
    "PRDY_VRSS": 4,
    "PRDY_CTRT": 5,
    "STCK_OPRC": 7,
    "STCK_HGPR": 8,
    "STCK_LWPR": 9,
    "ASKP1": 10,
    "BIDP1": 11,
    "CNTG_VOL": 12,
    "ACML_VOL": 13,
    "ACML_TR_PBMN": 14,
    "CTTR": 18,
    "CCLD_DVSN": 21,
    "BSOP_DATE": 33,
    "TRHT_YN": 35,
    "MARKET_CLS_CODE": 46,
}
_MIN_TRADE = 46
_BOOK = {
    "MKSC_SHRN_ISCD": 0,
    "BSOP_HOUR": 1,
    "TOTAL_ASKP_RSQN": 43,
    "TOTAL_BIDP_RSQN": 44,
    "ANTC_CNPR": 47,
    "ANTC_CNQN": 48,
    "MID_PRC": 59,
    "MARKET_CLS_CODE": 62,
}
_MIN_BOOK = 59
_ASKS, _BIDS, _SIZES = 3, 13, 20
_NOTICE = {
    "ACNT_NO": 1,
    "ODER_NO": 2,
    "OODER_NO": 3,
    "SELN_BYOV_CLS": 4,
    "RCTF_CLS": 5,
    "ODER_KIND": 6,
    "STCK_SHRN_ISCD": 8,
    "CNTG_QTY": 9,
    "CNTG_UNPR": 10,
    "STCK_CNTG_HOUR": 11,
    "RFUS_YN": 12,
    "CNTG_YN": 13,
    "ACPT_YN": 14,
    "BRNC_NO": 15,
    "ODER_QTY": 16,
}
_MIN_NOTICE = 18
_SHORT_NOTICE = 23
_LONG_NOTICE = 26
# Paper's short notice joins venue and popup. At another length only the common part is certain.
_NOTICE_TAILS = {_SHORT_NOTICE: {"CNTG_ISNM40": 21, "ODER_PRC": 22}, _LONG_NOTICE: {"CNTG_ISNM40": 24, "ODER_PRC": 25}}


# --- frames -----------------------------------------------------------------------------------------------


class Heartbeat(NamedTuple):
    """KIS's heartbeat; the reply is the same text."""

    text: str


class ControlReply(NamedTuple):
    """KIS's answer to a registration, or a message about the connection.

    Attributes:
        code: such as "OPSP0000", "" if there is none.
        key: the 32 characters that notices of this TR are encrypted with from now on, or "".
        iv: the 16 characters of its initialisation vector.
    """

    tr_id: str
    tr_key: str
    code: str
    message: str
    key: str = ""
    iv: str = ""


class Data(NamedTuple):
    """Records of one TR, still encrypted if `encrypted`."""

    tr_id: str
    records: int
    payload: str
    encrypted: bool


def subscription(approval_key: str, tr_id: str, tr_key: str, *, register: bool) -> str:
    """The frame that registers for one TR and key, or ends the registration (KIS portal: `tr_type` 1 and 2)."""
    header = {
        "approval_key": approval_key,
        "custtype": "P",
        "tr_type": "1" if register else "2",
        "content-type": "utf-8",
    }
    return json.dumps({"header": header, "body": {"input": {"tr_id": tr_id, "tr_key": tr_key}}})


def read_frame(frame: str | bytes) -> Heartbeat | ControlReply | Data:
    """Reads a frame; raises `BadAnswer` if it is not as KIS documents."""
    try:
        text = frame.decode() if isinstance(frame, bytes) else frame
        return _data(text) if text[:2] in {"0|", "1|"} else _system(text)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as failure:
        raise _unreadable("frame", type(failure).__name__) from None


def _data(text: str) -> Data:
    flag, tr_id, records, payload = text.split("|", 3)
    number = whole(records)
    if not 0 < number <= _MAX_RECORDS:
        raise ValueError(number)
    return Data(tr_id, number, payload, flag == "1")


def _system(text: str) -> Heartbeat | ControlReply:
    read = decoded(text.encode()) if len(text) <= _MAX_SYSTEM else None
    if read is None:
        raise ValueError("no JSON object")
    header = read["header"]
    if header["tr_id"] == _HEARTBEAT:
        return Heartbeat(text)
    body = read["body"]
    output = body.get("output") or {}
    code, message = code_of(body) or "", message_of(body)
    names = (header["tr_id"], header.get("tr_key"), code, message, output.get("key"), output.get("iv"))
    return ControlReply(*("" if one is None else str(one).strip() for one in names))


# --- records ----------------------------------------------------------------------------------------------


def _taker(value: object) -> object:
    return {"1": Side.BUY, "5": Side.SELL}.get(value.strip()) if isinstance(value, str) else value


def _blank_is_none(value: object) -> object:
    return (whole(value) or None) if isinstance(value, str) else value


class Trade(Model):
    """One trade on KRX (KIS portal, 국내주식 실시간체결가).

    Prices in won; `volume` and `value` are shares and won since the open. `taker` is the aggressor's side, None if
    the exchange names none. `strength` is 체결강도 in percent. `phase` is MARKET_CLS_CODE
    ("1" before, "2" regular, "3" after, "5" closed), "" from before 2026-09-14. `at` is when we received it.
    """

    code: Code = alias("MKSC_SHRN_ISCD")
    day: Day = alias("BSOP_DATE")
    time: Text = alias("STCK_CNTG_HOUR")
    price: Count = alias("STCK_PRPR")
    quantity: Count = alias("CNTG_VOL")
    taker: Annotated[Side | None, BeforeValidator(_taker)] = alias("CCLD_DVSN")
    change: Won = alias("PRDY_VRSS")
    change_rate: Ratio = alias("PRDY_CTRT")
    open: Count = alias("STCK_OPRC")
    high: Count = alias("STCK_HGPR")
    low: Count = alias("STCK_LWPR")
    ask: Count = alias("ASKP1")
    bid: Count = alias("BIDP1")
    volume: Count = alias("ACML_VOL")
    value: Count = alias("ACML_TR_PBMN")
    strength: Ratio = alias("CTTR")
    halted: Yes = alias("TRHT_YN")
    phase: Text = alias("MARKET_CLS_CODE", default="")
    at: datetime


class BookUpdate(Model):
    """The ten best prices of either side on KRX (KIS portal, 국내주식 실시간호가), levels without a price left out.

    The expected match is None outside auctions. `middle` is the mid price, None from before 2026-09-14.
    """

    code: Code = alias("MKSC_SHRN_ISCD")
    time: Text = alias("BSOP_HOUR")
    asks: tuple[Level, ...]
    bids: tuple[Level, ...]
    total_ask: Count = alias("TOTAL_ASKP_RSQN")
    total_bid: Count = alias("TOTAL_BIDP_RSQN")
    expected_price: Annotated[int | None, BeforeValidator(_blank_is_none)] = alias("ANTC_CNPR")
    expected_quantity: Count = alias("ANTC_CNQN")
    middle: Ratio | None = alias("MID_PRC", default=None)
    phase: Text = alias("MARKET_CLS_CODE", default="")
    at: datetime


class NoticeKind(StrEnum):
    """What happened to an order."""

    ACCEPTED = "accepted"
    FILLED = "filled"
    REJECTED = "rejected"
    REVISED = "revised"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"
    """The unfilled rest of an IOC or FOK order is cancelled."""


class FillNotice(Model):
    """One event of an order of the account (KIS portal, 국내주식 실시간체결통보).

    It has no fill number and no cumulative quantity: a lost or repeated notice shows only in the order list. `quantity`
    and `price` are those of the fill; in other notices they are the order's, with price 0 for a market order.
    `order_price` is None if the notice is too short. Times are HHMMSS (KST).
    """

    kind: NoticeKind
    account: Text = Field(validation_alias="ACNT_NO", repr=False)
    order_no: OrderNo = alias("ODER_NO")
    original_no: OrderNo = alias("OODER_NO", default="")
    branch: Text = alias("BRNC_NO")
    side: SideCode = alias("SELN_BYOV_CLS")
    order_kind: KindCode = alias("ODER_KIND")
    code: Code = alias("STCK_SHRN_ISCD")
    name: Text = alias("CNTG_ISNM40", default="")
    quantity: Count = alias("CNTG_QTY")
    price: Count = alias("CNTG_UNPR")
    order_quantity: Count = alias("ODER_QTY")
    order_price: Count | None = alias("ODER_PRC", default=None)
    time: Text = alias("STCK_CNTG_HOUR")
    at: datetime


Record = Trade | BookUpdate | FillNotice


def read_records(tr_id: str, count: int, payload: str, at: datetime) -> tuple[Record, ...]:
    """The records of a data frame of one TR, received `at` (KST); the payload is decrypted.

    Raises `BadAnswer`, whose text holds no field, if they do not divide evenly or are not what KIS documents.
    """
    try:
        return tuple(_record(tr_id, fields, at) for fields in _split(payload, count))
    except ValidationError as failure:
        what = failure.errors(include_input=False, include_url=False)[0]
        raise _unreadable(tr_id, f"{what['loc'][0] if what['loc'] else 'record'}: {what['type']}") from None
    except (ValueError, LookupError, TypeError, ArithmeticError) as failure:
        raise _unreadable(tr_id, type(failure).__name__) from None


def _split(payload: str, count: int) -> list[list[str]]:
    fields = payload.split("^")
    width, left = divmod(len(fields), count)
    if left:
        raise ValueError(len(fields))
    return [fields[start : start + width] for start in range(0, len(fields), width)] if width else []


def _record(tr_id: str, fields: list[str], at: datetime) -> Record:
    if tr_id == TRADES:
        return Trade.model_validate(_named(_TRADE, fields, _MIN_TRADE) | {"at": at})
    if tr_id == BOOKS:
        named = _named(_BOOK, fields, _MIN_BOOK)
        sides = {"asks": _levels(fields, _ASKS), "bids": _levels(fields, _BIDS)}
        return BookUpdate.model_validate(named | sides | {"at": at})
    if tr_id in NOTICES.values():
        named = _named(_NOTICE | _NOTICE_TAILS.get(min(len(fields), _LONG_NOTICE), {}), fields, _MIN_NOTICE)
        return FillNotice.model_validate(named | {"kind": _kind(named), "at": at})
    raise ValueError(tr_id)


def _named(places: dict[str, int], fields: list[str], least: int) -> dict[str, Any]:
    if len(fields) < least:
        raise ValueError(len(fields))
    return {name: fields[place] for name, place in places.items() if place < len(fields)}


def _levels(fields: list[str], start: int) -> tuple[Level, ...]:
    return levels((fields[place], fields[place + _SIZES]) for place in range(start, start + _DEPTH))


def _kind(named: dict[str, Any]) -> NoticeKind:
    filled, refused, change, stage = (named[name].strip() for name in ("CNTG_YN", "RFUS_YN", "RCTF_CLS", "ACPT_YN"))
    if filled == "2":
        return NoticeKind.FILLED
    if filled != "1" or refused not in {"0", "1", ""}:
        raise ValueError(len(filled))
    if refused == "1":
        return NoticeKind.REJECTED
    if stage == "3":
        return NoticeKind.LAPSED
    if stage == "2" and change in {"1", "2"}:
        return NoticeKind.REVISED if change == "1" else NoticeKind.CANCELLED
    return NoticeKind.ACCEPTED


def _unreadable(tr_id: str, reason: str) -> BadAnswer:
    known = tr_id if tr_id in {TRADES, BOOKS, *NOTICES.values()} else "frame"
    return BadAnswer(f"{known} cannot be read ({reason})", endpoint="websocket")
