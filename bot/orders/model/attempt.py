"""One try at sending an order, as the journal keeps it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Attempt:
    """One try at the wire, as it was written down before the first byte left."""

    order_id: int
    n: int
    started_at: datetime
    baseline: frozenset[str]
    """Order numbers that stood in the broker's list for this code before: a match must be a new number."""
    first_at: datetime | None = None
    """When the order's first try began; `baseline` is that one's, so that a row it left can never pass for old."""
    offset: float = 0.0
    """Seconds KIS's clock was ahead of ours."""
    means: int | None = None
    """Won that could buy, or shares that could be sold, just before."""
    endpoint: str = ""
    body: str = ""
    """The exact request, its account number masked."""
    digest: str = ""
    """Keyed hash of the exact request."""
    run: int = 0
    """Which run of the program sent it."""
