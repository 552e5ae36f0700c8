"""The sentences and cards about people: the list, one person, invitations, requests to join. Pure.

Number and role stand before a name, and the name stands apart: nothing in it can move or imitate them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.chat.i18n.formatting import safe, shown_name
from bot.chat.i18n.frame import Frame
from bot.chat.types import REFRESH, Button, Buttons, Reply
from bot.orders.access.membership import Member, MemberAction, MembershipChange, MembershipTap, MemberStep, Status
from bot.orders.access.roles import Role
from kis.krx import KST

PEOPLE = "p:"
"""Before a single-use token in a button: it acts on a person."""
KINDS = frozenset({"join", "invite", "joined", "people", "stranger"})
"""The letters whose words are made here."""
PAGE = 8
"""People on one page of the list."""

ROLES: dict[Role, tuple[str, str]] = {
    Role.OWNER: ("소유자", "owner"),
    Role.ADMIN: ("관리자", "admin"),
    Role.TRADER: ("매매자", "trader"),
    Role.VIEWER: ("조회 전용", "viewer"),
}
STATUSES: dict[Status, tuple[str, str]] = {
    Status.ACTIVE: ("🟢 사용 중", "🟢 active"),
    Status.SUSPENDED: ("⏸ 정지", "⏸ suspended"),
    Status.REMOVED: ("⛔ 내보냄", "⛔ removed"),
}
_ACTS = {
    MemberStep.SUSPEND: ("정지", "suspend"),
    MemberStep.RESUME: ("다시 들이기", "let in again"),
    MemberStep.REMOVE: ("내보내기", "remove"),
    MemberStep.REFUSE: ("거절", "turn away"),
}


def stranger_line() -> str:
    """The one line a stranger may be told: the same for whatever they tried, and it gives nothing away."""
    return "초대받은 사람만 쓸 수 있는 봇입니다. · This bot is by invitation only."


def role_word(role: Role, frame: Frame) -> str:
    """The role's name."""
    return frame.pick(*ROLES[role])


def act_word(act: MemberAction, frame: Frame) -> str:
    """What a button does to a person, in a word or two."""
    if act.role is not None:
        word = role_word(act.role, frame)
        return frame.pick(f"{word} 권한으로", f"make {word}")
    return frame.pick(*_ACTS[act.step])


def name_tag(name: str, frame: Frame) -> str:
    """A name that cannot become a link and keeps its writing direction to itself."""
    return f"<code>\u2068{safe(shown_name(name)) or frame.pick('이름 없음', 'no name')}\u2069</code>"


def person_lines(one: Member, frame: Frame) -> str:
    """Who this is and where they stand; the name comes last, on a line of its own."""
    seen = f"{one.seen_at.astimezone(KST):%m/%d %H:%M}" if one.seen_at else "–"
    return (
        f"<code>{one.user_id}</code> · <b>{role_word(one.role, frame)}</b> · {frame.pick(*STATUSES[one.status])} · "
        f"{frame.pick('최근', 'seen')} {seen}\n   {name_tag(one.name, frame)}"
    )


