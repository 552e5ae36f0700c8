"""A list is read to its end, or it is an error: half a list must never look like the whole."""

from __future__ import annotations

import json

import pytest

from kis import BadAnswer, Unavailable
from tests.kis.kis_wire import refusal, sample

LIST = "inquire-daily-ccld"


def page(numbers, position=""):
    row = sample("executions")["output1"][0] | {"ord_dt": "20261120"}
    rows = [row | {"odno": f"{number + 1:010d}"} for number in numbers]
    return sample("executions") | {
        "output1": rows,
        "ctx_area_fk100": "12345678^01^".ljust(100),
        "ctx_area_nk100": position.ljust(100),
    }


async def test_all_pages_with_their_cursors_and_headers(kis, wire):
    wire.answer(LIST, page(range(15), "15"), more="F")
    wire.answer(LIST, page(range(15, 30), "30"), more="M")
    wire.answer(LIST, page([30]), more="D")
    reports = await kis.executions()
    assert [int(report.order_no) - 1 for report in reports] == list(range(31))
    calls = wire.sent(LIST)
    assert [call.headers["tr_cont"] for call in calls] == ["", "N", "N"]
    assert [call.url.params["CTX_AREA_NK100"] for call in calls] == ["", "15".ljust(100), "30".ljust(100)]
    assert [call.url.params["CTX_AREA_FK100"] for call in calls][1:] == ["12345678^01^".ljust(100)] * 2
    first = dict(calls[0].url.params)
    for call in calls[1:]:
        assert {k: v for k, v in call.url.params.items() if "CTX" not in k} == {
            k: v for k, v in first.items() if "CTX" not in k
        }


@pytest.mark.parametrize("more", ["", "D", "E", " "])
async def test_these_say_that_it_was_the_last_page(kis, wire, more):
    wire.answer(LIST, page(range(15), "15"), more=more)
    assert len(await kis.executions()) == 15


async def test_a_failing_page_fails_the_list(kis, wire):
    wire.answer(LIST, page(range(15), "15"), more="F")
    wire.answer(LIST, refusal("EGW00316"), status=500)
    with pytest.raises(Unavailable):
        await kis.executions()


async def test_a_page_is_asked_again_where_it_stumbles(kis, wire):
    wire.answer(LIST, page(range(15), "15"), more="F")
    wire.answer(LIST, b"<html>", status=502)
    wire.answer(LIST, page([15]))
    assert len(await kis.executions()) == 16


async def test_a_repeated_cursor_is_a_bad_answer(kis, wire):
    wire.answer(LIST, page(range(15), "15"), more="F")
    wire.answer(LIST, page(range(15), "15"), more="F")
    with pytest.raises(BadAnswer, match="already read"):
        await kis.executions()
    assert len(wire.sent(LIST)) == 2


async def test_a_list_without_end_is_a_bad_answer(kis, wire):
    for number in range(25):
        wire.answer(LIST, page([number], str(number + 1)), more="F")
    with pytest.raises(BadAnswer, match="more than 20 pages"):
        await kis.executions()
    assert len(wire.sent(LIST)) == 20


@pytest.mark.parametrize("position", ["", "^^"])
async def test_more_to_come_but_no_place_to_go_on(make, wire, position):
    wire.answer(LIST, page(range(15), position), more="F")
    with pytest.raises(BadAnswer, match="where to go on"):
        await make(env="paper").executions()
    # A page that is not full is the last one, whatever the header says.
    assert len(await make(env="real").executions()) == 15


@pytest.mark.parametrize("rows", [None, {}, "", [None], [[]]])
async def test_a_page_without_a_list_is_a_bad_answer(kis, wire, rows):
    wire.answer(LIST, page([]) | {"output1": rows})
    with pytest.raises(BadAnswer, match="no list"):
        await kis.executions()


async def test_a_page_that_lacks_its_list_is_a_bad_answer(kis, wire):
    body = page([])
    del body["output1"]
    wire.answer(LIST, body)
    with pytest.raises(BadAnswer, match="no list"):
        await kis.executions()


async def test_a_balance_of_two_pages_takes_the_totals_of_the_last(kis, wire):
    holding = sample("balance_paper")["output1"][0]
    first = sample("balance_paper") | {"output1": [holding] * 20, "ctx_area_nk100": "20".ljust(100)}
    last = json.loads(json.dumps(sample("balance_paper")))
    last["output2"][0]["dnca_tot_amt"] = "5"
    wire.answer("inquire-balance", first, more="F")
    wire.answer("inquire-balance", last)
    balance = await kis.balance()
    assert (len(balance.holdings), balance.deposit) == (21, 5)


@pytest.mark.parametrize("totals", [[], None, {}, [None]])
async def test_a_balance_without_totals_is_a_bad_answer(kis, wire, totals):
    wire.answer("inquire-balance", sample("balance_paper") | {"output2": totals})
    with pytest.raises(BadAnswer):
        await kis.balance()
