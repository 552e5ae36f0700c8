"""The façade for scripts: the document's own lines, against the simulator over a real socket."""

from __future__ import annotations

import csv
import doctest
import io
import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

import kis.blocking
import kis.records
from kis import BadAnswer, BadRequest, KisApi, OrderType, Side, Unknown, Unsupported, to_records
from kis.config import kst_now
from kis.endpoints import INDEX
from tests.kis.kis_scripts import simulated


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    with simulated(tmp_path_factory.mktemp("paper")) as served:
        yield served


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with simulated(tmp_path_factory.mktemp("real"), profile="real") as served:
        yield served


@pytest.fixture
def api(paper):
    with KisApi.from_env(paper[1]) as one:
        yield one


@pytest.fixture
def real_api(real):
    with KisApi.from_env(real[1]) as one:
        yield one


def orders_sent(sim):
    return [request for request in sim.requests if request.path.endswith(("order-cash", "order-rvsecncl"))]


# --- the document's lines, verbatim -----------------------------------------------------------------------


def test_the_lines_of_the_document_run_as_they_are(api, paper):
    before = len(orders_sent(paper[0]))
    low = api.get_stock_price("005930").lower_limit

    placed = [
        api.buy_stock("005930", 10, order_type="03"),
        api.buy_stock("005930", 10, price=85000, order_type="01"),
        api.sell_stock("005930", 10, order_type="03"),
        api.sell_stock("005930", 10, price=85000, order_type="01"),
    ]
    assert api.get_balance().total_value > 0
    assert {held.code for held in api.get_holding_stocks()} >= {"005930"}
    assert api.get_available_cash() > 0
    assert api.get_stock_price("005930").price >= low
    assert len(api.get_daily_price("005930", count=30).bars) == 30
    with pytest.raises(Unsupported, match="does not offer this on paper"):
        api.get_top_volume_stocks(count=20)

    sent = [json.loads(request.body) for request in orders_sent(paper[0])[before:]]
    assert [(body["ORD_DVSN"], body["ORD_UNPR"]) for body in sent] == [("01", "0"), ("00", "85000")] * 2
    listed = {one.order_no: one for one in api.get_executions()}
    assert [listed[one.order_no].side for one in placed] == [Side.BUY, Side.BUY, Side.SELL, Side.SELL]


def test_a_real_account_ranks(real_api):
    assert len(real_api.get_top_volume_stocks(count=20)) == 20
    assert real_api.get_top_volume_stocks()[0].rank == 1
    with pytest.raises(BadRequest, match="30, which is all"):
        real_api.get_top_volume_stocks(31)


@pytest.mark.parametrize("module", [kis.blocking, kis.records], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings(module, paper, api, monkeypatch):
    for name, value in paper[1].items():
        monkeypatch.setenv(name, value)
    found = doctest.DocTestFinder().find(module, extraglobs={"api": api})
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said = io.StringIO()
    for one in found:
        runner.run(one, out=said.write)
    tried = sum(len(one.examples) for one in found)
    assert (runner.summarize(verbose=False).failed, tried > 2) == (0, True), said.getvalue()


# --- orders are priced as meant, or not sent ----------------------------------------------------------------


@pytest.mark.parametrize("trade", ["buy_stock", "sell_stock"])
@pytest.mark.parametrize(
    ("price", "order_type", "words"),
    [
        (None, "01", "needs a price"),
        (None, OrderType.LIMIT, "needs a price"),
        (70_000, "03", "bears no price"),
        (0, "03", "bears no price"),
        (70_000, OrderType.MARKET, "bears no price"),
        (70_000, "00", 'order_type is "01"'),
        (70_000, "1", 'order_type is "01"'),
        (None, "", 'order_type is "01"'),
        (None, "market", 'order_type is "01"'),
        (0, "01", "whole won"),
        (-70_000, "01", "whole won"),
        (70_000.0, "01", "whole won"),
        ("70000", "01", "whole won"),
    ],
)
def test_an_order_that_contradicts_itself_is_not_sent(api, paper, trade, price, order_type, words):
    before = len(orders_sent(paper[0]))
    with pytest.raises(BadRequest, match=words) as caught:
        getattr(api, trade)("005930", 1, price=price, order_type=order_type)
    assert caught.value.endpoint == trade.removesuffix("_stock")
    assert len(orders_sent(paper[0])) == before


@pytest.mark.parametrize("trade", ["buy_stock", "sell_stock"])
def test_an_order_without_a_price_is_not_taken_for_a_market_order(api, paper, trade):
    before = len(orders_sent(paper[0]))
    with pytest.raises(BadRequest, match="needs a price"):
        getattr(api, trade)("005930", 1)
    assert len(orders_sent(paper[0])) == before


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "10", True, None])
def test_a_quantity_is_a_whole_number_of_shares(api, paper, quantity):
    before = len(orders_sent(paper[0]))
    with pytest.raises(BadRequest, match="number of shares"):
        api.buy_stock("005930", quantity, order_type="03")
    assert len(orders_sent(paper[0])) == before


