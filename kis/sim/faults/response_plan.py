"""The response plan of a request: the answer, how much of it arrives, how fast, and how the connection ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from kis.sim.api.responses import SimResponse, gateway, ledger_throttled, throttled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kis.sim.api.context import Recorded
    from kis.sim.faults.catalogue import PlantedFault

_NOT_JSON = b"ERROR : service temporarily unavailable"
_LIST_NAMES = ("output1", "output")
_CURSOR = "ctx_area_nk100"
_WIDTH = 100


ABORT = "kis.sim.abort"
"""The ASGI extension by which the application drops the connection, or resets it (`reset`)."""


class ConnectionEnd(Enum):
    """How the connection ends."""

    KEPT = "kept"
    """The connection stays open for the next request; the answer is complete."""
    CLOSED = "closed"
    RESET = "reset"
    OPEN = "open"
    """Nothing more is sent, and the connection stays open."""


class _End(NamedTuple):
    """How a fault ends the connection, after `sent` bytes of the body unless its option says otherwise."""

    sent: int
    end: ConnectionEnd


_ENDS = {
    "lose_request": _End(-1, ConnectionEnd.CLOSED),
    "lose_reply": _End(-1, ConnectionEnd.CLOSED),
    "reset_reply": _End(-1, ConnectionEnd.RESET),
    "head_only": _End(0, ConnectionEnd.CLOSED),
    "cut_reply": _End(0, ConnectionEnd.CLOSED),
    "mute": _End(-1, ConnectionEnd.OPEN),
    "stall_reply": _End(0, ConnectionEnd.OPEN),
}


@dataclass(slots=True)
class ResponsePlan:
    """What the client receives for a request.

    Attributes:
        status: HTTP status.
        headers: of the answer, in the case KIS sends them.
        body: of the answer, complete.
        sent: bytes of the body that arrive before the end; None for all, -1 for no headers either.
        end: how the connection ends.
        after: seconds from processing to the first byte of the answer.
        rate: bytes a second at which the body comes; 0 for all at once.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    sent: int | None = None
    end: ConnectionEnd = ConnectionEnd.KEPT
    after: float = 0.0
    rate: float = 0.0

    @property
    def answered(self) -> bool:
        """Whether the headers arrive."""
        return self.sent != -1

    @property
    def arrives(self) -> bytes:
        """The part of the body that arrives."""
        return self.body if self.sent is None else self.body[: max(0, self.sent)]


def response_plan(
    answer: SimResponse, faults: Mapping[str, PlantedFault], *, tr_id: str, now: datetime
) -> ResponsePlan:
    """The plan for an answer, with the faults, by name, that cut or delay it; the headers repeat the TR id."""
    content = answer.raw
    if content is None:
        content = json.dumps(answer.body, ensure_ascii=False).encode()
    skew = faults["skew"].options["seconds"] if "skew" in faults else 0.0
    headers = (
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(content))),
        ("Date", _date(int(now.timestamp() + skew))),
        ("tr_id", tr_id),
        ("tr_cont", answer.tr_cont),
    )
    plan = ResponsePlan(answer.status, headers, content)
    for name, fault in faults.items():
        options = fault.options
        if name in _ENDS:
            plan.sent, plan.end = options.get("sent", _ENDS[name].sent), _ENDS[name].end
            if options.get("reset"):
                plan.end = ConnectionEnd.RESET
        elif name == "drip":
            plan.rate = options["rate"]
        elif name == "slow" and fault.acts:
            plan.after = options["seconds"]
    return plan


@lru_cache(maxsize=64)
def _date(timestamp: int) -> str:
    return format_datetime(datetime.fromtimestamp(timestamp, UTC), usegmt=True)


def apply_fault(answer: SimResponse, fault: PlantedFault, request: Recorded) -> SimResponse:
    """The answer a fault makes of the broker's; unchanged if the fault is not about its contents."""
    options = fault.options
    match fault.name:
        case "refuse" | "page_fails":
            answer = SimResponse(
                {"rt_cd": options["rt_cd"], "msg_cd": options["code"], "msg1": options["message"]}, options["status"]
            )
        case "throttle":
            answer = (throttled() if options["code"] == "EGW00201" else ledger_throttled()).answer
            answer.status = options["status"]
        case "stale_token":
            answer = gateway("EGW00123", "기간이 만료된 token 입니다.").answer
        case "html":
            answer = SimResponse(status=options["status"], raw=_html(options["status"]), content_type="text/html")
        case "empty":
            answer = SimResponse(status=options["status"], raw=b"", content_type="text/html")
        case "garbage":
            answer = SimResponse(status=options["status"], raw=_NOT_JSON, content_type="text/plain")
        case "no_order_no":
            output = {name: value for name, value in answer.body.get("output", {}).items() if name != "ODNO"}
            answer.body = {**answer.body, "output": output}
        case "same_cursor" | "endless_pages" | "short_list" | "empty_list":
            _falsify_list(answer, fault, request)
    return answer


def _falsify_list(answer: SimResponse, fault: PlantedFault, request: Recorded) -> None:
    following = request.headers.get("tr_cont", "").strip() == "N"
    if fault.name in {"same_cursor", "endless_pages"}:
        fields = {name.upper(): value for name, value in request.query.items()}
        cursor = fields.get(_CURSOR.upper(), "").strip() or "1"
        if fault.name == "endless_pages":
            base, _, number = cursor.partition("#")
            cursor = f"{base}#{int(number or 0) + 1}"
        answer.body = {**answer.body, _CURSOR: cursor.ljust(_WIDTH)}
        answer.tr_cont = "M"
        return
    name = next((name for name in _LIST_NAMES if isinstance(answer.body.get(name), list)), None)
    if name is None:
        return
    rows = answer.body[name]
    kept = rows[: max(0, len(rows) - fault.options["rows"])] if fault.name == "short_list" else []
    answer.body = {**answer.body, name: kept, _CURSOR: " " * _WIDTH}
    answer.tr_cont = "E" if following else "D"
    if fault.options.get("rt_cd", "0") != "0":
        answer.body |= {"rt_cd": fault.options["rt_cd"], "msg_cd": "EGW00001", "msg1": "일시적 오류"}


def _html(status: int) -> bytes:
    try:
        title = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        title = str(status)
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()
