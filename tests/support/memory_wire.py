"""The simulator behind an httpx transport without a socket, in whatever time it is handed.

It raises what httpx raises over a real connection, and tells httpx's `trace` extension the same events, those of a
new connection for each request. `tests/sim/test_memory_wire.py` holds it against real sockets, fault by fault.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from kis.sim.faults.catalogue import Faults, PlantedFault
from kis.sim.faults.response_plan import ConnectionEnd, ResponsePlan
from tests.support.proxy import FAULTS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from kis.sim import Simulator
    from kis.sim.asgi_app import ReceivedRequest

_NO_FAULT = PlantedFault("", acts=True, options={}, path=None, left=0)
_SILENT = {"black_hole", "stall_request"}
_LOST = {"reset_on_accept", "reset_after_headers", "cut_request"}
_BAD_REQUEST = 400
_DROP = 0.1


class MemoryWire(httpx.AsyncBaseTransport):
    """Hands requests to a simulator in the same thread.

    What a client gives up waiting for happens at the broker nevertheless, when its time has come.

    Attributes:
        fired: how often each fault of the line has gone off; the simulator counts its own.
        calls: how many requests there were, whatever became of them.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], datetime],
        latency: float = 0.0,
    ) -> None:
        """Connect to nothing.

        Args:
            simulator: who answers; its own `sleep` is not used.
            sleep: waits, for what is slow and until a timeout.
            clock: by which `sleep` waits.
            latency: seconds a request is under way.
        """
        self._simulator = simulator
        self._sleep = sleep
        self._clock = clock
        self._latency = latency
        self._faults = Faults(FAULTS)
        self._later: set[asyncio.Task[None]] = set()
        self.calls = 0

    @property
    def fired(self) -> Counter[str]:
        return self._faults.fired

    def plant(self, name: str, *, times: int = 1, path: str | None = None, skip: int = 0, **how: Any) -> None:
        """Let a fault of the line befall the next requests: those of `tests.support.proxy`, here all with a path."""
        self._faults.plant(name, times=times, path=path, skip=skip, **how)

    def clear(self) -> None:
        self._faults.clear()

    async def settle(self) -> None:
        """Wait until the broker has done all that clients gave up waiting for."""
        while self._later:
            await asyncio.wait(self._later)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        taken = self._faults.take(request.url.path)
        call = _Call(self, request, taken[0] if taken else _NO_FAULT)
        await call.connect()
        await call.send()
        try:
            fate = await self._fate(call)
            return await call.head(fate)
        except BaseException as failure:
            await call.trace("http11.receive_response_headers.failed", exception=failure)
            await call.trace("http11.response_closed.started")
            await call.trace("http11.response_closed.complete")
            raise

    async def _fate(self, call: _Call) -> ResponsePlan:
        fault = call.fault
        if fault.name == "garbage_tls":
            return ResponsePlan(_BAD_REQUEST, (("Connection", "close"),), b"")
        if fault.name in _SILENT | _LOST and not call.all_of_it():
            await self._travel(self._latency, call)
            return ResponsePlan(0, (), b"", -1, call.end_of_fault())
        visit = self._simulator.receive(*call.spoken())
        await self._travel(self._latency + visit.before, call, visit)
        fate = visit.act()
        return _on_the_line(fate, call)

    async def _travel(self, seconds: float, call: _Call, visit: ReceivedRequest | None = None) -> None:
        """Wait until the broker begins with a request; whoever leaves before does not take it back."""
        began = self._clock()
        given_up = call.patience is not None and seconds >= call.patience
        try:
            if seconds:
                await self._sleep(call.patience if given_up else seconds)
            else:
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._left(visit, seconds - (self._clock() - began).total_seconds())
            raise
        if given_up:
            self._left(visit, seconds - call.patience)
            raise httpx.ReadTimeout("", request=call.request)
        call.waited = seconds

    def _left(self, visit: ReceivedRequest | None, seconds: float) -> None:
        if visit is not None:
            task = asyncio.get_running_loop().create_task(self._act_later(visit, seconds))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    async def _act_later(self, visit: ReceivedRequest, seconds: float) -> None:
        await self._sleep(max(0.0, seconds))
        visit.act()

    async def wait(self, seconds: float) -> None:
        await self._sleep(seconds)


