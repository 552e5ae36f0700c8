"""Things that go wrong, by name, planted in advance at the door of the simulated broker."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ALWAYS = -1
"""As `times`: until it is taken back."""
_LISTS = ("inquire-daily-ccld", "inquire-psbl-rvsecncl")
_ORDERS = ("order-cash", "order-rvsecncl")
_PAGED = (*_LISTS, "inquire-balance")
_STATUS = range(200, 600)
_CHOICES: dict[str, frozenset[str]] = {
    "when": frozenset({"before", "after"}),
}


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault there is.

    Attributes:
        acts: whether the broker does what was asked before the fault shows; a plant may say otherwise.
        joins: whether it goes together with another fault on the same request.
        socket: whether it befalls a frame of the websocket, not a request.
        only: how the paths end that it can befall; empty for all.
        following: whether it befalls only requests for a following page.
        how: the options it takes, with their defaults.
    """

    acts: bool
    joins: bool = False
    socket: bool = False
    only: tuple[str, ...] = ()
    following: bool = False
    how: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_act(self) -> bool:
        """Whether a plant may say if the broker acts: it has to, where its own doing is what goes wrong."""
        return not (self.only or self.socket or (self.joins and "seconds" not in self.how)) or self.following


_PASSING = {"code": "EGW00001", "message": "일시적 오류", "status": 500, "rt_cd": "1"}
KINDS: dict[str, FaultKind] = {
    "refuse": FaultKind(acts=False, how=_PASSING),
    "throttle": FaultKind(acts=False, how={"status": 500, "code": "EGW00201"}),
    "stale_token": FaultKind(acts=False),
    "html": FaultKind(acts=False, how={"status": 502}),
    "empty": FaultKind(acts=True, how={"status": 200}),
    "garbage": FaultKind(acts=True, how={"status": 200}),
    "lose_request": FaultKind(acts=False),
    "lose_reply": FaultKind(acts=True),
    "reset_reply": FaultKind(acts=True),
    "head_only": FaultKind(acts=True, how={"reset": False}),
    "cut_reply": FaultKind(acts=True, how={"sent": 20, "reset": False}),
    "mute": FaultKind(acts=True),
    "stall_reply": FaultKind(acts=True, how={"sent": 20}),
    "drip": FaultKind(acts=True, how={"rate": 1.0}),
    "no_order_no": FaultKind(acts=True, only=_ORDERS),
    "same_cursor": FaultKind(acts=True, only=_PAGED),
    "endless_pages": FaultKind(acts=True, only=_PAGED),
    "short_list": FaultKind(acts=True, only=_LISTS, how={"rows": 1}),
    "empty_list": FaultKind(acts=True, only=_LISTS, how={"rt_cd": "0"}),
    "page_fails": FaultKind(acts=False, only=_PAGED, following=True, how=_PASSING),
    "slow": FaultKind(acts=True, joins=True, how={"seconds": 5.0}),
    "skew": FaultKind(acts=True, joins=True, how={"seconds": 5.0}),
    "late_booking": FaultKind(acts=True, joins=True, only=_ORDERS, how={"seconds": 5.0}),
    "twin": FaultKind(acts=True, joins=True, only=("order-cash",), how={"when": "before"}),
    "lag": FaultKind(acts=True, joins=True, only=_LISTS, how={"seconds": 30.0}),
    "old_rows": FaultKind(acts=True, joins=True, only=_LISTS),
    "krx_only": FaultKind(acts=True, joins=True, only=_LISTS),
    "stall_socket": FaultKind(acts=False, socket=True),
    "drop_socket": FaultKind(acts=False, socket=True),
    "repeat_frame": FaultKind(acts=True, socket=True),
    "swap_frames": FaultKind(acts=True, socket=True),
    "bad_cipher": FaultKind(acts=True, socket=True),
}
"""The faults by name.

An answer that says something else:

refuse         an answer of your own: code, message, status, rt_cd
throttle       over the limit: `code` EGW00201, or EGW00215 for the ledger's; `status`
stale_token    EGW00123
html           an HTML page from the edge, as `status` 502, 503 or 504
empty          HTTP 200 and nothing in it
garbage        HTTP 200 and no JSON
no_order_no    an accepted order whose answer lacks ODNO

An answer that does not come, or not whole:

lose_request   the connection closes before anything is done
lose_reply     it closes when all is done, without an answer
reset_reply    it is reset then (TCP RST)
head_only      it closes when the headers are out; with `reset`, it is reset
cut_reply      it closes in the middle of the answer's body, after `sent` bytes; with `reset`, it is reset
mute           nothing comes, and the connection stays open
stall_reply    after `sent` bytes of the body nothing more comes, and the connection stays open
drip           the body comes at `rate` bytes a second
slow           the answer takes `seconds` longer

A list that lies:

empty_list     it is empty, whatever there is; with an `rt_cd` that is not 0, it says so as an error
page_fails     a page after the first is refused, as by `refuse`
same_cursor    a page says more follow and hands out the cursor it was asked with
endless_pages  every page says more follow and hands out a new cursor
short_list     the last `rows` of a page are missing, and it says that none follow
lag            orders and requests of the last `seconds` are missing
old_rows       rows of earlier days are among those asked for, and each row again as of the trading day before
krx_only       rows of another venue are missing where the query names KRX or none

What happens at the broker, or on its clock:

late_booking   an order that the lists show only `seconds` later
twin           somebody keys in the very same order elsewhere, just `when` ours comes in: before it, or after
skew           the answer's `Date` is `seconds` ahead, or behind if negative

On the websocket:

stall_socket   it says nothing more, and stays open
drop_socket    it is gone without a close frame
repeat_frame   a frame comes twice
swap_frames    a frame comes after the next one
bad_cipher     a fill notice is encrypted with another key than was told

Those that join (`slow`, `skew`, `late_booking`, `twin`, `lag`, `old_rows`, `krx_only`) go together with any
other; of the rest a request takes one. Those that take the place of the broker's answer, or of part of it, and
`slow` take `acts`: whether the broker does what was asked first, which a client cannot see. The rest change what
it has done or answered.

Those of the websocket befall the next frame that would go out; `path` is how its TR id ends, "PINGPONG" for
a heartbeat's.
"""