def test_an_order_is_revised_and_cancelled_once_each(api):
    quote = api.get_stock_price("005930")
    order = api.buy_stock("005930", 5, quote.lower_limit)
    revised = api.revise_order(order.order_no, quote.lower_limit + quote.tick)
    api.cancel_order(revised.order_no, branch=revised.branch)
    listed = {one.order_no: one for one in api.get_executions(code="005930")}
    assert listed[revised.order_no].original_no == order.order_no
    assert sum(one.remaining for one in listed.values() if one.original_no == order.order_no) == 0


def test_a_lost_answer_to_an_order_is_unknown(api, paper):
    sim = paper[0]
    sim.faults.plant("lose_reply", path="order-cash")
    with pytest.raises(Unknown):
        api.buy_stock("005930", 1, order_type="03")
    sim.faults.clear()


# --- counts and days ------------------------------------------------------------------------------------------


def test_counts_over_a_hundred_are_paged_by_date(api, paper):
    before = len(paper[0].requests)
    bars = api.get_daily_price("005930", count=250).bars
    asked = [one for one in list(paper[0].requests)[before:] if one.path.endswith("itemchartprice")]
    assert (len(bars), len(asked)) == (250, 3)
    days = [bar.day for bar in bars]
    assert days == sorted(set(days), reverse=True)
    assert bars[:100] == api.get_daily_price("005930", count=100).bars
    assert api.get_daily_price("005930", count=100) == api.get_daily_price("005930", 100, period="D", adjusted=True)


@pytest.mark.parametrize("period", ["D", "W", "M", "Y"])
def test_a_chart_ends_where_the_stock_begins(api, period):
    bars = api.get_daily_price("005930", count=10_000, period=period).bars
    days = [bar.day for bar in bars]
    assert days == sorted(set(days), reverse=True)
    volume = sum(bar.volume for bar in api.get_daily_price("005930", count=10_000).bars)
    assert sum(bar.volume for bar in bars) == volume


@pytest.mark.parametrize("count", [0, -1, 10_001, 2.5, None])
def test_a_count_that_is_none_is_refused(api, paper, count):
    before = len(paper[0].requests)
    with pytest.raises(BadRequest, match="between 1 and 10,000"):
        api.get_daily_price("005930", count=count)
    assert len(paper[0].requests) == before


def test_the_same_bars_again_are_no_older_ones(api, paper, monkeypatch):
    page = api.get_daily_price("005930", count=30)

    async def same(*_, **__):
        return page

    monkeypatch.setattr(api._client, "daily_bars", same)
    with pytest.raises(BadAnswer, match="the same came back"):
        api.get_daily_price("005930", count=31)


def test_days_have_a_defined_answer(api):
    today = kst_now().date()
    tomorrow = today + timedelta(days=1)
    saturday = today - timedelta(days=(today.weekday() - 5) % 7 or 7)
    with pytest.raises(BadRequest, match="still to come"):
        api.get_executions(tomorrow)
    with pytest.raises(BadRequest, match="after the last"):
        api.get_executions(today, end=today - timedelta(days=1))
    with pytest.raises(BadRequest, match="still to come"):
        api.get_index_daily("0001", tomorrow, tomorrow)
    assert api.get_executions(saturday) == ()
    assert api.get_index_daily("0001", saturday, saturday + timedelta(days=1)).bars == ()
    assert api.get_executions(today, end=tomorrow) == api.get_executions(today)


