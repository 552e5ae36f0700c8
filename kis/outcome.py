"""The outcome of a write: one pure function and its eight results.

KIS has no client order id, so that an order sent twice is two orders. Whether it may be sent again is decided here,
from KIS's code and from whether a byte left; the HTTP status proves nothing. Whatever is not listed is UNKNOWN.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kis.error_codes import (
    CONFIRMED_REFUSALS,
    TIMED_OUT,
    TOKEN_THROTTLE,
    ErrorMeaning,
    code_of,
    has_envelope,
    is_success,
    known_meaning,
    may_hold_order_no,
    order_no_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome(StrEnum):
    """The outcome of a write.

    Attributes:
        PLACED: KIS accepted it and gave it a number. It is not filled, nor has the exchange accepted it yet.
        REFUSED: KIS said no with a known code: nothing happened.
        CLAIMED: KIS said no, with a code not known for orders or one of its own failures: to be confirmed by
            the order list.
        THROTTLED: over the rate (EGW00201, or EGW00215 of the ledger), which KIS calls not processed: it may be
            sent again after reading the order list.
        TOKEN: the access token was refused before the order was processed: it may be sent again once.
        MISCONFIGURED: key, secret, account and environment do not belong together: nothing happened, and no
            order will go through until the operator corrects it.
        NOT_SENT: no byte of it left this machine: nothing happened.
        UNKNOWN: it may have happened: read the order list, do not send it again.
    """

    PLACED = "placed"
    REFUSED = "refused"
    CLAIMED = "claimed"
    THROTTLED = "throttled"
    TOKEN = "token"  # noqa: S105 - no password
    MISCONFIGURED = "misconfigured"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


_BY_MEANING = {
    ErrorMeaning.THROTTLED: Outcome.THROTTLED,
    ErrorMeaning.TOKEN: Outcome.TOKEN,
    ErrorMeaning.SETTING: Outcome.MISCONFIGURED,
    ErrorMeaning.MALFORMED: Outcome.REFUSED,
    ErrorMeaning.UNSUPPORTED: Outcome.REFUSED,
}
_GATEWAY = "EGW"


def classify(*, sent: bool, status: int | None, body: Mapping[str, Any] | None) -> Outcome:
    """The outcome of a write, of which a byte left, or may have, if it was `sent`.

    `status` is None if no whole answer came, `body` if the answer is no JSON object.
    """
    if status is None or body is None:
        return Outcome.UNKNOWN if sent or status is not None or body is not None else Outcome.NOT_SENT
    if is_success(body):
        return Outcome.PLACED if order_no_of(body) else Outcome.UNKNOWN
    code = code_of(body)
    if code is None or may_hold_order_no(body):
        return Outcome.UNKNOWN
    return _refused(code, has_envelope=has_envelope(body))


def _refused(code: str, *, has_envelope: bool) -> Outcome:
    # The gateway's own codes come in several formats; the backend always sends the whole envelope.
    if code in TIMED_OUT or not (has_envelope or code.startswith(_GATEWAY)):
        return Outcome.UNKNOWN
    meaning = known_meaning(code)
    if meaning in _BY_MEANING and code != TOKEN_THROTTLE:
        return _BY_MEANING[meaning]
    if meaning is ErrorMeaning.OPAQUE or not has_envelope:
        return Outcome.UNKNOWN
    return Outcome.REFUSED if code in CONFIRMED_REFUSALS else Outcome.CLAIMED
