"""Market scripts, as a client sees them; minute charts, rankings and profit; and a limiter with moods."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kis.sim import SimClock, Simulator
from kis.sim.exchange.scenario import SCRIPTS
from tests.sim.customer import KOREA, QUOTATIONS, TRADING, Clock

SAMSUNG, HYNIX = "005930", "000660"


@pytest.fixture
def sim_clock():
    clock = SimClock(datetime(2026, 11, 20, 10, tzinfo=KOREA), real=Clock())
    clock.freeze()
    return clock


@pytest.fixture
def stage(visit, sim_clock):
    async def stage(scenario, **options):
        return await visit(clock=sim_clock, scenario=scenario, cash=100_000_000, **options)

    return stage


async def quote(customer, code=SAMSUNG):
    return (await customer.price(code)).json()["output"]


# --- scripts ----------------------------------------------------------------------------------------------


async def test_gap_up_opens_the_day_above_yesterday(stage):
    seen = await quote(await stage("gap_up"))
    assert [seen[key] for key in ("stck_oprc", "stck_lwpr", "stck_prpr", "stck_sdpr")] == ["76600"] * 3 + ["71000"]
    assert seen["prdy_ctrt"] == "7.89"


@pytest.mark.parametrize(("profile", "code"), [("real", "APBK0656"), ("paper", "40070000")])
async def test_a_halt_refuses_orders_and_revisions_but_not_cancels(stage, sim_clock, profile, code):
    customer = await stage("halt@60", profile=profile)
    number = (await customer.order("buy", price="70000")).json()["output"]["ODNO"]
    sim_clock.step(60)
    seen = await quote(customer)
    assert (seen["temp_stop_yn"], seen["iscd_stat_cls_code"]) == ("Y", "58")
    assert (await customer.order("buy")).json()["msg_cd"] == code
    assert (await customer.request(number, "01", ORD_UNPR="70100")).json()["msg_cd"] == code
    assert (await customer.request(number)).json()["rt_cd"] == "0"
    assert (await customer.order("buy", code=HYNIX, price="0", kind="01", quantity="1")).json()["rt_cd"] == "0"
    sim_clock.step(1_800)
    assert (await quote(customer))["temp_stop_yn"] == "N"
    assert (await customer.order("buy")).json()["rt_cd"] == "0"


async def test_in_a_vi_orders_wait_and_match_when_it_ends(stage, sim_clock):
    customer = await stage("vi")
    seen = await quote(customer)
    assert (seen["vi_cls_code"], seen["stck_prpr"]) == ("Y", "78100")
    assert (await customer.order("buy", price="78500")).json()["rt_cd"] == "0"
    (order,) = customer.sim.exchange.orders
    sim_clock.step(119)
    customer.sim.exchange.step()
    assert (await quote(customer))["vi_cls_code"] == "Y"
    assert order.filled == 0
    sim_clock.step(1)
    assert (await quote(customer))["vi_cls_code"] == "N"
    assert order.filled == 10


async def test_an_order_can_be_taken_back_in_a_vi(stage, sim_clock):
    customer = await stage("vi")
    number = (await customer.order("buy", price="78500")).json()["output"]["ODNO"]
    assert (await customer.request(number)).json()["rt_cd"] == "0"
    sim_clock.step(200)
    await quote(customer)
    assert customer.sim.exchange.orders[0].filled == 0
    assert customer.sim.exchange.ledger.buying_power == 100_000_000


@pytest.mark.parametrize(
    ("scenario", "limit", "sign", "empty"), [("limit_up", "92300", "1", "ask"), ("limit_down", "49700", "4", "bid")]
)
async def test_at_a_limit_nobody_is_on_the_other_side(stage, sim_clock, scenario, limit, sign, empty):
    customer = await stage(scenario)
    sim_clock.step(60)
    seen = await quote(customer)
    assert (seen["stck_prpr"], seen["prdy_vrss_sign"]) == (limit, sign)
    levels = customer.sim.exchange.levels(SAMSUNG, "sell" if empty == "ask" else "buy")
    assert (levels == []) is (empty == "ask")
    assert (await customer.order("buy", price="0", kind="01", quantity="1")).json()["rt_cd"] == "0"
    assert customer.sim.exchange.orders[0].filled == (0 if empty == "ask" else 1)


async def test_a_crash_takes_every_issue_down_in_order(stage, sim_clock):
    customer = await stage("crash")
    issues = customer.sim.exchange.issues.values()
    for seconds, least, most in ((0, -3.6, -2.9), (60, -11, -9.9), (240, -21, -19.9)):
        sim_clock.step(seconds)
        await quote(customer)
        changes = [100 * (issue.last - issue.base) / issue.base for issue in issues if issue.base > 5_000]
        assert least < min(changes) <= max(changes) < most
    assert not any(issue.vi for issue in issues)


async def test_all_of_a_script_may_come_at_once(stage, sim_clock):
    """However long nobody looked, the last line of the script is the last to have happened."""
    customer = await stage("crash")
    sim_clock.step(3_000)
    await quote(customer)
    exchange = customer.sim.exchange
    assert exchange.schedule.waiting == ()
    assert exchange.quote(SAMSUNG).last == exchange.quote(SAMSUNG).low == 56800


async def test_a_script_fills_what_it_passes(stage, sim_clock):
    customer = await stage(f"limit_down:{HYNIX}@10")
    base = customer.sim.exchange.quote(HYNIX).base
    customer.sim.exchange.submit("buy", HYNIX, "00", 3, customer.sim.exchange.quote(HYNIX).step(base, -5))
    sim_clock.step(10)
    await quote(customer, HYNIX)
    assert customer.sim.exchange.orders[0].filled == 3
    assert customer.sim.exchange.quote(SAMSUNG).last == 71000


async def test_several_scripts_with_codes_and_delays(stage, sim_clock):
    customer = await stage(f"halt:{HYNIX}, gap_up@5")
    assert (await quote(customer, HYNIX))["temp_stop_yn"] == "Y"
    assert (await quote(customer))["stck_prpr"] == "71000"
    sim_clock.step(5)
    assert (await quote(customer))["stck_prpr"] == "76600"


@pytest.mark.parametrize("text", ["boom", "halt:1", "vi@-1", "vi@x", "crash:"])
def test_a_scenario_that_is_not_there_is_named_at_once(text):
    if text == "crash:":  # the script's own code
        Simulator(scenario=text)
        return
    with pytest.raises(ValueError, match=r"scenario|listed"):
        Simulator(scenario=text)


def test_every_script_says_in_two_languages_what_it_does():
    for script in SCRIPTS.values():
        assert " · " in script.description


# --- charts, ranks, profit --------------------------------------------------------------------------------

MINUTE = "stck_bsop_date stck_cntg_hour stck_prpr stck_oprc stck_hgpr stck_lwpr cntg_vol acml_tr_pbmn"


async def minutes(customer, hour="153000", past="N", **more):
    query = {
        "FID_ETC_CLS_CODE": "",
        "FID_COND_MRKT_DIV_CODE": "J",
        "FID_INPUT_ISCD": SAMSUNG,
        "FID_INPUT_HOUR_1": hour,
        "FID_PW_DATA_INCU_YN": past,
        **more,
    }
    query = {key: value for key, value in query.items() if value is not None}
    return await customer.get(QUOTATIONS + "inquire-time-itemchartprice", "FHKST03010200", query)


async def test_minutes_come_newest_first_and_thirty_at_most(stage, sim_clock, profile):
    customer = await stage("", profile=profile)
    for minute in range(3):
        sim_clock.step(60)
        customer.sim.exchange.trade(SAMSUNG, 71100 + 100 * minute, 7)
    body = (await minutes(customer)).json()
    rows = body["output2"]
    assert (body["msg_cd"], len(rows), set(rows[0])) == ("MCA00000", 30, set(MINUTE.split()))
    assert [row["stck_cntg_hour"] for row in rows[:4]] == ["100300", "100200", "100100", "100000"]
    assert [row["cntg_vol"] for row in rows[:3]] == ["7", "7", "7"]
    assert rows[0]["stck_prpr"] == "71300"
    assert rows[0]["acml_tr_pbmn"] == body["output1"]["acml_tr_pbmn"]
    totals = [int(row["acml_tr_pbmn"]) for row in rows]
    assert totals == sorted(totals, reverse=True)


async def test_the_minutes_of_the_day_add_up_to_its_volume(stage):
    customer = await stage("")
    seen, hour = 0, "153000"
    while rows := (await minutes(customer, hour)).json()["output2"]:
        seen += sum(int(row["cntg_vol"]) for row in rows)
        oldest = datetime.strptime(rows[-1]["stck_cntg_hour"], "%H%M%S").replace(tzinfo=KOREA)
        hour = (oldest - timedelta(minutes=1)).strftime("%H%M%S")
    assert str(seen) == (await quote(customer))["acml_vol"]


async def test_minutes_of_days_gone_by_stay_within_their_daily_bars(stage):
    customer = await stage("")
    rows = (await minutes(customer, "090500", past="Y")).json()["output2"]
    assert [len(rows), rows[0]["stck_bsop_date"], rows[-1]["stck_bsop_date"]] == [30, "20261120", "20261119"]
    day = customer.sim.exchange.quote(SAMSUNG).bars[-1]
    for row in rows:
        if row["stck_bsop_date"] == "20261119":
            assert day.low <= int(row["stck_lwpr"]) <= int(row["stck_hgpr"]) <= day.high
    assert next(row for row in rows if row["stck_bsop_date"] == "20261119")["stck_prpr"] == str(day.close)


@pytest.mark.parametrize("wrong", [{"FID_ETC_CLS_CODE": None}, {"hour": "9am"}, {"FID_INPUT_HOUR_1": ""}])
async def test_the_minute_chart_wants_every_key(stage, wrong):
    assert (await minutes(await stage(""), **wrong)).json()["rt_cd"] == "2"


async def ranked(customer, sort="0", market="0000"):
    names = "fid_cond_mrkt_div_code fid_cond_scr_div_code fid_input_iscd fid_rank_sort_cls_code fid_input_cnt_1 "
    names += "fid_prc_cls_code fid_input_price_1 fid_input_price_2 fid_vol_cnt fid_trgt_cls_code "
    names += "fid_trgt_exls_cls_code fid_div_cls_code fid_rsfl_rate1 fid_rsfl_rate2"
    values = ["J", "20170", market, sort, "0", "1", "", "", "", "0", "0", "0", "", ""]
    path = "/uapi/domestic-stock/v1/ranking/fluctuation"
    return await customer.get(path, "FHPST01700000", dict(zip(names.split(), values, strict=True)))


async def test_the_ranking_by_fluctuation(stage):
    customer = await stage(f"limit_up:{HYNIX},limit_down:{SAMSUNG}", profile="real")
    rise, fall = [(await ranked(customer, sort)).json()["output"] for sort in "01"]
    assert (len(rise), rise[0]["stck_shrn_iscd"], fall[0]["stck_shrn_iscd"]) == (30, HYNIX, SAMSUNG)
    assert [float(row["prdy_ctrt"]) for row in rise] == sorted((float(r["prdy_ctrt"]) for r in rise), reverse=True)
    assert len(rise[0]) == 24
    kosdaq = (await ranked(customer, market="1001")).json()["output"]
    assert not {HYNIX, SAMSUNG} & {row["stck_shrn_iscd"] for row in kosdaq}
    assert (await ranked(customer, sort="9")).json()["msg_cd"] == "OPSQ2002"


async def test_profit_by_day(stage, sim_clock):
    customer = await stage("", profile="real", holdings={SAMSUNG: (10, 60000)})
    customer.sim.exchange.submit("sell", SAMSUNG, "00", 4, 71000)
    customer.sim.exchange.submit("buy", HYNIX, "01", 1)
    sim_clock.step(86_400 * 3)
    customer.sim.exchange.submit("sell", SAMSUNG, "01", 1)
    query = {
        **customer.account,
        "INQR_STRT_DT": "20261101",
        "INQR_END_DT": "20261130",
        "PDNO": "",
        "SORT_DVSN": "01",
        "INQR_DVSN": "00",
        "CBLC_DVSN": "00",
        "CTX_AREA_FK100": "",
        "CTX_AREA_NK100": "",
    }
    await customer.log_in()
    body = (await customer.get(TRADING + "inquire-period-profit", "TTTC8708R", query)).json()
    first, second = body["output1"]
    assert (first["trad_dt"], first["sll_qty1"], first["buy_qty1"], second["trad_dt"]) == (
        "20261120",
        "4",
        "1",
        "20261123",
    )
    fee, tax = 40, 568  # 284,000 won at 0.0142 % and 0.20 %
    assert int(first["rlzt_pfls"]) == 4 * (71000 - 60000) - fee - tax
    totals = body["output2"]
    assert int(totals["tot_rlzt_pfls"]) == int(first["rlzt_pfls"]) + int(second["rlzt_pfls"])
    assert (totals["sll_qty_smtl"], totals["buy_qty_smtl"], totals["tot_qty"]) == ("5", "1", "6")


async def test_codes_with_letters_are_quoted_and_traded(stage):
    customer = await stage("")
    assert (await quote(customer, "0080G0"))["stck_shrn_iscd"] == "0080G0"
    answer = await customer.order("buy", code="0080G0", price="15000", quantity="1")
    assert answer.json()["rt_cd"] == "0"


# --- orders that do not rest ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "price", "filled"),
    [("11", "71100", 5), ("12", "71100", 0), ("13", "0", 8), ("14", "0", 8), ("15", "0", 5), ("16", "0", 0)],
)
async def test_ioc_takes_what_is_there_and_fok_all_or_nothing(stage, kind, price, filled):
    customer = await stage("", profile="real")
    customer.sim.exchange.books[SAMSUNG].depth = 5
    assert (await customer.order("buy", kind=kind, price=price, quantity="8")).json()["rt_cd"] == "0"
    (row,) = (await customer.executions()).json()["output1"]
    assert (row["tot_ccld_qty"], row["rmn_qty"], row["cncl_cfrm_qty"]) == (str(filled), "0", str(8 - filled))
    assert row["ccld_cndt_name"] == ("IOC" if kind in {"11", "13", "15"} else "FOK")
    assert customer.sim.exchange.ledger.reserved == {}


async def test_paper_takes_neither_ioc_nor_fok(stage):
    customer = await stage("", profile="paper")
    assert (await customer.order("buy", kind="11")).json()["msg_cd"] == "40070000"


# --- moods ------------------------------------------------------------------------------------------------


async def test_a_share_of_calls_under_the_limit_is_refused_and_not_carried_out(visit, clock):
    customer = await visit(rate_limit=True, per_second=1_000, refuse_share=0.2, cash=10_000_000_000)
    answers = [await customer.order("buy", price="70000", quantity="1") for _ in range(100)]
    refused = [answer for answer in answers if answer.status_code == 500]
    assert {answer.json()["message"] for answer in refused} == {"EGW00201"}
    assert 5 <= len(refused) <= 40
    assert len(customer.sim.exchange.orders) == 100 - len(refused)


@pytest.mark.parametrize("share", [-0.1, 1.0, 2])
def test_a_share_is_a_share(share):
    with pytest.raises(ValueError, match="share"):
        Simulator(refuse_share=share)
