"""KIS's error codes and what they mean for a request.

The code decides, never the HTTP status: KIS refuses with 500 as well as with 200 (measured 2026-09).
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from kis.fields import order_no_or_blank, printable

if TYPE_CHECKING:
    from collections.abc import Mapping


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


NO_ROWS = "KIOK0560"
LEDGER_THROTTLE = "EGW00215"
TOKEN_THROTTLE = "EGW00133"  # noqa: S105 - a code of KIS, no password
TIMED_OUT = _codes("EGW00301 EGW00302")
"""KIS's gateway got no answer from the backend, and tells the customer to check whether the order is in."""
CONFIRMED_REFUSALS = _codes(
    "APBK0344 APBK0400 APBK0406 APBK0506 APBK0656 APBK0918 APBK0919 APBK0927 APBK0952 APBK0963 APBK1234 APBK1359 "
    "APBK1497 APBK1744 APBK1943 APBK3013 "
    "40030000 40070000 40100000 40240000 40250000 40320000 40330000 40570000 40580000"
)
"""Refusals by the ledger or the exchange after which nothing can have happened.

Most are from captured answers. APBK1234, APBK1497, APBK1744, 40240000 and 40250000 are known from other programs'
tables only, APBK0344, APBK0406 and 40320000 from texts that agree; all of them concern orders that cannot exist (no
means, no such stock, not allowed). A code in doubt is left out: it costs two reads of the order list.
"""

_CODE_LIKE = re.compile(r"[A-Z]{3,4}\d{4,5}")
_CODE = re.compile(r"[\x21-\x7e]{1,16}")
_GATEWAY = ("EGW", "OPSQ", "IGW")
_AUTH_STATUS = frozenset({401, 403})
_ORDER_NO_FIELDS = frozenset({"ODNO", "SOR_ODNO"})


class ErrorMeaning(Enum):
    """What a refusal says about the request, and whether it was carried out."""

    THROTTLED = auto()  # too fast: not processed
    TOKEN = auto()  # the access token: refused before processing
    SETTING = auto()  # the settings do not fit together
    UNSUPPORTED = auto()  # not offered in this environment
    MALFORMED = auto()  # our request is wrong
    TRANSIENT = auto()  # temporary failure: a read may be repeated, a write may have happened
    BUSINESS = auto()  # the ledger or the exchange said no
    OPAQUE = auto()  # none of the above is certain


_SETTINGS = {
    "KIS_APP_KEY": _codes("EGW00003 EGW00004 EGW00102 EGW00103 EGW00206 EGW00207 EGW00303"),
    "KIS_APP_SECRET": _codes("EGW00104 EGW00105 EGW00304"),
    "KIS_ENV": _codes("EGW00210 EGW02004"),
    "KIS_ACCOUNT": _codes("IGW00002 OPSQ2000 40910000"),
}
_SETTING_OF = {code: setting for setting, codes in _SETTINGS.items() for code in codes}
_CODES_OF = {
    ErrorMeaning.THROTTLED: {TOKEN_THROTTLE, "EGW00201", LEDGER_THROTTLE},
    ErrorMeaning.TOKEN: _codes("EGW00121 EGW00122 EGW00123"),
    # IGW00009: the answer could not be built, which says nothing about the order.
    ErrorMeaning.TRANSIENT: TIMED_OUT
    | _codes("EGW00001 EGW00002 EGW00202 EGW00203 EGW00204 EGW00300 EGW00316 IGW00009")
    | _codes("OPSQ0001 OPSQ1002 OPSQ3001 OPSQ3002 OPSQ3004")
    | {f"OPSQ{n:04}" for n in range(3, 12)},
    ErrorMeaning.MALFORMED: _codes("EGW00101 EGW00205 EGW00208 EGW00209 EGW00211 EGW00212 EGW00213 EGW00310")
    | _codes("IGW00007 OPSQ2001 OPSQ2002 OPSQ2003")
    | {f"EGW{n:05}" for n in (*range(106, 121), *range(124, 133))}
    | {f"OPSQ{n}" for n in range(9995, 10000)},
    ErrorMeaning.SETTING: _SETTING_OF.keys(),
    # Codes of success: with an `rt_cd` of failure they contradict it.
    ErrorMeaning.OPAQUE: _codes("APBK0013 APBK2938 40590000 40600000 40620000 40630000"),
    ErrorMeaning.UNSUPPORTED: _codes("EGW02006 OPSQ0002"),
}
_MEANINGS = {code: meaning for meaning, codes in _CODES_OF.items() for code in codes}


def is_success(body: Mapping[str, Any]) -> bool:
    """Whether an answer is a success: `rt_cd` "0", and nothing else is."""
    rt_cd = body.get("rt_cd")
    return rt_cd.strip() == "0" if isinstance(rt_cd, str) else type(rt_cd) is int and rt_cd == 0


def has_envelope(body: Mapping[str, Any]) -> bool:
    """Whether an answer has KIS's whole envelope, `rt_cd` and `msg_cd`."""
    code = body.get("msg_cd")
    return isinstance(body.get("rt_cd"), str | int) and isinstance(code, str) and bool(code.strip())


def order_no_of(body: Mapping[str, Any]) -> str:
    """The order number in the answer to an order, in ten digits; "" if there is none of KIS's shape."""
    output = body.get("output")
    if not isinstance(output, dict):
        return ""
    return order_no_or_blank(output.get("ODNO") or output.get("odno"))


def may_hold_order_no(body: Mapping[str, Any]) -> bool:
    """Whether an answer holds anything that may be an order number: a refusal with one proves nothing."""
    output = body.get("output")
    return any(
        name.upper() in _ORDER_NO_FIELDS and (value.strip(" 0") if isinstance(value, str) else value)
        for row in (output if isinstance(output, list) else [output])
        if isinstance(row, dict)
        for name, value in row.items()
    )


def code_of(body: Mapping[str, Any]) -> str | None:
    """The code of an answer, in any of KIS's formats.

    It is found under `msg_cd`, under `message` (rate refusals lack `msg_cd`), or under `error_code` (oauth2).
    """
    message = body.get("message")
    code = body.get("msg_cd")
    if not code and isinstance(message, str) and _CODE_LIKE.fullmatch(message):
        code = message
    code = code or body.get("error_code")
    code = code.strip() if isinstance(code, str) else ""
    return code if _CODE.fullmatch(code) else None


def message_of(body: Mapping[str, Any]) -> str:
    """KIS's message as it may be shown, "" if there is none."""
    for name in ("msg1", "error_description", "message"):
        text = body.get(name)
        if isinstance(text, str) and text.strip():
            return printable(text.strip())
    return ""


def known_meaning(code: str) -> ErrorMeaning | None:
    """The meaning of a code that is the same for every call, else None."""
    return _MEANINGS.get(code)


def meaning_of(code: str | None, *, status: int, answered: bool) -> ErrorMeaning:
    """What a refusal means; the HTTP status decides only if the code does not.

    `answered` tells whether the answer has an `rt_cd`, that is, comes from behind the gateway.
    """
    known = _MEANINGS.get(code or "")
    if known is not None:
        return known
    if code is None or code.startswith(_GATEWAY) or not answered:
        return ErrorMeaning.TOKEN if status in _AUTH_STATUS else ErrorMeaning.OPAQUE
    return ErrorMeaning.BUSINESS


def setting_of(code: str | None) -> str:
    """The setting that a code of meaning SETTING points at."""
    return _SETTING_OF.get(code or "", "KIS_APP_KEY")
