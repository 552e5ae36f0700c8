"""How a request travels: certificates, timeouts, and the connections that reads share.

httpx's own pool looks at every connection and every waiting request each time one begins or ends, so that the
cost of a call grows with their number: with 32 tasks it doubles (measured 2026-11). Reads here take the
connection that was used last, each of them a pool of one; writes do not share connections at all.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from functools import cache
from typing import TYPE_CHECKING

import httpx

from kis.errors import Unavailable

if TYPE_CHECKING:
    from kis.responses import HeaderList, Trace

Transport = httpx.AsyncBaseTransport

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_TIMEOUT = {"timeout": {"connect": 3.0, "read": 10.0, "write": 3.0, "pool": 10.0}}
_DOWNLOAD = 20.0
_MOST = 32
_IDLE = 5.0  # seconds after which a connection is not worth keeping, as httpx has it


class ConnectionPool(httpx.AsyncBaseTransport):
    """A connection for each call under way, up to 32; the one used last goes first, idle ones are closed.

    Answers come with their body already read. What happens on a connection, its loss and its cancellation
    included, is left to httpx's transport.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        """Connects to nothing yet.

        Args:
            context: whom to trust.
        """
        self._context = context
        self._limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE)
        self._free = asyncio.Semaphore(_MOST)
        self._idle: deque[tuple[httpx.AsyncHTTPTransport, float]] = deque()
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request and reads its answer to the end; waits for a connection where all are taken."""
        async with self._free:
            one = self._idle.pop()[0] if self._idle else self._made()
            try:
                response = await one.handle_async_request(request)
                try:
                    await response.aread()
                finally:
                    await response.aclose()
            finally:
                now = asyncio.get_running_loop().time()
                self._idle.append((one, now))
            while self._idle and (self._closed or self._idle[0][1] < now - _IDLE):
                await self._idle.popleft()[0].aclose()
            return response

    def _made(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=self._context, trust_env=False, limits=self._limits)

    async def aclose(self) -> None:
        """Closes the connections; one in use is closed after its call."""
        self._closed = True
        while self._idle:
            await self._idle.pop()[0].aclose()


class Reader:
    """httpx without what its client does for browsers (cookies, redirects, logins, hooks), a tenth of a call's cost."""

    def __init__(self, transport: Transport) -> None:
        """Sends by this transport."""
        self._transport = transport

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request, its body read."""
        response = await self._transport.handle_async_request(request)
        response.request = request
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()


def for_reads(context: ssl.SSLContext, stand_in: Transport | None) -> Reader:
    """Sends calls that share connections; `stand_in` takes the place of the network."""
    return Reader(stand_in or ConnectionPool(context))


def for_writes(context: ssl.SSLContext, stand_in: Transport | None) -> Reader:
    """Opens a connection for each call; `stand_in` takes the place of the network."""
    # A kept connection the server has just closed would make an order's fate unknown for nothing.
    fresh = httpx.Limits(max_keepalive_connections=0)
    return Reader(stand_in or httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=fresh))


def get(url: httpx.URL, headers: HeaderList) -> httpx.Request:
    """A GET with our timeouts."""
    return httpx.Request("GET", url, headers=headers, extensions=_TIMEOUT)


def post(url: httpx.URL, headers: HeaderList, content: bytes, trace: Trace | None = None) -> httpx.Request:
    """A POST with our timeouts; `trace` learns whether a byte of it left."""
    extensions = _TIMEOUT if trace is None else {**_TIMEOUT, "trace": trace}
    return httpx.Request("POST", url, headers=headers, content=content, extensions=extensions)


def words_of(failure: Exception) -> str:
    """What became of a request without an answer, in words fit for an error: no address, no secret."""
    said = type(failure).__name__
    behind: BaseException | None = failure
    while behind is not None:
        if isinstance(behind, ssl.SSLError):
            reason = getattr(behind, "verify_message", "") or behind.reason or "no TLS"
            return f"no answer ({said}: TLS, {reason})"
        behind = behind.__cause__ or behind.__context__
    return f"no answer ({said})"


def proves_not_sent(trace: Trace, failure: Exception) -> bool:
    """Whether it is certain that no byte of a failed request left."""
    return not trace.sent and (trace.begun or isinstance(failure, NEVER_SENT))


@cache
def trust(url: str) -> ssl.SSLContext:
    """One context for all connections of a host: loading the certificates is the dearest part of a client."""
    if url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, as nobody is asked
    return httpx.create_ssl_context(trust_env=False)


async def download(url: str, *, stand_in: Transport | None = None) -> bytes:
    """Fetches a public file; `stand_in` takes the place of the network.

    Raises:
        Unavailable: it could not be had.
    """
    try:
        async with httpx.AsyncClient(
            verify=trust(url),
            trust_env=False,
            timeout=_DOWNLOAD,
            transport=stand_in,
        ) as client:
            response = await client.get(url)
            response.raise_for_status()
            return response.content
    except httpx.HTTPError as failure:
        raise Unavailable(f"no file ({type(failure).__name__})", endpoint="download") from None
