"""How many calls a second are let through."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kis.endpoints import Env
from kis.sim.gateway import Refusal, gateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

PER_SECOND = {Env.REAL: 18, Env.PAPER: 1}
"""Calls a second for one app key (KIS notice of 2026-04-20)."""
_WINDOW = 0.98  # a second less what two calls sent a second apart may lose of their distance on the way


class Window:
    """A sliding window of a second. A call that is turned away does not count."""

    def __init__(self, per_second: int, clock: Callable[[], datetime]) -> None:
        self.per_second = per_second
        self._clock = clock
        self._let_through: deque[float] = deque()

    def admit(self) -> bool:
        """Whether one more call fits now; if so it counts."""
        now = self._clock().timestamp()
        while self._let_through and now - self._let_through[0] >= _WINDOW:
            self._let_through.popleft()
        if len(self._let_through) >= self.per_second:
            return False
        self._let_through.append(now)
        return True


def throttled() -> Refusal:
    """Over the gateway's limit: the code stands under `message`, and there is no `msg_cd`."""
    body = {"rt_cd": "1", "msg1": "초당 거래건수를 초과하였습니다.", "message": "EGW00201"}
    return Refusal(body, 500)


def ledger_throttled() -> Refusal:
    """Over the ledger's own limit."""
    return gateway("EGW00215", "원장에서 허용 가능한 초당 거래건수를 초과하였습니다.")
