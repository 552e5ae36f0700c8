"""Messages about messages: many fills in one, notices that may not have arrived, a chat that lets nothing in. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.chat.i18n.catalogue import say
from bot.chat.i18n.formatting import clock_time, safe, shares
from bot.chat.i18n.frame import Frame
from bot.chat.messages.fills import fill_push
from bot.chat.messages.order_card import SIDE
from bot.chat.ports import OutboxMessage
from bot.chat.types import Button, Reply
from bot.orders.model.order import Order
from kis.models import Side

_WORDS = {
    "found": ("접수 확인", "found at the broker"),
    "absent": ("접수 기록 없음", "no trace at the broker"),
    "late": ("늦은 접수 발견", "booked late"),
    "ambiguous": ("같은 조건 여러 건, 확인 필요", "several orders fit, please look"),
    "manual": ("사람의 확인 필요", "a person has to look"),
    "contradiction": ("증권사 내역과 다름", "contradicts the broker's list"),
    "mismatch": ("주문 내용 불일치", "differs from what was approved"),
    "trouble": ("문제", "trouble"),
    "brake": ("주문 중지 상태 변경", "the brake changed"),
    "blind": ("체결 확인 불가 시간", "fills could not be seen"),
    "recovering": ("복구 중", "recovering"),
    "recovered": ("복구 완료", "recovered"),
    "corrected": ("체결 정정", "fill corrected"),
    "heard": ("체결 통보, 확인 중", "fill told, being checked"),
    "heard_shown": ("체결 통보 확인됨", "told fill now shows"),
    "alert": ("가격 알림", "price alert"),
    "release": ("중지 해제 동의", "release asked"),
    "limits": ("한도 변경", "limits changed"),
    "stepup": ("본인 확인", "second factor"),
    "join": ("참여 요청", "somebody asks to join"),
    "joined": ("참여", "somebody joined"),
    "people": ("사용자 변경", "a person changed"),
    "stranger": ("낯선 사람", "a stranger"),
    "report": ("마감 보고", "report at the close"),
    "anchor": ("기록 머리값", "head of the log"),
    "audit_key": ("감사 기록의 새 키", "the audit chain began again"),
    "stopped": ("막힌 채팅", "a chat refuses the bot"),
    "fill": ("체결", "filled"),
    "group_fill": ("체결", "filled"),
    "external_fill": ("체결 (외부 주문)", "filled (made elsewhere)"),
    "ended": ("주문 종료", "ended"),
}
"""What a notice was about, in a word or two; a kind that is not here is shown by its name."""


def bundle_push(order: Order, fills: Sequence[Mapping[str, Any]], frame: Frame) -> Reply:
    """Several growths of one order, oldest first, as one: the newest cumulative figures, and what the message covers."""
    first, last = fills[0], fills[-1]
    step = int(last["filled"]) - int(first["filled"]) + int(first["step"])
    step_amount = int(last["amount"]) - int(first["amount"]) + int(first["step_amount"])
    one = fill_push(order, {**last, "step": step, "step_amount": step_amount}, frame)
    covers = frame.pick(
        f"{len(fills)}건 묶음: {_number(first, frame)} ~ {_number(last, frame)}",
        f"{len(fills)} fills in one: {_number(first, frame)} to {_number(last, frame)}",
    )
    return Reply(f"{one.text}\n<i>{covers}</i>", one.buttons)


def _number(fill: Mapping[str, Any], frame: Frame) -> str:
    """A fill is numbered, or else known by the cumulative quantity it made."""
    if "number" in fill:
        return f"#{safe(fill['number'], 8)}"
    return f"{frame.pick('누적', 'total')} {shares(int(fill['filled']), frame.lang)}"


def notices(parts: Sequence[OutboxMessage], order_of: Callable[[int], Order | None], frame: Frame) -> Reply:
    """The digest: notices whose delivery stayed in doubt, in short. A reader may know any of them already."""
    lines = [
        frame.pick(
            f"📬 <b>미확인 알림 모음</b> {len(parts)}건 {frame.badge}",
            f"📬 <b>Notices that may not have arrived</b>: {len(parts)} {frame.badge}",
        ),
        frame.pick(
            "<i>전달을 확인하지 못한 알림입니다. 이미 받으셨다면 같은 내용이며, 새로 생긴 일이 아닙니다.</i>",
            "<i>Their delivery was not confirmed. If you have seen them, nothing new has happened.</i>",
        ),
    ]
    lines += [f"• {notice_line(one, order_of(one.order_id) if one.order_id else None, frame)}" for one in parts]
    lines.append(frame.pick("지금 상태는 /orders 에서 볼 수 있습니다.", "See /orders for how things stand now."))
    return Reply("\n".join(lines))


def roundup(parts: Sequence[OutboxMessage], count: int, order_of: Callable[[int], Order | None], frame: Frame) -> Reply:
    """At the close: what its reader had silenced since the last one, the newest of it in a line each."""
    lines = [
        f"🗂 <b>{frame.pick('꺼 둔 알림 모음', 'What you had silenced')}</b> {count}{frame.pick('건', '')} {frame.badge}",
    ]
    if count > len(parts):
        lines.append(
            frame.pick(f"앞의 {count - len(parts)}건은 줄였습니다.", f"{count - len(parts)} earlier ones left out."),
        )
    lines += [f"• {notice_line(one, order_of(one.order_id) if one.order_id else None, frame)}" for one in parts]
    keys = (
        Button(frame.pick("⚙️ 알림 설정", "⚙️ settings"), "/settings"),
        Button(frame.pick("📋 미체결", "📋 open orders"), "/orders"),
    )
    return Reply("\n".join(lines), (keys,))


def notice_line(one: OutboxMessage, order: Order | None, frame: Frame) -> str:
    """One notice in a line: when, what, which stock, how far, which order. No fact it lacks makes it fail."""
    data = one.data
    words = _WORDS.get(one.kind)
    pieces = [clock_time(one.made_at), safe(one.kind, 20) if words is None else frame.pick(*words)]
    name = order.name if order is not None else data.get("name")
    side = order.side if order is not None else data.get("side")
    if name:
        pieces.append(f"<b>{safe(name, 16)}</b>")
    if side in {Side.BUY, Side.SELL}:
        pieces.append(frame.pick(*SIDE[Side(side)]))
    quantity = order.quantity if order is not None else data.get("quantity")
    if "filled" in data:
        pieces.append(f"{_count(data['filled'])}/{_count(quantity)}{frame.pick('주', '')}")
    if "code" in data and not name:
        pieces.append(safe(data["code"], 24))
    if "number" in data:
        pieces.append(_number(data, frame))
    if "head" in data:  # of the audit log: it proves nothing where it cannot be read
        pieces.append(f"<code>{safe(data.get('seq', '?'), 12)}:{safe(data['head'], 64)}</code>")
    if one.order_id is not None:
        pieces.append(f"#{one.order_id}")
    elif "order_no" in data:
        pieces.append(f"<code>{safe(data['order_no'], 12)}</code>")
    return " ".join(pieces) + counted(one, frame)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?" if value is None else safe(value, 8)


def counted(one: OutboxMessage, frame: Frame) -> str:
    """How often the same would have been told, and when last; nothing for what happened once."""
    if one.last_at is None:
        return ""
    times = f"×{one.repeats}, " if one.repeats > 1 else ""
    return f" ({times}{frame.pick('마지막', 'last')} {clock_time(one.last_at)})"


def stopped_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """To the owners: a chat refuses the bot."""
    return Reply(
        say(
            frame.lang,
            "⚠️ 채팅 {chat}에 알림을 보낼 수 없습니다 ({why}). 그 채팅의 체결·경고 알림은 보관했다가, 차단이 풀리면 보냅니다. ",
            "⚠️ Chat {chat} refuses the bot ({why}). Its fills and warnings are kept and sent once it lets us in. ",
            chat=data.get("chat", "?"),
            why=data.get("why", "?"),
        )
        + frame.badge,
    )
