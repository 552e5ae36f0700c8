"""What listens to KIS's websocket for the bot: every word about an order of the account has the list read at once.

No quantity is ever taken from it; the broker's list stays the only truth about that, read at its own interval whether
anything is heard or not. So a connection that fails, stalls or is held by another program costs seconds, no fill.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.model.notice import Notice
from bot.orders.reconciliation.report_handler import OrderListSnapshot
from bot.services.fill_stream_audit import KEPT_DAYS, FillStreamAudit, StreamCounts, UnconfirmedFill
from bot.services.trade_feed import LiveStream, OnGap, OnHeard, OnTrade, Subscription, TradeFeed
from kis import krx
from kis.config import KisConfig, is_loopback, kst_now
from kis.errors import KisError, Misconfigured
from kis.stream import Event, FillNotice, Gap

log = structlog.get_logger(__name__)

LOOK = 1.0
"""Seconds between looks at what was missed."""
TRY_AGAIN = 600.0
"""Seconds after KIS refused to be listened to; whatever may pass by itself the stream waits out."""


class StreamState(StrEnum):
    """Whether fill notices come in."""

    OFF = "off"
    """There is no HTS login to listen under."""
    LISTENING = "listening"
    AWAY = "away"


class Days(Protocol):
    """Keeps the figures of days; `bot.store.stream_stats.StreamStats` fits as it is."""

    def last(self, days: int) -> Mapping[date, Mapping[str, int]]:
        """Those of the newest days."""
        ...

    def keep(self, day: date, figures: Mapping[str, int]) -> None:
        """Remember one day's."""
        ...


