"""Ears of their own beside an app that has none, so that a test can hand them what they are made of."""

import asyncio
import contextlib
from functools import partial
from typing import Any

from bot.app.clients import kis_config
from bot.orders.access.notifications import Notifications
from bot.orders.model.notice import Notice
from bot.services.fill_stream import FillStream, StreamState
from bot.services.trade_feed import LiveStream, TradeFeed
from tests.support.stage import MemoryStage
from tests.support.waiting import until

DEAF: dict[str, Any] = {"kis_hts_id": ""}
"""For `stage`: the app itself does not listen."""


class Listening:
    """The ears, and what they made happen."""

    def __init__(
        self, on: MemoryStage, ears: FillStream, trades: TradeFeed, wakes: list[int], told: list[Notice]
    ) -> None:
        self.on, self.ears, self.trades, self.wakes, self.told = on, ears, trades, wakes, told

    async def comes(self, state: StreamState) -> None:
        """Wait until they are in a state."""
        await until(lambda: self.ears.state is state)


@contextlib.asynccontextmanager
async def listening(on: MemoryStage, *, wait: bool = True, settings: dict[str, Any] | None = None, **options: Any):
    """Ears at work for the app on the stage, whose readings they get; `options` are theirs."""
    given = {"kis_hts_id": on.broker.credentials.hts_id, **(settings or {})}
    wakes: list[int] = []
    told: list[Notice] = []

    def wake() -> None:
        wakes.append(on.app.readings)
        on.app.parts.report_poll.wake()

    class Told:
        """Notes what is told, and passes it on."""

        def tell(self, notices: Any) -> None:
            told.extend(notices)
            on.app.storage.outbox.tell(notices)

    clock = options.pop("clock", on.clock)
    trades = TradeFeed(clock)
    ears = FillStream(
        kis_config(on.settings.model_copy(update=given)),
        trades,
        wake=wake,
        notifications=Notifications(Told(), on.app.storage.people),
        always=True,
        clock=clock,
        stream=partial(LiveStream, transport=on.network),
        **options,
    )
    note = on.app.parts.report_handler.handle

    def noted(reading: Any) -> None:
        note(reading)
        ears.on_snapshot(reading)

    on.app.parts.report_handler.handle = noted  # type: ignore[method-assign]  # listened to, and passed on unchanged
    work = asyncio.get_running_loop().create_task(ears.run())
    at = Listening(on, ears, trades, wakes, told)
    try:
        if wait:
            await at.comes(StreamState.CONNECTED)
        yield at
        assert not work.done() or (not work.cancelled() and work.exception() is None)
    finally:
        on.app.parts.report_handler.handle = note  # type: ignore[method-assign]
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
