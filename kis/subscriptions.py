"""Listeners of the websocket, and the registrations at KIS they need."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - part of a public value
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar, cast

import structlog

from kis.errors import Refused
from kis.frames import BookUpdate, FillNotice, Trade

if TYPE_CHECKING:
    from collections.abc import Collection

_log = structlog.get_logger(__name__)

MAX_REGISTRATIONS = 41
"""A session's registrations of all kinds together (KIS notice of 2026-04-20; the 42nd refused, measured 2026-07)."""
_MAX_QUEUED = 10_000


class StreamTopic(NamedTuple):
    """A registration: a TR, and a stock code or the HTS login."""

    tr_id: str
    tr_key: str


@dataclass(frozen=True, slots=True)
class Gap:
    """From `since` to `until` (KST) events may have been missed: read what matters by REST."""

    since: datetime
    until: datetime


Event = Trade | BookUpdate | FillNotice | Gap
_E = TypeVar("_E", bound=Event)


class Registrations:
    """The listeners, the topics they want, and which of these KIS has been sent and has accepted.

    `changed` is set when there may be a request to send.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._listeners: weakref.WeakSet[Listener[Any]] = weakref.WeakSet()
        self._wanted: Counter[StreamTopic] = Counter()
        self._sent: set[StreamTopic] = set()
        self._stale: set[StreamTopic] = set()
        self._accepted: set[StreamTopic] = set()
        self._accepted_before: set[StreamTopic] = set()

    def __len__(self) -> int:
        return len(self._wanted)

    def __contains__(self, topic: object) -> bool:
        return topic in self._wanted

    def add(self, listener: Listener[Any]) -> None:
        """Adds a listener and its topics, which others may share; `Refused` if there would be more than KIS allows."""
        if len(self._wanted.keys() | listener.topics) > MAX_REGISTRATIONS:
            raise Refused(f"KIS allows {MAX_REGISTRATIONS} registrations in total", endpoint="websocket")
        self._wanted.update(listener.topics)
        self._listeners.add(listener)
        self.changed.set()

    def release(self, topics: Collection[StreamTopic]) -> None:
        """Takes back what one listener wanted."""
        for topic in topics:
            self._wanted[topic] -= 1
            if self._wanted[topic] <= 0:
                del self._wanted[topic]
                self._accepted_before.discard(topic)
        self.changed.set()

    def publish(self, event: Event, topic: StreamTopic | None = None) -> None:
        """Gives an event to the listeners of its topic; a gap has none, and concerns them all."""
        for listener in list(self._listeners):
            if topic is None or topic in listener.topics:
                listener.put(event)

    def end(self, failure: Exception | None = None, topic: StreamTopic | None = None) -> None:
        """Ends the listeners of a topic, or all of them."""
        for listener in list(self._listeners):
            if topic is None or topic in listener.topics:
                listener.end(failure)

    def begin(self) -> None:
        """A new connection, on which nothing has been sent."""
        for topics in (self._sent, self._accepted, self._stale):
            topics.clear()
        self.changed.set()

    def next_request(self) -> tuple[StreamTopic, bool] | None:
        """The next request: a topic to end (False), else one to register for (True); None if all are sent."""
        for topic in self._sent:
            if topic not in self._wanted or topic in self._stale:
                for topics in (self._sent, self._accepted, self._stale):
                    topics.discard(topic)
                return topic, False
        for topic in self._wanted:
            if topic not in self._sent:
                self._sent.add(topic)
                return topic, True
        return None

    def accepted(self, topic: StreamTopic) -> None:
        """KIS has the registration."""
        self._accepted.add(topic)
        self._accepted_before.add(topic)

    def resend(self, topic: StreamTopic) -> None:
        """KIS does not have the registration: it is sent once more."""
        self._sent.discard(topic)
        self._accepted.discard(topic)
        self.changed.set()

    def refused(self, topic: StreamTopic, failure: Refused) -> None:
        """KIS does not have the registration: its listeners end, and there is nothing to end at KIS."""
        self.end(failure, topic)
        self._sent.discard(topic)

    def was_accepted(self, topic: StreamTopic) -> bool:
        """Whether KIS has accepted it at any time since it was first wanted."""
        return topic in self._accepted_before

    def renew(self, topic: StreamTopic) -> None:
        """The registration is ended and sent once more, for a new key."""
        self._stale.add(topic)
        self.changed.set()

    @property
    def complete(self) -> bool:
        """Whether KIS has every registration that is wanted."""
        return self._wanted.keys() <= self._accepted


class Listener(AsyncIterator[_E], Generic[_E]):
    """Events as they come, for one `async for`. Close it, or drop it, to end its registrations.

    Up to 10,000 events are queued for a slow reader; then the oldest are dropped, and it gets a `Gap`.
    """

    def __init__(
        self,
        kinds: tuple[type[_E], ...],
        topics: Collection[StreamTopic],
        registrations: Registrations,
        opened: datetime,
    ) -> None:
        """Registers for the topics; gaps from before it was `opened` do not concern it."""
        self.topics = frozenset(topics)
        registrations.add(self)
        self._kinds = kinds
        self._opened = opened
        self._release = weakref.finalize(self, registrations.release, self.topics)
        self._release.atexit = False
        self._queue: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._dropped: Gap | None = None
        self._ended = False
        self._failure: Exception | None = None

    def put(self, event: Event) -> None:
        """Queues an event, if it is of the wanted types."""
        if self._ended or not isinstance(event, self._kinds):
            return
        if isinstance(event, Gap):
            if event.until < self._opened:
                return
            event = Gap(max(event.since, self._opened), event.until)
        if len(self._queue) >= _MAX_QUEUED:
            self._drop(self._queue.popleft())
        self._queue.append(event)
        self._changed.set()

    def end(self, failure: Exception | None = None) -> None:
        """Ends the iteration once all queued events are read, with an error if there is one."""
        self._ended = True
        self._failure = self._failure or failure
        self._release()
        self._changed.set()

    async def aclose(self) -> None:
        """Ends it at once; unread events are dropped."""
        self._queue.clear()
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _E:
        while not self._queue:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        if self._dropped is not None and Gap in self._kinds:
            gap, self._dropped = self._dropped, None
            return cast("_E", gap)
        return cast("_E", self._queue.popleft())

    def _drop(self, event: Event) -> None:
        since, until = (event.since, event.until) if isinstance(event, Gap) else (event.at, event.at)
        if self._dropped is None:
            _log.warning("listener_too_slow", waiting=len(self._queue))
            self._dropped = Gap(since, until)
        else:
            self._dropped = Gap(self._dropped.since, max(self._dropped.until, until))
