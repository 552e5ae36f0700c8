"""The door and the list: /users, /invite, their buttons, and what becomes of a stranger's /start."""

import re
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.chat.handlers.strangers import Strangers
from bot.chat.i18n.catalogue import not_allowed
from bot.chat.i18n.formatting import shown_name
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import speaking
from bot.chat.messages.members import (
    confirm_card,
    list_card,
    name_tag,
    person_card,
    role_word,
    stranger_line,
    tap_words,
)
from bot.chat.types import CallbackAnswer, Reply, Request, Stranger
from bot.orders.access.membership import (
    Invitation,
    Joined,
    JoinRequest,
    Member,
    MembershipChange,
    MembershipTap,
    NotAllowed,
    Status,
    TooMany,
    may_manage,
)
from bot.orders.access.roles import Actor, Role

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
    "suspend": "suspend", "정지": "suspend",
    "resume": "resume", "재개": "resume", "복귀": "resume",
    "remove": "remove", "내보내기": "remove", "제거": "remove",
}  # fmt: skip


class People(Protocol):
    """The whitelist; `bot.store.people.People` fits as it is."""

    def get(self, user_id: int) -> Member | None: ...
    def find(self, user_id: int) -> Member | None: ...
    def everybody(self) -> list[Member]: ...
    def overseers(self) -> list[int]: ...
    def seen(self, user_id: int) -> None: ...


class Invites(Protocol):
    """Links, requests and buttons; `bot.store.invites.Invites` fits as it is."""

    def make(self, role: Role, name: str = "", *, by: int | None = None) -> Invitation: ...
    def join(self, token: str, user_id: int, name: str) -> Joined | None: ...
    def request(self, user_id: int, name: str) -> JoinRequest | None: ...
    def button(self, act: str, subject: int, *, by: int, request: JoinRequest | None = None) -> str: ...
    def stands(self, token: str, by: int) -> MembershipChange: ...
    def press(self, token: str, by: int) -> MembershipChange: ...


