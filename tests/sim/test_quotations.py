"""Answers have the keys, and the form of values, of what others have captured from KIS."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from tests.sim.customer import QUOTATIONS
from tests.sim.samples import BAR, BARS_SUMMARY, DAY, INDEX, PRICE, PRICE_TOO, RANKED

SAMSUNG = "005930"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def like(got, sample):
    """The same keys, everything text, and numbers with as many decimals as in the capture."""
    sample = json.loads(sample)
    assert set(got) == set(sample)
    for key, seen in sample.items():
        assert isinstance(got[key], str), key
        if _NUMBER.fullmatch(seen) and got[key] and not key.endswith("iscd"):  # codes may hold letters
            assert _NUMBER.fullmatch(got[key]), key
            assert len(got[key].partition(".")[2]) == len(seen.partition(".")[2]), key


def enveloped(answer, code, message):
    assert answer.status_code == 200
    body = answer.json()
    assert (body["rt_cd"], body["msg_cd"], body["msg1"].strip()) == ("0", code, message)
    return body


async def test_the_quote_leaves_out_no_field(visit):
    customer = await visit()
    body = enveloped(await customer.price(), "MCA00000", "정상처리 되었습니다.")
    more = dict.fromkeys(PRICE_TOO.split(), "")
    like(body["output"], json.dumps(json.loads(PRICE) | more))
    expected = {"stck_prpr": "71000", "stck_mxpr": "92300", "stck_llam": "49700", "rstc_wdth_prc": "21300"}
    assert {key: body["output"][key] for key in expected} == expected


async def test_the_change_of_a_quote_bears_its_sign(visit):
    customer = await visit()
    customer.sim.exchange.set_price(SAMSUNG, 69600)
    output = (await customer.price()).json()["output"]
    assert [output[key] for key in ("prdy_vrss", "prdy_vrss_sign", "prdy_ctrt")] == ["-1400", "5", "-1.97"]
    customer.sim.exchange.set_price(SAMSUNG, 92300)
    output = (await customer.price()).json()["output"]
    assert [output[key] for key in ("prdy_vrss", "prdy_vrss_sign", "prdy_ctrt")] == ["21300", "1", "30.00"]


async def test_the_order_book(visit):
    customer = await visit()
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
    path = QUOTATIONS + "inquire-asking-price-exp-ccn"
    body = enveloped(await customer.get(path, "FHKST01010200", query), "MCA00000", "정상처리 되었습니다.")
    sides = {f"{word}{n}" for word in ("askp", "bidp", "askp_rsqn", "bidp_rsqn") for n in range(1, 11)}
    sides |= {f"{word}p_rsqn_icdc{n}" for word in ("ask", "bid") for n in range(1, 11)}
    totals = (
        "aspr_acpt_hour total_askp_rsqn total_bidp_rsqn total_askp_rsqn_icdc total_bidp_rsqn_icdc "
        "ovtm_total_askp_icdc ovtm_total_bidp_icdc ovtm_total_askp_rsqn ovtm_total_bidp_rsqn ntby_aspr_rsqn "
        "new_mkop_cls_code"
    )
    assert set(body["output1"]) == sides | set(totals.split())
    assert set(body["output2"]) == {
        "antc_mkop_cls_code",
        "stck_prpr",
        "stck_oprc",
        "stck_hgpr",
        "stck_lwpr",
        "stck_sdpr",
        "antc_cnpr",
        "antc_cntg_vrss_sign",
        "antc_cntg_vrss",
        "antc_cntg_prdy_ctrt",
        "antc_vol",
        "stck_shrn_iscd",
        "vi_cls_code",
    }
    first = body["output1"]
    assert (first["askp1"], first["bidp1"], first["askp10"], first["bidp10"]) == ("71100", "71000", "72000", "70100")
    assert int(first["total_askp_rsqn"]) == sum(int(first[f"askp_rsqn{n}"]) for n in range(1, 11))


async def bars(customer, start, end, period="D"):
    query = {
        "FID_COND_MRKT_DIV_CODE": "J",
        "FID_INPUT_ISCD": SAMSUNG,
        "FID_INPUT_DATE_1": start,
        "FID_INPUT_DATE_2": end,
        "FID_PERIOD_DIV_CODE": period,
        "FID_ORG_ADJ_PRC": "0",
    }
    return await customer.get(QUOTATIONS + "inquire-daily-itemchartprice", "FHKST03010100", query)


async def test_daily_bars_come_newest_first_and_a_hundred_at_most(visit):
    customer = await visit()
    body = enveloped(await bars(customer, "20250901", "20261120"), "MCA00000", "정상처리 되었습니다.")
    rows = body["output2"]
    for row in rows:
        like(row, BAR)
    days = [row["stck_bsop_date"] for row in rows]
    assert (len(days), days[:3]) == (100, ["20261120", "20261119", "20261118"])
    assert days == sorted(days, reverse=True)
    assert set(body["output1"]) == set(BARS_SUMMARY.split())
    assert body["output1"]["hts_kor_isnm"] == "삼성전자"
    for newer, older in pairwise(rows):
        assert int(newer["prdy_vrss"]) == int(newer["stck_clpr"]) - int(older["stck_clpr"])
        assert int(newer["stck_lwpr"]) <= int(newer["stck_clpr"]) <= int(newer["stck_hgpr"])
    assert rows[1]["stck_clpr"] == "71000"


async def test_bars_by_month(visit):
    customer = await visit()
    rows = (await bars(customer, "20260101", "20261120", "M")).json()["output2"]
    assert [row["stck_bsop_date"][:6] for row in rows] == [f"2026{month:02d}" for month in range(11, 0, -1)]


async def test_the_volume_rank(visit):
    customer = await visit(profile="real")
    query = {
        "FID_COND_MRKT_DIV_CODE": "J",
        "FID_COND_SCR_DIV_CODE": "20171",
        "FID_INPUT_ISCD": "0000",
        "FID_DIV_CLS_CODE": "0",
        "FID_BLNG_CLS_CODE": "0",
        "FID_TRGT_CLS_CODE": "111111111",
        "FID_TRGT_EXLS_CLS_CODE": "000000",
        "FID_INPUT_PRICE_1": "",
        "FID_INPUT_PRICE_2": "",
        "FID_VOL_CNT": "",
        "FID_INPUT_DATE_1": "",
    }
    rows = (await customer.get(QUOTATIONS + "volume-rank", "FHPST01710000", query)).json()["output"]
    for row in rows:
        like(row, RANKED)
    volumes = [int(row["acml_vol"]) for row in rows]
    assert len(rows) == 30
    assert volumes == sorted(volumes, reverse=True)
    assert [row["data_rank"] for row in rows] == [str(n) for n in range(1, 31)]


@pytest.mark.parametrize(("code", "near"), [("0001", 3180.5), ("1001", 872.3), ("2001", 432.95)])
async def test_an_index(visit, code, near):
    customer = await visit(profile="real")
    query = {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": code}
    output = (await customer.get(QUOTATIONS + "inquire-index-price", "FHPUP02100000", query)).json()["output"]
    like(output, INDEX)
    assert float(output["bstp_nmix_prpr"]) == near
    for issue in customer.sim.exchange.issues.values():
        customer.sim.exchange.set_price(issue.listing.code, issue.step(issue.base, 3))
    output = (await customer.get(QUOTATIONS + "inquire-index-price", "FHPUP02100000", query)).json()["output"]
    assert float(output["bstp_nmix_prpr"]) > near
    assert (output["prdy_vrss_sign"], output["down_issu_cnt"]) == ("2", "0")


async def test_the_daily_chart_of_an_index_on_either_environment(visit, profile):
    customer = await visit(profile=profile)
    query = {
        "FID_COND_MRKT_DIV_CODE": "U",
        "FID_INPUT_ISCD": "0001",
        "FID_INPUT_DATE_1": "20260101",
        "FID_INPUT_DATE_2": "20261120",
        "FID_PERIOD_DIV_CODE": "D",
    }
    answer = await customer.get(QUOTATIONS + "inquire-daily-indexchartprice", "FHKUP03500100", query)
    rows = answer.json()["output2"]
    assert len(rows) == 50
    assert set(rows[0]) == {
        "stck_bsop_date",
        "bstp_nmix_prpr",
        "bstp_nmix_oprc",
        "bstp_nmix_hgpr",
        "bstp_nmix_lwpr",
        "acml_vol",
        "acml_tr_pbmn",
        "mod_yn",
    }
    assert rows[1]["bstp_nmix_prpr"] == answer.json()["output1"]["prdy_nmix"] == "3180.50"


async def test_holidays(visit):
    customer = await visit(profile="real")
    query = {"BASS_DT": "20261223", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}
    body = (await customer.get(QUOTATIONS + "chk-holiday", "CTCA0903R", query)).json()
    days = {day["bass_dt"]: day for day in body["output"]}
    for day in days.values():
        like(day, DAY)
    assert (len(days), body["ctx_area_nk"]) == (24, "20270115" + " " * 12)
    assert [days[day]["opnd_yn"] for day in ("20261224", "20261225", "20261226", "20261228")] == list("YNNY")
    assert days["20261226"]["tr_day_yn"] == "Y"
    assert days["20261227"]["wday_dvsn_cd"] == "01"


@pytest.mark.parametrize(("path", "tr_id"), [("search-stock-info", "CTPF1002R"), ("search-info", "CTPF1604R")])
async def test_the_particulars_of_an_issue(visit, path, tr_id):
    customer = await visit(profile="real")
    query = {"PRDT_TYPE_CD": "300", "PDNO": SAMSUNG}
    output = (await customer.get(QUOTATIONS + path, tr_id, query)).json()["output"]
    assert (output["pdno"], output["prdt_abrv_name"]) == ("000000005930", "삼성전자")
    assert output["std_pdno"] == "KR7005930003"