@dataclass(slots=True)
class PlantedFault:
    """A fault in waiting.

    Attributes:
        left: how many requests it will befall; `ALWAYS` for all to come.
        skip: how many it lets pass before.
    """

    name: str
    acts: bool
    how: dict[str, Any]
    path: str | None
    left: int
    skip: int = 0


class Faults:
    """What is planted, and what has gone off.

    Attributes:
        fired: how often each fault has gone off.
    """

    def __init__(self, kinds: Mapping[str, FaultKind] = KINDS) -> None:
        """Nothing is planted yet.

        Args:
            kinds: the faults there are.
        """
        self._kinds = kinds
        self._planted: list[PlantedFault] = []
        self.fired: Counter[str] = Counter()

    def plant(self, name: str, *, times: int = 1, path: str | None = None, skip: int = 0, **how: Any) -> None:
        """Let a fault happen to the next requests.

        Args:
            name: one of the kinds.
            times: how many requests it befalls; `ALWAYS` for all until `clear`.
            path: how their path ends; None for any that it can befall.
            skip: how many of them it lets pass first.
            how: its options, and `acts`.

        Raises:
            ValueError: there is no such fault, it has no such option or not with this value, or it cannot befall
                this path.
        """
        kind = self._kinds.get(name)
        if kind is None:
            raise ValueError(f"no fault is named {name}; there are {', '.join(self._kinds)}")
        acts = bool(how.pop("acts", kind.acts))
        unknown = how.keys() - kind.how.keys()
        if acts != kind.acts and not kind.may_act:
            unknown = unknown | {"acts"}
        if unknown:
            raise ValueError(f"{name} has no option {', '.join(sorted(unknown))}")
        for option, value in how.items():
            _check(name, option, value, kind.how[option])
        if (times < 1 and times != ALWAYS) or skip < 0:
            raise ValueError(f"{name} happens at least once, after 0 or more requests, not {times} times after {skip}")
        if path is not None and kind.only and not any(one.endswith(path) or path.endswith(one) for one in kind.only):
            raise ValueError(f"{name} befalls {', '.join(kind.only)}, not {path}")
        self._planted.append(PlantedFault(name, acts, {**kind.how, **how}, path, times, skip))

    def clear(self) -> None:
        """Take back every fault that has not gone off."""
        self._planted.clear()

    @property
    def waiting(self) -> int:
        """How many requests will still be befallen, one fault at a time; one that always happens counts once."""
        return sum(abs(fault.left) for fault in self._planted)

    def take(self, path: str, *, following: bool = False) -> list[PlantedFault]:
        """The faults that befall a request now: any that join, and at most one of the others, last.

        Args:
            path: the request's.
            following: whether it asks for a following page.
        """
        if not self._planted:
            return []
        joining: list[PlantedFault] = []
        alone: list[PlantedFault] = []
        for fault in list(self._planted):
            kind = self._kinds[fault.name]
            if kind.socket or (kind.following and not following) or (alone and not kind.joins):
                continue
            if (fault.path is not None and not path.endswith(fault.path)) or (
                kind.only and not path.endswith(kind.only)
            ):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            (joining if kind.joins else alone).append(fault)
            self._fire(fault)
        return joining + alone

    def strikes(self, tr_id: str, *names: str) -> str:
        """Which of some faults of the websocket befalls a frame now, "" for none."""
        for fault in self._planted:
            if fault.name in names and (fault.path is None or tr_id.endswith(fault.path)):
                if fault.skip:
                    fault.skip -= 1
                    continue
                self._fire(fault)
                return fault.name
        return ""

    def _fire(self, fault: PlantedFault) -> None:
        self.fired[fault.name] += 1
        if fault.left == ALWAYS:
            return
        fault.left -= 1
        if fault.left <= 0:
            self._planted.remove(fault)


def _check(name: str, option: str, value: Any, default: Any) -> None:
    """Whether an option has a value that can be: of its default's type, and none that never happens.

    Raises:
        ValueError: it has not.
    """
    fits = isinstance(value, type(default))
    if isinstance(default, int | float) and not isinstance(default, bool):
        whole = isinstance(value, int) and not isinstance(value, bool)
        fits = whole or (isinstance(default, float) and isinstance(value, float) and math.isfinite(value))
        fits = fits and (value >= 0 or (name, option) == ("skew", "seconds"))
        if option == "status":
            fits = fits and value in _STATUS
        elif option in {"rate", "size", "bytes_per_second"}:
            fits = fits and value > 0
    elif option in _CHOICES:
        fits = value in _CHOICES[option]
    if (name, option) == ("throttle", "code"):
        fits = value in {"EGW00201", "EGW00215"}
    if not fits:
        raise ValueError(f"{option} of {name} cannot be {value!r}")
