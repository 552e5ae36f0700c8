"""The only door to KIS's REST hosts: token, pace, timeouts, retries; answers become results or errors.

Reads are asked again here where that may help. What becomes of writes stands in `kis.order_transport`; they share the
token and the pace with the reads, and no connection with anything.
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

from kis.endpoints import APPROVAL, EXECUTIONS, EXECUTIONS_OLDER, HASHKEY, OPEN_ORDERS, TOKEN, Endpoint
from kis.error_codes import NO_ROWS, code_of, said_yes
from kis.errors import (
    BadAnswer,
    BadRequest,
    KisError,
    NotSent,
    Throttled,
    TokenRejected,
    Unavailable,
    Unsupported,
)
from kis.failpoints import armed, at
from kis.order_transport import OrderTransport
from kis.rate_limit import RateLimiter
from kis.responses import ApiResponse, ErrorMapper, HeaderList, Headers, Pages, clock_offset, decoded
from kis.retry import RetryBudget
from kis.single_flight import LONGEST_AGE, Recent, SingleFlight
from kis.token import TokenKeeper
from kis.transport import (
    NEVER_SENT,
    Reader,
    Transport,
    download,
    for_reads,
    for_writes,
    get,
    post,
    trust,
    words_of,
)

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from kis.config import KisConfig
    from kis.endpoints import Lane
    from kis.responses import Trace

__all__ = ["Session", "Transport", "download"]

_Reply = tuple[int, dict[str, Any] | None]  # HTTP status, and the JSON object if there is one
# httpx writes each URL at INFO, and KIS's URLs hold the account number.
logging.getLogger("httpx").setLevel(logging.WARNING)

_WHOLE_CALL = 16.0  # seconds: an answer that drips never trips the read timeout
_MOST_PAGES = 20
_NO_CURSOR = frozenset({"", "^^"})
_MORE = frozenset({"F", "M"})
_ORDER_LISTS = frozenset({EXECUTIONS, EXECUTIONS_OLDER, OPEN_ORDERS})


class _Question(NamedTuple):
    """What makes one read differ from another."""

    name: str
    tr_id: str
    query: str
    follow: bool


class _Halves(httpx.AsyncByteStream):
    """A body that leaves in two parts, for fault runs that end the process between them."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        half = len(self._content) // 2
        yield self._content[:half]
        at("half_body")
        yield self._content[half:]


