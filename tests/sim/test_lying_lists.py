"""Order lists that are empty, behind, cut short or mixed up by a planted fault, over raw HTTP."""

from __future__ import annotations

import pytest

from kis.sim.faults.catalogue import ALWAYS
from tests.sim.raw import T, buy, executions

LIST = "inquire-daily-ccld"


async def rows(caller, **query):
    reply = await executions(caller, **query)
    return [row["odno"] for row in reply.body["output1"]], reply.headers["tr_cont"]


async def placed(caller, count):
    for _ in range(count):
        await buy(caller)
    return [order.number for order in reversed(caller.sim.exchange.orders)]


async def pages(caller, limit):
    """Every page as a careful client reads them: tr_cont and row numbers."""
    found, cursor, more = [], "", ""
    tr_id = "TTTC0081R" if caller.real else "VTTC0081R"
    while len(found) < limit:
        query = caller.executions(CTX_AREA_NK100=cursor)
        reply = await caller.get(T + LIST, tr_id, query, tr_cont=more)
        if reply.status != 200:
            return [*found, reply.code]
        cursor, more = reply.body["ctx_area_nk100"], "N"
        found.append((reply.headers["tr_cont"], [row["odno"] for row in reply.body["output1"]]))
        if reply.headers["tr_cont"] in {"D", "E"}:
            break
    return found


async def test_a_list_fails(served):
    caller = await served()
    caller.sim.faults.plant("refuse", path=LIST)
    assert (await executions(caller)).status == 500


@pytest.mark.parametrize("rt_cd", ["0", "1"])
async def test_a_list_is_empty_though_orders_exist(served, rt_cd):
    caller = await served()
    numbers = await placed(caller, 2)
    caller.sim.faults.plant("empty_list", rt_cd=rt_cd)
    reply = await executions(caller)
    assert (reply.status, reply.body["rt_cd"], reply.body["output1"]) == (200, rt_cd, [])
    assert (await rows(caller))[0] == numbers


async def test_only_a_following_page_fails(served):
    caller = await served("paper")
    numbers = await placed(caller, 20)
    caller.sim.faults.plant("page_fails", code="OPSQ0008", path=LIST)
    assert await pages(caller, 5) == [("F", numbers[:15]), "OPSQ0008"]
    assert await pages(caller, 5) == [("F", numbers[:15]), ("E", numbers[15:])]


async def test_pages_without_end(served):
    caller = await served("paper")
    numbers = await placed(caller, 16)
    caller.sim.faults.plant("endless_pages", times=ALWAYS)
    found = await pages(caller, 30)
    assert [page[0] for page in found] == ["M"] * 30
    assert found[0][1] == numbers[:15]
    assert caller.sim.faults.fired == {"endless_pages": 30}


async def test_a_cursor_in_circles(served):
    caller = await served("paper")
    await placed(caller, 16)
    caller.sim.faults.plant("same_cursor", times=3, skip=1)
    found = await pages(caller, 3)
    assert [page[0] for page in found] == ["F", "M", "M"]
    assert found[1] == found[2]


async def test_a_page_hides_its_last_rows_and_all_that_follow(served):
    caller = await served("paper")
    numbers = await placed(caller, 17)
    caller.sim.faults.plant("short_list", rows=2)
    assert await pages(caller, 5) == [("D", numbers[:13])]
    caller.sim.faults.plant("short_list", rows=0)
    assert await pages(caller, 5) == [("D", numbers[:15])]
    caller.sim.faults.plant("short_list", rows=99, skip=1)
    assert await pages(caller, 5) == [("F", numbers[:15]), ("E", [])]


async def test_a_list_lags(served):
    caller = await served()
    (first,) = await placed(caller, 1)
    caller.clock.move(seconds=40)
    await placed(caller, 1)
    caller.sim.faults.plant("lag", seconds=30, times=2)
    assert (await rows(caller))[0] == [first]
    caller.clock.move(seconds=30)
    assert len((await rows(caller))[0]) == 2
    assert caller.sim.faults.fired == {"lag": 2}


async def test_rows_of_earlier_days_are_mixed_in(served):
    caller = await served()
    (friday,) = await placed(caller, 1)
    caller.clock.move(days=3)
    await caller.log_in()
    await buy(caller)
    today = caller.executions(INQR_STRT_DT="20261123", INQR_END_DT="20261123")
    caller.sim.faults.plant("old_rows")
    reply = await caller.get(T + LIST, "TTTC0081R", today)
    monday = caller.sim.exchange.orders[-1].number
    days = [(row["ord_dt"], row["odno"]) for row in reply.body["output1"]]
    assert sorted(days) == sorted(
        [("20261119", friday), ("20261120", friday), ("20261120", monday), ("20261123", monday)]
    )
    assert len((await caller.get(T + LIST, "TTTC0081R", today)).body["output1"]) == 1


async def test_a_list_of_krx_hides_what_went_elsewhere(served):
    caller = await served()
    for venue in ("KRX", "SOR", "NXT"):
        await buy(caller, EXCG_ID_DVSN_CD=venue)
    caller.sim.faults.plant("krx_only", times=3)
    seen = [len((await rows(caller, EXCG_ID_DVSN_CD=venue))[0]) for venue in ("KRX", "", "ALL")]
    assert seen == [1, 1, 3]
    assert len((await rows(caller))[0]) == 3


async def test_lies_join_each_other_and_another_fault(served):
    caller = await served()
    await placed(caller, 1)
    for name in ("lag", "old_rows", "short_list"):
        caller.sim.faults.plant(name, path=LIST)
    assert (await rows(caller))[0] == []
    assert caller.sim.faults.fired == {"lag": 1, "old_rows": 1, "short_list": 1}


async def test_open_orders_lie_the_same_way(served):
    caller = await served()
    await placed(caller, 2)
    for name, left in (("lag", 0), ("empty_list", 0), ("short_list", 1)):
        caller.sim.faults.plant(name, path="inquire-psbl-rvsecncl")
        reply = await caller.get(T + "inquire-psbl-rvsecncl", "TTTC0084R", caller.open_orders())
        assert len(reply.body["output"]) == left