class _Call:
    """One request on a connection of its own."""

    def __init__(self, wire: MemoryWire, request: httpx.Request, fault: PlantedFault) -> None:
        self.wire = wire
        self.request = request
        self.fault = fault
        self.waited = self.dripping = 0.0
        self._trace = request.extensions.get("trace")
        self._timeouts = request.extensions.get("timeout", {})

    @property
    def patience(self) -> float | None:
        """Seconds until a read gives up."""
        return self._timeouts.get("read")

    async def trace(self, event: str, **info: Any) -> None:
        if self._trace is not None:
            await self._trace(event, info)

    async def connect(self) -> None:
        await self.trace("connection.connect_tcp.started")
        tls = self.request.url.scheme == "https"
        if self.fault.name == "refuse":
            refused = httpx.ConnectError("All connection attempts failed", request=self.request)
            await self.trace("connection.connect_tcp.failed", exception=refused)
            raise refused
        await self.trace("connection.connect_tcp.complete")
        if not tls:
            return
        await self.trace("connection.start_tls.started")
        failed: httpx.TransportError | None = None
        if self.fault.name == "black_hole":
            await self.silence(self._timeouts.get("connect"))
            failed = httpx.ConnectTimeout("", request=self.request)
        elif self.fault.name in {"garbage_tls", "reset_on_accept"}:
            failed = httpx.ConnectError("", request=self.request)
        if failed is not None:
            await self.trace("connection.start_tls.failed", exception=failed)
            raise failed
        await self.trace("connection.start_tls.complete")

    async def send(self) -> None:
        await self.request.aread()
        for part in ("headers", "body"):
            await self.trace(f"http11.send_request_{part}.started")
            await self.trace(f"http11.send_request_{part}.complete")
        await self.trace("http11.receive_response_headers.started")

    def spoken(self) -> tuple[str, str, str, dict[str, str], bytes]:
        """The request as the simulator takes it."""
        url, content = self.request.url, self.request.content
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.request.headers.raw}
        return self.request.method, url.path, url.query.decode("latin-1"), headers, content

    def all_of_it(self) -> bool:
        """Whether the whole request gets through although the line breaks."""
        at = self.fault.options.get("at", -1)
        if at < 0:
            return False
        request = self.request
        fields = sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
        first = len(request.method) + len(request.url.raw_path) + len(" " + " HTTP/1.1\r\n")
        return at >= first + fields + 2 + len(request.content)

    def end_of_fault(self) -> ConnectionEnd:
        """How the connection ends that a fault has befallen."""
        if self.fault.name in {"black_hole", "stall_request", "stall_answer"}:
            return ConnectionEnd.OPEN
        return ConnectionEnd.RESET if self.fault.options.get("reset", True) else ConnectionEnd.CLOSED

    async def head(self, fate: ResponsePlan) -> httpx.Response:
        """The answer, once its headers are there."""
        if fate.answered and self.patience is not None and self.waited + fate.after >= self.patience:
            await self.silence(self.patience - self.waited)
            raise httpx.ReadTimeout("", request=self.request)
        if fate.after + self.dripping:
            await self.wire.wait(fate.after + self.dripping)
        if not fate.answered:
            await self.broken(fate.end, self.waited)
        await self.trace("http11.receive_response_headers.complete")
        if fate.end is ConnectionEnd.KEPT and not fate.rate:
            for event in ("receive_response_body.started", "receive_response_body.complete"):
                await self.trace(f"http11.{event}")
            return httpx.Response(fate.status, headers=fate.headers, content=fate.body, request=self.request)
        return httpx.Response(fate.status, headers=fate.headers, stream=_Body(self, fate), request=self.request)

    async def broken(self, end: ConnectionEnd, waited: float = 0.0) -> None:
        """Raise what a read raises where nothing more comes."""
        if end is ConnectionEnd.OPEN:
            await self.silence(None if self.patience is None else self.patience - waited)
            raise httpx.ReadTimeout("", request=self.request)
        if end is ConnectionEnd.RESET:
            raise httpx.ReadError("", request=self.request)
        raise httpx.RemoteProtocolError("the connection was closed before the answer was whole", request=self.request)

    async def silence(self, seconds: float | None) -> None:
        if seconds is None:
            await asyncio.get_running_loop().create_future()
        elif seconds > 0:
            await self.wire.wait(seconds)


class _Body(httpx.AsyncByteStream):
    """The body of an answer that comes slowly, or not whole."""

    def __init__(self, call: _Call, fate: ResponsePlan) -> None:
        self._call = call
        self._fate = fate

    async def __aiter__(self) -> AsyncIterator[bytes]:
        call, fate = self._call, self._fate
        await call.trace("http11.receive_response_body.started")
        try:
            size = max(1, int(fate.rate * _DROP)) if fate.rate else max(1, len(fate.arrives))
            for start in range(0, len(fate.arrives), size):
                piece = fate.arrives[start : start + size]
                if fate.rate:
                    seconds = len(piece) / fate.rate
                    if call.patience is not None and seconds >= call.patience:
                        await call.broken(ConnectionEnd.OPEN)
                    await call.wire.wait(seconds)
                yield piece
            if len(fate.arrives) < len(fate.body):
                await call.broken(fate.end)
        except httpx.TransportError as failure:
            await call.trace("http11.receive_response_body.failed", exception=failure)
            raise
        await call.trace("http11.receive_response_body.complete")

    async def aclose(self) -> None:
        await self._call.trace("http11.response_closed.started")
        await self._call.trace("http11.response_closed.complete")


def _on_the_line(fate: ResponsePlan, call: _Call) -> ResponsePlan:
    """What the line leaves of what the broker sent."""
    fault, how = call.fault, call.fault.options
    if fault.name in _SILENT | _LOST:
        fate.sent, fate.end = -1, call.end_of_fault()
    elif fault.name in {"cut_answer", "stall_answer"}:
        at = how["at"] - _head_length(fate)
        arrives = len(fate.arrives) if fate.answered else -1
        if at < arrives or fate.end is ConnectionEnd.KEPT:
            fate.sent, fate.end = max(-1, at), call.end_of_fault()
    elif fault.name == "delay":
        fate.after += how["seconds"]
    elif fault.name == "slow" and fate.answered:
        fate.rate = how["bytes_per_second"]
        call.dripping = _head_length(fate) / fate.rate
        if call.patience is not None and 1 / fate.rate >= call.patience:
            fate.sent, fate.end = -1, ConnectionEnd.OPEN
    return fate


def _head_length(fate: ResponsePlan) -> int:
    """Bytes of the status line and the headers as the simulator's server writes them."""
    first = len(f"HTTP/1.1 {fate.status} {HTTPStatus(fate.status).phrase}\r\n")
    return first + sum(len(name) + len(value) + len(": \r\n") for name, value in fate.headers) + len("\r\n")


class MemoryNetwork(httpx.AsyncBaseTransport):
    """What is for Telegram goes there, all else to the broker."""

    def __init__(self, kis: httpx.AsyncBaseTransport, telegram: httpx.AsyncBaseTransport) -> None:
        self._kis = kis
        self._telegram = telegram

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        to = self._telegram if request.url.path.startswith("/bot") else self._kis
        return await to.handle_async_request(request)
