"""The rules of the Korea Exchange as pure functions: ticks, price limits, sessions, calendar, sell tax.

Prices are whole won from 1 up, days are KST, and moments are aware datetimes in any zone. A price below 1 (except in
`on_tick`, which is False for it) or a naive datetime raises `ValueError`. Holidays and odd hours are data
(`data/krx_calendar.json`, written by scripts/make_calendar.py), as they change by decree; KIS's own calendar call
takes precedence.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog

KST = ZoneInfo("Asia/Seoul")

_log = structlog.get_logger(__name__)
_ONE_DAY = timedelta(days=1)
_SATURDAY = 5

# In force since 2023-01-25, the same for KOSPI and KOSDAQ: (price below, tick); the last row has no end.
_STOCK_TICKS = ((2_000, 1), (5_000, 5), (20_000, 10), (50_000, 50), (200_000, 100), (500_000, 500), (None, 1_000))
_ETF_TICKS = ((2_000, 1), (None, 5))


class Band(NamedTuple):
    """The lowest and the highest price of an order today, in won."""

    lower: int
    upper: int


class SessionHours(NamedTuple):
    """When the regular session of a day begins and ends, KST."""

    open: time
    close: time


class MarketSession(StrEnum):
    """The part of the trading day; the accepted order types depend on it."""

    CLOSED = "closed"
    OPENING_AUCTION = "opening_auction"
    REGULAR = "regular"
    CLOSING_AUCTION = "closing_auction"
    AFTER_CLOSE = "after_close"
    SINGLE_PRICE = "single_price"
    AFTER_MARKET = "after_market"


# --- ticks ------------------------------------------------------------------------------------------------


def tick_size(price: int, *, etf: bool = False) -> int:
    """The price unit (호가단위) in won at a price; ETFs and ETNs have a table of their own."""
    if price < 1:
        raise ValueError(f"a price is at least 1 won, not {price}")
    for below, tick in _ETF_TICKS if etf else _STOCK_TICKS:
        if below is None or price < below:
            return tick
    raise AssertionError  # the last row of either table has no end


def on_tick(price: int, *, etf: bool = False) -> bool:
    """Whether a price is valid for an order: positive, and a multiple of its tick."""
    return price >= 1 and price % tick_size(price, etf=etf) == 0


def tick_neighbours(price: int, *, etf: bool = False) -> tuple[int, int]:
    """The nearest valid prices at or below and at or above; both are the price itself if it is valid."""
    tick = tick_size(price, etf=etf)
    below = price - price % tick
    return below, below if below == price else below + tick


def step(price: int, ticks: int, *, etf: bool = False) -> int:
    """The price `ticks` valid prices higher (or lower, when negative); 2,000 is followed downward by 1,999.

    One step from a price off tick leads to the next valid price. Steps below 1 won stay at 1 won.
    """
    below, above = tick_neighbours(price, etf=etf)
    reached = below if ticks >= 0 else above
    for _ in range(ticks):
        reached += tick_size(reached, etf=etf)
    for _ in range(-ticks):
        if reached > 1:
            reached -= tick_size(reached - 1, etf=etf)
    return reached


def price_band(base: int, *, etf: bool = False) -> Band:
    """The day's price limits around a base price (기준가, KIS `stck_sdpr`): 30 % each way, in won.

    The width is 30 % of the base rounded down to the base's tick; the upper limit is rounded down again to its own.
    First days after listing, liquidation trading and leveraged ETFs have other widths: limits that KIS gives
    (`Quote.upper_limit`, `Quote.lower_limit`) take precedence.
    """
    width = base * 3 // 10
    width -= width % tick_size(base, etf=etf)
    lower = tick_neighbours(base - width, etf=etf)[1]
    return Band(lower, max(lower, tick_neighbours(base + width, etf=etf)[0]))


# --- calendar ---------------------------------------------------------------------------------------------


class _Calendar:
    """The bundled table of closed weekdays and odd hours."""

    def __init__(self) -> None:
        text = resources.files(__package__).joinpath("data/krx_calendar.json").read_text(encoding="utf-8")
        table = json.loads(text)
        self.first = date.fromisoformat(table["first"])
        self.last = date.fromisoformat(table["last"])
        self.closed = frozenset(map(date.fromisoformat, table["closed"]))
        self.hours = {
            date.fromisoformat(day): SessionHours(time.fromisoformat(row["open"]), time.fromisoformat(row["close"]))
            for day, row in table["hours"].items()
        }
        self.warned = False

    def closed_on(self, day: date) -> bool:
        if not self.first <= day <= self.last and not self.warned:
            self.warned = True
            _log.warning("calendar_outside_table", day=str(day), first=str(self.first), last=str(self.last))
        return day in self.closed


_calendar = _Calendar()
_USUAL_HOURS = SessionHours(time(9, 0), time(15, 30))


def is_trading_day(day: date) -> bool:
    """Whether the exchange trades that day; outside the bundled years every weekday counts as a trading day."""
    return day.weekday() < _SATURDAY and not _calendar.closed_on(day)


def next_trading_day(day: date) -> date:
    """The first trading day after `day`."""
    day += _ONE_DAY
    while not is_trading_day(day):
        day += _ONE_DAY
    return day


def previous_trading_day(day: date) -> date:
    """The last trading day before `day`."""
    day -= _ONE_DAY
    while not is_trading_day(day):
        day -= _ONE_DAY
    return day


def settlement_day(day: date) -> date:
    """The settlement day of a trade on `day`: the second trading day after it (D+2)."""
    return next_trading_day(next_trading_day(day))


def hours(day: date) -> SessionHours:
    """The regular session of a day: 09:00-15:30, shifted on the year's first trading day and on exam day."""
    return _calendar.hours.get(day, _USUAL_HOURS)


