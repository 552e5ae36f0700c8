"""Waiting longer after each failure in a row."""

from datetime import timedelta
from typing import TypeVar

_Delay = TypeVar("_Delay", float, timedelta)
_MOST_DOUBLINGS = 10


def backoff(failures: int, *, first: _Delay, most: _Delay) -> _Delay:
    """The delay after `failures` earlier failures: `first`, doubled with each of them, never more than `most`."""
    return min(first * (1 << min(failures, _MOST_DOUBLINGS)), most)
