"""A day of 1,000 alerts over 200 stocks: what fired is what the trades say, each crossing once, at its moment."""

import pytest

from tests.support.alert_day import play


@pytest.mark.slow
def test_every_crossing_of_the_day_is_told_once_and_at_its_moment():
    on, made, wanted, _ = play(seed=2, every=30.0)

    assert len(made) == 1_000
    assert sum(len(times) for times in wanted.values()) > 500
    for alert in made:
        times = [at.isoformat(timespec="seconds") for at in wanted[alert.id]]
        assert on.pushes.get(alert.id, []) == list(enumerate(times, start=1)), alert


def test_most_ticks_touch_nothing_and_nothing_is_written_for_them():
    on, _, wanted, took = play(seed=3, many=300, stocks=60, every=30.0)
    rows = on.db.execute("SELECT count(*) FROM outbox").fetchone()[0]

    assert rows == sum(len(times) for times in wanted.values())
    assert len(took) > 20 * rows
