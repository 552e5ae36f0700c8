"""What else speaks for a lost order: the money, the shares and the open orders of the account."""

from dataclasses import replace

import pytest

from bot.orders.model.order import OrderState
from bot.orders.reconciliation.resolution import AccountEvidence, Resolution, contradicts, wants_evidence
from kis.models import OrderKind, Side
from tests.support.order_events import report
from tests.unit.orders.reconciliation.test_resolution import ATTEMPT, CLAIMED, LOST, MEANS, REVISION, SENT, at


@pytest.mark.parametrize(("one", "seconds", "scans"), [(LOST, (150, 180, 183), 5), (CLAIMED, (5, 10, 13), 3)])
def test_the_witness_is_heard_with_the_reading_that_would_call_the_order_absent(one, seconds, scans):
    *before, last = seconds

    def wanted(seconds=last, scans=scans - 1, **search):
        resolution = Resolution(scans=scans, late_scans=tuple(map(at, before)))
        return wants_evidence(one, ATTEMPT, replace(resolution, **search), at(seconds))

    assert wanted()
    assert wanted(last + 1000, scans + 100), "as long as it goes on"
    assert not wanted(late_scans=(at(before[0]), at(before[1] - 0.1)))
    assert not wanted(scans=scans - 2)
    assert not wanted(candidates=frozenset({"0000000007"}))


def test_no_witness_is_asked_for_an_order_that_is_not_in_doubt():
    resolution = Resolution(scans=99, late_scans=(at(150), at(180)))
    assert wants_evidence(LOST, ATTEMPT, resolution, at(999))
    for state in set(OrderState) - {OrderState.UNKNOWN}:
        assert not wants_evidence(replace(LOST, state=state), ATTEMPT, resolution, at(999))


# --- what the account says --------------------------------------------------------------------------------------------


MARKET = replace(LOST, kind=OrderKind.MARKET, price=None, unit=71_000, reserve_unit=92_300)
SELL = replace(LOST, side=Side.SELL)


