"""The calls beside the document's own: what leaves this machine to the last header, and what is made of answers.

Names and ids are written by hand from the KIS portal and the official repository. Where KIS's field list is all
there is to go by, the answers are made up from it (kis_answers.py); the others are captured.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest

from kis import BadAnswer, BadRequest, Refused, StockInfo, Unsupported
from kis.krx import KST
from tests.kis.kis_answers import (
    CURSOR,
    INDEX_CHART,
    INDEX_NOW,
    INFO,
    MOVER,
    NO_CURSOR,
    NO_ROWS,
    PROFIT_DAY,
    PROFIT_TOTALS,
    YES,
)
from tests.kis.kis_wire import sample
from tests.kis.test_kis_requests import ACCOUNT, ALL, QUOTATIONS, REAL, TRADING, check_query

RANKING = "/uapi/domestic-stock/v1/ranking/"


# --- what leaves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("env", "generation"), REAL)
async def test_sellable(make, wire, env, generation):
    wire.answer("inquire-psbl-sell", sample("sellable"))
    found = await make(env=env, generation=generation).sellable("005930")
    path = TRADING + "inquire-psbl-sell"
    check_query(wire, "sellable", env, generation, path, ACCOUNT | {"PDNO": "005930"})
    assert (found.code, found.name, found.quantity, found.sellable) == ("005930", "삼성전자", 1_744, 1_744)
    assert (found.bought, found.sold, found.average_price) == (1_746, 2, Decimal("54388.4874"))
    assert (found.price, found.value, found.profit) == (75_800, 132_195_200, 37_341_678)
    assert found.profit_rate == Decimal("39.36")


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_available_cash_is_asked_for_without_a_stock(make, wire, env, generation):
    wire.answer("inquire-psbl-order", sample("buying_power_paper"))
    assert await make(env=env, generation=generation).available_cash() == 9_950_000
    query = ACCOUNT | {"PDNO": "", "ORD_UNPR": "", "ORD_DVSN": "01"}
    query |= {"CMA_EVLU_AMT_ICLD_YN": "N", "OVRS_ICLD_YN": "N"}
    check_query(wire, "power", env, generation, TRADING + "inquire-psbl-order", query)


@pytest.mark.parametrize(("env", "generation"), REAL)
@pytest.mark.parametrize("code", ["", "005930"])
async def test_period_profit(make, wire, env, generation, code):
    wire.answer("inquire-period-profit", {"output1": [PROFIT_DAY], "output2": PROFIT_TOTALS, **NO_CURSOR, **YES})
    kis = make(env=env, generation=generation)
    found = await kis.period_profit(date(2026, 11, 1), date(2026, 11, 20), code=code)
    query = ACCOUNT | {"INQR_STRT_DT": "20261101", "INQR_END_DT": "20261120", "PDNO": code, "SORT_DVSN": "01"}
    query |= {"INQR_DVSN": "00", "CBLC_DVSN": "00", "CTX_AREA_FK100": "", "CTX_AREA_NK100": ""}
    check_query(wire, "profit", env, generation, TRADING + "inquire-period-profit", query)
    (day,) = found.days
    assert (day.day, day.bought, day.sold, day.profit) == (date(2026, 11, 17), 104_375, 106_100, 1_717)
    assert (day.bought_quantity, day.sold_quantity, day.profit_rate) == (17, 17, Decimal("1.64502994"))
    assert (day.fee, day.tax, day.interest) == (8, 212, 0)
    assert (found.bought, found.sold, found.profit) == (208_750, 212_200, 3_434)
    assert (found.fee, found.tax, found.interest) == (16, 424, 0)


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_minute_bars(make, wire, env, generation):
    wire.answer("inquire-time-itemchartprice", sample("minute_bars"))
    found = await make(env=env, generation=generation).minute_bars("005930", until=time(12, 50))
    query = {"FID_ETC_CLS_CODE": "", "FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
    query |= {"FID_INPUT_HOUR_1": "125000", "FID_PW_DATA_INCU_YN": "N"}
    path = QUOTATIONS + "inquire-time-itemchartprice"
    (request,) = wire.sent(path)
    assert "FID_ETC_CLS_CODE=&" in str(request.url)  # blank, and yet there
    check_query(wire, "minutes", env, generation, path, query)
    assert (found.name, [bar.time for bar in found.bars]) == ("삼성전자", ["125000", "124900"])
    newest = found.bars[0]
    assert newest.at == datetime(2024, 6, 11, 12, 50, tzinfo=KST)
    assert (newest.open, newest.high, newest.low, newest.close) == (75_300, 75_400, 75_300, 75_300)
    assert (newest.volume, newest.day_value) == (69_449, 677_732_980_500)


async def test_minute_bars_end_now_unless_told(kis, wire):
    wire.answer("inquire-time-itemchartprice", sample("minute_bars") | {"output2": [{}]})
    assert (await kis.minute_bars("005930")).bars == ()
    (request,) = wire.sent("inquire-time-itemchartprice")
    assert request.url.params["FID_INPUT_HOUR_1"] == "100000"


@pytest.mark.parametrize(("env", "generation"), REAL)
@pytest.mark.parametrize(("falling", "order"), [(False, "0"), (True, "1")])
async def test_fluctuation_rank_goes_in_lower_case(make, wire, env, generation, falling, order):
    wire.answer("ranking/fluctuation", {"output": [MOVER, MOVER | {"data_rank": "2"}], **YES})
    kis = make(env=env, generation=generation)
    (found,) = await kis.fluctuation_rank(1, falling=falling)
    query = {
        "fid_cond_mrkt_div_code": "J",
        "fid_cond_scr_div_code": "20170",
        "fid_input_iscd": "0000",
        "fid_rank_sort_cls_code": order,
        "fid_input_cnt_1": "0",
        "fid_prc_cls_code": "1",
        "fid_input_price_1": "",
        "fid_input_price_2": "",
        "fid_vol_cnt": "",
        "fid_trgt_cls_code": "0",
        "fid_trgt_exls_cls_code": "0",
        "fid_div_cls_code": "0",
        "fid_rsfl_rate1": "",
        "fid_rsfl_rate2": "",
    }
    check_query(wire, "moves", env, generation, RANKING + "fluctuation", query)
    assert (found.rank, found.code, found.name, found.price) == (1, "0155E0", "어느ETF", 13_000)
    assert (found.change, found.change_rate, found.volume) == (-3_000, Decimal("-18.75"), 1_234)
    assert (found.high, found.low) == (15_900, 12_900)


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_index_bars(make, wire, env, generation):
    wire.answer("inquire-daily-indexchartprice", INDEX_CHART)
    kis = make(env=env, generation=generation)
    found = await kis.index_bars("1001", date(2024, 6, 1), date(2024, 6, 20), period="W")
    query = {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": "1001", "FID_INPUT_DATE_1": "20240601"}
    query |= {"FID_INPUT_DATE_2": "20240620", "FID_PERIOD_DIV_CODE": "W"}
    check_query(wire, "index_bars", env, generation, QUOTATIONS + "inquire-daily-indexchartprice", query)
    assert (found.name, [bar.day.day for bar in found.bars]) == ("KOSDAQ", [20, 19])
    bar = found.bars[0]
    assert (bar.open, bar.high, bar.low) == (Decimal("2802.10"), Decimal("2812.62"), Decimal("2796.37"))
    assert (bar.close, bar.volume, bar.value) == (Decimal("2807.63"), 758_166, 13_576_970)


@pytest.mark.parametrize("generation", ["current", "legacy"])
async def test_on_paper_an_index_is_read_from_its_chart(make, wire, generation):
    wire.answer("inquire-daily-indexchartprice", INDEX_CHART)
    index = await make(generation=generation).index("0001")
    query = {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": "0001", "FID_INPUT_DATE_1": "20261113"}
    query |= {"FID_INPUT_DATE_2": "20261120", "FID_PERIOD_DIV_CODE": "D"}
    check_query(wire, "index_bars", "paper", generation, QUOTATIONS + "inquire-daily-indexchartprice", query)
    assert (index.code, index.name, index.value) == ("0001", "KOSPI", Decimal("2807.63"))
    assert (index.change, index.change_rate, index.volume) == (Decimal("10.30"), Decimal("0.37"), 758_166)
    assert (index.advancing, index.declining, index.unchanged) == (0, 0, 0)


async def test_on_paper_a_change_that_stands_there_is_taken(kis, wire):
    wire.answer("inquire-daily-indexchartprice", INDEX_CHART | {"output1": INDEX_NOW | {"bstp_nmix_prdy_vrss": "-9.9"}})
    assert (await kis.index()).change == Decimal("-9.9")


@pytest.mark.parametrize("gone", ["bstp_nmix_prpr", "prdy_nmix", "bstp_nmix_prdy_ctrt"])
async def test_on_paper_half_an_index_is_a_bad_answer(kis, wire, gone):
    now = {name: value for name, value in INDEX_NOW.items() if name != gone}
    wire.answer("inquire-daily-indexchartprice", INDEX_CHART | {"output1": now})
    with pytest.raises(BadAnswer, match=gone):
        await kis.index()


@pytest.mark.parametrize(("env", "generation"), REAL)
async def test_holidays(make, wire, env, generation):
    wire.answer("chk-holiday", sample("holidays"))
    first, second = await make(env=env, generation=generation).holidays(date(2026, 1, 5))
    query = {"BASS_DT": "20260105", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}
    check_query(wire, "holidays", env, generation, QUOTATIONS + "chk-holiday", query)
    assert (first.day, first.open, first.banks_open, first.settles) == (date(2026, 1, 5), True, True, True)
    # On this Saturday securities firms do business, says KIS; the exchange does not trade.
    assert (second.day, second.open, second.firms_open) == (date(2026, 1, 10), False, True)


async def test_holidays_begin_today_and_may_come_as_one(make, wire):
    lone = sample("holidays")["output"][0] | {"bass_dt": "20261120"}
    wire.answer("chk-holiday", sample("holidays") | {"output": lone})
    (day,) = await make(env="real").holidays()
    assert day.day == date(2026, 11, 20)


@pytest.mark.parametrize("rows", [[], [{"bass_dt": "20260105"}], "", None])
async def test_a_calendar_of_other_days_is_a_bad_answer(make, wire, rows):
    wire.answer("chk-holiday", sample("holidays") | {"output": rows})
    with pytest.raises(BadAnswer):
        await make(env="real").holidays()


@pytest.mark.parametrize(("env", "generation"), REAL)
async def test_stock_info(make, wire, env, generation):
    wire.answer("search-stock-info", {"output": INFO, **YES})
    info = await make(env=env, generation=generation).stock_info("005930")
    query = {"PRDT_TYPE_CD": "300", "PDNO": "005930"}
    check_query(wire, "info", env, generation, QUOTATIONS + "search-stock-info", query)
    assert (info.code, info.name, info.full_name) == ("005930", "삼성전자", "삼성전자보통주")
    assert (info.isin, info.market, info.group, info.kind) == ("KR7005930003", "STK", "ST", "101")
    assert (info.shares, info.par, info.close, info.last_close) == (5_919_637_922, 100, 75_700, 77_300)
    assert (info.listed, info.delisted, info.kospi200) == (date(1975, 6, 11), None, True)
    assert (info.halted, info.managed, info.nxt) == (False, False, True)


@pytest.mark.parametrize(
    ("changes", "nxt"),
    [({"nxt_tr_stop_yn": "Y"}, False), ({"cptt_trad_tr_psbl_yn": "N"}, False), ({"nxt_tr_stop_yn": None}, False)],
)
def test_a_stock_trades_at_nxt_where_both_flags_say_so(changes, nxt):
    assert StockInfo.read("005930", {"output": INFO | changes}).nxt is nxt


def test_a_listing_day_is_of_either_market_and_blank_means_none():
    kosdaq = INFO | {"scts_mket_lstg_dt": "00000000", "kosdaq_mket_lstg_dt": "20000104", "lstg_abol_dt": "20261120"}
    info = StockInfo.read("005930", {"output": kosdaq})
    assert (info.listed, info.delisted) == (date(2000, 1, 4), date(2026, 11, 20))
    bare = INFO | {"scts_mket_lstg_dt": "", "kosdaq_mket_lstg_dt": ""}
    assert StockInfo.read("005930", {"output": bare}).listed is None


# --- what an environment does not offer ---------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["current", "legacy"])
@pytest.mark.parametrize(
    ("ask", "args", "instead"),
    [
        ("sellable", ("005930",), "balance"),
        ("period_profit", (date(2026, 11, 1), date(2026, 11, 20)), "executions"),
        ("fluctuation_rank", (), "price"),
        ("holidays", (), "is_trading_day"),
        ("stock_info", ("005930",), "kis.symbols"),
    ],
)
async def test_what_paper_does_not_offer_names_the_nearest_thing(make, wire, generation, ask, args, instead):
    with pytest.raises(Unsupported) as caught:
        await getattr(make(generation=generation), ask)(*args)
    assert wire.arrived == []
    assert instead in caught.value.alternative
    assert instead in caught.value.advice.ko


# --- nothing found, and nonsense ------------------------------------------------------------------------------


async def test_nothing_can_be_sold_of_what_is_not_held(make, wire):
    wire.answer("inquire-psbl-sell", NO_ROWS)
    found = await make(env="real").sellable("000660")
    assert (found.code, found.quantity, found.sellable) == ("000660", 0, 0)


async def test_an_unknown_stock_has_no_particulars(make, wire):
    wire.answer("search-stock-info", NO_ROWS)
    with pytest.raises(Refused, match="no such stock"):
        await make(env="real").stock_info("999999")


async def test_no_trades_bring_no_profit(make, wire):
    wire.answer("inquire-period-profit", NO_ROWS)
    found = await make(env="real").period_profit(date(2026, 11, 14), date(2026, 11, 15))
    assert (found.days, found.profit, found.fee) == ((), 0, 0)


async def test_profit_is_read_to_the_last_page(make, wire):
    first = {"output1": [PROFIT_DAY], "output2": {}, **CURSOR, **YES}
    last = {"output1": [PROFIT_DAY | {"trad_dt": "20261118"}], "output2": [PROFIT_TOTALS], **NO_CURSOR, **YES}
    wire.answer("inquire-period-profit", first, more="F")
    wire.answer("inquire-period-profit", last, more="D")
    found = await make(env="real").period_profit(date(2026, 11, 1), date(2026, 11, 20))
    assert ([one.day.day for one in found.days], found.profit) == ([17, 18], 3_434)
    assert [call.headers["tr_cont"] for call in wire.sent("inquire-period-profit")] == ["", "N"]


async def test_profit_without_its_totals_is_a_bad_answer(make, wire):
    wire.answer("inquire-period-profit", {"output1": [PROFIT_DAY], "output2": [], **NO_CURSOR, **YES})
    with pytest.raises(BadAnswer, match="buy_tr_amt_smtl"):
        await make(env="real").period_profit(date(2026, 11, 1), date(2026, 11, 20))


async def test_profit_of_days_not_asked_for_is_a_bad_answer(make, wire):
    wire.answer("inquire-period-profit", {"output1": [PROFIT_DAY], "output2": PROFIT_TOTALS, **NO_CURSOR, **YES})
    with pytest.raises(BadAnswer, match="days not asked for"):
        await make(env="real").period_profit(date(2026, 11, 18), date(2026, 11, 20))


@pytest.mark.parametrize(("ask", "path", "body"), [("sellable", "psbl-sell", "sellable"), ("stock_info", "info", "")])
async def test_an_answer_about_another_stock_is_none(make, wire, ask, path, body):
    wire.answer(path, sample(body) if body else {"output": INFO, **YES})
    with pytest.raises(BadAnswer, match="asked for 000660"):
        await getattr(make(env="real"), ask)("000660")


@pytest.mark.parametrize("broken", [{"output": None}, {"output": []}, {"output1": None}, {"output2": {}}, {}])
async def test_a_yes_without_its_body_is_a_bad_answer(make, wire, broken):
    kis = make(env="real")
    for path in ("psbl-sell", "stock-info", "fluctuation", "chk-holiday", "time-itemchartprice", "indexchartprice"):
        wire.answer(path, YES | broken)
    for ask in (
        kis.sellable("005930"),
        kis.stock_info("005930"),
        kis.holidays(),
        kis.minute_bars("005930"),
        kis.index_bars("0001", date(2026, 11, 1), date(2026, 11, 20)),
    ):
        with pytest.raises(BadAnswer):
            await ask


@pytest.mark.parametrize(
    ("ask", "args"),
    [
        ("daily_bars", ("005930", date(2026, 11, 20), date(2026, 11, 19))),
        ("daily_bars", ("005930", date(2026, 11, 21), date(2026, 11, 30))),
        ("index_bars", ("0001", date(2026, 11, 20), date(2026, 11, 19))),
        ("index_bars", ("0001", date(2026, 11, 21), date(2026, 11, 30))),
        ("index_bars", ("KOSPI", date(2026, 11, 1), date(2026, 11, 20))),
        ("period_profit", (date(2026, 11, 20), date(2026, 11, 19))),
        ("period_profit", (date(2026, 11, 21), date(2026, 11, 30))),
        ("executions", (date(2026, 11, 20), date(2026, 11, 19))),
        ("index", ("１００１",)),
        ("index", (1,)),
        ("price", ("삼성전자",)),
        ("price", (5930,)),
        ("stock_info", ("005930; DROP",)),
        ("sellable", ("",)),
        ("volume_rank", (-1,)),
        ("volume_rank", (31,)),
        ("volume_rank", (10_000,)),
        ("fluctuation_rank", (-1,)),
        ("fluctuation_rank", (True,)),
        ("recent_bars", ("005930", 0)),
        ("recent_bars", ("005930", -1)),
        ("recent_bars", ("005930", 10_001)),
        ("recent_bars", ("005930", 2.5)),
        ("recent_bars", ("005930", "30")),
    ],
)
async def test_nonsense_is_refused_before_anything_is_sent(make, wire, ask, args):
    kis = make(env="real")
    with pytest.raises(BadRequest) as caught:
        await (kis.executions(args[0], end=args[1]) if ask == "executions" else getattr(kis, ask)(*args))
    assert wire.arrived == []
    assert caught.value.endpoint


@pytest.mark.parametrize("code", ["005930", "Q500001", "0155E0", "00104K"])
async def test_codes_with_letters_go_out_as_they_are(make, wire, code):
    body = sample("price")
    body["output"]["stck_shrn_iscd"] = code
    wire.answer("inquire-price", body)
    assert (await make().price(code)).code == code
    assert wire.sent("inquire-price")[0].url.params["FID_INPUT_ISCD"] == code


async def test_a_chart_may_end_in_the_future_or_at_a_weekend(kis, wire):
    wire.answer("inquire-daily-itemchartprice", sample("daily_bars") | {"output2": [{}]})
    assert (await kis.daily_bars("005930", date(2026, 11, 14), date(2026, 11, 15))).bars == ()
    assert (await kis.daily_bars("005930", date(2026, 11, 20), date(2099, 12, 31))).bars == ()


async def test_a_recent_price_is_had_without_asking_again(kis, wire, clock):
    wire.answer("inquire-price", sample("price"))
    wire.answer("inquire-asking-price-exp-ccn", sample("order_book"))
    first = await kis.price("005930")
    clock.now += timedelta(seconds=0.4)
    assert (await kis.price("005930", max_age=0.5)).at == first.at
    assert (await kis.price("005930")).at == clock.now
    book = await kis.order_book("005930", max_age=0.5)
    assert await kis.order_book("005930", max_age=0.5) == book
    assert (len(wire.sent("inquire-price")), len(wire.sent("inquire-asking-price-exp-ccn"))) == (2, 1)
