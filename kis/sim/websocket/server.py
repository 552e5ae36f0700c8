"""The simulated broker's websocket: who is connected, what for, and what is pushed to them.

What KIS documents or has been measured to do: one session per app key (the second is told OPSP8996 and closed), 41
registrations in all (the 42nd is told OPSP0008), notices encrypted with a key that comes with the answer, several
records in a frame, a heartbeat that may be answered with its own text or with a pong. Only trades, order books and
fill notices are pushed; other TR ids are refused as unknown, which KIS would not do.
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
from kis.sim.asgi_types import ABORT
from kis.sim.websocket import frames
from kis.sim.websocket.frames import BOOKS, FIELDS, HEARTBEAT, NOTICES, TRADES, NoticeKey, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kis.sim.api.oauth import Oauth
    from kis.sim.asgi_types import Receive, Scope, Send
    from kis.sim.exchange.events import OrderUpdate
    from kis.sim.exchange.exchange import Exchange
    from kis.sim.exchange.prices import Issue
    from kis.sim.faults.faults import Faults

MAX_REGISTRATIONS = 41
_MOST_IN_A_FRAME = 20
_REMEMBERED = 10_000
_OF_FRAMES = ("stall_socket", "drop_socket", "repeat_frame", "swap_frames")
_LETTERS = string.ascii_letters + string.digits


class SubscriptionKey(NamedTuple):
    """A TR and what it is about: a stock code or a login."""

    tr_id: str
    tr_key: str


class Layout(NamedTuple):
    """How many fields a record has."""

    trade: int = 47
    book: int = 63
    notice: int = 26


class FrameRefused(Exception):
    """A frame is answered with an error."""

    def __init__(self, code: str, message: str, rt_cd: str = "9") -> None:
        super().__init__(message)
        self.code = code
        self.rt_cd = rt_cd


class StreamSession:
    """One connection.

    Attributes:
        topics: what it is registered for, and the key its notices are sealed with.
        received: the text frames that came, oldest first, the last ten thousand.
        echoed: heartbeats answered with their own text.
        silent: a planted fault has struck: nothing more is said.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.topics: dict[SubscriptionKey, NoticeKey] = {}
        self.received: deque[str] = deque(maxlen=_REMEMBERED)
        self.echoed = 0
        self.silent = False
        self.outgoing: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()

    def push(self, tr_id: str, text: str) -> None:
        """Have a frame sent; "" closes the connection."""
        self.outgoing.put_nowait((tr_id, text))


