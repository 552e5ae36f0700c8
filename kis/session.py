"""REST calls of one app key: token, rate limit, timeouts, and the retries of reads.

The client reads through `Session.read` and `Session.pages`; orders go through `kis.order_transport`, which uses the
session's token, rate limiter and `post_order` and decides by itself whether anything is sent again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import httpx

from kis.callers import lane_of_read
from kis.config import HEADER_SAFE
from kis.endpoints import APPROVAL, EXECUTIONS, EXECUTIONS_OLDER, HASHKEY, OPEN_ORDERS, TOKEN, Endpoint
from kis.error_codes import NO_ROWS, code_of, is_success
from kis.errors import BadAnswer, BadRequest, KisError, NotSent, Throttled, TokenRejected, Unavailable, Unsupported
from kis.failpoints import armed, at
from kis.rate_limit import RateLimiter
from kis.responses import ApiResponse, ErrorMapper, HeaderList, Headers, Pages, clock_offset, decoded
from kis.retry import RetryBudget
from kis.single_flight import MAX_CACHE_AGE, ResponseCache, SingleFlight
from kis.token import TokenStore
from kis.transport import (
    MAX_BODY,
    NEVER_SENT,
    ConnectionPool,
    HttpSender,
    Transport,
    UnfitBody,
    failure_text,
    get,
    post,
    single_use_connections,
    ssl_context,
)

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from kis.config import KisConfig
    from kis.endpoints import Lane
    from kis.responses import Trace
    from kis.transport import Answer

_Reply = tuple[int, dict[str, Any] | None]  # HTTP status, and the JSON object if there is one
# httpx logs each URL at INFO, and KIS's URLs hold the account number.
logging.getLogger("httpx").setLevel(logging.WARNING)

_CALL_TIMEOUT = 16.0  # seconds for a whole call: an answer that drips never trips the read timeout
_MAX_PAGES = 20
_MAX_CURSOR = 200  # characters; KIS documents 100
_EMPTY_CURSORS = frozenset({"", "^^"})
_MORE_PAGES = frozenset({"F", "M"})  # `tr_cont` of an answer that another page follows
_ORDER_LISTS = frozenset({EXECUTIONS, EXECUTIONS_OLDER, OPEN_ORDERS})


class _ReadKey(NamedTuple):
    """What makes one read differ from another."""

    name: str
    tr_id: str
    query: str
    follow: bool


class _SplitBody(httpx.AsyncByteStream):
    """A body sent in two parts, with the failpoint `half_body` between them."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        half = len(self._content) // 2
        yield self._content[:half]
        at("half_body")
        yield self._content[half:]


