"""What leaves this machine, to the last header, for real and paper and both generations of TR ids.

The expected names are written by hand from the KIS portal and the official repository, not taken from our table.
"""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest

from kis import OrderKind, Side, Unsupported
from kis.krx import KST
from tests.kis.kis_wire import HOSTS, KEY, SECRET, TOKEN_PATH, refusal, sample

TRADING = "/uapi/domestic-stock/v1/trading/"
QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"
ALL = [("real", "current"), ("real", "legacy"), ("paper", "current"), ("paper", "legacy")]
REAL = ALL[:2]
TR = {
    "buy": ("TTTC0012U", "TTTC0802U", "VTTC0012U", "VTTC0802U"),
    "sell": ("TTTC0011U", "TTTC0801U", "VTTC0011U", "VTTC0801U"),
    "change": ("TTTC0013U", "TTTC0803U", "VTTC0013U", "VTTC0803U"),
    "balance": ("TTTC8434R", "TTTC8434R", "VTTC8434R", "VTTC8434R"),
    "power": ("TTTC8908R", "TTTC8908R", "VTTC8908R", "VTTC8908R"),
    "recent": ("TTTC0081R", "TTTC8001R", "VTTC0081R", "VTTC8001R"),
    "older": ("CTSC9215R", "CTSC9115R", "VTSC9215R", "VTSC9115R"),
    "open": ("TTTC0084R", "TTTC8036R", None, None),
    "price": ("FHKST01010100",) * 4,
    "book": ("FHKST01010200",) * 4,
    "bars": ("FHKST03010100",) * 4,
    "rank": ("FHPST01710000", "FHPST01710000", None, None),
    "index": ("FHPUP02100000", "FHPUP02100000", None, None),
    "sellable": ("TTTC8408R", "TTTC8408R", None, None),
    "profit": ("TTTC8708R", "TTTC8708R", None, None),
    "minutes": ("FHKST03010200",) * 4,
    "moves": ("FHPST01700000", "FHPST01700000", None, None),
    "index_bars": ("FHKUP03500100",) * 4,
    "holidays": ("CTCA0903R", "CTCA0903R", None, None),
    "info": ("CTPF1002R", "CTPF1002R", None, None),
}
ACCOUNT = {"CANO": "12345678", "ACNT_PRDT_CD": "01"}
TRANSPORT = {"host", "content-length"}


def headers_of(request):
    return {name: value for name, value in request.headers.items() if name not in TRANSPORT}


def expected_headers(call, env, generation, tr_cont=""):
    return {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "kisbot",
        "accept-encoding": "identity",
        "authorization": "Bearer token-1",
        "appkey": KEY,
        "appsecret": SECRET,
        "tr_id": TR[call][ALL.index((env, generation))],
        "tr_cont": tr_cont,
        "custtype": "P",
    }


def check_query(wire, call, env, generation, path, query):
    (request,) = wire.sent(path)
    assert request.method == "GET"
    assert f"{request.url.scheme}://{request.url.host}:{request.url.port}" == HOSTS[env]
    assert request.url.path == path
    assert dict(request.url.params) == query
    assert headers_of(request) == expected_headers(call, env, generation)
    assert request.content == b""


def check_body(wire, call, env, generation, path, body):
    (request,) = wire.sent(path)
    assert request.method == "POST"
    assert str(request.url) == HOSTS[env] + path
    assert json.loads(request.content) == body
    assert headers_of(request) == expected_headers(call, env, generation)


