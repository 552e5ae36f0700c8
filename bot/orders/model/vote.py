"""What an approver said."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Vote:
    """What somebody said to an order, in one of its rounds."""

    order_id: int
    round: int
    user_id: int
    name: str
    approve: bool
    at: datetime
