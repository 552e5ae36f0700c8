"""The simulator against KIS's wire as others have described and captured it: one small case a fact.

Requests are written by hand (`raw.Caller`), expected answers come from the portal's tables and from published
captures (`samples`); neither our client nor its tables are looked at. The count of cases:
`pytest tests/sim/test_conformance*.py --collect-only -q | tail -1`. What is refused, and how, stands in
`test_conformance_refusals`.
"""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.sim import samples
from tests.sim.customer import KOREA
from tests.sim.raw import Caller, balance, buy, executions, sell

T, Q, R = "trading/", "quotations/", "ranking/"
DATES = "INPUT_DATE_1:20260901 INPUT_DATE_2:20261120 PERIOD_DIV_CODE:D"
BOOK, BARS = Q + "inquire-asking-price-exp-ccn", Q + "inquire-daily-itemchartprice"
MINUTES, INDEX_DAYS = Q + "inquire-time-itemchartprice", Q + "inquire-daily-indexchartprice"
FLUCTUATION_NAMES = (
    "fid_cond_mrkt_div_code:J fid_cond_scr_div_code:20170 fid_input_iscd:0000 fid_rank_sort_cls_code:0 "
    "fid_input_cnt_1:0 fid_prc_cls_code:1 fid_input_price_1 fid_input_price_2 fid_vol_cnt fid_trgt_cls_code:0 "
    "fid_trgt_exls_cls_code:0 fid_div_cls_code:0 fid_rsfl_rate1 fid_rsfl_rate2"
)
FLUCTUATION = {name: value for name, _, value in (one.partition(":") for one in FLUCTUATION_NAMES.split())}
RANK = (
    "COND_SCR_DIV_CODE:20171 INPUT_ISCD:0000 DIV_CLS_CODE:0 BLNG_CLS_CODE:0 TRGT_CLS_CODE:111111111 "
    "TRGT_EXLS_CLS_CODE:000000 INPUT_PRICE_1 INPUT_PRICE_2 VOL_CNT INPUT_DATE_1"
)
PRICE, PRICE_TR = Q + "inquire-price", "FHKST01010100"


# --- which TR belongs to which path, environment and generation -------------------------------------------

TABLE = [  # path, real, paper, older real, older paper
    (T + "order-cash", "TTTC0012U", "VTTC0012U", "TTTC0802U", "VTTC0802U", lambda c: c.order()),
    (T + "inquire-psbl-rvsecncl", "TTTC0084R", None, "TTTC8036R", None, lambda c: c.open_orders()),
    (T + "inquire-daily-ccld", "TTTC0081R", "VTTC0081R", "TTTC8001R", "VTTC8001R", lambda c: c.executions()),
    (T + "inquire-daily-ccld", "CTSC9215R", "VTSC9215R", "CTSC9115R", "VTSC9115R", lambda c: c.executions()),
    (T + "inquire-balance", "TTTC8434R", "VTTC8434R", None, None, lambda c: c.balance()),
    (T + "inquire-psbl-order", "TTTC8908R", "VTTC8908R", None, None, lambda c: c.power()),
    (T + "inquire-psbl-sell", "TTTC8408R", None, None, None, lambda c: c.account("PDNO:000660")),
    (T + "inquire-period-profit", "TTTC8708R", None, None, None, lambda c: c.profit()),
    (PRICE, PRICE_TR, PRICE_TR, None, None, lambda c: c.fid()),
    (BOOK, "FHKST01010200", "FHKST01010200", None, None, lambda c: c.fid()),
    (BARS, "FHKST03010100", "FHKST03010100", None, None, lambda c: c.fid(DATES + " ORG_ADJ_PRC:0")),
    (
        MINUTES,
        "FHKST03010200",
        "FHKST03010200",
        None,
        None,
        lambda c: c.fid("ETC_CLS_CODE INPUT_HOUR_1:100000 PW_DATA_INCU_YN:N"),
    ),
    (Q + "volume-rank", "FHPST01710000", None, None, None, lambda c: c.fid(RANK)),
    (R + "fluctuation", "FHPST01700000", None, None, None, lambda c: FLUCTUATION),
    (
        Q + "inquire-index-price",
        "FHPUP02100000",
        None,
        None,
        None,
        lambda c: c.fid("COND_MRKT_DIV_CODE:U INPUT_ISCD:0001"),
    ),
    (
        INDEX_DAYS,
        "FHKUP03500100",
        "FHKUP03500100",
        None,
        None,
        lambda c: c.fid(f"COND_MRKT_DIV_CODE:U INPUT_ISCD:0001 {DATES}"),
    ),
    (
        Q + "chk-holiday",
        "CTCA0903R",
        None,
        None,
        None,
        lambda c: {"BASS_DT": "20261120", "CTX_AREA_NK": "", "CTX_AREA_FK": ""},
    ),
    (Q + "search-stock-info", "CTPF1002R", None, None, None, lambda c: {"PRDT_TYPE_CD": "300", "PDNO": "005930"}),
]
OFFERED = [
    pytest.param(profile, row[0], tr_id, row[5], id=f"{profile}-{row[0]}-{tr_id}")
    for row in TABLE
    for profile, tr_id in (("real", row[1]), ("paper", row[2]), ("real", row[3]), ("paper", row[4]))
    if tr_id
]
# Paper's clients send a T or C id as it stands, or with the V that the official helper puts in front.
REFUSED = [
    pytest.param(row[0], tr_id, id=f"{row[0]}-{tr_id}")
    for row in TABLE
    if row[2] is None
    for tr_id in ((row[1],) if row[1].startswith("F") else (row[1], "V" + row[1][1:]))
]


