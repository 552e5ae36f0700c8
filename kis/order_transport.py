"""Writes on their way: written as bytes, sent once, and read into a receipt.

`send` makes one post and tells what became of it; whether to send again is its caller's to decide. `write` decides
it for scripts: again where no byte left, once more with a new token, and else never.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import TYPE_CHECKING, NamedTuple

import structlog

from kis.endpoints import ENDPOINTS
from kis.error_codes import LEDGER_THROTTLE
from kis.errors import BadRequest, KisError, NotSent, Throttled, Unavailable, Unsupported
from kis.failpoints import at
from kis.outcome import Outcome, classify
from kis.receipts import Receipt, Written
from kis.responses import Trace
from kis.transport import proves_not_sent, words_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kis.config import KisConfig
    from kis.endpoints import Endpoint, Lane
    from kis.rate_limit import RateLimiter
    from kis.responses import ErrorMapper, HeaderList, Headers
    from kis.retry import RetryBudget
    from kis.token import TokenKeeper

    Post = Callable[[Endpoint, HeaderList, bytes, Trace], Awaitable[tuple[int, bytes]]]
    Hash = Callable[[bytes, Lane], Awaitable[str]]

_log = structlog.get_logger(__name__)

_WRITES = {endpoint.name: endpoint for endpoint in ENDPOINTS if endpoint.writes}


class _Parcel(NamedTuple):
    """A write that may leave now."""

    endpoint: Endpoint
    headers: HeaderList
    body: bytes
    token: str


class OrderTransport:
    """Sends the orders, cancels and revisions of one account."""

    def __init__(
        self,
        config: KisConfig,
        *,
        post: Post,
        hashed: Hash,
        token: TokenKeeper,
        pace: RateLimiter,
        headers: Headers,
        judge: ErrorMapper,
        attempts: Callable[[], RetryBudget],
    ) -> None:
        """Connects to nothing yet.

        Args:
            config: whose account.
            post: makes one request on a connection of its own, and returns its answer's status and body.
            hashed: asks KIS for the hash of a body, in a lane.
            token: the access token.
            pace: whose turn it is.
            headers: what goes out with every call.
            judge: reads the answers.
            attempts: begins to count the attempts of one call.
        """
        self._config = config
        self._env = config.env.value
        self._keyed = hmac.new(config.app_secret.encode(), digestmod="sha256")
        self._account = json.dumps({"CANO": config.cano})[1:-1]
        self._masked = f'"CANO": "…{config.cano[-2:]}"'
        self._post = post
        self._hashed = hashed
        self._token = token
        self._pace = pace
        self._headers = headers
        self._judge = judge
        self._attempts = attempts
        self._under_way: set[asyncio.Task[Receipt]] = set()
        self._closed = False

    async def close(self) -> None:
        """Sends nothing more, and waits for what is under way."""
        self._closed = True
        if self._under_way:
            await asyncio.wait(self._under_way)

    def written(self, endpoint: Endpoint, params: Mapping[str, str]) -> Written:
        """A write as the bytes it will be sent as.

        Raises:
            Unsupported: it is not offered here.
        """
        tr_id = self._tr_id(endpoint)
        text = json.dumps(params, ensure_ascii=False)
        body = text.encode()
        return Written(endpoint.name, body, text.replace(self._account, self._masked, 1), self._digest(tr_id, body))

    async def send(self, written: Written) -> Receipt:
        """Sends a write once, on a connection of its own, and tells what became of it; raises nothing.

        A caller that is cancelled leaves a write under way alone: it is sent to its end, unheard.
        """
        try:
            parcel = await self._ready(self._endpoint_of(written), written.body)
        except KisError as failure:
            return Receipt(Outcome.NOT_SENT, code=failure.code or "", message=failure.message)
        except Exception as failure:  # noqa: BLE001 - whatever broke, nothing has left
            return Receipt(Outcome.NOT_SENT, message=f"not sent ({type(failure).__name__})")
        return await self._to_its_end(parcel)

    async def write(self, endpoint: Endpoint, params: Mapping[str, str]) -> Receipt:
        """Sends a write until it is placed, or raises what stands in the way.

        Raises:
            Refused: KIS said no: nothing happened. A throttle is not tried again here.
            NotSent: no byte left, in up to four attempts.
            Unknown: it may have happened.
        """
        body = json.dumps(params, ensure_ascii=False).encode()
        attempts = self._attempts()
        renewed = False
        while True:
            receipt = await self._to_its_end(await self._ready(endpoint, body))
            if receipt.outcome is Outcome.PLACED:
                return receipt
            failure = self._judge.write(endpoint, receipt)
            if receipt.outcome is Outcome.NOT_SENT:
                await attempts.pause(failure)
            elif receipt.outcome is Outcome.TOKEN and not renewed:
                renewed = True
            else:
                raise failure

    def _endpoint_of(self, written: Written) -> Endpoint:
        endpoint = _WRITES.get(written.endpoint)
        if endpoint is None:
            raise BadRequest("that is no write", endpoint=written.endpoint, env=self._env)
        if not hmac.compare_digest(written.digest, self._digest(self._tr_id(endpoint), written.body)):
            # Of another account, or changed since it was shown to somebody.
            raise BadRequest("the body is not what was written here", endpoint=endpoint.name, env=self._env)
        return endpoint

    async def _ready(self, endpoint: Endpoint, body: bytes) -> _Parcel:
        """Token, hash if wanted, and our turn: without them nothing is sent."""
        tr_id = self._tr_id(endpoint)
        self._must_be_open(endpoint)
        try:
            token = await self._token.get()
            hashed = await self._hashed(body, endpoint.lane) if self._config.hashkey else ""
        except (Throttled, Unavailable) as failure:
            raise NotSent(failure.message, code=failure.code, endpoint=endpoint.name, env=self._env) from failure
        await self._pace.turn(endpoint.lane)
        self._must_be_open(endpoint)
        return _Parcel(endpoint, self._headers.full(token, tr_id, hashed=hashed), body, token)

    def _must_be_open(self, endpoint: Endpoint) -> None:
        if self._closed:
            raise NotSent("the session is closed", endpoint=endpoint.name, env=self._env)

    async def _to_its_end(self, parcel: _Parcel) -> Receipt:
        sending = asyncio.create_task(self._once(parcel))
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            sending.add_done_callback(lambda task: self._unheard(parcel.endpoint, task))
            raise

    def _unheard(self, endpoint: Endpoint, sending: asyncio.Task[Receipt]) -> None:
        outcome = "cancelled" if sending.cancelled() else sending.result().outcome.value
        _log.warning("write_answered_unheard", endpoint=endpoint.name, env=self._env, outcome=outcome)

    async def _once(self, parcel: _Parcel) -> Receipt:
        trace = Trace()
        now = asyncio.get_running_loop().time
        begun = now()
        try:
            status, content = await self._post(parcel.endpoint, parcel.headers, parcel.body, trace)
            at("answer_read")
            receipt = self._judge.receipt(status, content, parcel.token, now() - begun)
        except Exception as failure:  # noqa: BLE001 - whatever broke, the order may be in
            sent = not proves_not_sent(trace, failure)
            outcome = classify(sent=sent, status=None, body=None)
            return Receipt(outcome, message=words_of(failure), sent=sent, seconds=now() - begun)
        if receipt.outcome is Outcome.THROTTLED:
            self._pace.throttled(ledger=receipt.code == LEDGER_THROTTLE)
        elif receipt.outcome is Outcome.TOKEN:
            await self._drop(parcel)
        return receipt

    async def _drop(self, parcel: _Parcel) -> None:
        try:
            await self._token.drop(parcel.token)
        except Exception as failure:  # noqa: BLE001 - the receipt is worth more than the token
            reason = type(failure).__name__
            _log.warning("token_not_dropped", endpoint=parcel.endpoint.name, env=self._env, reason=reason)

    def _tr_id(self, endpoint: Endpoint) -> str:
        tr_id = endpoint.tr_id(self._config.env, self._config.generation)
        if tr_id is None:
            words = f"KIS does not offer this on {self._env}"
            raise Unsupported(words, alternative=endpoint.alternative, endpoint=endpoint.name, env=self._env)
        return tr_id

    def _digest(self, tr_id: str, body: bytes) -> str:
        keyed = self._keyed.copy()
        keyed.update(tr_id.encode() + b"\n" + body)
        return keyed.hexdigest()