# --- sessions ---------------------------------------------------------------------------------------------

_AUCTION_LEAD = timedelta(minutes=30)
_CLOSING_AUCTION = timedelta(minutes=10)
_AFTER_CLOSE = timedelta(minutes=30)
_SINGLE_PRICE = timedelta(hours=2)
# KRX notice of 2026-09: the after-market replaced the ten-minute single-price session.
_SINGLE_PRICE_LAST = date(2026, 9, 11)
_AFTER_MARKET_FIRST = date(2026, 9, 14)
_AFTER_MARKET_END = time(20, 0)


def session_at(moment: datetime) -> MarketSession:
    """The session at a moment."""
    local = _local(moment)
    day = local.date()
    if not is_trading_day(day):
        return MarketSession.CLOSED
    opens, closes = (datetime.combine(day, at, KST) for at in hours(day))
    ends = (
        (opens - _AUCTION_LEAD, MarketSession.CLOSED),
        (opens, MarketSession.OPENING_AUCTION),
        (closes - _CLOSING_AUCTION, MarketSession.REGULAR),
        (closes, MarketSession.CLOSING_AUCTION),
        (closes + _AFTER_CLOSE, MarketSession.AFTER_CLOSE),
    )
    for end, session in ends:
        if local < end:
            return session
    return _evening(local, closes + _AFTER_CLOSE)


def after_market_end(day: date) -> datetime | None:
    """When the after-market of a day ends (KST); None if there is none: on closed days, and before 2026-09-14."""
    if day < _AFTER_MARKET_FIRST or not is_trading_day(day):
        return None
    return datetime.combine(day, _AFTER_MARKET_END, KST)


def _evening(local: datetime, begins: datetime) -> MarketSession:
    day = local.date()
    if day <= _SINGLE_PRICE_LAST and local < begins + _SINGLE_PRICE:
        return MarketSession.SINGLE_PRICE
    end = after_market_end(day)
    return MarketSession.AFTER_MARKET if end is not None and local < end else MarketSession.CLOSED


def takes_orders(session: MarketSession, *, auctions: bool = True) -> bool:
    """Whether limit (00) and market (01) orders are accepted; other sessions have types of their own.

    With `auctions` False only continuous trading counts: the price of an auction is not known beforehand.
    """
    return session in _ORDER_SESSIONS if auctions else session is MarketSession.REGULAR


_ORDER_SESSIONS = frozenset({MarketSession.OPENING_AUCTION, MarketSession.REGULAR, MarketSession.CLOSING_AUCTION})
_MIDNIGHT_MARGIN = timedelta(seconds=10)


def at_edge(moment: datetime, seconds: float = 5) -> bool:
    """Whether the session is about to change, or just has: an order sent now may arrive in either.

    The edges are the open, the start of the closing auction and the close, `seconds` each way, both ends included,
    and every day ten seconds on either side of midnight, when order numbers restart.
    """
    local = _local(moment)
    since = local - datetime.combine(local.date(), time(), KST)
    if since <= _MIDNIGHT_MARGIN or since >= _ONE_DAY - _MIDNIGHT_MARGIN:
        return True
    if not is_trading_day(local.date()):
        return False
    opens, closes = (datetime.combine(local.date(), at, KST) for at in hours(local.date()))
    margin = timedelta(seconds=seconds)
    return any(abs(local - edge) <= margin for edge in (opens, closes - _CLOSING_AUCTION, closes))


def next_open(moment: datetime, *, auctions: bool = True) -> datetime:
    """The next start of an opening auction after `moment` (KST).

    With `auctions` False, of continuous trading.
    """
    local = _local(moment)
    lead = _AUCTION_LEAD if auctions else timedelta()
    day = local.date()
    while True:
        if is_trading_day(day):
            starts = datetime.combine(day, hours(day).open, KST) - lead
            if starts > local:
                return starts
        day += _ONE_DAY


def _local(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment bears its time zone")
    return moment.astimezone(KST)


# --- tax --------------------------------------------------------------------------------------------------

# Securities transaction tax and rural tax together; the sum is the same for KOSPI and KOSDAQ.
_SELL_TAX = (
    (date(2026, 1, 1), Decimal("0.0020")),
    (date(2025, 1, 1), Decimal("0.0015")),
    (date(2024, 1, 1), Decimal("0.0018")),
    (date(2023, 1, 1), Decimal("0.0020")),
    (date(2021, 1, 1), Decimal("0.0023")),
    (date(2019, 6, 3), Decimal("0.0025")),
)
_SELL_TAX_BEFORE = Decimal("0.0030")


def sell_tax_rate(day: date, *, etf: bool = False) -> Decimal:
    """The tax on a sale as a fraction of its amount; 0 for ETFs."""
    if etf:
        return Decimal(0)
    return next((rate for since, rate in _SELL_TAX if day >= since), _SELL_TAX_BEFORE)
