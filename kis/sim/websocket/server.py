"""The simulated websocket: sessions, registrations, and what is pushed to them.

As KIS documents or has been measured to do: one session per app key (a second one gets OPSP8996 and is closed), 41
registrations in all (the 42nd gets OPSP0008), notices encrypted with a key that comes with the reply, several records
in a frame, a heartbeat that may be answered with its own text or with a pong. Only trades, order books and fill
notices are pushed; other TR ids are refused as unknown, which KIS would not do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import string
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from kis.endpoints import Env
from kis.sim.faults.response_plan import ABORT
from kis.sim.websocket import frames
from kis.sim.websocket.frames import BOOKS, FIELDS, HEARTBEAT, NOTICES, TRADES, NoticeKey, TradeCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from kis.sim.api.oauth import Oauth
    from kis.sim.exchange.exchange import Exchange
    from kis.sim.exchange.orders import OrderUpdate
    from kis.sim.exchange.prices import Issue
    from kis.sim.faults.catalogue import Faults

MAX_REGISTRATIONS = 41
_MAX_RECORDS = 20
_MAX_RECEIVED = 10_000
_FRAME_FAULTS = ("stall_socket", "drop_socket", "repeat_frame", "swap_frames")
_KEY_CHARACTERS = string.ascii_letters + string.digits


class SubscriptionKey(NamedTuple):
    """A TR and its key: a stock code or a login."""

    tr_id: str
    tr_key: str


class Layout(NamedTuple):
    """The field counts of records."""

    trade: int = 47
    book: int = 63
    notice: int = 26


class FrameRefused(Exception):
    """A frame to be answered with an error."""

    def __init__(self, code: str, message: str, rt_cd: str = "9") -> None:
        super().__init__(message)
        self.code = code
        self.rt_cd = rt_cd


class StreamSession:
    """One connection.

    Attributes:
        topics: its registrations, each with its notice key.
        received: text frames received, oldest first, the last ten thousand.
        echoed: heartbeats answered with their own text.
        silent: whether a planted fault stops all sending.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.topics: dict[SubscriptionKey, NoticeKey] = {}
        self.received: deque[str] = deque(maxlen=_MAX_RECEIVED)
        self.echoed = 0
        self.silent = False
        self.outgoing: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()

    def push(self, tr_id: str, text: str) -> None:
        """Queues a frame; "" closes the connection."""
        self.outgoing.put_nowait((tr_id, text))


