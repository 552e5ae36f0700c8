"""Market scripts: what happens to an issue, or to all of them, minute by minute, for demos and tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kis import krx

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kis.sim.exchange.prices import Issue

EVERY = "*"
"""In place of a code: every listed issue."""
DEFAULT_CODE = "005930"
_VI_SECONDS = 120  # a static VI is a call auction of two minutes (KRX 업무규정 시행세칙, 변동성완화장치)
_HALT_SECONDS = 1_800  # trading resumes half an hour after a disclosure that halted it


class CueAction(StrEnum):
    """What a cue does to an issue."""

    PRICE = "price"
    OPEN = "open"
    HALT = "halt"
    RESUME = "resume"
    VI = "vi"
    VI_END = "vi_end"


class ScriptStep(NamedTuple):
    """One line of a script: seconds after its start, what happens, and for a price its percent over the base."""

    after: float
    act: CueAction
    percent: float = 0.0


@dataclass(frozen=True, slots=True)
class MarketScript:
    """A market script.

    Attributes:
        steps: what happens, in order.
        told: one sentence, Korean and English.
        code: whom it befalls unless the caller names another.
    """

    steps: tuple[ScriptStep, ...]
    told: str
    code: str = DEFAULT_CODE


SCRIPTS = {
    "gap_up": MarketScript(
        (ScriptStep(0, CueAction.OPEN, 8.0),),
        "전일보다 8% 높게 시가가 형성됩니다 · the day opens 8 % up",
    ),
    "halt": MarketScript(
        (ScriptStep(0, CueAction.HALT), ScriptStep(_HALT_SECONDS, CueAction.RESUME)),
        "거래정지, 30분 뒤 재개: 그동안 주문은 거절 · halted for half an hour; orders are refused",
    ),
    "vi": MarketScript(
        (ScriptStep(0, CueAction.PRICE, 10.0), ScriptStep(0, CueAction.VI), ScriptStep(_VI_SECONDS, CueAction.VI_END)),
        "10% 급등으로 VI 발동, 2분간 단일가 · a 10 % jump sets off a VI: two minutes of call auction",
    ),
    "limit_up": MarketScript(
        (
            ScriptStep(0, CueAction.PRICE, 12.0),
            ScriptStep(30, CueAction.PRICE, 21.0),
            ScriptStep(60, CueAction.PRICE, 30.0),
        ),
        "1분 만에 상한가, 매도 잔량 없음 · up to the limit in a minute; nobody offers",
    ),
    "limit_down": MarketScript(
        (
            ScriptStep(0, CueAction.PRICE, -12.0),
            ScriptStep(30, CueAction.PRICE, -21.0),
            ScriptStep(60, CueAction.PRICE, -30.0),
        ),
        "1분 만에 하한가, 매수 잔량 없음 · down to the limit in a minute; nobody bids",
    ),
    "crash": MarketScript(
        (
            ScriptStep(0, CueAction.PRICE, -3.0),
            ScriptStep(30, CueAction.PRICE, -6.0),
            ScriptStep(60, CueAction.PRICE, -10.0),
            ScriptStep(60, CueAction.VI),
            ScriptStep(60 + _VI_SECONDS, CueAction.VI_END),
            ScriptStep(60 + _VI_SECONDS, CueAction.PRICE, -15.0),
            ScriptStep(120 + _VI_SECONDS, CueAction.PRICE, -20.0),
        ),
        "전 종목 급락 -3, -6, -10% (VI) 뒤 -15, -20% · every issue falls 3, 6, 10 % (VI), then 15 and 20 %",
        code=EVERY,
    ),
}
"""The scripts by name."""


class Cue(NamedTuple):
    """Something staged: when, to whom, and what."""

    at: datetime
    code: str
    act: CueAction
    percent: float


class Scripted(Protocol):
    """The market, as far as a script changes it."""

    issues: dict[str, Issue]

    def set_price(self, code: str, price: int) -> None:
        """Trade up or down to a price."""
        ...


class MarketStage:
    """What is staged on a trading floor; it happens when somebody looks and its time has come."""

    def __init__(self) -> None:
        self._cues: list[Cue] = []
        self._running = False

    @property
    def waiting(self) -> tuple[Cue, ...]:
        """What has still to happen, earliest first."""
        return tuple(self._cues)

    def put(self, cues: Iterable[Cue]) -> None:
        """Add cues to those in waiting; of the same moment, the earlier added goes first."""
        self._cues = sorted([*self._cues, *cues], key=lambda cue: cue.at)

    def clear(self) -> None:
        """Call off whatever has not happened yet."""
        self._cues.clear()

    def run(self, market: Scripted, now: datetime) -> None:
        """Let happen whose time has come."""
        if self._running:
            return  # what a cue does to the floor makes the floor look again
        self._running = True
        try:
            while self._cues and self._cues[0].at <= now:
                cue = self._cues.pop(0)
                for code in market.issues if cue.code == EVERY else (cue.code,):
                    _happen(market, market.issues[code], cue)
        finally:
            self._running = False


def scripted(text: str, now: datetime, listed: Iterable[str]) -> list[Cue]:
    """The cues of scenarios as people write them.

    Args:
        text: `name[:code][@seconds]`, several with commas: "gap_up", "halt:000660@30", "crash:*". The code is
            that of the script unless named, `*` means every issue; the seconds go by before it begins.
        now: when the text counts from.
        listed: the codes there are.

    Raises:
        ValueError: no such script, code or time; the text says what there is.
    """
    known = set(listed)
    cues = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        head, _, wait = part.partition("@")
        name, _, code = head.partition(":")
        script = SCRIPTS.get(name)
        if script is None:
            raise ValueError(f"no scenario is named {name}; there are {', '.join(SCRIPTS)}")
        code = code or script.code
        if code != EVERY and code not in known:
            raise ValueError(f"{code} is not listed")
        begins = now + timedelta(seconds=_seconds(wait))
        cues += [Cue(begins + timedelta(seconds=s.after), code, s.act, s.percent) for s in script.steps]
    return cues


def _seconds(text: str) -> float:
    if not text:
        return 0.0
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"a scenario begins after whole seconds, not {text}")
    return float(text)


def _happen(market: Scripted, issue: Issue, cue: Cue) -> None:
    if cue.act in {CueAction.HALT, CueAction.RESUME}:
        issue.halted = cue.act is CueAction.HALT
        return
    if cue.act in {CueAction.VI, CueAction.VI_END}:
        issue.vi = cue.act is CueAction.VI
        return
    if cue.act is CueAction.OPEN:
        issue.reopen()
    market.set_price(issue.listing.code, priced(issue, cue.percent))


def priced(issue: Issue, percent: float) -> int:
    """The price on tick, within the day's limits, that stands `percent` over or under the base."""
    exact = round(issue.base * (100 + percent) / 100)
    if exact >= issue.upper:
        return issue.upper
    if exact <= issue.lower:
        return issue.lower
    below, _ = krx.tick_neighbours(exact, etf=issue.listing.etf)
    return max(below, issue.lower)