class Session:
    """Speaks to one environment with one app key.

    Attributes:
        sending: the orders' way out.
    """

    def __init__(
        self,
        config: KisConfig,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
        transport: Transport | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            config: whose account, and where.
            clock: the present moment in KST.
            sleep: waits between attempts.
            rng: the chance in those waits.
            transport: stands in for the network.
        """
        self._config = config
        self._env = config.env.value
        self._clock = clock
        self._attempts = partial(RetryBudget, clock, sleep, rng)
        self._pace = RateLimiter(config.interval, ledger_interval=config.ledger_interval)
        self._token = TokenKeeper(config, self._issue_token, clock=clock, sleep=sleep)
        self._headers = Headers(config.app_key, config.app_secret)
        self._judge = ErrorMapper(config, self._pace)
        self._reads = for_reads(trust(config.rest), transport)
        self._writes = for_writes(trust(config.rest), transport)
        self._flights: SingleFlight[_Question, ApiResponse] = SingleFlight()
        self._recent: Recent[_Question, ApiResponse] = Recent(clock)
        self._url = lru_cache(maxsize=512)(httpx.URL)
        self._dates: deque[tuple[str, datetime, datetime]] = deque(maxlen=20)
        self._closed = False
        self.sending = OrderTransport(
            config,
            post=self._post,
            hashed=self.hash,
            token=self._token,
            pace=self._pace,
            headers=self._headers,
            judge=self._judge,
            attempts=self._attempts,
        )

    async def close(self) -> None:
        """Waits for writes under way, then closes the connections."""
        self._closed = True
        await self.sending.close()
        await self._flights.close(lambda key: Unavailable("the session is closed", endpoint=key.name, env=self._env))
        await self._token.close()
        await self._reads.aclose()
        await self._writes.aclose()

    @property
    def clock_offset(self) -> float:
        """Seconds KIS's clock is ahead of ours: median of 20 answers, whose times are whole seconds; 0 before any."""
        return clock_offset(self._dates)

    async def read(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str],
        *,
        follow: bool = False,
        max_age: float = 0.0,
    ) -> ApiResponse:
        """Asks once, and up to three times more where KIS stumbled, over ten seconds at most.

        Whoever asks the same while that goes on gets the same answer. Of the account it is shared only until the
        call leaves: what KIS answers is then never older than the question.

        Args:
            endpoint: what to ask.
            params: the query.
            follow: whether the query asks for a following page.
            max_age: seconds, one at most, for which an answer already received will do; its `at` tells when that
                was. An account is always asked anew.

        Raises:
            Refused: KIS said no, or it is not offered here, or the rate or the token stayed refused.
            Unavailable: there was no answer to use.
        """
        tr_id = self._offered(endpoint)
        if not 0 <= max_age <= (0 if endpoint.ledger else LONGEST_AGE):
            raise self._failed(BadRequest, endpoint, f"an answer {max_age} s old will not do")
        question = _Question(endpoint.name, tr_id, f"{endpoint.path}?{urlencode(params)}", follow)
        known = self._recent.get(question, max_age) if max_age else None
        return known or await self._flights.ask(question, partial(self._ask, question, endpoint))

    async def _ask(self, question: _Question, endpoint: Endpoint) -> ApiResponse:
        url = self._url(self._config.rest + question.query)
        attempts = self._attempts()
        renewed = False
        while True:
            token = await self._token.get()
            await self._pace.turn(endpoint.lane, ledger=endpoint.ledger)
            if endpoint.ledger:
                self._flights.seal(question)
            request = get(url, self._headers.full(token, question.tr_id, follow=question.follow))
            try:
                answer = await self._read_once(endpoint, request)
            except TokenRejected:
                if renewed:
                    raise
                renewed = True
                await self._token.drop(token)
            except (Throttled, Unavailable) as failure:
                await attempts.pause(failure)
            else:
                if not endpoint.ledger:
                    self._recent.keep(question, answer)
                return answer

    async def _read_once(self, endpoint: Endpoint, request: httpx.Request) -> ApiResponse:
        try:
            response, at = await self._exchange(self._reads, request)
        except (httpx.HTTPError, TimeoutError) as failure:
            words = words_of(failure)
            raise self._failed(Unavailable, endpoint, words) from None
        body = decoded(response.content)
        if body is not None and said_yes(body):
            return ApiResponse(body, response.headers.get("tr_cont", "").strip() in _MORE, at, response.status_code)
        if body is not None and code_of(body) == NO_ROWS and endpoint not in _ORDER_LISTS:
            return ApiResponse(body, more=False, at=at, status=response.status_code)
        raise self._judge.read(endpoint, response.status_code, body)

    async def pages(self, endpoint: Endpoint, params: Mapping[str, str], rows: str) -> Pages:
        """Asks for a list to its end; part of a list is never returned.

        Args:
            endpoint: what to ask.
            params: the query without its cursor.
            rows: under which name the answers hold their rows.

        Raises:
            Refused: as `read`.
            Unavailable: a page could not be had.
            BadAnswer: a page holds no list, the cursor repeats itself, or there is no end to it.
        """
        paging = endpoint.paging
        width = paging.width if paging else 100
        search, position = f"CTX_AREA_FK{width}", f"CTX_AREA_NK{width}"
        found: list[dict[str, Any]] = []
        cursor = ("", "")
        seen = {cursor}
        for number in range(_MOST_PAGES):
            query = {**params, search: cursor[0], position: cursor[1]}
            body, more, at, status = await self.read(endpoint, query, follow=number > 0)
            page = body.get(rows)
            if page is None and code_of(body) == NO_ROWS:
                page = []
            if not isinstance(page, list) or not all(isinstance(row, dict) for row in page):
                raise self._failed(BadAnswer, endpoint, f"page {number + 1} holds no list", status)
            found += page
            if not more:
                return Pages(found, body, at)
            cursor = (str(body.get(search.lower(), "")), str(body.get(position.lower(), "")))
            if cursor[1].strip() in _NO_CURSOR:
                if len(page) < (endpoint.page_size(self._config.env) or 0):
                    return Pages(found, body, at)
                words = f"page {number + 1} is full and does not say where to go on"
                raise self._failed(BadAnswer, endpoint, words, status)
            if cursor in seen:
                raise self._failed(BadAnswer, endpoint, f"page {number + 1} points at a page already read", status)
            seen.add(cursor)
        raise self._failed(BadAnswer, endpoint, f"there are more than {_MOST_PAGES} pages", status)

    def _offered(self, endpoint: Endpoint) -> str:
        if self._closed:
            raise self._failed(Unavailable, endpoint, "the session is closed")
        tr_id = endpoint.tr_id(self._config.env, self._config.generation)
        if tr_id is None:
            words = f"KIS does not offer this on {self._env}"
            raise Unsupported(words, alternative=endpoint.alternative, endpoint=endpoint.name, env=self._env)
        return tr_id

    def _failed(self, kind: type[KisError], endpoint: Endpoint, words: str, status: int | None = None) -> KisError:
        return kind(words, status=status, endpoint=endpoint.name, env=self._env)

    async def _exchange(self, client: Reader, request: httpx.Request) -> tuple[httpx.Response, datetime]:
        before = self._clock()
        async with asyncio.timeout(_WHOLE_CALL):
            response = await client.send(request)
        after = self._clock()
        date = response.headers.get("date")
        if date is not None:
            self._dates.append((date, before, after))
        return response, after

    async def _post(self, endpoint: Endpoint, headers: HeaderList, content: bytes, trace: Trace) -> tuple[int, bytes]:
        request = post(self._url(self._config.rest + endpoint.path), headers, content, trace)
        if armed():
            request.stream = _Halves(content)
        response, _ = await self._exchange(self._writes, request)
        return response.status_code, response.content

    async def _issue_token(self) -> dict[str, Any]:
        keys = {"appkey": self._config.app_key, "appsecret": self._config.app_secret}
        content = json.dumps({"grant_type": "client_credentials", **keys}).encode()
        status, answer = await self._oauth(TOKEN, self._headers.bare, content)
        if answer is not None and "access_token" in answer:
            return answer
        raise self._judge.token(TOKEN, status, answer)

    async def approval(self) -> str:
        """A key that opens the websocket for a day (KIS portal, 실시간 접속키 발급); raises as `hash`."""
        keys = {"appkey": self._config.app_key, "secretkey": self._config.app_secret}
        content = json.dumps({"grant_type": "client_credentials", **keys}).encode()
        status, answer = await self._asked(APPROVAL, self._headers.bare, content, APPROVAL.lane)
        key = answer.get("approval_key") if answer is not None else None
        if isinstance(key, str) and key:
            return key
        raise self._judge.token(APPROVAL, status, answer)

    async def hash(self, content: bytes, lane: Lane = HASHKEY.lane) -> str:
        """KIS's hash of an order's body (KIS portal, Hashkey); `lane` is the order's, lest a cancel wait here.

        Raises:
            Refused: KIS would not.
            Unavailable: there was no answer to use.
        """
        status, answer = await self._asked(HASHKEY, self._headers.keyed, content, lane)
        hashed = answer.get("HASH") if answer is not None else None
        if isinstance(hashed, str) and hashed.isalnum() and hashed.isascii():
            return hashed
        raise self._judge.read(HASHKEY, status, answer)

    async def _asked(self, endpoint: Endpoint, headers: HeaderList, content: bytes, lane: Lane) -> _Reply:
        await self._pace.turn(lane)
        try:
            return await self._oauth(endpoint, headers, content)
        except NotSent as failure:
            raise self._failed(Unavailable, endpoint, failure.message) from None

    async def _oauth(self, endpoint: Endpoint, headers: HeaderList, content: bytes) -> _Reply:
        request = post(self._url(self._config.rest + endpoint.path), headers, content)
        try:
            response, _ = await self._exchange(self._reads, request)
        except (httpx.HTTPError, TimeoutError) as failure:
            kind = NotSent if isinstance(failure, NEVER_SENT) else Unavailable
            words = words_of(failure)
            raise self._failed(kind, endpoint, words) from None
        return response.status_code, decoded(response.content)
