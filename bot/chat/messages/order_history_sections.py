"""The sections of an order's history (/why), each a list of lines."""

from collections.abc import Sequence

from bot.chat.i18n.catalogue import MessageIds, reason
from bot.chat.i18n.formatting import clock_time, percent, pieces, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.audit_lines import entry_line
from bot.chat.messages.order_card import state_word
from bot.chat.messages.system import LEVELS
from bot.orders.model.order import Order
from bot.orders.model.reason import Reason
from bot.orders.model.timeline import AuditEntry, MessageSent, OrderTimeline, SendAttempt
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import KST

_OUTCOMES: MessageIds[str] = {
    "placed": "taken",
    "refused": "refused",
    "claimed": "refused in an unknown code",
    "throttled": "over the rate, not carried out",
    "token": "token refused, not carried out",
    "misconfigured": "refused: key, account and environment disagree",
    "not_sent": "never left",
    "unknown": "outcome unknown",
    "": "the program ended before it could write the answer down",
}
_ENDPOINTS: MessageIds[str] = {"buy": "buy", "sell": "sell", "cancel": "cancel", "revise_cancel": "revision"}
_KINDS: MessageIds[str] = {
    "card": "ticket and card",
    "fill": "fills",
    "ended": "its end",
    "found": "found",
    "absent": "no trace",
    "late": "booked late",
    "ambiguous": "a question",
    "manual": "a question",
    "contradiction": "contradiction",
    "mismatch": "mismatch",
    "corrected": "correction",
    "group_fill": "fills, to a group",
    "stepup": "second factor asked",
}


def quoted_prices(timeline: OrderTimeline, frame: Frame) -> str:
    """The quotes that the ticket showed, and cash or shares left after the order."""
    order, lang = timeline.order, frame.lang
    shown = [
        int(one.detail["quote"]) for one in timeline.entries if one.action == "order.proposed" and "quote" in one.detail
    ]
    shown += [
        int(one.detail["event_quote"])
        for one in timeline.entries
        if one.action == "order.requoted" and "event_quote" in one.detail
    ]
    prices = " → ".join(won(one, lang) for one in shown[-4:] or [order.quote])
    left = ""
    if order.cash_after is not None:
        left = f" · {frame.text('cash left to order with')} {won(order.cash_after, lang)}"
    if order.sellable_after is not None:
        left = f" · {frame.text('left to sell')} {shares(order.sellable_after, lang)}"
    return f"{frame.text('saw the market at')} {prices}{left}"


def reason_lines(given: Sequence[Reason], frame: Frame) -> list[str]:
    """The sentences of reasons."""
    return [reason(one.code, one.values, frame.lang) for one in given]


def ticket_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """What the ticket showed last."""
    order, lang = timeline.order, frame.lang
    lines = [
        quoted_prices(timeline, frame),
        f"{frame.text('as last shown')} {clock_time(order.quote_at)}, {percent(order.quote_change)}",
        f"{frame.text('amount')} {won(order.amount, lang)} · {frame.text('fee about')} {won(order.fee, lang)}"
        + (f" · {frame.text('tax about')} {won(order.tax, lang)}" if order.tax else ""),
    ]
    if order.reserve_unit != order.unit:
        lines.append(f"{frame.text('cash set aside at the upper limit')} {won(order.reserve_unit, lang)}")
    lines += [f"⚠️ {line}" for line in reason_lines(order.cautions, frame)]
    lines += [f"ℹ️ {line}" for line in reason_lines(order.notes, frame)]
    if order.held_after is not None and order.day_after is not None:
        lines.append(
            f"{frame.text('approvers saw: held once filled')} {shares(order.held_after, lang)}, "
            f"{frame.text('ordered today')} {won(order.day_after, lang)}"
        )
    if order.warned:
        lines.append(frame.text("Was shown what is unusual, and pressed twice."))
    lines.append(f"{frame.text('valid until')} {clock_time(order.expires_at)}")
    return lines


def vote_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """Every vote, also of earlier rounds."""
    return [
        f"{one.at.astimezone(KST):%m/%d %H:%M:%S} <b>{safe(one.name or one.user_id, 20)}</b> "
        + (frame.text("approved") if one.approve else frame.text("denied"))
        + f" ({frame.text('round {round}', round=one.round)})"
        for one in timeline.votes
    ]


