"""Orders, cancels and revisions on their way to KIS: prepared as bytes, posted once, read into a receipt.

`send` makes one POST and returns a receipt; its caller decides whether to send again. `submit` decides for scripts:
again if no byte left, once more with a new token, and otherwise never.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import TYPE_CHECKING, NamedTuple

import structlog

from kis.endpoints import ENDPOINTS
from kis.error_codes import LEDGER_THROTTLE
from kis.errors import BadRequest, KisError, NotSent, Throttled, Unavailable
from kis.failpoints import at
from kis.outcome import Outcome, classify
from kis.receipts import Receipt, Written
from kis.responses import Trace
from kis.transport import failure_text, proves_not_sent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kis.config import KisConfig
    from kis.endpoints import Endpoint
    from kis.responses import HeaderList
    from kis.session import Session

_log = structlog.get_logger(__name__)

_WRITES = {endpoint.name: endpoint for endpoint in ENDPOINTS if endpoint.writes}


class _OrderRequest(NamedTuple):
    """A write that has its token, its hash and its turn: it may be posted."""

    endpoint: Endpoint
    headers: HeaderList
    body: bytes
    token: str


class OrderTransport:
    """Sends the orders, cancels and revisions of one account through a session."""

    def __init__(self, config: KisConfig, session: Session) -> None:
        self._config = config
        self._env = config.env.value
        self._session = session
        self._hmac = hmac.new(config.app_secret.encode(), digestmod="sha256")
        self._account = json.dumps({"CANO": config.cano})[1:-1]
        self._masked_account = f'"CANO": "…{config.cano[-2:]}"'
        self._in_flight: set[asyncio.Task[Receipt]] = set()

    async def drain(self) -> None:
        """Waits for the writes under way."""
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    def prepare(self, endpoint: Endpoint, params: Mapping[str, str]) -> Written:
        """A write as the bytes it will be sent as; raises `Unsupported` if it is not offered here."""
        tr_id = self._session.tr_id(endpoint)
        text = json.dumps(params, ensure_ascii=False)
        body = text.encode()
        shown = text.replace(self._account, self._masked_account, 1)
        return Written(endpoint.name, body, shown, self._digest(tr_id, body))

    async def send(self, written: Written) -> Receipt:
        """Posts a write once, on a connection of its own, and returns what became of it; raises nothing.

        If the caller is cancelled, a write under way is still sent to its end; its receipt is only logged.
        """
        try:
            request = await self._ready(self._endpoint_of(written), written.body)
        except KisError as failure:
            return Receipt(Outcome.NOT_SENT, code=failure.code or "", message=failure.message)
        except Exception as failure:  # noqa: BLE001 - whatever broke, nothing has left
            return Receipt(Outcome.NOT_SENT, message=f"not sent ({type(failure).__name__})")
        return await self._shielded(request)

    async def submit(self, endpoint: Endpoint, params: Mapping[str, str]) -> Receipt:
        """Sends a write until it is placed, in up to four attempts if no byte leaves; raises what stands in the way.

        That is `Refused`, throttles included, `NotSent`, or `Unknown` if it may have happened.
        """
        body = json.dumps(params, ensure_ascii=False).encode()
        budget = self._session.retry_budget()
        renewed = False
        while True:
            receipt = await self._shielded(await self._ready(endpoint, body))
            if receipt.outcome is Outcome.PLACED:
                return receipt
            failure = self._session.errors.of_receipt(endpoint, receipt)
            if receipt.outcome is Outcome.NOT_SENT:
                await budget.pause(failure)
            elif receipt.outcome is Outcome.TOKEN and not renewed:
                renewed = True
            else:
                raise failure

    def _endpoint_of(self, written: Written) -> Endpoint:
        endpoint = _WRITES.get(written.endpoint)
        if endpoint is None:
            raise BadRequest("that is no write", endpoint=written.endpoint, env=self._env)
        if not hmac.compare_digest(written.digest, self._digest(self._session.tr_id(endpoint), written.body)):
            # Of another account, or changed after it was prepared.
            raise BadRequest("the body is not what was written here", endpoint=endpoint.name, env=self._env)
        return endpoint

    async def _ready(self, endpoint: Endpoint, body: bytes) -> _OrderRequest:
        """Waits for token, hash if configured, and rate limit; if one fails, nothing is sent."""
        session = self._session
        tr_id = session.tr_id(endpoint)
        self._require_open(endpoint)
        try:
            token = await session.token.get()
            body_hash = await session.hash(body, endpoint.lane) if self._config.hashkey else ""
        except (Throttled, Unavailable) as failure:
            raise NotSent(failure.message, code=failure.code, endpoint=endpoint.name, env=self._env) from failure
        await session.rate_limiter.acquire(endpoint.lane)
        self._require_open(endpoint)
        return _OrderRequest(endpoint, session.headers.full(token, tr_id, body_hash=body_hash), body, token)

    def _require_open(self, endpoint: Endpoint) -> None:
        if self._session.closed:
            raise NotSent("the session is closed", endpoint=endpoint.name, env=self._env)

    async def _shielded(self, request: _OrderRequest) -> Receipt:
        task = asyncio.create_task(self._post(request))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: self._log_orphan(request.endpoint, done))
            raise

    def _log_orphan(self, endpoint: Endpoint, task: asyncio.Task[Receipt]) -> None:
        outcome = "cancelled" if task.cancelled() else task.result().outcome.value
        _log.warning("write_answered_unheard", endpoint=endpoint.name, env=self._env, outcome=outcome)

    async def _post(self, request: _OrderRequest) -> Receipt:
        trace = Trace()
        now = asyncio.get_running_loop().time
        started = now()
        session = self._session
        try:
            status, content = await session.post_order(request.endpoint, request.headers, request.body, trace)
            at("answer_read")
            receipt = session.errors.receipt(status, content, request.token, now() - started)
        except Exception as failure:  # noqa: BLE001 - whatever broke, the order may be in
            sent = not proves_not_sent(trace, failure)
            outcome = classify(sent=sent, status=None, body=None)
            return Receipt(outcome, message=failure_text(failure), sent=sent, seconds=now() - started)
        if receipt.outcome is Outcome.THROTTLED:
            session.rate_limiter.slow_down(ledger=receipt.code == LEDGER_THROTTLE)
        elif receipt.outcome is Outcome.TOKEN:
            await self._drop_token(request)
        return receipt

    async def _drop_token(self, request: _OrderRequest) -> None:
        try:
            await self._session.token.drop(request.token)
        except Exception as failure:  # noqa: BLE001 - the receipt is worth more than the token
            reason = type(failure).__name__
            _log.warning("token_not_dropped", endpoint=request.endpoint.name, env=self._env, reason=reason)

    def _digest(self, tr_id: str, body: bytes) -> str:
        digest = self._hmac.copy()
        digest.update(tr_id.encode() + b"\n" + body)
        return digest.hexdigest()
