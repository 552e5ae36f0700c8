"""A fill stream beside an app that has none, so that a test can choose what it is made of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from bot.demo.run import Stage
from bot.orders.access.notifications import Notifications
from bot.orders.model.notice import Notice
from bot.services.fill_stream import FillStream, StreamState
from bot.services.trade_feed import LiveStream, TradeFeed
from kis.config import kst_now
from tests.support.stage import MemoryStage
from tests.support.waiting import until

WITHOUT_STREAM: dict[str, Any] = {"kis_hts_id": ""}
"""For `stage`: the app itself does not connect to the websocket."""


class StreamProbe:
    """The stream, and what it caused: polls that it woke, by the number of readings before, and notices."""

    def __init__(self, stream: FillStream, trades: TradeFeed, wakes: list[int], notices: list[Notice]) -> None:
        self.stream, self.trades, self.wakes, self.notices = stream, trades, wakes, notices

    async def reaches(self, state: StreamState) -> None:
        """Wait until the stream is in a state."""
        await until(lambda: self.stream.state is state)


@contextlib.asynccontextmanager
async def streaming(
    on: Stage,
    *,
    wait: bool = True,
    config: dict[str, Any] | None = None,
    clock: Callable[[], datetime] | None = None,
    **options: Any,
) -> AsyncIterator[StreamProbe]:
    """A stream at work for the app on the stage, whose readings it gets.

    `config`: what is different in the app's `KisConfig`; `options` are the stream's; `wait` until it is connected.
    """
    network = None
    if isinstance(on, MemoryStage):
        network, clock = on.network, clock or on.clock
    clock = clock or kst_now
    wakes: list[int] = []
    notices: list[Notice] = []

    def wake() -> None:
        wakes.append(on.app.readings)
        on.app.parts.report_poll.wake()

    class Noted:
        """Notes every notice, and passes it on."""

        def tell(self, told: Any) -> None:
            notices.extend(told)
            on.app.storage.outbox.tell(told)

    trades = TradeFeed(clock)
    stream = FillStream(
        replace(on.app.parts.kis_config, **{"hts_id": on.broker.credentials.hts_id, **(config or {})}),
        trades,
        wake=wake,
        notifications=Notifications(Noted(), on.app.storage.people),
        always=True,
        clock=clock,
        stream=partial(LiveStream, transport=network),
        **options,
    )
    note = on.app.parts.report_handler.handle

    def noted(reading: Any) -> None:
        note(reading)
        stream.on_snapshot(reading)

    on.app.parts.report_handler.handle = noted  # type: ignore[method-assign]  # noted, and passed on unchanged
    work = asyncio.get_running_loop().create_task(stream.run())
    at = StreamProbe(stream, trades, wakes, notices)
    try:
        if wait:
            await at.reaches(StreamState.CONNECTED)
        yield at
        assert not work.done() or (not work.cancelled() and work.exception() is None)
    finally:
        on.app.parts.report_handler.handle = note  # type: ignore[method-assign]
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
