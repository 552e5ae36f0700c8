"""How every kind of message reads: an entry here, and one in `bot.store.message_kinds`, make a new kind.

A renderer gets the message as the outbox holds it, a way to look up an order, and the frame it is shown in. None means
that there is nothing to say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bot.chat.i18n.catalogue import msgid, reason
from bot.chat.i18n.formatting import Markup, clock_time, pieces, safe
from bot.chat.i18n.frame import Frame
from bot.chat.messages import fills, system
from bot.chat.messages.alert_messages import alert_push
from bot.chat.messages.chart_messages import chart_as_text, chart_caption
from bot.chat.messages.members import invite_push, join_push, member_push
from bot.chat.messages.order_card import SIDE, order_card
from bot.chat.messages.outage import outage_push
from bot.chat.messages.report_messages import report_push
from bot.chat.messages.watchlist_messages import watchlist_push
from bot.chat.ports import OutboxMessage
from bot.chat.types import Button, Reply, secrets_of
from bot.orders.model.order import Order
from kis.models import Side

OrderOf = Callable[[int], Order | None]
Renderer = Callable[[OutboxMessage, OrderOf, Frame], Reply | None]


@dataclass(frozen=True)
class MessageText:
    """The text of one kind of message, and its short names; without one, the stored name of the kind is shown."""

    render: Renderer
    in_digest: str = ""
    in_history: str = ""
    """Its name in the history of an order (/why)."""


def render(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply | None:
    """The text of a message; of an unknown kind the order's card, or its stored values."""
    return MESSAGES.get(message.kind, _OTHER).render(message, order_of, frame)


def name_in_history(kind: str, frame: Frame) -> Markup:
    """The name of a kind of message in the history of an order."""
    return _name(kind, MESSAGES.get(kind, _OTHER).in_history, frame)


def _name(kind: str, words: str, frame: Frame) -> Markup:
    return frame.text(words) if words else safe(kind, 20)


# --- renderers --------------------------------------------------------------------------------------------------------


def _from_data(push: Callable[[Mapping[str, Any], Frame], Reply | None]) -> Renderer:
    return lambda message, _, frame: push(message.data, frame)


def _from_kind(push: Callable[[str, Mapping[str, Any], Frame], Reply | None]) -> Renderer:
    return lambda message, _, frame: push(message.kind, message.data, frame)


def _order(message: OutboxMessage, order_of: OrderOf) -> Order | None:
    return order_of(message.order_id) if message.order_id is not None else None


