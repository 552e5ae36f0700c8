"""What stands around every call: the headers that go out, and the reading of what comes back."""

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
    bears_order_no,
    code_of,
    message_of,
    order_no_of,
    said_yes,
    setting_of,
    verdict,
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
from kis.fields import padded
from kis.outcome import Outcome, classify
from kis.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kis.config import KisConfig
    from kis.endpoints import Endpoint
    from kis.rate_limit import RateLimiter

HeaderList = list[tuple[bytes, bytes]]

_LONGEST_MESSAGE = 200
_LONGEST_CODE = 16
_LONGEST_ANSWER = 2_000
_MASK = "…"
# A status decides for reads only, and only where there is no word of KIS's.
_BY_STATUS: dict[int, type[KisError]] = {401: TokenRejected, 403: TokenRejected, 429: Throttled}
_BY_VERDICT: dict[ErrorMeaning, type[KisError]] = {
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
# Where the process may be made to end (`kis.failpoints`) while a write is on its way.
_CRASH_POINTS = {
    "http11.send_request_headers.started": "socket_open",
    "http11.send_request_body.complete": "all_sent",
}


class ApiResponse(NamedTuple):
    """KIS's yes: the body, whether more pages follow, when it was received, and under which HTTP status."""

    body: dict[str, Any]
    more: bool
    at: datetime
    status: int = 200


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
        self.keyed: HeaderList = [
            kind,
            (b"appkey", app_key.encode()),
            (b"appsecret", app_secret.encode()),
            agent,
        ]
        self._static = [*self.keyed, (b"custtype", b"P")]

    def full(self, token: str, tr_id: str, *, follow: bool = False, hashed: str = "") -> HeaderList:
        """The headers of a call with a token; `follow` asks for a following page, `hashed` signs a body."""
        headers = [
            *self._static,
            (b"authorization", b"Bearer " + token.encode()),
            (b"tr_id", tr_id.encode()),
            (b"tr_cont", b"N" if follow else b""),
        ]
        if hashed:
            headers.append((b"hashkey", hashed.encode()))
        return headers


class Trace:
    """Watches a request on its way out (httpx's `trace` extension), to know whether a byte of it left."""

    __slots__ = ("begun", "sent")

    def __init__(self) -> None:
        self.begun = False
        self.sent = False

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Notes one event of the transport; any but connecting counts as sending, lest a new name hide it."""
        del info
        self.begun = True
        if not event.startswith("connection."):
            self.sent = True
            if event in _CRASH_POINTS:
                at(_CRASH_POINTS[event])


def decoded(content: bytes) -> dict[str, Any] | None:
    """The JSON object of an answer, None where it is none."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def clock_offset(dates: Iterable[tuple[str, datetime, datetime]]) -> float:
    """Median of (KIS's `Date` header minus the middle of sending and receiving), in seconds; 0 for none."""
    offsets = [
        (theirs - (sent + (received - sent) / 2)).total_seconds()
        for text, sent, received in dates
        if (theirs := _moment_of(text)) is not None
    ]
    return statistics.median(offsets) if offsets else 0.0


@lru_cache(maxsize=64)  # asked about the last twenty answers before every order
def _moment_of(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class ErrorMapper:
    """Makes the right error of an answer that is no success."""

    def __init__(self, config: KisConfig, pace: RateLimiter) -> None:
        """Knows what must not be told, and whom to slow down.

        Args:
            config: its key, secret and account number never stand in an error.
            pace: learns of every rate refusal.
        """
        self._env = config.env.value
        secrets = (config.app_key, config.app_secret, config.cano)
        # In JSON a slash may stand behind a backslash.
        self._secrets = tuple(dict.fromkeys([*secrets, *(secret.replace("/", "\\/") for secret in secrets)]))
        self._pace = pace

    def read(self, endpoint: Endpoint, status: int, body: dict[str, Any] | None) -> KisError:
        """The error of a read: what is not certain is `Unavailable`."""
        return self._error(endpoint, status, body, Unavailable)

    def receipt(self, status: int, content: bytes, token: str, seconds: float) -> Receipt:
        """What an answer to a write makes of it.

        Args:
            status: HTTP status.
            content: the answer as it came.
            token: the access token in use, which must not be told either.
            seconds: how long the answer took.
        """
        body = decoded(content)
        outcome = classify(sent=True, status=status, body=body)
        answer = self._masked(content.decode(errors="replace"), token)[:_LONGEST_ANSWER]
        if body is None:
            return Receipt(
                outcome,
                message=_no_answer(status),
                status=status,
                sent=True,
                answer=answer,
                seconds=seconds,
            )
        return Receipt(
            outcome,
            *(_placed(body) if outcome is Outcome.PLACED else ("", "", "")),
            code=self._masked(code_of(body) or "", token)[:_LONGEST_CODE],
            message=self._words(outcome, status, body, token),
            status=status,
            sent=True,
            answer=answer,
            seconds=seconds,
        )

    def _words(self, outcome: Outcome, status: int, body: dict[str, Any], token: str) -> str:
        words = self._clean(message_of(body), token)
        if outcome is Outcome.PLACED:
            return words
        if said_yes(body):
            return "taken, but without an order number"
        if code_of(body) is None and body.get("rt_cd") is None:
            return _no_answer(status)
        words = words or _no_words(status)
        return f"refused, yet with an order number: {words}"[:_LONGEST_MESSAGE] if bears_order_no(body) else words

    def write(self, endpoint: Endpoint, receipt: Receipt) -> KisError:
        """The error a receipt amounts to, for those who ask for exceptions; of a claim, the ledger's is believed."""
        code = receipt.code or None
        outcome = receipt.outcome
        where: dict[str, Any] = {"code": code, "status": receipt.status, "endpoint": endpoint.name, "env": self._env}
        meaning = verdict(code, status=0, answered=True)
        if outcome is Outcome.MISCONFIGURED:
            return Misconfigured(receipt.message, setting=setting_of(code), **where)
        if meaning is ErrorMeaning.UNSUPPORTED and outcome is Outcome.REFUSED:
            return Unsupported(receipt.message, alternative=endpoint.alternative, **where)
        kind = _BY_OUTCOME.get(outcome, Unknown)
        if outcome is Outcome.REFUSED or (outcome is Outcome.CLAIMED and meaning is ErrorMeaning.BUSINESS):
            kind = _BY_VERDICT[meaning]
        return kind(receipt.message, **where)

    def token(self, endpoint: Endpoint, status: int, body: dict[str, Any] | None) -> KisError:
        """The error of a token request: refused for reasons of access, it is the key."""
        error = self._error(endpoint, status, body, Unavailable)
        if not isinstance(error, TokenRejected):
            return error
        return Misconfigured(
            error.message,
            setting=setting_of(error.code),
            code=error.code,
            status=status,
            endpoint=endpoint.name,
            env=self._env,
        )

    def _error(
        self,
        endpoint: Endpoint,
        status: int,
        body: dict[str, Any] | None,
        uncertain: type[KisError],
    ) -> KisError:
        body = body or {}
        code = code_of(body)
        answered = body.get("rt_cd") is not None
        where: dict[str, Any] = {"code": code, "status": status, "endpoint": endpoint.name, "env": self._env}
        if code is None and not answered:
            kind = uncertain if uncertain is Unknown else _BY_STATUS.get(status, uncertain)
            if kind is Throttled:
                self._pace.throttled()
            return kind(_no_answer(status), **where)
        words = self._clean(message_of(body)) or _no_words(status)
        meaning = verdict(code, status=status, answered=answered)
        if meaning is ErrorMeaning.SETTING:
            return Misconfigured(words, setting=setting_of(code), **where)
        if meaning is ErrorMeaning.UNSUPPORTED:
            return Unsupported(words, alternative=endpoint.alternative, **where)
        if meaning is ErrorMeaning.THROTTLED and code != TOKEN_THROTTLE:
            self._pace.throttled(ledger=code == LEDGER_THROTTLE)
        return _BY_VERDICT.get(meaning, uncertain)(words, **where)

    def _clean(self, words: str, *more: str) -> str:
        return self._masked(words, *more)[:_LONGEST_MESSAGE]

    def _masked(self, words: str, *more: str) -> str:
        for secret in (*self._secrets, *more):
            words = words.replace(secret, _MASK)
        return words


def _placed(body: dict[str, Any]) -> tuple[str, str, str]:
    """Number, branch and time of an order taken; the portal prints the names in lower case, captures have upper."""
    output = {name.upper(): value for name, value in body["output"].items()}
    branch, time = output.get("KRX_FWDG_ORD_ORGNO"), output.get("ORD_TMD")
    return (
        padded(order_no_of(body)),
        branch.strip() if isinstance(branch, str) else "",
        time.strip() if isinstance(time, str) else "",
    )


def _no_answer(status: int) -> str:
    return f"HTTP {status} without an answer of KIS's"


def _no_words(status: int) -> str:
    return f"refused without a word (HTTP {status})"
