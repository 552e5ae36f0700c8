"""The field types of KIS answers, and how each is read from its text.

KIS sends every number as text: blank, padded, signed, with thousands separators or a zero fraction, all of which is
read. Anything else makes the whole answer invalid.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
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
    """A whole number from KIS's text; other types are left to pydantic.

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
            raise ValueError("a whole number was expected") from None
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
        raise ValueError("a number was expected") from None
    # A number with a nine-digit exponent takes minutes to write out.
    if not number.is_finite() or number.adjusted() > _MAX_DIGITS:
        raise ValueError("a finite number was expected")
    return number


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    return _calendar_day(value.strip())


@lru_cache(maxsize=64)  # a list covers few days
def _calendar_day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a calendar day has no zone


def _yes(value: object) -> object:
    return value.strip().upper() == "Y" if isinstance(value, str) else value


def _interrupted(value: object) -> object:
    return value.strip().upper() not in {"", "N", "0"} if isinstance(value, str) else value


def padded(order_no: str) -> str:
    """An order number in ten digits (paper leaves the leading zeros out); "" if there is none."""
    bare = order_no.strip().lstrip("0")
    return bare.zfill(10) if bare else ""


def _side(value: object) -> object:
    return _SIDES.get(value, value) if isinstance(value, str) else value


def _kind(value: object) -> object:
    if isinstance(value, OrderKind) or not isinstance(value, str):
        return value
    return _KINDS.get(value.strip(), OrderKind.OTHER)


def _looked_up(value: object, table: Mapping[str, _E], unknown: _E) -> object:
    if isinstance(value, StrEnum) or not isinstance(value, str):
        return value
    member = table.get(value.strip())
    if member is not None:
        return member
    seen = (type(unknown).__name__, value[:20])
    if seen not in _logged_codes and len(_logged_codes) < _MAX_LOGGED_CODES:
        _logged_codes.add(seen)
        _log.warning("unknown_code", kind=seen[0], value=seen[1])
    return unknown


def _status(value: object) -> object:
    return _looked_up(value, _STATUSES, StockStatus.UNKNOWN)


def _warning(value: object) -> object:
    return _looked_up(value, _WARNINGS, MarketWarning.UNKNOWN)


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


def alias(*names: str, **options: Any) -> Any:
    """A field read from KIS's name (the first present of several), or from ours."""
    return Field(validation_alias=names[0] if len(names) == 1 else AliasChoices(*names), **options)