@pytest.mark.parametrize(("one", "size"), [(LOST, 710_000), (MARKET, 923_000), (SELL, 10)])
def test_the_account_speaks_for_an_order_when_nine_tenths_of_its_size_are_gone(one, size):
    """A buy sets its money aside at once, a market buy at the upper limit; a sell its shares."""
    gone = -(-size * 9 // 10)

    assert contradicts(one, ATTEMPT, AccountEvidence(MEANS - gone), [])
    assert contradicts(one, ATTEMPT, AccountEvidence(MEANS - size), [])
    assert not contradicts(one, ATTEMPT, AccountEvidence(MEANS - gone + 1), [])
    assert not contradicts(one, ATTEMPT, AccountEvidence(MEANS + size), []), "more than before speaks for nothing"


def test_what_is_not_known_of_the_account_speaks_for_nothing():
    assert not contradicts(LOST, ATTEMPT, AccountEvidence(None), [])
    assert not contradicts(LOST, replace(ATTEMPT, means=None), AccountEvidence(0), [])
    assert not contradicts(REVISION, ATTEMPT, AccountEvidence(0), []), "a revision moves only a difference"


def test_an_open_order_that_the_list_does_not_show_speaks_for_the_order():
    new = frozenset({"0000000001", "0000000007"})

    assert contradicts(LOST, ATTEMPT, AccountEvidence(MEANS, new), [])
    assert contradicts(REVISION, ATTEMPT, AccountEvidence(None, new), [])
    assert not contradicts(LOST, ATTEMPT, AccountEvidence(MEANS, new), [report(price=1)]), (
        "the list shows it as another's"
    )
    assert not contradicts(LOST, ATTEMPT, AccountEvidence(MEANS, frozenset({"0000000001"})), []), (
        "it stood there before"
    )


def elsewhere(**changes):
    """An order made in HTS after ours was sent."""
    return report(**({"order_no": "0000000020", "price": 50_000, "time": "100005"} | changes))


def unexplained(*rows, gone, one=LOST, attempt=ATTEMPT):
    """Whether that much is missing beyond what these rows explain."""
    return contradicts(one, attempt, AccountEvidence(MEANS - gone), rows)


def test_money_that_orders_made_since_have_taken_speaks_for_none_of_ours():
    """638,999 is a won less than nine tenths of ours."""
    assert not unexplained(elsewhere(), gone=500_000 + 638_999)
    assert unexplained(elsewhere(), gone=500_000 + 639_000)
    assert not unexplained(elsewhere(), elsewhere(code="000660"), gone=1_000_000 + 638_999)
    assert unexplained(elsewhere(), elsewhere(code="000660"), gone=1_000_000 + 639_000)


def test_shares_that_another_sell_of_the_stock_has_taken_speak_for_none_of_ours():
    other = elsewhere(side=Side.SELL, quantity=4, remaining=4)

    assert unexplained(other, gone=13, one=SELL)
    assert not unexplained(other, gone=12, one=SELL)
    assert unexplained(elsewhere(side=Side.SELL, quantity=4, remaining=4, code="000660"), gone=9, one=SELL), (
        "of another stock"
    )


@pytest.mark.parametrize("changes", [{"side": Side.SELL}, {"original_no": "0000000003"}, {"time": "095957"}], ids=str)
def test_what_takes_no_means_of_this_kind_or_took_them_before_explains_nothing(changes):
    assert unexplained(elsewhere(**changes), gone=639_000)


def test_what_came_after_the_first_try_explains_also_after_a_resend():
    again = replace(ATTEMPT, n=2, started_at=at(6), first_at=SENT)

    assert not unexplained(elsewhere(time="095959"), gone=500_000, attempt=again)
    assert not unexplained(
        elsewhere(time="095959", price=70_000), gone=700_000, attempt=replace(again, started_at=SENT, first_at=None)
    )
    assert unexplained(elsewhere(time="095959", price=70_000), gone=700_000, attempt=replace(again, first_at=None))


def test_the_second_of_a_row_is_taken_two_seconds_generously():
    exactly = replace(ATTEMPT, started_at=SENT.replace(microsecond=0), first_at=None)

    assert not unexplained(elsewhere(time="095958", price=70_000), gone=700_000, attempt=exactly)


def test_a_market_buy_made_since_is_taken_at_what_ours_would_reserve():
    other = elsewhere(kind=OrderKind.MARKET, price=0)

    assert not unexplained(other, gone=923_000, one=MARKET)
    assert unexplained(other, gone=923_000 + 830_700, one=MARKET)


@pytest.mark.parametrize("changes", [{"cancelled": 10, "remaining": 0}, {"rejected": 10, "remaining": 0}], ids=str)
def test_what_was_cancelled_or_refused_again_explains_nothing(changes):
    assert unexplained(elsewhere(price=71_000, **changes), gone=710_000)


def test_what_stood_in_the_list_before_the_sending_explains_nothing():
    """Its money was gone already when the means were read."""
    assert unexplained(elsewhere(order_no="0000000001", time="095959", price=71_000), gone=710_000)


def test_what_came_before_by_the_brokers_clock_explains_nothing():
    """The broker's clock is eight seconds ahead: 10:00:05 there was three seconds before the sending."""
    assert unexplained(elsewhere(time="100005", price=71_000), gone=710_000, attempt=replace(ATTEMPT, offset=8.0))


def test_a_market_order_of_a_cheap_stock_explains_no_more_than_it_cost():
    cheap = elsewhere(code="000660", kind=OrderKind.MARKET, price=0, filled=10, filled_amount=10_000, remaining=0)

    assert unexplained(cheap, gone=720_000)


def test_what_a_market_order_of_another_stock_holds_back_is_not_guessed():
    other = elsewhere(code="000660", price=0, kind="market", remaining=10)

    assert unexplained(other, gone=639_000)
