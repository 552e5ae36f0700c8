"""Who listens to the websocket, what they hear, and the registrations that takes."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - part of a public value
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TypeVar, cast

import structlog

from kis.errors import Refused
from kis.frames import BookUpdate, FillNotice, Trade

if TYPE_CHECKING:
    from collections.abc import Collection

_log = structlog.get_logger(__name__)

MOST_REGISTRATIONS = 41
"""A session's registrations of all kinds together (KIS notice of 2026-04-20; the 42nd refused, measured 2026-07)."""
_MOST_WAITING = 10_000


class StreamTopic(NamedTuple):
    """What is registered for: a TR, and a stock code or the HTS login."""

    tr_id: str
    tr_key: str


@dataclass(frozen=True, slots=True)
class Gap:
    """From `since` to `until` (KST) something may have happened that nobody was told: read what matters anew."""

    since: datetime
    until: datetime


Event = Trade | BookUpdate | FillNotice | Gap
_E = TypeVar("_E", bound=Event)


class Registrations:
    """What the listeners want, and how far KIS has been told.

    Attributes:
        changed: set when there may be something to tell KIS.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._wanted: Counter[StreamTopic] = Counter()
        self._told: set[StreamTopic] = set()
        self._stale: set[StreamTopic] = set()
        self._taken: set[StreamTopic] = set()
        self._proven: set[StreamTopic] = set()

    def __len__(self) -> int:
        return len(self._wanted)

    def __contains__(self, topic: object) -> bool:
        return topic in self._wanted

    def want(self, topics: Collection[StreamTopic]) -> None:
        """Adds a listener's topics, which others may share.

        Raises:
            Refused: there would be more than KIS allows; none was added.
        """
        if len(self._wanted.keys() | topics) > MOST_REGISTRATIONS:
            raise Refused(f"KIS allows {MOST_REGISTRATIONS} registrations in total", endpoint="websocket")
        self._wanted.update(topics)
        self.changed.set()

    def release(self, topics: Collection[StreamTopic]) -> None:
        """Takes back what one listener wanted."""
        for topic in topics:
            self._wanted[topic] -= 1
            if self._wanted[topic] <= 0:
                del self._wanted[topic]
                self._proven.discard(topic)
        self.changed.set()

    def begin(self) -> None:
        """A new connection, on which nothing has been told."""
        for known in (self._told, self._taken, self._stale):
            known.clear()
        self.changed.set()

    def following(self) -> tuple[StreamTopic, bool] | None:
        """What to tell KIS next: a topic to end, then one to register for (True); None where all is told."""
        for topic in self._told:
            if topic not in self._wanted or topic in self._stale:
                for known in (self._told, self._taken, self._stale):
                    known.discard(topic)
                return topic, False
        for topic in self._wanted:
            if topic not in self._told:
                self._told.add(topic)
                return topic, True
        return None

    def taken(self, topic: StreamTopic) -> None:
        """KIS has the registration."""
        self._taken.add(topic)
        self._proven.add(topic)

    def again(self, topic: StreamTopic) -> None:
        """KIS has it no longer, or never had: it is told once more."""
        self._told.discard(topic)
        self._taken.discard(topic)
        self.changed.set()

    def refused(self, topic: StreamTopic) -> None:
        """KIS never had it, so that there is nothing to end."""
        self._told.discard(topic)

    def proven(self, topic: StreamTopic) -> bool:
        """Whether KIS has had it since it was first wanted."""
        return topic in self._proven

    def renew(self, topic: StreamTopic) -> None:
        """What KIS has of it is spoilt: it is ended and told once more."""
        self._stale.add(topic)
        self.changed.set()

    @property
    def complete(self) -> bool:
        """Whether KIS has every registration that is wanted."""
        return self._wanted.keys() <= self._taken


class Listener(AsyncIterator[_E], Generic[_E]):
    """Events as they come, for one `async for`. Close it, or let it go, to end its registrations.

    Up to 10,000 events wait for a slow reader; then the oldest go, and it hears of a `Gap`.
    """

    def __init__(
        self,
        kinds: tuple[type[_E], ...],
        topics: Collection[StreamTopic],
        registrations: Registrations,
        opened: datetime,
    ) -> None:
        """Registers.

        Args:
            kinds: the events it hears.
            topics: of what.
            registrations: where that is wanted from.
            opened: the present moment; what was missed before is no loss of this listener.

        Raises:
            Refused: too many registrations.
        """
        registrations.want(topics)
        self.topics = frozenset(topics)
        self._kinds = kinds
        self._opened = opened
        self._leave = weakref.finalize(self, registrations.release, self.topics)
        self._leave.atexit = False
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self._lost: Gap | None = None
        self._ended = False
        self._failure: Exception | None = None

    def put(self, event: Event) -> None:
        """Lets it hear something of its kind."""
        if self._ended or not isinstance(event, self._kinds):
            return
        if isinstance(event, Gap):
            if event.until < self._opened:
                return
            event = Gap(max(event.since, self._opened), event.until)
        if len(self._waiting) >= _MOST_WAITING:
            self._lose(self._waiting.popleft())
        self._waiting.append(event)
        self._news.set()

    def end(self, failure: Exception | None = None) -> None:
        """Nothing more will come: the iteration ends once all is read, with an error if there is one."""
        self._ended = True
        self._failure = self._failure or failure
        self._leave()
        self._news.set()

    async def aclose(self) -> None:
        """Ends it at once; what has not been read is lost."""
        self._waiting.clear()
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _E:
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        if self._lost is not None and Gap in self._kinds:
            lost, self._lost = self._lost, None
            return cast("_E", lost)
        return cast("_E", self._waiting.popleft())

    def _lose(self, event: Event) -> None:
        since, until = (event.since, event.until) if isinstance(event, Gap) else (event.at, event.at)
        if self._lost is None:
            _log.warning("listener_too_slow", waiting=len(self._waiting))
            self._lost = Gap(since, until)
        else:
            self._lost = Gap(self._lost.since, max(self._lost.until, until))
