"""What becomes of a request: the answer, how much of it arrives, how fast, and how the connection ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from kis.sim.api.rate_limit import ledger_throttled, throttled
from kis.sim.api.responses import SimResponse, gateway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kis.sim.api.context import Recorded
    from kis.sim.faults.faults import PlantedFault

_NOT_JSON = b"ERROR : service temporarily unavailable"
_LIST_NAMES = ("output1", "output")
_CURSOR = "ctx_area_nk100"
_WIDTH = 100


class ConnectionEnd(Enum):
    """How the connection ends."""

    KEPT = "kept"
    """It does not: the answer is whole, and the next request may come."""
    CLOSED = "closed"
    RESET = "reset"
    OPEN = "open"
    """Neither: nothing more comes, for ever."""


@dataclass(slots=True)
class ResponsePlan:
    """What becomes of a request once the broker has done its part.

    Attributes:
        status: HTTP status.
        headers: of the answer, in the case KIS sends them.
        body: of the answer, whole.
        sent: bytes of the body that arrive before the end; None for all, -1 for not even the headers.
        end: how the connection ends.
        after: seconds from the deed to the first byte of the answer.
        rate: bytes a second at which the body comes; 0 for at once.
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
        """What arrives of the body, sooner or later."""
        return self.body if self.sent is None else self.body[: max(0, self.sent)]


def fate(answer: SimResponse, faults: Mapping[str, PlantedFault], *, tr_id: str, now: datetime) -> ResponsePlan:
    """What goes back for an answer, and what planted faults leave of it.

    Args:
        answer: the broker's, or a fault's in its place.
        faults: those that befall the request, by name.
        tr_id: of the request; it is repeated in the headers.
        now: the simulator's time.
    """
    content = answer.raw
    if content is None:
        content = json.dumps(answer.body, ensure_ascii=False).encode()
    skew = faults["skew"].how["seconds"] if "skew" in faults else 0.0
    headers = (
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(content))),
        ("Date", _date(int(now.timestamp() + skew))),
        ("tr_id", tr_id),
        ("tr_cont", answer.tr_cont),
    )
    whole = ResponsePlan(answer.status, headers, content)
    if faults:
        _shorten(whole, faults)
    return whole


@lru_cache(maxsize=64)
def _date(timestamp: int) -> str:
    return format_datetime(datetime.fromtimestamp(timestamp, UTC), usegmt=True)


def _shorten(whole: ResponsePlan, faults: Mapping[str, PlantedFault]) -> None:
    for name, fault in faults.items():
        how = fault.how
        if name in {"lose_request", "lose_reply"}:
            whole.sent, whole.end = -1, ConnectionEnd.CLOSED
        elif name == "reset_reply":
            whole.sent, whole.end = -1, ConnectionEnd.RESET
        elif name in {"head_only", "cut_reply"}:
            whole.sent, whole.end = how.get("sent", 0), ConnectionEnd.RESET if how["reset"] else ConnectionEnd.CLOSED
        elif name == "mute":
            whole.sent, whole.end = -1, ConnectionEnd.OPEN
        elif name == "stall_reply":
            whole.sent, whole.end = how["sent"], ConnectionEnd.OPEN
        elif name == "drip":
            whole.rate = how["rate"]
        elif name == "slow" and fault.acts:
            whole.after = how["seconds"]


def befallen(answer: SimResponse, fault: PlantedFault, arrived: Recorded) -> SimResponse:
    """What an answer says once a fault has struck; the broker's own where the fault is of another kind."""
    how = fault.how
    match fault.name:
        case "refuse" | "page_fails":
            answer = SimResponse({"rt_cd": how["rt_cd"], "msg_cd": how["code"], "msg1": how["message"]}, how["status"])
        case "throttle":
            answer = (throttled() if how["code"] == "EGW00201" else ledger_throttled()).answer
            answer.status = how["status"]
        case "stale_token":
            answer = gateway("EGW00123", "기간이 만료된 token 입니다.").answer
        case "html":
            answer = SimResponse(status=how["status"], raw=_page(how["status"]), content_type="text/html")
        case "empty":
            answer = SimResponse(status=how["status"], raw=b"", content_type="text/html")
        case "garbage":
            answer = SimResponse(status=how["status"], raw=_NOT_JSON, content_type="text/plain")
        case "no_order_no":
            output = {name: value for name, value in answer.body.get("output", {}).items() if name != "ODNO"}
            answer.body = {**answer.body, "output": output}
        case "same_cursor" | "endless_pages" | "short_list" | "empty_list":
            _lie(answer, fault, arrived)
    return answer


def _lie(answer: SimResponse, fault: PlantedFault, arrived: Recorded) -> None:
    following = arrived.headers.get("tr_cont", "").strip() == "N"
    if fault.name in {"same_cursor", "endless_pages"}:
        asked = {name.upper(): value for name, value in arrived.query.items()}
        cursor = asked.get(_CURSOR.upper(), "").strip() or "1"
        if fault.name == "endless_pages":
            base, _, number = cursor.partition("#")
            cursor = f"{base}#{int(number or 0) + 1}"
        answer.body = {**answer.body, _CURSOR: cursor.ljust(_WIDTH)}
        answer.tr_cont = "M"
        return
    name = next((one for one in _LIST_NAMES if isinstance(answer.body.get(one), list)), None)
    if name is None:
        return
    rows = answer.body[name]
    kept = rows[: max(0, len(rows) - fault.how["rows"])] if fault.name == "short_list" else []
    answer.body = {**answer.body, name: kept, _CURSOR: " " * _WIDTH}
    answer.tr_cont = "E" if following else "D"
    if fault.how.get("rt_cd", "0") != "0":
        answer.body |= {"rt_cd": fault.how["rt_cd"], "msg_cd": "EGW00001", "msg1": "일시적 오류"}


def _page(status: int) -> bytes:
    try:
        title = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        title = str(status)
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()
