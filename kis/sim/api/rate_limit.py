"""The rate limits of the gateway and of the ledger."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from kis.endpoints import Env
from kis.sim.api.responses import ApiRefusal, gateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

PER_SECOND = {Env.REAL: 18, Env.PAPER: 1}
"""Calls a second for one app key (KIS notice of 2026-04-20)."""
_WINDOW = 0.98  # seconds: calls sent a second apart may arrive a little closer together


class Window:
    """A sliding window of a second; refused calls do not count.

    Attributes:
        refuse_share: share of the calls that are refused although they fit: KIS's limiter runs on several
            machines that do not share their counts, and its notice tells clients to repeat the call.
    """

    def __init__(
        self,
        per_second: int,
        clock: Callable[[], datetime],
        *,
        refuse_share: float = 0.0,
        rng: random.Random | None = None,
    ) -> None:
        if not 0 <= refuse_share < 1:
            raise ValueError(f"the share of refusals is from 0 to less than 1, not {refuse_share}")
        self.per_second = per_second
        self.refuse_share = refuse_share
        self._clock = clock
        self._rng = rng or random.Random(0)  # noqa: S311  refusals, not secrets
        self._admitted: deque[float] = deque()

    def admit(self) -> bool:
        """Whether one more call fits now, which is then counted."""
        now = self._clock().timestamp()
        while self._admitted and now - self._admitted[0] >= _WINDOW:
            self._admitted.popleft()
        if len(self._admitted) >= self.per_second or (self.refuse_share and self._rng.random() < self.refuse_share):
            return False
        self._admitted.append(now)
        return True


def throttled() -> ApiRefusal:
    """Over the gateway's limit: the code is under `message`, without `msg_cd`."""
    body = {"rt_cd": "1", "msg1": "초당 거래건수를 초과하였습니다.", "message": "EGW00201"}
    return ApiRefusal(body, 500)


def ledger_throttled() -> ApiRefusal:
    """Over the ledger's own limit."""
    return gateway("EGW00215", "원장에서 허용 가능한 초당 거래건수를 초과하였습니다.")
