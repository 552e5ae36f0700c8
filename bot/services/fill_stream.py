"""The connection to KIS's websocket: every notice about an order of the account has the order list read at once.

No quantity is taken from a notice; the order list stays the only truth about fills, and it is read at its own interval
whether notices come or not. So a connection that fails, stalls or is held by another program costs seconds and no fill.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from urllib.parse import urlsplit

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.model.notice import Notice
from bot.orders.reconciliation.report_handler import OrderListSnapshot
from bot.services.fill_stream_audit import MAX_DAYS, FillStreamAudit, StreamCounts, UnconfirmedFill
from bot.services.trade_feed import LiveStream, TradeFeed
from bot.store.reading_mark import StreamStats
from kis import krx
from kis.config import KisConfig, is_loopback, kst_now
from kis.errors import KisError, Misconfigured
from kis.stream import Event, FillNotice, Gap

log = structlog.get_logger(__name__)

CHECK_INTERVAL = 1.0
"""Seconds between checks for missed fills."""
RECONNECT_INTERVAL = 600.0
"""Seconds after KIS refused the connection; whatever may pass by itself the stream waits out."""


class StreamState(StrEnum):
    """Whether fill notices come in."""

    OFF = "off"  # there is no HTS login to connect under
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class FillStream:
    """Receives notices, wakes the poll, and counts what either side missed. No failure of it reaches the poll."""

    def __init__(
        self,
        config: KisConfig,
        trades: TradeFeed,
        *,
        wake: Callable[[], object],
        notifications: Notifications,
        clock: Callable[[], datetime] = kst_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        silence: float = 90.0,
        always: bool = False,
        stats: StreamStats | None = None,
        stream: Callable[..., LiveStream] = LiveStream,
    ) -> None:
        """Connects to nothing yet.

        `trades` gets the connection for the registrations that fill notices leave free; `wake` has the order list read
        at once; `silence`: seconds without a frame after which a connection counts as dead, in session; `always`: the
        broker has no hours, as a simulated one.
        """
        self._config = config
        self._trades = trades
        self._wake = wake
        self._notifications = notifications
        self._clock = clock
        self._sleep = sleep
        self._silence = silence
        self._always = always
        self._stats = stats
        self._make_stream = stream
        self._stream: LiveStream | None = None
        self._connected_since: datetime | None = None
        self._disconnected_since: datetime | None = clock()
        self._broken = False
        self._wake_timer: asyncio.TimerHandle | None = None
        self._woken_at: float | None = None
        self._wake_not_before = 0.0
        self._audit = FillStreamAudit(clock(), stats.last(MAX_DAYS) if stats is not None else None)
        self._saved = replace(self._audit.counts)

    # --- state --------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> StreamState:
        """Whether fill notices come in now."""
        if not self._config.hts_id:
            return StreamState.OFF
        self._update_state()
        return StreamState.DISCONNECTED if self._connected_since is None else StreamState.CONNECTED

    @property
    def since(self) -> datetime | None:
        """Since when it is connected, or disconnected; None where it is off."""
        if self.state is StreamState.OFF:
            return None
        return self._connected_since or self._disconnected_since

    @property
    def counts(self) -> StreamCounts:
        """Today's figures."""
        return self._audit.counts

    @property
    def days(self) -> dict[date, StreamCounts]:
        """The figures of the last days."""
        return dict(self._audit.days)

    def last(self, order_no: str) -> datetime | None:
        """When the last notice about an order came today."""
        return self._audit.last(order_no)

    def on_snapshot(self, snapshot: OrderListSnapshot) -> None:
        """Compare a clean reading of the order list with the notices."""
        if self._config.hts_id:
            self._wake_done()
            with self._harmless():
                self._audit.snapshot(snapshot.day, snapshot.rows, self._clock())
                self._judge()

    # --- connection ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected until cancelled; without an HTS login there is nothing to do."""
        if not self._config.hts_id:
            log.info("no KIS_HTS_ID: fills are found by reading the list alone")
            return
        checking = asyncio.get_running_loop().create_task(self._check())
        try:
            while True:
                await self._connect()
                await self._sleep(RECONNECT_INTERVAL)
        finally:
            checking.cancel()
            with self._harmless():
                self._save()
            if self._wake_timer is not None:
                self._wake_timer.cancel()
            await asyncio.gather(checking, return_exceptions=True)

    async def _connect(self) -> None:
        """One stream to its end, which comes only where waiting does not help."""
        try:
            async with self._new_stream() as stream:
                events = stream.events(fill_notices=True)  # before any trades, so that there is always room for it
                self._stream = stream
                self._trades.open(stream)
                async for event in events:
                    self._on_event(event)
        except KisError as failure:
            log.warning("KIS refuses the fill stream", code=failure.code, why=str(failure))
        except Exception:
            log.exception("the fill stream failed")
        finally:
            self._trades.close()
            self._stream = None
            self._update_state()

    def _new_stream(self) -> LiveStream:
        local = is_loopback(urlsplit(self._config.rest).hostname or "")
        if local and not self._config.ws_url:  # a simulated account has no business at KIS's own websocket
            raise Misconfigured("KIS_WS_URL is not set, and KIS_REST_URL is this machine", setting="KIS_WS_URL")
        return self._make_stream(
            self._config,
            clock=self._clock,
            sleep=self._sleep,
            silence=self._silence,
            in_session=lambda now: self._always or krx.session_at(now) is not krx.MarketSession.CLOSED,
        )

    def _on_event(self, event: Event) -> None:
        self._wake_poll()
        with self._harmless():
            if isinstance(event, FillNotice):
                self._audit.notice(event, self._clock())
            elif isinstance(event, Gap):
                self._connected_since = self._disconnected_since = None  # it may have come and gone between two checks
                self._update_state()
                self._audit.gap(self._clock())
                self._trades.gap(event)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            with self._harmless():
                self._trades.refresh()
                if self._audit.wants_snapshot(self._clock()):
                    self._wake_poll()
                self._judge()
                self._save()

    def _update_state(self) -> None:
        """A further registration under way is no interruption."""
        stream, now = self._stream, self._clock()
        if stream is not None and (
            stream.complete or (self._connected_since is not None and stream.blind_since is None)
        ):
            self._connected_since, self._disconnected_since = self._connected_since or now, None
        else:
            blind = stream.blind_since if stream is not None else None
            self._connected_since, self._disconnected_since = None, self._disconnected_since or blind or now

    # --- waking the poll ----------------------------------------------------------------------------------------------

    def _wake_poll(self) -> None:
        """Have the list read at once; in a burst of notices only every other call, as its lane precedes that of prices.

        A reading that is put off finds what the one before it would have found, and more.
        """
        if self._wake_timer is None:
            self._wake_now_or_later()

    def _wake_now_or_later(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now < self._wake_not_before:
            self._wake_timer = loop.call_at(self._wake_not_before, self._wake_now_or_later)
            return
        self._wake_timer = None
        self._woken_at, self._wake_not_before = now, now + 2 * self._config.interval
        self._wake()

    def _wake_done(self) -> None:
        """A reading is over: the next one waits as long as it took, and one call more."""
        if self._woken_at is not None:
            now = asyncio.get_running_loop().time()
            self._wake_not_before = now + (now - self._woken_at) + self._config.interval
            self._woken_at = None

    # --- missed fills -------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        """Write the figures down where they changed; those of a day that is over go into the log too."""
        counts = self._audit.counts
        if counts.day != self._saved.day:
            ended = self._audit.days[self._saved.day]
            log.info("a day's fill notices", day=ended.day.isoformat(), **ended.figures)
            self._save_day(ended)
        self._save_day(counts)

    def _save_day(self, counts: StreamCounts) -> None:
        if counts != self._saved:
            self._saved = replace(counts)
            if self._stats is not None:
                self._stats.keep(counts.day, counts.figures)

    def _judge(self) -> None:
        self._update_state()
        missing, found = self._audit.judge(self._clock(), self._connected_since)
        for one in missing:
            log.warning(
                "a fill was notified that the list does not show", order_no=one.notice.order_no, told=one.notified
            )
        notices = [*self._notices("heard", missing), *self._notices("heard_shown", found)]
        if notices:
            self._notifications.tell(notices)

    def _notices(self, kind: str, fills: Iterable[UnconfirmedFill]) -> Iterator[Notice]:
        for one in fills:
            notice = one.notice
            data: dict[str, object] = {
                "order_no": notice.order_no,
                "code": notice.code,
                "name": notice.name,
                "side": notice.side.value,
                "step": notice.quantity,
                "price": notice.price,
                "told": one.notified,
                "filled": one.listed,
                "at": one.at.isoformat(),
            }
            key = f"{kind}:{one.at.date()}:{notice.order_no}:{one.notified}"
            for chat in self._notifications.overseers():
                yield Notice(kind, chat, data, f"{key}:{chat}")

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        """Nothing in here may stop the poll or the connection; the first of many errors is logged."""
        try:
            yield
        except Exception:
            if not self._broken:
                log.exception("a notice could not be taken in")
            self._broken = True
        else:
            self._broken = False
