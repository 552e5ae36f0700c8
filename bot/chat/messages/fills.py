"""Notices about executions: fills, the end of an order, and orders that a person must identify."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.chat.i18n.catalogue import MessageIds, msgid
from bot.chat.i18n.formatting import Markup, clock_time, of_shares, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.keyboards import after_fill
from bot.chat.messages.order_card import average, hms, order_card, state_word, stock_line, terms_line
from bot.chat.types import TICKET, Button, Reply, secrets_of
from bot.orders.model.order import Order, OrderState
from kis.models import Side


def fill_push(order: Order, data: Mapping[str, Any], frame: Frame) -> Reply:
    """One fill: this quantity and the cumulative one, so that a repeated message stays true."""
    filled, amount = int(data["filled"]), int(data["amount"])
    step, step_amount = int(data["step"]), int(data["step_amount"])
    word = state_word(OrderState.FILLED if filled >= order.quantity else OrderState.PARTIAL, frame)
    number = f" #{data['number']}" if data.get("number") else ""
    return Reply(
        f"{stock_line(order.side, word + number, order.name, order.code, frame)}\n"
        f"{frame.text('now', context='this fill')} <b>{shares(step, frame.lang)}</b> @{average(step_amount, step)} · "
        f"{frame.text('total', context='filled so far')} <b>{of_shares(filled, order.quantity, frame.lang)}</b> "
        f"({frame.text('average')} {average(amount, filled)})\n"
        f"{frame.text('order no.')} <code>{safe(order.order_no, 12)}</code> · #{order.id} · {safe(order.user_name, 20)}",
        after_fill(order.code, frame.lang),
    )


def bundle_push(order: Order, fills: Sequence[Mapping[str, Any]], frame: Frame) -> Reply:
    """Several fills of one order, oldest first, in one message with the newest cumulative figures."""
    first, last = fills[0], fills[-1]
    step = int(last["filled"]) - int(first["filled"]) + int(first["step"])
    step_amount = int(last["amount"]) - int(first["amount"]) + int(first["step_amount"])
    one = fill_push(order, {**last, "step": step, "step_amount": step_amount}, frame)
    ends = {"first": fill_number(first, frame), "last": fill_number(last, frame)}
    covers = frame.text("{count} fills in one: {first} to {last}", count=len(fills), **ends)
    return Reply(f"{one.text}\n<i>{covers}</i>", one.buttons)


def fill_number(fill: Mapping[str, Any], frame: Frame) -> Markup:
    """The number of a fill, or the cumulative quantity where it has none."""
    if "number" in fill:
        return Markup(f"#{safe(fill['number'], 8)}")
    return Markup(f"{frame.text('total', context='filled so far')} {shares(int(fill['filled']), frame.lang)}")


def external_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """A fill of an order placed outside the bot (HTS, MTS or another program)."""
    filled, side = int(data["filled"]), Side(str(data["side"]))
    return Reply(
        f"{stock_line(side, frame.text('filled (made elsewhere)'), str(data['name']), str(data['code']), frame)}\n"
        f"{frame.text('total', context='filled so far')} <b>{of_shares(filled, int(data['quantity']), frame.lang)}</b> "
        f"@{average(int(data['amount']), filled)} · {frame.text('order no.')} <code>{safe(data['order_no'], 12)}</code>\n"
        f"<i>{frame.text('Not placed by this bot (HTS, MTS or another program).')}</i>"
    )


def fill_notice_push(kind: str, data: Mapping[str, Any], frame: Frame) -> Reply:
    """A fill notice that the order list does not confirm yet (`heard`), or confirms now (`heard_shown`)."""
    number = f"{frame.text('order no.')} <code>{safe(data['order_no'], 12)}</code>"
    if kind == "heard_shown":
        head = frame.text("✅ the list shows the fill now")
        lines = [f"{frame.text('filled by the list')} <b>{shares(int(data['filled']), frame.lang)}</b> · {number}"]
    else:
        head = frame.text("⏳ a fill was told; being checked")
        step, price = shares(int(data["step"]), frame.lang), won(int(data["price"]), frame.lang)
        at = clock_time(datetime.fromisoformat(str(data["at"])))
        lines = [
            f"{frame.text('told', context='fill notice')} {step} @{price} · {at} · {number}",
            frame.text(
                "The broker's list does not show it yet. You are told when it does; until then it does not count as filled."
            ),
        ]
    name, code = str(data["name"]) or str(data["code"]), str(data["code"])
    text = "\n".join([stock_line(Side(str(data["side"])), head, name, code, frame), *lines])
    return Reply(text, ((Button(frame.text("📋 open orders"), "/orders"),),))


def unreadable_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """A row of the broker's order list that cannot be read: of an order of ours, or of nobody knows which."""
    head = frame.text("⚠️ a row of the broker's order list cannot be read")
    name, number = data.get("name") or data["code"], data["order_no"]
    lines = [f"<b>{safe(name, 20)}</b>"] if name else []
    lines += [f"{frame.text('order no.')} <code>{safe(number, 12)}</code>"] if number else []
    lines += [f"#{data['order']}"] if "order" in data else []
    about = frame.text("Its fills and its end are told once it can be read. Other orders go on as usual.")
    return Reply(
        "\n".join([head, " · ".join(lines), about, frame.text("Please look at this order in HTS or MTS now.")])
    )


_HEADS: MessageIds[str] = {
    "ambiguous": "⚠️ more than one order fits",
    "contradiction": "⚠️ the broker's list contradicts our record",
    "mismatch": "🚨 the broker has another order than was approved",
    "manual": "⚠️ still not known after fifteen minutes",
    "corrected": "✏️ the filled amount was corrected",
}


def state_push(kind: str, order: Order, data: Mapping[str, Any], frame: Frame) -> Reply:
    """A change of state that is worth a notification of its own, with the figures of the order card."""
    head = _HEADS.get(kind)
    if head is None:
        return order_card(order, {}, frame)
    if kind == "ambiguous" and len(secrets_of(data).get("claims", ())) == 1:
        head = msgid("⚠️ an order that may be this one came late")
    if kind in {"ambiguous", "manual"}:
        return _which_row(order, frame.text(head), data, frame)
    lines = [stock_line(order.side, frame.text(head), order.name, order.code, frame), terms_line(order, frame)]
    number = f" · {frame.text('order no.')} <code>{safe(order.order_no, 12)}</code>" if order.order_no else ""
    if kind == "corrected":
        was, amount = won(int(data["was"]), frame.lang), won(int(data["amount"]), frame.lang)
        lines += [f"{was} → <b>{amount}</b>", f"#{order.id}{number}"]
    else:
        look = frame.text("Please look at this order in HTS or MTS now.")
        lines += [safe(data.get("why", ""), 200), f"#{order.id}{number}", look]
    return Reply("\n".join(lines))


def _which_row(order: Order, head: str, data: Mapping[str, Any], frame: Frame) -> Reply:
    lines = [stock_line(order.side, head, order.name, order.code, frame), f"{terms_line(order, frame)} · #{order.id}"]
    buttons, tokens = [], secrets_of(data)
    for number, time, channel, token in tokens.get("claims", ()):
        lines.append(f"• <code>{safe(number, 12)}</code> {hms(str(time))} {safe(channel, 12)}")
        buttons.append((Button(frame.text("it is {number}", number=number), TICKET + str(token)),))
    if "none" in tokens:
        buttons.append((Button(frame.text("none of these"), TICKET + str(tokens["none"])),))
    lines.append(frame.text("Please look in HTS or MTS and press. Until then this stock takes no new orders."))
    return Reply("\n".join(lines), tuple(buttons))