class Post(Protocol):
    """Where letters go: the outbox."""

    def __call__(self, kind: str, chat_id: int, data: Mapping[str, Any], key: str | None = None) -> None: ...


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
        requests: bool = False,
    ) -> None:
        """`together` makes one transaction of a change and its letters; `requests`: a stranger's /start is passed on."""
        self._people = people
        self._invites = invites
        self._frame = frame
        self._post = post
        self._together = together
        self._clock = clock
        self._username = username
        self._requests = requests
        self._strangers = Strangers(clock)
        self._lines: deque[tuple[datetime, str]] = deque(maxlen=LINES_AN_HOUR)
        self._alarmed_on = ""
        self.changed: Callable[[Member], None] = lambda _: None
        """Called after somebody came in or was changed."""
        self.whisper: Callable[[int, str], None] = lambda _chat, _text: None
        """Says something to a chat once, if it can be said at all."""
        self.hold: Callable[[Actor, str, str], CallbackAnswer | None] = lambda _who, _act, _token: None
        """Asked before a change is carried out: a toast instead, if this person must first prove who they are."""

    # --- the list -----------------------------------------------------------------------------------------------------

    async def users(self, ask: Request) -> Reply | None:
        """/users [번호 [일]]: everybody, one person, or the question whether to change them."""
        words = ask.words.split()
        if not words or re.fullmatch(r"p\d{1,4}", words[0]):
            return list_card(self._people.everybody(), int(words[0][1:]) if words else 1, self._frame)
        one = self._people.find(int(words[0])) if re.fullmatch(r"[0-9]{1,15}", words[0]) else None
        if one is None:
            return Reply(self._frame.text("Nobody has this number; see /users."))
        acts = self._acts(ask.who.user_id, one)
        if len(words) == 1:
            return person_card(one, acts, self._frame)
        act = _act_of(words[1:])
        if act not in acts:
            return Reply(self._frame.text("That cannot be done to this person."))
        token = self._invites.button(act, one.user_id, by=ask.who.user_id)
        return confirm_card(one, act, token, self._frame)

    def _acts(self, by: int, one: Member) -> list[str]:
        """What this person may do to that one, as they stand."""
        actor = self._people.get(by)
        if actor is None or not may_manage(actor, one):
            return []
        if one.status is Status.REMOVED:
            return ["resume"]
        roles = [role for role in Role if role is not one.role and may_manage(actor, one, role)]
        pause = "suspend" if one.status is Status.ACTIVE else "resume"
        return [*(f"role:{role.value}" for role in roles), pause, "remove"]

    async def invite(self, ask: Request) -> Reply | None:
        """/invite 권한 [이름]: a link that lets one person in, once."""
        word, _, name = ask.words.strip().partition(" ")
        role = _ROLE_WORDS.get(word.lower())
        if role is None:
            return Reply(self._frame.text("Roles: trader · viewer"))
        name = shown_name(name)
        try:
            with self._together():
                made = self._invites.make(role, name, by=ask.who.user_id)
                data = {
                    "role": role.value,
                    "name": name,
                    "until": made.expires_at.isoformat(),
                    "bot": self._username(),
                    "confirm": made.token,  # the outbox forgets it once it is told
                }
                self._post("invite", ask.who.user_id, data, f"invite:{ask.update_id}")
        except NotAllowed:
            word = role_word(role, self._frame)
            return Reply(self._frame.text("You may not invite anybody as {role}.", role=word))
        except TooMany:
            return Reply(self._frame.text("Too many open invitations (20, for a day)."))
        return None

    def tap(self, token: str, who: Actor) -> TapAnswer:
        """A button about a person: the change and its letters at once, or the reason why not."""
        if not who.role.covers(Role.ADMIN):
            return TapAnswer(
                CallbackAnswer(not_allowed(self._frame.lang), alert=True),
                None,
                MembershipTap.REFUSED.value,
            )
        looked = self._invites.stands(token, who.user_id)
        if looked.verdict is MembershipTap.DONE:
            held = self.hold(who, looked.act, token)
            if held is not None:
                return TapAnswer(held, None, "held")
        with self._together():
            change = self._invites.press(token, who.user_id)
            if change.verdict is MembershipTap.DONE:
                self._tell_change(change, who)
        toast = CallbackAnswer(tap_words(change, self._frame), alert=change.verdict is not MembershipTap.DONE)
        if change.person is not None:
            self.changed(change.person)
        return TapAnswer(toast, self._after(change, who), change.verdict.value)

    def _after(self, change: MembershipChange, who: Actor) -> Reply | None:
        """What stands in place of the card that bore the button; None leaves it."""
        if change.person is not None:
            return person_card(change.person, self._acts(who.user_id, change.person), self._frame)
        if change.verdict is MembershipTap.DONE:
            return Reply(f"✖ <code>{change.subject}</code> {self._frame.text('was turned away.')}")
        return None

    def _tell_change(self, change: MembershipChange, who: Actor) -> None:
        """All admins, and whoever else it happened to if they can still be told."""
        if change.person is None:
            return
        one = change.person
        if change.act.startswith("join:"):
            self._tell_joined(Joined(one, who.user_id))
            return
        data = {"act": change.act, "user_id": one.user_id, "name": one.name, "role": one.role.value, "by": who.user_id}
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

    def came(self, who: Actor) -> None:
        """Somebody of the list wrote or tapped."""
        self._people.seen(who.user_id)

    def _join(self, stranger: Stranger) -> bool:
        with self._together():
            joined = self._invites.join(stranger.start or "", stranger.user_id, stranger.name)
            if joined is None:
                return False
            self._tell_joined(joined)
        self.changed(joined.person)
        return True

    def _tell_joined(self, joined: Joined) -> None:
        one = joined.person
        data = {"user_id": one.user_id, "name": one.name, "role": one.role.value, "by": joined.by}
        for chat in dict.fromkeys([*self._people.overseers(), joined.by] if joined.by else self._people.overseers()):
            if chat != one.user_id:
                self._post("joined", chat, data, f"joined:{one.user_id}:{one.version}:{chat}")
        with speaking(None):  # whoever lets them in may read another language
            words = self._welcome(one)
        self._post("reply", one.user_id, {"text": words, "keys": []}, f"welcome:{one.user_id}:{one.version}")

    def _welcome(self, one: Member) -> str:
        return self._frame.text(
            "👋 You are in · <b>{role}</b>\n{name}\nBegin: /start",
            role=role_word(one.role, self._frame),
            name=name_tag(one.name, self._frame),
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
                make = {act: self._button(act, request, chat) for act in (*(f"join:{role.value}" for role in roles),)}
                data = {
                    "user_id": request.user_id,
                    "name": request.name,
                    "known": request.known.value if request.known else "",
                    "claims": list(make.items()),
                    "none": self._button("refuse", request, chat),
                }
                self._post("join", chat, data, f"join:{request.id}:{chat}")

    def _button(self, act: str, request: JoinRequest, by: int) -> str:
        return self._invites.button(act, request.user_id, by=by, request=request)

    def _tell_line(self, stranger: Stranger) -> None:
        """The one line, once a day to each, to a few an hour. Not by the outbox: strangers leave no rows there."""
        now, key = self._clock(), f"line:{self._today()}:{stranger.user_id}"
        full = len(self._lines) == LINES_AN_HOUR and now - self._lines[0][0] < timedelta(hours=1)
        if full or any(told == key for _, told in self._lines):
            return
        self._lines.append((now, key))
        self.whisper(stranger.user_id, stranger_line())

    def _today(self) -> str:
        return self._clock().date().isoformat()


def _act_of(words: Collection[str]) -> str:
    """`role:trader`, `trader`, `매매자`, `정지`: what is to be done, or nothing known."""
    word = " ".join(words).lower().removeprefix("role:")
    role = _ROLE_WORDS.get(word)
    return f"role:{role.value}" if role is not None else _ACT_WORDS.get(word, "")
