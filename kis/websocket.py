"""The connection behind the stream: kept up, watched, and never hurried.

KIS blocks an address that connects, or registers, again and again. So there is one connection per app key, each
registration is told once, failures are answered by ever longer pauses, and where another program holds the app
key's only session (OPSP8996) this one stays away for minutes.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from kis.backoff import backoff
from kis.cipher import Cipher
from kis.config import WS_URLS, is_loopback
from kis.endpoints import Env
from kis.errors import BadAnswer, KisError, Misconfigured, Refused, Throttled, TokenRejected, Unavailable
from kis.frames import (
    NOTICES,
    NOTICES_PAPER,
    NOTICES_REAL,
    ControlReply,
    Data,
    FillNotice,
    Heartbeat,
    read_frame,
    read_records,
    subscription,
)
from kis.session import Session
from kis.subscriptions import Gap, StreamTopic

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from websockets.asyncio.client import ClientConnection

    from kis.config import KisConfig
    from kis.frames import Record
    from kis.session import Transport
    from kis.subscriptions import Registrations

_log = structlog.get_logger(__name__)
# At DEBUG it writes every frame out, and those that go hold the approval key.
logging.getLogger("websockets").setLevel(logging.WARNING)

_PATH = "/tryitout"
_LARGEST = 1 << 20  # bytes of a message; connections were lost at 8 KB (close code 1009, as reported)
_OPEN, _CLOSE = 10.0, 1.0
_BETWEEN = 0.05  # seconds between two registrations, as KIS's own client keeps
_LONGEST = 60.0
_STAY_AWAY, _LONGEST_AWAY = 60.0, 600.0
_HEALTHY = timedelta(seconds=60)
_APPROVED = timedelta(hours=23)
_RETRY, _LONGEST_RETRY = 10.0, 300.0

_IN_USE = "OPSP8996"
_TOO_MANY = "OPSP0008"
_TAKEN = frozenset({"OPSP0000", "OPSP0002"})
_ENDED = frozenset({"OPSP0001", "OPSP0003"})
_LATER = frozenset({"OPSP0007", "OPSP0009"})
_NOT_APPROVED = frozenset({"OPSP0010", "OPSP0011"})


class _Down(Exception):
    """This connection is of no more use.

    Attributes:
        stay_away: coming back soon would make it worse.
    """

    def __init__(self, why: str, *, stay_away: bool = False) -> None:
        super().__init__(why)
        self.stay_away = stay_away


class WebSocketConnection:
    """One websocket after another, as long as somebody wants something."""

    def __init__(
        self,
        config: KisConfig,
        registrations: Registrations,
        publish: Callable[[StreamTopic, Record], None],
        gap: Callable[[Gap], None],
        refuse: Callable[[StreamTopic, KisError], None],
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
        transport: Transport | None,
        silence: float,
        in_session: Callable[[datetime], bool],
    ) -> None:
        """Connects to nothing yet.

        Args:
            config: whose account, and where.
            registrations: what is wanted.
            publish: gets every record.
            gap: hears of every blindness once it is over.
            refuse: hears that KIS will not register for something.
            clock: the present moment in KST.
            sleep: waits between attempts.
            rng: the chance in those waits.
            transport: stands in for the network of the REST call.
            silence: seconds without a frame after which a connection counts as dead, in session.
            in_session: whether frames are to be expected at a moment.

        Raises:
            Misconfigured: the address cannot be right.
        """
        self._config = config
        self._address = _address(config)
        self._registrations = registrations
        self._publish, self._gap, self._refuse = publish, gap, refuse
        self._clock, self._sleep, self._rng, self._transport = clock, sleep, rng, transport
        self._silence, self._in_session = silence, in_session
        self._approved: tuple[str, datetime] | None = None
        self._ciphers: dict[str, Cipher] = {}
        self._rekeyed: set[StreamTopic] = set()
        self._unreadable: set[str] = set()
        self._later: set[asyncio.Task[None]] = set()
        self._refusals = 0
        self._heard = clock()
        self._live_since: datetime | None = None
        self._away = ""
        self.blind_since: datetime | None = None

    async def run(self) -> None:
        """Keeps the connection up until it is cancelled.

        Raises:
            KisError: it cannot be had, and waiting will not help.
        """
        failures = 0
        while True:
            await self._somebody()
            try:
                await self._connection()
            except (Throttled, TokenRejected, Unavailable) as failure:
                down = _Down(str(failure))
            except (OSError, WebSocketException) as failure:
                down = _Down(type(failure).__name__)
            except _Down as failure:
                down = failure
            if self.blind_since is None and self._registrations:
                self.blind_since = self._heard
            if self._live_since is not None and self._clock() - self._live_since >= _HEALTHY:
                failures = 0
            delay = self._pause(failures, stay_away=down.stay_away)
            self._tell(str(down), delay)
            failures += 1
            await self._sleep(delay)

    async def _somebody(self) -> None:
        while not self._registrations:
            self.blind_since = None
            self._registrations.changed.clear()
            await self._registrations.changed.wait()

    def _pause(self, failures: int, *, stay_away: bool) -> float:
        usual, longest = (_STAY_AWAY, _LONGEST_AWAY) if stay_away else (1.0, _LONGEST)
        return backoff(failures, first=usual, most=longest) * self._rng.uniform(0.75, 1.25)

    def _tell(self, why: str, delay: float) -> None:
        """One line when it goes away, and another only where the reason becomes a different one."""
        if self._away != why:
            self._away = why
            _log.warning("stream_away", reason=why, env=self._config.env.value, after=round(delay, 1))

    # --- one connection -----------------------------------------------------------------------------------

    async def _connection(self) -> None:
        """From the opening to the end, which is always an error."""
        self._heard, self._live_since = self._clock(), None
        approval_key = await self._approval()
        connecting = connect(
            self._address,
            max_size=_LARGEST,
            compression=None,
            open_timeout=_OPEN,
            close_timeout=_CLOSE,
            ping_interval=None,  # KIS has a heartbeat of its own
            proxy=None,
        )
        async with connecting as socket:
            self._registrations.begin()
            self._ciphers.clear()
            self._rekeyed.clear()
            self._unreadable.clear()
            tasks = [asyncio.create_task(self._read(socket)), asyncio.create_task(self._write(socket, approval_key))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (*tasks, *self._later):
                    task.cancel()
                results = await asyncio.gather(*tasks, *self._later, return_exceptions=True)
                self._later.clear()
        raise next(result for result in results if isinstance(result, Exception))

    async def _approval(self) -> str:
        """The approval key, which is good for a day; asked anew when it is old or was refused."""
        now = self._clock()
        if self._approved is None or now - self._approved[1] > _APPROVED:
            session = Session(
                self._config,
                clock=self._clock,
                sleep=self._sleep,
                rng=self._rng,
                transport=self._transport,
            )
            try:
                self._approved = (await session.approval(), now)
            finally:
                await session.close()
        return self._approved[0]

    async def _write(self, socket: ClientConnection, approval_key: str) -> None:
        registrations = self._registrations
        while True:
            registrations.changed.clear()
            while (following := registrations.following()) is not None:
                topic, register = following
                await socket.send(subscription(approval_key, *topic, register=register))
                await self._sleep(_BETWEEN)
            self._perhaps_whole()
            await registrations.changed.wait()

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            try:
                async with asyncio.timeout(self._silence):
                    frame = await socket.recv()
            except TimeoutError:
                if self._in_session(self._clock()):
                    raise _Down(f"silent for {self._silence:g} seconds") from None
                continue
            try:
                await self._take(socket, frame)
            except BadAnswer as failure:
                self._missed(failure)
            self._heard = self._clock()

    async def _take(self, socket: ClientConnection, frame: str | bytes) -> None:
        told = read_frame(frame)
        if isinstance(told, Heartbeat):
            await socket.send(told.text)
        elif isinstance(told, ControlReply):
            self._answered(told)
        else:
            self._pushed(told)

    # --- what KIS says ------------------------------------------------------------------------------------

    def _answered(self, reply: ControlReply) -> None:
        topic = self._topic(reply.tr_id, reply.tr_key)
        if reply.code in _TAKEN:
            if reply.key and reply.iv:
                self._ciphers[reply.tr_id] = Cipher(reply.key, reply.iv)
            if topic in self._registrations:
                self._registrations.taken(topic)
            self._perhaps_whole()
        elif reply.code in _ENDED:
            return
        elif reply.code == _IN_USE:
            raise _Down("another program uses the app key's websocket [OPSP8996]", stay_away=True)
        elif reply.code in _NOT_APPROVED:
            self._approved = None
            raise _Down(f"the approval key is refused [{reply.code}]")
        elif reply.code == _TOO_MANY and self._registrations.proven(topic):
            # It fitted before: KIS still counts the registrations of the connection that was lost.
            raise _Down("registrations of before are still counted [OPSP0008]", stay_away=True)
        elif reply.code in _LATER and topic in self._registrations:
            task = asyncio.create_task(self._again(topic))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        elif topic in self._registrations:
            _log.warning("registration_refused", tr_id=topic.tr_id, code=reply.code)
            env = self._config.env.value
            self._refuse(topic, Refused("KIS does not register for it", code=reply.code, endpoint="websocket", env=env))
            self._registrations.refused(topic)
            self._perhaps_whole()
        else:
            raise _Down(f"refused [{reply.code}]", stay_away=True)

    async def _again(self, topic: StreamTopic) -> None:
        self._refusals += 1
        await self._sleep(backoff(self._refusals, first=_RETRY, most=_LONGEST_RETRY))
        self._registrations.again(topic)

    def _pushed(self, data: Data) -> None:
        payload = data.payload
        if data.encrypted:
            payload = self._opened(data)
        for record in read_records(data.tr_id, data.records, payload, self._clock()):
            topic = self._topic(data.tr_id, record.code)
            if isinstance(record, FillNotice) and not self._ours(record):
                continue  # a login may have several accounts
            self._publish(topic, record)

    def _opened(self, data: Data) -> str:
        """The text of an encrypted payload; where it will not open, once a connection, a new key is had."""
        try:
            return self._ciphers[data.tr_id].opened(data.payload)
        except (KeyError, BadAnswer):
            topic = self._topic(data.tr_id, "")
            if topic in self._registrations and topic not in self._rekeyed:
                self._rekeyed.add(topic)
                self._registrations.renew(topic)
            raise BadAnswer("a notice cannot be decrypted", endpoint="websocket") from None

    def _ours(self, notice: FillNotice) -> bool:
        account = f"{self._config.cano}{self._config.product}"
        return notice.account in {account, self._config.cano}

    def _topic(self, tr_id: str, tr_key: str) -> StreamTopic:
        return StreamTopic(tr_id, self._config.hts_id if tr_id in NOTICES else tr_key)

    # --- blindness ----------------------------------------------------------------------------------------

    def _missed(self, failure: BadAnswer) -> None:
        """A frame nobody can read: what it told is lost."""
        if str(failure) not in self._unreadable:
            self._unreadable.add(str(failure))
            _log.warning("frame_unreadable", error=str(failure))
        if self.blind_since is None:
            self._gap(Gap(self._heard, self._clock()))

    def _perhaps_whole(self) -> None:
        """Sees again, once every registration is taken."""
        if not self._registrations.complete:
            return
        now = self._clock()
        self._live_since = self._live_since or now
        self._refusals = 0
        since, self.blind_since = self.blind_since, None
        if since is not None and self._registrations:
            self._away = ""
            _log.info("stream_back", blind=round((now - since).total_seconds(), 1))
            self._gap(Gap(since, now))


def notices(env: Env) -> str:
    """The TR of fill notices in an environment."""
    return NOTICES_REAL if env is Env.REAL else NOTICES_PAPER


def _address(config: KisConfig) -> str:
    """Where to connect; plain ws is what KIS itself offers, and beside it only this machine may."""
    url = (config.ws_url or WS_URLS[config.env]).rstrip("/")
    others = {address for env, address in WS_URLS.items() if env is not config.env}
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if url in others:
        words = f"is that of another environment than {config.env}"
    elif parts.scheme not in {"ws", "wss"} or not host or parts.username or parts.query:
        words = "is no websocket address"
    elif parts.scheme == "ws" and url not in WS_URLS.values() and not is_loopback(host):
        words = "must be wss: plain ws is accepted of KIS's own host and on this machine only"
    else:
        return url + _PATH
    raise Misconfigured(f"KIS_WS_URL {words}", setting="KIS_WS_URL", env=config.env.value)
