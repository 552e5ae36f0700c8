"""Messages about people: the list, one person, invitations, requests to join.

A name comes after user id and role, on its own line, so that it cannot imitate them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any, get_args

from bot.chat.i18n.catalogue import MessageIds, msgid, translate
from bot.chat.i18n.formatting import Markup, safe, shown_name
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang
from bot.chat.types import REFRESH, Button, Reply, in_rows, secrets_of
from bot.orders.access.membership import Member, MemberAction, MembershipTap, MemberStep, Status
from bot.orders.access.roles import Role
from kis.krx import KST

PEOPLE = "p:"
"""Prefix of a button whose single-use token acts on a person."""
PAGE_SIZE = 8
"""People on one page of the list."""

ROLES: MessageIds[Role] = {Role.OWNER: "owner", Role.ADMIN: "admin", Role.TRADER: "trader", Role.VIEWER: "viewer"}
STATUSES: MessageIds[Status] = {
    Status.ACTIVE: "🟢 active",
    Status.SUSPENDED: "⏸ suspended",
    Status.REMOVED: "⛔ removed",
}
_ACTS: MessageIds[MemberStep] = {
    MemberStep.SUSPEND: "suspend",
    MemberStep.RESUME: "let in again",
    MemberStep.REMOVE: "remove",
    MemberStep.REFUSE: "turn away",
}


def invitation_only() -> str:
    """The only text for people who are not on the list; the same whatever they tried, in both languages."""
    words = msgid("This bot is by invitation only.")
    return " · ".join(translate(lang, words) for lang in get_args(Lang))


def role_name(role: Role, frame: Frame) -> str:
    """The role's name."""
    return frame.text(ROLES[role])


def action_word(act: MemberAction, frame: Frame) -> str:
    """The label of an action on a person."""
    return (
        frame.text(_ACTS[act.step]) if act.role is None else frame.text("make {role}", role=role_name(act.role, frame))
    )


def member_name(name: str, frame: Frame) -> Markup:
    """A name as HTML that cannot become a link or change the writing direction around it."""
    return Markup(f"<code>\u2068{safe(shown_name(name)) or frame.text('no name')}\u2069</code>")


def person_lines(one: Member, frame: Frame) -> str:
    """User id, role, status and last activity (KST); the name on a line of its own."""
    seen = f"{one.seen_at.astimezone(KST):%m/%d %H:%M}" if one.seen_at else "–"
    return (
        f"<code>{one.user_id}</code> · <b>{role_name(one.role, frame)}</b> · {frame.text(STATUSES[one.status])} · "
        f"{frame.text('seen', context='person')} {seen}\n   {member_name(one.name, frame)}"
    )


