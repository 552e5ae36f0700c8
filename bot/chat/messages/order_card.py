"""The order card: one message that is edited while its order changes, first as a ticket to confirm.

Five words for the state at the broker, never mixed: 접수, 일부체결, 체결, 거부, 확인중(불명). The first line has side
and name, because a phone's notification shows little more.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.chat.i18n.catalogue import MessageIds, msgid, reason
from bot.chat.i18n.formatting import arrow, clock_time, of_shares, percent, person_name, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.keyboards import after_fill, approval_buttons, of_open_order, second_confirmation_buttons, ticket_buttons
from bot.chat.types import Button, Buttons, Reply, secrets_of
from bot.orders.model.events import CancelState, ReadBackResult
from bot.orders.model.order import WORKING, Link, Order, OrderAction, OrderState
from bot.orders.model.reason import Reason
from kis.models import OrderKind, Side

SQUARE = {Side.BUY: "🟥", Side.SELL: "🟦"}
SIDE: MessageIds[Side] = {Side.BUY: "BUY", Side.SELL: "SELL"}
_HEAD: MessageIds[OrderState] = {
    OrderState.PROPOSED: "confirm",
    OrderState.PENDING: "🖐 waiting for consent",
    OrderState.DENIED: "🙅 refused by a second person",
    OrderState.CONFIRMED: "📤 sending",
    OrderState.SUBMITTING: "📤 sending",
    OrderState.WAITING: "📤 to be sent again",
    OrderState.UNKNOWN: "❓ checking (unknown)",
    OrderState.OPEN: "📨 accepted",
    OrderState.PARTIAL: "◐ partly filled",
    OrderState.FILLED: "✅ filled",
    OrderState.CANCELLED: "↩️ cancelled",
    OrderState.REPLACED: "✏️ revised",
    OrderState.LAPSED: "🌙 unfilled at the close",
    OrderState.REJECTED: "⛔ refused",
    OrderState.NOT_SENT: "🚫 not sent",
    OrderState.NEVER_BOOKED: "🚫 never booked",
    OrderState.ABSENT: "🔎 no trace at the broker",
    OrderState.BLOCKED: "🚫 not sent",
    OrderState.EXPIRED: "⌛ expired",
    OrderState.DISCARDED: "✖ discarded (not sent)",
}
_MAY_BE_REPEATED = frozenset({
    OrderState.EXPIRED, OrderState.DENIED, OrderState.BLOCKED, OrderState.NOT_SENT, OrderState.ABSENT,
    OrderState.REJECTED,
})  # fmt: skip
_EXPLANATIONS: MessageIds[OrderState] = {
    OrderState.UNKNOWN: "⏳ The outcome is being looked up; the broker may have it.\nIt was not sent again. Please do not place it a second time.",
    OrderState.WAITING: "The broker did not process it; it goes out again after a look at the list.",
    OrderState.ABSENT: "The broker's list was read for three minutes and has no trace of it. It is watched until the close.",
    OrderState.NEVER_BOOKED: "No trace of it until the close, or a person has said so.",
    OrderState.NOT_SENT: "The broker could not be reached, so nothing was sent.",
    OrderState.EXPIRED: "Its time ran out; nothing was sent.",
}
_EXPLANATIONS_AFTER_REJECTION: MessageIds[OrderState] = {
    OrderState.UNKNOWN: "⏳ That code is new to us, so the list is asked whether it means no. Please do not place it again.",
    OrderState.ABSENT: "The broker said no and its list has no trace of it. It is watched until the close.",
}
_CANCELS: MessageIds[CancelState] = {
    CancelState.SUBMITTING: "↩️ Cancel requested.",
    CancelState.ASKED: "↩️ Cancel requested.",
    CancelState.UNKNOWN: "❓ The answer to the cancel was lost; the list will tell. Cancelling again is safe.",
}
_LINKS: MessageIds[Link] = {
    Link.MATCHED: "The answer was lost; found in the broker's list.",
    Link.HUMAN: "A person found it in the broker's list.",
    Link.LATE: "🚨 It turned out to have been booked late.",
}


def order_card(order: Order, data: Mapping[str, Any], frame: Frame) -> Reply:
    """The card of an order in its present state. `data` holds the tokens of its buttons and new reasons."""
    tokens = secrets_of(data)
    lines = [_head(order, frame), terms_line(order, frame)]
    if order.state is OrderState.PROPOSED:
        lines += _ticket(order, frame)
        if "confirm" not in tokens:
            return Reply("\n".join(lines))
        buttons = second_confirmation_buttons if order.warned else ticket_buttons
        return Reply("\n".join(lines), buttons(order, str(tokens["confirm"]), str(tokens["discard"]), frame.lang))
    if order.state is OrderState.PENDING:
        lines += _ticket(order, frame) + _consent(order, frame)
        return Reply("\n".join(lines), approval_buttons(order, tokens, frame.lang))
    lines += _agreed(order, frame) + _progress(order, frame) + _why(order, data.get("reasons") or (), frame)
    return Reply("\n".join(lines), _buttons(order, frame))


def _buttons(order: Order, frame: Frame) -> Buttons:
    if order.state in WORKING:
        return of_open_order(order, frame.lang)
    if order.state is OrderState.FILLED:
        return after_fill(order.code, frame.lang)
    if order.state not in _MAY_BE_REPEATED:
        return ()
    if order.act is OrderAction.REVISE:
        return ((Button(frame.text("📋 open orders"), "/orders"),),)
    price = "시장가" if order.price is None else str(order.price)
    return ((Button(frame.text("🔁 order anew"), f"/{order.side} {order.code} {order.quantity} {price}"),),)


def stock_line(side: Side, word: str, name: str, code: str, frame: Frame) -> str:
    """The first line of every message about an order."""
    return f"{SQUARE[side]} {frame.text(SIDE[side])} {word}  <b>{safe(name, 20)}</b> <code>{safe(code, 12)}</code> {frame.badge}"


def state_word(state: OrderState, frame: Frame) -> str:
    """The name of an order state."""
    return frame.text(_HEAD[state])


def _head(order: Order, frame: Frame) -> str:
    word = state_word(order.state, frame)
    if order.act is OrderAction.REVISE:
        word = f"{frame.text('revision:')} {word}"
    return stock_line(order.side, word, order.name, order.code, frame)


def terms_line(order: Order, frame: Frame) -> str:
    """Quantity, price and amount in one line."""
    figures = {"price": won(order.unit, frame.lang), "amount": won(order.amount, frame.lang)}
    limit, market = (
        msgid("<b>{quantity} × {price}</b> limit = <b>{amount}</b>"),
        msgid("<b>{quantity} × market</b> (about {price}) = about <b>{amount}</b>"),
    )
    sentence = market if order.kind is OrderKind.MARKET else limit
    return frame.text(sentence, quantity=shares(order.quantity, frame.lang), **figures)


def _ticket(order: Order, frame: Frame) -> list[str]:
    lang = frame.lang
    lines = [f"⚠️ {line}" for line in reason_lines(order.cautions, frame)]
    if lines and order.warned:
        lines.append(frame.text("<b>Send it all the same? The button on the left discards it.</b>"))
    if order.was_quote is not None:
        before, now = won(order.was_quote, lang), won(order.quote, lang)
        moved = msgid("⚠️ The price moved {before} → <b>{now}</b>. Please confirm again.")
        lines.append(frame.text(moved, before=before, now=now))
    lines.append(
        f"{frame.text('now', context='price')} {won(order.quote, lang)} {arrow(order.quote_change)} "
        f"({percent(order.quote_change)}) · {clock_time(order.quote_at)} {frame.text('KST')}"
    )
    lines += [f"ℹ️ {line}" for line in reason_lines(order.notes, frame)]
    tax = f" · {frame.text('tax about')} {won(order.tax, lang)}" if order.side is Side.SELL else ""
    lines.append(f"{frame.text('fee about')} {won(order.fee, lang)}{tax}")
    lines += left_after(order, frame)
    if order.reserve_unit != order.unit:
        upper = won(order.reserve_unit, lang)
        lines.append(frame.text("<i>KIS sets cash aside at the upper limit, {price}.</i>", price=upper))
    lines.append(f"{frame.text('account')} {frame.account} · {frame.text('ticket')} #{order.id}")
    fresh = order.was_quote is None and not order.warned and order.state is OrderState.PROPOSED
    seconds = int((order.expires_at - order.created_at).total_seconds()) if fresh else 0
    within = f"{frame.text('{count} s', count=seconds)} · " if seconds else ""
    lines.append(f"⏳ {within}{frame.text('{time} at the latest, single use', time=clock_time(order.expires_at))}")
    return lines


def left_after(order: Order, frame: Frame) -> list[str]:
    """The cash or the shares left once the order is filled."""
    lines = []
    if order.cash_after is not None:
        lines.append(f"{frame.text('cash left to order with')} {won(order.cash_after, frame.lang)}")
    if order.sellable_after is not None:
        lines.append(f"{frame.text('left to sell')} {shares(order.sellable_after, frame.lang)}")
    return lines


def _consent(order: Order, frame: Frame) -> list[str]:
    """For the approvers: who ordered, resulting position and day total, approvals so far."""
    lines = [f"{frame.text('ordered by')} {person_name(order.user_name, order.user_id)}"]
    if order.day_after is not None:
        lines.append(f"{frame.text('ordered today, with this')} {won(order.day_after, frame.lang)}")
    if order.held_after is not None:
        lines.append(f"{frame.text('held once filled')} {shares(order.held_after, frame.lang)}")
    names = f" · {_approvers(order)}" if order.approvers else ""
    return [*lines, f"🖐 {frame.text('consent')} <b>{order.approvals}/{order.needed}</b>{names}"]


def _approvers(order: Order) -> str:
    return ", ".join(safe(name, 20) for name in order.approvers)


def _agreed(order: Order, frame: Frame) -> list[str]:
    """Who approved or refused it."""
    word = msgid("refused by") if order.state is OrderState.DENIED else msgid("agreed")
    return [f"🖐 {frame.text(word)}: {_approvers(order)}"] if order.approvers else []


def reason_lines(reasons: Sequence[Reason], frame: Frame) -> list[str]:
    """The sentences of reasons."""
    return [reason(one.code, one.values, frame.lang) for one in reasons]


def _progress(order: Order, frame: Frame) -> list[str]:
    lang = frame.lang
    lines = []
    if order.order_no:
        when = f" · {hms(order.accepted_time)}" if order.accepted_time else ""
        lines.append(f"{frame.text('order no.')} <code>{safe(order.order_no, 12)}</code>{when} · #{order.id}")
    if order.checked is ReadBackResult.SAME:
        lines.append(frame.text("✓ the broker's list agrees"))
    if order.moved_to:
        lines.append(f"{frame.text('goes on as order no.')} <code>{safe(order.moved_to, 12)}</code>")
    if order.filled:
        lines.append(
            f"{frame.text('filled')} <b>{of_shares(order.filled, order.quantity, lang)}</b> · "
            f"{frame.text('average')} {average(order.filled_amount, order.filled)} · {won(order.filled_amount, lang)}"
        )
    if order.cancelled:
        lines.append(f"{frame.text('cancelled')} {shares(order.cancelled, lang)}")
    if order.link in _LINKS:
        lines.append(frame.text(_LINKS[order.link]))
    return lines


def _why(order: Order, reasons: Sequence[Mapping[str, Any]], frame: Frame) -> list[str]:
    """Why it is in this state, and what that means."""
    if reasons:
        return [f"• {reason(str(one['code']), one['values'], frame.lang)}" for one in reasons]
    if order.claimed and order.state in _EXPLANATIONS_AFTER_REJECTION:
        return [_kis_words(order), frame.text(_EXPLANATIONS_AFTER_REJECTION[order.state])]
    if order.state in _EXPLANATIONS:
        return [frame.text(_EXPLANATIONS[order.state])]
    if order.state is OrderState.REJECTED:
        return [_kis_words(order)]
    if order.state is OrderState.BLOCKED:
        return [f"• {reason(order.code_word, {'name': order.name}, frame.lang)}"]
    return _cancelling(order, frame) if order.state in WORKING else []


def _cancelling(order: Order, frame: Frame) -> list[str]:
    if order.cancel in _CANCELS:
        return [frame.text(_CANCELS[order.cancel])]
    if order.cancel is CancelState.REFUSED:
        return [f"{frame.text('cancel refused')}: {_kis_words(order)}"]
    return [frame.text("The cancel was not sent; please try again.")] if order.code_word else []


def _kis_words(order: Order) -> str:
    return f"{safe(order.message or '-')} ({safe(order.code_word or '-')})"


def average(amount: int, quantity: int) -> str:
    """Average price in won per share, with two decimals where it is not whole."""
    exact = Decimal(amount) / quantity
    return f"{exact:,.0f}" if exact == int(exact) else f"{exact:,.2f}"


def hms(text: str) -> str:
    """KIS's HHMMSS as HH:MM:SS."""
    return f"{text[:2]}:{text[2:4]}:{text[4:6]}" if len(text) >= 6 and text.isdigit() else safe(text, 8)  # noqa: PLR2004