class FillStream:
    """Listens, wakes the poll, and counts what was missed on either side. Nothing that befalls it reaches the poll."""

    def __init__(
        self,
        config: KisConfig,
        *,
        wake: Callable[[], object],
        notifications: Notifications,
        clock: Callable[[], datetime] = kst_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        silence: float = 90.0,
        always: bool = False,
        days: Days | None = None,
        stream: Callable[..., LiveStream] = LiveStream,
    ) -> None:
        """Connects to nothing yet.

        Args:
            config: whose account, and where.
            wake: has the list read at once.
            notifications: overseers are told of a fill that the list does not show.
            clock: the present moment in KST.
            sleep: waits between attempts to connect.
            silence: seconds without a frame after which a connection counts as dead, in session.
            always: the broker has no hours, as a simulated one.
            days: keeps the figures from one run to the next.
            stream: makes the connection.
        """
        self._config = config
        self._wake = wake
        self._notifications = notifications
        self._clock = clock
        self._sleep = sleep
        self._silence = silence
        self._always = always
        self._stream: LiveStream | None = None
        self._since: datetime | None = None
        self._away_since: datetime | None = clock()
        self._broken = False
        self._rousing: asyncio.TimerHandle | None = None
        self._roused_at: float | None = None
        self._not_before = 0.0
        self._days = days
        self._open_stream = stream
        self._heard = FillStreamAudit(clock(), days.last(KEPT_DAYS) if days is not None else None)
        self._kept = replace(self._heard.counts)
        self._tape = TradeFeed(clock)

    # --- how it stands ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> StreamState:
        """Whether fill notices come in now."""
        if not self._config.hts_id:
            return StreamState.OFF
        self._mark()
        return StreamState.AWAY if self._since is None else StreamState.LISTENING

    @property
    def since(self) -> datetime | None:
        """Since when it is listening, or away; None where it is off."""
        return {StreamState.OFF: None, StreamState.LISTENING: self._since, StreamState.AWAY: self._away_since}[
            self.state
        ]

    @property
    def counts(self) -> StreamCounts:
        """Today's figures."""
        return self._heard.counts

    @property
    def days(self) -> dict[date, StreamCounts]:
        """The figures of the last days."""
        return dict(self._heard.days)

    def last(self, order_no: str) -> datetime | None:
        """When something was last told of an order today."""
        return self._heard.last(order_no)

    # --- for others ---------------------------------------------------------------------------------------------------

    def watch_trades(
        self,
        codes: Sequence[str],
        on_trade: OnTrade,
        on_gap: OnGap | None = None,
        on_heard: OnHeard | None = None,
    ) -> Subscription:
        """Hear the trades of some stocks, the most urgent first, as far as KIS's registrations go round.

        `heard` of what comes back tells which of them come in; where nothing is listened to, none do.

        Args:
            codes: of stocks; `want` of what comes back changes them.
            on_trade: gets each trade; quick, for the next one waits.
            on_gap: hears of times after which trades may have been missed.
            on_heard: hears which of the stocks come in, whenever that changes.
        """
        return self._tape.watch(codes, on_trade, on_gap, on_heard)

    def read(self, reading: OrderListSnapshot) -> None:
        """Takes in a clean reading of the list, to hold it against what was told."""
        if self._config.hts_id:
            self._rest()
            with self._harmless():
                self._heard.read(reading.day, reading.rows, self._clock())
                self._judge()

    # --- at work ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Listens until cancelled; without an HTS login there is nothing to do."""
        if not self._config.hts_id:
            log.info("no KIS_HTS_ID: fills are found by reading the list alone")
            return
        looking = asyncio.get_running_loop().create_task(self._look())
        try:
            while True:
                await self._listen()
                await self._sleep(TRY_AGAIN)
        finally:
            looking.cancel()
            with self._harmless():
                self._keep()
            if self._rousing is not None:
                self._rousing.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _listen(self) -> None:
        """One stream to its end, which comes only where waiting does not help."""
        try:
            async with self._opened() as stream:
                events = stream.events(fill_notices=True)  # first of all, so that there is always room for it
                self._stream = stream
                self._tape.open(stream)
                async for event in events:
                    self._take(event)
        except KisError as failure:
            log.warning("KIS will not be listened to", code=failure.code, why=str(failure))
        except Exception:
            log.exception("listening to KIS broke")
        finally:
            self._tape.close()
            self._stream = None
            self._mark()

    def _opened(self) -> LiveStream:
        at_home = is_loopback(urlsplit(self._config.rest).hostname or "")
        if at_home and not self._config.ws_url:  # a simulated account has no business at KIS's own websocket
            raise Misconfigured("KIS_WS_URL is not set, and KIS_REST_URL is this machine", setting="KIS_WS_URL")
        return self._open_stream(
            self._config,
            clock=self._clock,
            sleep=self._sleep,
            silence=self._silence,
            in_session=lambda now: self._always or krx.session_at(now) is not krx.MarketSession.CLOSED,
        )

    def _take(self, event: Event) -> None:
        self._rouse()
        with self._harmless():
            if isinstance(event, FillNotice):
                self._heard.notice(event, self._clock())
            elif isinstance(event, Gap):
                self._since = self._away_since = None  # it may have come and gone between two looks
                self._mark()
                self._heard.gap(self._clock())
                self._tape.gap(event)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            with self._harmless():
                self._tape.look()
                if self._heard.wants_reading(self._clock()):
                    self._rouse()
                self._judge()
                self._keep()

    def _keep(self) -> None:
        """Writes the figures down where they changed; those of a day that is over go into the log too."""
        counts = self._heard.counts
        if counts.day != self._kept.day:
            ended = self._heard.days[self._kept.day]
            log.info("a day's fill notices", day=ended.day.isoformat(), **ended.figures)
            self._write_down(ended)
        self._write_down(counts)

    def _write_down(self, counts: StreamCounts) -> None:
        if counts != self._kept:
            self._kept = replace(counts)
            if self._days is not None:
                self._days.keep(counts.day, counts.figures)

    # --- waking the poll ----------------------------------------------------------------------------------------------

    def _rouse(self) -> None:
        """Has the list read at once; in a burst of news only every other call, as its lane goes before that of prices.

        A reading that is put off finds what the one before it would have found, and more.
        """
        if self._rousing is None:
            self._rouse_or_wait()

    def _rouse_or_wait(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now < self._not_before:
            self._rousing = loop.call_at(self._not_before, self._rouse_or_wait)
            return
        self._rousing = None
        self._roused_at, self._not_before = now, now + 2 * self._config.interval
        self._wake()

    def _rest(self) -> None:
        """A reading is over: the next one of ours waits as long as it took, and one call more."""
        if self._roused_at is not None:
            now = asyncio.get_running_loop().time()
            self._not_before = now + (now - self._roused_at) + self._config.interval
            self._roused_at = None

    # --- what was missed ----------------------------------------------------------------------------------------------

    def _mark(self) -> None:
        """Notes since when there is something to hear. A further registration under way is no interruption."""
        stream, now = self._stream, self._clock()
        if stream is not None and (stream.complete or (self._since is not None and stream.blind_since is None)):
            self._since, self._away_since = self._since or now, None
        else:
            blind = stream.blind_since if stream is not None else None
            self._since, self._away_since = None, self._away_since or blind or now

    def _judge(self) -> None:
        self._mark()
        missing, found = self._heard.judge(self._clock(), self._since)
        for one in missing:
            log.warning("a fill was told that the list does not show", order_no=one.order_no, told=one.told)
        told = [*self._notices("heard", missing), *self._notices("heard_shown", found)]
        if told:
            self._notifications.tell(told)

    def _notices(self, kind: str, fills: Iterable[UnconfirmedFill]) -> Iterator[Notice]:
        for one in fills:
            data: dict[str, object] = {
                "order_no": one.order_no,
                "code": one.code,
                "name": one.name,
                "side": one.side.value,
                "step": one.quantity,
                "price": one.price,
                "told": one.told,
                "filled": one.shown,
                "at": one.at.isoformat(),
            }
            for chat in self._notifications.overseers():
                key = f"{kind}:{one.at.date()}:{one.order_no}:{one.told}:{chat}"
                yield Notice(kind, chat, data, key)

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        """Nothing in here is worth the poll or the connection; the first of many faults is logged."""
        try:
            yield
        except Exception:
            if not self._broken:
                log.exception("what was heard could not be taken in")
            self._broken = True
        else:
            self._broken = False
