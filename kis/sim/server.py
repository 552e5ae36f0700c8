"""The simulator on a real socket (uvicorn)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from kis.sim.faults.response_plan import ABORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send


_POLL_INTERVAL = 0.005
# `struct linger`: on, zero seconds. Windows uses shorts.
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def end(transport: asyncio.WriteTransport, *, reset: bool) -> None:
    """Closes a connection at once: by FIN, or by RST."""
    if reset and not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class _Protocol(H11Protocol):
    """h11, which keeps the case of header names, with the extension `ABORT`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio sets this only on sockets made with an explicit protocol; without it the kernel delays the second
        # packet of every answer by some 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app = _droppable(self.app, transport)


class _SocketProtocol(WebSocketsSansIOProtocol):
    """A websocket with the extension `ABORT`, which drops it without a close frame."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app = _droppable(self.app, transport)


def _droppable(inner: Any, transport: asyncio.Transport) -> Any:
    def abort(*, reset: bool = False) -> None:
        end(transport, reset=reset)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {**scope.get("extensions", {}), ABORT: abort}
        await inner(scope, receive, send)

    return app


class _Server(uvicorn.Server):
    """Stops as soon as `stop` is set; uvicorn polls every tenth of a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, without its pauses of a tenth of a second: tests stop many simulators."""
        del sockets
        state = self.server_state
        for server in self.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(_POLL_INTERVAL)
        for task in list(state.tasks):
            task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leaves the signals to the owner of the event loop."""
        yield


@contextlib.asynccontextmanager
async def serving(app: Callable[[Scope, Receive, Send], Awaitable[None]], host: str, port: int) -> AsyncIterator[str]:
    """Serves an application until the block is left, and yields the base URL; port 0 for a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws=_SocketProtocol,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]), name="kis.sim server")
    try:
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(_POLL_INTERVAL)
        bound = listener.getsockname()[1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        server.should_exit = True
        server.stop.set()
        await task
        listener.close()


def env_lines(environ: Mapping[str, str]) -> str:
    """Environment variables as lines for a .env file or a shell."""
    return "\n".join(f"{name}={value}" for name, value in environ.items())
