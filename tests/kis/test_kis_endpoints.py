"""The table against the ids the KIS portal lists, written here by hand."""

from __future__ import annotations

import pytest

from kis import endpoints as api
from kis.endpoints import ENDPOINTS, Endpoint, Env, Generation, Lane

IDS = {
    "buy": ("TTTC0012U", "VTTC0012U", "TTTC0802U", "VTTC0802U"),
    "sell": ("TTTC0011U", "VTTC0011U", "TTTC0801U", "VTTC0801U"),
    "revise_cancel": ("TTTC0013U", "VTTC0013U", "TTTC0803U", "VTTC0803U"),
    "balance": ("TTTC8434R", "VTTC8434R", "TTTC8434R", "VTTC8434R"),
    "buying_power": ("TTTC8908R", "VTTC8908R", "TTTC8908R", "VTTC8908R"),
    "executions": ("TTTC0081R", "VTTC0081R", "TTTC8001R", "VTTC8001R"),
    "executions_older": ("CTSC9215R", "VTSC9215R", "CTSC9115R", "VTSC9115R"),
    "open_orders": ("TTTC0084R", None, "TTTC8036R", None),
    "sellable": ("TTTC8408R", None, "TTTC8408R", None),
    "period_profit": ("TTTC8708R", None, "TTTC8708R", None),
    "price": ("FHKST01010100",) * 4,
    "order_book": ("FHKST01010200",) * 4,
    "daily_bars": ("FHKST03010100",) * 4,
    "minute_bars": ("FHKST03010200",) * 4,
    "volume_rank": ("FHPST01710000", None, "FHPST01710000", None),
    "fluctuation_rank": ("FHPST01700000", None, "FHPST01700000", None),
    "index": ("FHPUP02100000", None, "FHPUP02100000", None),
    "index_bars": ("FHKUP03500100",) * 4,
    "holidays": ("CTCA0903R", None, "CTCA0903R", None),
    "stock_info": ("CTPF1002R", None, "CTPF1002R", None),
    "token": ("",) * 4,
    "revoke": ("",) * 4,
    "approval": ("",) * 4,
    "hashkey": ("",) * 4,
}


def test_every_id():
    table = {
        endpoint.name: tuple(
            endpoint.tr_id(env, generation)
            for generation in (Generation.CURRENT, Generation.LEGACY)
            for env in (Env.REAL, Env.PAPER)
        )
        for endpoint in ENDPOINTS
    }
    assert table == IDS


def test_the_tuple_holds_every_constant_once():
    assert sorted(e.name for e in vars(api).values() if isinstance(e, Endpoint)) == sorted(e.name for e in ENDPOINTS)
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)


def test_orders_are_the_only_writes_and_a_cancel_goes_first():
    assert {e.name for e in ENDPOINTS if e.writes} == {"buy", "sell", "revise_cancel"}
    assert api.REVISE_CANCEL.lane is Lane.CANCEL
    assert api.BUY.lane is api.SELL.lane is Lane.ORDER
    assert Lane.CANCEL < Lane.ORDER < Lane.FILLS < Lane.QUOTE < Lane.REPORT


@pytest.mark.parametrize(
    ("endpoint", "real", "paper"), [(api.EXECUTIONS, 100, 15), (api.BALANCE, 50, 20), (api.PRICE, None, None)]
)
def test_page_sizes(endpoint, real, paper):
    assert (endpoint.page_size(Env.REAL), endpoint.page_size(Env.PAPER)) == (real, paper)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_call_names_its_source_and_what_to_do_without_it(endpoint):
    assert endpoint.source.startswith("KIS portal")
    assert bool(endpoint.alternative) == (endpoint.tr.paper is None)
