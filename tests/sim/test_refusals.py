"""Every refusal of the ladder, from the gateway to the ledger, in the words of either environment."""

from __future__ import annotations

import pytest

from tests.sim.customer import QUOTATIONS, TRADING

SAMSUNG = "005930"
ORDER = TRADING + "order-cash"
QUOTE = QUOTATIONS + "inquire-price"


def says(answer, status, rt_cd, code, part=""):
    body = answer.json()
    assert (answer.status_code, body["rt_cd"], body["msg_cd"]) == (status, rt_cd, code), body
    assert part in body["msg1"]
    assert "output" not in body


async def order(customer, side="buy", tr_id=None, headers=None, **body):
    body = {key: value for key, value in customer.order_body(**body).items() if value is not None}
    return await customer.post(ORDER, tr_id or customer.tr[side], body, **(headers or {}))


# --- the gateway ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("authorization", "", "EGW00121"),
        ("authorization", "Bearer garbage", "EGW00121"),
        ("authorization", "Basic something", "EGW00205"),
        ("appkey", "", "EGW00102"),
        ("appkey", "PSwrong", "EGW00103"),
        ("appsecret", "", "EGW00104"),
        ("appsecret", "wrong", "EGW00105"),
    ],
)
async def test_keys_and_tokens_are_checked_first(visit, profile, header, value, code):
    customer = await visit(profile=profile)
    says(await customer.price(**{header: value}), 500, "1", code)
    answer = await customer.post(ORDER, customer.tr["buy"], customer.order_body(), **{header: value})
    says(answer, 500, "1", code)
    assert customer.sim.exchange.orders == []


async def test_the_bearer_is_read_in_any_case(visit):
    customer = await visit()
    token = customer.headers["authorization"].removeprefix("Bearer ")
    assert (await customer.price(authorization=f"bearer {token}")).status_code == 200


async def test_an_expired_token_is_told_from_a_wrong_one(visit, profile, clock):
    customer = await visit(profile=profile)
    clock.move(hours=23, minutes=59)
    assert (await customer.price()).status_code == 200
    clock.move(minutes=1)
    says(await customer.price(), 500, "1", "EGW00123", "기간이 만료된 token 입니다.")


async def test_the_keys_of_the_other_environment_are_turned_away_by_name(visit, profile):
    customer = await visit(profile=profile)
    foreign = await visit(profile="real" if profile == "paper" else "paper")
    says(await customer.price(appkey=foreign.headers["appkey"]), 500, "1", "EGW02004", "실전투자 TR 이 아닙니다")


@pytest.mark.parametrize(
    ("profile", "tr_id", "code"),
    [
        ("paper", "TTTC0012U", "EGW02006"),
        ("real", "VTTC0012U", "EGW02004"),
        ("paper", "FHKST01010100", "OPSQ0002"),
        ("real", "TTTC0013U", "OPSQ0002"),
        ("real", "XXXXXXXXX", "OPSQ0002"),
        ("real", "", "OPSQ9999"),
    ],
)
async def test_a_tr_of_the_other_environment_or_of_another_path_is_refused(visit, profile, tr_id, code):
    customer = await visit(profile=profile)
    says(await customer.post(ORDER, tr_id, customer.order_body()), 500, "1", code)
    assert customer.sim.exchange.orders == []


@pytest.mark.parametrize(
    ("path", "tr_id"),
    [
        (TRADING + "inquire-psbl-rvsecncl", "TTTC0084R"),
        (TRADING + "inquire-psbl-rvsecncl", "VTTC0084R"),
        (TRADING + "inquire-psbl-rvsecncl", "VTTC8036R"),
        (TRADING + "inquire-psbl-sell", "VTTC8408R"),
        (QUOTATIONS + "volume-rank", "FHPST01710000"),
        (QUOTATIONS + "inquire-index-price", "FHPUP02100000"),
        (QUOTATIONS + "chk-holiday", "VTCA0903R"),
        (QUOTATIONS + "search-stock-info", "CTPF1002R"),
        (QUOTATIONS + "search-info", "CTPF1604R"),
    ],
)
async def test_paper_does_not_offer_everything(visit, path, tr_id):
    customer = await visit(profile="paper")
    says(await customer.get(path, tr_id, {}), 500, "1", "EGW02006", "모의투자 TR 이 아닙니다.")


async def test_the_index_path_does_not_take_the_chart_s_tr(visit):
    """The pair circulates in documents; the chart's TR belongs to inquire-daily-indexchartprice."""
    customer = await visit(profile="real")
    answer = await customer.get(QUOTATIONS + "inquire-index-price", "FHKUP03500100", {})
    says(answer, 500, "1", "OPSQ0002")