def list_card(people: Sequence[Member], page: int, frame: Frame) -> Reply:
    """/users: one page of the list."""
    pages = max(1, ceil(len(people) / PAGE_SIZE))
    page = min(max(page, 1), pages)
    shown = people[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    head = f"👥 <b>{frame.text('People')}</b> {len(people)} {frame.badge}"
    lines = [head if pages == 1 else f"{head} · {page}/{pages}", *(person_lines(one, frame) for one in shown)]
    lines.append(frame.text("invite: /invite trader [name] · viewer"))
    buttons = [Button(f"⚙ {one.user_id}", f"{REFRESH}/users {one.user_id}") for one in shown]
    turns = {"◀": page - 1, "▶": page + 1}
    turn = tuple(Button(arrow, f"{REFRESH}/users p{to}") for arrow, to in turns.items() if 1 <= to <= pages)
    return Reply("\n".join(lines), (*in_rows(buttons, 2), turn))


def person_card(one: Member, acts: Sequence[MemberAction], frame: Frame) -> Reply:
    """One person, with a button for each action the reader may take."""
    buttons = [Button(action_word(act, frame), f"{REFRESH}/users {one.user_id} {act}") for act in acts]
    back = Button(frame.text("↩ list"), f"{REFRESH}/users")
    head = f"👤 <b>{frame.text('Person')}</b> {frame.badge}"
    return Reply(f"{head}\n{person_lines(one, frame)}", (*in_rows(buttons, 2), (back,)))


def confirm_card(one: Member, act: MemberAction, token: str, frame: Frame) -> Reply:
    """Asks for confirmation; the button works once, for five minutes, while the person is unchanged."""
    shuts_out = act.step in {MemberStep.SUSPEND, MemberStep.REMOVE}
    lowers = shuts_out or (act.role is not None and not act.role.covers(one.role))
    lines = [f"❓ <b>{action_word(act, frame)}</b> {frame.badge}", person_lines(one, frame)]
    if lowers:
        lines.append(frame.text("Their open tickets, votes, buttons and invitations become void."))
    yes = Button(f"✅ {action_word(act, frame)}", f"{PEOPLE}{token}")
    no = Button(frame.text("↩ back"), f"{REFRESH}/users {one.user_id}")
    return Reply("\n".join(lines), ((yes, no),))


TAPS: MessageIds[MembershipTap] = {
    MembershipTap.DONE: "Done.",
    MembershipTap.NOT_YOURS: "Only the person it was made for may press this.",
    MembershipTap.LATE: "This button has expired; see /users.",
    MembershipTap.USED: msgid("Already handled.", context="person"),
    MembershipTap.GONE: "This button has expired.",
    MembershipTap.CHANGED: "This person's standing has changed meanwhile; see /users.",
    MembershipTap.REFUSED: "You may not change this person.",
    MembershipTap.LAST_OWNER: "The last owner must stay one.",
    MembershipTap.SAME_NAME: "Somebody has a name that looks the same; give another one.",
}
"""The callback answers to a tap on a button about a person."""


# --- notices --------------------------------------------------------------------------------------------------------------


def member_push(kind: str, data: Mapping[str, Any], frame: Frame) -> Reply:
    """Tells administrators that somebody joined (`joined`), keeps trying (`stranger`) or was changed (`people`)."""
    role = role_name(Role(str(data["role"])), frame) if data.get("role") else ""
    by = f" · {frame.text('by')} <code>{int(data['by'])}</code>" if data.get("by") else ""
    match kind:
        case "joined":
            head, what = f"👋 <b>{frame.text('Joined')}</b>", f" · <b>{role}</b>{by}"
        case "stranger":
            head = f"🚪 <b>{frame.text('A stranger keeps trying')}</b>"
            line = frame.text("Ten attempts within five minutes. The bot gave nothing away (told once a day).")
            what = f"\n{line}"
        case _:
            head = f"👥 <b>{action_word(MemberAction.read(str(data['act'])), frame)}</b>"
            what = f" · {f'{role} · ' if role else ''}{frame.text('changed')}{by}"
    name = member_name(str(data.get("name", "")), frame)
    return Reply(f"{head} {frame.badge}\n<code>{int(data['user_id'])}</code>{what}\n{name}")


def join_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Asks administrators whether somebody is let in."""
    head = f"🚪 <b>{frame.text('Somebody asks to be let in')}</b> {frame.badge}"
    lines = [head, f"<code>{int(data['user_id'])}</code>"]
    if data.get("known"):
        lines.append(f"⚠️ <b>{frame.text('was removed before')}</b>")
    lines.append(frame.text("Make sure by another way who this is: anybody can bear any name (24 hours)."))
    lines.append(member_name(str(data["name"]), frame))
    acts = secrets_of(data).get("acts", {})
    buttons = tuple(Button(action_word(MemberAction.read(act), frame), f"{PEOPLE}{acts[act]}") for act in acts)
    return Reply("\n".join(lines), (buttons,))


def invite_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """An invitation to pass on."""
    role = role_name(Role(str(data["role"])), frame)
    until = datetime.fromisoformat(str(data["until"])).astimezone(KST)
    head = f"✉️ <b>{frame.text('Invitation')}</b> · {role} {frame.badge}"
    line = frame.text("Good once, for one person, until {until}. Send it to nobody else.", until=f"{until:%m/%d %H:%M}")
    link = f"https://t.me/{data['bot']}?start={secrets_of(data).get('link', '…')}"
    named = f"\n{member_name(str(data['name']), frame)}" if data.get("name") else ""
    return Reply(f"{head}{named}\n{line}\n<code>{safe(link, 120)}</code>")
