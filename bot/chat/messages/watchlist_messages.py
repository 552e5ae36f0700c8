"""The message that shows a watch list, drawn from its facts whenever it is sent. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.chat.i18n.formatting import arrow, clock_time, percent, rough_shares, safe
from bot.chat.i18n.frame import Frame
from bot.chat.types import WATCH, Button, Buttons, Reply, WatchlistMode, WatchlistRow, WatchlistView
from kis.krx import KST

ADD, REMOVE = f"{WATCH}+", f"{WATCH}-"
"""Before a code: on the list, and off it, in place."""
MOST = 20
"""Stocks on one list."""
LONGEST_NAME = 14
ACROSS = 3
"""Buttons of stocks in a row."""


class WatchlistTap(StrEnum):
    """What the buttons of the message itself do, all of it in place."""

    REFRESH = "refresh"
    LIVE = "live"
    PAUSE = "pause"
    EDIT = "edit"
    CLEAR = "clear"


def heading(frame: Frame, count: str = "") -> str:
    """The first line of everything about a watch list."""
    return f"⭐ <b>{frame.text('Watch list')}</b>{count} {frame.badge}"


def look_push(data: Mapping[str, Any], frame: Frame) -> Reply | None:
    """The living message from its facts; None where it is to be shown no more."""
    return look_card(WatchlistView.model_validate(data), frame) if data else None


def look_card(look: WatchlistView, frame: Frame, notes: tuple[str, ...] = ()) -> Reply:
    """The living message. `notes`, already escaped, stand above the list."""
    head = heading(frame, f" {len(look.rows)}/{MOST}")
    if not look.rows:
        return Reply("\n".join([head, *notes, *_how_to_add(frame)]), _offers(look))
    lines = [head, *notes, *(_line(one, look.at, frame) for one in look.rows)]
    if any(one.seen is None and not one.waits for one in look.rows):
        lines.append(frame.text("<i>–: the broker gave no price</i>"))
    lines.append(_foot(look, frame))
    return Reply("\n".join(lines), _keys(look, frame))


def _line(row: WatchlistRow, now: datetime, frame: Frame) -> str:
    name = f"<b>{safe(row.name, LONGEST_NAME)}</b>"
    seen = row.seen
    if seen is None:
        return f"{name} {'…' if row.waits else '–'}"
    marks = f"{' ⛔' if seen.halted else ''}{' ⚡VI' if seen.vi else ''}"
    figures = f"{seen.price:,} {arrow(seen.change)}{percent(seen.rate)} · {rough_shares(seen.volume, frame.lang)}"
    return f"{name} {figures}{marks}{f' · <i>{_when(seen.at, now)}</i>' if row.old else ''}"


def _when(at: datetime, now: datetime) -> str:
    at = at.astimezone(KST)
    return clock_time(at) if at.date() == now.astimezone(KST).date() else f"{at:%m/%d %H:%M}"


def _foot(look: WatchlistView, frame: Frame) -> str:
    at = clock_time(look.at)
    match look.mode:
        case WatchlistMode.LIVE if look.until is not None:
            until = f"{look.until.astimezone(KST):%H:%M}"
            return frame.text("▶️ live until {until} · last change {time}", until=until, time=at)
        case WatchlistMode.OVER:
            return frame.text("⏸ No longer live; ▶️ goes on. · {time} KST", time=at)
        case WatchlistMode.CLOSED:
            return frame.text("🌙 market closed · 🕘 {time} KST", time=at)
        case _:
            return frame.as_of(look.at)


def _keys(look: WatchlistView, frame: Frame) -> Buttons:
    live = look.mode is WatchlistMode.LIVE
    control = [Button(frame.text("🔄 refresh"), WATCH + WatchlistTap.REFRESH)]
    if live:
        control.append(Button(frame.text("⏸ pause"), WATCH + WatchlistTap.PAUSE))
    elif look.mode is not WatchlistMode.CLOSED:
        control.append(Button(frame.text("▶️ live"), WATCH + WatchlistTap.LIVE))
    edit = frame.text("✅ done") if look.editing else frame.text("✏️ edit")
    control.append(Button(edit, WATCH + WatchlistTap.EDIT))
    stocks = [
        Button(f"🗑 {one.name}", REMOVE + one.code) if look.editing else Button(one.name, f"/price {one.code}")
        for one in look.rows
    ]
    return (*(tuple(stocks[first : first + ACROSS]) for first in range(0, len(stocks), ACROSS)), tuple(control))


def _how_to_add(frame: Frame) -> list[str]:
    return [frame.text("It is empty. This is how to add to it:"), f"<code>{frame.text('/watch 005930, 000660')}</code>"]


def _offers(look: WatchlistView) -> Buttons:
    keys = [Button(f"⭐ {name}", ADD + code) for code, name in look.offers]
    return tuple((one,) for one in keys)


def moved_card(frame: Frame) -> Reply:
    """What an older message says once there is a newer one."""
    return Reply(f"{heading(frame)}\n{frame.text('⤵️ It has moved to a newer message below.')}")


def clear_card(count: int, frame: Frame) -> Reply:
    """Asks once before a whole list is given up."""
    text = frame.text("⭐ Take all {count} stocks off your watch list? {badge}", count=count, badge=frame.badge)
    return Reply(
        text,
        (
            (
                Button(frame.text("🗑 clear"), WATCH + WatchlistTap.CLEAR),
                Button(frame.text("↩️ keep"), WATCH + WatchlistTap.REFRESH),
            ),
        ),
    )
