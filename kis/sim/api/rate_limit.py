"""How many calls a second are let through."""

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
_WINDOW = 0.98  # a second less what two calls sent a second apart may lose of their distance on the way


class Window:
    """A sliding window of a second. A call that is turned away does not count.

    Attributes:
        whim: share of the calls that are refused although they would fit: KIS's limiter stands on several
            machines that do not know of each other, and its notice tells clients to call again.
    """

    def __init__(
        self,
        per_second: int,
        clock: Callable[[], datetime],
        *,
        whim: float = 0.0,
        rng: random.Random | None = None,
    ) -> None:
        if not 0 <= whim < 1:
            raise ValueError(f"the share of refusals is from 0 to less than 1, not {whim}")
        self.per_second = per_second
        self.whim = whim
        self._clock = clock
        self._rng = rng or random.Random(0)  # noqa: S311  a limiter's moods, not secrets
        self._let_through: deque[float] = deque()

    def admit(self) -> bool:
        """Whether one more call fits now; if so it counts."""
        now = self._clock().timestamp()
        while self._let_through and now - self._let_through[0] >= _WINDOW:
            self._let_through.popleft()
        if len(self._let_through) >= self.per_second or (self.whim and self._rng.random() < self.whim):
            return False
        self._let_through.append(now)
        return True


def throttled() -> ApiRefusal:
    """Over the gateway's limit: the code stands under `message`, and there is no `msg_cd`."""
    body = {"rt_cd": "1", "msg1": "초당 거래건수를 초과하였습니다.", "message": "EGW00201"}
    return ApiRefusal(body, 500)


def ledger_throttled() -> ApiRefusal:
    """Over the ledger's own limit."""
    return gateway("EGW00215", "원장에서 허용 가능한 초당 거래건수를 초과하였습니다.")
