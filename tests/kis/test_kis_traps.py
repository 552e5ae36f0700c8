"""Ways in which KIS differs from what one would expect, where no other test holds them down."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

from kis import OrderKind
from kis.endpoints import ENDPOINTS
from kis.error_codes import code_of, is_success, message_of
from tests.kis.kis_answers import INDEX_CHART, INDEX_ROW
from tests.kis.kis_wire import TOKEN_PATH, sample

BUSINESS = {"rt_cd": "7", "msg_cd": "APBK0952", "msg1": "주문가능금액을 초과 했습니다".ljust(80)}
GATEWAY = {"rt_cd": "1", "msg_cd": "EGW00123", "msg1": "기간이 만료된 token 입니다."}
RATE = {"rt_cd": "1", "msg1": "초당 거래건수를 초과하였습니다.", "message": "EGW00201"}
OAUTH = {"error_description": "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)", "error_code": "EGW00133"}
REVOKED = {"code": 200, "message": "접근토큰 폐기에 성공하였습니다"}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (BUSINESS, "APBK0952", "주문가능금액을 초과 했습니다"),
        (GATEWAY, "EGW00123", "기간이 만료된 token 입니다."),
        (RATE, "EGW00201", "초당 거래건수를 초과하였습니다."),
        (OAUTH, "EGW00133", "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"),
        (REVOKED, None, "접근토큰 폐기에 성공하였습니다"),
    ],
    ids=["business", "gateway", "rate", "oauth2", "revoked"],
)
def test_the_code_stands_in_five_shapes_of_body(body, code, words):
    assert (code_of(body), message_of(body), is_success(body)) == (code, words, False)


def test_the_ledger_s_own_limit_is_kept_by_every_read_of_the_account():
    account = {"balance", "buying_power", "executions", "executions_older", "open_orders", "period_profit", "sellable"}
    assert {one.name for one in ENDPOINTS if one.ledger} == account


async def test_before_the_open_the_day_s_prices_are_nought(kis, wire):
    body = sample("price")
    body["output"] |= {"stck_oprc": "0", "stck_hgpr": "0", "stck_lwpr": "0", "acml_vol": "0", "acml_tr_pbmn": "0"}
    wire.answer("inquire-price", body)
    quote = await kis.price("005930")
    assert (quote.open, quote.high, quote.low, quote.volume, quote.price) == (0, 0, 0, 0, 75_700)


async def test_the_chart_of_an_index_has_a_bar_of_today_before_the_open(kis, wire):
    level = dict.fromkeys(["bstp_nmix_prpr", "bstp_nmix_oprc", "bstp_nmix_hgpr", "bstp_nmix_lwpr"], "2807.63")
    today = INDEX_ROW | level | {"stck_bsop_date": "20261120", "acml_vol": "0", "acml_tr_pbmn": "0"}
    wire.answer("inquire-daily-indexchartprice", INDEX_CHART | {"output2": [today]})
    (bar,) = (await kis.index_bars("0001", date(2026, 11, 20), date(2026, 11, 20))).bars
    assert (bar.open, bar.close, bar.volume) == (Decimal("2807.63"), Decimal("2807.63"), 0)


@pytest.mark.parametrize("days", [1, 2, 30])
async def test_a_token_some_days_and_a_second_old_is_renewed(kis, wire, clock, days):
    """The seconds of a difference in days start over each day: the official sample compares those."""
    wire.answer("inquire-price", sample("price"))
    await kis.price("005930")
    clock.now += timedelta(days=days, seconds=1)
    await kis.price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 2


async def test_an_order_has_nine_keys_all_of_them_text(kis, wire):
    wire.answer("order-cash", sample("order_paper"))
    await kis.sell("005930", 10, price=75_700, kind=OrderKind.LIMIT)
    body = json.loads(wire.sent("order-cash")[0].content)
    assert len(body) == 9
    assert {type(value) for value in body.values()} == {str}
