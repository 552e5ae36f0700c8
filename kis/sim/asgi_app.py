"""The simulated broker as an ASGI application that speaks KIS's REST API.

It is written against the bare protocol, not a framework: KIS's header names have a case that clients rely on
(`tr_id` and `tr_cont` in lower case, `Content-Type` capitalised; seen with the official sample, which makes
attributes of every lower-case name), and frameworks change it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from kis import endpoints
from kis.sim import master
from kis.sim.admin_api import PREFIX
from kis.sim.api.context import ApiCall, ApiContext, Recorded
from kis.sim.api.rate_limit import Window, ledger_throttled, throttled
from kis.sim.api.responses import ApiRefusal, SimResponse, gateway, malformed
from kis.sim.api.routes import Routes
from kis.sim.asgi_types import ABORT
from kis.sim.exchange.orders import HTS_CHANNEL, OrderRejected, OrderSide
from kis.sim.faults.faults import KINDS, Faults, PlantedFault
from kis.sim.faults.response_plan import ConnectionEnd, ResponsePlan, befallen, fate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kis.sim.admin_api import AdminApi
    from kis.sim.asgi_types import Receive, Scope, Send
    from kis.sim.websocket.server import WebSocketServer


_MASTERS = {
    "/common/master/kospi_code.mst.zip": "KOSPI",
    "/common/master/kosdaq_code.mst.zip": "KOSDAQ",
}
_REMEMBERED = 10_000
_LONGEST_DROP = 0.1  # seconds' worth of bytes that go out together, if that is more than one
_SALES = frozenset(astuple(endpoints.SELL.tr))
LIES = frozenset({"lag", "krx_only", "old_rows"})
_OAUTH = "/oauth2/"


class ConnectionDropped(ConnectionResetError):
    """Raised out of the application where no real connection is there to be dropped."""


class AsgiApp:
    """The application.

    Attributes:
        requests: what arrived, oldest first; the control door's calls are left out.
    """

    def __init__(
        self,
        broker: ApiContext,
        faults: Faults,
        *,
        window: Window | None,
        ledger_window: Window | None = None,
        control: AdminApi | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        sockets: WebSocketServer | None = None,
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

    def receive(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Visit:
        """Take in a request, whole as it is; nothing is done about it yet.

        Args:
            method: in capitals.
            path: as sent; the control door's are KIS's unknown ones here.
            query: as sent, without the question mark.
            headers: names in lower case.
            body: as sent.
        """
        # A doubled slash in front comes of joining addresses carelessly, which KIS forgives.
        path = "/" + path.lstrip("/")
        asked = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        arrived = Recorded(method, path, dict(headers), asked, body, self._broker.exchange.now())
        self.requests.append(arrived)
        taken = self._faults.take(path, following=headers.get("tr_cont", "").strip() == "N")
        return Visit(self, arrived, {fault.name: fault for fault in taken})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            return  # it never was a request
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path, query = str(scope["path"]), scope.get("query_string", b"").decode("latin-1")
        door = "/" + path.lstrip("/")
        if door.startswith(PREFIX) and self._control is not None and scope["method"] == "POST":
            answer = SimResponse({"error": "say it in application/json"}, 415)  # which no web page can send unasked
            if headers.get("content-type", "").startswith("application/json"):
                answer = self._control.answer(door.removeprefix(PREFIX), _object(body))
            now = self._broker.exchange.now()
            await self._deliver(scope, receive, send, fate(answer, {}, tr_id="", now=now))
            return
        visit = self.receive(scope["method"], path, query, headers, body)
        if visit.before:
            await self._sleep(visit.before)
        await self._deliver(scope, receive, send, visit.act())

    async def _deliver(self, scope: Scope, receive: Receive, send: Send, due: ResponsePlan) -> None:
        if due.after:
            await self._sleep(due.after)
        if due.answered:
            start = [(name.encode(), value.encode("latin-1", "replace")) for name, value in due.headers]
            await send({"type": "http.response.start", "status": due.status, "headers": start})
            kept = due.end is ConnectionEnd.KEPT
            if due.rate:
                await self._drip(receive, send, due)
                if kept:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await send({"type": "http.response.body", "body": due.arrives, "more_body": not kept})
        if due.end is not ConnectionEnd.KEPT:
            await _let_go(scope, receive, due.end)

    async def _drip(self, receive: Receive, send: Send, due: ResponsePlan) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        piece = max(1, int(due.rate * _LONGEST_DROP))
        try:
            for start in range(0, len(due.arrives), piece):
                part = due.arrives[start : start + piece]
                await self._sleep(len(part) / due.rate)
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": part, "more_body": True})
        finally:
            gone.cancel()

    def act(self, arrived: Recorded, faults: Mapping[str, PlantedFault]) -> ResponsePlan:
        """Do what a request asks, and tell what becomes of it."""
        lies = {name: fault.how for name, fault in faults.items() if name in LIES}
        late = faults["late_booking"].how["seconds"] if "late_booking" in faults else 0.0
        twin = faults["twin"].how["when"] if "twin" in faults else ""
        alone = next((fault for name, fault in faults.items() if not KINDS[name].joins), None)
        answer = SimResponse()
        if twin == "before":
            self._twin(arrived)
        if alone is None or alone.acts:
            answer = self._answer(arrived, late, lies)
        if twin == "after":
            self._twin(arrived)
        if alone is not None:
            answer = befallen(answer, alone, arrived)
        tr_id = arrived.headers.get("tr_id", "")
        return fate(answer, faults, tr_id=tr_id, now=self._broker.exchange.now())

    def _twin(self, arrived: Recorded) -> None:
        """Key in at the broker's own program what a request asks for; a request that cannot be an order has no twin."""
        body = _object(arrived.body)
        side = OrderSide.SELL if arrived.headers.get("tr_id", "") in _SALES else OrderSide.BUY
        with contextlib.suppress(OrderRejected, KeyError, TypeError, ValueError):
            self._broker.exchange.submit(
                side,
                body["PDNO"],
                body["ORD_DVSN"],
                int(body["ORD_QTY"]),
                int(body["ORD_UNPR"]),
                channel=HTS_CHANNEL,
            )

    def _answer(self, arrived: Recorded, late: float, lies: Mapping[str, Mapping[str, Any]]) -> SimResponse:
        try:
            return self._dispatch(arrived, late, lies)
        except ApiRefusal as refusal:
            return refusal.answer

    def _dispatch(self, arrived: Recorded, late: float, lies: Mapping[str, Mapping[str, Any]]) -> SimResponse:
        method, path, headers = arrived.method, arrived.path, arrived.headers
        if path in _MASTERS and method in {"GET", "HEAD"}:
            archive = master.archive(self._broker.exchange.issues.values(), _MASTERS[path])
            return SimResponse(raw=archive, content_type="application/zip")
        oauth = self._broker.oauth
        if path.startswith(_OAUTH) or path == "/uapi/hashkey":
            body = _object(arrived.body)
            calls: Mapping[str, Callable[[], SimResponse]] = {
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
        call = ApiCall(path, tr_id, headers.get("tr_cont", "").strip(), headers, fields, late, lies)
        return route.handler(self._broker, call)


@dataclass(slots=True)
class Visit:
    """A request that has come in.

    Attributes:
        arrived: the request.
        faults: those that befall it, by name.
    """

    wire: AsgiApp
    arrived: Recorded
    faults: Mapping[str, PlantedFault]

    @property
    def before(self) -> float:
        """Seconds until the broker begins with it, of its own clock."""
        slow = self.faults.get("slow")
        return slow.how["seconds"] if slow is not None and not slow.acts else 0.0

    def act(self) -> ResponsePlan:
        """Let the broker do what is asked; once."""
        return self.wire.act(self.arrived, self.faults)


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object, or an empty one where the body is none."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


async def _read(receive: Receive) -> bytes | None:
    """The body of a request; None where the client left in the middle of it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _let_go(scope: Scope, receive: Receive, end: ConnectionEnd) -> None:
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is None:
        raise ConnectionDropped("the simulator dropped the connection")
    if end is not ConnectionEnd.OPEN:
        abort(reset=end is ConnectionEnd.RESET)
    await _gone(receive)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
