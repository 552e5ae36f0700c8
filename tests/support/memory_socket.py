"""The simulator's websocket without a socket, in whatever time the loop keeps; and what may befall its frames.

It stands in for `websockets.connect` alone: the line, the parser and the cipher of the client are the real ones, and
so are the registrations, keys and heartbeats of the simulator.
"""

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosedError

from kis.cipher import Cipher
from kis.errors import BadAnswer
from kis.sim import Simulator
from kis.sim.faults.response_plan import ABORT
from kis.sim.websocket.frames import NoticeKey, encrypted_frame

FIELDS = (23, 26, 29)
"""Fields of a notice: as paper has sent it, as it is, and with three more than anybody knows of."""
GATHER = 0.4
"""Seconds a frame waits for others to go with it."""


@dataclass(frozen=True)
class Weather:
    """The share of frames with notices that each fault befalls."""

    lost: float = 0.0
    repeated: float = 0.0
    late: float = 0.0
    batched: float = 0.0
    spoilt: float = 0.0


CALM = Weather()


class MemorySockets:
    """Makes connections to one simulator; `connect` takes the place of the library's.

    Attributes:
        fired: how often each fault has struck.
        weather: what befalls frames now.
        delivered: notices that reached a client, repeats included.
        down: nobody can connect.
    """

    def __init__(
        self, simulator: Simulator, rng: random.Random, outside: Callable[[], contextvars.Context], *, fields: int
    ) -> None:
        """`outside`: in which context the broker works, so that it lives on when a client dies."""
        self.simulator = simulator
        self.rng = rng
        self.outside = outside
        self.more = "^" * (fields - 26) if fields > 26 else ""
        self.fired: Counter[str] = Counter()
        self.weather = CALM
        self.delivered = 0
        self.down = False
        self.open: list[Connection] = []

    @asynccontextmanager
    async def connect(self, _address: str = "", **_options: Any) -> AsyncIterator["Connection"]:
        """One connection, as the library hands it out."""
        await asyncio.sleep(0.01)
        if self.down:
            raise ConnectionRefusedError
        connection = Connection(self)
        self.open.append(connection)
        try:
            yield connection
        finally:
            self.open.remove(connection)
            connection.leave()


class Connection:
    """One connection: the client's `send` and `recv` on one side, the simulator on the other.

    Attributes:
        stalled: it stays up, and nothing gets through any more.
        strange: it is another program's; what notices it gets is nobody's business.
        gone: it is no more.
    """

    def __init__(self, sockets: MemorySockets) -> None:
        self._sockets = sockets
        self._loop = asyncio.get_running_loop()
        self._to_client: asyncio.Queue[tuple[str, int] | None] = asyncio.Queue()
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_server.put_nowait({"type": "websocket.connect"})
        self._held: list[str] = []
        self.stalled = False
        self.strange = False
        self.gone = False
        self.failure: BaseException | None = None
        self._loop.call_soon(self._serve, context=sockets.outside())

    def _serve(self) -> None:
        scope = {"type": "websocket", "path": "/tryitout", "extensions": {ABORT: self.cut}}
        served = self._sockets.simulator.websocket(scope, self._to_server.get, self._served)  # type: ignore[arg-type]  # the parts of ASGI it uses
        self._task = self._loop.create_task(served)
        self._task.add_done_callback(self._ended)

    def _ended(self, served: asyncio.Task[None]) -> None:
        """A fault of the broker's side, or of this module, must not pass for a silent line."""
        if not served.cancelled() and served.exception() is not None:
            self.failure = served.exception()
            self._to_client.put_nowait(None)

    # --- the client's side ----------------------------------------------------------------------------------------

    async def send(self, text: str) -> None:
        if self.gone:
            raise ConnectionClosedError(None, None)
        if not self.stalled:
            self._to_server.put_nowait({"type": "websocket.receive", "text": text})

    async def recv(self) -> str:
        frame = None if self.gone and self._to_client.empty() else await self._to_client.get()
        if self.failure is not None:
            raise AssertionError("the simulated broker's side died") from self.failure
        if frame is None:
            raise ConnectionClosedError(None, None)
        text, notices = frame
        self._sockets.delivered += notices
        return text

    def leave(self) -> None:
        """The client is gone."""
        self.cut()

    async def close(self) -> None:
        self.cut()

    # --- what befalls it ------------------------------------------------------------------------------------------

    def cut(self, **_how: Any) -> None:
        """It is gone for both, without a word."""
        if not self.gone:
            self.gone = True
            self._to_server.put_nowait({"type": "websocket.disconnect", "code": 1006})
            self._to_client.put_nowait(None)

    async def _served(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            self.cut()
        elif message["type"] == "websocket.send":
            text = message["text"]
            if text.startswith("1|"):
                self._notices(text)
            else:
                self._give(text)

    def _give(self, text: str) -> None:
        if not self.stalled and not self.gone:
            self._to_client.put_nowait((text, 0))

    def _give_notices(self, tr_id: str, records: list[str], key: NoticeKey) -> None:
        if not self.stalled and not self.gone:
            # whoever has registered anew meanwhile cannot open what was sealed before
            readable = len(records) if key == self._key(tr_id) else 0
            self._to_client.put_nowait((encrypted_frame(tr_id, records, key), readable))

    def _notices(self, text: str) -> None:
        if self.strange:
            return
        sockets, weather = self._sockets, self._sockets.weather
        _, tr_id, _, payload = text.split("|", 3)
        key = self._key(tr_id)
        try:
            record = Cipher(*key).decrypt(payload) + sockets.more if key is not None else ""
        except BadAnswer:
            record = ""
        if key is None or not record:  # it was pushed under a key that is no longer that of the session
            self._give(text)
            return
        fault = self._drawn(weather)
        if fault:
            sockets.fired[f"notice {fault}"] += 1
        if fault == "lost":
            return
        if fault == "batched" or self._held:
            self._hold(tr_id, record, key)
        elif fault == "late":
            self._later(sockets.rng.uniform(0.1, 6), tr_id, [record], key)
        elif fault == "spoilt":
            self._give(encrypted_frame(tr_id, [record], NoticeKey(key.iv * 2, key.iv)))
        else:
            self._give_notices(tr_id, [record], key)
            if fault == "repeated":
                self._later(sockets.rng.choice((0.0, 0.0, sockets.rng.uniform(0.5, 30))), tr_id, [record], key)

    def _later(self, seconds: float, *notices: Any) -> None:
        self._loop.call_later(seconds, self._give_notices, *notices, context=self._sockets.outside())

    def _drawn(self, weather: Weather) -> str:
        names = list(vars(weather))
        shares = list(vars(weather).values())
        return self._sockets.rng.choices([*names, ""], [*shares, max(0.0, 1 - sum(shares))])[0]

    def _hold(self, tr_id: str, record: str, key: NoticeKey) -> None:
        if not self._held:
            self._loop.call_later(GATHER, self._let_go, tr_id, key, context=self._sockets.outside())
        self._held.append(record)

    def _let_go(self, tr_id: str, key: NoticeKey) -> None:
        held, self._held = self._held, []
        self._sockets.fired["frames of several notices"] += len(held) > 1
        self._give_notices(tr_id, held, key)

    def _key(self, tr_id: str) -> NoticeKey | None:
        """The key this session's notices are sealed with now: only one session at a time is registered."""
        topics = [one for session in self._sockets.simulator.websocket.sessions for one in session.topics.items()]
        return next((key for topic, key in topics if topic.tr_id == tr_id), None)
