"""The field types of KIS answers, and how each is read from its text.

KIS sends every number as text: blank, padded, signed, with thousands separators or a zero fraction, all of which is
read, up to `MAX_VALUE`. Anything else makes the value invalid that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache, partial
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

_log = structlog.get_logger(__name__)
_logged_codes: set[tuple[str, str]] = set()
_MAX_LOGGED_CODES = 1_000
MAX_VALUE = 10**15
"""Won or shares: more than the whole exchange trades in a week, and any sum of them fits SQLite's integers."""
_MAX_PLAIN_DIGITS, _MAX_NUMBER = 15, 40  # characters of numbers below it, and of any
_NUMBER = re.compile(r"[+-]?(?=\.?[0-9])(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.[0-9]*)?")
_ORDER_NO = re.compile(r"[0-9]{0,10}")
_BRANCH = re.compile(r"[0-9]{0,5}")
_DAY = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"[0-9]{6}")
_CODE = re.compile(r"[0-9A-Za-z-]{1,12}")
MAX_NAME, MAX_MESSAGE = 100, 500
"""Characters of KIS's names and messages that are kept."""
_E = TypeVar("_E", bound=StrEnum)
Row = Mapping[str, Any]
"""An object of KIS's JSON."""


class Model(BaseModel):
    """A frozen value, read from KIS's names with `model_validate` or built with ours."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Side(StrEnum):
    """Buy or sell."""

    BUY = "buy"
    SELL = "sell"


class OrderKind(StrEnum):
    """The order types this client sends; OTHER is any type sent by another program."""

    LIMIT = "limit"
    MARKET = "market"
    OTHER = "other"


class StockStatus(StrEnum):
    """How the exchange treats a stock (KIS `iscd_stat_cls_code`)."""

    ORDINARY = "ordinary"
    MANAGED = "managed"
    RISK = "risk"
    WARNING = "warning"
    CAUTION = "caution"
    CREDIT = "credit"
    FULL_MARGIN = "full_margin"
    HALTED = "halted"
    OVERHEATED = "overheated"
    UNKNOWN = "unknown"


class MarketWarning(StrEnum):
    """The exchange's warning on a stock (KIS `mrkt_warn_cls_code`)."""

    NONE = "none"
    CAUTION = "caution"
    WARNING = "warning"
    RISK = "risk"
    UNKNOWN = "unknown"


_SIDES = {"01": Side.SELL, "02": Side.BUY}
_KINDS = {"00": OrderKind.LIMIT, "01": OrderKind.MARKET}
_STATUSES = {
    "00": StockStatus.ORDINARY,
    "51": StockStatus.MANAGED,
    "52": StockStatus.RISK,
    "53": StockStatus.WARNING,
    "54": StockStatus.CAUTION,
    "55": StockStatus.CREDIT,
    "57": StockStatus.FULL_MARGIN,
    "58": StockStatus.HALTED,
    "59": StockStatus.OVERHEATED,
}
_WARNINGS = {
    "00": MarketWarning.NONE,
    "01": MarketWarning.CAUTION,
    "02": MarketWarning.WARNING,
    "03": MarketWarning.RISK,
}


def decimal(value: object) -> Decimal:
    """The one rule for numbers: ASCII digits with a sign and a point at most, up to `MAX_VALUE`, else `ValueError`.

    Thousands may be separated by commas, padding is left out, and blank is zero. Numbers proper are held to it too.
    """
    text = "" if value is None or isinstance(value, bool) else str(value).strip(" ")
    if isinstance(value, str) and not text:
        return Decimal(0)
    if len(text) > _MAX_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError("a number was expected")
    number = Decimal(text.replace(",", ""))
    if abs(number) > MAX_VALUE:
        raise ValueError("the number is too large")
    return number


def whole(value: object) -> int:
    """A whole number by the same rule, else `ValueError`."""
    if isinstance(value, str) and len(value) <= _MAX_PLAIN_DIGITS and value.isascii() and value.isdigit():
        return int(value)
    number = decimal(value)
    if number != number.to_integral_value():
        raise ValueError("a whole number was expected")
    return int(number)


def printable(text: str, most: int = MAX_MESSAGE) -> str:
    """A text as it may be shown and stored: without control characters and lone surrogates, cut at `most`."""
    if text.isprintable():
        return text[:most]
    return "".join(one if one.isprintable() else " " if one.isspace() else "" for one in text[:most]).strip()


