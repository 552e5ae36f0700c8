"""The door and the list: /users, /invite, their buttons, and what becomes of a stranger's /start."""

import re
from collections import deque
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.handlers.strangers import Strangers
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


@dataclass(frozen=True)
class TapAnswer:
    """What a tap is answered: the toast, what stands in place of the message, and for the log what it came to."""

    toast: CallbackAnswer
    reply: Reply | None = None
    verdict: str = ""


class MemberHandlers:
    """Handlers of the whitelist, and the door."""

    def __init__(
        self,
        people: People,
        invites: Invites,
        frame: Frame,
        *,
        post: Post,
        together: Callable[[], AbstractContextManager[Any]],
        clock: Callable[[], datetime],
        username: Callable[[], str],
        second_factor: SecondFactorChat,
        changed: Callable[[Member], None],
        send: Callable[[int, str], None],
        requests: bool = False,
    ) -> None:
        """`together` makes one transaction of a change and its messages; `username` is the bot's own.

        `changed` is called after somebody came in or was changed; `send` says something to a chat once, outside of the
        outbox; `requests`: a stranger's /start is passed on to the administrators.
        """
        self._people = people
        self._invites = invites
        self._frame = frame
        self._post = post
        self._together = together
        self._clock = clock
        self._username = username
        self._second_factor = second_factor
        self._changed = changed
        self._send = send
        self._requests = requests
        self._strangers = Strangers(clock)
        self._lines: deque[tuple[datetime, str]] = deque(maxlen=LINES_AN_HOUR)
        self._alarmed_on = ""

    # --- the list -----------------------------------------------------------------------------------------------------

    async def users(self, request: Request) -> Reply | None:
        """/users [번호 [일]]: everybody, one person, or the question whether to change them."""
        words = request.words.split()
        if not words or re.fullmatch(r"p\d{1,4}", words[0]):
            return list_card(self._people.everybody(), int(words[0][1:]) if words else 1, self._frame)
        one = self._people.find(int(words[0])) if re.fullmatch(r"[0-9]{1,15}", words[0]) else None
        if one is None:
            return Reply(self._frame.text("Nobody has this number; see /users."))
        acts = self._acts(request.actor.user_id, one)
        if len(words) == 1:
            return person_card(one, acts, self._frame)
        act = _act_of(words[1:])
        if act is None or act not in acts:
            return Reply(self._frame.text("That cannot be done to this person."))
        token = self._invites.button(act, one.user_id, by=request.actor.user_id)
        return confirm_card(one, act, token, self._frame)

    def _acts(self, by: int, one: Member) -> list[MemberAction]:
        """What this person may do to that one, as they stand."""
        actor = self._people.get(by)
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
            return Reply(self._frame.text("Roles: trader · viewer"))
        name = shown_name(name)
        try:
            with self._together():
                made = self._invites.make(role, name, by=request.actor.user_id)
                data = {
                    "role": role.value,
                    "name": name,
                    "until": made.expires_at.isoformat(),
                    "bot": self._username(),
                    "confirm": made.token,  # the outbox forgets it once it is told
                }
                self._post("invite", request.actor.user_id, data, f"invite:{request.update_id}")
        except NotAllowed:
            word = role_name(role, self._frame)
            return Reply(self._frame.text("You may not invite anybody as {role}.", role=word))
        except TooMany:
            return Reply(self._frame.text("Too many open invitations (20, for a day)."))
        return None

    def tap(self, token: str, actor: Actor) -> TapAnswer:
        """A button about a person: the change and its letters at once, or the reason why not."""
        if not actor.role.covers(Role.ADMIN):
            return TapAnswer(
                CallbackAnswer(self._frame.text(NOT_ALLOWED), alert=True), None, MembershipTap.REFUSED.value
            )
        looked = self._invites.stands(token, actor.user_id)
        if looked.verdict is MembershipTap.DONE:
            held = self._second_factor.hold(
                actor, ProtectedAction.PEOPLE, token, self._press_again, token, about=str(looked.act)
            )
            if held is not None:
                return TapAnswer(held, None, "held")
        with self._together():
            change = self._invites.press(token, actor.user_id)
            if change.verdict is MembershipTap.DONE:
                self._tell_change(change, actor)
        toast = CallbackAnswer(self._frame.text(TAPS[change.verdict]), alert=change.verdict is not MembershipTap.DONE)
        if change.person is not None:
            self._changed(change.person)
        return TapAnswer(toast, self._after(change, actor), change.verdict.value)

    async def _press_again(self, actor: Actor, token: str) -> None:
        """The second factor was given: the button is pressed once more."""
        self.tap(token, actor)

    def _after(self, change: MembershipChange, actor: Actor) -> Reply | None:
        """What stands in place of the card that bore the button; None leaves it."""
        if change.person is not None:
            return person_card(change.person, self._acts(actor.user_id, change.person), self._frame)
        if change.verdict is MembershipTap.DONE:
            return Reply(f"✖ <code>{change.subject}</code> {self._frame.text('was turned away.')}")
        return None

    def _tell_change(self, change: MembershipChange, actor: Actor) -> None:
        """All admins, and whoever else it happened to if they can still be told."""
        if change.person is None or change.act is None:
            return
        one = change.person
        if change.act.step is MemberStep.JOIN:
            self._tell_joined(Joined(one, actor.user_id))
            return
        data = {
            "act": str(change.act),
            "user_id": one.user_id,
            "name": one.name,
            "role": one.role.value,
            "by": actor.user_id,
        }
        for chat in dict.fromkeys([*self._people.overseers(), *([one.user_id] if one.status is Status.ACTIVE else [])]):
            self._post("people", chat, data, f"people:{one.user_id}:{one.version}:{chat}")

    # --- the door -----------------------------------------------------------------------------------------------------

    def knock(self, stranger: Stranger) -> None:
        """Somebody who is not let in wrote or tapped."""
        if stranger.start and _TOKEN.fullmatch(stranger.start) and self._join(stranger):
            return
        if self._strangers.count(stranger) and self._alarmed_on != self._today():
            self._alarmed_on = self._today()
            data = {"user_id": stranger.user_id, "name": stranger.name}
            for chat in self._people.overseers():
                self._post("stranger", chat, data, f"stranger:{self._today()}:{chat}")
        if stranger.start:
            self._tell_line(stranger)
        elif stranger.start == "" and self._requests:
            self._pass_on(stranger)
            self._tell_line(stranger)

    def came(self, actor: Actor) -> None:
        """Somebody of the list wrote or tapped."""
        self._people.seen(actor.user_id)

    def _join(self, stranger: Stranger) -> bool:
        with self._together():
            joined = self._invites.join(stranger.start or "", stranger.user_id, stranger.name)
            if joined is None:
                return False
            self._tell_joined(joined)
        self._changed(joined.person)
        return True

    def _tell_joined(self, joined: Joined) -> None:
        one = joined.person
        data = {"user_id": one.user_id, "name": one.name, "role": one.role.value, "by": joined.by}
        for chat in dict.fromkeys([*self._people.overseers(), joined.by] if joined.by else self._people.overseers()):
            if chat != one.user_id:
                self._post("joined", chat, data, f"joined:{one.user_id}:{one.version}:{chat}")
        with use_language(None):  # whoever lets them in may read another language
            words = self._welcome(one)
        self._post("reply", one.user_id, {"text": words, "keys": []}, f"welcome:{one.user_id}:{one.version}")

    def _welcome(self, one: Member) -> str:
        return self._frame.text(
            "👋 You are in · <b>{role}</b>\n{name}\nBegin: /start",
            role=role_name(one.role, self._frame),
            name=member_name(one.name, self._frame),
        )

    def _pass_on(self, stranger: Stranger) -> None:
        """Show the stranger to the admins, each with buttons of their own."""
        with self._together():
            request = self._invites.request(stranger.user_id, stranger.name)
            if request is None:
                return
            for chat in self._people.overseers():
                actor = self._people.get(chat)
                known = self._people.find(stranger.user_id)
                roles = [role for role in (Role.TRADER, Role.VIEWER) if actor and may_manage(actor, known, role)]
                joins = [MemberAction(MemberStep.JOIN, role) for role in roles]
                data = {
                    "user_id": request.user_id,
                    "name": request.name,
                    "known": request.known.value if request.known else "",
                    "claims": [(str(act), self._button(act, request, chat)) for act in joins],
                    "none": self._button(MemberAction(MemberStep.REFUSE), request, chat),
                }
                self._post("join", chat, data, f"join:{request.id}:{chat}")

    def _button(self, act: MemberAction, request: JoinRequest, by: int) -> str:
        return self._invites.button(act, request.user_id, by=by, request=request)

    def _tell_line(self, stranger: Stranger) -> None:
        """The one line, once a day to each, to a few an hour. Not by the outbox: strangers leave no rows there."""
        now, key = self._clock(), f"line:{self._today()}:{stranger.user_id}"
        full = len(self._lines) == LINES_AN_HOUR and now - self._lines[0][0] < timedelta(hours=1)
        if full or any(told == key for _, told in self._lines):
            return
        self._lines.append((now, key))
        self._send(stranger.user_id, invitation_only())

    def _today(self) -> str:
        return self._clock().date().isoformat()


def _act_of(words: Collection[str]) -> MemberAction | None:
    """`role:trader`, `trader`, `매매자`, `정지`: what is to be done, or None for unknown words."""
    word = " ".join(words).lower().removeprefix("role:")
    role = _ROLE_WORDS.get(word)
    if role is not None:
        return MemberAction(MemberStep.ROLE, role)
    return MemberAction(_ACT_WORDS[word]) if word in _ACT_WORDS else None
