"""Whatever an answer holds, a caller meets our own errors and no others."""

from __future__ import annotations

import asyncio
import copy
import json
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kis import KisError, OrderKind
from tests.kis.kis_answers import INDEX_CHART, INFO, MOVER, NO_CURSOR, PROFIT_DAY, PROFIT_TOTALS, YES
from tests.kis.kis_wire import TOKEN_PATH, Clock, Wire, client, sample


def calls(kis):
    first, last = date(2026, 11, 1), date(2026, 11, 20)
    return {
        "inquire-price": lambda: kis.price("005930"),
        "inquire-asking-price-exp-ccn": lambda: kis.order_book("005930"),
        "inquire-daily-itemchartprice": lambda: kis.recent_bars("005930", 5),
        "inquire-time-itemchartprice": lambda: kis.minute_bars("005930"),
        "volume-rank": kis.volume_rank,
        "fluctuation": kis.fluctuation_rank,
        "inquire-index-price": kis.index,
        "inquire-daily-indexchartprice": lambda: kis._index_from_chart("0001"),
        "indexchartprice": lambda: kis.index_bars("0001", first, last),
        "chk-holiday": lambda: kis.holidays(date(2026, 1, 5)),
        "search-stock-info": lambda: kis.stock_info("005930"),
        "inquire-balance": kis.balance,
        "inquire-psbl-order": kis.available_cash,
        "inquire-psbl-sell": lambda: kis.sellable("005930"),
        "inquire-period-profit": lambda: kis.period_profit(first, last),
        "inquire-psbl-rvsecncl": kis.open_orders,
        "inquire-daily-ccld": lambda: kis.executions(first, end=last),
        "order-cash": lambda: kis.buy("005930", 1, price=None, kind=OrderKind.MARKET),
        "order-rvsecncl": lambda: kis.cancel("51378"),
        TOKEN_PATH: kis._session.token.get,
        "Approval": kis._session.approval,
        "hashkey": lambda: kis.hashkey({}),
    }


WHOLE = {
    "inquire-price": sample("price"),
    "inquire-asking-price-exp-ccn": sample("order_book"),
    "inquire-daily-itemchartprice": sample("daily_bars"),
    "inquire-time-itemchartprice": sample("minute_bars"),
    "volume-rank": sample("volume_rank"),
    "fluctuation": {"output": [MOVER], **YES},
    "inquire-index-price": sample("index"),
    "inquire-daily-indexchartprice": INDEX_CHART,
    "indexchartprice": INDEX_CHART,
    "chk-holiday": sample("holidays"),
    "search-stock-info": {"output": INFO, **YES},
    "inquire-balance": sample("balance_paper"),
    "inquire-psbl-order": sample("buying_power_paper"),
    "inquire-psbl-sell": sample("sellable"),
    "inquire-period-profit": {"output1": [PROFIT_DAY], "output2": PROFIT_TOTALS, **NO_CURSOR, **YES},
    "inquire-psbl-rvsecncl": sample("open_orders"),
    "inquire-daily-ccld": sample("executions"),
    "order-cash": sample("order_real"),
    "order-rvsecncl": sample("cancel_real"),
    TOKEN_PATH: sample("token"),
    "Approval": {"approval_key": "00000000-0000-0000-0000-000000000000"},
    "hashkey": sample("hashkey"),
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["", "0", "-1,234", "0000000001", "1e999999999", "NaN", "20261399", "²", "Y", "9" * 5000, "-0"]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def holes(value, trail=()):
    """Every place of an answer where something else may stand."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*trail, name)
            yield from holes(inner, (*trail, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield (*trail, place)
            yield from holes(inner, (*trail, place))


@pytest.mark.parametrize("path", WHOLE)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_answer_raises_anything_but_our_own_errors(path, data, tmp_path):
    body = copy.deepcopy(WHOLE[path])
    for _ in range(data.draw(st.integers(1, 3))):
        *trail, last = data.draw(st.sampled_from(sorted(holes(body), key=str)))
        inner = body
        for step in trail:
            inner = inner[step]
        inner[last] = data.draw(ODD)

    asyncio.run(ask(path, body, tmp_path))


@pytest.mark.parametrize("path", WHOLE)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content=b"[" * 99_999, cut=None)
@example(content=b'{"rt_cd":' * 9_999, cut=None)
@given(content=st.binary(max_size=60), cut=st.none() | st.integers(0, 99))
def test_no_bytes_raise_anything_but_our_own_errors(path, content, cut, tmp_path):
    if cut is not None:
        whole = json.dumps(WHOLE[path]).encode()
        content = whole[: len(whole) * cut // 100]
    asyncio.run(ask(path, content, tmp_path))


async def ask(path, body, tmp_path):
    wire, clock = Wire(), Clock()
    if path == TOKEN_PATH:
        wire.forget(path)
    wire.answer(path, body)
    async with client(wire, clock, tmp_path, env="real") as kis:
        with suppress(KisError):
            await calls(kis)[path]()
    for file in tmp_path.glob("**/kis-token-*.json"):
        file.unlink()
