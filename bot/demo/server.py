"""A uvicorn server in the running event loop, on loopback only, that starts and stops without a delay."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.demo.bot_api import TRANSPORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp

_SHUTDOWN_GRACE = 1.0  # seconds a request may take to finish once the server stops


class _Connection(H11Protocol):
    """An HTTP connection whose application can reach the transport, to close it without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        super().connection_made(transport)
        # asyncio turns Nagle's delay off only on sockets that name their protocol, and a bound listener's do not
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, TRANSPORT: transport}


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int, *, stopping: Callable[[], None]) -> AsyncIterator[str]:
    """Serve `app` and yield its base address, "http://127.0.0.1:54321".

    The signals of the process stay with the program that runs the server.

    Args:
        app: the application.
        host: a loopback address or "localhost".
        port: 0 for any free one.
        stopping: called when the server is about to stop, so that streams and long polls end.

    Raises:
        ValueError: the host is not on loopback.
        OSError: the port is taken.
    """
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"{host} is not a loopback address: the local Telegram has no lock on its door")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    config = uvicorn.Config(
        app, http=_Connection, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    try:
        yield f"http://{shown}:{listener.getsockname()[1]}"
    finally:
        stopping()
        await _stop(server)


async def _stop(server: uvicorn.Server) -> None:
    """Stop without uvicorn's ticks of a tenth of a second: a test starts and stops many servers."""
    for listening in server.servers:
        listening.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        _, late = await asyncio.wait(list(state.tasks), timeout=_SHUTDOWN_GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    for connection in list(state.connections):
        connection.transport.abort()
    for listening in server.servers:
        await listening.wait_closed()
    await asyncio.sleep(0)
