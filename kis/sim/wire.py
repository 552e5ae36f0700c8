"""The simulated broker as an ASGI application that speaks KIS's REST API.

It is written against the bare protocol, not a framework: KIS's header names have a case that clients rely on
(`tr_id` and `tr_cont` in lower case, `Content-Type` capitalised; seen with the official sample, which makes
attributes of every lower-case name), and frameworks change it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from datetime import UTC
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from kis.sim import master
from kis.sim.control import PREFIX
from kis.sim.faults import HTML, NOT_JSON, Fault, Faults
from kis.sim.gateway import Answer, Broker, Call, Recorded, Refusal, gateway, malformed
from kis.sim.limits import Window, ledger_throttled, throttled
from kis.sim.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from kis.sim.control import Control
    from kis.sim.sockets import Sockets

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

ABORT = "kis.sim.abort"
"""The ASGI extension through which a server lets the application drop the connection."""
_MASTERS = {
    "/common/master/kospi_code.mst.zip": "KOSPI",
    "/common/master/kosdaq_code.mst.zip": "KOSDAQ",
}
_REMEMBERED = 10_000
_OAUTH = "/oauth2/"


class Dropped(ConnectionResetError):
    """Raised out of the application where no real connection is there to be dropped."""


class Wire:
    """The application.

    Attributes:
        requests: what arrived, oldest first; the control door's calls are left out.
    """

    def __init__(
        self,
        broker: Broker,
        faults: Faults,
        *,
        window: Window | None,
        ledger_window: Window | None = None,
        control: Control | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        sockets: Sockets | None = None,
    ) -> None:
        self.requests: deque[Recorded] = deque(maxlen=_REMEMBERED)
        self._broker = broker
        self._faults = faults
        self._window = window
        self._ledger_window = ledger_window
        self._control = control
        self._sleep = sleep
        self._sockets = sockets
        self._routes = Routes(broker.env)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's message, as ASGI asks."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket" and self._sockets is not None:
            await self._sockets(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        # A doubled slash in front comes of joining addresses carelessly, which KIS forgives.
        path = "/" + str(scope["path"]).lstrip("/")
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        if path.startswith(PREFIX) and self._control is not None and scope["method"] == "POST":
            door = Answer({"error": "say it in application/json"}, 415)  # which no web page can send unasked
            if headers.get("content-type", "").startswith("application/json"):
                door = self._control.answer(path.removeprefix(PREFIX), _object(body))
            await self._reply(send, door, "")
            return
        arrived = Recorded(scope["method"], path, headers, query, body, self._broker.exchange.now())
        self.requests.append(arrived)
        faults = self._faults.take(path)
        try:
            answer = await self._suffer(arrived, faults)
        except Dropped:
            await _drop(scope, receive)
            return
        cut = next((fault.how["sent"] for fault in faults if fault.name == "cut_reply"), None)
        await self._reply(send, answer, headers.get("tr_id", ""), cut)
        if cut is not None:
            await _drop(scope, receive)

    async def _suffer(self, arrived: Recorded, faults: list[Fault]) -> Answer:
        """The answer to a request, with what the planted faults make of it."""
        named = {fault.name: fault for fault in faults}
        late = named["late_booking"].how["seconds"] if "late_booking" in named else 0.0
        fault = faults[-1] if faults and faults[-1].name not in {"slow", "late_booking"} else None
        answer = Answer()
        slow = named.get("slow")
        if slow is not None and not slow.acts:
            await self._sleep(slow.how["seconds"])
        if fault is None or fault.acts:
            answer = self._answer(arrived, late)
        if slow is not None and slow.acts:
            await self._sleep(slow.how["seconds"])
        return answer if fault is None else _befallen(answer, fault, arrived)

    def _answer(self, arrived: Recorded, late: float) -> Answer:
        try:
            return self._dispatch(arrived, late)
        except Refusal as refusal:
            return refusal.answer

    def _dispatch(self, arrived: Recorded, late: float) -> Answer:
        method, path, headers = arrived.method, arrived.path, arrived.headers
        if path in _MASTERS and method in {"GET", "HEAD"}:
            archive = master.archive(self._broker.exchange.issues.values(), _MASTERS[path])
            return Answer(raw=archive, content_type="application/zip")
        oauth = self._broker.oauth
        if path.startswith(_OAUTH) or path == "/uapi/hashkey":
            body = _object(arrived.body)
            calls: Mapping[str, Callable[[], Answer]] = {
                "/oauth2/tokenP": lambda: oauth.token(body),
                "/oauth2/revokeP": lambda: oauth.revoke(body),
                "/oauth2/Approval": lambda: oauth.approval(body),
                "/uapi/hashkey": lambda: oauth.hashkey(headers, body),
            }
            if path not in calls or method != "POST":
                raise gateway("EGW00203", "OPS라우팅 중 오류가 발생했습니다.")
            return calls[path]()
        oauth.require_customer(headers)
        if self._window is not None and not self._window.admit():
            raise throttled()
        oauth.require_token(headers)
        tr_id = headers.get("tr_id", "")
        route = self._routes.find(method, path, tr_id)
        if route.ledger and self._ledger_window is not None and not self._ledger_window.admit():
            raise ledger_throttled()
        if method == "POST":
            if not headers.get("content-type", "").lower().startswith("application/json"):
                raise gateway("EGW00132", "Content-Type이 유효하지 않습니다.")
            fields = _object(arrived.body)
            if not fields:
                raise malformed()
        else:
            fields = {name.upper(): value for name, value in arrived.query.items()}
        call = Call(path, tr_id, headers.get("tr_cont", "").strip(), headers, fields, late)
        return route.handler(self._broker, call)

    async def _reply(self, send: Send, answer: Answer, tr_id: str, cut: int | None = None) -> None:
        content = answer.raw
        if content is None:
            content = json.dumps(answer.body, ensure_ascii=False).encode()
        now = self._broker.exchange.now().astimezone(UTC)
        headers = (
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(content))),
            ("Date", format_datetime(now, usegmt=True)),
            ("tr_id", tr_id),
            ("tr_cont", answer.tr_cont),
        )
        start = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": start})
        part = content if cut is None else content[:cut]
        await send({"type": "http.response.body", "body": part, "more_body": cut is not None})


def _befallen(answer: Answer, fault: Fault, arrived: Recorded) -> Answer:
    """What is left of an answer once a fault has struck.

    Raises:
        Dropped: nothing; the connection is to be closed.
    """
    how = fault.how
    if fault.name in {"lose_request", "lose_reply"}:
        raise Dropped
    if fault.name == "refuse":
        body = {"rt_cd": how["rt_cd"], "msg_cd": how["code"], "msg1": how["message"]}
        return Answer(body, how["status"])
    if fault.name == "throttle":
        return throttled().answer
    if fault.name == "stale_token":
        return gateway("EGW00123", "기간이 만료된 token 입니다.").answer
    if fault.name in {"html", "empty", "garbage"}:
        content = {"html": HTML, "empty": b"", "garbage": NOT_JSON}[fault.name]
        kind = "text/plain" if fault.name == "garbage" else "text/html"
        return Answer(status=how["status"], raw=content, content_type=kind)
    if fault.name == "no_order_no":
        output = {name: value for name, value in answer.body.get("output", {}).items() if name != "ODNO"}
        answer.body = {**answer.body, "output": output}
    elif fault.name == "same_cursor":
        asked = {name.upper(): value for name, value in arrived.query.items()}
        cursor = asked.get("CTX_AREA_NK100", "").strip() or "1"
        answer.body = {**answer.body, "ctx_area_nk100": cursor.ljust(100)}
        answer.tr_cont = "M"
    return answer


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object, or an empty one where the body is none."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)


async def _drop(scope: Scope, receive: Receive) -> None:
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is None:
        raise Dropped("the simulator dropped the connection")
    abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
