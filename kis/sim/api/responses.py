"""Responses: envelopes, refusals, and numbers in KIS's format (text, won without separators, rounded half up)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any

MESSAGE_WIDTH = 80
_UP, _FLAT, _DOWN, _LIMIT_UP, _LIMIT_DOWN = "2", "3", "5", "1", "4"


@dataclass(slots=True)
class SimResponse:
    """A response: a JSON body, or raw bytes of another type."""

    body: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    tr_cont: str = ""
    raw: bytes | None = None
    content_type: str = "application/json; charset=utf-8"


class ApiRefusal(Exception):
    """Raised to refuse a request: nothing was done."""

    def __init__(self, body: dict[str, Any], status: int = 200) -> None:
        super().__init__(str(body))
        self.answer = SimResponse(body, status)


def business(code: str, message: str, rt_cd: str) -> ApiRefusal:
    """A refusal by the ledger or the quotation service."""
    return ApiRefusal({"rt_cd": rt_cd, "msg_cd": code, "msg1": message})


def gateway(code: str, message: str) -> ApiRefusal:
    """A refusal by the gateway: HTTP 500 with the usual envelope."""
    return ApiRefusal({"rt_cd": "1", "msg_cd": code, "msg1": message}, 500)


def credentials(code: str, message: str) -> ApiRefusal:
    """A refusal by the token service, in its own envelope."""
    return ApiRefusal({"error_description": message, "error_code": code}, 403)


def invalid_field(name: str) -> ApiRefusal:
    """A refusal of a query because of the value of a field."""
    return business("OPSQ2002", f"ERROR : INPUT INVALID FIELD [{name}]", "2")


def invalid_market() -> ApiRefusal:
    """A refusal of a query for a market that the call does not serve."""
    return business("OPSQ2001", "ERROR INVALID FID_COND_MRKT_DIV_CODE", "2")


def malformed() -> ApiRefusal:
    """A refusal by the gateway because an order's body is incomplete."""
    return gateway("IGW00007", "MCA 전문바디 구성 중 오류가 발생하였습니다.")


def throttled() -> ApiRefusal:
    """Over the gateway's limit: the code is under `message`, without `msg_cd`."""
    body = {"rt_cd": "1", "msg1": "초당 거래건수를 초과하였습니다.", "message": "EGW00201"}
    return ApiRefusal(body, 500)


def ledger_throttled() -> ApiRefusal:
    """Over the ledger's own limit."""
    return gateway("EGW00215", "원장에서 허용 가능한 초당 거래건수를 초과하였습니다.")


def padded(message: str) -> str:
    """A ledger's message, padded to its column."""
    return message.ljust(MESSAGE_WIDTH)


QUOTED = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}
"""The envelope of a successful quotation, real and paper."""


# --- numbers ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def decimals(number: Fraction | Decimal | float, places: int = 2) -> str:
    """A number with a fixed number of decimals, rounded half up."""
    exact = Fraction(number)
    with localcontext() as context:
        context.prec = 50
        value = Decimal(exact.numerator) / Decimal(exact.denominator)
        # Adding 0 turns a negative zero positive; "f" keeps small zeros from being written as 0E-8.
        return format(value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0, "f")


@lru_cache(maxsize=4096)
def percent(part: float, whole: float, places: int = 2) -> str:
    """`part` of `whole` in percent; 0 of nothing."""
    if not whole:
        return decimals(0, places)
    return decimals(Fraction(part) * 100 / Fraction(whole), places)


def sign(change: float, *, at_upper: bool = False, at_lower: bool = False) -> str:
    """`prdy_vrss_sign` of a signed change."""
    if change > 0:
        return _LIMIT_UP if at_upper else _UP
    if change < 0:
        return _LIMIT_DOWN if at_lower else _DOWN
    return _FLAT


def flag(on: bool) -> str:
    """Y or N."""
    return "Y" if on else "N"
