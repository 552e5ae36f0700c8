"""Minute bars: of today from the trades, of earlier days generated from the daily bars."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

from kis import krx
from kis.sim.api.context import ApiCall, ApiContext, required
from kis.sim.api.quotations import change_of, issue_of
from kis.sim.api.responses import QUOTED, SimResponse, business
from kis.sim.exchange.prices import Minute

if TYPE_CHECKING:
    from datetime import date

    from kis.sim.exchange.prices import DayBar, Issue

MAX_MINUTES = 30
_CLOCK_DIGITS = 6
_MINUTES = [f"{hour:02d}{minute:02d}" for hour in range(9, 16) for minute in range(60) if (hour, minute) <= (15, 30)]


def minute_bars(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식당일분봉조회: thirty rows at most, newest first, up to a time; minutes without trades have none."""
    issue = issue_of(broker, call)
    _, hour, past = required(call, "FID_ETC_CLS_CODE", "FID_INPUT_HOUR_1", "FID_PW_DATA_INCU_YN")
    hour = hour.strip()
    if len(hour) != _CLOCK_DIGITS or not (hour.isascii() and hour.isdigit()):
        raise business("OPSQ2002", "ERROR : INPUT INVALID FIELD [FID_INPUT_HOUR_1]", "2")
    today = broker.exchange.now().date()
    rows = [(today, name, bar) for name, bar in _today(issue) if f"{name}00" <= hour]
    if past.strip() == "Y":
        for day in reversed(issue.bars):
            if len(rows) >= MAX_MINUTES:
                break
            rows = [(day.day, name, bar) for name, bar in _generated(issue, day)] + rows
    shown = [_row(*row) for row in reversed(rows[-MAX_MINUTES:])]
    summary = {
        **change_of(issue),
        "stck_prdy_clpr": str(issue.base),
        "acml_vol": str(issue.volume),
        "acml_tr_pbmn": str(issue.value),
        "hts_kor_isnm": issue.listing.name,
        "stck_prpr": str(issue.last),
    }
    return SimResponse({"output1": summary, "output2": shown, **QUOTED})


def _row(day: date, name: str, minute: Minute) -> dict[str, str]:
    return {
        "stck_bsop_date": day.strftime("%Y%m%d"),
        "stck_cntg_hour": f"{name}00",
        "stck_prpr": str(minute.close),
        "stck_oprc": str(minute.open),
        "stck_hgpr": str(minute.high),
        "stck_lwpr": str(minute.low),
        "cntg_vol": str(minute.volume),
        "acml_tr_pbmn": str(minute.value),
    }


def _today(issue: Issue) -> list[tuple[str, Minute]]:
    """Minutes before the simulation began, at its first price, and the minutes since."""
    first = min(issue.minutes, default=_MINUTES[-1])
    before = [name for name in _MINUTES if name < first] or [first]
    known = sorted(issue.minutes.items())
    if not issue.early:
        return known
    price, value, rows = issue.listing.price, 0, []
    for name, volume in zip(before, _shares(issue.early, len(before), issue.past_seed), strict=True):
        if volume and name not in issue.minutes:
            value += price * volume
            rows.append((name, Minute(price, price, price, price, volume, value)))
    return rows + known


def _generated(issue: Issue, bar: DayBar) -> list[tuple[str, Minute]]:
    """The minutes of a past day, through open, low, high and close (high before low if it fell)."""
    turns = [bar.open, bar.low, bar.high, bar.close]
    if bar.close < bar.open:
        turns = [bar.open, bar.high, bar.low, bar.close]
    last = len(_MINUTES) - 1
    path = []
    for place in range(len(_MINUTES)):
        leg, along = divmod(place * 3, last)
        start, end = (turns[leg], turns[leg + 1]) if leg < len(turns) - 1 else (bar.close, bar.close)
        path.append(krx.tick_neighbours(round(start + (end - start) * along / last), etf=issue.listing.etf)[0])
    value, rows = 0, []
    volumes = _shares(bar.volume, len(_MINUTES), issue.past_seed + bar.day.toordinal())
    for name, (before, price), volume in zip(_MINUTES, pairwise([path[0], *path]), volumes, strict=True):
        value += price * volume
        rows.append((name, Minute(before, max(before, price), min(before, price), price, volume, value)))
    return rows


def _shares(total: int, parts: int, seed: int) -> list[int]:
    """A volume divided into uneven parts."""
    rng = random.Random(seed)  # noqa: S311  volumes, not secrets
    weights = [rng.expovariate(1.0) for _ in range(parts)]
    cut, whole, done = [], sum(weights), 0.0
    for weight in weights:
        begun, done = done, done + weight
        cut.append(round(total * done / whole) - round(total * begun / whole))
    return cut
