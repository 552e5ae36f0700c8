"""Messages about delivery: bundled fills, notices whose delivery is unconfirmed, silenced notices, a blocked chat."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.chat.i18n.catalogue import MessageIds, msgid
from bot.chat.i18n.formatting import Markup, clock_time, pieces, safe, shares
from bot.chat.i18n.frame import Frame
from bot.chat.messages.fills import fill_push
from bot.chat.messages.order_card import SIDE
from bot.chat.ports import OutboxMessage
from bot.chat.types import Button, Reply
from bot.orders.model.order import Order
from kis.models import Side

_WORDS: MessageIds[str] = {
    "found": "found at the broker",
    "absent": "no trace at the broker",
    "late": msgid("booked late", context="notice"),
    "ambiguous": "several orders fit, please look",
    "manual": "a person has to look",
    "contradiction": "contradicts the broker's list",
    "mismatch": "differs from what was approved",
    "trouble": "trouble",
    "brake": "the brake changed",
    "blind": "fills could not be seen",
    "recovering": "recovering",
    "recovered": "recovered",
    "corrected": "fill corrected",
    "heard": "fill told, being checked",
    "heard_shown": "told fill now shows",
    "alert": "price alert",
    "release": "release asked",
    "limits": "limits changed",
    "stepup": "second factor",
    "join": "somebody asks to join",
    "joined": "somebody joined",
    "people": "a person changed",
    "stranger": "a stranger",
    "report": "report at the close",
    "anchor": "head of the log",
    "audit_key": "the audit chain began again",
    "stopped": "a chat refuses the bot",
    "fill": "filled",
    "group_fill": "filled",
    "external_fill": "filled (made elsewhere)",
    "ended": "ended",
}
"""Short names of message kinds; a kind without an entry shows its stored name."""


def bundle_push(order: Order, fills: Sequence[Mapping[str, Any]], frame: Frame) -> Reply:
    """Several fills of one order, oldest first, in one message with the newest cumulative figures."""
    first, last = fills[0], fills[-1]
    step = int(last["filled"]) - int(first["filled"]) + int(first["step"])
    step_amount = int(last["amount"]) - int(first["amount"]) + int(first["step_amount"])
    one = fill_push(order, {**last, "step": step, "step_amount": step_amount}, frame)
    covers = frame.text(
        "{count} fills in one: {first} to {last}",
        count=len(fills),
        first=_number(first, frame),
        last=_number(last, frame),
    )
    return Reply(f"{one.text}\n<i>{covers}</i>", one.buttons)


def _number(fill: Mapping[str, Any], frame: Frame) -> Markup:
    """The number of a fill, or the cumulative quantity where it has none."""
    if "number" in fill:
        return Markup(f"#{safe(fill['number'], 8)}")
    return Markup(f"{frame.text('total', context='filled so far')} {shares(int(fill['filled']), frame.lang)}")


def digest(parts: Sequence[OutboxMessage], order_of: Callable[[int], Order | None], frame: Frame) -> Reply:
    """The digest: notices whose delivery was not confirmed, one line each; the reader may have seen any of them."""
    lines: list[str] = [
        frame.text("📬 <b>Notices that may not have arrived</b>: {count} {badge}", count=len(parts), badge=frame.badge),
        frame.text("<i>Their delivery was not confirmed. If you have seen them, nothing new has happened.</i>"),
    ]
    lines += [f"• {notice_line(one, order_of(one.order_id) if one.order_id else None, frame)}" for one in parts]
    lines.append(frame.text("See /orders for how things stand now."))
    return Reply("\n".join(lines))


def roundup(parts: Sequence[OutboxMessage], count: int, order_of: Callable[[int], Order | None], frame: Frame) -> Reply:
    """At the close: the newest of the `count` notices that the reader had silenced, one line each."""
    lines = [f"🗂 <b>{frame.text('What you had silenced')}</b> {pieces(count, frame.lang)} {frame.badge}"]
    if count > len(parts):
        lines.append(frame.text("{count} earlier ones left out.", count=count - len(parts)))
    lines += [f"• {notice_line(one, order_of(one.order_id) if one.order_id else None, frame)}" for one in parts]
    buttons = (Button(frame.text("⚙️ settings"), "/settings"), Button(frame.text("📋 open orders"), "/orders"))
    return Reply("\n".join(lines), (buttons,))


def notice_line(one: OutboxMessage, order: Order | None, frame: Frame) -> str:
    """One notice in a line; values that are missing are left out."""
    data = one.data
    words = _WORDS.get(one.kind)
    pieces = [clock_time(one.made_at), safe(one.kind, 20) if words is None else frame.text(words)]
    name = order.name if order is not None else data.get("name")
    side = order.side if order is not None else data.get("side")
    if name:
        pieces.append(f"<b>{safe(name, 16)}</b>")
    if side in {Side.BUY, Side.SELL}:
        pieces.append(frame.text(SIDE[Side(side)]))
    quantity = order.quantity if order is not None else data.get("quantity")
    if "filled" in data:
        pieces.append(frame.text("{filled}/{quantity}", filled=_count(data["filled"]), quantity=_count(quantity)))
    if "code" in data and not name:
        pieces.append(safe(data["code"], 24))
    if "number" in data:
        pieces.append(_number(data, frame))
    if "head" in data:  # head of the audit log, in full so that it can be compared
        pieces.append(f"<code>{safe(data.get('seq', '?'), 12)}:{safe(data['head'], 64)}</code>")
    if one.order_id is not None:
        pieces.append(f"#{one.order_id}")
    elif "order_no" in data:
        pieces.append(f"<code>{safe(data['order_no'], 12)}</code>")
    return " ".join(pieces) + repeat_note(one, frame)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?" if value is None else safe(value, 8)


def repeat_note(one: OutboxMessage, frame: Frame) -> str:
    """How often the notice was repeated, and when last; empty for a single one."""
    if one.last_at is None:
        return ""
    times = f"×{one.repeats}, " if one.repeats > 1 else ""
    return f" ({times}{frame.text('last')} {clock_time(one.last_at)})"


def stopped_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Tells the owners that a chat has blocked the bot."""
    warning = frame.text(
        "⚠️ Chat {chat} refuses the bot ({why}). Its fills and warnings are kept and sent once it lets us in.",
        chat=data.get("chat", "?"),
        why=data.get("why", "?"),
    )
    return Reply(f"{warning} {frame.badge}")
