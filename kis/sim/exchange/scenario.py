"""Market scripts: timed price moves, halts and VIs of an issue or of all, for demos and tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from kis import krx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from kis.sim.exchange.prices import Issue

ALL_CODES = "*"
"""In place of a code: all issues."""
DEFAULT_CODE = "005930"
_VI_SECONDS = 120  # a static VI is a call auction of two minutes (KRX 업무규정 시행세칙, 변동성완화장치)
_HALT_SECONDS = 1_800  # trading resumes half an hour after a disclosure that halted it


class ScriptAction(StrEnum):
    """What a step does to an issue."""

    PRICE = "price"
    OPEN = "open"
    HALT = "halt"
    RESUME = "resume"
    VI = "vi"
    VI_END = "vi_end"


class ScriptStep(NamedTuple):
    """One step of a script: seconds after its start, the action, and for a price the percent over the base price."""

    after: float
    action: ScriptAction
    percent: float = 0.0


@dataclass(frozen=True, slots=True)
class MarketScript:
    """A market script.

    Attributes:
        steps: in order.
        description: one sentence, Korean and English.
        code: the issue, unless the caller names another.
    """

    steps: tuple[ScriptStep, ...]
    description: str
    code: str = DEFAULT_CODE


def _price_steps(*steps: tuple[float, float]) -> tuple[ScriptStep, ...]:
    return tuple(ScriptStep(after, ScriptAction.PRICE, percent) for after, percent in steps)


SCRIPTS = {
    "gap_up": MarketScript(
        (ScriptStep(0, ScriptAction.OPEN, 8.0),), "전일보다 8% 높게 시가가 형성됩니다 · the day opens 8 % up"
    ),
    "halt": MarketScript(
        (ScriptStep(0, ScriptAction.HALT), ScriptStep(_HALT_SECONDS, ScriptAction.RESUME)),
        "거래정지, 30분 뒤 재개: 그동안 주문은 거절 · halted for half an hour; orders are refused",
    ),
    "vi": MarketScript(
        (
            ScriptStep(0, ScriptAction.PRICE, 10.0),
            ScriptStep(0, ScriptAction.VI),
            ScriptStep(_VI_SECONDS, ScriptAction.VI_END),
        ),
        "10% 급등으로 VI 발동, 2분간 단일가 · a 10 % jump sets off a VI: two minutes of call auction",
    ),
    "limit_up": MarketScript(
        _price_steps((0, 12.0), (30, 21.0), (60, 30.0)),
        "1분 만에 상한가, 매도 잔량 없음 · up to the limit in a minute; nobody offers",
    ),
    "limit_down": MarketScript(
        _price_steps((0, -12.0), (30, -21.0), (60, -30.0)),
        "1분 만에 하한가, 매수 잔량 없음 · down to the limit in a minute; nobody bids",
    ),
    "crash": MarketScript(
        (
            *_price_steps((0, -3.0), (30, -6.0), (60, -10.0)),
            ScriptStep(60, ScriptAction.VI),
            ScriptStep(60 + _VI_SECONDS, ScriptAction.VI_END),
            *_price_steps((60 + _VI_SECONDS, -15.0), (120 + _VI_SECONDS, -20.0)),
        ),
        "전 종목 급락 -3, -6, -10% (VI) 뒤 -15, -20% · every issue falls 3, 6, 10 % (VI), then 15 and 20 %",
        code=ALL_CODES,
    ),
}
"""The scripts by name."""


class ScheduledStep(NamedTuple):
    """A step with its time and its issue."""

    at: datetime
    code: str
    action: ScriptAction
    percent: float


class ScriptSchedule:
    """The steps to come; a step runs when the exchange is used and its time has passed."""

    def __init__(self) -> None:
        self._steps: list[ScheduledStep] = []
        self._running = False

    @property
    def waiting(self) -> tuple[ScheduledStep, ...]:
        """The steps to come, earliest first."""
        return tuple(self._steps)

    def add(self, steps: Iterable[ScheduledStep]) -> None:
        """Adds steps; at the same moment, the one added earlier runs first."""
        self._steps = sorted([*self._steps, *steps], key=lambda step: step.at)

    def clear(self) -> None:
        """Drops the steps to come."""
        self._steps.clear()

    def run(self, now: datetime, step: Callable[[ScheduledStep], None]) -> None:
        """Hands the steps whose time has passed to `step`, one after the other."""
        if self._running:
            return  # a step uses the exchange, which runs the schedule again
        self._running = True
        try:
            while self._steps and self._steps[0].at <= now:
                step(self._steps.pop(0))
        finally:
            self._running = False


def parse_scenarios(text: str, now: datetime, listed: Iterable[str]) -> list[ScheduledStep]:
    """The steps of scenarios in text form.

    Args:
        text: `name[:code][@seconds]`, separated by commas: "gap_up", "halt:000660@30", "crash:*". The code is
            the script's unless given, `*` means all issues; the script starts after the seconds.
        now: the present moment.
        listed: the listed codes.

    Raises:
        ValueError: unknown script or code, or an invalid time; the message lists the scripts.
    """
    known = set(listed)
    steps = []
    for part in filter(None, (item.strip() for item in text.split(","))):
        head, _, wait = part.partition("@")
        name, _, code = head.partition(":")
        script = SCRIPTS.get(name)
        if script is None:
            raise ValueError(f"no scenario is named {name}; there are {', '.join(SCRIPTS)}")
        code = code or script.code
        if code != ALL_CODES and code not in known:
            raise ValueError(f"{code} is not listed")
        begins = now + timedelta(seconds=_seconds(wait))
        steps += [ScheduledStep(begins + timedelta(seconds=s.after), code, s.action, s.percent) for s in script.steps]
    return steps


def _seconds(text: str) -> float:
    if not text:
        return 0.0
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"a scenario begins after whole seconds, not {text}")
    return float(text)


def price_at(issue: Issue, percent: float) -> int:
    """The price `percent` over or under the base price, on tick and within the day's limits."""
    exact = round(issue.base * (100 + percent) / 100)
    if exact >= issue.upper:
        return issue.upper
    if exact <= issue.lower:
        return issue.lower
    below, _ = krx.tick_neighbours(exact, etf=issue.listing.etf)
    return max(below, issue.lower)
