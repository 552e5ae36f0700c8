"""The chapters of an order's story, each a list of lines: what was seen, voted, sent, done, told and proven. Pure."""

from collections.abc import Sequence

from bot.chat.i18n.catalogue import MessageIds, reason
from bot.chat.i18n.formatting import clock_time, percent, pieces, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.audit_lines import deed_line
from bot.chat.messages.order_card import word_of
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


def market(story: OrderTimeline, frame: Frame) -> str:
    """The price as it was shown, each time it was shown anew, and what would be left."""
    order, lang = story.order, frame.lang
    shown = [
        int(one.detail["quote"]) for one in story.deeds if one.action == "order.proposed" and "quote" in one.detail
    ]
    shown += [
        int(one.detail["event_quote"])
        for one in story.deeds
        if one.action == "order.requoted" and "event_quote" in one.detail
    ]
    prices = " → ".join(won(one, lang) for one in shown[-4:] or [order.quote])
    left = ""
    if order.cash_after is not None:
        left = f" · {frame.text('cash left to order with')} {won(order.cash_after, lang)}"
    if order.sellable_after is not None:
        left = f" · {frame.text('left to sell')} {shares(order.sellable_after, lang)}"
    return f"{frame.text('saw the market at')} {prices}{left}"


def reasons(borne: Sequence[Reason], frame: Frame) -> list[str]:
    """Reasons that an order bears, in words."""
    return [reason(one.code, one.values, frame.lang) for one in borne]


def seen(story: OrderTimeline, frame: Frame) -> list[str]:
    """What the ticket showed when it was shown last."""
    order, lang = story.order, frame.lang
    lines = [
        market(story, frame),
        f"{frame.text('as last shown')} {clock_time(order.quote_at)}, {percent(order.quote_change)}",
        f"{frame.text('amount')} {won(order.amount, lang)} · {frame.text('fee about')} {won(order.fee, lang)}"
        + (f" · {frame.text('tax about')} {won(order.tax, lang)}" if order.tax else ""),
    ]
    if order.reserve_unit != order.unit:
        lines.append(f"{frame.text('cash set aside at the upper limit')} {won(order.reserve_unit, lang)}")
    lines += [f"⚠️ {line}" for line in reasons(order.cautions, frame)]
    lines += [f"ℹ️ {line}" for line in reasons(order.notes, frame)]
    if order.held_after is not None and order.day_after is not None:
        lines.append(
            f"{frame.text('approvers saw: held once filled')} {shares(order.held_after, lang)}, "
            f"{frame.text('ordered today')} {won(order.day_after, lang)}"
        )
    if order.warned:
        lines.append(frame.text("Was shown what is unusual, and pressed twice."))
    lines.append(f"{frame.text('valid until')} {clock_time(order.expires_at)}")
    return lines


def votes(story: OrderTimeline, frame: Frame) -> list[str]:
    """Every vote, those that no longer count too."""
    return [
        f"{one.at.astimezone(KST):%m/%d %H:%M:%S} <b>{safe(one.name or one.user_id, 20)}</b> "
        + (frame.text("approved") if one.approve else frame.text("denied"))
        + f" ({frame.text('round {round}', round=one.round)})"
        for one in story.votes
    ]


def try_line(one: SendAttempt, frame: Frame) -> str:
    """One request at the wire and what became of it."""
    what = frame.text(_ENDPOINTS[one.endpoint]) if one.endpoint in _ENDPOINTS else safe(one.endpoint or "-", 20)
    became = frame.text(_OUTCOMES[one.outcome]) if one.outcome in _OUTCOMES else safe(one.outcome, 20)
    http = f"HTTP {one.status}" if one.status is not None else ""
    took = frame.text("{count} s", count=f"{one.seconds:.3f}") if one.seconds is not None else ""
    facts = " · ".join(part for part in (http, safe(one.code, 12), took) if part)
    said = f" “{safe(one.words)}”" if one.words else ""
    return f"{clock_time(one.at)} {what} → <b>{became}</b>{f' ({facts})' if facts else ''}{said}"


def steps(deeds: Sequence[AuditEntry], frame: Frame) -> list[str]:
    """Every row of the log, under its day."""
    lines, day = [], ""
    for deed in deeds:
        if (of_day := deed.at.astimezone(KST).strftime("%Y-%m-%d")) != day:
            day = of_day
            lines.append(f"<i>{day}</i>")
        lines.append(deed_line(deed, frame))
    return lines


def family(story: OrderTimeline, frame: Frame) -> list[str]:
    """What it took the place of, and what took its place."""
    order, lines = story.order, []
    if story.parent is not None:
        lines.append(
            f"✏️ #{story.parent.id} → <b>#{order.id}</b> {_price(story.parent, frame)} → {_price(order, frame)}"
        )
    lines += [
        f"✏️ <b>#{order.id}</b> → #{one.id} {_price(order, frame)} → {_price(one, frame)} ({word_of(one.state, frame)})"
        for one in story.children
    ]
    if order.moved_to:
        lines.append(f"{frame.text('goes on as order no.')} <code>{safe(order.moved_to, 12)}</code>")
    if story.namesakes:
        others = ", ".join(f"#{one}" for one in story.namesakes[-5:])
        lines.append(f"{frame.text('the same number on other days')}: {others}")
    return lines


def _price(order: Order, frame: Frame) -> str:
    return frame.text("market") if order.price is None else won(order.price, frame.lang)


def told(story: OrderTimeline, frame: Frame) -> list[str]:
    """Who was sent what, and when."""
    lines = []
    for one in story.told:
        kind = frame.text(_KINDS[one.kind]) if one.kind in _KINDS else safe(one.kind, 20)
        until = f"–{clock_time(one.last)}" if one.last != one.first else ""
        late = f" · {frame.text('waiting')} {one.open}" if one.open else ""
        lost = f" · {frame.text('not delivered')} {one.failed}" if one.failed else ""
        lines.append(
            f"{clock_time(one.first)}{until} <b>{reader(one)}</b> {kind} {pieces(one.messages, frame.lang)}{late}{lost}"
        )
    return lines


def brakes(story: OrderTimeline, frame: Frame) -> list[str]:
    """The brakes that were on when it was proposed, and their changes until it was over."""
    return [
        f"{one.at.astimezone(KST):%m/%d %H:%M:%S} {frame.text(LEVELS[HaltLevel(one.level)])}"
        + (f" · {safe(one.name, 20)}" if one.name else "")
        + (f" ({frame.text('already when it was proposed')})" if one.before else "")
        + (f" — {reason(one.why, {}, frame.lang)}" if one.level and one.why else "")
        for one in story.pulls
    ]


def proof(story: OrderTimeline, frame: Frame) -> list[str]:
    """Which rows of the audit log are its story, and the posted head that fixes them."""
    if not story.deeds:
        return []
    first, last = story.deeds[0].seq, story.deeds[-1].seq
    rows = f"{frame.text('audit rows')} {first:,}–{last:,}"
    if story.posted is not None:
        posted = story.posted
        return [
            f"🔏 {rows} · {posted.at.astimezone(KST):%m/%d %H:%M} {frame.text('posted')} <code>{posted.seq}:{safe(posted.head, 16)}</code>"
        ]
    return [f"🔏 {rows} · {frame.text('not yet posted, head now')} <code>{safe(story.head, 40)}</code>"]


def reader(one: MessageSent) -> str:
    """A person's name, or the end of the chat's number."""
    return safe(one.name, 20) if one.name else f"…{str(one.chat_id)[-3:]}"
