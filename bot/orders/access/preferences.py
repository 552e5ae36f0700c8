"""Each person's preferences: which notices ring, arrive silently or not at all, and in what language. Pure.

Orders in doubt, security and trading halts belong to no topic: nobody can silence those.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from enum import StrEnum
from typing import Literal, Self

from kis.krx import KST

Lang = Literal["ko", "en"]


class Topic(StrEnum):
    """A kind of notice that a person may silence."""

    FILLS = "fills"
    """Fills of one's own orders."""
    ENDS = "ends"
    """One's own orders ending otherwise: cancelled, rejected late, lapsed, revised."""
    OTHERS = "others"
    """Fills and ends of other people's orders; only administrators get these."""
    OUTSIDE = "outside"
    """Fills of orders made in HTS, MTS or another program."""
    ALERTS = "alerts"
    REPORTS = "reports"


class Ring(StrEnum):
    """How a notice arrives."""

    ON = "on"
    SILENT = "silent"
    """In the chat, without a sound."""
    OFF = "off"
    """Not at all; the round-up at the close lists it, if that is on."""


@dataclass(frozen=True)
class Quiet:
    """Hours of the day (KST) in which notices with a topic make no sound; `until` may lie past midnight."""

    since: time
    until: time

    def holds(self, at: time) -> bool:
        """Whether a time of day lies within; the end does not."""
        if self.since <= self.until:
            return self.since <= at < self.until
        return at >= self.since or at < self.until

    def __str__(self) -> str:
        return f"{self.since:%H:%M}-{self.until:%H:%M}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The hours that `str` wrote; `ValueError` if they are none."""
        since, _, until = text.partition("-")
        return cls(time.fromisoformat(since), time.fromisoformat(until))


@dataclass(frozen=True)
class Preferences:
    """One person's. `lang` None: the bot's default. `roundup`: list at the close what did not arrive."""

    lang: Lang | None = None
    rings: Mapping[Topic, Ring] = field(default_factory=dict)
    quiet: Quiet | None = None
    roundup: bool = True

    def ring(self, topic: Topic | None, now: datetime) -> Ring:
        """How a notice of a topic arrives now; without a topic nobody may silence it."""
        if topic is None:
            return Ring.ON
        wanted = self.rings.get(topic, Ring.ON)
        if wanted is Ring.ON and self.quiet is not None and self.quiet.holds(now.astimezone(KST).time()):
            return Ring.SILENT
        return wanted

    def having(self, topic: Topic, ring: Ring) -> "Preferences":
        """The same but for one topic."""
        return replace(self, rings={**self.rings, topic: ring})