def _read_by(read: Callable[[str], object]) -> BeforeValidator:
    """Reads KIS's text; values of our own types, the members of an enum included, are left to pydantic."""

    def validate(value: object) -> object:
        return read(value) if isinstance(value, str) and not isinstance(value, StrEnum) else value

    return BeforeValidator(validate)


@lru_cache(maxsize=64)  # a list covers few days
def _parsed_day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a calendar day has no zone


def _day(text: str) -> date:
    return _parsed_day(_shaped(_DAY, text))


def _shaped(shape: re.Pattern[str], value: object) -> str:
    """A text of a shape, padding left out, else `ValueError`."""
    text = value.strip(" ") if isinstance(value, str) else None
    if text is None or not shape.fullmatch(text):
        raise ValueError("it is not of KIS's shape")
    return text


def _yes(text: str) -> bool:
    return text.strip().upper() == "Y"


def _interrupted(text: str) -> bool:
    return text.strip().upper() not in {"", "N", "0"}


def count(value: object) -> int:
    """A whole number that is not negative, else `ValueError`."""
    number = whole(value)
    if number < 0:
        raise ValueError("a count was expected")
    return number


def order_no(value: object) -> str:
    """An order number in ten digits, "" if there is none, else `ValueError`."""
    return padded(_shaped(_ORDER_NO, value))


def _or_blank(shape: re.Pattern[str], value: object) -> str:
    """A text of a shape, "" if it is anything else: no order depends on it."""
    text = value.strip(" ") if isinstance(value, str) else ""
    return text if shape.fullmatch(text) else ""


branch_or_blank, time_or_blank = partial(_or_blank, _BRANCH), partial(_or_blank, _TIME)  # HHMMSS
code_or_blank = partial(_or_blank, _CODE)


def order_no_or_blank(value: object) -> str:
    """An order number in ten digits, "" if there is none or it is not of KIS's shape."""
    return padded(_or_blank(_ORDER_NO, value))


def padded(order_no: str) -> str:
    """An order number in ten digits (paper leaves the leading zeros out); "" if there is none."""
    bare = order_no.strip().lstrip("0")
    return bare.zfill(10) if bare else ""


def _text(value: object) -> object:
    return printable(value.strip(), MAX_NAME) if isinstance(value, str) else value


def _side(text: str) -> str:
    return _SIDES.get(text, text)


def _kind(text: str) -> OrderKind:
    return _KINDS.get(text.strip(), OrderKind.OTHER)


def _member(table: Mapping[str, _E], unknown: _E, text: str) -> _E:
    member = table.get(text.strip())
    if member is not None:
        return member
    seen = (type(unknown).__name__, text[:20])
    if seen not in _logged_codes and len(_logged_codes) < _MAX_LOGGED_CODES:
        _logged_codes.add(seen)
        _log.warning("unknown_code", kind=seen[0], value=seen[1])
    return unknown


Won = Annotated[int, BeforeValidator(whole)]
Count = Annotated[int, BeforeValidator(whole), Field(ge=0)]
Ratio = Annotated[Decimal, BeforeValidator(decimal)]
Text = Annotated[str, BeforeValidator(_text)]
Code = Annotated[str, BeforeValidator(partial(_shaped, _CODE))]
OrderNo = Annotated[str, BeforeValidator(order_no)]
Branch = Annotated[str, BeforeValidator(partial(_shaped, _BRANCH))]
Time = Annotated[str, BeforeValidator(time_or_blank)]
Day = Annotated[date, _read_by(_day)]
Yes = Annotated[bool, _read_by(_yes)]
Interrupted = Annotated[bool, _read_by(_interrupted)]
SideCode = Annotated[Side, _read_by(_side)]
KindCode = Annotated[OrderKind, _read_by(_kind)]
StatusCode = Annotated[StockStatus, _read_by(partial(_member, _STATUSES, StockStatus.UNKNOWN))]
WarningCode = Annotated[MarketWarning, _read_by(partial(_member, _WARNINGS, MarketWarning.UNKNOWN))]


def alias(*names: str, **options: Any) -> Any:
    """A field read from KIS's name (the first present of several), or from ours."""
    return Field(validation_alias=names[0] if len(names) == 1 else AliasChoices(*names), **options)