async def answer_of(caller, path, tr_id, fields):
    if path == T + "order-cash":
        return await caller.post(path, tr_id, fields)
    return await caller.get(path, tr_id, fields)


@pytest.mark.parametrize(("profile", "path", "tr_id", "fields"), OFFERED)
async def test_a_tr_of_the_table_is_answered(served, profile, path, tr_id, fields):
    caller = await served(profile, holdings={"000660": (1, 100000)})
    reply = await answer_of(caller, path, tr_id, fields(caller))
    assert (reply.status, reply.body["rt_cd"]) == (200, "0"), reply.body
    assert reply.headers["tr_id"] == tr_id
    others = [row[0] for row in TABLE if row[0] != path]
    assert (await answer_of(caller, others[0], tr_id, {"A": "1"})).code == "OPSQ0002"


@pytest.mark.parametrize(("path", "tr_id"), REFUSED)
async def test_paper_refuses_by_name_what_it_does_not_offer(served, path, tr_id):
    reply = await answer_of(await served("paper"), path, tr_id, {"A": "1"})
    assert (reply.status, reply.body["rt_cd"], reply.code) == (500, "1", "EGW02006")


@pytest.mark.parametrize("tr_id", ["TTTC0011U", "TTTC0801U"])
async def test_side_is_the_tr_s_and_eleven_sells(served, tr_id):
    caller = await served(holdings={"005930": (1, 60000)})
    await caller.post(T + "order-cash", tr_id, caller.order(ORD_UNPR="71000"))
    assert caller.sim.exchange.ledger.held("005930") == 0


@pytest.mark.parametrize("tr_id", ["TTTC0013U", "TTTC0803U"])
async def test_cancel_takes_either_generation(served, tr_id):
    caller = await served()
    number = (await buy(caller)).body["output"]["ODNO"]
    reply = await caller.post(T + "order-rvsecncl", tr_id, caller.change(number))
    assert set(reply.body["output"]) == set(json.loads(samples.ORDER_REAL)["output"])


# --- key sets of captured answers -------------------------------------------------------------------------


def same_form(got, sample):
    assert set(got) == set(sample)
    assert all(isinstance(value, str) for value in got.values())


@pytest.mark.parametrize(("profile", "sample"), [("real", samples.ORDER_REAL), ("paper", samples.ORDER_PAPER)])
async def test_an_accepted_order(served, profile, sample):
    sample, got = json.loads(sample), (await buy(await served(profile))).body
    assert (got["msg_cd"], got["msg1"], set(got)) == (sample["msg_cd"], sample["msg1"], set(sample))
    same_form(got["output"], sample["output"])
    assert got["output"]["KRX_FWDG_ORD_ORGNO"] == sample["output"]["KRX_FWDG_ORD_ORGNO"]
    assert len(got["output"]["ODNO"]) == 10


