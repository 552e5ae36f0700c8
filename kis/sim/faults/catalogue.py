"""The catalogue of faults by name, and the faults planted for requests and frames to come."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ALWAYS = -1
"""As `times`: until `clear`."""
_LISTS = ("inquire-daily-ccld", "inquire-psbl-rvsecncl")
_ORDERS = ("order-cash", "order-rvsecncl")
_PAGED = (*_LISTS, "inquire-balance")
_STATUS = range(200, 600)
_CHOICES = {("twin", "when"): {"before", "after"}, ("throttle", "code"): {"EGW00201", "EGW00215"}}


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault.

    Attributes:
        acts: whether the broker processes the request; a plant may override it if `may_act`.
        joins: whether it can be combined with another fault on the same request.
        websocket: whether it applies to a frame of the websocket, not to a request.
        paths: endings of the paths it applies to; empty for all.
        next_page: whether it applies only to requests for a following page.
        options: its options with their defaults.
    """

    acts: bool
    joins: bool = False
    websocket: bool = False
    paths: tuple[str, ...] = ()
    next_page: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_act(self) -> bool:
        """Whether a plant may override `acts`: not if the fault changes what the broker does."""
        changes = self.paths or self.websocket or (self.joins and "seconds" not in self.options)
        return not changes or self.next_page


_TEMPORARY = {"code": "EGW00001", "message": "일시적 오류", "status": 500, "rt_cd": "1"}
KINDS: dict[str, FaultKind] = {
    # --- a different answer ---
    # A refusal of your own.
    "refuse": FaultKind(acts=False, options=_TEMPORARY),
    # Over the rate limit: `code` EGW00201, or EGW00215 for the ledger's.
    "throttle": FaultKind(acts=False, options={"status": 500, "code": "EGW00201"}),
    "stale_token": FaultKind(acts=False),  # EGW00123
    "html": FaultKind(acts=False, options={"status": 502}),  # a page from the edge, as 502, 503 or 504
    "empty": FaultKind(acts=True, options={"status": 200}),  # an empty body
    "garbage": FaultKind(acts=True, options={"status": 200}),  # a body that is no JSON
    # --- an answer that is missing or incomplete ---
    "lose_request": FaultKind(acts=False),  # the connection closes before the request is processed
    "lose_reply": FaultKind(acts=True),  # it closes after the request is processed, without an answer
    "reset_reply": FaultKind(acts=True),  # as lose_reply, with a TCP RST
    "head_only": FaultKind(acts=True, options={"reset": False}),  # closes after the headers; with `reset`, by RST
    # Closes after `sent` bytes of the body; with `reset`, by RST.
    "cut_reply": FaultKind(acts=True, options={"sent": 20, "reset": False}),
    "mute": FaultKind(acts=True),  # no answer, and the connection stays open
    "stall_reply": FaultKind(acts=True, options={"sent": 20}),  # nothing after `sent` bytes; it stays open
    "drip": FaultKind(acts=True, options={"rate": 1.0}),  # the body comes at `rate` bytes a second
    # --- an accepted order without its number, or a wrong list ---
    "no_order_no": FaultKind(acts=True, paths=_ORDERS),  # an accepted order whose answer lacks ODNO
    "same_cursor": FaultKind(acts=True, paths=_PAGED),  # a page says more follow, with the cursor of the request
    "endless_pages": FaultKind(acts=True, paths=_PAGED),  # every page says more follow, with a new cursor
    # The last `rows` of a page are missing, and it says that no page follows.
    "short_list": FaultKind(acts=True, paths=_LISTS, options={"rows": 1}),
    # It is empty; with an `rt_cd` that is not 0, as an error.
    "empty_list": FaultKind(acts=True, paths=_LISTS, options={"rt_cd": "0"}),
    # A page after the first is refused, as by `refuse`.
    "page_fails": FaultKind(acts=False, paths=_PAGED, next_page=True, options=_TEMPORARY),
    # --- faults that combine with others ---
    "slow": FaultKind(acts=True, joins=True, options={"seconds": 5.0}),  # the answer takes `seconds` longer
    # The answer's `Date` is `seconds` ahead, or behind if negative.
    "skew": FaultKind(acts=True, joins=True, options={"seconds": 5.0}),
    # The order appears in the lists only `seconds` later.
    "late_booking": FaultKind(acts=True, joins=True, paths=_ORDERS, options={"seconds": 5.0}),
    # An identical order is placed from the HTS, `when` "before" or "after" this one.
    "twin": FaultKind(acts=True, joins=True, paths=("order-cash",), options={"when": "before"}),
    # Orders and requests of the last `seconds` are missing.
    "lag": FaultKind(acts=True, joins=True, paths=_LISTS, options={"seconds": 30.0}),
    # Rows of earlier days are included, and each row again dated the trading day before.
    "old_rows": FaultKind(acts=True, joins=True, paths=_LISTS),
    # Rows of another venue are missing where the query names KRX or none.
    "krx_only": FaultKind(acts=True, joins=True, paths=_LISTS),
    # --- on the websocket ---
    "stall_socket": FaultKind(acts=False, websocket=True),  # no more frames, and the connection stays open
    "drop_socket": FaultKind(acts=False, websocket=True),  # the connection is dropped without a close frame
    "repeat_frame": FaultKind(acts=True, websocket=True),  # a frame is sent twice
    "swap_frames": FaultKind(acts=True, websocket=True),  # a frame is sent after the next one
    "bad_cipher": FaultKind(acts=True, websocket=True),  # a notice is encrypted with a key other than the one sent
}
"""The faults by name.

Those that join combine with any other; of the rest a request takes one. Those that replace the broker's answer or part
of it, and `slow`, take the option `acts`: whether the broker processes the request first, which a client cannot see.

Those of the websocket apply to the next frame sent; `path` is the ending of its TR id, "PINGPONG" for a heartbeat.
"""


