"""Responses, and the envelopes of refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MESSAGE_WIDTH = 80


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


def business(code: str, message: str, rt_cd: str = "7", status: int = 200) -> ApiRefusal:
    """A refusal by the ledger or the quotation service."""
    return ApiRefusal({"rt_cd": rt_cd, "msg_cd": code, "msg1": message}, status)


def gateway(code: str, message: str) -> ApiRefusal:
    """A refusal by the gateway: HTTP 500 with the usual envelope."""
    return ApiRefusal({"rt_cd": "1", "msg_cd": code, "msg1": message}, 500)


def credentials(code: str, message: str, status: int = 403) -> ApiRefusal:
    """A refusal by the token service, in its own envelope."""
    return ApiRefusal({"error_description": message, "error_code": code}, status)


def malformed() -> ApiRefusal:
    """A refusal by the gateway because an order's body is incomplete."""
    return gateway("IGW00007", "MCA 전문바디 구성 중 오류가 발생하였습니다.")


def padded(message: str) -> str:
    """A ledger's message, padded to its column."""
    return message.ljust(MESSAGE_WIDTH)


QUOTED = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}
"""The envelope of a successful quotation, real and paper."""
