"""The websocket connection behind the stream: reconnecting, registering, and noticing gaps.

KIS blocks an address that connects or registers too often. So there is one connection per app key, each registration
is sent once, reconnecting backs off exponentially, and if another program holds the app key's only session
(OPSP8996), the next attempt waits for minutes.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from kis.backoff import backoff
from kis.cipher import Cipher
from kis.config import WS_URLS, is_loopback, split_address
from kis.errors import BadAnswer, Misconfigured, Refused, Throttled, TokenRejected, Unavailable
from kis.frames import NOTICES, ControlReply, Data, FillNotice, Heartbeat, read_frame, read_records, subscription
from kis.session import Session
from kis.subscriptions import MAX_REGISTRATIONS, Gap, StreamTopic

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from websockets.asyncio.client import ClientConnection

    from kis.config import KisConfig
    from kis.subscriptions import Registrations
    from kis.transport import Transport

_log = structlog.get_logger(__name__)
# At DEBUG it logs every frame, and frames sent hold the approval key.
logging.getLogger("websockets").setLevel(logging.WARNING)

_PATH = "/tryitout"
_MAX_MESSAGE = 1 << 20  # bytes; with 8 KB connections were lost (close code 1009, as reported)
_OPEN_TIMEOUT, _CLOSE_TIMEOUT = 10.0, 1.0
_REGISTRATION_INTERVAL = 0.05  # seconds, as in KIS's own client
_FIRST_BACKOFF, _MAX_BACKOFF = 1.0, 60.0
_FIRST_LONG_BACKOFF, _MAX_LONG_BACKOFF = 60.0, 600.0
_STABLE_AFTER = timedelta(seconds=60)
_APPROVAL_LIFETIME = timedelta(hours=23)
_FIRST_RETRY, _MAX_RETRY = 10.0, 300.0

_IN_USE = "OPSP8996"
_TOO_MANY = "OPSP0008"
_ACCEPTED = frozenset({"OPSP0000", "OPSP0002"})
_ENDED = frozenset({"OPSP0001", "OPSP0003"})
_RETRY_LATER = frozenset({"OPSP0007", "OPSP0009"})
_NOT_APPROVED = frozenset({"OPSP0010", "OPSP0011"})


class _Disconnect(Exception):
    """The connection has to be given up; `long_backoff` if reconnecting soon would make it worse."""

    def __init__(self, reason: str, *, long_backoff: bool = False) -> None:
        super().__init__(reason)
        self.long_backoff = long_backoff


class WebSocketConnection:
    """One websocket after another, as long as anything is registered."""

    def __init__(
        self,
        config: KisConfig,
        registrations: Registrations,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
        transport: Transport | None,
        silence: float,
        in_session: Callable[[datetime], bool],
    ) -> None:
        """Connects to nothing yet; arguments and errors are those of `KisStream`."""
        self._config = config
        self._address = _address(config)
        self._registrations = registrations
        self._clock, self._sleep, self._rng, self._transport = clock, sleep, rng, transport
        self._silence, self._in_session = silence, in_session
        self._approval: tuple[str, datetime] | None = None
        self._ciphers: dict[str, Cipher] = {}
        self._rekeyed: set[StreamTopic] = set()
        self._logged_frames: set[str] = set()
        self._retries: set[asyncio.Task[None]] = set()
        self._refusals = 0
        self._last_frame = clock()
        self._live_since: datetime | None = None
        self._away_reason = ""
        self.blind_since: datetime | None = None

    async def run(self) -> None:
        """Connects again and again until it is cancelled; raises a `KisError` if waiting does not help."""
        failures = 0
        while True:
            await self._wait_for_topics()
            try:
                await self._connect()
            except (Throttled, TokenRejected, Unavailable) as failure:
                disconnect = _Disconnect(str(failure))
            except (OSError, WebSocketException) as failure:
                disconnect = _Disconnect(type(failure).__name__)
            except _Disconnect as failure:
                disconnect = failure
            if self.blind_since is None and self._registrations:
                self.blind_since = self._last_frame
            if self._live_since is not None and self._clock() - self._live_since >= _STABLE_AFTER:
                failures = 0
            delay = self._reconnect_delay(failures, long=disconnect.long_backoff)
            self._log_away(str(disconnect), delay)
            failures += 1
            await self._sleep(delay)

    async def _wait_for_topics(self) -> None:
        while not self._registrations:
            self.blind_since = None
            self._registrations.changed.clear()
            await self._registrations.changed.wait()

    def _reconnect_delay(self, failures: int, *, long: bool) -> float:
        first, most = (_FIRST_LONG_BACKOFF, _MAX_LONG_BACKOFF) if long else (_FIRST_BACKOFF, _MAX_BACKOFF)
        return backoff(failures, first=first, most=most) * self._rng.uniform(0.75, 1.25)

    def _log_away(self, reason: str, delay: float) -> None:
        """Logs a lost connection, and again only if the reason changes."""
        if self._away_reason != reason:
            self._away_reason = reason
            _log.warning("stream_away", reason=reason, env=self._config.env.value, after=round(delay, 1))

    # --- one connection -----------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """One connection from opening to its end, which is always an error."""
        self._last_frame, self._live_since = self._clock(), None
        approval_key = await self._approval_key()
        connecting = connect(
            self._address,
            max_size=_MAX_MESSAGE,
            compression=None,
            open_timeout=_OPEN_TIMEOUT,
            close_timeout=_CLOSE_TIMEOUT,
            ping_interval=None,  # KIS has a heartbeat of its own
            proxy=None,
        )
        async with connecting as websocket:
            self._registrations.begin()
            self._ciphers.clear()
            self._rekeyed.clear()
            self._logged_frames.clear()
            tasks = [
                asyncio.create_task(self._receive(websocket)),
                asyncio.create_task(self._register(websocket, approval_key)),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (*tasks, *self._retries):
                    task.cancel()
                results = await asyncio.gather(*tasks, *self._retries, return_exceptions=True)
                self._retries.clear()
        raise next(result for result in results if isinstance(result, Exception))

    async def _approval_key(self) -> str:
        """The approval key, which is good for a day; requested anew when it is old or was refused."""
        now = self._clock()
        if self._approval is None or now - self._approval[1] > _APPROVAL_LIFETIME:
            session = Session(
                self._config, clock=self._clock, sleep=self._sleep, rng=self._rng, transport=self._transport
            )
            try:
                self._approval = (await session.approval(), now)
            finally:
                await session.close()
        return self._approval[0]

    async def _register(self, websocket: ClientConnection, approval_key: str) -> None:
        registrations = self._registrations
        while True:
            registrations.changed.clear()
            while (request := registrations.next_request()) is not None:
                topic, register = request
                await websocket.send(subscription(approval_key, *topic, register=register))
                await self._sleep(_REGISTRATION_INTERVAL)
            self._check_complete()
            await registrations.changed.wait()

    async def _receive(self, websocket: ClientConnection) -> None:
        while True:
            try:
                async with asyncio.timeout(self._silence):
                    frame = await websocket.recv()
            except TimeoutError:
                if self._in_session(self._clock()):
                    raise _Disconnect(f"silent for {self._silence:g} seconds") from None
                continue
            try:
                await self._on_frame(websocket, frame)
            except BadAnswer as failure:
                self._on_unreadable(failure)
            self._last_frame = self._clock()

    async def _on_frame(self, websocket: ClientConnection, frame: str | bytes) -> None:
        message = read_frame(frame)
        if isinstance(message, Heartbeat):
            await websocket.send(message.text)
        elif isinstance(message, ControlReply):
            self._on_reply(message)
        else:
            self._on_data(message)

    # --- frames -------------------------------------------------------------------------------------------

    def _on_reply(self, reply: ControlReply) -> None:
        topic = self._topic(reply.tr_id, reply.tr_key)
        if reply.code in _ACCEPTED:
            self._accepted(topic, reply)
        elif reply.code in _ENDED:
            return
        elif reply.code == _IN_USE:
            raise _Disconnect("another program uses the app key's websocket [OPSP8996]", long_backoff=True)
        elif reply.code in _NOT_APPROVED:
            self._approval = None
            raise _Disconnect(f"the approval key is refused [{reply.code}]")
        elif reply.code == _TOO_MANY and self._registrations.was_accepted(topic):
            # It was accepted before: KIS still counts the registrations of the lost connection.
            raise _Disconnect("registrations of before are still counted [OPSP0008]", long_backoff=True)
        elif reply.code in _RETRY_LATER and topic in self._registrations:
            if len(self._retries) < MAX_REGISTRATIONS:
                task = asyncio.create_task(self._retry(topic))
                self._retries.add(task)
                task.add_done_callback(self._retries.discard)
        elif topic in self._registrations:
            _log.warning("registration_refused", tr_id=topic.tr_id, code=reply.code)
            env = self._config.env.value
            failure = Refused("KIS does not register for it", code=reply.code, endpoint="websocket", env=env)
            self._registrations.refused(topic, failure)
            self._check_complete()
        else:
            raise _Disconnect(f"refused [{reply.code}]", long_backoff=True)

    def _accepted(self, topic: StreamTopic, reply: ControlReply) -> None:
        if topic in self._registrations:
            if reply.key and reply.iv:
                self._ciphers[reply.tr_id] = Cipher(reply.key, reply.iv)
            self._registrations.accepted(topic)
        self._check_complete()

    async def _retry(self, topic: StreamTopic) -> None:
        self._refusals += 1
        await self._sleep(backoff(self._refusals, first=_FIRST_RETRY, most=_MAX_RETRY))
        self._registrations.resend(topic)

    def _on_data(self, data: Data) -> None:
        payload = self._decrypted(data) if data.encrypted else data.payload
        for record in read_records(data.tr_id, data.records, payload, self._clock()):
            topic = self._topic(data.tr_id, record.code)
            if isinstance(record, FillNotice) and not self._of_account(record):
                continue  # a login may have several accounts
            self._registrations.publish(record, topic)

    def _decrypted(self, data: Data) -> str:
        """The text of an encrypted payload; on failure a new key is requested, once per connection and topic."""
        try:
            return self._ciphers[data.tr_id].decrypt(data.payload)
        except (KeyError, BadAnswer):
            topic = self._topic(data.tr_id, "")
            if topic in self._registrations and topic not in self._rekeyed:
                self._rekeyed.add(topic)
                self._registrations.renew(topic)
            raise BadAnswer("a notice cannot be decrypted", endpoint="websocket") from None

    def _of_account(self, notice: FillNotice) -> bool:
        account = f"{self._config.cano}{self._config.product}"
        return notice.account in {account, self._config.cano}

    def _topic(self, tr_id: str, tr_key: str) -> StreamTopic:
        return StreamTopic(tr_id, self._config.hts_id if tr_id in NOTICES.values() else tr_key)

    # --- gaps ---------------------------------------------------------------------------------------------

    def _on_unreadable(self, failure: BadAnswer) -> None:
        """A frame that cannot be read is a gap."""
        if str(failure) not in self._logged_frames:
            self._logged_frames.add(str(failure))
            _log.warning("frame_unreadable", error=str(failure))
        if self.blind_since is None:
            self._registrations.publish(Gap(self._last_frame, self._clock()))

    def _check_complete(self) -> None:
        """Ends the gap once every registration is accepted."""
        if not self._registrations.complete:
            return
        now = self._clock()
        self._live_since = self._live_since or now
        self._refusals = 0
        since, self.blind_since = self.blind_since, None
        if since is not None and self._registrations:
            self._away_reason = ""
            _log.info("stream_back", blind=round((now - since).total_seconds(), 1))
            self._registrations.publish(Gap(since, now))


def _address(config: KisConfig) -> str:
    """The address; plain ws is what KIS offers, and accepted of no other host but this machine."""
    url = (config.ws_url or WS_URLS[config.env]).rstrip("/")
    others = {address for env, address in WS_URLS.items() if env is not config.env}
    parts = split_address(url, "ws", "wss")
    if url in others:
        message = f"is that of another environment than {config.env}"
    elif parts is None:
        message = "is no websocket address"
    elif parts.scheme == "ws" and url not in WS_URLS.values() and not is_loopback(parts.hostname):
        message = "must be wss: plain ws is accepted of KIS's own host and on this machine only"
    else:
        return url + _PATH
    raise Misconfigured(f"KIS_WS_URL {message}", setting="KIS_WS_URL", env=config.env.value)
