"""Whatever arrives is answered, in one of KIS's envelopes, and changes nothing unless it is an order."""

from __future__ import annotations

import asyncio

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from kis.sim import Simulator
from tests.sim.customer import QUOTATIONS, TRADING, Customer

GETS = [
    (TRADING + "inquire-balance", "TTTC8434R"),
    (TRADING + "inquire-psbl-order", "TTTC8908R"),
    (TRADING + "inquire-daily-ccld", "TTTC0081R"),
    (TRADING + "inquire-psbl-rvsecncl", "TTTC0084R"),
    (TRADING + "inquire-psbl-sell", "TTTC8408R"),
    (QUOTATIONS + "inquire-price", "FHKST01010100"),
    (QUOTATIONS + "inquire-asking-price-exp-ccn", "FHKST01010200"),
    (QUOTATIONS + "inquire-daily-itemchartprice", "FHKST03010100"),
    (QUOTATIONS + "inquire-daily-indexchartprice", "FHKUP03500100"),
    (QUOTATIONS + "inquire-index-price", "FHPUP02100000"),
    (QUOTATIONS + "volume-rank", "FHPST01710000"),
    (QUOTATIONS + "chk-holiday", "CTCA0903R"),
    (QUOTATIONS + "search-stock-info", "CTPF1002R"),
]
POSTS = [
    (TRADING + "order-cash", "TTTC0012U"),
    (TRADING + "order-cash", "TTTC0801U"),
    (TRADING + "order-rvsecncl", "TTTC0013U"),
]
NAMES = [
    "PDNO",
    "ORD_DVSN",
    "ORD_QTY",
    "ORD_UNPR",
    "EXCG_ID_DVSN_CD",
    "SLL_TYPE",
    "CNDT_PRIC",
    "ORGN_ODNO",
    "RVSE_CNCL_DVSN_CD",
    "QTY_ALL_ORD_YN",
    "KRX_FWDG_ORD_ORGNO",
    "INQR_STRT_DT",
    "INQR_END_DT",
    "SLL_BUY_DVSN_CD",
    "CCLD_DVSN",
    "INQR_DVSN",
    "INQR_DVSN_1",
    "INQR_DVSN_2",
    "INQR_DVSN_3",
    "ORD_GNO_BRNO",
    "ODNO",
    "CTX_AREA_NK100",
    "AFHR_FLPR_YN",
    "OFL_YN",
    "UNPR_DVSN",
    "FUND_STTL_ICLD_YN",
    "FNCG_AMT_AUTO_RDPT_YN",
    "PRCS_DVSN",
    "CMA_EVLU_AMT_ICLD_YN",
    "OVRS_ICLD_YN",
    "FID_COND_MRKT_DIV_CODE",
    "FID_INPUT_ISCD",
    "FID_INPUT_DATE_1",
    "FID_INPUT_DATE_2",
    "FID_PERIOD_DIV_CODE",
    "FID_ORG_ADJ_PRC",
    "FID_COND_SCR_DIV_CODE",
    "FID_DIV_CLS_CODE",
    "FID_BLNG_CLS_CODE",
    "BASS_DT",
    "PRDT_TYPE_CD",
]
LIKELY = ["", "0", "00", "01", "02", "10", "J", "U", "D", "W", "Y", "N", "005930", "0001", "71000", "20261120", "300"]
values = st.sampled_from(LIKELY) | st.text(max_size=30) | st.just("9" * 40)
fields = st.dictionaries(st.sampled_from(NAMES), values, min_size=0) | st.fixed_dictionaries(
    dict.fromkeys(NAMES, values)
)


async def ask(call, given_fields, tr_cont):
    sim = Simulator(profile="real", rate_limit=False)
    transport = httpx.ASGITransport(app=sim.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kis") as http:
        customer = await Customer(sim, http).log_in()
        path, tr_id = call
        given_fields = {**customer.account, **given_fields}
        send = customer.post if call in POSTS else customer.get
        return sim, await send(path, tr_id, given_fields, tr_cont=tr_cont)


@settings(max_examples=80, deadline=None)
@given(call=st.sampled_from(GETS + POSTS), asked=fields, tr_cont=st.sampled_from(["", "N"]))
def test_whatever_arrives_is_answered(call, asked, tr_cont):
    sim, answer = asyncio.run(ask(call, asked, tr_cont))
    body = answer.json()
    assert answer.status_code in {200, 500}
    assert body["rt_cd"] in {"0", "1", "2", "7"}
    assert body["msg_cd"]
    assert body["msg1"]
    if call in GETS or body["rt_cd"] != "0":
        assert sim.exchange.orders == []
