"""Captured answers, read into our values."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
import structlog

from kis import BadAnswer, MarketWarning, OrderKind, Quote, Side, StockStatus, fields
from kis.krx import KST
from kis.models import OrderReport
from tests.kis.kis_wire import sample


async def test_price(kis, wire, clock):
    wire.answer("inquire-price", sample("price"))
    quote = await kis.price("005930")
    assert (quote.code, quote.price, quote.change, quote.change_rate) == ("005930", 75_700, -1_600, Decimal("-2.07"))
    assert (quote.volume, quote.value) == (14_598_755, 1_109_351_578_979)
    assert (quote.open, quote.high, quote.low) == (76_100, 76_600, 75_600)
    assert (quote.upper_limit, quote.lower_limit, quote.base_price, quote.tick) == (100_400, 54_200, 77_300, 100)
    assert (quote.market_name, quote.status, quote.warning) == ("KOSPI200", StockStatus.CREDIT, MarketWarning.NONE)
    assert (quote.halted, quote.vi, quote.at) == (False, False, clock.now)


async def test_order_book_is_best_first(kis, wire):
    wire.answer("inquire-asking-price-exp-ccn", sample("order_book"))
    book = await kis.order_book("005930")
    assert (book.asks[0], book.asks[-1].price) == ((75_800, 41_846), 76_700)
    assert (book.bids[0], book.bids[-1].price) == ((75_700, 312_258), 74_800)
    assert (book.total_ask, book.total_bid, book.time) == (588_904, 1_966_820, "160000")
    assert (book.expected_price, book.expected_quantity) == (75_700, 1_000_673)


async def test_an_order_book_leaves_empty_lines_out(kis, wire):
    body = sample("order_book")
    body["output1"] |= {"askp10": "0", "askp_rsqn10": "0", "bidp10": "", "bidp_rsqn10": ""}
    body["output2"]["antc_cnpr"] = "0"
    wire.answer("inquire-asking-price-exp-ccn", body)
    book = await kis.order_book("005930")
    assert (len(book.asks), len(book.bids), book.expected_price) == (9, 9, None)


async def test_daily_bars_are_newest_first_without_blank_rows(kis, wire):
    wire.answer("inquire-daily-itemchartprice", sample("daily_bars"))
    bars = await kis.daily_bars("005930", date(2024, 5, 1), date(2024, 5, 10))
    assert (bars.name, [bar.day for bar in bars.bars]) == ("삼성전자", [date(2024, 5, 10), date(2024, 5, 9)])
    newest = bars.bars[0]
    assert (newest.open, newest.high, newest.low, newest.close) == (80_400, 81_100, 78_900, 79_200)
    assert (newest.volume, newest.value) == (16_976_124, 1_351_235_284_800)


async def test_volume_rank(make, wire):
    wire.answer("volume-rank", sample("volume_rank"))
    kis = make(env="real")
    (first,) = await kis.volume_rank()
    assert (first.rank, first.code, first.name, first.price, first.change) == (1, "005930", "삼성전자", 65_100, -300)
    assert await kis.volume_rank(0) == ()


async def test_index(make, wire):
    wire.answer("inquire-index-price", sample("index"))
    index = await make(env="real").index()
    assert (index.code, index.name, index.value) == ("0001", "KOSPI", Decimal("2807.63"))
    assert (index.change, index.change_rate) == (Decimal("10.30"), Decimal("0.37"))
    assert (index.advancing, index.declining, index.unchanged, index.volume) == (499, 371, 62, 758_166)


async def test_balance_drops_what_is_sold_out(kis, wire):
    body = sample("balance_paper")
    body["output1"].append(body["output1"][0] | {"pdno": "005930", "hldg_qty": "0"})
    wire.answer("inquire-balance", body)
    balance = await kis.balance()
    (holding,) = balance.holdings
    assert (holding.code, holding.name, holding.quantity, holding.sellable) == ("114800", "KODEX 인버스", 35, 35)
    assert (holding.average_price, holding.price, holding.cost) == (Decimal("4482.1420"), 4_290, 156_875)
    assert (holding.value, holding.profit, holding.profit_rate) == (150_150, -6_725, Decimal("-4.29"))
    assert (balance.deposit, balance.d1_cash, balance.d2_cash) == (9_644_485, 9_644_485, 9_644_485)
    assert (balance.stock_value, balance.total_value) == (365_650, 10_010_135)
    assert (balance.profit, balance.cost) == (10_175, 355_475)


async def test_buying_power_is_the_figure_without_debt(kis, wire):
    wire.answer("inquire-psbl-order", sample("buying_power_paper"))
    power = await kis.buying_power("005930", price=None, kind=OrderKind.MARKET)
    assert (power.cash, power.amount, power.quantity, power.unit_price) == (9_950_000, 9_998_580, 146, 68_100)


async def test_order_list(make, wire, clock):
    clock.now = datetime(2026, 1, 4, 10, tzinfo=KST)
    wire.answer("inquire-daily-ccld", sample("executions"))
    (row,) = await make(env="real").executions(date(2025, 12, 1), end=date(2026, 1, 4))
    assert row.key == (date(2025, 12, 17), "03930", "0000085100")
    assert (row.time, row.side, row.kind, row.kind_code) == ("094414", Side.BUY, OrderKind.MARKET, "01")
    assert (row.code, row.name, row.quantity, row.price) == ("088350", "한화생명", 1, 0)
    assert (row.filled, row.filled_amount, row.average_price, row.remaining) == (1, 3_145, Decimal(3145), 0)
    assert (row.cancelled, row.rejected, row.is_cancelled, row.is_revision) == (0, 0, False, False)
    assert (row.channel, row.venue, row.original_no) == ("OpnAPI", "SOR", "")


async def test_open_orders(make, wire):
    wire.answer("inquire-psbl-rvsecncl", sample("open_orders"))
    (order,) = await make(env="real").open_orders()
    assert (order.order_no, order.branch, order.code, order.side) == ("0000457500", "03930", "088350", Side.BUY)
    assert (order.kind, order.quantity, order.price, order.open_quantity) == (OrderKind.LIMIT, 1, 2_900, 1)


@pytest.mark.parametrize("case", [str.lower, str.upper])
async def test_an_order_answer_in_either_case(kis, wire, case):
    body = sample("order_paper")
    body["output"] = {case(name): value for name, value in body["output"].items()}
    wire.answer("order-cash", body)
    placed = await kis.sell("005930", 1, price=75_700, kind=OrderKind.LIMIT)
    assert (placed.order_no, placed.branch, placed.time) == ("0000051378", "00950", "110840")


def row(**changes):
    return sample("executions")["output1"][0] | changes


def test_order_numbers_are_compared_in_ten_digits():
    report = OrderReport.model_validate(row(odno="51378", orgn_odno="0000000000"))
    assert (report.order_no, report.original_no, report.is_revision) == ("0000051378", "", False)
    assert OrderReport.model_validate(row(orgn_odno="51377")).is_revision


def test_the_other_spelling_of_two_keys_is_read():
    body = row(cncl_yn="Y")
    body["cnc_cfrm_qty"] = body.pop("cncl_cfrm_qty") + "2"
    body["excg_id_dvsn_Cd"] = body.pop("excg_id_dvsn_cd")
    report = OrderReport.model_validate(body)
    assert (report.cancelled, report.venue, report.is_cancelled) == (2, "SOR", True)


def test_an_order_type_we_do_not_send_is_other():
    report = OrderReport.model_validate(row(ord_dvsn_cd="41"))
    assert (report.kind, report.kind_code) == (OrderKind.OTHER, "41")


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0), ("0", 0), (" 12 ", 12), ("-1,234", -1_234), ("0000000001", 1), ("70000.0000", 70_000), ("+5", 5)],
)
def test_numbers_as_kis_writes_them(text, number):
    assert quote_with(prdy_vrss=text).change == number


@pytest.mark.parametrize("text", ["abc", "1.5", "nan", "inf", None, [], "12원"])
async def test_what_is_no_number_is_a_bad_answer(kis, wire, text):
    body = sample("price")
    body["output"]["stck_prpr"] = text
    wire.answer("inquire-price", body)
    with pytest.raises(BadAnswer, match="stck_prpr"):
        await kis.price("005930")


def quote_with(**changes):
    return Quote.model_validate(sample("price")["output"] | changes | {"at": datetime(2026, 11, 20, tzinfo=KST)})


def test_a_negative_price_is_no_price():
    with pytest.raises(ValueError, match="stck_prpr"):
        quote_with(stck_prpr="-75700")


@pytest.mark.parametrize(
    ("changes", "halted"),
    [({"temp_stop_yn": "Y"}, True), ({"iscd_stat_cls_code": "58"}, True), ({"iscd_stat_cls_code": "51"}, False)],
)
def test_a_stock_is_halted_by_flag_or_by_status(changes, halted):
    assert quote_with(**changes).halted is halted


@pytest.mark.parametrize(("code", "vi"), [("N", False), ("", False), ("Y", True), ("1", True)])
def test_volatility_interruption(code, vi):
    assert quote_with(vi_cls_code=code).vi is vi


def test_a_status_unknown_to_us_survives_with_one_line_per_value(monkeypatch):
    monkeypatch.setattr(fields, "_logged_codes", set())
    with structlog.testing.capture_logs() as logs:
        for code in ("77", "77", "78"):
            assert quote_with(iscd_stat_cls_code=code).status is StockStatus.UNKNOWN
        assert quote_with(mrkt_warn_cls_code="77").warning is MarketWarning.UNKNOWN
    assert [(line["kind"], line["value"]) for line in logs] == [
        ("StockStatus", "77"),
        ("StockStatus", "78"),
        ("MarketWarning", "77"),
    ]


def test_our_own_names_build_a_value():
    quote = quote_with()
    assert Quote(**quote.model_dump()) == quote


async def test_the_price_of_another_stock_is_no_answer(kis, wire):
    wire.answer("inquire-price", sample("price"))
    with pytest.raises(BadAnswer, match="asked for 000660"):
        await kis.price("000660")


@pytest.mark.parametrize("broken", [{"output": None}, {"output": []}, {"output": {}}, {}])
async def test_a_yes_without_its_body_is_a_bad_answer(kis, wire, broken):
    body = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상"} | broken
    for path in ("inquire-price", "inquire-asking-price-exp-ccn", "inquire-daily-itemchartprice", "inquire-psbl-order"):
        wire.answer(path, body)
    for ask in (
        kis.price("005930"),
        kis.order_book("005930"),
        kis.daily_bars("005930", date(2024, 5, 1), date(2024, 5, 2)),
        kis.buying_power("005930", price=None, kind=OrderKind.MARKET),
    ):
        with pytest.raises(BadAnswer):
            await ask


async def test_an_order_list_with_days_not_asked_for_is_a_bad_answer(kis, wire):
    wire.answer("inquire-daily-ccld", sample("executions"))
    with pytest.raises(BadAnswer, match="days not asked for"):
        await kis.executions()


async def test_an_unknown_side_is_a_bad_answer(make, wire, clock):
    clock.now = datetime(2025, 12, 17, 10, tzinfo=KST)
    wire.answer("inquire-daily-ccld", sample("executions") | {"output1": [row(sll_buy_dvsn_cd="03")]})
    with pytest.raises(BadAnswer, match="sll_buy_dvsn_cd"):
        await make().executions()
