"""The renderer of every kind of message: an entry here, and one in `bot.store.message_kinds`, make a new kind.

A renderer gets the message as the outbox holds it, a way to look up an order, and the frame it is shown in. None means
that there is nothing to say.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bot.chat.i18n.catalogue import reason
from bot.chat.i18n.frame import Frame
from bot.chat.messages.alert_messages import alert_push
from bot.chat.messages.audit_anchor import anchor_push, key_push
from bot.chat.messages.chart_messages import chart_as_text, chart_caption
from bot.chat.messages.delivery_digest import bundle_push, digest, notice_line, repeat_note, roundup, stopped_push
from bot.chat.messages.fills import external_push, fill_push, state_push
from bot.chat.messages.members import member_push, without_buttons
from bot.chat.messages.order_card import order_card
from bot.chat.messages.outage import outage_push
from bot.chat.messages.report_messages import report_push
from bot.chat.messages.stream_status import fill_notice_push
from bot.chat.messages.system import halt_push, recovered_push, recovering_push, release_push
from bot.chat.messages.watchlist_messages import watchlist_push
from bot.chat.ports import OutboxMessage
from bot.chat.types import Button, Reply
from bot.orders.model.order import Order

OrderOf = Callable[[int], Order | None]
Renderer = Callable[[OutboxMessage, OrderOf, Frame], Reply | None]


def render(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply | None:
    """The text of a message; of an unknown kind the order's card, or its stored values."""
    return RENDERERS.get(message.kind, _ABOUT_ORDER)(message, order_of, frame)


def _from_facts(push: Callable[[Mapping[str, Any], Frame], Reply | None]) -> Renderer:
    return lambda message, _, frame: push(message.data, frame)


def _from_kind(push: Callable[[str, Mapping[str, Any], Frame], Reply | None]) -> Renderer:
    return lambda message, _, frame: push(message.kind, message.data, frame)


def _about_order(push: Callable[[OutboxMessage, Order, Frame], Reply]) -> Renderer:
    def rendered(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply:
        order = order_of(message.order_id) if message.order_id is not None else None
        return _bare_facts(message, order_of, frame) if order is None else push(message, order, frame)

    return rendered


def _bare_facts(message: OutboxMessage, _: OrderOf, frame: Frame) -> Reply:
    """A reason's sentence where there is a code, else one line of what is known."""
    words: str
    if "code" in message.data:
        words = reason(str(message.data["code"]), message.data.get("values") or {}, frame.lang)
    else:
        words = notice_line(message, None, frame)
    return Reply(f"⚠️ {words}{repeat_note(message, frame)} {frame.badge}")


def _reply(message: OutboxMessage, _: OrderOf, __: Frame) -> Reply:
    rows = message.data.get("keys", ())
    buttons = tuple(tuple(Button(str(label), str(data)) for label, data in row) for row in rows)
    return Reply(str(message.data["text"]), buttons)


def _card(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply | None:
    order = order_of(message.order_id) if message.order_id is not None else None
    return None if order is None else order_card(order, message.data, frame)


def _fill(message: OutboxMessage, order: Order, frame: Frame) -> Reply:
    fills = [one.data for one in message.parts]
    return bundle_push(order, fills, frame) if fills else fill_push(order, message.data, frame)


def _digest(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply | None:
    return digest(message.parts, order_of, frame) if message.parts else None


def _roundup(message: OutboxMessage, order_of: OrderOf, frame: Frame) -> Reply | None:
    return roundup(message.parts, int(message.data["count"]), order_of, frame) if message.parts else None


_ABOUT_ORDER = _about_order(lambda message, order, frame: state_push(message.kind, order, message.data, frame))

RENDERERS: dict[str, Renderer] = {
    "reply": _reply,
    "edit": _reply,
    "card": _card,
    "chart": _from_facts(chart_as_text),
    "chart_edit": _from_facts(partial(chart_as_text, old_above=True)),
    "look": _from_facts(watchlist_push),
    "fill": _about_order(_fill),
    "group_fill": _about_order(lambda message, order, frame: without_buttons(_fill(message, order, frame))),
    "external_fill": _from_facts(external_push),
    "corrected": _ABOUT_ORDER,
    "ended": _ABOUT_ORDER,
    "found": _ABOUT_ORDER,
    "absent": _ABOUT_ORDER,
    "late": _ABOUT_ORDER,
    "ambiguous": _ABOUT_ORDER,
    "manual": _ABOUT_ORDER,
    "contradiction": _ABOUT_ORDER,
    "mismatch": _ABOUT_ORDER,
    "heard": _from_kind(fill_notice_push),
    "heard_shown": _from_kind(fill_notice_push),
    "brake": _from_facts(halt_push),
    "release": _from_facts(release_push),
    "recovering": _from_facts(recovering_push),
    "recovered": _from_facts(recovered_push),
    "blind": _from_facts(outage_push),
    "trouble": _bare_facts,
    "limits": _bare_facts,
    "stepup": _bare_facts,
    "stopped": _from_facts(stopped_push),
    "audit_key": _from_facts(key_push),
    "anchor": _from_facts(anchor_push),
    "report": _from_facts(report_push),
    "alert": _from_facts(alert_push),
    "join": _from_kind(member_push),
    "invite": _from_kind(member_push),
    "joined": _from_kind(member_push),
    "people": _from_kind(member_push),
    "stranger": _from_kind(member_push),
    "digest": _digest,
    "roundup": _roundup,
}
CAPTIONS: dict[str, Renderer] = {kind: _from_facts(chart_caption) for kind in ("chart", "chart_edit")}
"""Captions of the kinds with a picture; `RENDERERS` has the text for where it cannot be drawn."""
