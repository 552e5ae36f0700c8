"""A letter from the outbox becomes a Telegram message, and Telegram's answer one of four outcomes."""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import httpx
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError

from bot.chat.cards import Frame, external_push, fill_push, order_card, state_push
from bot.chat.talk import Key, Keys, Reply
from bot.chat.text import reason, say
from bot.orders.model import Order

LONGEST = 4000
"""Characters of text; Telegram takes 4,096 after its own reckoning."""


@dataclass(frozen=True)
class Delivered:
    """It stands in the chat."""

    message_id: int | None


@dataclass(frozen=True)
class Held:
    """It was certainly not delivered: try again, not before `seconds` from now if Telegram said so."""

    seconds: float | None
    why: str


@dataclass(frozen=True)
class Unsure:
    """It may have been delivered."""

    why: str


@dataclass(frozen=True)
class Undeliverable:
    """The chat will not have it, now or later."""

    why: str


Outcome = Delivered | Held | Unsure | Undeliverable


class Letter(Protocol):
    """A row of the outbox."""

    @property
    def chat_id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def order_id(self) -> int | None: ...
    @property
    def resent(self) -> bool: ...


class Messenger:
    """Renders and sends. An edit may be repeated freely; a new message may not."""

    def __init__(
        self,
        bot: Bot,
        *,
        order: Callable[[int], Order | None],
        card_message: Callable[[int], int | None],
        frame: Frame,
    ) -> None:
        self._bot = bot
        self._order = order
        self._card_message = card_message
        self._frame = frame

    async def deliver(self, letter: Letter) -> Outcome:
        """Send one letter and say what became of it; never raises for Telegram's faults."""
        reply = self._render(letter)
        if reply is None:
            return Undeliverable("nothing to say")
        edits = self._edits(letter)
        try:
            if edits is not None:
                return await self._edit(letter.chat_id, edits, reply)
            return await self._send(letter, reply)
        except TelegramError as error:
            return _outcome(error, edit=edits is not None)

    async def reachable(self) -> bool:
        """Whether Telegram answers at all, asked by a call that changes nothing."""
        try:
            await self._bot.get_me()
        except TelegramError:
            return False
        return True

    def _render(self, letter: Letter) -> Reply | None:
        data = letter.data
        if letter.kind in {"reply", "edit"}:
            return Reply(str(data["text"]), _keys(data.get("keys", ())))
        if letter.kind == "trouble":
            return Reply(f"⚠️ {reason(str(data['code']), {}, self._frame.lang)} {self._frame.badge}")
        if letter.kind == "external_fill":
            return external_push(data, self._frame)
        order = self._order(letter.order_id) if letter.order_id is not None else None
        if order is None:
            return None
        if letter.kind == "card":
            return order_card(order, data, self._frame)
        if letter.kind == "fill":
            return fill_push(order, data, self._frame)
        return state_push(letter.kind, order, data, self._frame)

    def _edits(self, letter: Letter) -> int | None:
        """The message this letter brings up to date, or None when it is a message of its own."""
        if letter.kind == "edit":
            return int(letter.data["message_id"])
        if letter.kind == "card" and letter.order_id is not None:
            return self._card_message(letter.order_id)
        return None

    async def _send(self, letter: Letter, reply: Reply) -> Outcome:
        text = reply.text
        if letter.resent:
            text += "\n" + say(self._frame.lang, "<i>(재전송일 수 있음)</i>", "<i>(may be a repeat)</i>")
        sent = await self._with_fallback(
            lambda body, mode: self._bot.send_message(
                letter.chat_id,
                body,
                parse_mode=mode,
                reply_markup=_markup(reply.keys),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            ),
            text,
        )
        return Delivered(sent.message_id)

    async def _edit(self, chat_id: int, message_id: int, reply: Reply) -> Outcome:
        try:
            await self._with_fallback(
                lambda body, mode: self._bot.edit_message_text(
                    body,
                    chat_id=chat_id,
                    message_id=message_id,
                    parse_mode=mode,
                    reply_markup=_markup(reply.keys),
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                ),
                reply.text,
            )
        except BadRequest as error:
            if "not modified" not in error.message.lower():
                raise
        return Delivered(message_id)

    async def _with_fallback(self, send: Callable[[str, str | None], Any], text: str) -> Any:
        """As HTML; and if Telegram cannot read our HTML, as plain text rather than not at all."""
        try:
            return await send(_fit(text), ParseMode.HTML)
        except BadRequest as error:
            if "parse entities" not in error.message.lower():
                raise
            return await send(html.unescape(re.sub(r"<[^>]*>", "", text))[:LONGEST], None)


def _fit(text: str) -> str:
    """Whole lines up to Telegram's limit, so that no tag is cut in two."""
    if len(text) <= LONGEST:
        return text
    lines, used = [], 0
    for line in text.split("\n"):
        used += len(line) + 1
        if used > LONGEST:
            break
        lines.append(line)
    return "\n".join([*lines, "…"])


def seconds_to_wait(error: RetryAfter) -> float:
    """How long Telegram asks to be left alone; the library says it in one of two types."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def _outcome(error: TelegramError, *, edit: bool) -> Outcome:
    why = type(error).__name__
    if isinstance(error, RetryAfter):
        return Held(seconds_to_wait(error), why)
    if isinstance(error, Forbidden | BadRequest):
        return Undeliverable(f"{why}: {error.message}"[:120])
    never_left = isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    if never_left or edit or not isinstance(error, NetworkError):
        return Held(None, why)
    return Unsure(why)


def _keys(rows: Any) -> Keys:
    return tuple(tuple(Key(str(label), str(data)) for label, data in row) for row in rows)


def _markup(keys: Keys) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(one.label, callback_data=one.data) for one in row] for row in keys if row]
    return InlineKeyboardMarkup(rows) if rows else None