async def test_a_path_that_is_not_there(visit):
    customer = await visit()
    says(await customer.get("/uapi/domestic-stock/v1/nothing", "FHKST01010100", {}), 500, "1", "EGW00203")


async def test_an_order_must_be_json_and_a_hashkey_must_fit(visit, profile):
    customer = await visit(profile=profile)
    says(await order(customer, headers={"content-type": "text/plain"}), 500, "1", "EGW00132")
    says(await order(customer, headers={"hashkey": "0" * 64}), 500, "1", "EGW00131")
    body = customer.order_body()
    answer = await customer.post("/uapi/hashkey", "", body)
    assert answer.json()["BODY"] == body
    assert len(answer.json()["HASH"]) == 64
    assert (await order(customer, headers={"hashkey": answer.json()["HASH"]})).json()["rt_cd"] == "0"


# --- fields -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"CNDT_PRIC": None},
        {"SLL_TYPE": None},
        {"EXCG_ID_DVSN_CD": None},
        {"ORD_UNPR": None},
        {"ORD_QTY": 10},
        {"ORD_UNPR": 71000},
        {"ORD_UNPR": "71000.0"},
        {"ORD_QTY": "ten"},
        {"ORD_QTY": "0"},
        {"ORD_QTY": "-1"},
        {"SLL_TYPE": "01"},
        {"SURPLUS": 1},
    ],
)
async def test_a_body_that_cannot_be_built_is_refused(visit, profile, body):
    customer = await visit(profile=profile)
    answer = await order(customer, **body)
    says(answer, 500, "1", "IGW00007", "MCA 전문바디 구성 중 오류가 발생하였습니다.")
    assert customer.sim.exchange.orders == []


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b"[" * 99_999, b'{"CANO":', b"\xff"], ids=lambda c: repr(c[:9])
)
async def test_a_body_that_is_no_object_is_refused(visit, content):
    customer = await visit()
    headers = {**customer.headers, "tr_id": customer.tr["buy"], "content-type": "application/json"}
    answer = await customer.http.post(ORDER, content=content, headers=headers)
    assert (answer.status_code, answer.json()["rt_cd"]) == (500, "1")
    assert customer.sim.exchange.orders == []


async def test_body_keys_in_lower_case_are_not_found(visit):
    customer = await visit()
    body = {key.lower(): value for key, value in customer.order_body().items()}
    says(await customer.post(ORDER, customer.tr["buy"], body), 500, "1", "IGW00007")


@pytest.mark.parametrize(
    ("profile", "buy", "sell", "cancel", "list_"),
    [
        ("real", "TTTC0802U", "TTTC0801U", "TTTC0803U", "TTTC8001R"),
        ("paper", "VTTC0802U", "VTTC0801U", "VTTC0803U", "VTTC8001R"),
    ],
)
async def test_the_older_tr_ids_do_the_same_with_the_older_body(visit, profile, buy, sell, cancel, list_):
    customer = await visit(profile=profile, holdings={SAMSUNG: (1, 60000)})
    older = {"EXCG_ID_DVSN_CD": None, "SLL_TYPE": None, "CNDT_PRIC": None}
    bought = (await order(customer, tr_id=buy, **older)).json()
    sold = (await order(customer, tr_id=sell, quantity="1", price="75000", **older)).json()
    assert [o.side for o in customer.sim.exchange.orders] == ["buy", "sell"]
    assert int(sold["output"]["ODNO"]) > int(bought["output"]["ODNO"])
    body = customer.request_body(bought["output"]["ODNO"])
    assert (await customer.post(TRADING + "order-rvsecncl", cancel, body)).json()["rt_cd"] == "0"
    rows = await customer.get(TRADING + "inquire-daily-ccld", list_, customer.executions_query())
    assert len(rows.json()["output1"]) == 3


async def test_a_lenient_simulator_takes_what_clients_sent_before_august_2026(visit):
    customer = await visit(strict=False)
    assert (await order(customer, SLL_TYPE=None, CNDT_PRIC=None)).json()["rt_cd"] == "0"


async def test_an_unknown_account(visit, profile):
    customer = await visit(profile=profile)
    says(await order(customer, CANO="99999999"), 200, "2", "OPSQ2000", "INVALID_CHECK_ACNO")
    says(await customer.balance(ACNT_PRDT_CD="22"), 200, "2", "OPSQ2000")
    says(await customer.executions(CANO="99999999"), 200, "2", "OPSQ2000")


