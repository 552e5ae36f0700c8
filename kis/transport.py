"""HTTP below the session: certificates, timeouts, and the connection pool of reads.

httpx's own pool scans every connection and every waiting request each time one begins or ends, so that the cost of a
call grows with their number: with 32 tasks it doubles (measured 2026-11). Here a read takes the connection used last,
each a pool of one; orders do not share connections at all.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import httpx

from kis.errors import Unavailable

if TYPE_CHECKING:
    from kis.responses import HeaderList, Trace

Transport = httpx.AsyncBaseTransport

_UNCOMPRESSED = (b"accept-encoding", b"identity")
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
MAX_BODY = 4 << 20
"""Bytes of an answer's body, as sent, that are read; KIS's longest list pages have a few hundred thousand."""
_PIECES_A_TURN = 100  # pieces of a body that are taken in before others have their turn
_TIMEOUT = {"timeout": {"connect": 3.0, "read": 10.0, "write": 3.0, "pool": 10.0}}
_DOWNLOAD_TIMEOUT = 60.0  # seconds for a whole file
_MAX_CONNECTIONS = 32
_KEEPALIVE = 5.0  # seconds an idle connection is kept, as in httpx


class UnfitBody(Exception):
    """An answer whose body is not read: it is too long, or compressed, which was not asked for."""


class Answer(NamedTuple):
    """A response read to its end."""

    status_code: int
    headers: httpx.Headers
    content: bytes


async def _body_of(response: httpx.Response) -> bytes:
    """Reads a body as it is sent, and closes its stream; `UnfitBody` as soon as it is one."""
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - of an asynchronous transport
    body, pieces = bytearray(), 0
    try:
        if response.headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
            raise UnfitBody("the answer is compressed")
        async for part in stream:
            body += part
            pieces += 1
            if len(body) > MAX_BODY:
                raise UnfitBody(f"the answer is longer than {MAX_BODY:,} bytes")
            if pieces % _PIECES_A_TURN == 0:
                await asyncio.sleep(0)
    finally:
        await stream.aclose()
    return bytes(body)


class ConnectionPool(httpx.AsyncBaseTransport):
    """A connection for each call under way, up to 32; the one used last goes first, idle ones are closed.

    Responses come with their body already read. Errors and cancellation on a connection are left to httpx.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEPALIVE)
        self._free = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._idle: deque[tuple[httpx.AsyncHTTPTransport, float]] = deque()
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request and reads its response to the end; waits if all connections are in use."""
        async with self._free:
            connection = self._idle.pop()[0] if self._idle else self._new_connection()
            try:
                response = await connection.handle_async_request(request)
                response.stream = httpx.ByteStream(await _body_of(response))
            finally:
                now = asyncio.get_running_loop().time()
                self._idle.append((connection, now))
            while self._idle and (self._closed or self._idle[0][1] < now - _KEEPALIVE):
                await self._idle.popleft()[0].aclose()
            return response

    def _new_connection(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=self._context, trust_env=False, limits=self._limits)

    async def aclose(self) -> None:
        """Closes the connections; one in use is closed after its call."""
        self._closed = True
        while self._idle:
            await self._idle.pop()[0].aclose()


class HttpSender:
    """httpx without its client's cookies, redirects, logins and hooks, which are a tenth of a call's cost."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, request: httpx.Request) -> Answer:
        """The answer to a request; `UnfitBody` if its body is not to be read."""
        response = await self._transport.handle_async_request(request)
        return Answer(response.status_code, response.headers, await _body_of(response))

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()


def single_use_connections(context: ssl.SSLContext) -> Transport:
    """Opens a connection for each call, as orders need it."""
    # On a kept connection that the server has just closed, an order's outcome would be unknown for nothing.
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def get(url: httpx.URL, headers: HeaderList) -> httpx.Request:
    """A GET with our timeouts."""
    return httpx.Request("GET", url, headers=[*headers, _UNCOMPRESSED], extensions=_TIMEOUT)


def post(url: httpx.URL, headers: HeaderList, content: bytes, trace: Trace | None = None) -> httpx.Request:
    """A POST with our timeouts; `trace` notes whether a byte of it left."""
    extensions = _TIMEOUT if trace is None else {**_TIMEOUT, "trace": trace}
    return httpx.Request("POST", url, headers=[*headers, _UNCOMPRESSED], content=content, extensions=extensions)


def failure_text(failure: Exception) -> str:
    """Why a request has no answer, fit for an error message: no address, no secret."""
    if isinstance(failure, UnfitBody):
        return str(failure)
    name = type(failure).__name__
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or cause.reason or "no TLS"
            return f"no answer ({name}: TLS, {reason})"
        cause = cause.__cause__ or cause.__context__
    return f"no answer ({name})"


def proves_not_sent(trace: Trace, failure: Exception) -> bool:
    """Whether it is certain that no byte of a failed request left."""
    return not trace.sent and (trace.begun or isinstance(failure, NEVER_SENT))


@cache
def ssl_context(url: str) -> ssl.SSLContext:
    """The TLS context of a host, shared: loading the certificates is the most expensive part of making a client."""
    if url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # plain http: no certificates to load
    return httpx.create_ssl_context(trust_env=False)


async def download(url: str, *, stand_in: Transport | None = None) -> bytes:
    """Fetches a public file of up to `MAX_BODY`, else raises `Unavailable`; `stand_in` replaces the network."""
    transport = stand_in or single_use_connections(ssl_context(url))
    try:
        async with asyncio.timeout(_DOWNLOAD_TIMEOUT):
            answer = await HttpSender(transport).send(get(httpx.URL(url), []))
    except (httpx.HTTPError, TimeoutError, UnfitBody) as failure:
        raise Unavailable(f"no file ({failure_text(failure)})", endpoint="download") from None
    finally:
        await transport.aclose()
    if answer.status_code != HTTPStatus.OK:
        raise Unavailable(f"no file (HTTP {answer.status_code})", endpoint="download")
    return answer.content