@pytest.mark.parametrize("code", ["삼성전자", "5930", "", " 005930", "005930 ", "０05930", 5930, None])
def test_a_code_that_is_none_is_refused(api, paper, code):
    before = len(paper[0].requests)
    with pytest.raises(BadRequest, match="no stock code"):
        api.get_stock_price(code)
    assert len(paper[0].requests) == before


# --- the other questions ----------------------------------------------------------------------------------------


def test_market_questions(api):
    assert [index.value > 0 for index in map(api.get_index, ("0001", "1001", "2001"))] == [True] * 3
    index = api.get_index()
    assert (index.name, index.advancing, index.declining, index.unchanged) == ("KOSPI", 0, 0, 0)
    today = kst_now().date()
    assert api.get_index_daily("0001", today - timedelta(days=30), today).bars[0].close == index.value
    assert api.get_order_book("005930").total_ask > 0


def test_the_chart_of_an_index_bears_what_its_own_call_says(real_api, monkeypatch):
    """Paper has the chart alone."""
    own = real_api.get_index("1001")
    as_on_paper = replace(INDEX.tr, real=None)
    monkeypatch.setattr("kis.endpoints.INDEX", replace(INDEX, tr=as_on_paper))
    chart = real_api.get_index("1001")
    gone = {"advancing": 0, "declining": 0, "unchanged": 0}
    assert chart.model_dump(exclude={"at"}) == own.model_dump(exclude={"at"}) | gone
    assert own.advancing + own.declining + own.unchanged > 0


def test_market_questions_of_a_real_account(real_api):
    risen, fallen = real_api.get_top_moving_stocks(5), real_api.get_top_moving_stocks(5, falling=True)
    assert [stock.rank for stock in risen] == [stock.rank for stock in fallen] == [1, 2, 3, 4, 5]
    assert [stock.change_rate for stock in risen] == sorted((stock.change_rate for stock in risen), reverse=True)
    assert [stock.change_rate for stock in fallen] == sorted(stock.change_rate for stock in fallen)
    minutes = real_api.get_minute_price("005930").bars
    assert [bar.at for bar in minutes] == sorted((bar.at for bar in minutes), reverse=True)


def test_profit_taken_is_told_day_by_day(real_api):
    today = kst_now().date()
    real_api.sell_stock("005930", 2, order_type="03")
    profit = real_api.get_period_profit(today, today)
    assert [(day.day, day.sold_quantity) for day in profit.days] == [(today, 2)]
    assert (profit.days[0].profit, profit.days[0].sold) == (profit.profit, profit.sold)
    assert profit.tax > 0


def test_account_questions_of_a_real_account(real_api):
    assert real_api.get_sellable("000660").sellable == 3
    assert real_api.get_sellable("035720").quantity == 0
    assert real_api.get_stock_info("005930").isin.startswith("KR7")
    days = real_api.get_holidays(date(2026, 12, 23))
    assert (len(days), [day.day.day for day in days[:4] if day.open]) == (24, [23, 24])
    order = real_api.buy_stock("005930", 1, real_api.get_stock_price("005930").lower_limit)
    assert order.order_no in {one.order_no for one in real_api.get_open_orders()}
    assert real_api.get_buying_power("005930", order_type="03").quantity > 0


# --- rows ---------------------------------------------------------------------------------------------------------


def test_records_are_plain_enough_for_csv_and_pandas(api):
    api.buy_stock("005930", 1, order_type="03")
    values = (
        api.get_daily_price("005930", count=5),
        api.get_balance(),
        api.get_holding_stocks(),
        api.get_executions(),
        api.get_stock_price("005930"),
        api.get_order_book("005930"),
        api.get_index(),
    )
    plain = (int, float, str, bool, date, type(None))
    for value in values:
        rows = to_records(value)
        assert rows
        assert {type(held) for row in rows for held in row.values() if not isinstance(held, plain)} == set()
        assert {tuple(row) for row in rows} == {tuple(rows[0])}
        table = csv.DictWriter(io.StringIO(), rows[0])
        table.writerows(rows)
    assert len(to_records(values[0])) == 5
    assert to_records(values[1]) == to_records(values[2])
    assert {type(row["side"]) for row in to_records(values[3])} == {str}
    assert len(to_records(values[4])) == 1
    assert {row["side"] for row in to_records(values[5])} == {"ask", "bid"}
    assert to_records(()) == []
