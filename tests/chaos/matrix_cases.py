"""The fault matrix as a table: 56 single faults, every pair of a POST fault and a read-side fault, every kill point.

Rows have the letters of where in a request's life they strike: C connecting, W writing, G the gateway, L the ledger,
R the answer, Q the questions asked afterwards, T Telegram, D the disk, K the clock, P the process.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kis.sim.faults.catalogue import ALWAYS


@dataclass(frozen=True)
class Plant:
    """One fault as it is planted: of the broker (`line` false) or of the line to it."""

    name: str
    how: dict[str, Any] = field(default_factory=dict)
    line: bool = False
    times: int = 1


@dataclass(frozen=True)
class PostFault:
    """What befalls the POST of an order.

    Attributes:
        booked: whether the broker has the order in the end; None where both may be.
        ends: what may become of it where the readings afterwards are true.
        posts: how often it may leave at most.
        never: steps of the order's life that must not come to pass.
        tls: over TLS, where the fault is one of TLS.
        waits: seconds after which the broker's truth has surely come to light.
    """

    id: str
    what: str
    plants: tuple[Plant, ...]
    booked: bool | None
    ends: frozenset[str]
    posts: int = 1
    never: frozenset[str] = frozenset()
    tls: bool = False
    waits: float = 0.0
    later: bool = False
    """Whether it is booked so late that no reading can tell it from an absent one before."""


@dataclass(frozen=True)
class ReadFault:
    """What befalls the readings of the broker's list after the POST, or what others do at the broker's meanwhile.

    Attributes:
        plants: from the POST on, until `lasts` seconds later.
        act: what somebody does at the broker's own program, by the name of a method of `matrix.Stand`.
        paper: on a paper account, whose lists come in pages of fifteen rows.
    """

    id: str
    what: str
    plants: tuple[Plant, ...] = ()
    act: str = ""
    lasts: float = 200.0
    paper: bool = False
    blind: bool = False
    """Whether the list cannot be read at all, so that nothing is sent again."""


PLACED = frozenset({"placed"})
FOUND = frozenset({"found"})
ABSENT = frozenset({"absent"})
NOT_SENT = frozenset({"not_sent"})
BLOCKED = frozenset({"blocked"})
"""Stopped by the last look before another try: the list could not be read, or the quote was too old by then."""
DENIED = frozenset({"order.refused", "order.never_left"})
"""Words that would be a lie where nobody knows."""


def _refuse(code: str, *, acts: bool = False, status: int = 500, words: str = "오류") -> tuple[Plant, ...]:
    return (Plant("refuse", {"code": code, "message": words, "status": status, "rt_cd": "1", "acts": acts}),)


def _one(name: str, **how: Any) -> tuple[Plant, ...]:
    return (Plant(name, how),)


def _line(name: str, times: int = 1, **how: Any) -> tuple[Plant, ...]:
    return (Plant(name, how, line=True, times=times),)


def _throttle(times: int, status: int, code: str = "EGW00201") -> tuple[Plant, ...]:
    return (Plant("throttle", {"status": status, "code": code}, times=times),)


def _lost(id_: str, what: str, plants: tuple[Plant, ...], *, booked: bool, **more: Any) -> PostFault:
    return PostFault(id_, what, plants, booked, FOUND if booked else ABSENT, never=DENIED, **more)


def _late(seconds: float) -> PostFault:
    """In the books at once, in the list only later."""
    plants = (Plant("late_booking", {"seconds": seconds}), Plant("lose_reply"))
    return _lost("L4", f"shows {seconds:g} s later", plants, booked=True, waits=seconds)


def _after(seconds: float) -> PostFault:
    """Not even in the books before we have given up the answer."""
    plants = (Plant("slow", {"seconds": seconds, "acts": False}),)
    ends = frozenset({"found", "late", "by a person"})
    what = f"booked {seconds:g} s later"
    return PostFault("L4", what, plants, True, ends, never=DENIED, waits=seconds + 60, later=True)


CONNECT = {
    "C1": [PostFault("C1", "no address", _line("dns", ALWAYS), False, NOT_SENT, 4, frozenset({"order.lost"})),
           PostFault("C1", "no address once", _line("dns"), True, PLACED, 2, frozenset({"order.lost"}))],
    "C2": [PostFault("C2", "refused", _line("refuse", ALWAYS), False, NOT_SENT, 4, frozenset({"order.lost"})),
           PostFault("C2", "refused twice", _line("refuse", 2), True, PLACED, 3, frozenset({"order.lost"}))],
    "C3": [PostFault("C3", "connect timeout", _line("black_hole", ALWAYS), False, NOT_SENT, 4,
                     frozenset({"order.lost"}), tls=True)],
    "C4": [PostFault("C4", "TLS fails", _line("garbage_tls", ALWAYS), False, NOT_SENT, 4,
                     frozenset({"order.lost"}), tls=True)],
}  # fmt: skip
POSTS: dict[str, list[PostFault]] = {
    "W1": [_lost("W1", "reset on accept", _line("reset_on_accept"), booked=False)],
    "W2": [_lost("W2", "reset after the headers", _line("reset_after_headers"), booked=False)],
    "W3": [_lost("W3", "body stalls", _line("stall_request"), booked=False)],
    "G1": [PostFault("G1", f"throttled, HTTP {status}", _throttle(1, status), True, PLACED, 2)
           for status in (500, 200, 429)],
    "G2": [PostFault("G2", "throttled twice", _throttle(2, 500), True, PLACED, 3),
           PostFault("G2", "the ledger throttled twice", _throttle(2, 500, "EGW00215"), None, PLACED | BLOCKED, 3)],
    "G3": [PostFault("G3", "throttled five times", _throttle(5, 500), False, ABSENT, 4)],
    "G4": [PostFault("G4", "token refused once", _one("stale_token"), True, PLACED, 2)],
    "G5": [PostFault("G5", "token refused for ever", (Plant("stale_token", times=ALWAYS),), False, ABSENT, 2)],
    "G6": [_lost("G6", f"EGW00301, booked {acts}", _refuse("EGW00301", acts=acts), booked=acts)
           for acts in (True, False)],
    "G7": [_lost("G7", f"EGW00302, booked {acts}", _refuse("EGW00302", acts=acts), booked=acts)
           for acts in (True, False)],
    "G8": [_lost("G8", f"{name} {how}, booked {acts}", _one(name, acts=acts, **how), booked=acts)
           for acts in (True, False)
           for name, how in (("html", {"status": 502}), ("html", {"status": 503}), ("html", {"status": 504}),
                             ("empty", {}), ("garbage", {}))],
    "L1": [PostFault("L1", "business refusal", _refuse("APBK0952", status=200, words="주문가능금액을 초과 했습니다"),
                     False, frozenset({"rejected"}), never=frozenset({"order.lost", "order.doubted"}))],
    "L2": [PostFault("L2", "unseen code", _refuse("APBK7777", status=200), False, ABSENT,
                     never=frozenset({"order.refused", "order.accepted"}))],
    "L3": [_lost("L3", "no order number", _one("no_order_no"), booked=True)],
    "L4": [_after(30), *map(_late, (1, 8, 30, 90)), *map(_after, (11, 18, 40, 100, 210))],
    "R1": [_lost("R1", "FIN after booking", _one("lose_reply"), booked=True)],
    "R2": [_lost("R2", "RST after booking", _one("reset_reply"), booked=True)],
    "R3": [_lost("R3", f"headers only, reset {reset}", _one("head_only", reset=reset), booked=True)
           for reset in (False, True)],
    "R4": [_lost("R4", f"{sent} bytes of the answer", _one("cut_reply", sent=sent), booked=True)
           for sent in (1, 20, 120)],
    "R5": [_lost("R5", "the answer stalls", _one("stall_reply"), booked=True),
           _lost("R5", "no answer comes", _one("mute"), booked=True)],
    "R6": [PostFault("R6", "a byte a second", _one("drip"), True, FOUND | PLACED, never=DENIED)],
}  # fmt: skip
"""The 21 that befall a POST once it may have left; the first of each is the one that is paired."""

READS: dict[str, ReadFault] = {
    "Q1": ReadFault("Q1", "list 500", _refuse("EGW00001"), blind=True),
    "Q2": ReadFault("Q2", "empty, says error", _one("empty_list", rt_cd="1"), blind=True),
    "Q3": ReadFault("Q3", "page 2 fails", _one("page_fails"), paper=True),
    "Q4": ReadFault("Q4", "cursor repeats", _one("same_cursor"), paper=True, blind=True),
    "Q5": ReadFault("Q5", "endless pages", _one("endless_pages"), paper=True, blind=True),
    "Q6": ReadFault("Q6", "lags a minute", _one("lag", seconds=60.0)),
    "Q7": ReadFault("Q7", "rows of yesterday", _one("old_rows")),
    "Q8": ReadFault("Q8", "other venues hidden", _one("krx_only"), act="reroute"),
    "Q9": ReadFault("Q9", "the same order by hand", act="by_hand"),
    "Q10": ReadFault("Q10", "asked for once more", act="ask_again"),
    "Q11": ReadFault("Q11", "revised by hand", act="revise_by_hand"),
    "Q12": ReadFault("Q12", "cancelled by hand", act="cancel_by_hand"),
}
"""The 12 that befall what is read afterwards, or change what there is to read."""
MORE_READS = (
    ReadFault("Q2", "empty, says nothing", _one("empty_list"), lasts=260.0),
    ReadFault("Q6", "lags 3 s", _one("lag", seconds=3.0)),
    ReadFault("Q6", "lags half a minute", _one("lag", seconds=30.0)),
    ReadFault("Q8", "other venues hidden, paper", _one("krx_only"), act="reroute", paper=True),
    ReadFault("Q9", "the same order by hand, before", act="by_hand_before"),
    ReadFault("Q9", "the same order by hand, during", act="by_hand_during"),
)
"""Further forms of the same rows, played alone."""


@dataclass(frozen=True)
class Behaviour:
    """How the broker takes an order in whose course the process dies."""

    id: str
    what: str
    plants: tuple[Plant, ...] = ()
    market: bool = False
    """Whether it fills at once."""


BEHAVIOURS = (
    Behaviour("B1", "fills it at once", market=True),
    Behaviour("B2", "lets it rest"),
    Behaviour("B3", "books it, the answer is lost", _one("lose_reply")),
    Behaviour("B4", "closes before it is read", _one("lose_request")),
    Behaviour("B5", "refuses it", _refuse("APBK0952", status=200, words="주문가능금액을 초과 했습니다")),
    Behaviour("B6", "is too busy once", _throttle(1, 500)),
    Behaviour("B7", "times out inside and books it", _refuse("EGW00302", acts=True)),
    Behaviour("B8", "shows it a minute later", _one("late_booking", seconds=60.0)),
)


@dataclass(frozen=True)
class KillPoint:
    """Where a life ends.

    Attributes:
        point: as `kis.failpoints` names it.
        sent: whether a byte of the order may have left by then.
        tapped: whether the person's tap was taken by then: such an order is never sent by a later life.
    """

    id: str
    point: str
    n: int = 1
    sent: bool = True
    tapped: bool = True


KILL_POINTS = (
    KillPoint("P1", "inbox_stored", sent=False, tapped=False),
    KillPoint("P2", "offset_moved", 2, sent=False, tapped=False),
    KillPoint("P3", "draft_made", sent=False, tapped=False),
    KillPoint("P4", "card_sent", sent=False, tapped=False),
    KillPoint("P5", "button_used", sent=False),
    KillPoint("P6", "approved", sent=False),
    KillPoint("P7", "baseline", sent=False),
    KillPoint("P8", "before_attempt", sent=False),
    KillPoint("P9", "after_attempt", sent=False),
    KillPoint("P10", "socket_open", sent=False),
    KillPoint("P11", "half_body", sent=False),
    KillPoint("P12", "all_sent"),
    KillPoint("P13", "answer_read"),
    KillPoint("P14", "before_outcome"),
    KillPoint("P15", "after_outcome"),
    KillPoint("P16", "outbox_sending", 2),
)

SOCKETS = ("S1", "S2", "S3", "S4", "S5", "S6")
"""Rows of the fill websocket, which the bot does not listen to: its fills come from the list alone."""
APART = {"K2": "tests/integration/test_disk_and_clock.py", "T4": "tests/integration/test_disk_and_clock.py"}
"""Rows that need the whole program, and where they are played."""
TELEGRAM = ("T1", "T2", "T3", "T5", "T6")
DISK = ("D1", "D2", "D3", "D4")
CLOCK = ("K1", "K3")


def pairs() -> Iterator[tuple[PostFault, ReadFault]]:
    """Every POST fault with every read-side fault."""
    for forms in POSTS.values():
        for read in READS.values():
            yield forms[0], read


def kills() -> Iterator[tuple[KillPoint, Behaviour]]:
    """Every kill point with every way the broker may take the order."""
    for point in KILL_POINTS:
        for behaviour in BEHAVIOURS:
            yield point, behaviour