class WebSocketServer:
    """All connections, and the exchange's events pushed to them.

    Attributes:
        sessions: open ones, oldest first.
        connects: how many there have been.
    """

    def __init__(
        self, exchange: Exchange, oauth: Oauth, faults: Faults, *, layout: Layout, heartbeat: float, seed: int
    ) -> None:
        """Becomes the exchange's listener; `heartbeat` in real seconds, `seed` of the keys.

        Raises:
            ValueError: an unknown field count.
        """
        for kind, count in layout._asdict().items():
            if count not in FIELDS[kind]:
                raise ValueError(f"a {kind} has {' or '.join(map(str, FIELDS[kind]))} fields, not {count}")
        self.sessions: list[StreamSession] = []
        self.connects = 0
        self._exchange, self._oauth, self._faults = exchange, oauth, faults
        self._layout, self._heartbeat = layout, heartbeat
        self._rng = random.Random(seed)  # noqa: S311  these keys protect nothing
        self._key_owner: StreamSession | None = None
        self._counts: defaultdict[str, TradeCounts] = defaultdict(TradeCounts)
        self._trades: defaultdict[str, list[str]] = defaultdict(list)
        self._updates: list[OrderUpdate] = []
        self._last_books: dict[str, str] = {}
        self._push_scheduled = False
        exchange.set_listener(self)

    # --- connections --------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection to its end, on any path."""
        await receive()
        await send({"type": "websocket.accept"})
        session = StreamSession(str(scope["path"]))
        self.sessions.append(session)
        self.connects += 1
        abort = scope.get("extensions", {}).get(ABORT, lambda: None)
        tasks = [asyncio.create_task(self._send(session, send, abort)), asyncio.create_task(self._beat(session))]
        try:
            while (message := await receive())["type"] == "websocket.receive":
                self._on_frame(session, message.get("text") or "")
        finally:
            self.sessions.remove(session)
            if self._key_owner is session:
                self._key_owner = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, session: StreamSession, send: Send, abort: Callable[[], None]) -> None:
        held = ""
        while True:
            tr_id, text = await session.outgoing.get()
            fault = "" if session.silent else self._faults.take_for_frame(tr_id, *_FRAME_FAULTS)
            session.silent = session.silent or fault == "stall_socket"
            if session.silent:
                continue
            if fault == "swap_frames" and text and not held:
                held = text
                continue
            if fault == "drop_socket":
                abort()
                return
            if not text:
                await send({"type": "websocket.close", "code": 1000})
                return
            for frame in (text, held, text if fault == "repeat_frame" else ""):
                if frame:
                    await send({"type": "websocket.send", "text": frame})
            held = ""

    async def _beat(self, session: StreamSession) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            session.push(HEARTBEAT, frames.heartbeat(self._exchange.now()))

    # --- registrations ------------------------------------------------------------------------------------

    def _on_frame(self, session: StreamSession, text: str) -> None:
        session.received.append(text)
        topic = SubscriptionKey("(null)", "")
        try:
            message = _json_object(text)
            if message.get("header", {}).get("tr_id") == HEARTBEAT:
                session.echoed += 1
                return
            header, registration = _parts(message)
            self._check_header(session, header)
            topic = SubscriptionKey(str(registration.get("tr_id", "")), str(registration.get("tr_key", "")))
            self._register(session, topic, str(header.get("tr_type", "")))
        except FrameRefused as refusal:
            session.push(topic.tr_id, frames.reply(topic, refusal.code, str(refusal), rt_cd=refusal.rt_cd))
            if refusal.code == "OPSP8996":
                session.push(topic.tr_id, "")

    def _check_header(self, session: StreamSession, header: Mapping[str, Any]) -> None:
        if not self._oauth.approved(str(header.get("approval_key", ""))):
            raise FrameRefused("OPSP0011", "invalid approval : NOT FOUND")
        if header.get("custtype") not in {"P", "B"}:
            raise FrameRefused("OPSP8997", "invalid custtype")
        if self._key_owner not in {None, session}:
            raise FrameRefused("OPSP8996", "ALREADY IN USE appkey")
        self._key_owner = session

    def _register(self, session: StreamSession, topic: SubscriptionKey, tr_type: str) -> None:
        notices = NOTICES[self._oauth.env is Env.PAPER]
        if topic.tr_id not in {TRADES, BOOKS, notices}:
            raise FrameRefused("OPSP8991", "invalid tr_id")
        known = self._oauth.customer.hts_id == topic.tr_key
        if topic.tr_id != notices:
            known = topic.tr_key in self._exchange.issues
        if not known:
            raise FrameRefused("OPSP8992", "invalid tr_key")
        if tr_type == "2":
            if session.topics.pop(topic, None) is None:
                raise FrameRefused("OPSP0003", "UNSUBSCRIBE ERROR(not found!)", "1")
            session.push(topic.tr_id, frames.reply(topic, "OPSP0001", "UNSUBSCRIBE SUCCESS"))
        elif tr_type != "1":
            raise FrameRefused("OPSP8993", "invalid tr_type")
        elif topic in session.topics:
            raise FrameRefused("OPSP0002", "ALREADY IN SUBSCRIBE", "1")
        elif len(session.topics) >= MAX_REGISTRATIONS:
            raise FrameRefused("OPSP0008", "MAX SUBSCRIBE OVER", "1")
        else:
            key = session.topics[topic] = self._new_key()
            if topic.tr_id == BOOKS:
                self._last_books.pop(topic.tr_key, None)
            session.push(topic.tr_id, frames.reply(topic, "OPSP0000", "SUBSCRIBE SUCCESS", key))

    def _new_key(self) -> NoticeKey:
        return NoticeKey(
            "".join(self._rng.choices(_KEY_CHARACTERS, k=32)), "".join(self._rng.choices(_KEY_CHARACTERS, k=16))
        )

    # --- events of the exchange ---------------------------------------------------------------------------

    def on_price(self, issue: Issue, price: int, quantity: int) -> None:
        """Queues a trade for those registered."""
        code = issue.listing.code
        if quantity:
            counts = self._counts[code]
            counts.count(price, quantity)
            if any(SubscriptionKey(TRADES, code) in session.topics for session in self.sessions):
                record = frames.trade(issue, counts, price, quantity, self._exchange.now(), self._exchange.books[code])
                self._trades[code].append(frames.truncated(record, self._layout.trade))
        self._schedule_push()

    def on_order_update(self, update: OrderUpdate) -> None:
        """Queues an event of an order for those registered."""
        self._updates.append(update)
        self._schedule_push()

    def _schedule_push(self) -> None:
        """Pushes in the next loop iteration, so that events of one action go out together."""
        if not self.sessions:
            self._updates.clear()
        elif not self._push_scheduled:
            self._push_scheduled = True
            # The exchange may be used by another thread than the one that serves.
            with contextlib.suppress(RuntimeError):
                self.sessions[0].loop.call_soon_threadsafe(self._push)

    def _push(self) -> None:
        self._push_scheduled = False
        trades, self._trades = self._trades, defaultdict(list)
        updates, self._updates = self._updates, []
        for session in self.sessions:
            for topic, key in list(session.topics.items()):
                if topic.tr_id == TRADES:
                    records = trades.get(topic.tr_key, [])
                    for start in range(0, len(records), _MAX_RECORDS):
                        session.push(TRADES, frames.data_frame(TRADES, records[start : start + _MAX_RECORDS]))
                elif topic.tr_id == BOOKS:
                    self._push_book(session, topic)
                else:
                    self._push_notices(session, topic, key, updates)

    def _push_book(self, session: StreamSession, topic: SubscriptionKey) -> None:
        issue, levels = self._exchange.issues[topic.tr_key], self._exchange.books[topic.tr_key]
        record = frames.truncated(frames.book(issue, levels, self._exchange.now()), self._layout.book)
        untimed = record.partition("^")[2].partition("^")[2]
        if self._last_books.get(topic.tr_key) != untimed:
            self._last_books[topic.tr_key] = untimed
            session.push(topic.tr_id, frames.data_frame(topic.tr_id, [record]))

    def _push_notices(
        self, session: StreamSession, topic: SubscriptionKey, key: NoticeKey, updates: list[OrderUpdate]
    ) -> None:
        customer = self._oauth.customer
        for update in updates:
            record = frames.notice(update, customer.hts_id, customer.account, self._layout.notice)
            wrong_key = bool(self._faults.take_for_frame(topic.tr_id, "bad_cipher"))
            session.push(
                topic.tr_id, frames.encrypted_frame(topic.tr_id, [record], self._new_key() if wrong_key else key)
            )


def _json_object(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise FrameRefused("OPSP9999", "JSON PARSING ERROR") from None
    if not isinstance(message, dict) or not isinstance(message.get("header"), dict):
        raise FrameRefused("OPSP9999", "JSON PARSING ERROR")
    return message


def _parts(message: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    body = message.get("body")
    registration = body.get("input") if isinstance(body, dict) else None
    if not isinstance(registration, dict):
        raise FrameRefused("OPSP9999", "JSON PARSING ERROR")
    return message["header"], registration
