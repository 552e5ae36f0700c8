"""The exchange's rules: ticks, limits, sessions, calendar, tax."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from kis import krx
from kis.krx import KST, MarketSession

prices = st.integers(min_value=1, max_value=2_000_000)
ticks = st.integers(min_value=-500, max_value=500)


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        (1, 1), (1_999, 1), (2_000, 5), (4_999, 5), (5_000, 10), (19_999, 10), (20_000, 50), (49_999, 50),
        (50_000, 100), (199_999, 100), (200_000, 500), (499_999, 500), (500_000, 1_000), (3_000_000, 1_000),
    ],
)  # fmt: skip
def test_tick_of_each_band_of_2023(price, tick):
    assert krx.tick_size(price) == tick


@pytest.mark.parametrize(("price", "tick"), [(1_999, 1), (2_000, 5), (500_000, 5)])
def test_etf_has_two_bands(price, tick):
    assert krx.tick_size(price, etf=True) == tick


@pytest.mark.parametrize("price", [0, -1])
def test_a_price_is_positive(price):
    assert not krx.on_tick(price)
    with pytest.raises(ValueError, match="at least 1 won"):
        krx.tick_size(price)


def test_two_thousand_is_followed_downward_by_1999():
    assert krx.step(2_000, -1) == 1_999
    assert krx.step(1_999, 1) == 2_000
    assert krx.step(5_000, -1) == 4_995
    assert krx.step(49_950, 2) == 50_100
    assert krx.step(2_000, -1, etf=True) == 1_999


def test_nothing_is_below_one_won():
    assert krx.step(3, -10) == 1


@settings(deadline=None)
@given(prices, ticks, st.booleans())
def test_a_step_ends_on_tick(price, count, etf):
    assert krx.on_tick(krx.step(price, count, etf=etf), etf=etf)


@settings(deadline=None)
@given(prices, st.integers(min_value=1, max_value=50), st.booleans())
def test_many_steps_are_as_many_single_steps(price, count, etf):
    one_by_one = price
    for _ in range(count):
        one_by_one = krx.step(one_by_one, 1, etf=etf)
    assert krx.step(price, count, etf=etf) == one_by_one


@settings(deadline=None)
@given(prices, st.integers(min_value=1, max_value=500), st.booleans())
def test_a_step_up_is_undone_by_a_step_down(price, count, etf):
    start = krx.tick_neighbours(price, etf=etf)[0]
    assert krx.step(krx.step(start, count, etf=etf), -count, etf=etf) == start


@settings(deadline=None)
@given(prices, st.booleans())
def test_neighbours_bracket_a_price_and_are_next_to_each_other(price, etf):
    below, above = krx.tick_neighbours(price, etf=etf)
    assert below <= price <= above
    assert krx.on_tick(below, etf=etf)
    assert krx.on_tick(above, etf=etf)
    assert (below == above) == krx.on_tick(price, etf=etf)
    assert above in {below, krx.step(below, 1, etf=etf)}


@settings(deadline=None)
@given(prices, st.booleans())
def test_limits_are_on_tick_and_within_thirty_percent(price, etf):
    base = krx.tick_neighbours(price, etf=etf)[0]
    band = krx.price_band(base, etf=etf)
    assert krx.on_tick(band.lower, etf=etf)
    assert krx.on_tick(band.upper, etf=etf)
    assert base * 7 <= band.lower * 10 <= base * 10 <= band.upper * 10 <= base * 13


@pytest.mark.parametrize(("base", "band"), [(77_300, (54_200, 100_400)), (75_700, (53_000, 98_400))])
def test_limits_as_captured(base, band):
    assert krx.price_band(base) == band


CLOSED_2026 = [
    "2026-01-01", "2026-02-16", "2026-02-17", "2026-02-18", "2026-03-02", "2026-05-01", "2026-05-05",
    "2026-05-25", "2026-06-03", "2026-07-17", "2026-08-17", "2026-09-24", "2026-09-25", "2026-10-05",
    "2026-10-09", "2026-12-25", "2026-12-31",
]  # fmt: skip


def test_every_closed_weekday_of_2026():
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    closed = [str(day) for day in days if day.weekday() < 5 and not krx.is_trading_day(day)]
    assert closed == CLOSED_2026


@pytest.mark.parametrize("day", [date(2025, 6, 3), date(2027, 5, 3), date(2027, 7, 19), date(2027, 12, 31)])
def test_days_calendar_libraries_miss_are_closed(day):
    assert not krx.is_trading_day(day)


def test_past_the_table_weekdays_count_and_it_is_said_once(monkeypatch):
    monkeypatch.setattr(krx._calendar, "warned", False)
    with structlog.testing.capture_logs() as logs:
        assert krx.is_trading_day(date(2030, 1, 1))
        assert krx.is_trading_day(date(2030, 1, 2))
        assert not krx.is_trading_day(date(2030, 1, 5))
    assert [line["event"] for line in logs] == ["calendar_outside_table"]


def test_days_around_a_long_weekend():
    assert krx.next_trading_day(date(2026, 9, 23)) == date(2026, 9, 28)
    assert krx.previous_trading_day(date(2026, 9, 28)) == date(2026, 9, 23)
    assert krx.settlement_day(date(2026, 9, 22)) == date(2026, 9, 28)
    assert krx.settlement_day(date(2026, 12, 29)) == date(2027, 1, 4)


def kst(day, at):
    return datetime.fromisoformat(f"{day} {at}").replace(tzinfo=KST)


@pytest.mark.parametrize(
    ("day", "at", "session"),
    [
        ("2026-11-20", "08:29:59", MarketSession.CLOSED),
        ("2026-11-20", "08:30:00", MarketSession.OPENING_AUCTION),
        ("2026-11-20", "09:00:00", MarketSession.REGULAR),
        ("2026-11-20", "15:20:00", MarketSession.CLOSING_AUCTION),
        ("2026-11-20", "15:30:00", MarketSession.AFTER_CLOSE),
        ("2026-11-20", "16:00:00", MarketSession.AFTER_MARKET),
        ("2026-11-20", "19:59:59", MarketSession.AFTER_MARKET),
        ("2026-11-20", "20:00:00", MarketSession.CLOSED),
        ("2026-09-11", "16:00:00", MarketSession.SINGLE_PRICE),
        ("2026-09-11", "18:00:00", MarketSession.CLOSED),
        ("2026-09-14", "18:00:00", MarketSession.AFTER_MARKET),
        ("2026-11-21", "10:00:00", MarketSession.CLOSED),
        ("2026-11-19", "09:00:00", MarketSession.CLOSED),
        ("2026-11-19", "09:30:00", MarketSession.OPENING_AUCTION),
        ("2026-11-19", "10:00:00", MarketSession.REGULAR),
        ("2026-11-19", "15:30:00", MarketSession.REGULAR),
        ("2026-11-19", "16:20:00", MarketSession.CLOSING_AUCTION),
        ("2026-11-19", "16:30:00", MarketSession.AFTER_CLOSE),
        ("2026-01-02", "09:15:00", MarketSession.CLOSED),
        ("2026-01-02", "10:00:00", MarketSession.REGULAR),
        ("2026-01-02", "15:30:00", MarketSession.AFTER_CLOSE),
    ],
)
def test_the_session_of_a_moment(day, at, session):
    assert krx.session_at(kst(day, at)) is session
    assert krx.session_at(kst(day, at).astimezone(datetime.now().astimezone().tzinfo)) is session


def test_plain_orders_are_taken_from_the_opening_to_the_closing_auction():
    taking = {session for session in MarketSession if krx.takes_orders(session)}
    assert taking == {MarketSession.OPENING_AUCTION, MarketSession.REGULAR, MarketSession.CLOSING_AUCTION}


def test_without_the_auctions_only_continuous_trading_takes_orders():
    assert {session for session in MarketSession if krx.takes_orders(session, auctions=False)} == {
        MarketSession.REGULAR
    }


@pytest.mark.parametrize(
    ("day", "at"),
    [
        ("2026-11-20", "09:00:00"), ("2026-11-20", "15:20:00"), ("2026-11-20", "15:30:00"),
        ("2026-11-19", "10:00:00"), ("2026-11-19", "16:20:00"), ("2026-11-19", "16:30:00"),
        ("2026-01-02", "10:00:00"), ("2026-01-02", "15:20:00"), ("2026-01-02", "15:30:00"),
    ],
)  # fmt: skip
def test_five_seconds_around_a_change_of_session_are_its_edge(day, at):
    edge = kst(day, at)
    assert [krx.at_edge(edge + timedelta(seconds=away)) for away in (-5.1, -5, 0, 5, 5.1)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert krx.at_edge(edge - timedelta(seconds=5.1), 6)
    assert krx.at_edge(edge.astimezone(UTC))


@pytest.mark.parametrize(
    ("day", "at", "edge"),
    [
        ("2026-11-20", "23:59:49", False), ("2026-11-20", "23:59:50", True), ("2026-11-21", "00:00:10", True),
        ("2026-11-21", "00:00:11", False), ("2026-11-21", "09:00:00", False), ("2026-11-19", "09:00:00", False),
        ("2026-11-19", "15:30:00", False), ("2026-11-20", "08:30:00", False), ("2026-11-20", "12:00:00", False),
    ],
)  # fmt: skip
def test_midnight_is_an_edge_of_every_day_and_an_hour_without_a_change_of_none(day, at, edge):
    assert krx.at_edge(kst(day, at)) is edge


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        (("2026-11-20", "08:00"), ("2026-11-20", "08:30")),
        (("2026-11-20", "08:30"), ("2026-11-23", "08:30")),
        (("2026-11-21", "12:00"), ("2026-11-23", "08:30")),
        (("2026-11-18", "16:00"), ("2026-11-19", "09:30")),
        (("2026-12-30", "16:00"), ("2027-01-04", "09:30")),
    ],
)
def test_when_orders_are_next_taken(at, opens):
    assert krx.next_open(kst(*at)) == kst(*opens)


def test_without_the_auctions_orders_are_next_taken_when_trading_begins():
    assert krx.next_open(kst("2026-11-20", "08:40"), auctions=False) == kst("2026-11-20", "09:00")
    assert krx.next_open(kst("2026-11-18", "15:25"), auctions=False) == kst("2026-11-19", "10:00")


@settings(deadline=None)
@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 1)))  # noqa: DTZ001 - hypothesis takes naive ends
def test_the_next_opening_is_later_and_is_an_opening(moment):
    opens = krx.next_open(moment.replace(tzinfo=KST))
    assert opens > moment.replace(tzinfo=KST)
    assert krx.session_at(opens) is MarketSession.OPENING_AUCTION
    assert krx.session_at(opens - timedelta(seconds=1)) is MarketSession.CLOSED


@pytest.mark.parametrize("asked", [krx.session_at, krx.next_open, krx.at_edge])
def test_a_naive_moment_is_refused(asked):
    with pytest.raises(ValueError, match="time zone"):
        asked(datetime(2026, 11, 20, 10))  # noqa: DTZ001 - the rule itself


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (date(2026, 1, 1), "0.0020"), (date(2025, 12, 30), "0.0015"), (date(2024, 5, 1), "0.0018"),
        (date(2023, 5, 1), "0.0020"), (date(2021, 5, 1), "0.0023"), (date(2019, 6, 3), "0.0025"),
        (date(2019, 6, 2), "0.0030"),
    ],
)  # fmt: skip
def test_sell_tax_by_day(day, rate):
    assert krx.sell_tax_rate(day) == Decimal(rate)
    assert krx.sell_tax_rate(day, etf=True) == 0