class WebSocketServer:
    """Every connection, and what the exchange has to say to them.

    Attributes:
        sessions: those that are open, oldest first.
        connects: how many there have been.
    """

    def __init__(
        self,
        exchange: Exchange,
        oauth: Oauth,
        faults: Faults,
        *,
        layout: Layout,
        beat: float,
        seed: int,
    ) -> None:
        """Watch the exchange.

        Args:
            exchange: whose events are pushed.
            oauth: knows the approval keys, and the customer.
            faults: what shall go wrong.
            layout: how many fields records have.
            beat: seconds between heartbeats, of the world's clock.
            seed: of the keys.

        Raises:
            ValueError: there have never been records of such a length.
        """
        for kind, count in layout._asdict().items():
            if count not in FIELDS[kind]:
                raise ValueError(f"a {kind} has {' or '.join(map(str, FIELDS[kind]))} fields, not {count}")
        self.sessions: list[StreamSession] = []
        self.connects = 0
        self._exchange, self._oauth, self._faults = exchange, oauth, faults
        self._layout, self._beat = layout, beat
        self._rng = random.Random(seed)  # noqa: S311  nothing is protected by these keys
        self._holder: StreamSession | None = None
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._trades: defaultdict[str, list[str]] = defaultdict(list)
        self._news: list[OrderUpdate] = []
        self._shown: dict[str, str] = {}
        self._due = False
        exchange.watch(self)

    # --- connections --------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection to its end, on whatever path."""
        await receive()
        await send({"type": "websocket.accept"})
        session = StreamSession(str(scope["path"]))
        self.sessions.append(session)
        self.connects += 1
        abort = scope.get("extensions", {}).get(ABORT, lambda: None)
        tasks = [asyncio.create_task(self._send(session, send, abort)), asyncio.create_task(self._ask(session))]
        try:
            while (message := await receive())["type"] == "websocket.receive":
                self._heard(session, message.get("text") or "")
        finally:
            self.sessions.remove(session)
            if self._holder is session:
                self._holder = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, session: StreamSession, send: Send, abort: Callable[[], None]) -> None:
        held = ""
        while True:
            tr_id, text = await session.outgoing.get()
            fault = "" if session.silent else self._faults.strikes(tr_id, *_OF_FRAMES)
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

    async def _ask(self, session: StreamSession) -> None:
        while True:
            await asyncio.sleep(self._beat)
            self.beat(session)

    def beat(self, session: StreamSession) -> None:
        """Ask a connection whether anybody is there."""
        session.push(HEARTBEAT, frames.heartbeat(self._exchange.now()))

    # --- registrations ------------------------------------------------------------------------------------

    def _heard(self, session: StreamSession, text: str) -> None:
        session.received.append(text)
        topic = SubscriptionKey("(null)", "")
        try:
            asked = _object(text)
            if asked.get("header", {}).get("tr_id") == HEARTBEAT:
                session.echoed += 1
                return
            header, given = _parts(asked)
            self._admit(session, header)
            topic = SubscriptionKey(str(given.get("tr_id", "")), str(given.get("tr_key", "")))
            self._register(session, topic, str(header.get("tr_type", "")))
        except FrameRefused as turned:
            session.push(topic.tr_id, frames.reply(topic, turned.code, str(turned), rt_cd=turned.rt_cd))
            if turned.code == "OPSP8996":
                session.push(topic.tr_id, "")

    def _admit(self, session: StreamSession, header: Mapping[str, Any]) -> None:
        if not self._oauth.approved(str(header.get("approval_key", ""))):
            raise FrameRefused("OPSP0011", "invalid approval : NOT FOUND")
        if header.get("custtype") not in {"P", "B"}:
            raise FrameRefused("OPSP8997", "invalid custtype")
        if self._holder not in {None, session}:
            raise FrameRefused("OPSP8996", "ALREADY IN USE appkey")
        self._holder = session

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
            key = session.topics[topic] = self._key()
            if topic.tr_id == BOOKS:
                self._shown.pop(topic.tr_key, None)
            session.push(topic.tr_id, frames.reply(topic, "OPSP0000", "SUBSCRIBE SUCCESS", key))

    def _key(self) -> NoticeKey:
        return NoticeKey("".join(self._rng.choices(_LETTERS, k=32)), "".join(self._rng.choices(_LETTERS, k=16)))

    # --- what the exchange tells --------------------------------------------------------------------------

    def printed(self, issue: Issue, price: int, quantity: int) -> None:
        """A price was made."""
        code = issue.listing.code
        if quantity:
            tally = self._tallies[code]
            tally.count(price, quantity)
            if self._wanted(SubscriptionKey(TRADES, code)):
                record = frames.trade(issue, tally, price, quantity, self._exchange.now(), self._exchange.books[code])
                self._trades[code].append(frames.cut(record, self._layout.trade))
        self._soon()

    def told(self, told: OrderUpdate) -> None:
        """Something became of an order."""
        self._news.append(told)
        self._soon()

    def _wanted(self, topic: SubscriptionKey) -> bool:
        return any(topic in session.topics for session in self.sessions)

    def _soon(self) -> None:
        """Push once whatever is going on is done: what belongs together then goes together."""
        if not self.sessions:
            self._news.clear()
        elif not self._due:
            self._due = True
            # The exchange may be moved by another thread than the one that serves.
            with contextlib.suppress(RuntimeError):
                self.sessions[0].loop.call_soon_threadsafe(self._push)

    def _push(self) -> None:
        self._due = False
        trades, self._trades = self._trades, defaultdict(list)
        news, self._news = self._news, []
        for session in self.sessions:
            for topic, key in list(session.topics.items()):
                if topic.tr_id == TRADES:
                    self._push_trades(session, topic, trades.get(topic.tr_key, []))
                elif topic.tr_id == BOOKS:
                    self._push_book(session, topic)
                else:
                    self._push_news(session, topic, key, news)

    def _push_trades(self, session: StreamSession, topic: SubscriptionKey, records: list[str]) -> None:
        for start in range(0, len(records), _MOST_IN_A_FRAME):
            session.push(topic.tr_id, frames.data(topic.tr_id, records[start : start + _MOST_IN_A_FRAME]))

    def _push_book(self, session: StreamSession, topic: SubscriptionKey) -> None:
        issue, levels = self._exchange.issues[topic.tr_key], self._exchange.books[topic.tr_key]
        record = frames.cut(frames.book(issue, levels, self._exchange.now()), self._layout.book)
        shown = record.partition("^")[2].partition("^")[2]  # but for the time
        if self._shown.get(topic.tr_key) != shown:
            self._shown[topic.tr_key] = shown
            session.push(topic.tr_id, frames.data(topic.tr_id, [record]))

    def _push_news(
        self,
        session: StreamSession,
        topic: SubscriptionKey,
        key: NoticeKey,
        news: list[OrderUpdate],
    ) -> None:
        customer = self._oauth.customer
        for told in news:
            record = frames.notice(told, customer.hts_id, customer.account, self._layout.notice)
            strange = bool(self._faults.strikes(topic.tr_id, "bad_cipher"))
            session.push(topic.tr_id, frames.sealed(topic.tr_id, [record], self._key() if strange else key))


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise FrameRefused("OPSP9999", "JSON PARSING ERROR") from None
    if not isinstance(read, dict) or not isinstance(read.get("header"), dict):
        raise FrameRefused("OPSP9999", "JSON PARSING ERROR")
    return read


def _parts(asked: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    body = asked.get("body")
    given = body.get("input") if isinstance(body, dict) else None
    if not isinstance(given, dict):
        raise FrameRefused("OPSP9999", "JSON PARSING ERROR")
    return asked["header"], given