def list_card(people: Sequence[Member], page: int, frame: Frame) -> Reply:
    """/users: one page of everybody on record."""
    pages = max(1, -(-len(people) // PAGE))
    page = min(max(page, 1), pages)
    shown = people[(page - 1) * PAGE : page * PAGE]
    head = f"👥 <b>{frame.pick('사용자', 'People')}</b> {len(people)} {frame.badge}"
    lines = [head if pages == 1 else f"{head} · {page}/{pages}", *(person_lines(one, frame) for one in shown)]
    lines.append(
        frame.pick("초대: /invite trader [이름] · /invite viewer [이름]", "invite: /invite trader [name] · viewer"),
    )
    keys = [Button(f"⚙ {one.user_id}", f"{REFRESH}/users {one.user_id}") for one in shown]
    rows = [tuple(keys[n : n + 2]) for n in range(0, len(keys), 2)]
    turns = [
        Button(arrow, f"{REFRESH}/users p{other}")
        for arrow, other in (("◀", page - 1), ("▶", page + 1))
        if 1 <= other <= pages
    ]
    return Reply("\n".join(lines), (*rows, tuple(turns)))


def person_card(one: Member, acts: Sequence[MemberAction], frame: Frame) -> Reply:
    """One person, and what whoever looks may do with them."""
    keys = [Button(act_word(act, frame), f"{REFRESH}/users {one.user_id} {act}") for act in acts]
    rows = [tuple(keys[n : n + 2]) for n in range(0, len(keys), 2)]
    back = Button(frame.pick("↩ 목록", "↩ list"), f"{REFRESH}/users")
    head = f"👤 <b>{frame.pick('사용자', 'Person')}</b> {frame.badge}"
    return Reply(f"{head}\n{person_lines(one, frame)}", (*rows, (back,)))


def confirm_card(one: Member, act: MemberAction, token: str, frame: Frame) -> Reply:
    """Are you sure? The button works once, for five minutes, while the person stands as shown."""
    warning = frame.pick(
        "이 사람의 열린 주문표·승인·버튼·초대가 함께 무효가 됩니다.",
        "Their open tickets, votes, buttons and invitations become void.",
    )
    shuts_out = act.step in {MemberStep.SUSPEND, MemberStep.REMOVE}
    lowers = shuts_out or (act.role is not None and not act.role.covers(one.role))
    lines = [
        f"❓ <b>{act_word(act, frame)}</b> {frame.badge}",
        person_lines(one, frame),
        *([warning] if lowers else []),
    ]
    yes = Button(f"✅ {act_word(act, frame)}", f"{PEOPLE}{token}")
    no = Button(frame.pick("↩ 그만두기", "↩ back"), f"{REFRESH}/users {one.user_id}")
    return Reply("\n".join(lines), ((yes, no),))


def tap_words(change: MembershipChange, frame: Frame) -> str:
    """The short answer to a tap on a button about people."""
    ko, en = {
        MembershipTap.DONE: ("처리했습니다.", "Done."),
        MembershipTap.NOT_YOURS: (
            "이 버튼은 받은 사람만 누를 수 있습니다.",
            "Only the person it was made for may press this.",
        ),
        MembershipTap.LATE: ("만료된 버튼입니다. /users 로 다시 해 주세요.", "This button has expired; see /users."),
        MembershipTap.USED: ("이미 처리되었습니다.", "Already handled."),
        MembershipTap.GONE: ("만료된 버튼입니다.", "This button has expired."),
        MembershipTap.CHANGED: (
            "그사이 이 사람의 상태가 바뀌었습니다. /users 로 다시 보세요.",
            "This person's standing has changed meanwhile; see /users.",
        ),
        MembershipTap.REFUSED: ("이 사람을 바꿀 권한이 없습니다.", "You may not change this person."),
        MembershipTap.LAST_OWNER: (
            "마지막 소유자는 내보내거나 정지하거나 내릴 수 없습니다.",
            "The last owner must stay one.",
        ),
    }[change.verdict]
    return frame.pick(ko, en)


# --- letters --------------------------------------------------------------------------------------------------------------


def people_push(kind: str, data: Mapping[str, Any], frame: Frame) -> Reply:
    """What admins are told about people."""
    match kind:
        case "join":
            return _request_push(data, frame)
        case "invite":
            return _invite_push(data, frame)
    who = f"<code>{int(data['user_id'])}</code>"
    name = name_tag(str(data.get("name", "")), frame)
    by = data.get("by")
    signed = f" · {frame.pick('처리', 'by')} <code>{int(by)}</code>" if by else ""
    match kind:
        case "joined":
            role = role_word(Role(str(data["role"])), frame)
            head = f"👋 <b>{frame.pick('새 사용자', 'Joined')}</b> {frame.badge}"
            return Reply(f"{head}\n{who} · <b>{role}</b>{signed}\n{name}")
        case "stranger":
            head = f"🚪 <b>{frame.pick('모르는 사람의 시도', 'A stranger keeps trying')}</b> {frame.badge}"
            line = frame.pick(
                "5분 안에 10번 넘게 시도했습니다. 봇은 답하지 않았습니다 (하루 한 번만 알립니다).",
                "Ten attempts within five minutes. The bot gave nothing away (told once a day).",
            )
            return Reply(f"{head}\n{who}\n{line}\n{name}")
    act = act_word(MemberAction.read(str(data["act"])), frame)
    head = f"👥 <b>{act}</b> {frame.badge}"
    now = f"{role_word(Role(str(data['role'])), frame)} · " if data.get("role") else ""
    return Reply(f"{head}\n{who} · {now}{frame.pick('변경', 'changed')}{signed}\n{name}")


def _request_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    head = f"🚪 <b>{frame.pick('들어오고 싶다는 사람', 'Somebody asks to be let in')}</b> {frame.badge}"
    lines = [head, f"<code>{int(data['user_id'])}</code>"]
    if data.get("known"):
        lines.append(f"⚠️ <b>{frame.pick('전에 내보낸 사람입니다', 'was removed before')}</b>")
    lines += [
        frame.pick(
            "아는 사람인지 다른 길로 확인하세요. 이름은 누구나 지을 수 있습니다 (24시간).",
            "Make sure by another way who this is: anybody can bear any name (24 hours).",
        ),
        name_tag(str(data["name"]), frame),
    ]
    keys = [
        Button(act_word(MemberAction.read(act), frame), PEOPLE + str(token)) for act, token in data.get("claims", ())
    ]
    if "none" in data:
        keys.append(Button(act_word(MemberAction(MemberStep.REFUSE), frame), PEOPLE + str(data["none"])))
    return Reply("\n".join(lines), (tuple(keys),))


def _invite_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    role = role_word(Role(str(data["role"])), frame)
    until = datetime.fromisoformat(str(data["until"])).astimezone(KST)
    head = f"✉️ <b>{frame.pick('초대', 'Invitation')}</b> · {role} {frame.badge}"
    line = frame.pick(
        f"한 사람이 한 번, {until:%m/%d %H:%M}까지 쓸 수 있습니다. 들어올 사람에게만 보내세요.",
        f"Good once, for one person, until {until:%m/%d %H:%M}. Send it to nobody else.",
    )
    link = f"https://t.me/{data['bot']}?start={data.get('confirm', '…')}"
    named = f"\n{name_tag(str(data['name']), frame)}" if data.get("name") else ""
    return Reply(f"{head}{named}\n{line}\n<code>{safe(link, 120)}</code>")


def keyless(reply: Reply) -> Reply:
    """The answer without its buttons, which would open nothing in a group."""
    none: Buttons = ()
    return Reply(reply.text, none)
