"""The simulated broker as an ASGI application that speaks KIS's REST API.

Plain ASGI without a framework, as frameworks change the case of header names: clients rely on KIS's (`tr_id` and
`tr_cont` in lower case, `Content-Type` capitalised; the official sample makes attributes of the lower-case names).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections import deque
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from kis import endpoints
from kis.endpoints import Env
from kis.sim import master
from kis.sim.admin_api import PREFIX
from kis.sim.api.context import ApiCall, ApiContext, Recorded
from kis.sim.api.responses import ApiRefusal, SimResponse, gateway, ledger_throttled, malformed, throttled
from kis.sim.api.routes import Routes
from kis.sim.exchange.orders import HTS_CHANNEL, OrderRejected, OrderSide
from kis.sim.faults.catalogue import KINDS, Faults, PlantedFault
from kis.sim.faults.response_plan import ABORT, ConnectionEnd, ResponsePlan, apply_fault, response_plan

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from starlette.types import Receive, Scope, Send

    from kis.sim.admin_api import AdminApi
    from kis.sim.websocket.server import WebSocketServer


_MASTER_FILES = {"/common/master/kospi_code.mst.zip": "KOSPI", "/common/master/kosdaq_code.mst.zip": "KOSDAQ"}
_MAX_RECORDED = 10_000
_DRIP_INTERVAL = 0.1  # seconds between pieces of a dripping body, if that is more than a byte
_SELL_TR_IDS = frozenset(astuple(endpoints.SELL.tr))
LIST_FAULTS = frozenset({"lag", "krx_only", "old_rows"})
_OAUTH = "/oauth2/"
PER_SECOND = {Env.REAL: 18, Env.PAPER: 1}
"""Calls a second for one app key (KIS notice of 2026-04-20)."""
_WINDOW = 0.98  # seconds: calls sent a second apart may arrive a little closer together


class RateLimitWindow:
    """A sliding window of a second; refused calls do not count.

    Attributes:
        refuse_share: share of the calls that are refused although they fit: KIS's limiter runs on several
            machines that do not share their counts, and its notice tells clients to repeat the call.
    """

    def __init__(
        self, per_second: int, clock: Callable[[], datetime], rng: random.Random, *, refuse_share: float = 0.0
    ) -> None:
        if not 0 <= refuse_share < 1:
            raise ValueError(f"the share of refusals is from 0 to less than 1, not {refuse_share}")
        self.per_second = per_second
        self.refuse_share = refuse_share
        self._clock = clock
        self._rng = rng
        self._admitted: deque[float] = deque()

    def admit(self) -> bool:
        """Whether one more call fits now, which is then counted."""
        now = self._clock().timestamp()
        while self._admitted and now - self._admitted[0] >= _WINDOW:
            self._admitted.popleft()
        if len(self._admitted) >= self.per_second or (self.refuse_share and self._rng.random() < self.refuse_share):
            return False
        self._admitted.append(now)
        return True


class AsgiApp:
    """The application.

    Attributes:
        requests: requests received, oldest first, without those of the admin API.
    """

    def __init__(
        self,
        broker: ApiContext,
        faults: Faults,
        *,
        window: RateLimitWindow | None,
        ledger_window: RateLimitWindow | None,
        admin: AdminApi | None,
        sleep: Callable[[float], Awaitable[None]],
        websocket: WebSocketServer,
    ) -> None:
        self.requests: deque[Recorded] = deque(maxlen=_MAX_RECORDED)
        self._broker = broker
        self._faults = faults
        self._window = window
        self._ledger_window = ledger_window
        self._admin = admin
        self._sleep = sleep
        self._websocket = websocket
        self._routes = Routes(broker.env)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI scope."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    def receive(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> ReceivedRequest:
        """Records a request and takes the faults planted for it; it is not processed yet, and no admin call.

        Method in capitals, query without the question mark, names of headers in lower case.
        """
        # KIS accepts a doubled slash in front.
        path = "/" + path.lstrip("/")
        fields = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        request = Recorded(method, path, dict(headers), fields, body, self._broker.exchange.now())
        self.requests.append(request)
        taken = self._faults.take(path, following=headers.get("tr_cont", "").strip() == "N")
        return ReceivedRequest(self, request, {fault.name: fault for fault in taken})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return  # the client disconnected
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path, query = str(scope["path"]), scope.get("query_string", b"").decode("latin-1")
        admin_path = "/" + path.lstrip("/")
        if admin_path.startswith(PREFIX) and self._admin is not None and scope["method"] == "POST":
            answer = SimResponse({"error": "say it in application/json"}, 415)  # a web page cannot send that cross-site
            if "origin" in headers or not _is_address(headers.get("host", "")):
                answer = SimResponse({"error": "a web page may not ask, nor may a name that is pointed here"}, 403)
            elif headers.get("content-type", "").startswith("application/json"):
                answer = self._admin.answer(admin_path.removeprefix(PREFIX), _json_object(body))
            now = self._broker.exchange.now()
            await self._deliver(scope, receive, send, response_plan(answer, {}, tr_id="", now=now))
            return
        request = self.receive(scope["method"], path, query, headers, body)
        if request.before:
            await self._sleep(request.before)
        await self._deliver(scope, receive, send, request.act())

    async def _deliver(self, scope: Scope, receive: Receive, send: Send, plan: ResponsePlan) -> None:
        if plan.after:
            await self._sleep(plan.after)
        if plan.answered:
            start = [(name.encode(), value.encode("latin-1", "replace")) for name, value in plan.headers]
            await send({"type": "http.response.start", "status": plan.status, "headers": start})
            kept = plan.end is ConnectionEnd.KEPT
            if plan.rate:
                await self._drip(receive, send, plan)
                if kept:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await send({"type": "http.response.body", "body": plan.arrives, "more_body": not kept})
        if plan.end is not ConnectionEnd.KEPT:
            await _end_connection(scope, receive, plan.end)

    async def _drip(self, receive: Receive, send: Send, plan: ResponsePlan) -> None:
        disconnected = asyncio.ensure_future(_disconnected(receive))
        piece = max(1, int(plan.rate * _DRIP_INTERVAL))
        try:
            for start in range(0, len(plan.arrives), piece):
                part = plan.arrives[start : start + piece]
                await self._sleep(len(part) / plan.rate)
                if disconnected.done():
                    return
                await send({"type": "http.response.body", "body": part, "more_body": True})
        finally:
            disconnected.cancel()

    def act(self, request: Recorded, faults: Mapping[str, PlantedFault]) -> ResponsePlan:
        """Processes a request and returns the response plan."""
        list_faults = {name: fault.options for name, fault in faults.items() if name in LIST_FAULTS}
        delay = faults["late_booking"].options["seconds"] if "late_booking" in faults else 0.0
        twin = faults["twin"].options["when"] if "twin" in faults else ""
        exclusive = next((fault for name, fault in faults.items() if not KINDS[name].joins), None)
        answer = SimResponse()
        if twin == "before":
            self._place_twin(request)
        if exclusive is None or exclusive.acts:
            try:
                answer = self._dispatch(request, delay, list_faults)
            except ApiRefusal as refusal:
                answer = refusal.answer
        if twin == "after":
            self._place_twin(request)
        if exclusive is not None:
            answer = apply_fault(answer, exclusive, request)
        tr_id = request.headers.get("tr_id", "")
        return response_plan(answer, faults, tr_id=tr_id, now=self._broker.exchange.now())

    def _place_twin(self, request: Recorded) -> None:
        """Places the order of a request again, as from the HTS; a request that is no valid order has no twin."""
        body = _json_object(request.body)
        side = OrderSide.SELL if request.headers.get("tr_id", "") in _SELL_TR_IDS else OrderSide.BUY
        with contextlib.suppress(OrderRejected, KeyError, TypeError, ValueError):
            self._broker.exchange.submit(
                side, body["PDNO"], body["ORD_DVSN"], int(body["ORD_QTY"]), int(body["ORD_UNPR"]), channel=HTS_CHANNEL
            )

    def _dispatch(self, request: Recorded, delay: float, list_faults: Mapping[str, Mapping[str, Any]]) -> SimResponse:
        method, path, headers = request.method, request.path, request.headers
        if path in _MASTER_FILES and method in {"GET", "HEAD"}:
            archive = master.archive(self._broker.exchange.issues.values(), _MASTER_FILES[path])
            return SimResponse(raw=archive, content_type="application/zip")
        oauth = self._broker.oauth
        if path.startswith(_OAUTH) or path == "/uapi/hashkey":
            body = _json_object(request.body)
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
        if route.endpoint.ledger and self._ledger_window is not None and not self._ledger_window.admit():
            raise ledger_throttled()
        if method == "POST":
            if not headers.get("content-type", "").lower().startswith("application/json"):
                raise gateway("EGW00132", "Content-Type이 유효하지 않습니다.")
            fields = _json_object(request.body)
            if not fields:
                raise malformed()
        else:
            fields = {name.upper(): value for name, value in request.query.items()}
        call = ApiCall(path, tr_id, headers.get("tr_cont", "").strip(), headers, fields, delay, list_faults)
        return route.handler(self._broker, call)


@dataclass(slots=True)
class ReceivedRequest:
    """A request that is not processed yet, and the faults planted for it, by name."""

    app: AsgiApp
    request: Recorded
    faults: Mapping[str, PlantedFault]

    @property
    def before(self) -> float:
        """Seconds until the broker processes it."""
        slow = self.faults.get("slow")
        return slow.options["seconds"] if slow is not None and not slow.acts else 0.0

    def act(self) -> ResponsePlan:
        """Processes it; to be called once."""
        return self.app.act(self.request, self.faults)


def _json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, or an empty one."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _is_address(host: str) -> bool:
    """Whether a Host is localhost or an IP address, which no page can have pointed here (DNS rebinding)."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


async def _read_body(receive: Receive) -> bytes | None:
    """The body of a request; None if the client disconnected in the middle of it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end_connection(scope: Scope, receive: Receive, end: ConnectionEnd) -> None:
    """Ends the connection, by an exception if the server offers no way to drop it."""
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is None:
        raise ConnectionResetError("the simulator dropped the connection")
    if end is not ConnectionEnd.OPEN:
        abort(reset=end is ConnectionEnd.RESET)
    await _disconnected(receive)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
