"""The moving market."""

from __future__ import annotations

import pytest

from kis.sim.exchange.prices import listed

SAMSUNG = "005930"
KODEX_200 = "069500"


# --- the moving market ------------------------------------------------------------------------------------


def run(exchange, steps):
    for _ in range(steps):
        exchange.step()
    return {code: (issue.last, issue.volume) for code, issue in exchange.issues.items()}


def test_the_same_seed_makes_the_same_market_and_another_seed_another(opened):
    one, other = opened(seed=7), opened(seed=7)
    one.levels(SAMSUNG, "buy")
    assert run(one, 30) == run(other, 30) != run(opened(seed=8), 30)


def test_steps_print_volume_and_keep_prices_on_tick_within_limits(exchange):
    before = exchange.quote(SAMSUNG).volume
    for last, _ in run(exchange, 300).values():
        assert last > 0
    for issue in exchange.issues.values():
        assert issue.lower <= issue.low <= issue.last <= issue.high <= issue.upper
        assert issue.step(issue.step(issue.last, 1), -1) == issue.last
    assert exchange.quote(SAMSUNG).volume > before


@pytest.mark.parametrize("ticks", [0, -3])
def test_a_limit_order_a_few_ticks_away_fills_before_long(opened, ticks):
    waits = []
    for seed in range(8):
        exchange = opened(seed=seed, listings=listed()[:2])
        order = exchange.submit("buy", SAMSUNG, "00", 10, 71000 + 100 * ticks)
        waits.append(next(n for n in range(5_000) if exchange.step() is None and order.open == 0))
    assert sorted(waits)[len(waits) // 2] < 300


def test_partial_fills_happen(opened):
    seen = set()
    for seed in range(30):
        exchange = opened(seed=seed, listings=listed()[:2])
        order = exchange.submit("buy", SAMSUNG, "00", 10, 71000)
        for _ in range(60):
            exchange.step()
            seen.add(order.filled)
    assert seen - {0, 10}


def test_nothing_moves_while_the_exchange_is_closed(opened, clock):
    clock.at = clock.at.replace(hour=20, minute=30)
    exchange = opened(always_open=False)
    before = run(exchange, 0)
    assert run(exchange, 20) == before
