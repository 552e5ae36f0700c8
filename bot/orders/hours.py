"""When orders are sent: in the exchange's sessions, or around the clock with a simulated broker."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from kis import krx

CLOSING_AUCTION = timedelta(minutes=10)
DAY_SETTLES = time(16, 40)
"""By now no KRX day order can fill, not even on the days that end an hour late."""
AUCTION_PRICE = timedelta(minutes=12)
"""From the end of continuous trading until the closing auction's price is here: its ten minutes, and two more."""
CATCH_UP = timedelta(minutes=1)
"""Where trading goes on until midnight, the list shows the day's last fills by then."""
REPORT_DELAY = timedelta(minutes=10)
"""From a session's end until the broker's figures of the day are final enough for a report."""


def report_moments(day: date) -> tuple[datetime, ...]:
    """When a day's reports are due (KST): after the close, and after the after-market; none on a closed day."""
    if not krx.is_trading_day(day):
        return ()
    close = datetime.combine(day, krx.hours(day).close, krx.KST)
    ends = (close, krx.after_market_end(day))
    return tuple(end + REPORT_DELAY for end in ends if end is not None)


@dataclass(frozen=True)
class TradingHours:
    """`always`: around the clock. `auctions`: also during the opening and the closing auction."""

    always: bool = False
    auctions: bool = False

    def open(self, now: datetime) -> bool:
        """Whether orders go out now."""
        return self.always or krx.takes_orders(krx.session_at(now), auctions=self.auctions)

    def next_open(self, now: datetime) -> datetime:
        """When orders go out next."""
        return krx.next_open(now, auctions=self.auctions)

    def closes(self, now: datetime) -> datetime:
        """When today's session ends, and every approval request with it; with `always`, just before midnight."""
        if self.always:
            return now.replace(hour=23, minute=59, second=0, microsecond=0)
        end = datetime.combine(now.date(), krx.hours(now.date()).close, krx.KST)
        return end if self.auctions else end - CLOSING_AUCTION

    def at_edge(self, now: datetime) -> bool:
        """Whether the exchange's session is about to change or just has: an order may arrive in the next one."""
        return not self.always and krx.at_edge(now)

    def day_over(self, day: date, now: datetime) -> bool:
        """Whether no order of that day can fill any more."""
        if self.always:
            return day < (now - CATCH_UP).date()
        return day < now.date() or now.time() >= DAY_SETTLES


def prices_move(market: TradingHours, now: datetime) -> bool:
    """Whether prices may change, by the minute: while orders go out, and until the closing auction's price is here."""
    minute = now.replace(second=0, microsecond=0)
    return market.open(minute) or market.open(minute - AUCTION_PRICE)
