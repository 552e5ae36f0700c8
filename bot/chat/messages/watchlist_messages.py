"""The message that shows a watch list; it is edited in place while it is live."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.chat.i18n.formatting import arrow, clock_time, percent, rough_shares, safe
from bot.chat.i18n.frame import Frame
from bot.chat.types import WATCH, Button, Buttons, Reply, WatchlistMode, WatchlistRow, WatchlistView, in_rows
from kis.krx import KST

ADD, REMOVE = f"{WATCH}+", f"{WATCH}-"
"""Prefixes of a stock code in a button: add to the list, remove from it."""
MAX_STOCKS = 20
"""Stocks on one list."""
MAX_NAME = 14
ROW_SIZE = 3
"""Buttons of stocks in a row."""


class WatchlistTap(StrEnum):
    """What the buttons of the message do; each edits it in place."""

    REFRESH = "refresh"
    LIVE = "live"
    PAUSE = "pause"
    EDIT = "edit"
    CLEAR = "clear"


def heading(frame: Frame, count: str = "") -> str:
    """The first line of every message about a watch list."""
    return f"⭐ <b>{frame.text('Watch list')}</b>{count} {frame.badge}"


def watchlist_push(data: Mapping[str, Any], frame: Frame) -> Reply | None:
    """The message from stored data; None where it is no longer shown."""
    return watchlist_card(WatchlistView.model_validate(data), frame) if data else None


def watchlist_card(view: WatchlistView, frame: Frame, notes: tuple[str, ...] = ()) -> Reply:
    """The message; `notes` are HTML and stand above the list."""
    head = heading(frame, f" {len(view.rows)}/{MAX_STOCKS}")
    if not view.rows:
        example = f"<code>{frame.text('/watch 005930, 000660')}</code>"
        lines = [head, *notes, frame.text("It is empty. This is how to add to it:"), example]
        return Reply("\n".join(lines), tuple((Button(f"⭐ {name}", ADD + code),) for code, name in view.offers))
    lines = [head, *notes, *(_line(one, view.at, frame) for one in view.rows)]
    if any(one.seen is None and not one.waits for one in view.rows):
        lines.append(frame.text("<i>–: the broker gave no price</i>"))
    lines.append(_foot(view, frame))
    return Reply("\n".join(lines), _buttons(view, frame))


def _line(row: WatchlistRow, now: datetime, frame: Frame) -> str:
    name = f"<b>{safe(row.name, MAX_NAME)}</b>"
    if (seen := row.seen) is None:
        return f"{name} {'…' if row.waits else '–'}"
    marks = f"{' ⛔' if seen.halted else ''}{' ⚡VI' if seen.vi else ''}"
    figures = f"{seen.price:,} {arrow(seen.change)}{percent(seen.rate)} · {rough_shares(seen.volume, frame.lang)}"
    return f"{name} {figures}{marks}{f' · <i>{_when(seen.at, now)}</i>' if row.old else ''}"


def _when(at: datetime, now: datetime) -> str:
    at = at.astimezone(KST)
    return clock_time(at) if at.date() == now.astimezone(KST).date() else f"{at:%m/%d %H:%M}"


def _foot(view: WatchlistView, frame: Frame) -> str:
    at = clock_time(view.at)
    match view.mode:
        case WatchlistMode.LIVE if view.until is not None:
            until = f"{view.until.astimezone(KST):%H:%M}"
            return frame.text("▶️ live until {until} · last change {time}", until=until, time=at)
        case WatchlistMode.OVER:
            return frame.text("⏸ No longer live; ▶️ goes on. · {time} KST", time=at)
        case WatchlistMode.CLOSED:
            return frame.text("🌙 market closed · 🕘 {time} KST", time=at)
        case _:
            return frame.as_of(view.at)


def _buttons(view: WatchlistView, frame: Frame) -> Buttons:
    control = [_button(frame.text("🔄 refresh"), WatchlistTap.REFRESH)]
    if view.mode is WatchlistMode.LIVE:
        control.append(_button(frame.text("⏸ pause"), WatchlistTap.PAUSE))
    elif view.mode is not WatchlistMode.CLOSED:
        control.append(_button(frame.text("▶️ live"), WatchlistTap.LIVE))
    control.append(_button(frame.text("✅ done") if view.editing else frame.text("✏️ edit"), WatchlistTap.EDIT))
    stocks = [
        Button(f"🗑 {one.name}", REMOVE + one.code) if view.editing else Button(one.name, f"/price {one.code}")
        for one in view.rows
    ]
    return (*in_rows(stocks, ROW_SIZE), tuple(control))


def moved_card(frame: Frame) -> Reply:
    """Replaces an older message once there is a newer one."""
    return Reply(f"{heading(frame)}\n{frame.text('⤵️ It has moved to a newer message below.')}")


def clear_card(count: int, frame: Frame) -> Reply:
    """Asks before the whole list is cleared."""
    text = frame.text("⭐ Take all {count} stocks off your watch list? {badge}", count=count, badge=frame.badge)
    clear, keep = frame.text("🗑 clear"), frame.text("↩️ keep")
    return Reply(text, ((_button(clear, WatchlistTap.CLEAR), _button(keep, WatchlistTap.REFRESH)),))


def _button(label: str, tap: WatchlistTap) -> Button:
    return Button(label, WATCH + tap)
