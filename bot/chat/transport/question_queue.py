"""Lets so many commands of one person read the broker at a time, and a short queue wait behind them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kis.callers import calling_for
from kis.endpoints import Lane

MAX_UNDER_WAY = 3
MAX_WAITING = 5


class QuestionsWait(Exception):
    """So many questions of this person wait already that another one is not taken."""


class QuestionQueue:
    """The questions under way and waiting, by person."""

    def __init__(self) -> None:
        self._asked: Counter[int] = Counter()
        self._turns: dict[int, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, user_id: int) -> AsyncIterator[None]:
        """Waits until fewer than `MAX_UNDER_WAY` are under way; reads within wait for KIS as this person's.

        Raises:
            QuestionsWait: the queue is full.
        """
        if self._asked[user_id] >= MAX_UNDER_WAY + MAX_WAITING:
            raise QuestionsWait
        self._asked[user_id] += 1
        turns = self._turns.setdefault(user_id, asyncio.Semaphore(MAX_UNDER_WAY))
        try:
            async with turns:
                with calling_for(user_id, Lane.QUOTE):
                    yield
        finally:
            self._asked[user_id] -= 1
            if not self._asked[user_id]:
                del self._asked[user_id], self._turns[user_id]
