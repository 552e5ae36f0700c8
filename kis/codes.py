"""What KIS's codes mean for the caller.

The code decides, never the HTTP status: KIS refuses with 500 as well as with 200 (measured 2026-09).
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ROWS = "KIOK0560"

_CODE_LIKE = re.compile(r"[A-Z]{3,4}\d{4,5}")
_GATEWAY = ("EGW", "OPSQ", "IGW")
_AUTH_STATUS = frozenset({401, 403})


class Verdict(Enum):
    """What a refusal says about our request, and about whether it was carried out."""

    THROTTLED = auto()  # too fast: not processed
    TOKEN = auto()  # the access token: refused before processing
    SETTING = auto()  # the settings do not fit together
    UNSUPPORTED = auto()  # not offered in this environment
    MALFORMED = auto()  # our request is wrong
    TRANSIENT = auto()  # KIS stumbled: a read may be asked again, a write may have happened
    BUSINESS = auto()  # the ledger or the exchange said no
    OPAQUE = auto()  # none of the above is certain


_THROTTLE = ("EGW00133", "EGW00201", "EGW00215")
_TOKEN = ("EGW00121", "EGW00122", "EGW00123")
_TRANSIENT = (
    "EGW00001",
    "EGW00002",
    "EGW00202",
    "EGW00203",
    "EGW00204",
    "EGW00300",
    "EGW00301",
    "EGW00302",
    "EGW00316",
    "OPSQ0001",
    *(f"OPSQ{n:04}" for n in range(3, 12)),
    "OPSQ1002",
    "OPSQ3001",
    "OPSQ3002",
    "OPSQ3004",
    "IGW00009",  # the answer could not be built, which tells nothing of the order
)
# Codes of success: beside an `rt_cd` that says no they contradict it.
_DONE = ("APBK0013", "40590000", "40600000")
_MALFORMED = (
    "EGW00101",
    *(f"EGW{n:05}" for n in range(106, 121)),
    *(f"EGW{n:05}" for n in range(124, 133)),
    "EGW00205",
    "EGW00208",
    "EGW00209",
    "EGW00211",
    "EGW00212",
    "EGW00213",
    "EGW00310",
    "IGW00007",
    "OPSQ2001",
    "OPSQ2002",
    "OPSQ2003",
    *(f"OPSQ{n}" for n in range(9995, 10000)),
)
_SETTINGS = {
    "EGW00003": "KIS_APP_KEY",
    "EGW00004": "KIS_APP_KEY",
    "EGW00102": "KIS_APP_KEY",
    "EGW00103": "KIS_APP_KEY",
    "EGW00104": "KIS_APP_SECRET",
    "EGW00105": "KIS_APP_SECRET",
    "EGW00206": "KIS_APP_KEY",
    "EGW00207": "KIS_APP_KEY",
    "EGW00210": "KIS_ENV",
    "EGW00303": "KIS_APP_KEY",
    "EGW00304": "KIS_APP_SECRET",
    "EGW02004": "KIS_ENV",
    "IGW00002": "KIS_ACCOUNT",
    "OPSQ2000": "KIS_ACCOUNT",
    "40910000": "KIS_ACCOUNT",
}
_VERDICTS = (
    dict.fromkeys(_THROTTLE, Verdict.THROTTLED)
    | dict.fromkeys(_TOKEN, Verdict.TOKEN)
    | dict.fromkeys(_TRANSIENT, Verdict.TRANSIENT)
    | dict.fromkeys(_MALFORMED, Verdict.MALFORMED)
    | dict.fromkeys(_SETTINGS, Verdict.SETTING)
    | dict.fromkeys(_DONE, Verdict.OPAQUE)
    | dict.fromkeys(("EGW02006", "OPSQ0002"), Verdict.UNSUPPORTED)
)


def said_yes(body: Mapping[str, Any]) -> bool:
    """Whether an answer is a success: `rt_cd` "0", and nothing else is."""
    return str(body.get("rt_cd")).strip() == "0"


def order_no_of(body: Mapping[str, Any]) -> str:
    """The order number an answer to an order bears, "" where it bears none."""
    output = body.get("output")
    if not isinstance(output, dict):
        return ""
    number = output.get("ODNO") or output.get("odno")
    return number.strip().lstrip("0") if isinstance(number, str) else ""


def code_of(body: Mapping[str, Any]) -> str | None:
    """The code of an answer, in whichever of KIS's shapes it comes.

    It stands under `msg_cd`, under `message` (rate refusals lack `msg_cd`), or under `error_code` (oauth2).
    """
    message = body.get("message")
    code = body.get("msg_cd")
    if not code and isinstance(message, str) and _CODE_LIKE.fullmatch(message):
        code = message
    code = code or body.get("error_code")
    return code.strip() if isinstance(code, str) and code.strip() else None


def message_of(body: Mapping[str, Any]) -> str:
    """KIS's own words, "" where it has none; it pads them with blanks."""
    for name in ("msg1", "error_description", "message"):
        words = body.get(name)
        if isinstance(words, str) and words.strip():
            return words.strip()
    return ""


def verdict(code: str | None, *, status: int, answered: bool) -> Verdict:
    """What a refusal means.

    Args:
        code: KIS's code, as `code_of` finds it.
        status: HTTP status; it decides only where the code says nothing.
        answered: whether the answer bears an `rt_cd`, that is comes from behind the gateway.
    """
    known = _VERDICTS.get(code or "")
    if known is not None:
        return known
    if code is None or code.startswith(_GATEWAY) or not answered:
        return Verdict.TOKEN if status in _AUTH_STATUS else Verdict.OPAQUE
    return Verdict.BUSINESS


def setting_of(code: str | None) -> str:
    """The setting a code of verdict SETTING points at."""
    return _SETTINGS.get(code or "", "KIS_APP_KEY")
