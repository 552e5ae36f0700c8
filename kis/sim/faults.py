"""Things that go wrong, by name, planted in advance at the door of the simulated broker."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
NOT_JSON = b"ERROR : service temporarily unavailable"


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault there is.

    Attributes:
        acts: whether the broker does what was asked before the fault shows; a plant may say otherwise.
        joins: whether it goes together with another fault on the same request.
        socket: whether it befalls a frame of the websocket, not a request.
        how: the options it takes, with their defaults.
    """

    acts: bool
    joins: bool = False
    socket: bool = False
    how: Mapping[str, Any] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "refuse": Kind(acts=False, how={"code": "EGW00001", "message": "일시적 오류", "status": 500, "rt_cd": "1"}),
    "html": Kind(acts=False, how={"status": 502}),
    "empty": Kind(acts=True, how={"status": 200}),
    "garbage": Kind(acts=True, how={"status": 200}),
    "throttle": Kind(acts=False),
    "stale_token": Kind(acts=False),
    "lose_request": Kind(acts=False),
    "lose_reply": Kind(acts=True),
    "cut_reply": Kind(acts=True, how={"sent": 20}),
    "no_order_no": Kind(acts=True),
    "same_cursor": Kind(acts=True),
    "slow": Kind(acts=True, joins=True, how={"seconds": 5.0}),
    "late_booking": Kind(acts=True, joins=True, how={"seconds": 5.0}),
    "stall_socket": Kind(acts=False, socket=True),
    "drop_socket": Kind(acts=False, socket=True),
    "bad_cipher": Kind(acts=True, socket=True),
}
"""The faults by name.

refuse        an answer of your own: code, message, status, rt_cd
html          an HTML page from the edge
empty         HTTP 200 and nothing in it
garbage       HTTP 200 and no JSON
throttle      EGW00201
stale_token   EGW00123
lose_request  the connection closes before anything is done
lose_reply    it closes when all is done, without an answer
cut_reply     it closes in the middle of the answer's body, after `sent` bytes
no_order_no   an accepted order whose answer lacks ODNO
same_cursor   a page that says more follow and hands out the cursor it was asked with
slow          the answer takes `seconds` longer
late_booking  an order that the lists show only `seconds` later
stall_socket  the websocket says nothing more, and stays open
drop_socket   it is gone without a close frame
bad_cipher    a fill notice is encrypted with another key than was told

`slow` and `late_booking` go together with any other; of the rest a request takes one. Every fault but the
cursor's takes `acts`: whether the broker does what was asked first, which a client cannot see.

The three of the websocket befall the next frame that would go out; `path` is how its TR id ends, "PINGPONG" for
a heartbeat's.
"""


@dataclass(slots=True)
class Fault:
    """A fault in waiting."""

    name: str
    acts: bool
    how: dict[str, Any]
    path: str | None
    left: int


class Faults:
    """What is planted, and what has gone off.

    Attributes:
        fired: how often each fault has gone off.
    """

    def __init__(self) -> None:
        self._planted: list[Fault] = []
        self.fired: Counter[str] = Counter()

    def plant(self, name: str, *, times: int = 1, path: str | None = None, **how: Any) -> None:
        """Let a fault happen to the next requests.

        Args:
            name: one of KINDS.
            times: how many requests it befalls.
            path: how their path ends; None for any.
            how: its options, and `acts`.

        Raises:
            ValueError: there is no such fault, or it has no such option.
        """
        kind = KINDS.get(name)
        if kind is None:
            raise ValueError(f"no fault is named {name}; there are {', '.join(KINDS)}")
        acts = bool(how.pop("acts", kind.acts))
        unknown = how.keys() - kind.how.keys()
        if unknown:
            raise ValueError(f"{name} has no option {', '.join(sorted(unknown))}")
        self._planted.append(Fault(name, acts, {**kind.how, **how}, path, times))

    def clear(self) -> None:
        """Take back every fault that has not gone off."""
        self._planted.clear()

    @property
    def waiting(self) -> int:
        """How many requests will still be befallen, one fault at a time."""
        return sum(fault.left for fault in self._planted)

    def take(self, path: str) -> list[Fault]:
        """The faults that befall a request now: any that join, and at most one of the others, last."""
        joining: list[Fault] = []
        alone: list[Fault] = []
        for fault in list(self._planted):
            if KINDS[fault.name].socket or (fault.path is not None and not path.endswith(fault.path)):
                continue
            joins = KINDS[fault.name].joins
            if not joins and alone:
                continue
            (joining if joins else alone).append(fault)
            self._fire(fault)
        return joining + alone

    def strikes(self, tr_id: str, *names: str) -> str:
        """Which of some faults of the websocket befalls a frame now, "" for none."""
        for fault in self._planted:
            if fault.name in names and (fault.path is None or tr_id.endswith(fault.path)):
                self._fire(fault)
                return fault.name
        return ""

    def _fire(self, fault: Fault) -> None:
        self.fired[fault.name] += 1
        fault.left -= 1
        if fault.left <= 0:
            self._planted.remove(fault)
