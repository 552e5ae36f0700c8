"""The simulator's clock: real time, frozen, stepped, or accelerated."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kis.krx import KST

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SPEED = 3_600
"""Simulated seconds a second at most."""
MAX_STEP = timedelta(days=366)


def now_in_korea() -> datetime:
    """The present moment in KST."""
    return datetime.now(KST)


class SimClock:
    """A clock for `Simulator`, for a client in the same process, or for both. It never goes back.

    Attributes:
        real: the real clock, by which rate limits count.
        speed: simulated seconds a second while it runs.
        frozen: whether it is frozen.
    """

    def __init__(self, start: datetime | None = None, *, real: Callable[[], datetime] = now_in_korea) -> None:
        """Starts the clock at real speed, from an aware moment; by default from that of the real clock.

        Raises:
            ValueError: `start` has no time zone.
        """
        self.real = real
        self.speed = 1.0
        self.frozen = False
        self._since = real()
        self._shown = self._since if start is None else _aware(start)
        self._sleepers: set[asyncio.Event] = set()
        self._generation = 0

    def __call__(self) -> datetime:
        """The simulated time, KST."""
        if self.frozen:
            return self._shown
        return self._shown + (self.real() - self._since) * self.speed

    def freeze(self, at: datetime | None = None) -> None:
        """Freezes it, now or at a later moment.

        Raises:
            ValueError: the moment has passed or has no time zone.
        """
        now = self()
        at = now if at is None else _aware(at)
        if at < now:
            raise ValueError(f"it is {now.isoformat()} already; this clock does not go back")
        self._set(at, frozen=True)

    def step(self, seconds: float) -> None:
        """Moves it ahead, frozen or not.

        Raises:
            ValueError: the step is negative or longer than a year.
        """
        if not 0 <= seconds <= MAX_STEP.total_seconds():
            raise ValueError(f"a step is of 0 to {MAX_STEP.total_seconds():.0f} seconds, not {seconds}")
        self._set(self() + timedelta(seconds=seconds), frozen=self.frozen)

    def run(self, speed: float = 1.0) -> None:
        """Runs it from its present moment, at simulated seconds a second.

        Raises:
            ValueError: the speed is not above 0 and at most `MAX_SPEED`.
        """
        if not 0 < speed <= MAX_SPEED:
            raise ValueError(f"the speed is above 0 and at most {MAX_SPEED}, not {speed}")
        now = self()
        self.speed = float(speed)
        self._set(now, frozen=False)

    def put(self, at: datetime) -> None:
        """Sets another moment, earlier or later: only for a simulator whose whole state is replaced with it.

        All sleepers of this clock wake.

        Raises:
            ValueError: the moment has no time zone.
        """
        at = _aware(at)
        self._generation += 1
        self._set(at, frozen=self.frozen)

    async def sleep(self, seconds: float) -> None:
        """Waits for simulated seconds; for ever while the clock is frozen."""
        until, generation = self() + timedelta(seconds=seconds), self._generation
        while generation == self._generation and (left := (until - self()).total_seconds()) > 0:
            changed = asyncio.Event()
            self._sleepers.add(changed)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if self.frozen else left / self.speed):
                        await changed.wait()
            finally:
                self._sleepers.discard(changed)

    def _set(self, shown: datetime, *, frozen: bool) -> None:
        self._shown, self._since, self.frozen = shown, self.real(), frozen
        for sleeper in self._sleepers:
            sleeper.set()


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} bears no time zone")
    return moment.astimezone(KST)
