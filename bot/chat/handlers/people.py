"""The whitelist: /users, /invite, their buttons, and what becomes of a stranger's /start."""

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.i18n.catalogue import NOT_ALLOWED
from bot.chat.i18n.formatting import shown_name
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import use_language
from bot.chat.messages.members import (
    TAPS,
    confirm_card,
    invitation_only,
    list_card,
    member_name,
    person_card,
    role_name,
)
from bot.chat.ports import Invites, People, Post
from bot.chat.types import CallbackAnswer, Reply, Request, Stranger
from bot.orders.access.membership import (
    Joined,
    JoinRequest,
    Member,
    MemberAction,
    MembershipChange,
    MembershipTap,
    MemberStep,
    NotAllowed,
    Status,
    TooMany,
    may_manage,
)
from bot.orders.access.roles import Actor, Role
from bot.orders.access.second_factor import ProtectedAction

log = structlog.get_logger(__name__)

PERSISTENT = 10
"""Attempts of one stranger within `WINDOW` after which the admins are told of it."""
WINDOW = timedelta(minutes=5)
LOG_INTERVAL = timedelta(minutes=1)
REMEMBERED = 1_000
"""Strangers that are counted at the same time."""
LINES_AN_HOUR = 20
"""Strangers who are told the one line, all of them together."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_ROLE_WORDS = {
    **{role.value: role for role in Role},
    "조회": Role.VIEWER, "조회전용": Role.VIEWER,
    "매매": Role.TRADER, "매매자": Role.TRADER,
    "관리": Role.ADMIN, "관리자": Role.ADMIN,
    "소유자": Role.OWNER,
}  # fmt: skip
_ACT_WORDS = {
    "suspend": MemberStep.SUSPEND, "정지": MemberStep.SUSPEND,
    "resume": MemberStep.RESUME, "재개": MemberStep.RESUME, "복귀": MemberStep.RESUME,
    "remove": MemberStep.REMOVE, "내보내기": MemberStep.REMOVE, "제거": MemberStep.REMOVE,
}  # fmt: skip


@dataclass
class _Tally:
    """What is remembered of one stranger."""

    times: deque[datetime] = field(default_factory=lambda: deque(maxlen=PERSISTENT))
    logged_at: datetime | None = None


class Strangers:
    """Counts the attempts of those who are not let in; in memory, for a bounded number of them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._tallies: OrderedDict[int, _Tally] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tallies)

    def count(self, stranger: Stranger) -> bool:
        """Count an attempt; one line in the log a minute. True: this is somebody the admins should know of."""
        now = self._clock()
        tally = self._tallies.setdefault(stranger.user_id, _Tally())
        self._tallies.move_to_end(stranger.user_id)
        if len(self._tallies) > REMEMBERED:
            self._tallies.popitem(last=False)
        tally.times.append(now)
        if tally.logged_at is None or now - tally.logged_at >= LOG_INTERVAL:
            tally.logged_at = now
            log.info("stranger", user=stranger.user_id)
        return len(tally.times) == PERSISTENT and now - tally.times[0] <= WINDOW


@dataclass(frozen=True)
class TapAnswer:
    """What a tap is answered: the toast, what stands in place of the message, and for the log what it came to."""

    toast: CallbackAnswer
    reply: Reply | None = None
    verdict: str = ""