class Session:
    """The connection to one environment with one app key; once `closed`, it takes no calls."""

    def __init__(
        self,
        config: KisConfig,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
        transport: Transport | None,
    ) -> None:
        """Connects to nothing yet; arguments are those of `KisClient`."""
        self._config = config
        self._env = config.env.value
        self._clock = clock
        self.retry_budget: Callable[[], RetryBudget] = partial(RetryBudget, clock, sleep, rng)
        self.rate_limiter = RateLimiter(config.interval, ledger_interval=config.ledger_interval)
        self.token = TokenStore(config, self._issue_token, clock=clock, sleep=sleep)
        self.headers = Headers(config.app_key, config.app_secret)
        self.errors = ErrorMapper(config, self.rate_limiter)
        self.closed = False
        context = ssl_context(config.rest)
        self._read_sender = HttpSender(transport or ConnectionPool(context))
        self._order_sender = HttpSender(transport or single_use_connections(context))
        self._reads: SingleFlight[tuple[_ReadKey, Lane], ApiResponse] = SingleFlight()
        self._cache: ResponseCache[_ReadKey] = ResponseCache(clock)
        self._url = lru_cache(maxsize=512)(httpx.URL)
        self._dates: deque[tuple[str, datetime, datetime]] = deque(maxlen=20)

    async def close(self) -> None:
        """Cancels reads under way, then closes the connections."""
        self.closed = True
        await self._reads.close(lambda key: Unavailable("the session is closed", endpoint=key[0].name, env=self._env))
        await self.token.close()
        await self._read_sender.aclose()
        await self._order_sender.aclose()

    @property
    def clock_offset(self) -> float:
        """Seconds KIS's clock is ahead of ours: median of 20 answers, whose times are whole seconds; 0 before any."""
        return clock_offset(self._dates)

    def tr_id(self, endpoint: Endpoint) -> str:
        """The `tr_id` to send with a call; raises `Unsupported` if the environment does not offer it."""
        tr_id = endpoint.tr_id(self._config.env, self._config.generation)
        if tr_id is None:
            message = f"KIS does not offer this on {self._env}"
            raise Unsupported(message, alternative=endpoint.alternative, endpoint=endpoint.name, env=self._env)
        return tr_id

    async def read(
        self, endpoint: Endpoint, params: Mapping[str, str], *, follow: bool = False, max_age: float = 0.0
    ) -> ApiResponse:
        """Makes a read, with up to three retries over ten seconds where KIS stumbled.

        Identical reads in the same lane share one call. Reads of the account share it only until the call leaves, so
        that an answer is never older than the request. With a `max_age` (seconds, one at most) an answer already
        received will do, but never for the ledger. `follow` asks for a following page.

        Raises `Refused` (also if the call is not offered here, or the rate or the token stayed refused), or
        `Unavailable` if there was no usable answer.
        """
        if self.closed:
            raise self._error(Unavailable, endpoint, "the session is closed")
        tr_id = self.tr_id(endpoint)
        if not 0 <= max_age <= (0 if endpoint.ledger else MAX_CACHE_AGE):
            raise self._error(BadRequest, endpoint, f"an answer {max_age} s old will not do")
        key = _ReadKey(endpoint.name, tr_id, f"{endpoint.path}?{urlencode(params)}", follow)
        cached = self._cache.get(key, max_age) if max_age else None
        lane = lane_of_read(endpoint.lane)
        return cached or await self._reads.do((key, lane), partial(self._read, key, endpoint, lane))

    async def _read(self, key: _ReadKey, endpoint: Endpoint, lane: Lane) -> ApiResponse:
        url = self._url(self._config.rest + key.query)
        budget = self.retry_budget()
        renewed = False
        while True:
            token = await self.token.get()
            await self.rate_limiter.acquire(lane, ledger=endpoint.ledger)
            if endpoint.ledger:
                self._reads.forget((key, lane))
            request = get(url, self.headers.full(token, key.tr_id, follow=key.follow))
            try:
                response = await self._read_once(endpoint, request)
            except TokenRejected:
                if renewed:
                    raise
                renewed = True
                await self.token.drop(token)
            except BadAnswer:
                raise  # a body that is not read would come again
            except (Throttled, Unavailable) as failure:
                await budget.pause(failure)
            else:
                if not endpoint.ledger:
                    self._cache.put(key, response)
                return response

    async def _read_once(self, endpoint: Endpoint, request: httpx.Request) -> ApiResponse:
        try:
            response, received = await self._exchange(self._read_sender, request)
        except UnfitBody as failure:
            raise self._error(BadAnswer, endpoint, str(failure)) from None
        except (httpx.HTTPError, TimeoutError) as failure:
            raise self._error(Unavailable, endpoint, failure_text(failure)) from None
        body = decoded(response.content)
        if body is not None and is_success(body):
            more = response.headers.get("tr_cont", "").strip() in _MORE_PAGES
            return ApiResponse(body, more, received, response.status_code, len(response.content))
        if body is not None and code_of(body) == NO_ROWS and endpoint not in _ORDER_LISTS:
            return ApiResponse(body, more=False, at=received, status=response.status_code)
        raise self.errors.of_read(endpoint, response.status_code, body)

    async def pages(self, endpoint: Endpoint, params: Mapping[str, str], rows: str) -> Pages:
        """Reads a list, whose rows stand under the name `rows`, to its end; part of a list is never returned.

        Raises as `read`, and `BadAnswer` if a page holds no list, the cursor repeats itself, or pages are too many.
        """
        search, position = "CTX_AREA_FK100", "CTX_AREA_NK100"
        found: list[dict[str, Any]] = []
        cursor = ("", "")
        seen = {cursor}
        size = 0
        for number in range(_MAX_PAGES):
            query = {**params, search: cursor[0], position: cursor[1]}
            body, more, received, status, length = await self.read(endpoint, query, follow=number > 0)
            size += length
            page = body.get(rows)
            if page is None and code_of(body) == NO_ROWS:
                page = []
            if not isinstance(page, list) or not all(isinstance(row, dict) for row in page):
                raise self._error(BadAnswer, endpoint, f"page {number + 1} holds no list", status)
            if size > MAX_BODY:
                raise self._error(BadAnswer, endpoint, f"the pages are longer than {MAX_BODY:,} bytes", status)
            found += page
            if not more:
                return Pages(found, body, received)
            cursor = (str(body.get(search.lower(), "")), str(body.get(position.lower(), "")))
            if not all(len(part) <= _MAX_CURSOR and part.isascii() for part in cursor):
                raise self._error(BadAnswer, endpoint, f"page {number + 1} does not say where to go on", status)
            if cursor[1].strip() in _EMPTY_CURSORS:
                if len(page) < (endpoint.page_size(self._config.env) or 0):
                    return Pages(found, body, received)
                message = f"page {number + 1} is full and does not say where to go on"
                raise self._error(BadAnswer, endpoint, message, status)
            if cursor in seen:
                raise self._error(BadAnswer, endpoint, f"page {number + 1} points at a page already read", status)
            seen.add(cursor)
        raise self._error(BadAnswer, endpoint, f"there are more than {_MAX_PAGES} pages", status)

    async def post_order(
        self, endpoint: Endpoint, headers: HeaderList, content: bytes, trace: Trace
    ) -> tuple[int, bytes]:
        """Makes one POST on a connection of its own, with no retry; returns HTTP status and body of the answer."""
        request = post(self._url(self._config.rest + endpoint.path), headers, content, trace)
        if armed():
            request.stream = _SplitBody(content)
        response, _ = await self._exchange(self._order_sender, request)
        return response.status_code, response.content

    async def hash(self, content: bytes, lane: Lane = HASHKEY.lane) -> str:
        """KIS's hash of an order's body (KIS portal, Hashkey), requested in the order's own lane; raises as `read`."""
        status, answer = await self._spaced_post(HASHKEY, self.headers.keyed, content, lane)
        value = answer.get("HASH") if answer is not None else None
        if isinstance(value, str) and HEADER_SAFE.fullmatch(value):
            return value
        raise self.errors.of_read(HASHKEY, status, answer)

    async def approval(self) -> str:
        """A websocket key, good for a day (KIS portal, 실시간 접속키 발급); raises as `read`."""
        keys = {"appkey": self._config.app_key, "secretkey": self._config.app_secret}
        content = json.dumps({"grant_type": "client_credentials", **keys}).encode()
        status, answer = await self._spaced_post(APPROVAL, self.headers.bare, content, APPROVAL.lane)
        key = answer.get("approval_key") if answer is not None else None
        if isinstance(key, str) and HEADER_SAFE.fullmatch(key):
            return key
        raise self.errors.of_token(APPROVAL, status, answer)

    async def _issue_token(self) -> dict[str, Any]:
        keys = {"appkey": self._config.app_key, "appsecret": self._config.app_secret}
        content = json.dumps({"grant_type": "client_credentials", **keys}).encode()
        status, answer = await self._post(TOKEN, self.headers.bare, content)
        if answer is not None and "access_token" in answer:
            return answer
        raise self.errors.of_token(TOKEN, status, answer)

    async def _spaced_post(self, endpoint: Endpoint, headers: HeaderList, content: bytes, lane: Lane) -> _Reply:
        await self.rate_limiter.acquire(lane)
        try:
            return await self._post(endpoint, headers, content)
        except NotSent as failure:
            raise self._error(Unavailable, endpoint, failure.message) from None

    async def _post(self, endpoint: Endpoint, headers: HeaderList, content: bytes) -> _Reply:
        request = post(self._url(self._config.rest + endpoint.path), headers, content)
        try:
            response, _ = await self._exchange(self._read_sender, request)
        except (httpx.HTTPError, TimeoutError, UnfitBody) as failure:
            kind = NotSent if isinstance(failure, NEVER_SENT) else Unavailable
            raise self._error(kind, endpoint, failure_text(failure)) from None
        return response.status_code, decoded(response.content)

    async def _exchange(self, sender: HttpSender, request: httpx.Request) -> tuple[Answer, datetime]:
        before = self._clock()
        async with asyncio.timeout(_CALL_TIMEOUT):
            response = await sender.send(request)
        after = self._clock()
        date = response.headers.get("date")
        if date is not None:
            self._dates.append((date, before, after))
        return response, after

    def _error(self, kind: type[KisError], endpoint: Endpoint, message: str, status: int | None = None) -> KisError:
        return kind(message, status=status, endpoint=endpoint.name, env=self._env)
