"""Answers have the keys, and the form of values, of what others have captured from KIS."""

from __future__ import annotations

import json
import re

import pytest

from tests.sim.customer import TRADING
from tests.sim.samples import (
    BUYING_POWER,
    EXECUTION,
    HOLDING,
    OPEN_ORDER,
    ORDER_PAPER,
    ORDER_REAL,
    PAD,
    SELLABLE,
    SUMMARY,
)

SAMSUNG = "005930"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def like(got, sample):
    """The same keys, everything text, and numbers with as many decimals as in the capture."""
    sample = json.loads(sample)
    assert set(got) == set(sample)
    for key, seen in sample.items():
        assert isinstance(got[key], str), key
        if _NUMBER.fullmatch(seen) and got[key]:
            assert _NUMBER.fullmatch(got[key]), key
            assert len(got[key].partition(".")[2]) == len(seen.partition(".")[2]), key


def enveloped(answer, code, message):
    assert answer.status_code == 200
    body = answer.json()
    assert (body["rt_cd"], body["msg_cd"], body["msg1"].strip()) == ("0", code, message)
    return body


async def test_an_order_on_a_real_account(visit):
    customer = await visit(profile="real")
    body = (await customer.order("buy")).json()
    sample = json.loads(ORDER_REAL)
    like(body["output"], json.dumps(sample["output"]))
    assert {key: body[key] for key in ("rt_cd", "msg_cd", "msg1")} == {
        key: sample[key] for key in ("rt_cd", "msg_cd", "msg1")
    }
    assert body["output"]["KRX_FWDG_ORD_ORGNO"] == "03930"
    assert re.fullmatch(r"\d{10}", body["output"]["ODNO"])
    assert body["output"]["ORD_TMD"] == "100000"


async def test_an_order_on_paper(visit):
    customer = await visit(profile="paper", holdings={SAMSUNG: (10, 60000)})
    body = (await customer.order("buy")).json()
    sample = json.loads(ORDER_PAPER)
    assert set(body["output"]) == set(sample["output"])
    assert (body["msg_cd"], body["msg1"]) == (sample["msg_cd"], sample["msg1"])
    sale = (await customer.order("sell", price="75000")).json()
    assert (sale["msg_cd"], sale["msg1"]) == ("40590000", "모의투자 매도주문이 완료 되었습니다.")


@pytest.mark.parametrize(
    ("profile", "cancelled", "revised"), [("real", "APBK0013", "APBK0013"), ("paper", "40630000", "40620000")]
)
async def test_requests_about_orders_answer_like_orders(visit, profile, cancelled, revised):
    customer = await visit(profile=profile)
    order = (await customer.order("buy")).json()["output"]
    revision = (await customer.request(order["ODNO"], "01", ORD_UNPR="70900")).json()
    assert revision["msg_cd"] == revised
    assert set(revision["output"]) == set(order)
    assert revision["output"]["ODNO"] > order["ODNO"]
    cancel = (await customer.request(revision["output"]["ODNO"])).json()
    assert cancel["msg_cd"] == cancelled
    again = (await customer.request(revision["output"]["ODNO"])).json()
    assert again["msg_cd"] == {"real": "APBK0927", "paper": "40330000"}[profile]


async def test_the_order_list(visit):
    customer = await visit(profile="real")
    await customer.order("buy", code="088350", quantity="1", price="0", kind="01")
    body = enveloped(await customer.executions(), "KIOK0460", "조회 되었습니다. (마지막 자료)")
    (row,) = body["output1"]
    like(row, EXECUTION)
    fixed = ("ord_dvsn_name", "sll_buy_dvsn_cd", "sll_buy_dvsn_cd_name", "prdt_name", "ord_unpr", "avg_prvs")
    assert [row[key] for key in fixed] == ["시장가", "02", "현금매수", "한화생명", "0", "3150"]
    assert (row["tot_ccld_qty"], row["rmn_qty"], row["ordr_empno"]) == ("1", "0", "OpnAPI")
    assert body["output2"] == {
        "tot_ord_qty": "1",
        "tot_ccld_qty": "1",
        "tot_ccld_amt": "3150",
        "prsm_tlex_smtl": "0",
        "pchs_avg_pric": "3150.0000",
    }
    assert body["ctx_area_nk100"] == PAD
    assert len(body["ctx_area_fk100"]) == 100
    assert len(body["msg1"]) == 80


async def test_an_empty_order_list_is_no_failure(visit):
    customer = await visit(profile="real")
    assert enveloped(await customer.executions(), "KIOK0560", "조회할 내용이 없습니다.")["output1"] == []


async def test_revisions_and_cancels_in_the_order_list(visit):
    """The request has a row of its own that names its original; the original is done."""
    customer = await visit(profile="real")
    first = (await customer.order("buy")).json()["output"]["ODNO"]
    second = (await customer.request(first, "01", ORD_UNPR="70900")).json()["output"]["ODNO"]
    third = (await customer.request(second)).json()["output"]["ODNO"]
    rows = {row["odno"]: row for row in (await customer.executions()).json()["output1"]}
    assert [row["odno"] for row in rows.values()] == [third, second, first]
    assert [rows[number]["sll_buy_dvsn_cd_name"] for number in (first, second, third)] == [
        "현금매수",
        "매수정정*",
        "매수취소*",
    ]
    assert [rows[number]["orgn_odno"] for number in (first, second, third)] == ["", first, second]
    assert [rows[number]["rmn_qty"] for number in (first, second, third)] == ["0", "0", "0"]
    assert [rows[number]["cncl_cfrm_qty"] for number in (first, second, third)] == ["0", "10", "10"]
    assert [rows[number]["cncl_yn"] for number in (first, second, third)] == ["", "Y", ""]


