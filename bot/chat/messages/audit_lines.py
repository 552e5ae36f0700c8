"""Rows of the audit log as text: who did what."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bot.chat.i18n.catalogue import MessageIds, msgid, reason
from bot.chat.i18n.formatting import safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.members import ROLES, role_name
from bot.chat.messages.order_card import SIDE, average, hms
from bot.chat.messages.system import LEVELS
from bot.orders.access.roles import Role
from bot.orders.model.timeline import AuditEntry
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import KST
from kis.models import Side

_Detail = Mapping[str, Any]
MAX_FACTS = 6

_SENTENCES: MessageIds[str] = {
    "order.confirmed": "pressed confirm",
    "order.warned": "pressed once and was shown what is unusual",
    "order.discarded": "discarded the ticket; nothing was sent",
    "order.timed_out": "its time ran out; nothing was sent",
    "order.not_found": "found no trace of it in the broker's list",
    "order.disowned": "said that none of the broker's rows is this order",
    "order.day_ended": "the day ended and what was left lapsed",
    "order.cancel_all": "asked to cancel all open orders",
    "order.deputised": "asked other traders as well, as it took long",
    "brake.agreed": "agreed to release the brakes",
    "bot.stopped": "ended in order",
    "broker.back": "the broker can be read again",
    "audit.sealed": "sealed what was written before",
}
_TAPS: MessageIds[str] = {
    "sending": "tapped, and it goes out",
    "pending": "tapped confirm; consent is asked for",
    "voted": "tapped a vote",
    "busy": "tapped while something was under way",
    "step_up": "tapped and was asked to prove who it is",
    "again": "tapped and was asked once more",
    "discarded": "tapped discard",
    "settled": "tapped an answer",
    "cancelling": "tapped cancel",
    "not_yours": "tapped another person's button: refused",
    "late": "tapped a button that had expired",
    "delayed": "tapped a button too long before it could be recorded",
    "used": "tapped a button that was used already",
    "gone": "tapped a button that is not there",
}
_CANCEL: MessageIds[str] = {
    "none": "the request to cancel did not go out",
    "submitting": "asked to cancel it",
    "asked": "the broker took the request to cancel",
    "unknown": "the answer to the cancel was lost",
    "refused": "the broker refused the cancel",
}


def actor_name(entry: AuditEntry, frame: Frame) -> str:
    """The person, the bot, or the command line: the bot itself never changes people, limits or second factors."""
    if entry.user_id is None and not entry.name:
        by_hand = entry.action.startswith(("people.", "limits.", "stepup."))
        return frame.text("command line") if by_hand else frame.text("bot")
    return safe(entry.name or entry.user_id, 20)


def entry_line(entry: AuditEntry, frame: Frame, *, dated: bool = False) -> str:
    """Time (KST), actor and action in one line, as HTML."""
    at = entry.at.astimezone(KST).strftime("%m/%d %H:%M:%S" if dated else "%H:%M:%S")
    return f"{at} <b>{actor_name(entry, frame)}</b> {describe(entry, frame)}"


def describe(entry: AuditEntry, frame: Frame) -> str:
    """The action as text; a row without a sentence, or with unreadable detail, shows its stored values."""
    if entry.action in _SENTENCES:
        return frame.text(_SENTENCES[entry.action])
    render = _RENDERERS.get(entry.action)
    if render is not None:
        try:
            return render(entry.detail, frame)
        except (KeyError, ValueError, TypeError, AttributeError):
            pass
    detail = ", ".join(
        f"{safe(name.removeprefix('event_'), 20)} {safe(value, 30)}"
        for name, value in list(entry.detail.items())[:MAX_FACTS]
        if value not in ("", None)
    )
    return f"<code>{safe(entry.action, 30)}</code> {detail}".rstrip()


def _proposed(detail: _Detail, frame: Frame) -> str:
    side = frame.text(SIDE[Side(detail["side"])])
    price = frame.text("market") if detail["price"] is None else won(int(detail["price"]), frame.lang)
    terms = f"{side} {safe(detail['code'], 12)} {shares(int(detail['quantity']), frame.lang)} × {price}"
    seen = f"{frame.text('market at')} {won(int(detail['quote']), frame.lang)}"
    made = frame.text("made a ticket")
    if detail.get("parent") is not None:
        made = frame.text("made a ticket to revise #{parent}", parent=int(detail["parent"]))
    return f"{made}: {terms} ({seen})"


def _requoted(detail: _Detail, frame: Frame) -> str:
    return frame.text("asked again at the new price {quote}", quote=won(int(detail["event_quote"]), frame.lang))


def _reported(detail: _Detail, frame: Frame) -> str:
    filled, amount = int(detail["event_filled"]), int(detail["event_filled_amount"])
    parts = []
    if filled:
        parts.append(f"{frame.text('filled so far')} {shares(filled, frame.lang)} @{average(amount, filled)}")
    if int(detail["event_cancelled"]):
        parts.append(f"{frame.text('cancelled')} {shares(int(detail['event_cancelled']), frame.lang)}")
    if int(detail["event_rejected"]):
        parts.append(f"{frame.text('refused')} {shares(int(detail['event_rejected']), frame.lang)}")
    return f"{frame.text('the list')}: {', '.join(parts) or frame.text('no change')}"


def _rejection(detail: _Detail) -> str:
    """The code and message of a rejection or an unknown outcome."""
    said = str(detail.get("event_message") or "")
    code = safe(detail.get("event_code") or "-", 24)
    return f"{code} “{safe(said)}”" if said else code


def _checked(detail: _Detail, frame: Frame) -> str:
    if detail["event_to"] == "different":
        return f"🚨 {frame.text('the list differs from what was approved')}: {safe(detail['event_differs'], 120)}"
    return frame.text("the broker's list agrees")


def _halt(detail: _Detail, frame: Frame) -> str:
    return f"{frame.text('brakes')}: {frame.text(LEVELS[HaltLevel[str(detail['level'])]])} ({safe(detail['why'], 30)})"


def _role(value: Any, frame: Frame) -> str:
    return role_name(Role(value), frame) if value in ROLES else safe(value, 10)


def _person(words: str, detail: _Detail, frame: Frame) -> str:
    """A change of a person: name, role before and after."""
    subject = detail.get("name_given") or detail.get("subject") or ""
    was = f"{_role(detail['was'], frame)} → " if detail.get("was") in ROLES else ""
    role = f" ({was}{_role(detail['role'], frame)})" if detail.get("role") else ""
    return f"{frame.text(words)}{f': {safe(subject, 20)}' if subject else ''}{role}"


def _limit(detail: _Detail, frame: Frame) -> str:
    return (
        f"{frame.text('changed a limit')}: {safe(detail['subject'] or frame.text('account'), 20)} "
        f"{safe(detail['item'], 24)} {safe(detail['was'], 16)} → {safe(detail['now'], 16)} ({safe(detail['day'], 10)})"
    )


def _factor(words: str, detail: _Detail, frame: Frame) -> str:
    """A change of a second factor; never shows the factor itself."""
    what = " · ".join(safe(detail[name], 20) for name in ("factor", "deed", "until") if detail.get(name))
    return f"{frame.text(words)}{f' ({what})' if what else ''}"


def _started(detail: _Detail, frame: Frame) -> str:
    said = [frame.text("began run {run}", run=int(detail["run"]))]
    if detail["unclean"]:
        said.append(frame.text("the run before was cut short"))
    if detail["restored"]:
        said.append(frame.text("on an older copy of the database"))
    return ", ".join(said)


_RENDERERS: dict[str, Callable[[_Detail, Frame], str]] = {
    "order.proposed": _proposed,
    "order.requoted": _requoted,
    "order.blocked": lambda f, o: (
        f"{o.text('was stopped; nothing was sent')}: {reason(str(f['event_code']), {}, o.lang)}"
    ),
    "order.submitting": lambda f, o: o.text("wrote down try {attempt} and sent it", attempt=int(f["event_attempt"])),
    "order.accepted": lambda f, o: (
        f"{o.text('the broker took it')}: {o.text('no.')} "
        f"<code>{safe(f['event_order_no'], 12)}</code> {hms(str(f['event_time']))}"
    ),
    "order.refused": lambda f, o: f"{o.text('the broker refused it')}: {_rejection(f)}",
    "order.never_left": lambda f, o: f"{o.text('it never left')}: {_rejection(f)}",
    "order.deferred": lambda f, o: f"{o.text('was not carried out; to be tried again')}: {_rejection(f)}",
    "order.lost": lambda f, o: f"{o.text('the answer was lost')}: {_rejection(f)}",
    "order.doubted": lambda f, o: f"{o.text('a no in an unknown code; the list is asked')}: {_rejection(f)}",
    "order.found": lambda f, o: (
        f"{o.text('found in the broker’s list')}: <code>{safe(f['event_report']['order_no'], 12)}</code>"
    ),
    "order.claimed": lambda f, o: (
        f"{o.text('said that this row is the order')}: <code>{safe(f['event_order_no'], 12)}</code>"
    ),
    "order.checked": _checked,
    "order.moved": lambda f, o: f"{o.text('revised; goes on as')}: <code>{safe(f['event_to'], 12)}</code>",
    "order.reported": _reported,
    "order.cancel_step": lambda f, o: (
        o.text(_CANCEL[str(f["event_to"])]) + (f": {_rejection(f)}" if f.get("event_code") else "")
    ),
    "tap": lambda f, o: o.text(_TAPS[str(f["verdict"])]) if "verdict" in f else f"<code>{safe(f['text'], 40)}</code>",
    "command": lambda f, _: f"<code>{safe(f['text'], 60)}</code>",
    "brake": _halt,
    "order.awaits": lambda f, o: o.text("pressed confirm; {needed} more must agree", needed=int(f["event_needed"])),
    "order.voted": lambda f, o: (
        o.text("agreed", context="vote") if f["event_approve"] else o.text("refused", context="vote")
    ),
    "order.voided": lambda f, o: (
        f"{o.text('was voided; nothing was sent')}: {reason(str(f['event_code']), {}, o.lang)}"
    ),
    "people.put": partial(_person, msgid("let in or changed")),
    "people.role": partial(_person, msgid("changed the role of")),
    "people.suspend": partial(_person, msgid("suspended")),
    "people.resume": partial(_person, msgid("let back in")),
    "people.remove": partial(_person, msgid("shut out")),
    "people.invite": partial(_person, msgid("made an invitation for")),
    "people.join": partial(_person, msgid("joined by an invitation")),
    "people.request": partial(_person, msgid("asked to be let in")),
    "people.refuse": partial(_person, msgid("turned away")),
    "limits.raised": _limit,
    "limits.lowered": _limit,
    "stepup.enrolled": partial(_factor, msgid("set up a second factor")),
    "stepup.passed": partial(_factor, msgid("passed the second factor")),
    "stepup.wrong": partial(_factor, msgid("got the second factor wrong")),
    "stepup.removed": partial(_factor, msgid("removed a second factor")),
    "stepup.unlocked": partial(_factor, msgid("unlocked a second factor")),
    "bot.started": _started,
    "broker.lost": lambda f, o: f"{o.text('the broker cannot be read')}: {safe(f['code'] or '-', 20)}",
    "external.filled": lambda f, o: (
        f"{o.text('an order made elsewhere filled')}: {safe(f['code'], 12)} {shares(int(f['filled']), o.lang)}"
    ),
    "audit.key_made": lambda f, o: f"{o.text('made a new first key of the log')} ({safe(f['why'], 20)})",
}
