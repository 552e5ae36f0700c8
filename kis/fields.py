"""The field types of KIS answers, and how each is read from its text.

KIS sends every number as text: blank, padded, signed, with thousands separators or a zero fraction, all of which is
read. Anything else makes the whole answer invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache, partial
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

_log = structlog.get_logger(__name__)
_logged_codes: set[tuple[str, str]] = set()
_MAX_LOGGED_CODES = 1_000
_MAX_DIGITS = 30
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


def whole(value: object) -> object:
    """A whole number from KIS's text, else `ValueError`; other types are left to pydantic."""
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        number = decimal(value)
        if number != number.to_integral_value():
            raise ValueError("a whole number was expected") from None
        return int(number)


def decimal(value: object) -> Decimal:
    """A finite decimal number from KIS's text, else `ValueError`; blank is zero."""
    text = str(value).strip().replace(",", "")
    try:
        number = Decimal(text or 0)
    except InvalidOperation:
        raise ValueError("a number was expected") from None
    # A number with a nine-digit exponent takes minutes to write out.
    if not number.is_finite() or number.adjusted() > _MAX_DIGITS:
        raise ValueError("a finite number was expected")
    return number


def _read_by(read: Callable[[str], object]) -> BeforeValidator:
    """Reads KIS's text; values of our own types, the members of an enum included, are left to pydantic."""

    def validate(value: object) -> object:
        return read(value) if isinstance(value, str) and not isinstance(value, StrEnum) else value

    return BeforeValidator(validate)


@lru_cache(maxsize=64)  # a list covers few days
def _day(text: str) -> date:
    return datetime.strptime(text.strip(), "%Y%m%d").date()  # noqa: DTZ007 - a calendar day has no zone


def _yes(text: str) -> bool:
    return text.strip().upper() == "Y"


def _interrupted(text: str) -> bool:
    return text.strip().upper() not in {"", "N", "0"}


def count(value: object) -> int:
    """A whole number from KIS's text that is not negative, else `ValueError`."""
    number = whole(value)
    if not isinstance(number, int) or number < 0:
        raise ValueError("a count was expected")
    return number


def padded(order_no: str) -> str:
    """An order number in ten digits (paper leaves the leading zeros out); "" if there is none."""
    bare = order_no.strip().lstrip("0")
    return bare.zfill(10) if bare else ""


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
Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
OrderNo = Annotated[str, AfterValidator(padded)]
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