async def test_an_order_keyed_in_elsewhere_bears_another_channel(visit):
    customer = await visit()
    customer.sim.exchange.submit("buy", SAMSUNG, "00", 1, 70000, channel="Nsmart")
    (row,) = (await customer.executions()).json()["output1"]
    assert row["ordr_empno"] == "Nsmart"


async def test_open_orders_of_a_real_account(visit):
    customer = await visit(profile="real")
    await customer.order("buy", code="088350", quantity="1", price="2900", EXCG_ID_DVSN_CD="SOR")
    body = enveloped(await customer.open_orders(), "KIOK0510", "조회가 완료되었습니다")
    (row,) = body["output"]
    like(row, OPEN_ORDER)
    assert (row["psbl_qty"], row["excg_dvsn_cd"], row["excg_id_dvsn_name"]) == ("1", "12", "SOR")
    assert body["ctx_area_fk100"].startswith(f"{customer.account['CANO']}^01^")
    customer.sim.exchange.set_price("088350", 2900)
    assert (await customer.open_orders()).json()["output"] == []


async def test_the_balance(visit):
    customer = await visit(profile="paper", cash=9644485, holdings={"114800": (35, 4482)})
    body = enveloped(await customer.balance(), "20310000", "모의투자 조회가 완료되었습니다.")
    (holding,) = body["output1"]
    (summary,) = body["output2"]
    like(holding, HOLDING)
    like(summary, SUMMARY)
    assert (holding["pchs_avg_pric"], holding["pchs_amt"], holding["evlu_amt"]) == ("4482.0000", "156870", "114275")
    assert (holding["evlu_pfls_amt"], holding["evlu_pfls_rt"]) == ("-42595", "-27.15")
    assert summary["tot_evlu_amt"] == str(9644485 + 114275)
    assert body["ctx_area_nk100"] == PAD


async def test_the_balance_after_buying_keeps_the_deposit_and_lowers_what_settles(visit):
    customer = await visit(profile="paper")
    await customer.order("buy", price="71100")
    (summary,) = (await customer.balance()).json()["output2"]
    spent = str(10_000_000 - 711_000 - 100)
    assert (summary["dnca_tot_amt"], summary["nxdy_excc_amt"], summary["prvs_rcdl_excc_amt"]) == (
        "10000000",
        "10000000",
        spent,
    )
    assert (summary["thdt_buy_amt"], summary["thdt_tlex_amt"]) == ("711000", "100")


async def test_buying_power_is_that_of_a_captured_account(visit):
    """Ten million won buy 9,998,580 won of shares, and five times that with a margin of 20 %."""
    customer = await visit(profile="paper")
    body = enveloped(await customer.buying_power(price="68100"), "20310000", "모의투자 조회가 완료되었습니다.")
    sample = json.loads(BUYING_POWER)
    like(body["output"], BUYING_POWER)
    for key in ("psbl_qty_calc_unpr", "nrcvb_buy_amt", "nrcvb_buy_qty"):
        assert body["output"][key] == sample[key]
    assert body["output"]["max_buy_amt"] == str(9998580 * 5)


async def test_buying_power_at_the_market_is_counted_at_the_upper_limit(visit):
    customer = await visit(profile="paper")
    output = (await customer.buying_power(price="", kind="01")).json()["output"]
    assert (output["psbl_qty_calc_unpr"], output["nrcvb_buy_qty"]) == ("92300", "108")
    amounts = (await customer.buying_power(code="", price="")).json()["output"]
    assert (amounts["nrcvb_buy_amt"], amounts["nrcvb_buy_qty"]) == ("9998580", "0")


async def test_buying_power_counts_sale_proceeds_apart_and_open_orders_not_at_all(visit):
    customer = await visit(profile="paper", holdings={SAMSUNG: (10, 60000)})
    await customer.order("sell", price="71000")
    await customer.order("buy", price="70000")
    output = (await customer.buying_power()).json()["output"]
    proceeds = 710_000 - 100 - 1_420
    assert output["ruse_psbl_amt"] == str(proceeds)
    assert output["ord_psbl_cash"] == str(10_000_000 - 700_099)
    assert output["nrcvb_buy_amt"] == str(int((10_000_000 - 700_099 + proceeds) / 1.000142))


async def test_sellable_shares_of_a_real_account(visit):
    customer = await visit(profile="real", holdings={SAMSUNG: (10, 60000)})
    await customer.order("sell", quantity="4", price="75000")
    query = {**customer.account, "PDNO": SAMSUNG}
    output = (await customer.get(TRADING + "inquire-psbl-sell", "TTTC8408R", query)).json()["output"]
    like(output, SELLABLE)
    assert (output["cblc_qty"], output["ord_psbl_qty"]) == ("10", "6")
