"""/limits: everybody sees their own; admins see and set those of the people below them. Parse, ask once, answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.chat.handlers.commands import refusal
from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.i18n.catalogue import limit_value
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.ports import LimitBook
from bot.chat.types import Reply, Request
from bot.orders.access.roles import Actor, Person, Role
from bot.orders.access.second_factor import ProtectedAction, SecondFactor
from bot.orders.model.reason import Reason
from bot.orders.risk.limit_overrides import ACCOUNT, BY_WORD, ITEMS, SettableLimit, Value, may_set

_ACCOUNT_WORDS = frozenset({"계좌", "account"})
_BACK = frozenset({"기본", "default"})


@dataclass(frozen=True)
class LimitHandlers:
    """The handler of /limits."""

    book: LimitBook
    people: Callable[[], Sequence[Person]]
    """Those who may use the bot now."""
    second_factor: SecondFactor
    chat: SecondFactorChat
    post: Callable[[int, Reply], None]
    """Puts an answer into a chat later than its question."""
    frame: Frame
    clock: Callable[[], datetime]

    async def limits(self, request: Request) -> Reply | None:
        """/limits [사람|계좌] [항목 값|기본]."""
        words = request.words.split()
        if not words:
            return self._show(request.actor, request.actor.user_id, request.actor.name)
        if not request.actor.role.covers(Role.ADMIN):
            return refusal([Reason("NOT_ALLOWED", {})], self.frame)
        item = BY_WORD.get(words[-2]) if len(words) >= 3 else None  # noqa: PLR2004  # person, item, value
        name = " ".join(words if item is None else words[:-2])
        subject, person = self._find(name)
        if subject is None:
            unknown_item = item is None and len(words) >= 3  # noqa: PLR2004
            why = Reason("LIMIT_ITEM", {"word": words[-2]}) if unknown_item else Reason("LIMIT_PERSON", {"word": name})
            return refusal([why], self.frame)
        shown = person.name if person is not None else self.frame.text("the account")
        if item is None:
            return self._show(request.actor, subject, shown)
        value = None if words[-1] in _BACK else item.read(words[-1])
        if value is None and words[-1] not in _BACK:
            return refusal([Reason("LIMIT_VALUE", {"word": words[-1]})], self.frame)
        return await self._set(request.actor, subject, item, value)

    async def _set(self, actor: Actor, subject: int, item: SettableLimit, value: Value | None) -> Reply | None:
        """Everything is looked up anew, for a proof of two minutes may lie between the question and this."""
        person = next((one for one in self.people() if one.user_id == subject), None)
        if person is None and subject != ACCOUNT:
            return refusal([Reason("LIMIT_PERSON", {"word": str(subject)})], self.frame)
        if not may_set(actor, subject, person.role if person else None, item):
            return refusal([Reason("LIMIT_ROLE", {})], self.frame)
        name = person.name if person else self.frame.text("the account")
        about = f"{name or subject} · {self._item(item)} → {self._value(item, value)}"
        proof = f"limits:{subject}:{item.name}:{value}"
        if self.book.raises(subject, item, value) and self.second_factor.needs(
            actor, ProtectedAction.LIMITS, 0, self.clock(), proof
        ):

            async def go_on(again: Actor, _token: str) -> None:
                reply = await self._set(again, subject, item, value)
                if reply is not None:
                    self.post(again.chat_id, reply)

            await self.chat.begin(actor, ProtectedAction.LIMITS, proof, go_on, about=about)
            return None
        everybody = [one.user_id for one in self.people()]
        refused = self.book.set(subject, name or str(subject), item, value, by=actor, everybody=everybody)
        return (
            refusal([refused], self.frame) if isinstance(refused, Reason) else None
        )  # else the notice tells everybody

    def _find(self, words: str) -> tuple[int | None, Person | None]:
        if words.lower() in _ACCOUNT_WORDS:
            return ACCOUNT, None
        people = self.people()
        found = [one for one in people if str(one.user_id) == words] or [one for one in people if one.name == words]
        return (found[0].user_id, found[0]) if len(found) == 1 else (None, None)

    def _show(self, actor: Actor, subject: int, name: str) -> Reply:
        frame, today = self.frame, self.clock().date()
        limits = self.book.limits_of(subject, today)
        overrides = self.book.overrides(subject)
        own = {one.item.name for one in overrides if one.day <= today and one.value is not None}
        lines = [f"📏 <b>{frame.text('Limits')}</b> · {safe(name or subject, 20)} {frame.badge}"]
        for item in ITEMS.values():
            if subject == ACCOUNT and not item.account:
                continue
            mark = " ✎" if item.name in own else ""
            word = f" · <code>{item.korean}</code>" if actor.role.covers(Role.ADMIN) else ""
            lines.append(f"{self._item(item)}: <b>{self._value(item, getattr(limits, item.name))}</b>{mark}{word}")
        lines += [
            f"⏳ {one.day:%m/%d} {self._item(one.item)} → {self._value(one.item, one.value)}"
            for one in overrides
            if one.day > today
        ]
        if actor.role.covers(Role.ADMIN):
            lines.append(frame.text("To change: /limits person item value, e.g. /limits 1002 max_value 3000000; 'default' undoes it."))  # fmt: skip
            lines.append(frame.text("A raise counts from the next trading day, a lower limit at once."))  # fmt: skip
        return Reply("\n".join(lines))

    def _item(self, item: SettableLimit) -> str:
        return safe(limit_value("what", item.name.upper(), self.frame.lang))

    def _value(self, item: SettableLimit, value: Value | None) -> str:
        if value is None:
            return self.frame.text("default")
        return safe(limit_value("now", item.shown(value), self.frame.lang))