@dataclass(eq=False)
class MemberHandlers:
    """Handlers of the whitelist, and of what strangers write."""

    people: People
    invites: Invites
    frame: Frame
    post: Post
    together: Callable[[], AbstractContextManager[Any]]
    """Makes one transaction of a change and its messages."""
    clock: Callable[[], datetime]
    username: Callable[[], str]
    """The bot's own."""
    second_factor: SecondFactorChat
    changed: Callable[[Member], None]
    """Called after somebody came in or was changed."""
    send: Callable[[int, str], None]
    """Says something to a chat once, outside of the outbox."""
    requests: bool = False
    """A stranger's /start is passed on to the administrators."""
    _lines: deque[tuple[datetime, str]] = field(default_factory=lambda: deque(maxlen=LINES_AN_HOUR), init=False)
    _alarmed_on: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._strangers = Strangers(self.clock)

    # --- the list -----------------------------------------------------------------------------------------------------

    async def users(self, request: Request) -> Reply | None:
        """/users [번호 [일]]: everybody, one person, or the question whether to change them."""
        words = request.words.split()
        if not words or re.fullmatch(r"p\d{1,4}", words[0]):
            return list_card(self.people.everybody(), int(words[0][1:]) if words else 1, self.frame)
        one = self.people.find(int(words[0])) if re.fullmatch(r"[0-9]{1,15}", words[0]) else None
        if one is None:
            return Reply(self.frame.text("Nobody has this number; see /users."))
        acts = self._acts(request.actor.user_id, one)
        if len(words) == 1:
            return person_card(one, acts, self.frame)
        act = _act_of(words[1:])
        if act is None or act not in acts:
            return Reply(self.frame.text("That cannot be done to this person."))
        token = self.invites.button(act, one.user_id, by=request.actor.user_id)
        return confirm_card(one, act, token, self.frame)

    def _acts(self, by: int, one: Member) -> list[MemberAction]:
        """What this person may do to that one, as they stand."""
        actor = self.people.get(by)
        if actor is None or not may_manage(actor, one):
            return []
        if one.status is Status.REMOVED:
            return [MemberAction(MemberStep.RESUME)]
        roles = [role for role in Role if role is not one.role and may_manage(actor, one, role)]
        pause = MemberStep.SUSPEND if one.status is Status.ACTIVE else MemberStep.RESUME
        given = [MemberAction(MemberStep.ROLE, role) for role in roles]
        return [*given, MemberAction(pause), MemberAction(MemberStep.REMOVE)]

    async def invite(self, request: Request) -> Reply | None:
        """/invite 권한 [이름]: a link that lets one person in, once."""
        word, _, name = request.words.strip().partition(" ")
        role = _ROLE_WORDS.get(word.lower())
        if role is None:
            return Reply(self.frame.text("Roles: trader · viewer"))
        name = shown_name(name)
        try:
            with self.together():
                made = self.invites.make(role, name, by=request.actor.user_id)
                data = {"role": role.value, "name": name, "until": made.expires_at.isoformat(), "bot": self.username()}
                data["confirm"] = made.token  # the outbox forgets it once it is sent
                self.post("invite", request.actor.user_id, data, f"invite:{request.update_id}")
        except NotAllowed:
            word = role_name(role, self.frame)
            return Reply(self.frame.text("You may not invite anybody as {role}.", role=word))
        except TooMany:
            return Reply(self.frame.text("Too many open invitations (20, for a day)."))
        return None

    def tap(self, token: str, actor: Actor) -> TapAnswer:
        """A button about a person: the change and its messages at once, or the reason why not."""
        if not actor.role.covers(Role.ADMIN):
            refused = CallbackAnswer(self.frame.text(NOT_ALLOWED), alert=True)
            return TapAnswer(refused, verdict=MembershipTap.REFUSED.value)
        looked = self.invites.stands(token, actor.user_id)
        if looked.verdict is MembershipTap.DONE:
            held = self.second_factor.hold(
                actor, ProtectedAction.PEOPLE, token, self._press_again, token, about=str(looked.act)
            )
            if held is not None:
                return TapAnswer(held, verdict="held")
        with self.together():
            change = self.invites.press(token, actor.user_id)
            if change.verdict is MembershipTap.DONE:
                self._tell_change(change, actor)
        toast = CallbackAnswer(self.frame.text(TAPS[change.verdict]), alert=change.verdict is not MembershipTap.DONE)
        if change.person is not None:
            self.changed(change.person)
        return TapAnswer(toast, self._after(change, actor), change.verdict.value)

    async def _press_again(self, actor: Actor, token: str) -> None:
        """The second factor was given: the button is pressed once more."""
        self.tap(token, actor)

    def _after(self, change: MembershipChange, actor: Actor) -> Reply | None:
        """What stands in place of the card that bore the button; None leaves it."""
        if change.person is not None:
            return person_card(change.person, self._acts(actor.user_id, change.person), self.frame)
        if change.verdict is MembershipTap.DONE:
            return Reply(f"✖ <code>{change.subject}</code> {self.frame.text('was turned away.')}")
        return None

    def _tell_change(self, change: MembershipChange, actor: Actor) -> None:
        """All admins, and whoever else it happened to if they can still be told."""
        one = change.person
        if one is None or change.act is None:
            return
        if change.act.step is MemberStep.JOIN:
            self._tell_joined(Joined(one, actor.user_id))
            return
        data = {"act": str(change.act), **_facts(one), "by": actor.user_id}
        its_own = [one.user_id] if one.status is Status.ACTIVE else []
        self._tell("people", [*self.people.overseers(), *its_own], data, f"people:{one.user_id}:{one.version}")

    def _tell(self, kind: str, chats: Sequence[int], data: Mapping[str, Any], key: str) -> None:
        for chat in dict.fromkeys(chats):
            self.post(kind, chat, data, f"{key}:{chat}")

    # --- strangers ----------------------------------------------------------------------------------------------------

    def stranger_wrote(self, stranger: Stranger) -> None:
        """Somebody who is not let in wrote or tapped."""
        if stranger.start and _TOKEN.fullmatch(stranger.start) and self._join(stranger):
            return
        if self._strangers.count(stranger) and self._alarmed_on != self._today():
            self._alarmed_on = self._today()
            data = {"user_id": stranger.user_id, "name": stranger.name}
            self._tell("stranger", self.people.overseers(), data, f"stranger:{self._today()}")
        if stranger.start:
            self._tell_line(stranger)
        elif stranger.start == "" and self.requests:
            self._pass_on(stranger)
            self._tell_line(stranger)

    def _join(self, stranger: Stranger) -> bool:
        with self.together():
            joined = self.invites.join(stranger.start or "", stranger.user_id, stranger.name)
            if joined is None:
                return False
            self._tell_joined(joined)
        self.changed(joined.person)
        return True

    def _tell_joined(self, joined: Joined) -> None:
        one = joined.person
        chats = [*self.people.overseers(), *([joined.by] if joined.by else [])]
        others = [chat for chat in chats if chat != one.user_id]
        self._tell("joined", others, {**_facts(one), "by": joined.by}, f"joined:{one.user_id}:{one.version}")
        with use_language(None):  # whoever lets them in may read another language
            words = self.frame.text(
                "👋 You are in · <b>{role}</b>\n{name}\nBegin: /start",
                role=role_name(one.role, self.frame),
                name=member_name(one.name, self.frame),
            )
        self.post("reply", one.user_id, {"text": words, "keys": []}, f"welcome:{one.user_id}:{one.version}")

    def _pass_on(self, stranger: Stranger) -> None:
        """Show the stranger to the admins, each with buttons of their own."""
        with self.together():
            request = self.invites.request(stranger.user_id, stranger.name)
            if request is None:
                return
            for chat in self.people.overseers():
                actor = self.people.get(chat)
                known = self.people.find(stranger.user_id)
                roles = [role for role in (Role.TRADER, Role.VIEWER) if actor and may_manage(actor, known, role)]
                joins = [MemberAction(MemberStep.JOIN, role) for role in roles]
                data = {
                    "user_id": request.user_id,
                    "name": request.name,
                    "known": request.known.value if request.known else "",
                    "claims": [(str(act), self._button(act, request, chat)) for act in joins],
                    "none": self._button(MemberAction(MemberStep.REFUSE), request, chat),
                }
                self.post("join", chat, data, f"join:{request.id}:{chat}")

    def _button(self, act: MemberAction, request: JoinRequest, by: int) -> str:
        return self.invites.button(act, request.user_id, by=by, request=request)

    def _tell_line(self, stranger: Stranger) -> None:
        """The one line, once a day to each, to a few an hour. Not by the outbox: strangers leave no rows there."""
        now, key = self.clock(), f"line:{self._today()}:{stranger.user_id}"
        full = len(self._lines) == LINES_AN_HOUR and now - self._lines[0][0] < timedelta(hours=1)
        if full or any(told == key for _, told in self._lines):
            return
        self._lines.append((now, key))
        self.send(stranger.user_id, invitation_only())

    def _today(self) -> str:
        return self.clock().date().isoformat()


def _facts(one: Member) -> dict[str, object]:
    return {"user_id": one.user_id, "name": one.name, "role": one.role.value}


def _act_of(words: Sequence[str]) -> MemberAction | None:
    """`role:trader`, `trader`, `매매자`, `정지`: what is to be done, or None for unknown words."""
    word = " ".join(words).lower().removeprefix("role:")
    role = _ROLE_WORDS.get(word)
    if role is not None:
        return MemberAction(MemberStep.ROLE, role)
    return MemberAction(_ACT_WORDS[word]) if word in _ACT_WORDS else None
