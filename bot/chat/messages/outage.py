"""The notice after an outage in which fills could not be seen: from when to when (KST), why, and what happened meanwhile."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.chat.i18n.catalogue import MessageIds, msgid
from bot.chat.i18n.formatting import clock_time, shares
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import state_word
from bot.chat.types import Button, Reply
from bot.orders.model.order import OrderState
from kis.krx import KST

_TOLD_ANYWAY = msgid("Whatever filled meanwhile is told in messages of its own.")


def outage_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """An outage that is over; messages stored by older versions have no `fills` and show only the times."""
    since, until = (datetime.fromisoformat(str(data[name])).astimezone(KST) for name in ("since", "until"))
    head = f"👁️ <b>{frame.text('Nothing could be seen')}</b> {frame.badge}"
    if "fills" not in data:
        unread = msgid("The broker's list could not be read from {since} to {until}.")
        unread = frame.text(unread, since=clock_time(since), until=clock_time(until))
        return Reply(f"{head}\n{unread}\n{frame.text(_TOLD_ANYWAY)}")
    times = f"<b>{_moment(since, until)} ~ {_moment(until, since)}</b> ({_span(until - since, frame)})"
    lines = [head, times, _why(data, until, frame), *_found(data, frame)]
    return Reply("\n".join(lines), ((Button(frame.text("📋 open orders"), "/orders"),),))


def _why(data: Mapping[str, Any], until: datetime, frame: Frame) -> str:
    off = str(data.get("off") or "")
    if not off:
        return frame.text("The broker's list could not be read.")
    back = _moment(datetime.fromisoformat(off).astimezone(KST), until)
    lines = [frame.text("The bot was not running (back at {back}).", back=back)]
    if data.get("unread"):
        lines.append(frame.text("For a while the broker's list could not be read either."))
    return " ".join(lines)


def _found(data: Mapping[str, Any], frame: Frame) -> list[str]:
    fills, ended = int(data["fills"]), dict(data.get("ended") or {})
    open_then = frame.text("Orders open then: {n}.", n=int(data["open"]))
    filled = frame.text("Nothing filled meanwhile")
    if fills:
        words = msgid("Filled meanwhile: {fills} fills, {shares} of {orders} orders")
        quantity = shares(int(data["shares"]), frame.lang)
        filled = frame.text(words, fills=fills, orders=int(data["orders"]), shares=quantity)
    lines = [open_then, f"<b>{filled}</b>"]
    if ended:
        states = " · ".join(f"{state_word(OrderState(state), frame)} {int(count)}" for state, count in ended.items())
        lines.append(f"{frame.text('orders that ended')}: {states}")
    return [*lines, frame.text(_TOLD_ANYWAY)] if fills or ended else lines


def _moment(moment: datetime, other: datetime) -> str:
    """The time of day, with the date where `other` is on another day."""
    return clock_time(moment) if moment.date() == other.date() else f"{moment:%m/%d} {clock_time(moment)}"


def _span(span: timedelta, frame: Frame) -> str:
    """A duration in its two largest units."""
    seconds = int(span.total_seconds())
    units: MessageIds[int] = {86_400: "{count} d", 3_600: "{count} h", 60: "{count} min", 1: "{count} s"}
    parts = []
    for size, words in units.items():
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(frame.text(words, count=count))
    return " ".join(parts[:2])