@dataclass(slots=True)
class PlantedFault:
    """A planted fault.

    Attributes:
        left: to how many requests it applies; `ALWAYS` for all to come.
        skip: how many requests pass before.
    """

    name: str
    acts: bool
    options: dict[str, Any]
    path: str | None
    left: int
    skip: int = 0


class Faults:
    """The planted faults.

    Attributes:
        fired: how often each fault has applied.
    """

    def __init__(self, kinds: Mapping[str, FaultKind] = KINDS) -> None:
        self._kinds = kinds
        self._planted: list[PlantedFault] = []
        self.fired: Counter[str] = Counter()

    def plant(self, name: str, *, times: int = 1, path: str | None = None, skip: int = 0, **options: Any) -> None:
        """Plants a fault for the next requests.

        Args:
            name: one of the kinds.
            times: to how many requests it applies; `ALWAYS` for all until `clear`.
            path: the ending of their path; None for any it applies to.
            skip: how many of them pass first.
            options: its options, and `acts`.

        Raises:
            ValueError: unknown fault, option or value, or it does not apply to this path.
        """
        kind = self._kinds.get(name)
        if kind is None:
            raise ValueError(f"no fault is named {name}; there are {', '.join(self._kinds)}")
        acts = bool(options.pop("acts", kind.acts))
        unknown = options.keys() - kind.options.keys()
        if acts != kind.acts and not kind.may_act:
            unknown = unknown | {"acts"}
        if unknown:
            raise ValueError(f"{name} has no option {', '.join(sorted(unknown))}")
        for option, value in options.items():
            _check(name, option, value, kind.options[option])
        if (times < 1 and times != ALWAYS) or skip < 0:
            raise ValueError(f"{name} happens at least once, after 0 or more requests, not {times} times after {skip}")
        if path is not None and kind.paths and not any(one.endswith(path) or path.endswith(one) for one in kind.paths):
            raise ValueError(f"{name} befalls {', '.join(kind.paths)}, not {path}")
        self._planted.append(PlantedFault(name, acts, {**kind.options, **options}, path, times, skip))

    def clear(self) -> None:
        """Removes all planted faults."""
        self._planted.clear()

    @property
    def waiting(self) -> int:
        """Applications to come, over all faults; `ALWAYS` counts once."""
        return sum(abs(fault.left) for fault in self._planted)

    def take(self, path: str, *, following: bool = False) -> list[PlantedFault]:
        """The faults that apply to a request now: all that combine, and at most one other, last.

        `following` says whether it requests a following page.
        """
        combined: list[PlantedFault] = []
        exclusive: list[PlantedFault] = []
        for fault in list(self._planted):
            kind = self._kinds[fault.name]
            if kind.websocket or (kind.next_page and not following) or (exclusive and not kind.joins):
                continue
            if not path.endswith(fault.path or "") or not path.endswith(kind.paths or ""):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            (combined if kind.joins else exclusive).append(fault)
            self._fire(fault)
        return combined + exclusive

    def take_for_frame(self, tr_id: str, *names: str) -> str:
        """The fault, of those named, that applies to a frame now; "" for none."""
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
    """Raises ValueError unless an option's value is valid and of its default's type."""
    fits = isinstance(value, type(default))
    if isinstance(default, int | float) and not isinstance(default, bool):
        whole = isinstance(value, int) and not isinstance(value, bool)
        fits = whole or (isinstance(default, float) and isinstance(value, float) and math.isfinite(value))
        fits = fits and (value >= 0 or (name, option) == ("skew", "seconds"))
        if option == "status":
            fits = fits and value in _STATUS
        elif option in {"rate", "size", "bytes_per_second"}:
            fits = fits and value > 0
    elif (name, option) in _CHOICES:
        fits = value in _CHOICES[name, option]
    if not fits:
        raise ValueError(f"{option} of {name} cannot be {value!r}")