async def test_missing_and_wrong_fields_of_a_query(visit, profile):
    customer = await visit(profile=profile)
    path, tr_id = QUOTE, "FHKST01010100"
    says(await customer.get(path, tr_id, {"FID_INPUT_ISCD": SAMSUNG}), 200, "2", "OPSQ2002", "FID_COND")
    says(await customer.price(market="X"), 200, "2", "OPSQ2001")
    says(await customer.price(code="999999"), 200, "1", "APBK0656")
    query = customer.executions_query()
    del query["CCLD_DVSN"]
    path = TRADING + "inquire-daily-ccld"
    says(await customer.get(path, customer.tr["executions"], query), 200, "2", "OPSQ2002", "CCLD_DVSN")
    says(await customer.executions(INQR_STRT_DT="yesterday"), 200, "2", "OPSQ2002")


async def test_query_names_in_either_case_and_a_doubled_slash(visit):
    customer = await visit()
    query = {"fid_cond_mrkt_div_code": "J", "Fid_Input_Iscd": SAMSUNG}
    answer = await customer.get("http://kis/" + QUOTE, "FHKST01010100", query)
    assert answer.json()["output"]["stck_prpr"] == "71000"


# --- the ledger -------------------------------------------------------------------------------------------

LADDER = [
    ({"code": "999999"}, ("7", "APBK0656"), ("1", "40070000")),
    ({"price": "71050"}, ("7", "APBK0506"), ("1", "40030000")),
    ({"price": "0"}, ("7", "APBK0506"), ("1", "40030000")),
    ({"price": "92400"}, ("7", "APBK0406"), ("1", "40030000")),
    ({"price": "49600"}, ("7", "APBK0406"), ("1", "40030000")),
    ({"kind": "99"}, ("7", "APBK0963"), ("1", "40070000")),
    ({"kind": "limit"}, ("7", "APBK0963"), ("1", "40070000")),
    ({"quantity": "141"}, ("7", "APBK0952"), ("1", "40250000")),
    ({"quantity": "109", "kind": "01", "price": "0"}, ("7", "APBK0952"), ("1", "40250000")),
    ({"side": "sell"}, ("7", "APBK0400"), ("1", "40240000")),
]


@pytest.mark.parametrize(("body", "real", "paper"), LADDER)
async def test_the_broker_turns_orders_away(visit, profile, body, real, paper):
    customer = await visit(profile=profile)
    says(await order(customer, **body), 200, *(real if profile == "real" else paper))
    assert customer.sim.exchange.orders == []


@pytest.mark.parametrize(
    ("moment", "real", "paper"),
    [
        ({"hour": 8, "minute": 0}, "APBK0918", "40570000"),
        ({"hour": 15, "minute": 35}, "APBK0918", "40580000"),
        ({"hour": 17, "minute": 0}, "APBK3013", "40580000"),
        ({"hour": 22, "minute": 0}, "APBK0918", "40580000"),
        ({"day": 21, "hour": 10}, "APBK0919", "40100000"),
    ],
)
async def test_outside_hours(visit, clock, profile, moment, real, paper):
    clock.at = clock.at.replace(**moment)
    customer = await visit(profile=profile, always_open=False)
    answer = await order(customer)
    says(answer, 200, *(("7", real) if profile == "real" else ("1", paper)))


async def test_the_session_is_looked_at_before_the_symbol_and_the_symbol_before_the_price(visit, clock):
    customer = await visit(profile="real", always_open=False)
    says(await order(customer, code="999999", price="1"), 200, "7", "APBK0656")
    says(await order(customer, price="71050", quantity="9999"), 200, "7", "APBK0506")
    clock.move(hours=12)
    says(await order(customer, code="999999", price="1"), 200, "7", "APBK0918")


@pytest.mark.parametrize(("profile", "rt_cd", "code"), [("real", "1", "APBK0344"), ("paper", "1", "40320000")])
async def test_an_unknown_original(visit, profile, rt_cd, code):
    customer = await visit(profile=profile)
    says(await customer.request("0000123456"), 200, rt_cd, code)
    number = (await customer.order("buy")).json()["output"]["ODNO"]
    says(await customer.request(number, KRX_FWDG_ORD_ORGNO="99999"), 200, rt_cd, code)


async def test_paper_trades_on_krx_only(visit):
    customer = await visit(profile="paper")
    assert (await order(customer, EXCG_ID_DVSN_CD="SOR")).json()["rt_cd"] == "1"
    customer = await visit(profile="real")
    assert (await order(customer, EXCG_ID_DVSN_CD="SOR")).json()["rt_cd"] == "0"


async def test_kis_codes_not_the_circulating_ones(visit):
    """01 is a market order and ignores the price; 03 is a limit at the opposite best and may rest."""
    customer = await visit(cash=100_000_000)
    customer.sim.exchange.books[SAMSUNG].depth = 3
    await order(customer, kind="01", price="50000", quantity="4")
    await order(customer, kind="03", price="0", quantity="4")
    market, best = customer.sim.exchange.orders
    assert (market.filled, market.price) == (4, 0)
    assert (best.filled, best.open) == (2, 2)
