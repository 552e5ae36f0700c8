"""Looking back: /why, all that happened to one order in plain words, and /audit, the newest rows of the log.

/why shows a summary, and a button that turns to the other pages.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.chat import keyboards
from bot.chat.i18n.catalogue import MessageIds, msgid, reason
from bot.chat.i18n.formatting import clock_time, pieces, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.audit_lines import entry_line
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
from bot.orders.model.timeline import ChainState, MessageSent, OrderTimeline
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import KST

PAGE = 3_000
"""Characters of one page; Telegram takes 4,096."""
_NEWEST_VOTES = 6
FEW, MOST = 15, 40
"""Rows of the log shown where no number is given, and at most; each is a line or two."""
_ROOM = 3_400

_LINKS: MessageIds[Link] = {
    Link.DIRECT: "the broker's answer gave the number",
    Link.MATCHED: "the answer was lost; found in the broker's list",
    Link.LATE: "booked late, after it had been given up for absent",
    Link.HUMAN: "a person found it in the broker's list",
}


@dataclass(frozen=True)
class OrderHistoryHandlers:
    """The handlers of /why and /audit. Who may ask for the log is for the table of commands to say: admins."""

    history: OrderHistory
    frame: Frame

    async def why(self, request: Request) -> Reply:
        """/why [주문번호|#접수번호] [쪽]: one's own orders, and an admin everybody's; without a number the newest."""
        number, _, page = request.words.partition(" ")
        found = self.history.find(number) if number else [self.history.latest(request.actor.user_id)]
        order = next((one for one in found if one is not None and may_read(one, request.actor)), None)
        if order is None:
            words = msgid("No such order that you may read. Give its number at the broker or its ticket: /why #12")
            return Reply(self.frame.text(words))
        pages = history_pages(self.history.of(order), self.frame)
        at = int(page) if re.fullmatch(r"\d{1,3}", page, re.ASCII) else 1
        return paged(pages, min(max(at, 1), len(pages)), f"/why #{order.id}", self.frame)

    async def audit(self, request: Request) -> Reply:
        """/audit [줄 수]: the newest rows in words, and what can be said of their chain."""
        words = request.words.strip()
        if words and not (words.isascii() and words.isdigit() and 0 < int(words[:4]) <= MOST):
            return Reply(self.frame.text("A number from 1 to {most}.", most=MOST))
        count = int(words) if words else FEW
        entries = self.history.newest(count)
        lines = chain_lines(self.history.chain(), self.frame)
        room = _ROOM - sum(map(len, lines))
        orders = self.history.orders_of(entries)
        shown: list[str] = []
        for entry in entries:
            about = f" · #{orders[entry.seq]}" if entry.seq in orders else ""
            line = f"<code>{entry.seq}</code> {entry_line(entry, self.frame, dated=True)}{about}"
            room -= len(line) + 1
            if room < 0:
                break
            shown.append(line)
        return Reply("\n".join([*lines, "", *shown]), ((keyboards.refresh(f"/audit {count}", self.frame.lang),),))


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


def _summary(timeline: OrderTimeline, frame: Frame) -> list[str]:
    order = timeline.order
    word = state_word(order.state, frame)
    if order.act is OrderAction.REVISE:
        word = f"{frame.text('revision:')} {word}"
    person = safe(order.user_name or order.user_id, 20)
    halt = light(HaltLevel(timeline.halt_changes[-1].level)) if timeline.halt_changes else "🟢"
    return [
        f"📜 <b>{frame.text('Order #{id}: its story', id=order.id)}</b> · {frame.text('account')} {frame.account}",
        stock_line(order.side, word, order.name, order.code, frame),
        terms_line(order, frame),
        f"👤 {person} · {order.created_at.astimezone(KST):%Y-%m-%d %H:%M:%S} {frame.text('proposed')}",
        f"👁 {quoted_prices(timeline, frame)}",
        *(f"⚠️ {line}" for line in reason_lines(order.cautions, frame)[:2]),
        *_vote_count(timeline, frame),
        *_sent_lines(timeline, frame),
        *_link_lines(order, frame),
        *_fill_lines(timeline, frame),
        *_end_lines(order, frame),
        *revision_lines(timeline, frame)[:2],
        _message_line(timeline.messages, frame),
        *(f"{halt} {line}" for line in halt_lines(timeline, frame)[-1:]),
        *proof_lines(timeline, frame)[:1],
    ]


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


def _sent_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
    attempts = [one for one in timeline.attempts if one.endpoint != "cancel"]
    cancels = len(timeline.attempts) - len(attempts)
    lines = []
    if attempts:
        count = frame.text("{count} tries", count=len(attempts)) if len(attempts) > 1 else frame.text("one try")
        lines.append(f"📤 {count} · {attempt_line(attempts[-1], frame)}")
    elif timeline.order.attempt == 0:
        lines.append(f"📤 {frame.text('Nothing was sent to the broker.')}")
    if cancels:
        last = timeline.attempts[-1]
        lines.append(f"↩️ {attempt_line(last, frame) if last.endpoint == 'cancel' else f'×{cancels}'}")
    return lines


def _link_lines(order: Order, frame: Frame) -> list[str]:
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


def _fill_lines(timeline: OrderTimeline, frame: Frame) -> list[str]:
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


def _end_lines(order: Order, frame: Frame) -> list[str]:
    """Why it went no further, where it did not."""
    lines = []
    if order.state is OrderState.BLOCKED:
        lines.append(f"🚫 {reason(order.code_word, {'name': order.name}, frame.lang)}")
    elif order.code_word or order.message:
        words, code = safe(order.message or "-"), safe(order.code_word or "-", 24)
        lines.append(f"💬 {frame.text('reason given')}: {words} ({code})")
    if order.finished_at is not None:
        lines.append(f"🏁 {order.finished_at.astimezone(KST):%m/%d %H:%M:%S} {frame.text('over')}")
    return lines


def _message_line(messages: Sequence[MessageSent], frame: Frame) -> str:
    if not messages:
        return f"📨 {frame.text('No messages on record (kept for 30 days).')}"
    people: dict[int, list[MessageSent]] = {}
    for one in messages:
        people.setdefault(one.chat_id, []).append(one)
    counts = []
    for its in people.values():
        waiting, lost = sum(one.open for one in its), sum(one.failed for one in its)
        more = [f"{frame.text('waiting')} {waiting}"] if waiting else []
        more += [f"{frame.text('not delivered')} {lost}"] if lost else []
        count = pieces(sum(one.messages for one in its), frame.lang)
        counts.append(f"{recipient_name(its[0])} {count}" + (f" ({', '.join(more)})" if more else ""))
    return f"📨 {frame.text('told', context='messages')}: {', '.join(counts[:6])}"


def chain_lines(state: ChainState, frame: Frame) -> list[str]:
    """What can be said of the chain here, and how to have it proven elsewhere."""
    last: str = frame.text("No head was posted yet.")
    head: str = frame.text("SEQ:HEX")
    if state.last is not None:
        head = f"{state.last.seq}:{safe(state.last.head, 16)}"
        last = f"{frame.text('last posted')} {state.last.at.astimezone(KST):%m/%d %H:%M} <code>{head}</code>"
    lines = [
        f"🧾 <b>{frame.text('Audit log')}</b> {frame.badge}",
        f"{frame.text('rows')} {state.rows:,} · {frame.text('head')} <code>{safe(state.head or '-', 40)}</code>",
        last,
    ]
    if not state.agrees:
        lines.append(frame.text("🚨 <b>The rows no longer bear a head that was posted: somebody changed them.</b>"))
    if state.key_here:
        words = msgid("⚠️ The first key still lies on this machine and protects nothing. Run once: <code>kisbot audit key</code>")  # fmt: skip
        lines.append(frame.text(words))
    lines.append(
        f"{frame.text('To prove that nothing was changed, with the first key you keep')}: "
        f"<code>kisbot audit verify --key FILE --head {head}</code>"
    )
    return lines
