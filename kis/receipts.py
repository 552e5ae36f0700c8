"""A write as values: the bytes that are sent, and the receipt that comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

from kis.outcome import Outcome  # noqa: TC001 - stores read the class's field types


@dataclass(frozen=True, slots=True)
class Written:
    """An order, a cancel or a revision exactly as it is sent; made by `KisClient.written` and its siblings.

    Attributes:
        endpoint: our name of the call: "buy", "sell" or "revise_cancel".
        body: the bytes that are sent; they hold the account number.
        shown: the body as text with the account number masked, fit to be stored and read.
        digest: HMAC-SHA256 of TR id and body under the app secret, in hex. A plain hash would give the account
            number away, whose eight digits are all that `shown` masks.
    """

    endpoint: str
    body: bytes = field(repr=False)
    shown: str
    digest: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one POST of a write. Its texts may be stored and shown: no key, token or account is in them.

    Attributes:
        outcome: what is known of the write now.
        order_no: KIS's number in ten digits, "" unless PLACED; for a cancel or revision the request's own.
        branch: the branch KIS names (KRX_FWDG_ORD_ORGNO), "" if it names none.
        time: KIS's HHMMSS (KST), "" if it gave none.
        code: KIS's code, "" if there was none.
        message: KIS's message, else ours; 200 characters at most.
        status: HTTP status, None if no whole answer came.
        sent: whether a byte left, or may have.
        answer: the first 2,000 characters of what KIS answered, masked.
        seconds: from the first attempt to connect to the end of the answer, or to the failure.
    """

    outcome: Outcome
    order_no: str = ""
    branch: str = ""
    time: str = ""
    code: str = ""
    message: str = ""
    status: int | None = None
    sent: bool = False
    answer: str = ""
    seconds: float = 0.0
