"""Checks before an order: each reason has its code, its sentences, its values, and an edge where it begins."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from inspect import getsource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.i18n.catalogue import REASONS, reason
from bot.orders.model.order import OrderRequest
from bot.orders.risk import checks as rules
from bot.orders.risk.checks import Facts, Limits, cautions, check, commission, estimate, moved, notes
from bot.orders.risk.day_totals import DayTotals
from bot.orders.risk.trading_halt import HaltLevel
from kis.models import MarketWarning, OrderKind, Quote, Side, StockStatus
from tests.support.risk_cases import (
    ANY_SIZE,
    ASKED_TWICE,
    BUY,
    FACTS,
    FUND,
    JUST_TAKEN,
    LIMITS,
    MARKET_BUY,
    MARKET_SELL,
    NOTED,
    NOW,
    QUOTE,
    REFUSED,
    SELL,
    UNREMARKABLE,
    ago,
    past,
    quoted,
)


def codes(ask: OrderRequest, facts: Facts = FACTS, limits: Limits = LIMITS, age: float | None = None) -> list[str]:
    return [one.code for one in check(ask, facts, limits, NOW, quote_seconds=age)]


def named(one: object) -> str | None:
    return one if isinstance(one, str) else ""


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [BUY, SELL, MARKET_BUY, MARKET_SELL, FUND])
def test_a_plain_order_has_nothing_against_it(ask):
    assert codes(ask, age=0) == []


@pytest.mark.parametrize(("code", "ask", "facts", "limits"), REFUSED, ids=named)
def test_each_reason_stands_alone(code, ask, facts, limits):
    assert codes(ask, facts, limits) == [code]


@pytest.mark.parametrize(("_why", "ask", "facts", "limits"), JUST_TAKEN, ids=named)
def test_what_stands_on_the_edge_of_a_rule_is_taken(_why, ask, facts, limits):
    assert codes(ask, facts, limits) == []


@pytest.mark.parametrize(("age", "most", "found"), [(3, 3, []), (3.001, 3, ["QUOTE_STALE"]), (5, None, []), (-4, 3, ["QUOTE_STALE"])])  # fmt: skip
def test_a_quote_too_old_or_from_the_future_sends_nothing(age, most, found):
    assert codes(BUY, quoted(at=ago(seconds=age)), age=most) == found


def test_a_person_reads_first_what_they_cannot_mend():
    everything = replace(
        quoted(halted=True, vi=True, status=StockStatus.RISK, at=ago(seconds=9)),
        halt_level=HaltLevel.NEW, recovering=True, conflict="LIST_STALE", offset=99.0, open_now=False, symbol_in_doubt=True,
        buyable=0, day_totals=DayTotals(user_orders=99, user_last_minute=99, rejects=9, rejected_at=NOW),
    )  # fmt: skip
    ask = replace(BUY, quantity=10**6, price=80_050)

    assert codes(ask, everything, age=3) == [
        "TRADING_HALTED", "RECOVERING", "LIST_STALE", "CLOCK", "SESSION_CLOSED", "SYMBOL_HALTED", "SYMBOL_RESTRICTED",
        "VI_ACTIVE", "UNKNOWN_OPEN", "QTY_MAX", "DAY_ORDERS_USER", "RATE_USER", "COOL_OFF", "TICK", "QUOTE_STALE",
        "CASH",
    ]  # fmt: skip


def test_an_off_tick_price_is_answered_with_its_neighbours():
    (reason,) = check(replace(BUY, price=71_030), FACTS, LIMITS, NOW)

    assert reason.values == {"below": 71_000, "above": 71_100, "nearest": 71_000}


def test_a_market_buy_must_be_covered_at_the_upper_limit_price():
    """KIS sets cash aside at the upper limit: 10 x 92,300 and the commission on it."""
    need = 923_000 + commission(923_000, LIMITS.fee_percent)

    assert codes(MARKET_BUY, replace(FACTS, buyable=need)) == []
    assert codes(MARKET_BUY, replace(FACTS, buyable=need - 1)) == ["CASH"]


def test_a_market_order_is_priced_at_what_the_book_promises_else_at_the_last_price():
    deep = replace(FACTS, expected=71_200)

    assert [estimate(ask, deep, LIMITS, NOW).unit for ask in (MARKET_BUY, MARKET_SELL, BUY)] == [71_200, 71_200, 71_000]
    assert estimate(MARKET_BUY, FACTS, LIMITS, NOW).unit == 71_000
    assert estimate(MARKET_BUY, deep, LIMITS, NOW).reserve_unit == 92_300


def test_what_orders_in_doubt_may_have_taken_is_not_there_to_spend():
    facts = replace(FACTS, buyable=1_000_000, reserved_won=400_000, sellable=15, reserved_shares=4)

    assert estimate(BUY, facts, LIMITS, NOW).cash_after == 1_000_000 - 400_000 - 710_100
    assert estimate(SELL, facts, LIMITS, NOW).sellable_after == 1
    (reason,) = check(BUY, replace(facts, reserved_won=2_000_000), LIMITS, NOW)
    assert (reason.values["have"], reason.values["fits"]) == (0, 0)


@pytest.mark.parametrize(
    ("code", "facts", "limits"),
    [
        ("CASH", replace(FACTS, buyable=1_000_000), ANY_SIZE),
        ("ORDER_VALUE_MAX", FACTS, LIMITS),
        ("DAY_VALUE_USER", past(user_value=8_000_000), replace(LIMITS, max_value=10**9)),
        ("DAY_VALUE_ACCOUNT", past(account_value=28_000_000), replace(LIMITS, max_value=10**9)),
    ],
)
def test_the_number_that_would_fit_really_fits(code, facts, limits):
    (reason,) = check(replace(BUY, quantity=100), facts, limits, NOW)

    fits = int(str(reason.values["fits"]))
    assert reason.code == code
    assert codes(replace(BUY, quantity=fits), facts, limits) == []
    assert codes(replace(BUY, quantity=fits + 1), facts, limits) == [code]


def test_only_sells_of_stocks_are_taxed():
    assert estimate(SELL, FACTS, LIMITS, NOW).tax == 1_420
    assert estimate(replace(SELL, etf=True), FACTS, LIMITS, NOW).tax == 0
    assert estimate(BUY, FACTS, LIMITS, NOW).tax == 0


@pytest.mark.parametrize(("now", "again"), [(71_000, False), (71_710, False), (71_720, True), (70_200, True)])
def test_a_price_that_moved_more_than_told_asks_again(now, again):
    assert moved(71_000, now, Decimal(1)) is again


# --- what is asked twice, and what is only noted ----------------------------------------------------------------------


@pytest.mark.parametrize(("code", "ask", "facts", "limits"), ASKED_TWICE, ids=named)
def test_what_is_unusual_is_asked_twice(code, ask, facts, limits):
    assert [one.code for one in cautions(ask, facts, limits, NOW)] == [code]
    assert notes(ask, facts, limits, NOW) == []
    assert codes(ask, facts, limits) == []


@pytest.mark.parametrize(("code", "ask", "facts", "limits"), NOTED, ids=named)
def test_what_is_worth_knowing_is_noted(code, ask, facts, limits):
    assert [one.code for one in notes(ask, facts, limits, NOW)] == [code]
    assert cautions(ask, facts, limits, NOW) == []


@pytest.mark.parametrize(("_why", "ask", "facts", "limits"), UNREMARKABLE, ids=named)
def test_what_is_ordinary_is_not_remarked_on(_why, ask, facts, limits):
    assert cautions(ask, facts, limits, NOW) == notes(ask, facts, limits, NOW) == []


def test_a_duplicate_is_no_matter_where_the_house_says_so():
    off = replace(LIMITS, duplicate_minutes=0)

    assert cautions(BUY, past(identical_at=NOW), off, NOW) == []


# --- sentences --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["ko", "en"])
@pytest.mark.parametrize(("_code", "ask", "facts", "limits"), [*REFUSED, *ASKED_TWICE, *NOTED], ids=named)
def test_every_reason_is_a_sentence_with_its_values_filled_in(_code, ask, facts, limits, lang):
    """Also as the outbox keeps it: as JSON, with moments written out."""
    found = [*check(ask, facts, limits, NOW), *cautions(ask, facts, limits, NOW), *notes(ask, facts, limits, NOW)]

    for one in found:
        plain = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in one.values.items()}
        sentence = reason(one.code, one.values, lang)
        assert one.code in REASONS
        assert not re.search(r"[{}–]|\b[A-Z]{2,}_[A-Z_]+\b", re.sub(r"KISBOT_\w+", "", sentence)), sentence
        own = re.sub(r"\([가-힣]+\)", "", sentence).replace(ask.name, "")
        assert bool(re.search("[가-힣]", own)) is (lang == "ko")
        assert reason(one.code, json.loads(json.dumps(plain)), lang) == sentence


def test_every_code_the_rules_can_give_has_an_example_here_or_below():
    given_out = set(re.findall(r'"([A-Z]+_[A-Z_]+|RECOVERING|CLOCK|TICK|COLLAR|CASH|SELLABLE)"', getsource(rules)))
    examples = {one[0] for one in (*REFUSED, *ASKED_TWICE, *NOTED)} | {"QUOTE_STALE"}

    assert given_out <= examples <= set(REASONS)


@pytest.mark.parametrize(
    "code",
    [
        "UNCLEAN_STOP", "RESTORED", "TWO_UNKNOWN", "MISMATCH", "CLOCK_STEP", "TELEGRAM_CONFLICT", "DISK", "BY_PERSON",
        "LIST_STALE", "RECOVERING", "BROKER_UNREADABLE", "INTERNAL", "FINGERPRINT", "STALE_SEND",
    ],
)  # fmt: skip
def test_what_else_can_stop_an_order_has_its_sentence_also_behind_a_brake(code):
    for lang in ("ko", "en"):
        why = reason(code, {}, lang)
        assert code not in why
        assert reason("TRADING_HALTED", {"why": code}, lang) == f"{reason('TRADING_HALTED', {}, lang)} {why}"


def test_a_sentence_outlives_its_values():
    """A card drawn again after a restart knows the code and the name, and must not fail for that."""
    assert "– won needed" in reason("CASH", {"name": "x"}, "en")
    assert reason("<b>", {}, "ko") == "&lt;b&gt;"
    assert reason("TRADING_HALTED", {"why": "<b>"}, "en") == reason("TRADING_HALTED", {}, "en")


# --- whatever comes ---------------------------------------------------------------------------------------------------

asks = st.builds(
    OrderRequest,
    side=st.sampled_from(Side),
    code=st.sampled_from(["005930", "Q500001"]),
    name=st.text(max_size=8) | st.sampled_from(["KODEX 레버리지", "TIGER"]),
    etf=st.booleans(),
    quantity=st.integers(-5, 10**7),
    kind=st.sampled_from(OrderKind),
    price=st.none() | st.integers(-5, 10**7),
)
moments = st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=1)).map(lambda away: NOW + away)
counts = st.integers(0, 10**9)
pasts = st.builds(
    DayTotals,
    user_value=counts, account_value=counts, user_orders=counts, identical_at=moments, near_at=moments,
    user_last_minute=counts, rejects=counts, rejected_at=moments,
)  # fmt: skip


def quote_like(**fields: object) -> Quote:
    return QUOTE.model_copy(update=fields)


situations = st.builds(
    Facts,
    quote=st.builds(
        quote_like,
        price=st.integers(0, 10**6), volume=counts, upper_limit=st.integers(0, 10**6),
        lower_limit=st.integers(0, 10**6), status=st.sampled_from(StockStatus), warning=st.sampled_from(MarketWarning),
        halted=st.booleans(), vi=st.booleans(), at=moments.map(lambda at: at or NOW),
    ),
    open_now=st.booleans(), next_open=moments, edge=st.booleans(), expected=st.none() | st.integers(1, 10**6),
    buyable=st.none() | counts, sellable=st.none() | counts, reserved_won=counts, reserved_shares=counts,
    symbol_in_doubt=st.booleans(), halt_level=st.sampled_from(HaltLevel), recovering=st.booleans(),
    conflict=st.sampled_from(["", "LIST_STALE"]), offset=st.floats(), day_totals=pasts,
)  # fmt: skip


@given(ask=asks, facts=situations, age=st.none() | st.floats(0, 10))
def test_nothing_makes_the_rules_fail_and_all_they_say_can_be_told(ask, facts, age):
    found = [
        *check(ask, facts, LIMITS, NOW, quote_seconds=age),
        *cautions(ask, facts, LIMITS, NOW),
        *notes(ask, facts, LIMITS, NOW),
    ]
    for one in found:
        assert "{" not in reason(one.code, {**one.values, "name": ""}, "ko")


SIZE = {
    "QTY_MAX", "VOLUME_SHARE", "ORDER_VALUE_MAX", "DAY_VALUE_USER", "DAY_VALUE_ACCOUNT", "CASH", "SELLABLE",
}  # fmt: skip


@given(ask=asks, facts=situations, more=st.integers(1, 10**6))
def test_a_bigger_order_is_refused_wherever_a_smaller_one_is_too_big(ask, facts, more):
    ask = replace(ask, quantity=max(1, ask.quantity), price=ask.price if ask.price is None else max(1, ask.price))
    bigger = replace(ask, quantity=ask.quantity + more)

    if SIZE & set(codes(ask, facts)):
        assert SIZE & set(codes(bigger, facts))
    was, now = ({one.code for one in cautions(one, facts, LIMITS, NOW)} for one in (ask, bigger))
    assert was <= now


@given(
    quantity=st.integers(1, 10_000),
    price=st.none() | st.integers(1, 200_000),
    side=st.sampled_from(Side),
    buyable=st.integers(0, 10**10),
    sellable=st.integers(0, 10_000),
    used=st.integers(0, 10**7),
)
def test_what_passes_is_covered_on_the_tick_and_inside_every_limit(quantity, price, side, buyable, sellable, used):
    kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    ask = replace(BUY, side=side, quantity=quantity, price=price, kind=kind)
    facts = replace(past(user_value=used), buyable=buyable, sellable=sellable)

    if codes(ask, facts):
        return

    if price is not None:
        assert price % 100 == 0 or price < 50_000
        assert 49_700 <= price <= 92_300
        assert price <= 74_550 if side is Side.BUY else price >= 67_450
    worst = price or (92_300 if side is Side.BUY else 71_000)
    assert worst * quantity <= min(LIMITS.max_value, LIMITS.day_value_user - used)
    assert worst * quantity <= buyable if side is Side.BUY else quantity <= sellable
