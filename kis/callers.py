"""For whom a read is made: the rate limiter serves the sources of a lane in turns."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from kis.endpoints import Lane


class Caller(NamedTuple):
    """`source` takes turns with the others of its lane; `lane` replaces the endpoint's own."""

    source: Hashable = ""
    lane: Lane | None = None


_CALLER: ContextVar[Caller] = ContextVar("kis-caller", default=Caller())  # noqa: B039  # a named tuple is immutable
caller = _CALLER.get


@contextmanager
def calling_for(source: Hashable = None, lane: Lane | None = None) -> Iterator[None]:
    """Makes every read within, also in tasks started within, wait as this source's; orders and cancels keep their lane.

    Args:
        source: whose turn the reads take, a person or a service; None for who has it already.
        lane: where they wait; None for each endpoint's own lane.
    """
    token = _CALLER.set(Caller(caller().source if source is None else source, lane))
    try:
        yield
    finally:
        _CALLER.reset(token)


def lane_of_read(endpoints_own: Lane) -> Lane:
    """The lane that a read made here and now waits in."""
    lane = caller().lane
    return endpoints_own if lane is None else lane
