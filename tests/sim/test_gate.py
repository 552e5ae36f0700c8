"""Tokens, rate limits, pages and header names at the simulated gateway."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from kis.sim import Simulator, env_lines
from tests.sim.customer import TRADING, Customer

SAMSUNG = "005930"


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert set(answer.json()) == {"error_code", "error_description"}


# --- tokens -----------------------------------------------------------------------------------------------


async def test_a_token_tells_its_life_in_korean_time(visit):
    customer = await visit(token_rules=False)
    body = (await customer.token()).json()
    assert set(body) == {"access_token", "access_token_token_expired", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 86400)
    assert body["access_token_token_expired"] == "2026-11-21 10:00:00"
    assert len(body["access_token"]) <= 350


async def test_within_a_minute_none_within_six_hours_the_same_then_a_new_one(visit, clock):
    customer = await visit()
    first = customer.headers["authorization"].removeprefix("Bearer ")
    clock.move(seconds=59)
    answer = await customer.token()
    refused(answer, 403, "EGW00133")
    assert answer.json()["error_description"] == "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"
    clock.move(seconds=2)
    same = (await customer.token()).json()
    assert (same["access_token"], same["expires_in"]) == (first, 86400 - 61)
    clock.move(hours=6)
    new = (await customer.token()).json()["access_token"]
    assert new != first
    assert (await customer.price()).status_code == 200


async def test_without_token_rules_only_the_minute_is_waived(visit):
    customer = await visit(token_rules=False)
    tokens = {(await customer.token()).json()["access_token"] for _ in range(3)}
    assert tokens == {customer.headers["authorization"].removeprefix("Bearer ")}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"appkey": "PSwrong"}, "EGW00103"),
        ({"appsecret": "wrong"}, "EGW00105"),
        ({"appkey": ""}, "EGW00102"),
        ({"appsecret": ""}, "EGW00104"),
        ({"grant_type": "password"}, "EGW00101"),
    ],
)
async def test_wrong_keys_get_no_token(visit, profile, body, code):
    customer = await visit(profile=profile)
    refused(await customer.token(**body), 403, code)


async def test_a_revoked_token_is_dead(visit, clock):
    customer = await visit()
    keys = {name: customer.headers[name] for name in ("appkey", "appsecret")}
    token = customer.headers["authorization"].removeprefix("Bearer ")
    answer = await customer.http.post("/oauth2/revokeP", json={**keys, "token": token})
    assert answer.json() == {"code": 200, "message": "접근토큰 폐기에 성공하였습니다"}
    assert (await customer.price()).json()["msg_cd"] == "EGW00121"
    clock.move(seconds=61)
    assert (await customer.token()).json()["access_token"] != token


async def test_tokens_can_be_dropped_early_as_kis_does_at_weekends(visit):
    customer = await visit()
    customer.sim.oauth.drop_tokens()
    assert (await customer.price()).json()["msg_cd"] == "EGW00121"


async def test_an_approval_key_asks_for_the_secret_under_another_name(visit):
    customer = await visit()
    body = {"grant_type": "client_credentials", "appkey": customer.headers["appkey"]}
    good = {**body, "secretkey": customer.headers["appsecret"]}
    answer = await customer.http.post("/oauth2/Approval", json=good)
    assert len(answer.json()["approval_key"]) == 36
    wrong = {**body, "appsecret": customer.headers["appsecret"]}
    refused(await customer.http.post("/oauth2/Approval", json=wrong), 403, "EGW00104")


# --- limits -----------------------------------------------------------------------------------------------

THROTTLED = {"rt_cd": "1", "msg1": "초당 거래건수를 초과하였습니다.", "message": "EGW00201"}


@pytest.mark.parametrize(("profile", "limit"), [("real", 18), ("paper", 1)])
async def test_calls_over_the_limit_of_a_sliding_second_are_refused(visit, clock, profile, limit):
    customer = await visit(profile=profile, rate_limit=True)
    for _ in range(limit):
        assert (await customer.price()).status_code == 200
        clock.move(milliseconds=1)
    answer = await customer.price()
    assert (answer.status_code, answer.json()) == (500, THROTTLED)
    clock.move(milliseconds=1000 - limit)
    assert (await customer.price()).status_code == 200
    assert (await customer.price()).status_code == (200 if limit > 1 else 500)


async def test_an_order_over_the_limit_is_not_executed(visit):
    customer = await visit(rate_limit=True)
    await customer.price()
    assert (await customer.order("buy")).json() == THROTTLED
    assert customer.sim.exchange.orders == []


async def test_the_limit_can_be_set(visit):
    customer = await visit(rate_limit=True, per_second=3)
    assert [(await customer.price()).status_code for _ in range(4)] == [200, 200, 200, 500]


async def test_the_ledger_has_a_limit_of_its_own_when_asked_for(visit, clock):
    customer = await visit(profile="real", ledger_per_second=1)
    assert (await customer.balance()).status_code == 200
    answer = await customer.executions()
    assert (answer.status_code, answer.json()["msg_cd"]) == (500, "EGW00215")
    assert (await customer.price()).status_code == 200
    clock.move(seconds=1)
    assert (await customer.executions()).status_code == 200


# --- lists later than orders ------------------------------------------------------------------------------


async def test_orders_show_in_the_lists_after_the_ledger_s_lag(visit, clock):
    customer = await visit(profile="real", ledger_lag=3.0)
    await customer.order("buy")
    clock.move(seconds=2.9)
    assert (await customer.executions()).json()["output1"] == []
    assert (await customer.open_orders()).json()["output"] == []
    clock.move(seconds=0.1)
    assert len((await customer.executions()).json()["output1"]) == 1
    assert len((await customer.open_orders()).json()["output"]) == 1


async def test_the_order_list_filters(visit, clock):
    customer = await visit(holdings={SAMSUNG: (5, 60000)}, cash=100_000_000)
    numbers = []
    for side, code, price in (
        ("buy", SAMSUNG, "71100"),
        ("buy", SAMSUNG, "70000"),
        ("sell", SAMSUNG, "75000"),
        ("buy", "069500", "40000"),
    ):
        answer = await customer.order(side, code=code, price=price, quantity="5")
        numbers.append(answer.json()["output"]["ODNO"])

    async def found(**query):
        rows = (await customer.executions(**query)).json()["output1"]
        return [numbers.index(row["odno"]) for row in rows]

    assert await found() == [3, 2, 1, 0]
    assert await found(INQR_DVSN="01") == [0, 1, 2, 3]
    assert await found(SLL_BUY_DVSN_CD="01") == [2]
    assert await found(SLL_BUY_DVSN_CD="02", PDNO=SAMSUNG) == [1, 0]
    assert await found(CCLD_DVSN="01") == [0]
    assert await found(CCLD_DVSN="02") == [3, 2, 1]
    assert await found(ODNO=numbers[2].lstrip("0")) == [2]
    assert await found(INQR_END_DT="20261119", INQR_STRT_DT="20261101") == []
    clock.move(days=1)
    await customer.log_in()
    assert await found() == []
    assert await found(INQR_STRT_DT="20261120") == [3, 2, 1, 0]


async def test_the_order_list_of_older_days_ends_three_months_ago(visit, clock):
    customer = await visit(profile="real", token_rules=False)
    await customer.order("buy")
    clock.move(days=100)
    await customer.log_in()
    await customer.order("buy")
    query = customer.executions_query(INQR_STRT_DT="20261101")
    for tr_id in ("CTSC9215R", "CTSC9115R"):
        body = (await customer.get(TRADING + "inquire-daily-ccld", tr_id, query)).json()
        assert [row["ord_dt"] for row in body["output1"]] == ["20261120"]


# --- pages ------------------------------------------------------------------------------------------------


async def pages(read, rows):
    """Every page as a client reads them: header N and the two cursors, until the header says D or E."""
    shown, marks, query, tr_cont = [], [], {}, ""
    while True:
        answer = await read(tr_cont=tr_cont, **query)
        body = answer.json()
        shown.append(body[rows])
        marks.append(answer.headers["tr_cont"])
        assert len(body["ctx_area_fk100"]) == len(body["ctx_area_nk100"]) == 100
        if marks[-1] not in {"F", "M"}:
            assert body["ctx_area_nk100"].strip() == ""
            return shown, marks
        query = {"CTX_AREA_FK100": body["ctx_area_fk100"], "CTX_AREA_NK100": body["ctx_area_nk100"]}
        tr_cont = "N"


@pytest.mark.parametrize(("profile", "size"), [("real", 100), ("paper", 15)])
async def test_the_order_list_comes_in_pages(visit, profile, size):
    customer = await visit(profile=profile, cash=100_000_000)
    for _ in range(2 * size + 1):
        customer.sim.exchange.submit("buy", "027360", "00", 1, 2000)
    shown, marks = await pages(customer.executions, "output1")
    assert ([len(rows) for rows in shown], marks) == ([size, size, 1], ["F", "M", "E"])
    numbers = [row["odno"] for rows in shown for row in rows]
    assert numbers == [order.number for order in reversed(customer.sim.exchange.orders)]


async def test_orders_that_arrive_between_two_pages_do_not_shift_them(visit):
    customer = await visit(cash=100_000_000)
    for _ in range(16):
        customer.sim.exchange.submit("buy", "027360", "00", 1, 2000)
    first = (await customer.executions()).json()
    customer.sim.exchange.submit("buy", "027360", "00", 1, 2000)
    # The padding may be stripped on the way.
    cursors = {f"CTX_AREA_{part}100": first[f"ctx_area_{part.lower()}100"].strip() for part in ("FK", "NK")}
    (last,) = (await customer.executions(tr_cont="N", **cursors)).json()["output1"]
    assert last["odno"] == customer.sim.exchange.orders[0].number


@pytest.mark.parametrize(("profile", "size"), [("real", 50), ("paper", 20)])
async def test_the_balance_comes_in_pages_each_with_the_whole_summary(visit, profile, size):
    codes = list(Simulator().exchange.issues)[: size + 5]
    customer = await visit(profile=profile, holdings=dict.fromkeys(codes, (1, 1000)))
    shown, marks = await pages(customer.balance, "output1")
    assert ([len(rows) for rows in shown], marks) == ([size, 5], ["F", "E"])
    assert sorted(row["pdno"] for rows in shown for row in rows) == sorted(codes)


async def test_open_orders_come_in_pages_of_fifty(visit):
    customer = await visit(profile="real", cash=100_000_000)
    for _ in range(51):
        customer.sim.exchange.submit("buy", "027360", "00", 1, 2000)
    shown, marks = await pages(customer.open_orders, "output")
    assert ([len(rows) for rows in shown], marks) == ([50, 1], ["F", "E"])


async def test_one_page_is_the_last(visit):
    customer = await visit()
    assert (await customer.executions()).headers["tr_cont"] == "D"
    assert (await customer.price()).headers["tr_cont"] == ""


# --- over a real socket -----------------------------------------------------------------------------------


async def test_header_names_keep_their_case_on_a_real_socket(clock):
    sim = Simulator(clock=clock)
    async with sim.serve() as base_url, httpx.AsyncClient(base_url=base_url) as http:
        customer = await Customer(sim, http).log_in()
        answer = await customer.price()
    names = [name.decode() for name, _ in answer.headers.raw]
    assert [name for name in names if name.islower()] == ["tr_id", "tr_cont"]
    assert names == ["Content-Type", "Content-Length", "Date", "tr_id", "tr_cont"]
    assert answer.headers["tr_id"] == "FHKST01010100"
    assert answer.headers["date"] == "Fri, 20 Nov 2026 01:00:00 GMT"


async def test_requests_are_kept(clock):
    sim = Simulator(clock=clock, rate_limit=False)
    async with sim.serve() as base_url, httpx.AsyncClient(base_url=base_url) as http:
        customer = await Customer(sim, http).log_in()
        await customer.price()
        await customer.order("buy")
    token, quote, order = sim.requests
    assert (token.method, token.path, order.method) == ("POST", "/oauth2/tokenP", "POST")
    assert quote.query == {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
    assert quote.headers["tr_id"] == "FHKST01010100"
    assert b'"ORD_UNPR"' in order.body
    assert order.at == clock()


async def test_the_environment_points_a_client_at_the_simulator():
    sim = Simulator(profile="real", always_open=False)
    environ = sim.environ("http://127.0.0.1:1")
    assert environ["KIS_ENV"] == "real"
    assert environ["KIS_MASTER_URL"] == "http://127.0.0.1:1/common/master"
    assert (len(environ["KIS_APP_KEY"]), len(environ["KIS_APP_SECRET"])) == (36, 180)
    assert "KISBOT_MARKET_HOURS" not in environ
    environ = Simulator().environ("http://127.0.0.1:1")
    assert environ["KISBOT_MARKET_HOURS"] == "always"
    assert env_lines(environ).splitlines()[0] == "KIS_ENV=paper"


async def test_a_moving_market_moves_while_it_is_served(clock):
    ticks = asyncio.Event()
    calls = 0

    async def sleep(seconds):
        nonlocal calls
        assert seconds == 1.0
        calls += 1
        if calls > 5:
            ticks.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    sim = Simulator(clock=clock, moving=True, sleep=sleep)
    before = sim.exchange.quote(SAMSUNG).volume
    async with sim.serve():
        await ticks.wait()
    assert sim.exchange.quote(SAMSUNG).volume > before
