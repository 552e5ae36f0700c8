"""When the house sends orders: the exchange's calendar, or around the clock for a simulated broker."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

from kis import krx

CLOSING_AUCTION = timedelta(minutes=10)
DAY_SETTLES = time(16, 40)
"""By now no KRX day order can fill, not even on the days that end an hour late."""
AUCTION_PRICE = timedelta(minutes=12)
"""After continuous trading the closing auction still makes a price: ten minutes, and two for it to reach us."""
CATCH_UP = timedelta(minutes=1)
"""A list may lag: where trading goes on up to midnight, so long after it the day's last fills are all in."""
TO_REPORT = timedelta(minutes=10)
"""So long after a session the broker's books are taken to be settled enough to be told."""


def report_moments(day: date) -> tuple[datetime, ...]:
    """When a day's reports are due (KST), earliest first: after the close, and after the after-market if there is one.

    A closed day has none.
    """
    if not krx.is_trading_day(day):
        return ()
    close = datetime.combine(day, krx.hours(day).close, krx.KST)
    evening = krx.after_market_end(day)
    ends = (close,) if evening is None else (close, evening)
    return tuple(end + TO_REPORT for end in ends)


class Opens(Protocol):
    """A market; `TradingHours` is one."""

    def open(self, now: datetime) -> bool:
        """Whether orders go out now."""
        ...


def prices_move(market: Opens, now: datetime) -> bool:
    """Whether prices may change: in continuous trading, and until the closing auction's price has reached us.

    Phases begin and end on the minute, so it is the minute that counts.
    """
    minute = now.replace(second=0, microsecond=0)
    return market.open(minute) or market.open(minute - AUCTION_PRICE)


@dataclass(frozen=True)
class TradingHours:
    """`always`: the simulated broker's hours. `auctions`: also during the opening and the closing auction."""

    always: bool = False
    auctions: bool = False

    def open(self, now: datetime) -> bool:
        """Whether orders go out now."""
        return self.always or krx.takes_orders(krx.session_at(now), auctions=self.auctions)

    def next_open(self, now: datetime) -> datetime:
        """When they go out next."""
        return krx.next_open(now, auctions=self.auctions)

    def closes(self, now: datetime) -> datetime:
        """When today's continuous trading ends; with `always`, the end of the day, before numbers begin anew."""
        if self.always:
            return now.replace(hour=23, minute=59, second=0, microsecond=0)
        end = datetime.combine(now.date(), krx.hours(now.date()).close, krx.KST)
        return end if self.auctions else end - CLOSING_AUCTION

    def at_edge(self, now: datetime) -> bool:
        """Whether a phase of the exchange's day is just ending or beginning."""
        return not self.always and krx.at_edge(now)

    def day_over(self, day: date, now: datetime) -> bool:
        """Whether no order of that day can fill any more."""
        if self.always:
            return day < (now - CATCH_UP).date()
        return day < now.date() or now.time() >= DAY_SETTLES