def _about_order(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply:
    order = _order(message, order_of)
    return (
        _stored_values(message, order_of, frame)
        if order is None
        else fills.state_push(message.kind, order, message.data, frame)
    )


def _stored_values(message: OutboxMessage, _: OrderOf, frame: Frame) -> Reply:
    """A reason's sentence where there is a code, else one line of what is known."""
    words: str
    if "code" in message.data:
        words = reason(str(message.data["code"]), message.data.get("values") or {}, frame.lang)
    else:
        words = _notice_line(message, None, frame)
    return Reply(f"⚠️ {words}{_repeat_note(message, frame)} {frame.badge}")


def _reply(message: OutboxMessage, _: OrderOf, __: Frame) -> Reply:
    rows = secrets_of(message.data).get("keys", ())
    buttons = tuple(tuple(Button(str(label), str(data)) for label, data in row) for row in rows)
    return Reply(str(message.data["text"]), buttons)


def _card(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply | None:
    order = _order(message, order_of)
    return None if order is None else order_card(order, message.data, frame)


def _fill(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply:
    order = _order(message, order_of)
    if order is None:
        return _stored_values(message, order_of, frame)
    if message.parts:
        return fills.bundle_push(order, [one.data for one in message.parts], frame)
    return fills.fill_push(order, message.data, frame)


def _group_fill(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply:
    return Reply(_fill(message, order_of, frame).text)  # buttons do not work in a group


# --- messages that list others ----------------------------------------------------------------------------------------


def _digest(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply | None:
    """Notices whose delivery was not confirmed, one line each; the reader may have seen any of them."""
    if not message.parts:
        return None
    count = len(message.parts)
    lines: list[str] = [
        frame.text("📬 <b>Notices that may not have arrived</b>: {count} {badge}", count=count, badge=frame.badge),
        frame.text("<i>Their delivery was not confirmed. If you have seen them, nothing new has happened.</i>"),
        *_notice_lines(message.parts, order_of, frame),
        frame.text("See /orders for how things stand now."),
    ]
    return Reply("\n".join(lines))


def _roundup(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply | None:
    """At the close: the newest of the notices that the reader had silenced, one line each."""
    if not message.parts:
        return None
    count = int(message.data["count"])
    lines = [f"🗂 <b>{frame.text('What you had silenced')}</b> {pieces(count, frame.lang)} {frame.badge}"]
    if count > len(message.parts):
        lines.append(frame.text("{count} earlier ones left out.", count=count - len(message.parts)))
    lines += _notice_lines(message.parts, order_of, frame)
    buttons = (Button(frame.text("⚙️ settings"), "/settings"), Button(frame.text("📋 open orders"), "/orders"))
    return Reply("\n".join(lines), (buttons,))


def _notice_lines(parts: Sequence[OutboxMessage], order_of: OrderOf, frame: Frame) -> list[str]:
    return [f"• {_notice_line(one, _order(one, order_of), frame)}" for one in parts]


def _notice_line(one: OutboxMessage, order: Order | None, frame: Frame) -> str:
    """One notice in a line; values that are missing are left out."""
    data = one.data
    parts = [clock_time(one.made_at), _name(one.kind, MESSAGES.get(one.kind, _OTHER).in_digest, frame)]
    name, side, quantity = data.get("name"), data.get("side"), data.get("quantity")
    if order is not None:
        name, side, quantity = order.name, order.side, order.quantity
    if name:
        parts.append(f"<b>{safe(name, 16)}</b>")
    if side in {Side.BUY, Side.SELL}:
        parts.append(frame.text(SIDE[Side(side)]))
    if "filled" in data:
        parts.append(frame.text("{filled}/{quantity}", filled=_count(data["filled"]), quantity=_count(quantity)))
    if "code" in data and not name:
        parts.append(safe(data["code"], 24))
    if "number" in data:
        parts.append(fills.fill_number(data, frame))
    if "head" in data:  # head of the audit log, in full so that it can be compared
        parts.append(f"<code>{safe(data.get('seq', '?'), 12)}:{safe(data['head'], 64)}</code>")
    if one.order_id is not None:
        parts.append(f"#{one.order_id}")
    elif "order_no" in data:
        parts.append(f"<code>{safe(data['order_no'], 12)}</code>")
    return " ".join(parts) + _repeat_note(one, frame)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?" if value is None else safe(value, 8)


def _repeat_note(one: OutboxMessage, frame: Frame) -> str:
    """How often the notice was repeated, and when last; empty for a single one."""
    if one.last_at is None:
        return ""
    times = f"×{one.repeats}, " if one.repeats > 1 else ""
    return f" ({times}{frame.text('last')} {clock_time(one.last_at)})"


# --- the kinds --------------------------------------------------------------------------------------------------------

MESSAGES: dict[str, MessageText] = {
    "reply": MessageText(_reply),
    "edit": MessageText(_reply),
    "card": MessageText(_card, in_history=msgid("ticket and card")),
    "chart": MessageText(_from_data(chart_as_text)),
    "chart_edit": MessageText(_from_data(partial(chart_as_text, old_above=True))),
    "look": MessageText(_from_data(watchlist_push)),
    "fill": MessageText(_fill, msgid("filled"), msgid("fills")),
    "group_fill": MessageText(_group_fill, msgid("filled"), msgid("fills, to a group")),
    "external_fill": MessageText(_from_data(fills.external_push), msgid("filled (made elsewhere)")),
    "corrected": MessageText(_about_order, msgid("fill corrected"), msgid("correction")),
    "ended": MessageText(_about_order, msgid("ended"), msgid("its end")),
    "found": MessageText(_about_order, msgid("found at the broker"), msgid("found")),
    "absent": MessageText(_about_order, msgid("no trace at the broker"), msgid("no trace")),
    "late": MessageText(_about_order, msgid("booked late", context="notice"), msgid("booked late")),
    "ambiguous": MessageText(_about_order, msgid("several orders fit, please look"), msgid("a question")),
    "manual": MessageText(_about_order, msgid("a person has to look"), msgid("a question")),
    "contradiction": MessageText(_about_order, msgid("contradicts the broker's list"), msgid("contradiction")),
    "mismatch": MessageText(_about_order, msgid("differs from what was approved"), msgid("mismatch")),
    "unreadable": MessageText(_from_data(fills.unreadable_push), msgid("a row cannot be read"), msgid("unreadable")),
    "heard": MessageText(_from_kind(fills.fill_notice_push), msgid("fill told, being checked")),
    "heard_shown": MessageText(_from_kind(fills.fill_notice_push), msgid("told fill now shows")),
    "brake": MessageText(_from_data(system.halt_push), msgid("the brake changed")),
    "release": MessageText(_from_data(system.release_push), msgid("release asked")),
    "recovering": MessageText(_from_data(system.recovering_push), msgid("recovering")),
    "recovered": MessageText(_from_data(system.recovered_push), msgid("recovered")),
    "blind": MessageText(_from_data(outage_push), msgid("fills could not be seen")),
    "trouble": MessageText(_stored_values, msgid("trouble")),
    "limits": MessageText(_stored_values, msgid("limits changed")),
    "stepup": MessageText(_stored_values, msgid("second factor"), msgid("second factor asked")),
    "stopped": MessageText(_from_data(system.stopped_push), msgid("a chat refuses the bot")),
    "audit_key": MessageText(_from_data(system.key_push), msgid("the audit chain began again")),
    "anchor": MessageText(_from_data(system.anchor_push), msgid("head of the log")),
    "report": MessageText(_from_data(report_push), msgid("report at the close")),
    "alert": MessageText(_from_data(alert_push), msgid("price alert")),
    "join": MessageText(_from_data(join_push), msgid("somebody asks to join")),
    "invite": MessageText(_from_data(invite_push)),
    "joined": MessageText(_from_kind(member_push), msgid("somebody joined")),
    "people": MessageText(_from_kind(member_push), msgid("a person changed")),
    "stranger": MessageText(_from_kind(member_push), msgid("a stranger")),
    "digest": MessageText(_digest),
    "roundup": MessageText(_roundup),
}
_OTHER = MessageText(_about_order)
CAPTIONS: dict[str, Renderer] = {kind: _from_data(chart_caption) for kind in ("chart", "chart_edit")}
"""Captions of the kinds with a picture; `MESSAGES` has the text for where it cannot be drawn."""