@pytest.mark.parametrize(("env", "generation"), ALL)
@pytest.mark.parametrize(
    ("side", "kind", "price", "division", "unit"),
    [
        (Side.BUY, OrderKind.LIMIT, 75_700, "00", "75700"),
        (Side.BUY, OrderKind.MARKET, None, "01", "0"),
        (Side.SELL, OrderKind.LIMIT, 75_700, "00", "75700"),
        (Side.SELL, OrderKind.MARKET, None, "01", "0"),
    ],
)
async def test_order(make, wire, env, generation, side, kind, price, division, unit):
    wire.answer("order-cash", sample("order_real"))
    send = make(env=env, generation=generation).buy if side is Side.BUY else make(env=env, generation=generation).sell
    placed = await send("005930", 10, price=price, kind=kind)
    body = ACCOUNT | {"PDNO": "005930", "ORD_DVSN": division, "ORD_QTY": "10", "ORD_UNPR": unit}
    body |= {"SLL_TYPE": "", "CNDT_PRIC": ""} | ({"EXCG_ID_DVSN_CD": "KRX"} if generation == "current" else {})
    check_body(wire, side.value, env, generation, TRADING + "order-cash", body)
    assert (placed.order_no, placed.branch, placed.time) == ("0000085100", "03930", "094414")


@pytest.mark.parametrize("code", ["0155E0", "Q500001"])
async def test_an_order_bears_a_code_with_letters_as_it_is(kis, wire, code):
    wire.answer("order-cash", sample("order_paper"))
    await kis.sell(code, 1, price=75_700, kind=OrderKind.LIMIT)
    assert json.loads(wire.sent("order-cash")[0].content)["PDNO"] == code


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_cancel_of_all_that_remains(make, wire, env, generation):
    wire.answer("order-rvsecncl", sample("cancel_real"))
    placed = await make(env=env, generation=generation).cancel("85100", branch="03930")
    body = ACCOUNT | {"KRX_FWDG_ORD_ORGNO": "03930", "ORGN_ODNO": "0000085100", "ORD_DVSN": "00"}
    body |= {"RVSE_CNCL_DVSN_CD": "02", "ORD_QTY": "0", "ORD_UNPR": "0", "QTY_ALL_ORD_YN": "Y", "CNDT_PRIC": ""}
    body |= {"EXCG_ID_DVSN_CD": "KRX"} if generation == "current" else {}
    check_body(wire, "change", env, generation, TRADING + "order-rvsecncl", body)
    assert placed.order_no == "0000503800"


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_revision_of_a_part(make, wire, env, generation):
    wire.answer("order-rvsecncl", sample("cancel_real"))
    kis = make(env=env, generation=generation)
    await kis.revise("0000085100", quantity=3, price=75_600, kind=OrderKind.LIMIT, venue="SOR")
    body = ACCOUNT | {"KRX_FWDG_ORD_ORGNO": "", "ORGN_ODNO": "0000085100", "ORD_DVSN": "00"}
    body |= {"RVSE_CNCL_DVSN_CD": "01", "ORD_QTY": "3", "ORD_UNPR": "75600", "QTY_ALL_ORD_YN": "N", "CNDT_PRIC": ""}
    body |= {"EXCG_ID_DVSN_CD": "SOR"} if generation == "current" else {}
    check_body(wire, "change", env, generation, TRADING + "order-rvsecncl", body)


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_price(make, wire, env, generation):
    wire.answer("inquire-price", sample("price"))
    await make(env=env, generation=generation).price("005930")
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
    check_query(wire, "price", env, generation, QUOTATIONS + "inquire-price", query)


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_order_book(make, wire, env, generation):
    wire.answer("inquire-asking-price-exp-ccn", sample("order_book"))
    await make(env=env, generation=generation).order_book("005930")
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
    check_query(wire, "book", env, generation, QUOTATIONS + "inquire-asking-price-exp-ccn", query)


@pytest.mark.parametrize(("env", "generation"), ALL)
@pytest.mark.parametrize(("adjusted", "flag"), [(True, "0"), (False, "1")])
async def test_daily_bars(make, wire, env, generation, adjusted, flag):
    wire.answer("inquire-daily-itemchartprice", sample("daily_bars"))
    kis = make(env=env, generation=generation)
    await kis.daily_bars("005930", date(2024, 5, 1), date(2024, 5, 10), period="W", adjusted=adjusted)
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930", "FID_INPUT_DATE_1": "20240501"}
    query |= {"FID_INPUT_DATE_2": "20240510", "FID_PERIOD_DIV_CODE": "W", "FID_ORG_ADJ_PRC": flag}
    check_query(wire, "bars", env, generation, QUOTATIONS + "inquire-daily-itemchartprice", query)


