"""The sections of an order's history (/why), each a list of lines."""

from collections.abc import Sequence
from itertools import groupby

from bot.chat.i18n.catalogue import MessageIds, reason
from bot.chat.i18n.formatting import clock_time, percent, pieces, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.audit_lines import entry_line
from bot.chat.messages.order_card import left_after, reason_lines, state_word
from bot.chat.messages.registry import name_in_history
from bot.chat.messages.system import LEVELS
from bot.orders.model.order import Order
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


def quoted_prices(timeline: OrderTimeline, frame: Frame) -> str:
    """The quotes that the ticket showed, and cash or shares left after the order."""
    shown = [
        int(one.detail[name])
        for action, name in (("order.proposed", "quote"), ("order.requoted", "event_quote"))
        for one in timeline.entries
        if one.action == action and name in one.detail
    ]
    prices = " → ".join(won(one, frame.lang) for one in shown[-4:] or [timeline.order.quote])
    return " · ".join([f"{frame.text('saw the market at')} {prices}", *left_after(timeline.order, frame)[-1:]])


def ticket_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """What the ticket showed last."""
    order, lang = timeline.order, frame.lang
    tax = f" · {frame.text('tax about')} {won(order.tax, lang)}" if order.tax else ""
    lines = [
        quoted_prices(timeline, frame),
        f"{frame.text('as last shown')} {clock_time(order.quote_at)}, {percent(order.quote_change)}",
        f"{frame.text('amount')} {won(order.amount, lang)} · {frame.text('fee about')} {won(order.fee, lang)}{tax}",
    ]
    if order.reserve_unit != order.unit:
        lines.append(f"{frame.text('cash set aside at the upper limit')} {won(order.reserve_unit, lang)}")
    lines += [f"⚠️ {line}" for line in reason_lines(order.cautions, frame)]
    lines += [f"ℹ️ {line}" for line in reason_lines(order.notes, frame)]
    if order.held_after is not None and order.day_after is not None:
        held = f"{frame.text('approvers saw: held once filled')} {shares(order.held_after, lang)}"
        lines.append(f"{held}, {frame.text('ordered today')} {won(order.day_after, lang)}")
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


def _word(words: MessageIds[str], stored: str, frame: Frame) -> str:
    return frame.text(words[stored]) if stored in words else safe(stored, 20)


def attempt_line(one: SendAttempt, frame: Frame) -> str:
    """One request to the broker and its outcome."""
    what = _word(_ENDPOINTS, one.endpoint, frame) or "-"
    became = _word(_OUTCOMES, one.outcome, frame)
    http = f"HTTP {one.status}" if one.status is not None else ""
    took = frame.text("{count} s", count=f"{one.seconds:.3f}") if one.seconds is not None else ""
    facts = " · ".join(part for part in (http, safe(one.code, 12), took) if part)
    said = f" “{safe(one.words)}”" if one.words else ""
    return f"{clock_time(one.at)} {what} → <b>{became}</b>{f' ({facts})' if facts else ''}{said}"


def step_lines(entries: Sequence[AuditEntry], frame: Frame) -> list[str]:
    """Every audit row of the order, grouped by day (KST)."""
    lines = []
    for day, of_day in groupby(entries, key=lambda entry: entry.at.astimezone(KST).date()):
        lines += [f"<i>{day}</i>", *(entry_line(entry, frame) for entry in of_day)]
    return lines


def revision_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """The revisions before and after this order."""
    order, lines = timeline.order, []
    if timeline.parent is not None:
        prices = f"{_price(timeline.parent, frame)} → {_price(order, frame)}"
        lines.append(f"✏️ #{timeline.parent.id} → <b>#{order.id}</b> {prices}")
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
        kind = name_in_history(one.kind, frame)
        until = f"–{clock_time(one.last)}" if one.last != one.first else ""
        late = f" · {frame.text('waiting')} {one.open}" if one.open else ""
        lost = f" · {frame.text('not delivered')} {one.failed}" if one.failed else ""
        count = pieces(one.messages, frame.lang)
        lines.append(f"{clock_time(one.first)}{until} <b>{recipient_name(one)}</b> {kind} {count}{late}{lost}")
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
    if (posted := timeline.posted) is not None:
        head = f"{posted.at.astimezone(KST):%m/%d %H:%M} {frame.text('posted')} <code>{posted.seq}:{safe(posted.head, 16)}</code>"
    else:
        head = f"{frame.text('not yet posted, head now')} <code>{safe(timeline.head, 40)}</code>"
    return [f"🔏 {rows} · {head}"]


def recipient_name(one: MessageSent) -> str:
    """The person's name, or the last digits of the chat id."""
    return safe(one.name, 20) if one.name else f"…{str(one.chat_id)[-3:]}"
