"""The messages about orders: the ticket and living card of one order, and the pushes that follow it. Pure.

Five words for what became of an order, never mixed: 접수, 일부체결, 체결, 거부, 확인중(불명). The first line carries
side and name, because a phone's notification shows little more.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.chat.i18n.catalogue import reason, say
from bot.chat.i18n.formatting import arrow, clock_time, percent, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.keyboards import after_fill, consent_keys, of_working_order, ticket_keys, warned_keys
from bot.chat.types import Button, Reply
from bot.orders.model.events import CancelState, ReadBackResult
from bot.orders.model.order import Link, Order, OrderAction, OrderState
from bot.orders.model.reason import Reason
from kis.models import OrderKind, Side

SQUARE = {Side.BUY: "🟥", Side.SELL: "🟦"}
SIDE = {Side.BUY: ("매수", "BUY"), Side.SELL: ("매도", "SELL")}
_HEAD = {
    OrderState.PROPOSED: ("확인", "confirm"),
    OrderState.PENDING: ("🖐 승인 대기", "🖐 waiting for consent"),
    OrderState.DENIED: ("🙅 승인 거절", "🙅 refused by a second person"),
    OrderState.CONFIRMED: ("📤 전송 중", "📤 sending"),
    OrderState.SUBMITTING: ("📤 전송 중", "📤 sending"),
    OrderState.WAITING: ("📤 다시 보낼 예정", "📤 to be sent again"),
    OrderState.UNKNOWN: ("❓ 확인중(불명)", "❓ checking (unknown)"),
    OrderState.OPEN: ("📨 접수", "📨 accepted"),
    OrderState.PARTIAL: ("◐ 일부체결", "◐ partly filled"),
    OrderState.FILLED: ("✅ 체결", "✅ filled"),
    OrderState.CANCELLED: ("↩️ 취소 완료", "↩️ cancelled"),
    OrderState.REPLACED: ("✏️ 정정됨", "✏️ revised"),
    OrderState.LAPSED: ("🌙 장 마감 미체결", "🌙 unfilled at the close"),
    OrderState.REJECTED: ("⛔ 거부", "⛔ refused"),
    OrderState.NOT_SENT: ("🚫 보내지 않음", "🚫 not sent"),
    OrderState.NEVER_BOOKED: ("🚫 접수되지 않음", "🚫 never booked"),
    OrderState.ABSENT: ("🔎 접수 기록 없음", "🔎 no trace at the broker"),
    OrderState.BLOCKED: ("🚫 보내지 않음", "🚫 not sent"),
    OrderState.EXPIRED: ("⌛ 만료", "⌛ expired"),
    OrderState.DISCARDED: ("✖ 취소 (보내지 않음)", "✖ discarded (not sent)"),
}


def order_card(order: Order, data: Mapping[str, Any], frame: Frame) -> Reply:
    """The order's living message as it stands now. `data` holds a ticket's tokens and fresh reasons."""
    lines = [_head(order, frame), terms_line(order, frame)]
    if order.state is OrderState.PROPOSED:
        lines += _ticket(order, frame)
        if "confirm" not in data:
            return Reply("\n".join(lines))
        keys = warned_keys if order.warned else ticket_keys
        return Reply("\n".join(lines), keys(order, str(data["confirm"]), str(data["discard"]), frame.lang))
    if order.state is OrderState.PENDING:
        return Reply(
            "\n".join(lines + _ticket(order, frame) + _consent(order, frame)),
            consent_keys(order, data, frame.lang),
        )
    lines += _agreed(order, frame) + _progress(order, frame) + _why(order, data.get("reasons") or (), frame)
    if order.state in {OrderState.OPEN, OrderState.PARTIAL}:
        return Reply("\n".join(lines), of_working_order(order, frame.lang))
    if order.state is OrderState.FILLED:
        return Reply("\n".join(lines), after_fill(order.code, frame.lang))
    return Reply("\n".join(lines), _again(order, frame))


def _again(order: Order, frame: Frame) -> tuple[tuple[Button, ...], ...]:
    if order.state not in {
        OrderState.EXPIRED,
        OrderState.DENIED,
        OrderState.BLOCKED,
        OrderState.NOT_SENT,
        OrderState.ABSENT,
        OrderState.REJECTED,
    }:
        return ()
    if order.act is OrderAction.REVISE:
        return ((Button(frame.pick("📋 미체결", "📋 open orders"), "/orders"),),)
    price = "시장가" if order.price is None else str(order.price)
    return (
        (
            Button(
                frame.pick("🔁 새로 주문하기", "🔁 order anew"),
                f"/{order.side} {order.code} {order.quantity} {price}",
            ),
        ),
    )


def stock_line(side: Side, word: str, name: str, code: str, frame: Frame) -> str:
    """The first line of everything about an order."""
    return f"{SQUARE[side]} {frame.pick(*SIDE[side])} {word}  <b>{safe(name, 20)}</b> <code>{safe(code, 12)}</code> {frame.badge}"


def word_of(state: OrderState, frame: Frame) -> str:
    """The word for where an order stands."""
    return frame.pick(*_HEAD[state])


def _head(order: Order, frame: Frame) -> str:
    word = word_of(order.state, frame)
    if order.act is OrderAction.REVISE:
        word = f"{frame.pick('정정', 'revision:')} {word}"
    return stock_line(order.side, word, order.name, order.code, frame)


def terms_line(order: Order, frame: Frame) -> str:
    """Quantity, price and amount."""
    lang = frame.lang
    if order.kind is OrderKind.MARKET:
        about = frame.pick("약 ", "about ")
        return (
            f"<b>{shares(order.quantity, lang)} × {frame.pick('시장가', 'market')}</b> "
            f"({about}{won(order.unit, lang)}) = {about}<b>{won(order.amount, lang)}</b>"
        )
    return (
        f"<b>{shares(order.quantity, lang)} × {won(order.unit, lang)}</b> {frame.pick('지정가', 'limit')} = "
        f"<b>{won(order.amount, lang)}</b>"
    )


def _ticket(order: Order, frame: Frame) -> list[str]:
    lang = frame.lang
    lines = _cautions(order, frame)
    if order.was_quote is not None:
        lines.append(
            frame.pick(
                f"⚠️ 확인하는 사이 가격이 {won(order.was_quote)} → <b>{won(order.quote)}</b>으로 바뀌었습니다. 다시 확인해 주세요.",
                f"⚠️ The price moved {won(order.was_quote, lang)} → <b>{won(order.quote, lang)}</b>. Please confirm again.",
            ),
        )
    lines.append(
        f"{frame.pick('현재', 'now')} {won(order.quote, lang)} {arrow(order.quote_change)} "
        f"({percent(order.quote_change)}) · {clock_time(order.quote_at)} {frame.pick('기준', 'KST')}",
    )
    lines += [f"ℹ️ {line}" for line in _said(order.notes, frame)]
    lines.append(f"{frame.pick('수수료 약', 'fee about')} {won(order.fee, lang)}{_tax(order, frame)}")
    if order.cash_after is not None:
        lines.append(f"{frame.pick('주문 후 주문가능금액', 'cash left to order with')} {won(order.cash_after, lang)}")
    if order.sellable_after is not None:
        lines.append(f"{frame.pick('주문 후 매도가능', 'left to sell')} {shares(order.sellable_after, lang)}")
    if order.reserve_unit != order.unit:
        lines.append(
            frame.pick(
                f"<i>시장가 매수는 상한가 {won(order.reserve_unit)} 기준으로 증거금이 잡힙니다.</i>",
                f"<i>KIS sets cash aside at the upper limit, {won(order.reserve_unit, lang)}.</i>",
            ),
        )
    lines.append(f"{frame.pick('계좌', 'account')} {frame.account} · {frame.pick('접수번호', 'ticket')} #{order.id}")
    fresh = order.was_quote is None and not order.warned and order.state is OrderState.PROPOSED
    seconds = int((order.expires_at - order.created_at).total_seconds()) if fresh else 0
    within = f"{seconds}{frame.pick('초', ' s')} · " if seconds else ""
    lines.append(
        f"⏳ {within}{clock_time(order.expires_at)}{frame.pick('까지, 한 번만 누를 수 있습니다', ' at the latest, single use')}",
    )
    return lines


def _consent(order: Order, frame: Frame) -> list[str]:
    """What those who must agree need to know beside the ticket, and who has agreed so far."""
    lang = frame.lang
    names = ", ".join(safe(name, 20) for name in order.approvers)
    agreed = f"🖐 {frame.pick('승인', 'consent')} <b>{order.approvals}/{order.needed}</b>" + (
        f" · {names}" if names else ""
    )
    lines = [f"{frame.pick('주문자', 'ordered by')} {safe(order.user_name, 20)}", agreed]
    if order.held_after is not None:
        lines.insert(1, f"{frame.pick('체결되면 보유', 'held once filled')} {shares(order.held_after, lang)}")
    if order.day_after is not None:
        lines.insert(
            1,
            f"{frame.pick('오늘 주문 합계 (이 주문 포함)', 'ordered today, with this')} {won(order.day_after, lang)}",
        )
    return lines


def _agreed(order: Order, frame: Frame) -> list[str]:
    """Who agreed to it, or who did not."""
    names = ", ".join(safe(name, 20) for name in order.approvers)
    if not names:
        return []
    word = ("거절", "refused by") if order.state is OrderState.DENIED else ("승인", "agreed")
    return [f"🖐 {frame.pick(*word)}: {names}"]


def _said(reasons: Sequence[Reason], frame: Frame) -> list[str]:
    """Reasons that an order bears, in words."""
    return [reason(one.code, one.values, frame.lang) for one in reasons]


def _cautions(order: Order, frame: Frame) -> list[str]:
    """What is unusual: announced on the ticket, and asked about once more at the first tap."""
    said = [f"⚠️ {line}" for line in _said(order.cautions, frame)]
    if said and order.warned:
        said.append(
            frame.pick(
                "<b>그래도 내시겠습니까? 아래 왼쪽 버튼은 취소입니다.</b>",
                "<b>Send it all the same? The button on the left discards it.</b>",
            ),
        )
    return said


def _tax(order: Order, frame: Frame) -> str:
    if order.side is Side.BUY:
        return ""
    return f" · {frame.pick('거래세 약', 'tax about')} {won(order.tax, frame.lang)}"


def _progress(order: Order, frame: Frame) -> list[str]:
    lang = frame.lang
    lines = []
    if order.order_no:
        when = f" · {hms(order.accepted_time)}" if order.accepted_time else ""
        lines.append(
            f"{frame.pick('주문번호', 'order no.')} <code>{safe(order.order_no, 12)}</code>{when} · #{order.id}",
        )
    if order.checked is ReadBackResult.SAME:
        lines.append(frame.pick("✓ 증권사 내역과 일치", "✓ the broker's list agrees"))
    if order.moved_to:
        lines.append(
            f"{frame.pick('정정 후 주문번호', 'goes on as order no.')} <code>{safe(order.moved_to, 12)}</code>",
        )
    if order.filled:
        lines.append(
            f"{frame.pick('체결', 'filled')} <b>{order.filled:,}/{order.quantity:,}{frame.pick('주', '')}</b> · "
            f"{frame.pick('평균', 'average')} {average(order.filled_amount, order.filled)} · {won(order.filled_amount, lang)}",
        )
    if order.cancelled:
        lines.append(f"{frame.pick('취소', 'cancelled')} {shares(order.cancelled, lang)}")
    if order.link is Link.MATCHED:
        lines.append(
            frame.pick(
                "응답을 못 받아 증권사 주문내역에서 찾았습니다.",
                "The answer was lost; found in the broker's list.",
            ),
        )
    if order.link is Link.HUMAN:
        lines.append(frame.pick("사람이 주문내역에서 확인해 연결했습니다.", "A person found it in the broker's list."))
    if order.link is Link.LATE:
        lines.append(frame.pick("🚨 늦게 접수된 것을 발견했습니다.", "🚨 It turned out to have been booked late."))
    return lines


def _why(order: Order, reasons: Sequence[Mapping[str, Any]], frame: Frame) -> list[str]:  # noqa: C901, PLR0912  # one per state
    lang = frame.lang
    if reasons:
        return [f"• {reason(str(one['code']), one['values'], lang)}" for one in reasons]
    match order.state:
        case OrderState.UNKNOWN if order.claimed:
            return [
                _kis_words(order, frame),
                frame.pick(
                    "⏳ 처음 보는 거부 코드라 주문내역으로 확인하고 있습니다. 같은 주문을 다시 내지 마세요.",
                    "⏳ That code is new to us, so the list is asked whether it means no. Please do not place it again.",
                ),
            ]
        case OrderState.UNKNOWN:
            return [
                frame.pick(
                    "⏳ 주문 결과를 확인하고 있습니다. 증권사에 접수되었을 수도 있습니다.\n다시 보내지 않았습니다. 같은 주문을 다시 내지 마세요.",
                    "⏳ The outcome is being looked up; the broker may have it.\nIt was not sent again. Please do not place it a second time.",
                ),
            ]
        case OrderState.WAITING:
            return [
                frame.pick(
                    "증권사가 처리하지 않았습니다. 주문내역을 다시 본 뒤 보냅니다.",
                    "The broker did not process it; it goes out again after a look at the list.",
                ),
            ]
        case OrderState.ABSENT if order.claimed:
            return [
                _kis_words(order, frame),
                frame.pick(
                    "증권사가 거부했고 주문내역에도 없습니다. 장 마감까지 계속 지켜봅니다.",
                    "The broker said no and its list has no trace of it. It is watched until the close.",
                ),
            ]
        case OrderState.ABSENT:
            return [
                frame.pick(
                    "증권사 주문내역을 3분 동안 확인했으나 접수 기록이 없습니다. 장 마감까지 계속 지켜봅니다.",
                    "The broker's list was read for three minutes and has no trace of it. It is watched until the close.",
                ),
            ]
        case OrderState.NEVER_BOOKED:
            return [
                frame.pick(
                    "장 마감까지 접수 기록이 없었거나, 사람이 그렇게 확인했습니다.",
                    "No trace of it until the close, or a person has said so.",
                ),
            ]
        case OrderState.REJECTED:
            return [_kis_words(order, frame)]
        case OrderState.NOT_SENT:
            return [
                frame.pick(
                    "증권사에 연결하지 못해 주문이 나가지 않았습니다.",
                    "The broker could not be reached, so nothing was sent.",
                ),
            ]
        case OrderState.BLOCKED:
            return [f"• {reason(order.code_word, {'name': order.name}, lang)}"]
        case OrderState.EXPIRED:
            return [frame.pick("시간이 지나 보내지 않았습니다.", "Its time ran out; nothing was sent.")]
        case OrderState.OPEN | OrderState.PARTIAL:
            return _cancelling(order, frame)
        case _:
            return []


def _cancelling(order: Order, frame: Frame) -> list[str]:
    match order.cancel:
        case CancelState.SUBMITTING | CancelState.ASKED:
            return [frame.pick("↩️ 취소 요청 중입니다.", "↩️ Cancel requested.")]
        case CancelState.UNKNOWN:
            return [
                frame.pick(
                    "❓ 취소 요청의 응답을 받지 못했습니다. 주문내역으로 확인 중이며, 다시 취소해도 안전합니다.",
                    "❓ The answer to the cancel was lost; the list will tell. Cancelling again is safe.",
                ),
            ]
        case CancelState.REFUSED:
            return [f"{frame.pick('취소 거부', 'cancel refused')}: {_kis_words(order, frame)}"]
        case CancelState.NONE if order.code_word:
            return [
                frame.pick(
                    "취소 요청이 나가지 않았습니다. 다시 눌러 주세요.",
                    "The cancel was not sent; please try again.",
                ),
            ]
        case _:
            return []


def _kis_words(order: Order, frame: Frame) -> str:
    return say(
        frame.lang,
        "{text} ({code})",
        "{text} ({code})",
        text=order.message or "-",
        code=order.code_word or "-",
    )


def average(amount: int, quantity: int) -> str:
    """Won per share, with decimals only where there are any."""
    exact = Decimal(amount) / quantity
    return f"{exact:,.0f}" if exact == int(exact) else f"{exact:,.2f}"


def hms(text: str) -> str:
    """KIS's HHMMSS as people write it."""
    return f"{text[:2]}:{text[2:4]}:{text[4:6]}" if len(text) >= 6 and text.isdigit() else safe(text, 8)  # noqa: PLR2004