async def test_a_paper_sale_has_a_code_of_its_own(served):
    caller = await served("paper", holdings={"005930": (1, 60000)})
    assert (await sell(caller, ORD_UNPR="71000")).code == "40590000"


async def test_the_order_list(served):
    caller = await served()
    await buy(caller, ORD_DVSN="01", ORD_UNPR="0")
    body = (await executions(caller)).body
    same_form(body["output1"][0], json.loads(samples.EXECUTION))
    assert set(body["output2"]) == {"tot_ord_qty", "tot_ccld_qty", "tot_ccld_amt", "prsm_tlex_smtl", "pchs_avg_pric"}
    assert (body["msg_cd"], body["msg1"].strip(), len(body["msg1"])) == (
        "KIOK0460",
        "조회 되었습니다. (마지막 자료)",
        80,
    )
    assert body["ctx_area_fk100"].startswith(f"{caller.cano}!^01!^20261120!^20261120!^")
    assert body["ctx_area_nk100"] == " " * 100
    row = body["output1"][0]
    shown = [row[key] for key in ("ord_dvsn_name", "ord_unpr", "ordr_empno", "ccld_cndt_name", "cncl_yn")]
    assert shown == ["시장가", "0", "OpnAPI", "없음", ""]


async def test_the_open_orders(served):
    caller = await served()
    await buy(caller)
    body = (await caller.get(T + "inquire-psbl-rvsecncl", "TTTC0084R", caller.open_orders())).body
    same_form(body["output"][0], json.loads(samples.OPEN_ORDER))
    assert (body["msg_cd"], body["output"][0]["psbl_qty"]) == ("KIOK0510", "1")
    await caller.post(T + "order-rvsecncl", "TTTC0013U", caller.change(body["output"][0]["odno"]))
    body = (await caller.get(T + "inquire-psbl-rvsecncl", "TTTC0084R", caller.open_orders())).body
    assert (body["output"], body["msg_cd"], body["rt_cd"]) == ([], "KIOK0560", "0")


@pytest.mark.parametrize("profile", ["real", "paper"])
async def test_the_balance(served, profile):
    body = (await balance(await served(profile, holdings={"114800": (35, 4482)}))).body
    same_form(body["output1"][0], json.loads(samples.HOLDING))
    same_form(body["output2"][0], json.loads(samples.SUMMARY))
    assert isinstance(body["output2"], list)
    assert body["output1"][0]["pchs_avg_pric"] == "4482.0000"
    assert body["msg_cd"] == ("20310000" if profile == "paper" else "KIOK0510")
    assert len(body["msg1"]) == 80


