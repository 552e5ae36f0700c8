"""Trades, order books and fill notices as KIS pushes them (KIS portal, 실시간시세), as async iterators.

    async with KisStream(config) as stream:
        async for trade in stream.trades(["005930"]):
            ...

The connection is made when there is a listener, and kept up. Events missed while it was down are not delivered later:
`events()` yields a `Gap`, after which whatever matters has to be read by REST.
"""

from __future__ import annotations

import asyncio
import random
import re
from typing import TYPE_CHECKING, Self, TypeVar

from kis import krx
from kis.config import kst_now
from kis.errors import BadRequest, Misconfigured
from kis.frames import BOOKS, NOTICES, TRADES, BookUpdate, FillNotice, NoticeKind, Trade
from kis.subscriptions import Event, Gap, Listener, Registrations, StreamTopic
from kis.websocket import WebSocketConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime
    from types import TracebackType

    from kis.config import KisConfig
    from kis.transport import Transport

__all__ = ["BookUpdate", "Event", "FillNotice", "Gap", "KisStream", "Listener", "NoticeKind", "Trade"]

_SILENCE_TIMEOUT = 90.0  # seconds; others report websockets that die silently
_CODE = re.compile(r"[0-9A-Z]{6,7}")
_E = TypeVar("_E", bound=Event)


def _in_session(moment: datetime) -> bool:
    return krx.session_at(moment) is not krx.MarketSession.CLOSED


class KisStream:
    """The websocket of one app key, of which KIS allows one at a time.

    Iterating raises `Misconfigured` if key and settings do not belong together, and `Refused` if KIS refuses a
    registration. Temporary failures are waited out.
    """

    def __init__(
        self,
        config: KisConfig,
        *,
        clock: Callable[[], datetime] = kst_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        transport: Transport | None = None,
        silence: float = _SILENCE_TIMEOUT,
        in_session: Callable[[datetime], bool] = _in_session,
    ) -> None:
        """Connects to nothing yet; arguments are those of `KisClient`.

        Also, `silence` is the seconds without a frame after which a connection counts as dead, while `in_session` says
        that frames are expected. `transport` stands in only for the REST call that gets the approval key.

        Raises:
            Misconfigured: the websocket's address is invalid.
        """
        self._config = config
        self._clock = clock
        self._registrations = Registrations()
        self._failure: Exception | None = None
        self._running: asyncio.Task[None] | None = None
        self._connection = WebSocketConnection(
            config,
            self._registrations,
            clock=clock,
            sleep=sleep,
            rng=rng or random.Random(),  # noqa: S311 - spreads attempts, guards nothing
            transport=transport,
            silence=silence,
            in_session=in_session,
        )

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="kis-stream")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection and ends all listeners."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        self._registrations.end()

    @property
    def blind_since(self) -> datetime | None:
        """Since when events may have been missed; None while all registrations are live."""
        return self._connection.blind_since

    def trades(self, codes: Iterable[str]) -> Listener[Trade]:
        """Every trade of some stocks on KRX.

        Raises:
            Refused: with what is registered already there would be more than 41.
            BadRequest: something is no stock code.
        """
        return self._listener((Trade,), self._stock_topics(TRADES, codes))

    def order_books(self, codes: Iterable[str]) -> Listener[BookUpdate]:
        """Every change of the ten best prices of some stocks on KRX; raises as `trades`."""
        return self._listener((BookUpdate,), self._stock_topics(BOOKS, codes))

    def fill_notices(self) -> Listener[FillNotice]:
        """What becomes of the account's orders, whichever program placed them.

        Raises:
            Refused: as `trades`.
            Misconfigured: the HTS login is not set, under which KIS pushes them.
        """
        return self._listener((FillNotice,), self._notice_topics())

    def events(
        self, *, trades: Iterable[str] = (), order_books: Iterable[str] = (), fill_notices: bool = False
    ) -> Listener[Event]:
        """All of these in order of arrival, and a `Gap` whenever events may have been missed.

        Each argument registers as the method of its name, and raises as that does.

        Raises:
            BadRequest: nothing is asked for.
        """
        topics = self._stock_topics(TRADES, trades) | self._stock_topics(BOOKS, order_books)
        if fill_notices:
            topics |= self._notice_topics()
        if not topics:
            raise self._bad_request("nothing to listen to")
        kinds: tuple[type[Event], ...] = (Trade, BookUpdate, FillNotice, Gap)
        return self._listener(kinds, topics)

    def _listener(self, kinds: tuple[type[_E], ...], topics: set[StreamTopic]) -> Listener[_E]:
        if self._failure is not None:
            raise self._failure
        if self._running is None:
            raise RuntimeError("the stream is not open: use it as `async with`")
        return Listener(kinds, topics, self._registrations, self._clock())

    def _stock_topics(self, tr_id: str, codes: Iterable[str]) -> set[StreamTopic]:
        given = [codes] if isinstance(codes, str) else list(codes)
        if not all(isinstance(code, str) and _CODE.fullmatch(code) for code in given):
            raise self._bad_request("that is no stock code")
        return {StreamTopic(tr_id, code) for code in given}

    def _notice_topics(self) -> set[StreamTopic]:
        if not self._config.hts_id:
            message = "fill notices need KIS_HTS_ID, the HTS login"
            raise Misconfigured(message, setting="KIS_HTS_ID", endpoint="websocket", env=self._config.env.value)
        return {StreamTopic(NOTICES[self._config.env], self._config.hts_id)}

    def _bad_request(self, message: str) -> BadRequest:
        return BadRequest(message, endpoint="websocket", env=self._config.env.value)

    async def _run(self) -> None:
        try:
            await self._connection.run()
        except Exception as failure:  # noqa: BLE001 - whatever ended it, no listener may wait for ever
            self._failure = failure
            self._registrations.end(failure)
