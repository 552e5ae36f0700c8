"""A trade feed worked by hand: which stocks it streams, and each trade and gap of them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from kis.stream import Gap, Trade


class HandTrades:
    """What `bot.services.trade_feed.TradeFeed` and its subscription offer, for one subscriber."""

    def __init__(self) -> None:
        self.streamed: frozenset[str] = frozenset()
        self.codes: list[str] = []
        """Stocks wanted, the most urgent first."""
        self.on_trade: Callable[[Trade], object] = lambda _: None
        self.on_gap: Callable[[Gap], object] = lambda _: None

    def subscribe(self, codes: Sequence[str], on_trade, on_gap) -> "HandTrades":
        self.codes, self.on_trade, self.on_gap = list(codes), on_trade, on_gap
        return self

    def want(self, codes: Sequence[str]) -> None:
        self.codes = list(codes)


def trade(code: str, price: int, at: datetime, volume: int = 1_000) -> Trade:
    """A trade with no more than the price feed looks at."""
    return Trade.model_construct(
        code=code, price=price, change=0, change_rate=Decimal(0), volume=volume, status="20", halted=False, at=at
    )
