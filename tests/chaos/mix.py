"""What may befall a request, and how often which: the fault matrix as one table, drawn from by a seed.

The shares are an assumption of ours, not a measurement of KIS: every way an order can go astray is about as likely as
any other. How long a booking may stay out of sight is one too: eight seconds in the mean, and for one in a hundred up
to five minutes.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

ORDER_PATHS = ("order-cash", "order-rvsecncl")
LIST_PATHS = ("inquire-daily-ccld", "inquire-psbl-rvsecncl")

TOKEN_PATH = "tokenP"
"""Always answered: it is asked for once a day, and without one nothing is sent at all."""

MEAN_LATENESS = 8.0
LONG = 0.01
LONGEST = 300.0
PATIENCE = 10.0
"""Seconds after which the client gives up an answer."""

How = Callable[[random.Random], dict[str, Any]]


class Plant(NamedTuple):
    """A fault the simulator knows by name, with its options; or `CONNECT`: there is no connection, and it never arrives."""

    name: str
    how: dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """One row of the mix.

    Attributes:
        name: as it is counted.
        weight: its share among the others.
        unprocessed: whether an order may be sent again after it, as nothing was carried out.
    """

    name: str
    weight: float
    plant: str
    how: How = lambda _: {}
    unprocessed: bool = False

    def drawn(self, rng: random.Random) -> Plant:
        return Plant(self.plant, self.how(rng))


CONNECT = "connect"
PAGE = "page_fails"


def lateness(rng: random.Random) -> float:
    """Seconds until a booked order shows: a tail, not a constant."""
    return rng.uniform(30, LONGEST) if rng.random() < LONG else rng.expovariate(1 / MEAN_LATENESS)


def _acts(rng: random.Random) -> dict[str, Any]:
    return {"acts": rng.random() < 0.5}


def _is(**how: Any) -> How:
    return lambda _: how


def _refused(code: str, *, status: int = 500, words: str = "오류", maybe: bool = False) -> How:
    def how(rng: random.Random) -> dict[str, Any]:
        acts = maybe and rng.random() < 0.5
        return {"code": code, "message": words, "status": status, "rt_cd": "1", "acts": acts}

    return how


WRITE_FAULTS = (
    Fault("C connection refused", 3, CONNECT, unprocessed=True),
    Fault("W closed before it was read", 1, "lose_request"),
    Fault("W reset before it was read", 1, "reset_reply", _is(acts=False)),
    Fault("W stalls, nothing done", 1, "mute", _is(acts=False)),
    Fault("G throttled", 3, "throttle",
          lambda rng: {"status": rng.choice((200, 429, 500)), "code": rng.choice(("EGW00201", "EGW00215"))}, unprocessed=True),
    Fault("G token expired", 0.5, "stale_token", unprocessed=True),
    Fault("G EGW00301", 1, "refuse", _refused("EGW00301", words="연결 타임아웃", maybe=True)),
    Fault("G EGW00302", 1, "refuse", _refused("EGW00302", words="거래 타임아웃", maybe=True)),
    Fault("G html", 3, "html", lambda rng: {"status": rng.choice((502, 503, 504)), **_acts(rng)}),
    Fault("G empty", 1, "empty", _acts),
    Fault("G garbage", 1, "garbage", _acts),
    Fault("L business refusal", 1, "refuse", _refused("APBK0952", status=200, words="주문가능금액을 초과 했습니다")),
    Fault("L unseen code", 1, "refuse", _refused("APBK7777", status=200, words="처리할 수 없습니다")),
    Fault("L passing error", 1, "refuse", _refused("EGW00001", words="일시적 오류가 발생했습니다.")),
    Fault("L no order number", 1, "no_order_no"),
    Fault("R closed after booking", 2, "lose_reply"),
    Fault("R reset after booking", 1, "reset_reply"),
    Fault("R headers only", 1, "head_only", lambda rng: {"reset": rng.random() < 0.5}),
    Fault("R truncated", 1, "cut_reply", lambda rng: {"sent": rng.randrange(1, 150), "reset": rng.random() < 0.5}),
    Fault("R silent after booking", 1, "mute"),
    Fault("R stalls in the answer", 1, "stall_reply", lambda rng: {"sent": rng.randrange(1, 150)}),
    Fault("R one byte a second", 1, "drip"),
    Fault("R slow", 1, "slow", lambda rng: {"seconds": rng.uniform(1, 15)}),
    Fault("L booked after we gave up", 1, "slow", lambda rng: {"seconds": PATIENCE + lateness(rng), "acts": False}),
)  # fmt: skip
"""What befalls the POST of an order, a cancel or a revision."""

READ_FAULTS = (
    Fault("read: connection refused", 2, CONNECT),
    Fault("read: error 500", 3, "refuse", _refused("EGW00001", words="일시적 오류가 발생했습니다.")),
    Fault("read: html", 3, "html", lambda rng: {"status": rng.choice((502, 503, 504))}),
    Fault("read: empty", 1, "empty"),
    Fault("read: garbage", 1, "garbage"),
    Fault("read: closed", 2, "lose_reply"),
    Fault("read: truncated", 1, "cut_reply", lambda rng: {"sent": rng.randrange(1, 150)}),
    Fault("read: throttled", 2, "throttle"),
    Fault("read: token expired", 0.1, "stale_token"),
    Fault("read: slow", 2, "slow", lambda rng: {"seconds": rng.uniform(0.5, 4)}),
    Fault("read: silent", 0.5, "mute"),
)
"""What befalls any question."""

LIST_FAULTS = (
    *READ_FAULTS,
    Fault("list: empty, no error", 1, "empty_list"),
    Fault("list: empty, says error", 1, "empty_list", _is(rt_cd="1")),
    Fault("list: a page fails", 2, PAGE),
    Fault("list: cursor repeats", 1, "same_cursor"),
    Fault("list: endless", 0.3, "endless_pages"),
    Fault("list: lies by a page", 1, "short_list", lambda rng: {"rows": rng.randrange(1, 6)}),
    Fault("list: lags", 4, "lag", lambda rng: {"seconds": rng.uniform(3, 60)}),
    Fault("list: rows of yesterday", 1, "old_rows"),
    Fault("list: hides other venues", 1, "krx_only"),
)
"""What befalls a question for the day's orders."""

