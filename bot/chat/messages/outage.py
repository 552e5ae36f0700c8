"""The message about a time in which nothing could be seen: from when to when, why, and what it turned out to hide. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.chat.i18n.catalogue import say
from bot.chat.i18n.formatting import clock_time, shares
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import word_of
from bot.chat.types import Button, Reply
from bot.orders.model.order import OrderState
from kis.krx import KST


def blind_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """A gap that is over. Letters of before `fills` was told bear only the times."""
    since, until = (datetime.fromisoformat(str(data[name])).astimezone(KST) for name in ("since", "until"))
    head = f"👁️ <b>{frame.pick('체결을 볼 수 없던 시간', 'Nothing could be seen')}</b> {frame.badge}"
    if "fills" not in data:
        return Reply(f"{head}\n{_unread(since, until, frame)}\n{_told_anyway(frame)}")
    lines = [head, f"<b>{_moment(since, until)} ~ {_moment(until, since)}</b> ({_span(until - since, frame)})"]
    lines += [_why(data, until, frame), *_found(data, frame)]
    return Reply("\n".join(lines), ((Button(frame.pick("📋 미체결", "📋 open orders"), "/orders"),),))


def _unread(since: datetime, until: datetime, frame: Frame) -> str:
    return say(
        frame.lang,
        "{since}부터 {until}까지 증권사 주문내역을 읽지 못했습니다.",
        "The broker's list could not be read from {since} to {until}.",
        since=clock_time(since),
        until=clock_time(until),
    )


def _told_anyway(frame: Frame) -> str:
    return frame.pick(
        "그사이의 체결은 하나씩 따로 알려 드립니다.",
        "Whatever filled meanwhile is told in messages of its own.",
    )


def _why(data: Mapping[str, Any], until: datetime, frame: Frame) -> str:
    off = str(data.get("off") or "")
    if not off:
        return frame.pick("증권사 주문내역을 읽지 못했습니다.", "The broker's list could not be read.")
    line = say(
        frame.lang,
        "봇이 꺼져 있었습니다 ({back}에 다시 켜짐).",
        "The bot was not running (back at {back}).",
        back=_moment(datetime.fromisoformat(off).astimezone(KST), until),
    )
    if data.get("unread"):
        line += " " + frame.pick(
            "증권사 주문내역도 한동안 읽지 못했습니다.",
            "For a while the broker's list could not be read either.",
        )
    return line


def _found(data: Mapping[str, Any], frame: Frame) -> list[str]:
    fills, ended = int(data["fills"]), dict(data.get("ended") or {})
    open_then = say(frame.lang, "당시 미체결 주문 {n}건.", "Orders open then: {n}.", n=int(data["open"]))
    if not fills and not ended:
        return [open_then, f"<b>{frame.pick('그사이 체결 없음', 'Nothing filled meanwhile')}</b>"]
    if fills:
        filled = say(
            frame.lang,
            "그사이 체결 {fills}건 · 주문 {orders}건에서 모두 {shares}",
            "Filled meanwhile: {fills} fills, {shares} of {orders} orders",
            fills=fills,
            orders=int(data["orders"]),
            shares=shares(int(data["shares"]), frame.lang),
        )
    else:
        filled = frame.pick("그사이 체결 없음", "Nothing filled meanwhile")
    lines = [open_then, f"<b>{filled}</b>"]
    if ended:
        words = " · ".join(f"{word_of(OrderState(state), frame)} {int(count)}" for state, count in ended.items())
        lines.append(f"{frame.pick('끝난 주문', 'orders that ended')}: {words}")
    return [*lines, _told_anyway(frame)]


def _moment(moment: datetime, other: datetime) -> str:
    """The time of day, with the date where the other end lies on another one."""
    return clock_time(moment) if moment.date() == other.date() else f"{moment:%m/%d} {clock_time(moment)}"


def _span(span: timedelta, frame: Frame) -> str:
    """A duration in its two greatest units."""
    seconds = int(span.total_seconds())
    units = ((86_400, "일", "d"), (3_600, "시간", "h"), (60, "분", "min"), (1, "초", "s"))
    parts = []
    for size, ko, en in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(frame.pick(f"{count}{ko}", f"{count} {en}"))
    return " ".join(parts[:2])
