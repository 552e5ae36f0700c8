"""What `make chaos` stands on: a seed is a run, the judge can tell good from bad, and a small run keeps every promise."""

import json
import os
import random
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bot.orders.execution.sender import OrderSender
from kis.client import KisClient
from kis.outcome import Outcome as Outcomes
from kis.sim.exchange.exchange import Exchange
from kis.sim.exchange.orders import OrderDivision, OrderSide
from kis.sim.faults.catalogue import KINDS
from tests.chaos.chart import chart
from tests.chaos.error_log import keeping_errors
from tests.chaos.mix import CONNECT, LIST_FAULTS, WRITE_FAULTS, Chance
from tests.chaos.report import as_json, bound, faults, per_thousand, table
from tests.chaos.verdict import MUST, End, Outcome, Reported, broken, judged
from tests.chaos.virtual_run import LOOK, OURS, RETRY, Found, one_world
from tests.support.virtual_time import MONDAY_MORNING

ROOT = Path(__file__).parents[2]
ONE = (
    "from tests.chaos.error_log import keep_errors; keep_errors(); from tests.chaos.virtual_run import one_world; found = one_world('9', 0.4, 'ours', 8); "
    "print(found.trails['9'], sorted(found.counts.items()))"
)


@pytest.fixture(autouse=True)
def _listening():
    with keeping_errors():
        yield


def _booked(count: int) -> list:
    exchange = Exchange(clock=lambda: MONDAY_MORNING, rng=random.Random(1), cash=10**12)
    return [exchange.submit(OrderSide.BUY, "005930", OrderDivision.MARKET, 2) for _ in range(count)]


@pytest.mark.parametrize("policy", [OURS, RETRY, LOOK])
def test_one_seed_is_one_run_to_the_last_event(policy):
    first, second = (one_world("9", 0.4, policy, 8) for _ in range(2))

    assert first.trails == second.trails
    assert first.counts == second.counts
    assert one_world("10", 0.4, policy, 8).trails["10"] != first.trails["9"]


def test_a_run_does_not_hang_on_the_process_it_runs_in():
    said = {
        subprocess.run(
            [sys.executable, "-c", ONE],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(said) == 1


def test_the_desk_keeps_its_promises_where_sending_again_buys_twice():
    ours, naive = Found(), Found()
    for seed in ("a", "b"):
        ours.add(one_world(seed, 0.4, OURS, 25))
        naive.add(one_world(seed, 0.4, RETRY, 25))

    assert broken(ours.counts) == [], ours.notes
    assert ours.counts["at_broker"] > 15
    assert ours.counts["end: found"] > 0
    assert naive.counts["duplicates"] > 0
    assert ours.fired.total() > 50


def test_a_desk_that_sends_again_without_looking_is_caught(monkeypatch):
    honest = KisClient.send

    async def send(self, written):
        receipt = await honest(self, written)
        return replace(receipt, outcome=Outcomes.NOT_SENT) if receipt.outcome is Outcomes.UNKNOWN else receipt

    monkeypatch.setattr(KisClient, "send", send)
    monkeypatch.setattr(OrderSender, "_shows", lambda *_: False)

    found = one_world("f", 0.4, OURS, 25)

    assert found.counts["duplicates"] > 0
    assert found.counts["second_posts"] > 0
    assert any("left again" in note for note in found.notes)


def test_the_judge_knows_a_duplicate_a_ghost_and_a_wrong_number():
    one, other = _booked(2)
    missing = "0099999999"
    cases = {
        "duplicates": Outcome(End(Reported.PLACED, one.number), [one, other]),
        "ghosts": Outcome(End(Reported.NOT_PLACED), [one]),
        "wrong": Outcome(End(Reported.PLACED, missing), [one]),
        "untold": Outcome(End(Reported.PLACED, one.number, reported_shares=1), [one]),
    }
    for name, outcome in cases.items():
        assert [key for key in MUST if judged([outcome])[key]] == [name]
    told_of_nothing = Outcome(End(Reported.PLACED, missing), [])
    assert judged([told_of_nothing])["wrong"] == 1
    fine = [Outcome(End(Reported.PLACED, one.number, reported_shares=2), [one]), Outcome(End(Reported.NOT_PLACED), [])]
    assert broken(judged(fine)) == []


def test_a_broken_promise_is_named_with_its_seed():
    found = Found(counts=Counter(intents=10, left=10, duplicates=1), notes=["1:7: order 3 twice"])

    said = faults({(OURS, 0.4): found, (RETRY, 0.4): found})

    assert said == [f"at 40%: 1 {MUST['duplicates']}", "    1:7: order 3 twice"]
    assert faults({(OURS, 0.4): Found()}) == ["at 40%: no order left, and nothing was shown"]
    assert bound(Found(counts=Counter(left=3000)), "duplicates").startswith("0 in 3,000: fewer than 1.000 in 1,000")
    assert per_thousand(found, "duplicates") == 100


def test_every_fault_of_the_mix_is_one_the_simulator_knows_and_takes():
    for fault in {*WRITE_FAULTS, *LIST_FAULTS}:
        name, how = fault.drawn(random.Random(1))
        assert name == CONNECT or set(how) <= {*KINDS[name].options, "acts"}


def test_the_first_try_of_an_order_meets_the_same_under_every_policy_and_calm_is_calm():
    storm, again, calm = Chance("s", 0.9), Chance("s", 0.9), Chance("s", 0.0)
    storm.read("inquire-price", following=False)

    assert [storm.write(f"order {n}", 0) for n in range(9)] == [again.write(f"order {n}", 0) for n in range(9)]
    assert [calm.write(f"order {n}", 0) for n in range(9)] == [(None, [])] * 9


def test_the_report_is_json_with_seeds_and_commit_and_the_chart_is_well_formed():
    results = {
        (policy, 0.4): Found(counts=Counter(intents=100, left=100, duplicates=n))
        for n, policy in enumerate((OURS, LOOK, RETRY))
    }
    found = json.loads(json.dumps(as_json(results, seed=3, worlds=5, machine={"cores": 2})))
    drawn = ET.fromstring(chart("Twice <&>", {"40%": [0, 4.1, 87.5]}, [OURS, LOOK, RETRY], "seed 3"))

    assert {"commit", "seeds", "mix", "fired", "runs", "machine"} <= set(found)
    assert found["runs"][0]["duplicates"].startswith("0 in 100")
    assert "DUP" in table(results)
    assert "Twice <&>" in "".join(drawn.itertext())
