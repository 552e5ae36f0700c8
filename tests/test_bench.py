"""What `make bench` and `make chaos` stand on still runs, and its judge can tell good from bad."""

from tests.bench.price_cost import price_cost
from tests.bench.report import as_markdown, machine, on_screen
from tests.chaos.cases import CASES
from tests.chaos.desk_run import desk_run
from tests.chaos.naive import naive_run
from tests.chaos.verdict import broken

LOST = next(case for case in CASES if case.name == "lose_reply")


async def test_a_lost_reply_makes_two_orders_of_one_where_it_is_sent_again_and_one_here():
    ours, naive = await desk_run(LOST, 1, 1), await naive_run(LOST, 1, 1)

    assert broken(ours) == []
    assert ours["at_broker"] == ours["intents"] == 3
    assert ours["fired"] > 0
    assert naive["duplicates"] == ours["found"] > 0
    assert broken(naive)


async def test_the_bench_takes_its_figures_and_prints_them():
    rows, figures = await price_cost(rounds=1, calls=16)

    where = machine()
    assert figures["alone"]["typed"]["cpu_us"] > 0
    assert all(row.here in as_markdown(rows, where) and row.en in on_screen(rows, where) for row in rows)
