"""What the bot says of its ears: whether fill notices come in, and a fill that was told before the list shows it. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.chat.i18n.catalogue import say
from bot.chat.i18n.formatting import clock_time, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import stock_line
from bot.chat.ports import FillStream, StreamCounts
from bot.chat.types import Button, Reply
from kis.krx import KST
from kis.models import Side


def hearing_line(fill_stream: FillStream, frame: Frame) -> str:
    """The line of /status."""
    since = fill_stream.since
    clock = f"{since.astimezone(KST):%H:%M}" if since is not None else ""
    match fill_stream.state:
        case "off":
            return frame.pick(
                "👂 체결 통보 꺼짐 (KIS_HTS_ID 없음): 체결은 주문내역 조회로만 확인합니다",
                "👂 no fill notices (no KIS_HTS_ID): fills are found by reading the list alone",
            )
        case "connected":
            line = say(
                frame.lang,
                "👂 체결 통보 수신 중 ({clock}부터)",
                "👂 hearing fill notices since {clock}",
                clock=clock,
            )
        case _:
            line = say(
                frame.lang,
                "👂 체결 통보 끊김 ({clock}부터): 체결은 주문내역 조회로 확인합니다",
                "👂 no fill notices since {clock}: fills are found by reading the list",
                clock=clock,
            )
    return line + _missed(fill_stream.counts, frame)


def _missed(counts: StreamCounts, frame: Frame) -> str:
    pieces = []
    if counts.missed_by_stream:
        pieces.append(say(frame.lang, "통보 없던 체결 {n}", "{n} without a notice", n=counts.missed_by_stream))
        if not counts.fills:  # not one came: the login may be another's
            pieces.append(frame.pick("KIS_HTS_ID를 확인하세요", "check KIS_HTS_ID"))
    if counts.missed_by_poll:
        pieces.append(say(frame.lang, "내역에 늦은 체결 {n}", "{n} late in the list", n=counts.missed_by_poll))
    return f" · {frame.pick('오늘', 'today')} {', '.join(pieces)}" if pieces else ""


def heard_push(kind: str, data: Mapping[str, Any], frame: Frame) -> Reply:
    """A fill that was told and that the list does not show (`heard`), or shows by now (`heard_shown`)."""
    side = Side(str(data["side"]))
    number = f"{frame.pick('주문번호', 'order no.')} <code>{safe(data['order_no'], 12)}</code>"
    if kind == "heard_shown":
        head = frame.pick("✅ 체결 통보 확인됨", "✅ the list shows the fill now")
        lines = [
            f"{frame.pick('증권사 내역 누적 체결', 'filled by the list')} <b>{shares(int(data['filled']), frame.lang)}</b> · {number}",
        ]
    else:
        head = frame.pick("⏳ 체결 통보 수신, 확인 중", "⏳ a fill was told; being checked")
        lines = [
            f"{frame.pick('통보', 'told')} {shares(int(data['step']), frame.lang)} @{won(int(data['price']), frame.lang)}"
            f" · {clock_time(datetime.fromisoformat(str(data['at'])))} · {number}",
            frame.pick(
                "증권사 주문내역에는 아직 없습니다. 내역에 나타나면 다시 알려 드립니다. 그때까지 체결로 세지 않습니다.",
                "The broker's list does not show it yet. You are told when it does; until then it does not count as filled.",
            ),
        ]
    text = "\n".join([stock_line(side, head, str(data["name"]) or str(data["code"]), str(data["code"]), frame), *lines])
    return Reply(text, ((Button(frame.pick("📋 미체결", "📋 open orders"), "/orders"),),))
