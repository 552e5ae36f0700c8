"""Messages about the stream of fill notices: its status, and fills that the order list does not show yet."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.chat.i18n.formatting import clock_time, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import stock_line
from bot.chat.ports import FillStream, StreamCounts
from bot.chat.types import Button, Reply
from kis.krx import KST
from kis.models import Side


def stream_line(fill_stream: FillStream, frame: Frame) -> str:
    """The stream's line of /status."""
    since = fill_stream.since
    clock = f"{since.astimezone(KST):%H:%M}" if since is not None else ""
    match fill_stream.state:
        case "off":
            return frame.text("👂 no fill notices (no KIS_HTS_ID): fills are found by reading the list alone")
        case "connected":
            line = frame.text("👂 hearing fill notices since {clock}", clock=clock)
        case _:
            line = frame.text("👂 no fill notices since {clock}: fills are found by reading the list", clock=clock)
    return line + _missed(fill_stream.counts, frame)


def _missed(counts: StreamCounts, frame: Frame) -> str:
    pieces = []
    if counts.missed_by_stream:
        pieces.append(frame.text("{n} without a notice", n=counts.missed_by_stream))
        if not counts.fills:  # not one notice came: the HTS id may be wrong
            pieces.append(frame.text("check KIS_HTS_ID"))
    if counts.missed_by_poll:
        pieces.append(frame.text("{n} late in the list", n=counts.missed_by_poll))
    return f" · {frame.text('today')} {', '.join(pieces)}" if pieces else ""


def fill_notice_push(kind: str, data: Mapping[str, Any], frame: Frame) -> Reply:
    """A fill notice that the order list does not confirm yet (`heard`), or confirms now (`heard_shown`)."""
    side = Side(str(data["side"]))
    number = f"{frame.text('order no.')} <code>{safe(data['order_no'], 12)}</code>"
    if kind == "heard_shown":
        head = frame.text("✅ the list shows the fill now")
        lines = [f"{frame.text('filled by the list')} <b>{shares(int(data['filled']), frame.lang)}</b> · {number}"]
    else:
        head = frame.text("⏳ a fill was told; being checked")
        lines = [
            f"{frame.text('told', context='fill notice')} {shares(int(data['step']), frame.lang)} @{won(int(data['price']), frame.lang)}"
            f" · {clock_time(datetime.fromisoformat(str(data['at'])))} · {number}",
            frame.text(
                "The broker's list does not show it yet. You are told when it does; until then it does not count as filled."
            ),
        ]
    text = "\n".join([stock_line(side, head, str(data["name"]) or str(data["code"]), str(data["code"]), frame), *lines])
    return Reply(text, ((Button(frame.text("📋 open orders"), "/orders"),),))
