"""The fault matrix: every way a request can go astray, alone, in pairs and with the end of the process.

Each case is played on the real desk, client and journal over the simulated broker, in virtual time, and held against
the broker's own ledger. The table is `tests/chaos/matrix_cases.py`.
"""

from collections import Counter
from itertools import groupby

import pytest
import structlog

from tests.chaos import error_log, matrix, stateful
from tests.chaos.matrix_cases import APART, CLOCK, CONNECT, DISK, KILL_POINTS, POSTS, READS, SOCKETS, TELEGRAM
from tests.chaos.matrix_more import known_limits, other_cases
from tests.chaos.matrix_process import kill_cases

STORIES, STEPS = 40, 25


@pytest.fixture(autouse=True)
def hear_every_fault():
    """A fault that is only logged is a fault too."""
    usual = structlog.get_config()
    structlog.configure(
        processors=[error_log._keep],
        wrapper_class=structlog.make_filtering_bound_logger(40),
        cache_logger_on_first_use=False,
    )
    yield
    structlog.configure(**usual)


def by_row(cases, row_of):
    """Cases in their order, gathered by row, as parameters."""
    rows = groupby(cases, key=row_of)
    return [pytest.param(list(group), id=row) for row, group in rows]


def played(cases):
    return [words for case in cases for words in matrix.played(case)]


@pytest.mark.parametrize("cases", by_row(matrix.single_cases(), lambda case: case.id))
def test_a_single_fault_becomes_what_its_row_says_and_never_a_second_order(cases):
    assert played(cases) == []


@pytest.mark.parametrize("cases", by_row(other_cases(), lambda case: case.id))
def test_disk_clock_and_telegram_cost_no_order_and_no_word(cases):
    assert played(cases) == []


@pytest.mark.xfail(strict=True, reason="known limits of the search for a lost order")
@pytest.mark.parametrize("case", list(known_limits()), ids=lambda case: case.id)
def test_what_the_desk_does_not_yet_withstand(case):
    assert played([case]) == []


@pytest.mark.parametrize("cases", by_row(matrix.pair_cases(), lambda case: case.id.partition("x")[0]))
def test_a_fault_of_the_post_and_one_of_the_readings_make_no_second_order_and_no_false_word(cases):
    assert played(cases) == []


@pytest.mark.parametrize("cases", by_row(kill_cases(), lambda case: case.id.partition("B")[0]))
def test_a_life_that_ends_anywhere_leaves_one_order_at_most_and_the_next_one_tells_what_became_of_it(cases):
    assert played(cases) == []


def test_whatever_happens_in_whatever_order_the_invariants_hold():
    stateful.run(STORIES, STEPS, same=True, shorten=False)


def test_the_table_is_whole():
    """56 rows, 252 pairs, 128 kills; what is played elsewhere is named, and nothing is counted twice."""
    singles = {case.id for case in (*matrix.single_cases(), *other_cases())}
    assert singles == {*CONNECT, *POSTS, *READS, *TELEGRAM, *DISK, *CLOCK}
    assert len(singles) + len(SOCKETS) + len(APART) == 56
    assert Counter(case.id for case in matrix.pair_cases()).total() == 21 * 12
    assert Counter(case.id for case in kill_cases()).total() == len(KILL_POINTS) * 8 == 128
