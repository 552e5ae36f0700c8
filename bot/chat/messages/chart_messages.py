"""The caption of a chart, and the text that replaces it where it cannot be drawn."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bot.chat.i18n.catalogue import MessageIds
from bot.chat.i18n.formatting import arrow, percent, safe, shares, signed, won
from bot.chat.i18n.frame import Frame
from bot.chat.types import REFRESH, Button, Buttons, Reply

PERIODS: MessageIds[str] = {"day": "day", "week": "week", "month": "month", "minute": "minute"}
"""Labels of the buttons that choose a period."""
BAR_SIZES: MessageIds[str] = {"day": "daily", "week": "weekly", "month": "monthly", "minute": "by the minute"}
"""Names of the periods in the caption."""
MAX_BARS = 10
"""Bars in the table that replaces a picture."""


def chart_caption(facts: Mapping[str, Any], frame: Frame) -> Reply:
    """The caption: price, range shown, average cost of the holding; buttons switch the period in place."""
    return Reply("\n".join(_lines(facts, frame)), _buttons(facts, frame, REFRESH))


def chart_as_text(facts: Mapping[str, Any], frame: Frame, *, old_above: bool = False) -> Reply:
    """The caption and a table of the last bars; `old_above`: the message still shows an older picture."""
    excuse: str = frame.text("⚠️ The chart could not be drawn; here are its figures.")
    if old_above:
        excuse += f" {frame.text('The picture above is the one before.')}"
    period, bars = str(facts["period"]), facts["bars"][-MAX_BARS - 1 :]
    rows = []
    for before, (at, *_, close, _) in zip([None, *bars[:-1]], bars, strict=True):
        change = percent(Decimal(close - before[4]) * 100 / before[4]) if before and before[4] else ""
        rows.append(f"{_when(at, period)} {close:>9,} {change:>8}")
    table = "\n".join(rows[-MAX_BARS:])
    # an edit in place is possible only where the message has a picture
    buttons = _buttons(facts, frame, REFRESH if old_above else "")
    return Reply("\n".join([excuse, *_lines(facts, frame), f"<pre>{table}</pre>"]), buttons)


def _lines(facts: Mapping[str, Any], frame: Frame) -> list[str]:
    lang, period, price = frame.lang, str(facts["period"]), int(facts["price"])
    shown = facts["bars"][-int(facts["shown"]) :]
    change, rate = int(facts["change"]), Decimal(facts["rate"])
    high, low = max(bar[2] for bar in shown), min(bar[3] for bar in shown)
    lines = [
        f"📈 <b>{safe(facts['name'], 20)}</b> <code>{safe(facts['code'], 8)}</code> "
        f"{frame.text(BAR_SIZES[period])} {frame.badge}",
        f"<b>{won(price, lang)}</b> {arrow(change)} {signed(change)} ({percent(rate)})",
        f"{_when(shown[0][0], period)}~{_when(shown[-1][0], period)} · "
        f"{frame.text('high')} {high:,} · {frame.text('low')} {low:,}",
    ]
    if facts["average"]:
        average, held = Decimal(facts["average"]), shares(int(facts["held"]), lang)
        gain = percent((price - average) * 100 / average)
        lines.append(f"🟣 {frame.text('your average')} {won(round(average), lang)} ({gain}) · {held}")
    elif not facts["account_read"]:
        lines.append(frame.text("🟣 No average: the balance could not be read."))
    return [*lines, frame.as_of(datetime.fromisoformat(str(facts["at"])))]


def _when(at: str, period: str) -> str:
    """A bar's date or minute in the short form of its period."""
    cut = {"day": slice(5, None), "week": slice(2, None), "month": slice(7), "minute": slice(None)}[period]
    return safe(at[cut].replace("-", "/"), 10)


def _buttons(facts: Mapping[str, Any], frame: Frame, prefix: str) -> Buttons:
    code, now = str(facts["code"]), str(facts["period"])
    periods = tuple(
        Button(f"{'🔄 ' if name == now else ''}{frame.text(words)}", f"{prefix}/chart {code} {name}")
        for name, words in PERIODS.items()
    )
    buy, sell = Button(frame.text("🟥 buy"), f"/buy {code}"), Button(frame.text("🟦 sell"), f"/sell {code}")
    return (periods, (buy, sell, Button(frame.text("🔔 alert"), f"/alert {code}")))