@pytest.mark.parametrize(
    ("path", "tr_id", "query", "part", "sample"),
    [
        (T + "inquire-psbl-order", "TTTC8908R", Caller.power, "output", samples.BUYING_POWER),
        (T + "inquire-psbl-sell", "TTTC8408R", lambda c: c.account("PDNO:000660"), "output", samples.SELLABLE),
        (BARS, "FHKST03010100", lambda c: c.fid(DATES + " ORG_ADJ_PRC:0"), "output2", samples.BAR),
        (Q + "volume-rank", "FHPST01710000", lambda c: c.fid(RANK), "output", samples.RANKED),
        (
            Q + "inquire-index-price",
            "FHPUP02100000",
            lambda c: c.fid("COND_MRKT_DIV_CODE:U INPUT_ISCD:0001"),
            "output",
            samples.INDEX,
        ),
        (
            Q + "chk-holiday",
            "CTCA0903R",
            lambda c: {"BASS_DT": "20261120", "CTX_AREA_NK": "", "CTX_AREA_FK": ""},
            "output",
            samples.DAY,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else "",
)
async def test_the_keys_of_a_captured_answer(served, path, tr_id, query, part, sample):
    caller = await served(holdings={"000660": (1, 100000)})
    found = (await caller.get(path, tr_id, query(caller))).body[part]
    same_form(found[0] if isinstance(found, list) else found, json.loads(sample))


async def test_the_quote_has_every_key_and_no_name(served):
    caller = await served()
    output = (await caller.get(PRICE, PRICE_TR, caller.fid())).body["output"]
    assert set(output) == {*json.loads(samples.PRICE), *samples.PRICE_TOO.split()}
    assert "hts_kor_isnm" not in output


async def test_rows_of_the_minute_chart(served):
    caller = await served()
    query = caller.fid("ETC_CLS_CODE INPUT_HOUR_1:100000 PW_DATA_INCU_YN:N")
    body = (await caller.get(MINUTES, "FHKST03010200", query)).body
    keys = "stck_bsop_date stck_cntg_hour stck_prpr stck_oprc stck_hgpr stck_lwpr cntg_vol acml_tr_pbmn"
    assert set(body["output2"][0]) == set(keys.split())
    summary = "prdy_vrss prdy_vrss_sign prdy_ctrt stck_prdy_clpr acml_vol acml_tr_pbmn hts_kor_isnm stck_prpr"
    assert (set(body["output1"]), len(body["output2"])) == (set(summary.split()), 30)


async def test_rows_of_the_fluctuation_rank_name_the_code_otherwise(served):
    caller = await served()
    rows = (await caller.get(R + "fluctuation", "FHPST01700000", FLUCTUATION)).body["output"]
    assert len(rows) == 30
    assert "stck_shrn_iscd" in rows[0]
    assert "mksc_shrn_iscd" not in rows[0]


async def test_the_keys_of_period_profit(served):
    caller = await served()
    await buy(caller, ORD_UNPR="71100")
    body = (await caller.get(T + "inquire-period-profit", "TTTC8708R", caller.profit())).body
    keys = "trad_dt buy_amt sll_amt rlzt_pfls fee loan_int tl_tax pfls_rt sll_qty1 buy_qty1"
    totals = (
        "sll_qty_smtl sll_tr_amt_smtl sll_fee_smtl sll_tltx_smtl sll_excc_amt_smtl buy_qty_smtl buy_tr_amt_smtl "
        "buy_fee_smtl buy_tax_smtl buy_excc_amt_smtl tot_qty tot_tr_amt tot_fee tot_tltx tot_excc_amt "
        "tot_rlzt_pfls loan_int"
    )
    assert set(body["output1"][0]) == set(keys.split())
    assert set(body["output2"]) == set(totals.split())


# --- calendar and figures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "upper", "lower", "width"), [(77300, 100400, 54200, 23100), (75700, 98400, 53000, 22700)]
)
async def test_price_limits_of_captured_quotes(served, base, upper, lower, width):
    caller = await served()
    caller.sim.exchange.issues["005930"].base = base
    output = (await caller.get(PRICE, PRICE_TR, caller.fid())).body["output"]
    got = [output[key] for key in ("stck_sdpr", "stck_mxpr", "stck_llam", "rstc_wdth_prc")]
    assert got == [str(base), str(upper), str(lower), str(width)]


@pytest.mark.parametrize(
    ("price", "tick"), [(1999, 1), (2000, 5), (5000, 10), (20000, 50), (50000, 100), (200000, 500), (500000, 1000)]
)
async def test_ticks(served, price, tick):
    caller = await served()
    issue = caller.sim.exchange.issues["005930"]
    issue.base = issue.last = price
    output = (await caller.get(PRICE, PRICE_TR, caller.fid())).body["output"]
    assert output["aspr_unit"] == str(tick)


@pytest.mark.parametrize(("day", "opens", "trades"), [("20261121", "N", "Y"), ("20261123", "Y", "Y")])
async def test_opnd_yn_tells_whether_the_exchange_opens(served, day, opens, trades):
    caller = await served()
    query = {"BASS_DT": "20261120", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}
    body = (await caller.get(Q + "chk-holiday", "CTCA0903R", query)).body
    row = next(row for row in body["output"] if row["bass_dt"] == day)
    assert (row["opnd_yn"], row["tr_day_yn"], len(body["output"]), body["msg_cd"]) == (opens, trades, 24, "KIOK0500")


async def test_the_day_s_prices_are_nought_before_the_open(served):
    caller = await served(always_open=False)
    caller.clock.at = datetime(2026, 11, 23, 8, tzinfo=KOREA)
    await caller.log_in()
    output = (await caller.get(PRICE, PRICE_TR, caller.fid())).body["output"]
    assert [output[key] for key in ("stck_oprc", "stck_hgpr", "stck_lwpr", "acml_vol")] == ["0"] * 4