def attempt_line(one: SendAttempt, frame: Frame) -> str:
    """One request to the broker and its outcome."""
    what = frame.text(_ENDPOINTS[one.endpoint]) if one.endpoint in _ENDPOINTS else safe(one.endpoint or "-", 20)
    became = frame.text(_OUTCOMES[one.outcome]) if one.outcome in _OUTCOMES else safe(one.outcome, 20)
    http = f"HTTP {one.status}" if one.status is not None else ""
    took = frame.text("{count} s", count=f"{one.seconds:.3f}") if one.seconds is not None else ""
    facts = " · ".join(part for part in (http, safe(one.code, 12), took) if part)
    said = f" “{safe(one.words)}”" if one.words else ""
    return f"{clock_time(one.at)} {what} → <b>{became}</b>{f' ({facts})' if facts else ''}{said}"


def step_lines(entries: Sequence[AuditEntry], frame: Frame) -> list[str]:
    """Every audit row of the order, grouped by day (KST)."""
    lines, day = [], ""
    for entry in entries:
        if (of_day := entry.at.astimezone(KST).strftime("%Y-%m-%d")) != day:
            day = of_day
            lines.append(f"<i>{day}</i>")
        lines.append(entry_line(entry, frame))
    return lines


def revision_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """The revisions before and after this order."""
    order, lines = timeline.order, []
    if timeline.parent is not None:
        lines.append(
            f"✏️ #{timeline.parent.id} → <b>#{order.id}</b> {_price(timeline.parent, frame)} → {_price(order, frame)}"
        )
    lines += [
        f"✏️ <b>#{order.id}</b> → #{one.id} {_price(order, frame)} → {_price(one, frame)} ({state_word(one.state, frame)})"
        for one in timeline.children
    ]
    if order.moved_to:
        lines.append(f"{frame.text('goes on as order no.')} <code>{safe(order.moved_to, 12)}</code>")
    if timeline.namesakes:
        others = ", ".join(f"#{one}" for one in timeline.namesakes[-5:])
        lines.append(f"{frame.text('the same number on other days')}: {others}")
    return lines


def _price(order: Order, frame: Frame) -> str:
    return frame.text("market") if order.price is None else won(order.price, frame.lang)


def message_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """Which messages were sent to whom, and when (KST)."""
    lines = []
    for one in timeline.messages:
        kind = frame.text(_KINDS[one.kind]) if one.kind in _KINDS else safe(one.kind, 20)
        until = f"–{clock_time(one.last)}" if one.last != one.first else ""
        late = f" · {frame.text('waiting')} {one.open}" if one.open else ""
        lost = f" · {frame.text('not delivered')} {one.failed}" if one.failed else ""
        lines.append(
            f"{clock_time(one.first)}{until} <b>{recipient_name(one)}</b> {kind} {pieces(one.messages, frame.lang)}{late}{lost}"
        )
    return lines


def halt_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """The trading halt when the order was proposed, and its changes until the order ended."""
    return [
        f"{one.at.astimezone(KST):%m/%d %H:%M:%S} {frame.text(LEVELS[HaltLevel(one.level)])}"
        + (f" · {safe(one.name, 20)}" if one.name else "")
        + (f" ({frame.text('already when it was proposed')})" if one.before else "")
        + (f" — {reason(one.why, {}, frame.lang)}" if one.level and one.why else "")
        for one in timeline.halt_changes
    ]


def proof_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """The range of audit rows, and the posted head that covers them."""
    if not timeline.entries:
        return []
    first, last = timeline.entries[0].seq, timeline.entries[-1].seq
    rows = f"{frame.text('audit rows')} {first:,}–{last:,}"
    if timeline.posted is not None:
        posted = timeline.posted
        return [
            f"🔏 {rows} · {posted.at.astimezone(KST):%m/%d %H:%M} {frame.text('posted')} <code>{posted.seq}:{safe(posted.head, 16)}</code>"
        ]
    return [f"🔏 {rows} · {frame.text('not yet posted, head now')} <code>{safe(timeline.head, 40)}</code>"]


def recipient_name(one: MessageSent) -> str:
    """The person's name, or the last digits of the chat id."""
    return safe(one.name, 20) if one.name else f"…{str(one.chat_id)[-3:]}"