LATE = "late_booking"
LATE_NAME = "L late in the list"


class Chance:
    """What befalls which request, from one seed and rate.

    An order's faults hang on whose order it is and which try, so that two policies meet the same; those of questions
    on how many were asked.
    """

    def __init__(self, seed: str, rate: float) -> None:
        self._seed = seed
        self._rate = rate
        self._reads = random.Random(f"{seed}:reads")

    def write(self, whose: str, n: int) -> tuple[Fault | None, list[Plant]]:
        """For the n-th POST of an order, counted from 0: its fault, if any, and what to plant."""
        rng = random.Random(f"{self._seed}:{whose}:{n}")
        fault = _choice(WRITE_FAULTS, rng) if rng.random() < self._rate else None
        plants = [fault.drawn(rng)] if fault else []
        if rng.random() < self._rate / 2 and (fault is None or fault.plant != CONNECT):
            plants.append(Plant(LATE, {"seconds": lateness(rng)}))
        return fault, plants

    def read(self, path: str, *, following: bool) -> tuple[Fault | None, list[Plant]]:
        """For the next question; `following`: it asks for a page after the first."""
        rng = self._reads
        if path == TOKEN_PATH or rng.random() >= self._rate:
            return None, []
        fault = _choice(LIST_FAULTS if path.endswith(LIST_PATHS) else READ_FAULTS, rng)
        return (None, []) if fault.plant == PAGE and not following else (fault, [fault.drawn(rng)])


def _choice(faults: Sequence[Fault], rng: random.Random) -> Fault:
    return rng.choices(faults, [fault.weight for fault in faults])[0]


def all_names() -> list[str]:
    """Every fault by the name it is counted under, so that one that never fired shows as 0."""
    return [*dict.fromkeys(fault.name for fault in (*WRITE_FAULTS, *LIST_FAULTS)), LATE_NAME]
