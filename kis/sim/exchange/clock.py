"""The simulator's time: as fast as the world's, frozen, stepped, or run fast."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kis.krx import KST

if TYPE_CHECKING:
    from collections.abc import Callable

FASTEST = 3_600
"""Simulated seconds a second at most: a trading day in half a minute is as fast as anybody can look."""
LONGEST_STEP = timedelta(days=366)


def now_in_korea() -> datetime:
    """The time, KST."""
    return datetime.now(KST)


class SimClock:
    """A clock to hand to `Simulator`, to a client in the same process, or to both.

    It never goes back: what has been booked stays in the past.

    Attributes:
        real: the clock underneath; limits on calls a second count by it, as clients keep its pace.
        speed: simulated seconds a second while it runs.
    """

    def __init__(self, start: datetime | None = None, *, real: Callable[[], datetime] = now_in_korea) -> None:
        """Set the clock going at its ordinary speed.

        Args:
            start: what it shows now; by default what `real` does. Aware.
            real: the clock underneath.

        Raises:
            ValueError: `start` bears no time zone.
        """
        self.real = real
        self.speed = 1.0
        self._frozen = False
        self._since = real()
        self._shown = self._since if start is None else _aware(start)
        self._sleepers: set[asyncio.Event] = set()
        self._put = 0

    def __call__(self) -> datetime:
        """The simulated time, KST."""
        if self._frozen:
            return self._shown
        return self._shown + (self.real() - self._since) * self.speed

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._frozen

    def freeze(self, at: datetime | None = None) -> None:
        """Let it stand still, now or at a later moment that it jumps to.

        Raises:
            ValueError: the moment has passed or bears no time zone.
        """
        now = self()
        at = now if at is None else _aware(at)
        if at < now:
            raise ValueError(f"it is {now.isoformat()} already; this clock does not go back")
        self._set(at, frozen=True)

    def step(self, seconds: float) -> None:
        """Move it ahead at once, frozen or not.

        Raises:
            ValueError: the step leads back, or more than a year ahead.
        """
        if not 0 <= seconds <= LONGEST_STEP.total_seconds():
            raise ValueError(f"a step is of 0 to {LONGEST_STEP.total_seconds():.0f} seconds, not {seconds}")
        self._set(self() + timedelta(seconds=seconds), frozen=self._frozen)

    def run(self, speed: float = 1.0) -> None:
        """Let it run, from what it shows now.

        Args:
            speed: simulated seconds a second.

        Raises:
            ValueError: the speed is not above 0 and at most `FASTEST`.
        """
        if not 0 < speed <= FASTEST:
            raise ValueError(f"the speed is above 0 and at most {FASTEST}, not {speed}")
        now = self()
        self.speed = float(speed)
        self._set(now, frozen=False)

    def put(self, at: datetime) -> None:
        """Show another moment, earlier or later: only for a simulator whose whole state is replaced with it.

        Whoever sleeps by this clock wakes, as there is no telling how long would be left.

        Raises:
            ValueError: the moment bears no time zone.
        """
        at = _aware(at)
        self._put += 1
        self._set(at, frozen=self._frozen)

    async def sleep(self, seconds: float) -> None:
        """Wait until so many simulated seconds have passed; for ever while the clock stands still."""
        until, put = self() + timedelta(seconds=seconds), self._put
        while put == self._put and (left := (until - self()).total_seconds()) > 0:
            changed = asyncio.Event()
            self._sleepers.add(changed)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if self._frozen else left / self.speed):
                        await changed.wait()
            finally:
                self._sleepers.discard(changed)

    def _set(self, shown: datetime, *, frozen: bool) -> None:
        self._shown, self._since, self._frozen = shown, self.real(), frozen
        for sleeper in self._sleepers:
            sleeper.set()


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} bears no time zone")
    return moment.astimezone(KST)
