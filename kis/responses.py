"""Request headers, and what an answer means: a response, a receipt of a write, or an error."""

from __future__ import annotations

import json
import statistics
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kis.error_codes import (
    LEDGER_THROTTLE,
    TOKEN_THROTTLE,
    ErrorMeaning,
    code_of,
    is_success,
    may_hold_order_no,
    meaning_of,
    message_of,
    order_no_of,
    setting_of,
)
from kis.errors import (
    BadRequest,
    KisError,
    Misconfigured,
    NotSent,
    Refused,
    Throttled,
    TokenRejected,
    Unavailable,
    Unknown,
    Unsupported,
)
from kis.failpoints import at
from kis.fields import branch_or_blank, time_or_blank
from kis.outcome import Outcome, classify
from kis.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kis.config import KisConfig
    from kis.endpoints import Endpoint
    from kis.rate_limit import RateLimiter

HeaderList = list[tuple[bytes, bytes]]

_MAX_MESSAGE = 200
_MAX_CODE = 16
_MAX_ANSWER = 2_000
_MAX_READABLE = 1 << 20  # bytes: even if they are nothing but secrets to mask, `_MAX_ANSWER` characters are left
_MASK = "…"
_MAX_VALUES = 20_000  # of one answer; a page of a hundred orders has five thousand
_MAX_DIGITS = 40
_MAX_OFFSET = 10 * 365 * 86_400.0  # seconds: no moment of ours leaves the calendar by it
# The HTTP status decides for reads only, and only if KIS gives no code.
_BY_STATUS: dict[int, type[KisError]] = {401: TokenRejected, 403: TokenRejected, 429: Throttled}
_BY_MEANING: dict[ErrorMeaning, type[KisError]] = {
    ErrorMeaning.THROTTLED: Throttled,
    ErrorMeaning.TOKEN: TokenRejected,
    ErrorMeaning.MALFORMED: BadRequest,
    ErrorMeaning.BUSINESS: Refused,
}
_BY_OUTCOME: dict[Outcome, type[KisError]] = {
    Outcome.THROTTLED: Throttled,
    Outcome.TOKEN: TokenRejected,
    Outcome.NOT_SENT: NotSent,
}
# Failpoints (`kis.failpoints`) while a write is being sent.
_FAILPOINTS = {"http11.send_request_headers.started": "socket_open", "http11.send_request_body.complete": "all_sent"}


class ApiResponse(NamedTuple):
    """A success: the body, whether more pages follow, when it was received (KST), HTTP status, and bytes."""

    body: dict[str, Any]
    more: bool
    at: datetime
    status: int = 200
    size: int = 0


class Pages(NamedTuple):
    """All rows of a list, and the last page's body."""

    rows: list[dict[str, Any]]
    last: dict[str, Any]
    at: datetime


class Headers:
    """The request headers KIS asks for (KIS portal, the header table of every page)."""

    def __init__(self, app_key: str, app_secret: str) -> None:
        kind = (b"content-type", b"application/json; charset=utf-8")
        agent = (b"user-agent", b"kisbot")
        self.bare: HeaderList = [kind, agent]
        self.keyed: HeaderList = [kind, (b"appkey", app_key.encode()), (b"appsecret", app_secret.encode()), agent]
        self._static = [*self.keyed, (b"custtype", b"P")]

    def full(self, token: str, tr_id: str, *, follow: bool = False, body_hash: str = "") -> HeaderList:
        """The headers of a call with a token; `follow` asks for a following page."""
        headers = [
            *self._static,
            (b"authorization", b"Bearer " + token.encode()),
            (b"tr_id", tr_id.encode()),
            (b"tr_cont", b"N" if follow else b""),
        ]
        if body_hash:
            headers.append((b"hashkey", body_hash.encode()))
        return headers


