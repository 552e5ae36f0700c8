"""A write as a value: what goes over the wire, and what came back."""

from __future__ import annotations

from dataclasses import dataclass, field

from kis.outcome import Outcome  # noqa: TC001 - who stores receipts asks the class for its field types

__all__ = ["Receipt", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """An order, a cancel or a revision exactly as it goes over the wire; made by `KisClient.written` and its like.

    Attributes:
        endpoint: our name of the call: "buy", "sell" or "revise_cancel".
        body: the bytes that are sent; they hold the account number.
        shown: the body as text with the account number masked, fit to be stored and read.
        digest: HMAC-SHA256 of TR id and body under the app secret, in hex. Under no key it would give the account
            away, whose eight digits are all that `shown` keeps back.
    """

    endpoint: str
    body: bytes = field(repr=False)
    shown: str
    digest: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one sending. Every text in it may be stored and shown: no key, token or account is in it.

    Attributes:
        outcome: what is true now.
        order_no: KIS's number in ten digits, "" unless PLACED; of a cancel it is the request's own.
        branch: the branch KIS names (KRX_FWDG_ORD_ORGNO), "" where it names none.
        time: KIS's HHMMSS (KST), "" where it gave none.
        code: KIS's code, "" where there was none.
        message: KIS's own words where there are any, else ours; 200 characters at most.
        status: HTTP status, None where no whole answer came.
        sent: whether a byte left, or may have.
        answer: the first 2,000 characters of what KIS answered, masked.
        seconds: from the first attempt to connect to the end of the answer, or until it was given up.
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
