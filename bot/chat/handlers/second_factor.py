"""The second factor in the chat: a keypad for the PIN, or the next message for a code of an app.

What is shown here goes to Telegram directly and not through the outbox: a question that comes after a restart would be
of no use, and the outbox would keep on disk which key was which digit. Questions live in memory for two minutes; after
a restart the person taps once more where they came from.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ParseMode
from telegram.error import BadRequest, TelegramError

from bot.chat.handlers.keypad import KEYPAD, Keypad, KeypadResult, without_keypads
from bot.chat.i18n.catalogue import MessageIds, reason, toast, translate
from bot.chat.i18n.formatting import clean, clock_time, safe
from bot.chat.i18n.frame import Frame
from bot.chat.types import Button, Buttons, CallbackAnswer, Reply, Request
from bot.orders.access.roles import Actor
from bot.orders.access.second_factor import (
    CHALLENGE_TTL,
    DIGITS,
    Challenge,
    ChallengeResult,
    FactorKind,
    ProtectedAction,
    SecondFactor,
)

log = structlog.get_logger(__name__)

AFTERWARDS = timedelta(minutes=1)
"""So long after a question has ended six digits are still taken for a code that came late."""
LEAVE = KEYPAD + "leave"
_ACTIONS: MessageIds[ProtectedAction] = {
    ProtectedAction.CONFIRM: "confirming an order",
    ProtectedAction.APPROVE: "approving an order",
    ProtectedAction.RESUME: "letting orders go out again",
    ProtectedAction.PEOPLE: "changing people",
    ProtectedAction.LIMITS: "raising a limit",
    ProtectedAction.PIN: "changing your PIN",
}
_PIN_TYPED = re.compile(r"/(pin|핀)(@\S*)?\s+\S", re.IGNORECASE)

Resume = Callable[[Actor, str], Awaitable[object]]


@dataclass
class _Screen:
    """One question as it stands in a chat."""

    actor: Actor
    until: datetime
    head: str
    pad: Keypad | None = None
    """None: a code is to be typed."""
    setting: bool = False
    """A new PIN is being entered, not one proved."""
    first: str = field(default="", repr=False)
    """The new PIN as entered the first time."""
    resume: Resume | None = None
    token: str = field(default="", repr=False)
    note: str = ""
    over: bool = False
    message_id: int | None = None
    wanted: int = 0
    drawn: int = 0
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(eq=False)
class SecondFactorChat:
    """The questions that are open, one a person."""

    bot: Bot
    second_factor: SecondFactor
    frame: Frame
    clock: Callable[[], datetime]
    _screens: dict[int, _Screen] = field(default_factory=dict, init=False)
    _at_work: set[asyncio.Task[object]] = field(default_factory=set, init=False)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def begin(
        self, actor: Actor, act: str, subject: str, resume: Resume, token: str = "", about: str = ""
    ) -> Challenge:
        """Ask in the person's private chat; once the answer is right, `resume(actor, token)` goes on.

        A right answer is good for `subject` alone, for two minutes. The actor that `resume` gets is the person as the
        guard let them in with the answer; `token` is kept in memory only. `about`, in words for the person, is escaped.
        """
        asked = self.second_factor.begin(actor, act, subject, self.clock())
        head = (
            f"🔐 <b>{self.frame.text('Is it you?')}</b> {self.frame.badge}\n{self.frame.text(_ACTIONS[asked.action])}"
        )
        if about:
            head += f" · {safe(about, 200)}"
        if asked.state is not ChallengeResult.ASKED:
            await self._send(actor.chat_id, f"{head}\n{self._refusal(asked)}")
            return asked
        pad = Keypad(DIGITS) if asked.factor is FactorKind.PIN else None
        await self._open(_Screen(actor, self.clock() + CHALLENGE_TTL, head, pad, resume=resume, token=token))
        return asked

    def hold(
        self, actor: Actor, act: str, subject: str, resume: Resume, token: str = "", *, value: int = 0, about: str = ""
    ) -> CallbackAnswer | None:
        """A toast where `act` needs a second factor, which is asked for now; None: go on without.

        `resume` comes by here again, and this time gets None: so `subject` must name the same thing both times.
        """
        if not self.second_factor.needs(actor, act, value, self.clock(), subject):
            return None
        self._work(self.begin(actor, act, subject, resume, token, about))
        return CallbackAnswer(toast("step_up", self.frame.lang))

    async def pin(self, request: Request) -> Reply | None:
        """/pin: choose a PIN, or another one; whoever has a second factor proves it first."""
        if request.words:
            await self._warn_of_typing(request)
            return None
        if self.second_factor.enrolled(request.actor.user_id) is None:
            await self._ask_new_pin(request.actor)
        else:
            await self.begin(request.actor, ProtectedAction.PIN, "pin", lambda actor, _: self._ask_new_pin(actor))
        return None

    async def _ask_new_pin(self, actor: Actor) -> None:
        head = f"🔐 <b>{self.frame.text('A new PIN')}</b> {self.frame.badge}"
        await self._open(_Screen(actor, self.clock() + CHALLENGE_TTL, head, Keypad(DIGITS), setting=True))

    async def _open(self, screen: _Screen) -> None:
        before = self._screens.get(screen.actor.user_id)
        self._screens[screen.actor.user_id] = screen
        if before is not None and not before.over:
            await self._end(before, self.frame.text("Another question took its place."))
        text, buttons = self._render(screen)
        sent = await self._send(screen.actor.chat_id, text, buttons)
        screen.message_id = screen.message_id or sent

    # --- answers ------------------------------------------------------------------------------------------------------

    async def press(self, rest: str, request: Request) -> CallbackAnswer:
        """The toast of a tap on a keypad, whose data is `rest`; what is slow goes on behind it."""
        answer: asyncio.Future[CallbackAnswer] = asyncio.get_running_loop().create_future()
        work = self._work(self._tap(request, rest, answer.set_result))
        either: set[asyncio.Future[Any]] = {answer, work}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else CallbackAnswer()

    def _work(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task = asyncio.get_running_loop().create_task(work)
        self._at_work.add(task)
        task.add_done_callback(self._worked)
        return task

    def _worked(self, work: asyncio.Task[object]) -> None:
        self._at_work.discard(work)
        if not work.cancelled() and work.exception() is not None:
            log.error("what a proof was asked for ended in a fault", exc_info=work.exception())

    async def drain(self) -> None:
        """Let what goes on behind taps end, as long as a stop may take."""
        if self._at_work:
            await asyncio.wait(self._at_work, timeout=5)

    async def _tap(self, request: Request, rest: str, toast_with: Callable[[CallbackAnswer], None]) -> None:
        """A key was tapped. `toast_with` answers the tap; it is called once, before anything slow."""
        actor = request.actor
        screen = self._screens.get(actor.user_id)
        if screen is None or screen.over or screen.message_id not in {None, request.message_id}:
            toast_with(CallbackAnswer(self.frame.text("This keypad has expired."), alert=True))
            return
        screen.message_id = request.message_id
        if self.clock() >= screen.until:
            toast_with(CallbackAnswer(self.frame.text("Too late; please start again."), alert=True))
            await self._end(screen, self.frame.text("⌛ Too late."))
            return
        pad = screen.pad
        if pad is None:
            pressed = KeypadResult.LEFT if KEYPAD + rest == LEAVE else KeypadResult.NOTHING
        else:
            pressed = pad.press(rest)
        toast_with(CallbackAnswer())
        if pressed is KeypadResult.LEFT:
            self.second_factor.drop(actor.user_id)
            self._screens.pop(actor.user_id, None)
            await self._end(screen, self.frame.text("✖ Left."))
        elif pressed is KeypadResult.CHANGED:
            await self._draw(screen)
        elif pad is not None and pressed is KeypadResult.FULL:
            screen.pad = Keypad(DIGITS)  # before anything is awaited: nobody adds to what is being judged
            judge = self._choose if screen.setting else self._judge
            await judge(screen, actor, pad.entered)

    async def typed(self, request: Request) -> bool:
        """Whether a message that is no command was meant for us; then it is deleted, and its words go nowhere else."""
        actor, text = request.actor, request.words
        if not self._secret(actor.user_id, text):
            return False
        screen = self._screens.get(actor.user_id)
        if screen is None or screen.pad is not None or _PIN_TYPED.match(text.strip()):
            await self._warn_of_typing(request)
            return True
        await self._delete(request)
        if not screen.over and self.clock() < screen.until:
            await self._judge(screen, actor, _digits(text))
            return True
        if not screen.over:
            await self._end(screen, self.frame.text("⌛ Too late."))
        await self._send(actor.chat_id, self.frame.text("🔐 Nothing is asked any more; please start again."))
        return True

    async def _warn_of_typing(self, request: Request) -> None:
        await self._delete(request)
        words = self.frame.text(
            "Tap a PIN on the keypad and never type it. What you typed was deleted; do not use that number. /pin"
        )
        await self._send(request.actor.chat_id, f"🔐 {words}")

    async def _judge(self, screen: _Screen, actor: Actor, code: str) -> None:
        judged = self.second_factor.answer(actor, code, self.clock())
        if judged.state is ChallengeResult.WRONG:
            screen.note = self.frame.text("❌ Wrong. {left} more and it is locked.", left=judged.left)
            await self._draw(screen)
            return
        if judged.state is not ChallengeResult.PASSED:
            await self._end(screen, self._refusal(judged))
            return
        self._screens.pop(actor.user_id, None)
        resume, token = screen.resume, screen.token
        shown = self._end(screen, self.frame.text("✅ Confirmed."))
        if resume is None:
            await shown
        else:  # what was asked for does not wait for the chat
            await asyncio.gather(resume(actor, token), shown)

    async def _choose(self, screen: _Screen, actor: Actor, pin: str) -> None:
        """A new PIN was entered: it is set when it was entered the same way twice."""
        first, screen.first = screen.first, ""
        if not first:
            screen.first = pin
            screen.note = self.frame.text("Once more, please.")
        elif first != pin:
            screen.note = self.frame.text("❌ The two differ. Please begin anew.")
        else:
            refused = self.second_factor.set_pin(actor, pin, self.clock())
            if refused is None:
                note: str = self.frame.text("✅ Your PIN is set; it is asked for large orders and changes that matter.")
            else:
                note = f"🚫 {reason(refused.code, refused.values, self.frame.lang)}"
            if refused is None or refused.code not in {"PIN_FORM", "PIN_TRIVIAL"}:
                self._screens.pop(actor.user_id, None)
                await self._end(screen, note)
                return
            screen.note = note
        await self._draw(screen)

    # --- what is stored ----------------------------------------------------------------------------------------

    def for_disk(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """An update as it may be written down: no keypad in it, and no code that is being waited for.

        The update itself is answered from memory; one that is answered from disk after a crash has lost its code, and
        the question it was for is gone as well.
        """
        stored: dict[str, Any] = without_keypads(body)
        message = stored.get("message")
        if isinstance(message, dict) and isinstance(text := message.get("text"), str):
            sender = (message.get("from") or {}).get("id")
            if isinstance(sender, int) and self._secret(sender, text):
                stored["message"] = {**message, "text": "······"}
        return stored

    def _secret(self, user_id: int, text: str) -> bool:
        """Whether these words are, or may have been meant as, a code or a PIN."""
        if _PIN_TYPED.match(text.strip()):
            return True
        screen = self._screens.get(user_id)
        if screen is None or self.clock() >= screen.until + AFTERWARDS:
            return False
        digits = _digits(text)
        return len(digits) == DIGITS and digits.isascii() and digits.isdigit()

    # --- what is shown -------------------------------------------------------------------------------------------------

    def _render(self, screen: _Screen) -> tuple[str, Buttons]:
        lang = self.frame.lang
        lines = [screen.head, *([screen.note] if screen.note else [])]
        buttons: Buttons = ()
        if screen.over:
            pass
        elif screen.pad is None:
            lines.append(translate(lang, "Send the 6 digits that your authenticator app shows within two minutes. They are deleted once read."))  # fmt: skip
            buttons = ((Button(translate(lang, "✖ leave"), LEAVE),),)
        else:
            lines.append(translate(lang, "Tap 6 digits (two minutes). Never send them as a message."))
            lines.append(f"<code>{screen.pad.dots}</code>")
            buttons = screen.pad.buttons(lang)
        return "\n".join(lines), buttons

    def _refusal(self, asked: Challenge) -> str:
        lang = self.frame.lang
        if asked.state is ChallengeResult.LOCKED and asked.until is not None:
            return translate(lang, "🔒 Locked after wrong answers until {until}.", until=clock_time(asked.until))  # fmt: skip
        code = {
            ChallengeResult.LOCKED: "STEPUP_LOCKED_YOU",
            ChallengeResult.NOT_ENROLLED: "STEPUP_ENROL",
            ChallengeResult.UNREADABLE: "STEPUP_BROKEN",
        }.get(asked.state, "STEPUP_GONE")
        return f"🔒 {reason(code, {}, lang)}"

    async def _draw(self, screen: _Screen) -> None:
        """Show how it stands; of changes that come faster than Telegram takes them the last is shown."""
        screen.wanted += 1
        async with screen.drawing:
            if screen.drawn == screen.wanted or screen.message_id is None:
                return
            screen.drawn = screen.wanted
            text, buttons = self._render(screen)
            try:
                await self.bot.edit_message_text(
                    text,
                    chat_id=screen.actor.chat_id,
                    message_id=screen.message_id,
                    parse_mode=ParseMode.HTML,
                    reply_markup=_markup(buttons),
                )
            except BadRequest:
                log.info("a keypad could not be brought up to date", chat=screen.actor.chat_id)
            except TelegramError as error:
                log.warning("a keypad could not be brought up to date", why=type(error).__name__)

    async def _end(self, screen: _Screen, note: str) -> None:
        screen.over, screen.note, screen.pad = True, note, None
        screen.first = screen.token = ""
        await self._draw(screen)

    async def _send(self, chat_id: int, text: str, buttons: Buttons = ()) -> int | None:
        try:
            sent = await self.bot.send_message(chat_id, text, parse_mode=ParseMode.HTML, reply_markup=_markup(buttons))
        except TelegramError as error:  # the person taps again where they came from
            log.warning("a question could not be asked", chat=chat_id, why=type(error).__name__)
            return None
        return sent.message_id

    async def _delete(self, request: Request) -> None:
        chat_id = request.actor.chat_id
        try:
            await self.bot.delete_message(chat_id, request.message_id)
        except TelegramError as error:
            log.warning("a code could not be deleted from the chat", chat=chat_id, why=type(error).__name__)


def _digits(text: str) -> str:
    return clean(text).replace(" ", "")


def _markup(buttons: Buttons) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(one.label, callback_data=one.data) for one in row] for row in buttons]
    return InlineKeyboardMarkup(rows) if rows else None
