"""What KIS's wire refuses and in which form, its headers, its tokens, its pages: one small case a fact."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from tests.sim.customer import KOREA
from tests.sim.raw import V1, balance, buy, executions, sell

T, Q = "trading/", "quotations/"
PRICE, PRICE_TR = Q + "inquire-price", "FHKST01010100"
PROFILES = pytest.mark.parametrize("profile", ["real", "paper"])
THROTTLED = {"rt_cd": "1", "msg1": "초당 거래건수를 초과하였습니다.", "message": "EGW00201"}


async def quote(caller, fields=None, **headers):
    return await caller.get(PRICE, PRICE_TR, fields or caller.fid(), **headers)


async def cancel(caller, number, **body):
    tr_id = "TTTC0013U" if caller.real else "VTTC0013U"
    return await caller.post(T + "order-rvsecncl", tr_id, caller.change(number, **body))


def shown(reply):
    return reply.status, reply.body.get("rt_cd"), reply.code


# --- headers ----------------------------------------------------------------------------------------------


async def test_header_names_and_their_case(served):
    reply = await quote(await served())
    assert list(reply.headers)[:5] == ["Content-Type", "Content-Length", "Date", "tr_id", "tr_cont"]
    assert reply.headers["tr_cont"] == ""


async def test_the_tr_id_is_echoed(served):
    assert (await quote(await served())).headers["tr_id"] == PRICE_TR


@pytest.mark.parametrize(
    "headers",
    [
        {"custtype": None},
        {"custtype": "B"},
        {"tr_cont": ""},
        {"tr_cont": "N"},
        {"content-type": None},
        {"hashkey": "0" * 64},
        {"Accept": "text/plain", "charset": "UTF-8", "User-Agent": "Mozilla/5.0"},
    ],
    ids=str,
)
async def test_headers_that_do_not_matter_to_a_query(served, headers):
    assert (await quote(await served(), **headers)).body["rt_cd"] == "0"


async def test_header_names_come_in_any_case(served):
    caller = await served()
    headers = {name.upper(): value for name, value in caller.headers(PRICE_TR).items()}
    reply = await caller.send("GET", f"{V1}{PRICE}?FID_COND_MRKT_DIV_CODE=J&FID_INPUT_ISCD=005930", headers)
    assert reply.body["rt_cd"] == "0"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_comes_in_any_case(served, scheme):
    caller = await served()
    assert (await quote(caller, authorization=f"{scheme} {caller.token}")).body["rt_cd"] == "0"


@pytest.mark.parametrize("slash", ["//uapi/domestic-stock/v1/", "///uapi/domestic-stock/v1/"])
async def test_a_doubled_slash_in_front(served, slash):
    caller = await served()
    assert (await caller.get(PRICE, PRICE_TR, caller.fid(), slash=slash)).body["rt_cd"] == "0"


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
async def test_query_names_come_in_any_case(served, case):
    caller = await served()
    fields = {case(name): value for name, value in caller.fid().items()}
    assert (await quote(caller, fields)).body["rt_cd"] == "0"


# --- the gateway ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"authorization": None}, "EGW00121"),
        ({"authorization": "Bearer x"}, "EGW00121"),
        ({"authorization": "Basic x"}, "EGW00205"),
        ({"appkey": None}, "EGW00102"),
        ({"appkey": "x"}, "EGW00103"),
        ({"appsecret": None}, "EGW00104"),
        ({"appsecret": "x"}, "EGW00105"),
    ],
    ids=str,
)
async def test_who_calls(served, headers, code):
    assert shown(await quote(await served(), **headers)) == (500, "1", code)


@PROFILES
async def test_an_expired_token_is_http_500(served, profile):
    caller = await served(profile)
    caller.clock.move(hours=24)
    reply = await quote(caller)
    assert (reply.status, reply.body) == (
        500,
        {"rt_cd": "1", "msg_cd": "EGW00123", "msg1": "기간이 만료된 token 입니다."},
    )


@pytest.mark.parametrize(("profile", "limit"), [("real", 18), ("paper", 1)])
async def test_the_limit_a_second_and_the_code_under_message(served, profile, limit):
    caller = await served(profile, rate_limit=True)
    replies = [await quote(caller) for _ in range(limit + 1)]
    assert [reply.status for reply in replies] == [200] * limit + [500]
    assert replies[-1].body == THROTTLED


async def test_the_ledger_has_a_limit_of_its_own(served):
    caller = await served(ledger_per_second=1)
    await balance(caller)
    assert shown(await executions(caller)) == (500, "1", "EGW00215")
    assert (await quote(caller)).status == 200


@pytest.mark.parametrize(("profile", "other"), [("real", "paper"), ("paper", "real")])
async def test_keys_of_the_other_environment(served, profile, other):
    foreign = (await served(other)).key
    assert shown(await quote(await served(profile), appkey=foreign)) == (500, "1", "EGW02004")


@pytest.mark.parametrize(
    ("profile", "tr_id", "code"), [("paper", "TTTC0012U", "EGW02006"), ("real", "VTTC0012U", "EGW02004")]
)
async def test_an_order_tr_of_the_other_environment(served, profile, tr_id, code):
    assert shown(await buy(await served(profile), tr_id)) == (500, "1", code)


@pytest.mark.parametrize(
    ("path", "tr_id", "code"),
    [(Q + "inquire-index-price", "FHKUP03500100", "OPSQ0002"), (Q + "nothing", PRICE_TR, "EGW00203")],
)
async def test_a_path_and_a_tr_that_do_not_belong_together(served, path, tr_id, code):
    caller = await served()
    assert (await caller.get(path, tr_id, caller.fid())).code == code


# --- bodies and fields ------------------------------------------------------------------------------------


@PROFILES
@pytest.mark.parametrize(
    "body",
    [
        {"CNDT_PRIC": None},
        {"SLL_TYPE": None},
        {"SLL_TYPE": "01"},
        {"ORD_QTY": 1},
        {"ORD_UNPR": 70000},
        {"ORD_UNPR": "70000.0"},
        {"ORD_DVSN": None},
        {"PDNO": None},
    ],
    ids=str,
)
async def test_a_body_that_cannot_be_built(served, profile, body):
    caller = await served(profile)
    reply = await buy(caller, **body)
    assert shown(reply) == (500, "1", "IGW00007")
    assert reply.body["msg1"] == "MCA 전문바디 구성 중 오류가 발생하였습니다."
    assert caller.sim.exchange.orders == []


@pytest.mark.parametrize(("profile", "tr_id"), [("real", "TTTC0802U"), ("paper", "VTTC0802U")])
async def test_the_older_generation_needs_no_venue(served, profile, tr_id):
    bare = dict.fromkeys(("EXCG_ID_DVSN_CD", "SLL_TYPE", "CNDT_PRIC"))
    assert (await buy(await served(profile), tr_id, **bare)).body["rt_cd"] == "0"


@PROFILES
@pytest.mark.parametrize("wrong", [{"CANO": "99999999"}, {"ACNT_PRDT_CD": "22"}], ids=str)
async def test_an_account_that_is_not_the_key_s(served, profile, wrong):
    reply = await balance(await served(profile), **wrong)
    assert shown(reply) == (200, "2", "OPSQ2000")
    assert reply.body["msg1"] == "ERROR : INPUT INVALID_CHECK_ACNO"


@pytest.mark.parametrize(
    ("fields", "code"), [({"COND_MRKT_DIV_CODE": "Z"}, "OPSQ2001"), ({"INPUT_ISCD": None}, "OPSQ2002")], ids=str
)
async def test_fields_of_a_quotation(served, fields, code):
    caller = await served()
    assert shown(await quote(caller, caller.fid(**fields))) == (200, "2", code)


async def test_a_hashkey_is_checked_where_it_is_sent_and_not_asked_for(served):
    caller = await served()
    assert shown(await buy(caller, headers={"hashkey": "0" * 64})) == (500, "1", "EGW00131")
    reply = await caller.send(
        "POST", "/uapi/hashkey", {"appkey": caller.key, "appsecret": caller.secret}, b'{"CANO":"12345678"}'
    )
    assert reply.body["BODY"] == {"CANO": "12345678"}
    assert re.fullmatch("[0-9a-f]{64}", reply.body["HASH"])


async def test_an_order_is_json(served):
    assert shown(await buy(await served(), headers={"content-type": "text/plain"})) == (500, "1", "EGW00132")


# --- the broker's ladder ----------------------------------------------------------------------------------


@PROFILES
@pytest.mark.parametrize(
    ("body", "real", "paper"),
    [
        ({"PDNO": "999999"}, "APBK0656", "40070000"),
        ({"ORD_UNPR": "70050"}, "APBK0506", "40030000"),
        ({"ORD_DVSN": "99"}, "APBK0963", "40070000"),
        ({"ORD_QTY": "1000"}, "APBK0952", "40250000"),
    ],
    ids=str,
)
async def test_a_buy_that_is_turned_away(served, profile, body, real, paper):
    expected = (200, "7", real) if profile == "real" else (200, "1", paper)
    assert shown(await buy(await served(profile), **body)) == expected


@pytest.mark.parametrize(("profile", "rt_cd", "code"), [("real", "7", "APBK0400"), ("paper", "1", "40240000")])
async def test_a_sale_of_nothing(served, profile, rt_cd, code):
    assert shown(await sell(await served(profile))) == (200, rt_cd, code)


@PROFILES
@pytest.mark.parametrize(
    ("day", "hour", "real", "paper"),
    [
        (20, 8, "APBK0918", "40570000"),
        (20, 21, "APBK0918", "40580000"),
        (20, 17, "APBK3013", "40580000"),
        (21, 10, "APBK0919", "40100000"),
    ],
)
async def test_hours_and_holidays(served, profile, day, hour, real, paper):
    caller = await served(profile, login=False, always_open=False)
    caller.clock.at = datetime(2026, 11, day, hour, tzinfo=KOREA)
    assert (await buy(await caller.log_in())).code == (real if profile == "real" else paper)


@pytest.mark.parametrize(("profile", "rt_cd", "code"), [("real", "7", "APBK0927"), ("paper", "1", "40330000")])
async def test_nothing_left_to_cancel(served, profile, rt_cd, code):
    caller = await served(profile)
    number = (await buy(caller)).body["output"]["ODNO"]
    assert (await cancel(caller, number)).body["rt_cd"] == "0"
    assert shown(await cancel(caller, number)) == (200, rt_cd, code)


@PROFILES
async def test_an_unknown_original_answers_rt_cd_1(served, profile):
    assert (await cancel(await served(profile), "0000000001")).body["rt_cd"] == "1"


# --- orders -----------------------------------------------------------------------------------------------


async def test_00_rests_01_takes_any_price_and_03_is_a_limit_that_may_rest(served):
    caller = await served(cash=100_000_000)
    caller.sim.exchange.books["005930"].depth = 2
    for kind, price in (("00", "70000"), ("01", "70000"), ("03", "0")):
        await buy(caller, ORD_DVSN=kind, ORD_UNPR=price, ORD_QTY="3")
    rows = (await executions(caller, INQR_DVSN="01")).body["output1"]
    filled = [(row["ord_dvsn_name"], row["tot_ccld_qty"], row["rmn_qty"]) for row in rows]
    assert filled == [("지정가", "0", "3"), ("시장가", "3", "0"), ("최유리지정가", "1", "2")]


async def test_a_market_buy_is_measured_at_the_upper_limit(served):
    caller = await served(cash=92_300 * 10 + 200)
    query = caller.power(ORD_DVSN="01", ORD_UNPR="")
    output = (await caller.get(T + "inquire-psbl-order", "TTTC8908R", query)).body["output"]
    assert (output["psbl_qty_calc_unpr"], output["nrcvb_buy_qty"]) == ("92300", "10")
    assert (await buy(caller, ORD_DVSN="01", ORD_UNPR="0", ORD_QTY="11")).code == "APBK0952"
    assert (await buy(caller, ORD_DVSN="01", ORD_UNPR="0", ORD_QTY="10")).body["rt_cd"] == "0"


async def test_a_revision_lives_on_under_a_new_number(served):
    caller = await served()
    number = (await buy(caller)).body["output"]["ODNO"]
    change = {"RVSE_CNCL_DVSN_CD": "01", "ORD_UNPR": "69900"}
    new = (await cancel(caller, number, **change)).body["output"]["ODNO"]
    (row,) = (await caller.get(T + "inquire-psbl-rvsecncl", "TTTC0084R", caller.open_orders())).body["output"]
    assert (row["odno"], row["orgn_odno"], row["ord_unpr"]) == (new, number, "69900")
    assert int(new) > int(number)


@PROFILES
async def test_an_empty_order_list_is_a_success(served, profile):
    reply = await executions(await served(profile))
    assert (reply.status, reply.body["rt_cd"], reply.body["output1"]) == (200, "0", [])
    assert reply.code == ("KIOK0560" if profile == "real" else "20310000")


async def test_an_order_may_be_missing_from_the_list_for_a_while(served):
    caller = await served(ledger_lag=2.0)
    await buy(caller)
    assert (await executions(caller)).body["output1"] == []
    caller.clock.move(seconds=2)
    assert len((await executions(caller)).body["output1"]) == 1


async def test_what_is_sold_out_stays_listed_and_the_deposit_knows_nothing_yet(served):
    caller = await served(holdings={"005930": (1, 60000)})
    await sell(caller, ORD_DVSN="01", ORD_UNPR="0")
    body = (await balance(caller)).body
    assert (body["output1"][0]["hldg_qty"], body["output1"][0]["thdt_sll_qty"]) == ("0", "1")
    cash = [body["output2"][0][key] for key in ("dnca_tot_amt", "nxdy_excc_amt", "prvs_rcdl_excc_amt")]
    assert cash == ["10000000", "10000000", str(10_000_000 + 71_000 - 10 - 142)]


async def test_a_change_bears_its_sign(served):
    caller = await served()
    caller.sim.exchange.set_price("005930", 70000)
    output = (await quote(caller)).body["output"]
    assert [output[key] for key in ("prdy_vrss", "prdy_vrss_sign", "prdy_ctrt")] == ["-1000", "5", "-1.41"]


# --- tokens -----------------------------------------------------------------------------------------------


async def test_a_token(served):
    caller = await served(login=False)
    reply = await caller.oauth("tokenP", grant_type="client_credentials", appkey=caller.key, appsecret=caller.secret)
    assert set(reply.body) == {"access_token", "access_token_token_expired", "token_type", "expires_in"}
    assert (reply.body["expires_in"], reply.body["token_type"]) == (86400, "Bearer")
    assert reply.body["access_token_token_expired"] == "2026-11-21 10:00:00"
    assert reply.body["access_token"].count(".") == 2


@pytest.mark.parametrize(("seconds", "outcome"), [(59, "refused"), (61, "same"), (6 * 3600, "new")])
async def test_a_token_asked_for_again(served, seconds, outcome):
    caller = await served()
    caller.clock.move(seconds=seconds)
    reply = await caller.oauth("tokenP", grant_type="client_credentials", appkey=caller.key, appsecret=caller.secret)
    if outcome == "refused":
        words = "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"
        assert (reply.status, reply.body) == (403, {"error_code": "EGW00133", "error_description": words})
    else:
        assert (reply.body["access_token"] == caller.token) is (outcome == "same")


async def test_a_revoked_token(served):
    caller = await served()
    reply = await caller.oauth("revokeP", appkey=caller.key, appsecret=caller.secret, token=caller.token)
    assert (reply.status, reply.body["code"]) == (200, 200)
    assert (await quote(caller)).code == "EGW00121"


async def test_an_approval_key_wants_secretkey(served):
    caller = await served()
    fields = {"grant_type": "client_credentials", "appkey": caller.key}
    assert len((await caller.oauth("Approval", **fields, secretkey=caller.secret)).body["approval_key"]) == 36
    assert set((await caller.oauth("Approval", **fields, appsecret=caller.secret)).body) == {
        "error_code",
        "error_description",
    }


# --- pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "size"), [("real", 100), ("paper", 15)])
async def test_pages_of_the_order_list(served, profile, size):
    caller = await served(profile)
    for _ in range(size + 1):
        caller.sim.exchange.submit("buy", "027360", "00", 1, 2000)
    first = await executions(caller)
    assert (first.headers["tr_cont"], len(first.body["output1"])) == ("F", size)
    cursors = {name.upper(): first.body[name] for name in ("ctx_area_fk100", "ctx_area_nk100")}
    assert {len(cursor) for cursor in cursors.values()} == {100}
    tr_id = "TTTC0081R" if profile == "real" else "VTTC0081R"
    last = await caller.get(T + "inquire-daily-ccld", tr_id, caller.executions(**cursors), tr_cont="N")
    assert (last.headers["tr_cont"], len(last.body["output1"])) == ("E", 1)
    assert last.body["ctx_area_nk100"].strip() == ""