class Trace:
    """Notes whether a byte of a request left (httpx's `trace` extension)."""

    __slots__ = ("begun", "sent")

    def __init__(self) -> None:
        self.begun = False
        self.sent = False

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Notes one event of the transport; any but connecting counts as sending, unknown ones included."""
        del info
        self.begun = True
        if not event.startswith("connection."):
            self.sent = True
            if event in _FAILPOINTS:
                at(_FAILPOINTS[event])


def decoded(content: bytes) -> dict[str, Any] | None:
    """The JSON object of an answer, or None; also if it says one thing twice or holds more than KIS ever sends."""
    if len(content) > _MAX_VALUES and sum(map(content.count, (b",", b"[", b"{"))) > _MAX_VALUES:
        return None
    try:
        body = _DECODER.decode(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _number(text: str) -> Any:
    if len(text) > _MAX_DIGITS:
        raise ValueError("a number is too long")
    return float(text) if "." in text or "e" in text.lower() else int(text)


def _no_number(text: str) -> Any:
    raise ValueError(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_no_number
)


def clock_offset(dates: Iterable[tuple[str, datetime, datetime]]) -> float:
    """Median of (KIS's `Date` minus the middle of sending and receiving): seconds, ten years at most, 0 for none."""
    offsets = [
        (theirs - (sent + (received - sent) / 2)).total_seconds()
        for text, sent, received in dates
        if (theirs := _moment_of(text)) is not None
    ]
    return max(-_MAX_OFFSET, min(statistics.median(offsets), _MAX_OFFSET)) if offsets else 0.0


@lru_cache(maxsize=64)  # asked about the last twenty answers before every order
def _moment_of(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class ErrorMapper:
    """Turns answers into errors and receipts, without key, secret, token or account number in any text.

    Every rate refusal of a read slows the rate limiter down.
    """

    def __init__(self, config: KisConfig, rate_limiter: RateLimiter) -> None:
        self._env = config.env.value
        secrets = (config.app_key, config.app_secret, config.cano)
        # JSON may escape a slash with a backslash.
        self._secrets = tuple(dict.fromkeys([*secrets, *(secret.replace("/", "\\/") for secret in secrets)]))
        self._rate_limiter = rate_limiter

    def of_read(self, endpoint: Endpoint, status: int, body: dict[str, Any] | None) -> KisError:
        """The error of a read; `Unavailable` if the answer does not say what is wrong."""
        body = body or {}
        code = code_of(body)
        answered = body.get("rt_cd") is not None
        where = self._where(endpoint, code, status)
        if code is None and not answered:
            kind = _BY_STATUS.get(status, Unavailable)
            if kind is Throttled:
                self._rate_limiter.slow_down()
            return kind(_no_answer(status), **where)
        message = self._masked(message_of(body))[:_MAX_MESSAGE] or _no_message(status)
        meaning = meaning_of(code, status=status, answered=answered)
        if meaning is ErrorMeaning.SETTING:
            return Misconfigured(message, setting=setting_of(code), **where)
        if meaning is ErrorMeaning.UNSUPPORTED:
            return Unsupported(message, alternative=endpoint.alternative, **where)
        if meaning is ErrorMeaning.THROTTLED and code != TOKEN_THROTTLE:
            self._rate_limiter.slow_down(ledger=code == LEDGER_THROTTLE)
        return _BY_MEANING.get(meaning, Unavailable)(message, **where)

    def of_token(self, endpoint: Endpoint, status: int, body: dict[str, Any] | None) -> KisError:
        """The error of a token request: if access is refused, the key is wrong."""
        error = self.of_read(endpoint, status, body)
        if not isinstance(error, TokenRejected):
            return error
        where = self._where(endpoint, error.code, status)
        return Misconfigured(error.message, setting=setting_of(error.code), **where)

    def receipt(self, status: int, content: bytes, token: str, seconds: float) -> Receipt:
        """The receipt of a write that was answered after some `seconds`; the token is masked in it."""
        body = decoded(content)
        outcome = classify(sent=True, status=status, body=body)
        answer = self._masked(content[:_MAX_READABLE].decode(errors="replace"), token)[:_MAX_ANSWER]
        if body is None:
            message = _no_answer(status)
            return Receipt(outcome, message=message, status=status, sent=True, answer=answer, seconds=seconds)
        return Receipt(
            outcome,
            *(_placed(body) if outcome is Outcome.PLACED else ("", "", "")),
            code=self._masked(code_of(body) or "", token)[:_MAX_CODE],
            message=self._receipt_message(outcome, status, body, token),
            status=status,
            sent=True,
            answer=answer,
            seconds=seconds,
        )

    def _receipt_message(self, outcome: Outcome, status: int, body: dict[str, Any], token: str) -> str:
        message = self._masked(message_of(body), token)[:_MAX_MESSAGE]
        if outcome is Outcome.PLACED:
            return message
        if is_success(body):
            return "taken, but without an order number"
        if code_of(body) is None and body.get("rt_cd") is None:
            return _no_answer(status)
        message = message or _no_message(status)
        return f"refused, yet with an order number: {message}"[:_MAX_MESSAGE] if may_hold_order_no(body) else message

    def of_receipt(self, endpoint: Endpoint, receipt: Receipt) -> KisError:
        """The error a receipt amounts to; a CLAIMED refusal by the ledger counts as `Refused`, others as `Unknown`."""
        code = receipt.code or None
        outcome = receipt.outcome
        where = self._where(endpoint, code, receipt.status)
        meaning = meaning_of(code, status=0, answered=True)
        if outcome is Outcome.MISCONFIGURED:
            return Misconfigured(receipt.message, setting=setting_of(code), **where)
        if meaning is ErrorMeaning.UNSUPPORTED and outcome is Outcome.REFUSED:
            return Unsupported(receipt.message, alternative=endpoint.alternative, **where)
        kind = _BY_OUTCOME.get(outcome, Unknown)
        if outcome is Outcome.REFUSED or (outcome is Outcome.CLAIMED and meaning is ErrorMeaning.BUSINESS):
            kind = _BY_MEANING[meaning]
        return kind(receipt.message, **where)

    def _where(self, endpoint: Endpoint, code: str | None, status: int | None) -> dict[str, Any]:
        code = self._masked(code) if code is not None else None
        return {"code": code, "status": status, "endpoint": endpoint.name, "env": self._env}

    def _masked(self, text: str, *more: str) -> str:
        for secret in (*self._secrets, *more):
            text = text.replace(secret, _MASK)
        return text


def _placed(body: dict[str, Any]) -> tuple[str, str, str]:
    """Number, branch and time of a placed order; field names are lower case on the portal, upper case in captures."""
    output = {name.upper(): value for name, value in body["output"].items()}
    return order_no_of(body), branch_or_blank(output.get("KRX_FWDG_ORD_ORGNO")), time_or_blank(output.get("ORD_TMD"))


def _no_answer(status: int) -> str:
    return f"HTTP {status} without an answer of KIS's"


def _no_message(status: int) -> str:
    return f"refused without a word (HTTP {status})"
