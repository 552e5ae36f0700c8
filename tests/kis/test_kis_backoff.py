"""Each failure in a row doubles the wait, up to a limit, however many there are."""

from datetime import timedelta

from kis.backoff import backoff


def test_the_wait_doubles_from_the_first_delay_up_to_the_limit():
    assert [backoff(failures, first=0.5, most=3.0) for failures in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff(2, first=timedelta(seconds=5), most=timedelta(minutes=1)) == timedelta(seconds=20)


def test_an_outage_of_days_breaks_nothing():
    assert backoff(100_000, first=0.5, most=15.0) == 15.0


def test_a_first_delay_beyond_the_limit_is_cut_to_it():
    assert backoff(0, first=20.0, most=15.0) == 15.0
