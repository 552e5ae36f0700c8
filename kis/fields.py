"""The kinds of field KIS answers consist of, and how each is read from its text.

KIS sends every number as text: blank, padded, signed, with thousands separators or a needless fraction, all
of which is read. Anything else makes the whole answer invalid: a price half understood is no price.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import structlog
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, StringConstraints

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = structlog.get_logger(__name__)
_told: set[tuple[str, str]] = set()
_TOLD_AT_MOST = 1_000
_MOST_DIGITS = 30
_E = TypeVar("_E", bound=StrEnum)


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "buy"
    SELL = "sell"


class OrderKind(StrEnum):
    """The order types this program sends; OTHER is any type another program may have sent."""

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
    """A whole number from KIS's text; what is no text is left to pydantic.

    Raises:
        ValueError: the text is no number, or has a fraction.
    """
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        number = decimal(value)
        if number != number.to_integral_value():
            msg = "a whole number was expected"
            raise ValueError(msg) from None
        return int(number)


def decimal(value: object) -> Decimal:
    """A decimal number from KIS's text; blank is zero.

    Raises:
        ValueError: the text is no finite number.
    """
    text = str(value).strip().replace(",", "")
    try:
        number = Decimal(text or 0)
    except InvalidOperation:
        msg = "a number was expected"
        raise ValueError(msg) from None
    # An exponent of nine digits is a number too, and takes minutes to write out.
    if not number.is_finite() or number.adjusted() > _MOST_DIGITS:
        msg = "a finite number was expected"
        raise ValueError(msg)
    return number


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    return _calendar_day(value.strip())


@lru_cache(maxsize=64)  # the rows of a list are of few days
def _calendar_day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a calendar day has no zone


def _yes(value: object) -> object:
    return value.strip().upper() == "Y" if isinstance(value, str) else value


def _interrupted(value: object) -> object:
    return value.strip().upper() not in {"", "N", "0"} if isinstance(value, str) else value


def padded(order_no: str) -> str:
    """An order number in ten digits, as paper leaves the leading zeros out; "" where there is none."""
    bare = order_no.strip().lstrip("0")
    return bare.zfill(10) if bare else ""


def _side(value: object) -> object:
    return _SIDES.get(value, value) if isinstance(value, str) else value


def _kind(value: object) -> object:
    if isinstance(value, OrderKind) or not isinstance(value, str):
        return value
    return _KINDS.get(value.strip(), OrderKind.OTHER)


def _known(value: object, table: Mapping[str, _E], unknown: _E) -> object:
    if isinstance(value, StrEnum) or not isinstance(value, str):
        return value
    member = table.get(value.strip())
    if member is not None:
        return member
    seen = (type(unknown).__name__, value[:20])
    if seen not in _told and len(_told) < _TOLD_AT_MOST:
        _told.add(seen)
        _log.warning("unknown_code", kind=seen[0], value=seen[1])
    return unknown


def _status(value: object) -> object:
    return _known(value, _STATUSES, StockStatus.UNKNOWN)


def _warning(value: object) -> object:
    return _known(value, _WARNINGS, MarketWarning.UNKNOWN)


Won = Annotated[int, BeforeValidator(whole)]
Count = Annotated[int, BeforeValidator(whole), Field(ge=0)]
Ratio = Annotated[Decimal, BeforeValidator(decimal)]
Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
OrderNo = Annotated[str, AfterValidator(padded)]
Day = Annotated[date, BeforeValidator(_day)]
Yes = Annotated[bool, BeforeValidator(_yes)]
Interrupted = Annotated[bool, BeforeValidator(_interrupted)]
SideCode = Annotated[Side, BeforeValidator(_side)]
KindCode = Annotated[OrderKind, BeforeValidator(_kind)]
StatusCode = Annotated[StockStatus, BeforeValidator(_status)]
WarningCode = Annotated[MarketWarning, BeforeValidator(_warning)]


def wire(*names: str, **options: Any) -> Any:
    """The KIS name (or names, the first present wins) a field is read from; our own name works as well."""
    return Field(validation_alias=names[0] if len(names) == 1 else AliasChoices(*names), **options)
