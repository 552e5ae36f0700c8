"""/why: the story of one order in plain words. One message: a summary, and a button that turns to the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.chat.i18n.catalogue import MessageIds, msgid, reason
from bot.chat.i18n.formatting import clock_time, pieces, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import average, hms, reason_lines, state_word, stock_line, terms_line
from bot.chat.messages.order_history_sections import (
    attempt_line,
    halt_lines,
    message_lines,
    proof_lines,
    quoted_prices,
    recipient_name,
    revision_lines,
    step_lines,
    ticket_lines,
    vote_lines,
)
from bot.chat.messages.system import light
from bot.chat.ports import OrderHistory
from bot.chat.types import REFRESH, Button, Reply, Request
from bot.orders.access.roles import Actor, Role
from bot.orders.model.events import ReadBackResult
from bot.orders.model.order import Link, Order, OrderAction, OrderState
from bot.orders.model.timeline import MessageSent, OrderTimeline
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import KST

PAGE = 3_000
"""Characters of one page; Telegram takes 4,096."""
_NEWEST_VOTES = 6

_LINKS: MessageIds[Link] = {
    Link.DIRECT: "the broker's answer gave the number",
    Link.MATCHED: "the answer was lost; found in the broker's list",
    Link.LATE: "booked late, after it had been given up for absent",
    Link.HUMAN: "a person found it in the broker's list",
}


@dataclass(frozen=True)
class OrderHistoryHandlers:
    """The handler of /why."""

    history: OrderHistory
    frame: Frame

    async def why(self, request: Request) -> Reply:
        """/why [주문번호|#접수번호] [쪽]: one's own orders, and an admin everybody's; without a number the newest."""
        number, _, page = request.words.partition(" ")
        found = self.history.find(number) if number else [self.history.latest(request.actor.user_id)]
        order = next((one for one in found if one is not None and may_read(one, request.actor)), None)
        if order is None:
            return Reply(
                self.frame.text(
                    "No such order that you may read. Give its number at the broker or its ticket: /why #12"
                )
            )
        pages = history_pages(self.history.of(order), self.frame)
        at = min(int(page), len(pages)) if page.isascii() and page.isdigit() and len(page) < 4 else 1  # noqa: PLR2004  # no story has 1,000 pages
        return paged(pages, max(at, 1), f"/why #{order.id}", self.frame)


def may_read(order: Order, actor: Actor) -> bool:
    """One's own orders, and an admin everybody's."""
    return order.user_id == actor.user_id or actor.role.covers(Role.ADMIN)


def paged(pages: Sequence[str], at: int, command: str, frame: Frame) -> Reply:
    """One page, and buttons that turn the same message to the others."""
    turns = []
    if at > 1:
        turns.append(Button(frame.text("◀ back"), f"{REFRESH}{command} {at - 1}"))
    if at < len(pages):
        label = frame.text("details ▶") if at == 1 else frame.text("next ▶")
        turns.append(Button(label, f"{REFRESH}{command} {at + 1}"))
    return Reply(pages[at - 1], (tuple(turns),) if turns else ())


def history_pages(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """The summary, then everything, in pages that each fit one message."""
    summary = "\n".join(_summary(timeline, frame))
    sections = [
        (msgid("What the ticket showed"), ticket_lines(timeline, frame)),
        (msgid("Votes"), vote_lines(timeline, frame)),
        (msgid("What was sent"), [attempt_line(one, frame) for one in timeline.attempts]),
        (msgid("Step by step"), step_lines(timeline.entries, frame)),
        (msgid("Revisions"), revision_lines(timeline, frame)),
        (msgid("What was told"), message_lines(timeline, frame)),
        (msgid("Brakes"), halt_lines(timeline, frame)),
        (msgid("Proof"), proof_lines(timeline, frame)),
    ]
    lines = []
    for title, body in sections:
        if body:
            lines += ["", f"<b>{frame.text(title)}</b>", *body]
    head = f"📜 <b>{frame.text('Order')} #{timeline.order.id}</b> {frame.badge}"
    rest = _packed(lines, PAGE)
    return [summary, *(f"{head} · {n}/{len(rest) + 1}\n{text}" for n, text in enumerate(rest, 2))]


def _packed(lines: Sequence[str], most: int) -> list[str]:
    """Whole lines, as many to a page as fit."""
    pages: list[list[str]] = [[]]
    used = 0
    for line in lines:
        if used + len(line) + 1 > most and pages[-1]:
            pages.append([])
            used = 0
        if line or pages[-1]:
            pages[-1].append(line)
            used += len(line) + 1
    return ["\n".join(page).strip("\n") for page in pages]


# --- the summary ------------------------------------------------------------------------------------------------------


def _summary(timeline: OrderTimeline, frame: Frame) -> list[str]:
    order = timeline.order
    made = order.created_at.astimezone(KST).strftime("%Y-%m-%d %H:%M:%S")
    word = state_word(order.state, frame)
    if order.act is OrderAction.REVISE:
        word = f"{frame.text('revision:')} {word}"
    lines = [
        f"📜 <b>{frame.text('Order #{id}: its story', id=order.id)}</b> · {frame.text('account')} {frame.account}",
        stock_line(order.side, word, order.name, order.code, frame),
        terms_line(order, frame),
        f"👤 {_person(order)} · {made} {frame.text('proposed')}",
        f"👁 {quoted_prices(timeline, frame)}",
    ]
    lines += [f"⚠️ {line}" for line in reason_lines(order.cautions, frame)[:2]]
    lines += _vote_count(timeline, frame)
    lines += _sent_line(timeline, frame)
    lines += _link_line(order, frame)
    lines += _fill_line(timeline, frame)
    lines += _end_line(timeline, frame)
    lines += revision_lines(timeline, frame)[:2]
    lines += _message_line(timeline.messages, frame)
    lines += [f"{_halt_light(timeline)} {line}" for line in halt_lines(timeline, frame)[-1:]]
    lines += proof_lines(timeline, frame)[:1]
    return lines


def _person(order: Order) -> str:
    return safe(order.user_name or order.user_id, 20)


def _vote_count(timeline: OrderTimeline, frame: Frame) -> list[str]:
    if not timeline.votes:
        return []
    newest = max(one.round for one in timeline.votes)
    current = [one for one in timeline.votes if one.round == newest]
    said = ", ".join(
        f"{'✅' if one.approve else '⛔'} {safe(one.name or one.user_id, 20)}" for one in current[:_NEWEST_VOTES]
    )
    void = len(timeline.votes) - len(current)
    more = f" ({frame.text('{count} void', count=void)})" if void else ""
    return [f"🗳 {said}{more}"]


def _sent_line(timeline: OrderTimeline, frame: Frame) -> list[str]:
    attempts = [one for one in timeline.attempts if one.endpoint != "cancel"]
    cancels = len(timeline.attempts) - len(attempts)
    lines = []
    if attempts:
        count = frame.text("{count} tries", count=len(attempts)) if len(attempts) > 1 else frame.text("one try")
        lines.append(f"📤 {count} · {attempt_line(attempts[-1], frame)}")
    elif timeline.order.attempt == 0:
        lines.append(f"📤 {frame.text('Nothing was sent to the broker.')}")
    if cancels:
        lines.append(
            f"↩️ {attempt_line(timeline.attempts[-1], frame)}"
            if timeline.attempts[-1].endpoint == "cancel"
            else f"↩️ ×{cancels}"
        )
    return lines


def _link_line(order: Order, frame: Frame) -> list[str]:
    if order.link not in _LINKS:
        return []
    when = f" {hms(order.accepted_time)}" if order.accepted_time else ""
    same = {
        ReadBackResult.SAME: f" · {frame.text('✓ the list agrees')}",
        ReadBackResult.DIFFERENT: f" · {frame.text('🚨 the list differs')}",
    }.get(order.checked, "")
    return [
        f"🔗 {frame.text('order no.')} <code>{safe(order.order_no, 12)}</code>{when}{same}",
        f"     {frame.text(_LINKS[order.link])}",
    ]


def _fill_line(timeline: OrderTimeline, frame: Frame) -> list[str]:
    order = timeline.order
    lines = []
    if order.filled:
        last = next((one for one in reversed(timeline.entries) if one.action == "order.reported"), None)
        seen = f" · {clock_time(last.at)} {frame.text('seen', context='fill')}" if last is not None else ""
        lines.append(
            f"💰 {frame.text('filled')} <b>{order.filled:,}/{order.quantity:,}</b> · "
            f"{frame.text('average')} {average(order.filled_amount, order.filled)} · "
            f"{won(order.filled_amount, frame.lang)}{seen}"
        )
    if order.cancelled:
        lines.append(f"↩️ {frame.text('cancelled', context='quantity')} {shares(order.cancelled, frame.lang)}")
    return lines


def _end_line(timeline: OrderTimeline, frame: Frame) -> list[str]:
    """Why it went no further, where it did not."""
    order = timeline.order
    lines = []
    if order.state is OrderState.BLOCKED:
        lines.append(f"🚫 {reason(order.code_word, {'name': order.name}, frame.lang)}")
    elif order.code_word or order.message:
        lines.append(
            f"💬 {frame.text('reason given')}: {safe(order.message or '-')} ({safe(order.code_word or '-', 24)})"
        )
    if order.finished_at is not None:
        lines.append(f"🏁 {order.finished_at.astimezone(KST):%m/%d %H:%M:%S} {frame.text('over')}")
    return lines


def _message_line(messages: Sequence[MessageSent], frame: Frame) -> list[str]:
    if not messages:
        return [f"📨 {frame.text('No messages on record (kept for 30 days).')}"]
    people: dict[int, list[MessageSent]] = {}
    for one in messages:
        people.setdefault(one.chat_id, []).append(one)
    said = []
    for its in people.values():
        waiting, lost = sum(one.open for one in its), sum(one.failed for one in its)
        more = [f"{frame.text('waiting')} {waiting}"] if waiting else []
        more += [f"{frame.text('not delivered')} {lost}"] if lost else []
        count = pieces(sum(one.messages for one in its), frame.lang)
        said.append(f"{recipient_name(its[0])} {count}" + (f" ({', '.join(more)})" if more else ""))
    return [f"📨 {frame.text('told', context='messages')}: {', '.join(said[:6])}"]


def _halt_light(timeline: OrderTimeline) -> str:
    return light(HaltLevel(timeline.halt_changes[-1].level)) if timeline.halt_changes else "🟢"