@pytest.mark.parametrize(("env", "generation"), REAL)
async def test_volume_rank(make, wire, env, generation):
    wire.answer("volume-rank", sample("volume_rank"))
    await make(env=env, generation=generation).volume_rank(5)
    query = {
        "FID_COND_MRKT_DIV_CODE": "J",
        "FID_COND_SCR_DIV_CODE": "20171",
        "FID_INPUT_ISCD": "0000",
        "FID_DIV_CLS_CODE": "0",
        "FID_BLNG_CLS_CODE": "0",
        "FID_TRGT_CLS_CODE": "111111111",
        "FID_TRGT_EXLS_CLS_CODE": "0000000000",
        "FID_INPUT_PRICE_1": "",
        "FID_INPUT_PRICE_2": "",
        "FID_VOL_CNT": "",
        "FID_INPUT_DATE_1": "",
    }
    check_query(wire, "rank", env, generation, QUOTATIONS + "volume-rank", query)


@pytest.mark.parametrize(("env", "generation"), REAL)
async def test_index_goes_under_its_own_tr_id(make, wire, env, generation):
    wire.answer("inquire-index-price", sample("index"))
    await make(env=env, generation=generation).index("0001")
    query = {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": "0001"}
    check_query(wire, "index", env, generation, QUOTATIONS + "inquire-index-price", query)


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_balance(make, wire, env, generation):
    wire.answer("inquire-balance", sample("balance_paper"))
    await make(env=env, generation=generation).balance()
    query = ACCOUNT | {"AFHR_FLPR_YN": "N", "OFL_YN": "", "INQR_DVSN": "02", "UNPR_DVSN": "01"}
    query |= {"FUND_STTL_ICLD_YN": "N", "FNCG_AMT_AUTO_RDPT_YN": "N", "PRCS_DVSN": "00"}
    query |= {"CTX_AREA_FK100": "", "CTX_AREA_NK100": ""}
    check_query(wire, "balance", env, generation, TRADING + "inquire-balance", query)


@pytest.mark.parametrize(("env", "generation"), ALL)
@pytest.mark.parametrize(
    ("kind", "price", "division", "unit"),
    [(OrderKind.MARKET, None, "01", ""), (OrderKind.LIMIT, 75_700, "00", "75700")],
)
async def test_buying_power(make, wire, env, generation, kind, price, division, unit):
    wire.answer("inquire-psbl-order", sample("buying_power_paper"))
    await make(env=env, generation=generation).buying_power("005930", price=price, kind=kind)
    query = ACCOUNT | {"PDNO": "005930", "ORD_UNPR": unit, "ORD_DVSN": division}
    query |= {"CMA_EVLU_AMT_ICLD_YN": "N", "OVRS_ICLD_YN": "N"}
    check_query(wire, "power", env, generation, TRADING + "inquire-psbl-order", query)


def order_list_query(env, generation, first, last, **changes):
    query = ACCOUNT | {"INQR_STRT_DT": first, "INQR_END_DT": last, "SLL_BUY_DVSN_CD": "00", "PDNO": ""}
    query |= {"ORD_GNO_BRNO": "", "ODNO": "", "CCLD_DVSN": "00", "INQR_DVSN": "01", "INQR_DVSN_1": ""}
    query |= {"INQR_DVSN_3": "00", "CTX_AREA_FK100": "", "CTX_AREA_NK100": ""} | changes
    if generation == "current":
        query["EXCG_ID_DVSN_CD"] = "ALL" if env == "real" else "KRX"
    return query


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_order_list_of_today(make, wire, env, generation):
    wire.answer("inquire-daily-ccld", sample("executions") | {"output1": []})
    assert await make(env=env, generation=generation).executions() == ()
    query = order_list_query(env, generation, "20261120", "20261120")
    check_query(wire, "recent", env, generation, TRADING + "inquire-daily-ccld", query)


@pytest.mark.parametrize(("env", "generation"), ALL)
async def test_order_list_of_one_order_on_a_day_long_ago(make, wire, clock, env, generation):
    clock.now = datetime(2026, 5, 31, 10, tzinfo=KST)
    wire.answer("inquire-daily-ccld", sample("executions"))
    kis = make(env=env, generation=generation)
    (report,) = await kis.executions(date(2025, 12, 17), code="088350", order_no="85100", side=Side.BUY)
    query = order_list_query(env, generation, "20251217", "20251217")
    query |= {"SLL_BUY_DVSN_CD": "02", "PDNO": "088350", "ODNO": "0000085100"}
    check_query(wire, "older", env, generation, TRADING + "inquire-daily-ccld", query)
    assert report.order_no == "0000085100"


async def test_an_order_list_across_three_months_is_asked_for_in_two_parts(make, wire, clock):
    clock.now = datetime(2026, 5, 31, 10, tzinfo=KST)
    wire.answer("inquire-daily-ccld", sample("executions") | {"output1": []})
    await make(env="real").executions(date(2026, 2, 1), end=date(2026, 5, 31))
    spans = [
        (call.headers["tr_id"], call.url.params["INQR_STRT_DT"], call.url.params["INQR_END_DT"])
        for call in wire.sent("inquire-daily-ccld")
    ]
    assert spans == [("CTSC9215R", "20260201", "20260227"), ("TTTC0081R", "20260228", "20260531")]


@pytest.mark.parametrize(("env", "generation"), REAL)
async def test_open_orders(make, wire, env, generation):
    wire.answer("inquire-psbl-rvsecncl", sample("open_orders"))
    await make(env=env, generation=generation).open_orders()
    query = ACCOUNT | {"INQR_DVSN_1": "0", "INQR_DVSN_2": "0", "CTX_AREA_FK100": "", "CTX_AREA_NK100": ""}
    check_query(wire, "open", env, generation, TRADING + "inquire-psbl-rvsecncl", query)


@pytest.mark.parametrize("generation", ["current", "legacy"])
@pytest.mark.parametrize(("ask", "instead"), [("open_orders", "executions"), ("volume_rank", "price")])
async def test_what_paper_does_not_offer_is_refused_before_anything_is_sent(make, wire, generation, ask, instead):
    with pytest.raises(Unsupported) as caught:
        await getattr(make(generation=generation), ask)()
    assert wire.arrived == []
    assert instead in caught.value.alternative
    assert instead in caught.value.advice.ko
    assert instead in caught.value.advice.en


@pytest.mark.parametrize("env", ["real", "paper"])
async def test_token(make, wire, env):
    wire.answer("inquire-price", sample("price"))
    await make(env=env).price("005930")
    request = wire.arrived[0]
    assert (request.method, str(request.url)) == ("POST", HOSTS[env] + TOKEN_PATH)
    assert json.loads(request.content) == {"grant_type": "client_credentials", "appkey": KEY, "appsecret": SECRET}
    kind = {"content-type": "application/json; charset=utf-8"}
    assert headers_of(request) == kind | {"user-agent": "kisbot", "accept-encoding": "identity"}


async def test_an_order_bears_the_hash_of_its_very_bytes_where_that_is_wanted(make, wire):
    wire.answer("/uapi/hashkey", sample("hashkey"))
    wire.answer("order-cash", sample("order_paper"))
    placed = await make(hashkey=True).buy("005930", 1, price=None, kind=OrderKind.MARKET)
    hashing, order = wire.arrived[1:]
    assert placed.order_no == "0000051378"
    assert hashing.content == order.content
    assert order.headers["hashkey"] == sample("hashkey")["HASH"]
    assert headers_of(hashing) == {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "kisbot",
        "accept-encoding": "identity",
        "appkey": KEY,
        "appsecret": SECRET,
    }


async def test_a_hash_by_itself(kis, wire):
    wire.answer("/uapi/hashkey", sample("hashkey"))
    assert await kis.hashkey({"CANO": "12345678"}) == sample("hashkey")["HASH"]
    wire.forget("/uapi/hashkey")
    wire.answer("/uapi/hashkey", refusal("EGW00103"), status=403)
    with pytest.raises(Exception, match="KIS_APP_KEY"):
        await kis.hashkey({})
