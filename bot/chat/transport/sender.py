"""Sends messages of the outbox to Telegram; its answer becomes one of five outcomes."""

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputMediaPhoto, LinkPreviewOptions, Message
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, NetworkError, RetryAfter, TelegramError

from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, use_language
from bot.chat.messages.registry import CAPTIONS, render
from bot.chat.ports import OutboxMessage
from bot.chat.types import Buttons, Reply
from bot.orders.model.order import Order

MAX_TEXT_UNITS = 4000
"""UTF-16 units of text with its tags; Telegram takes 4,096 without them."""
MAX_CAPTION_UNITS = 1000
"""The same of what stands under a picture, where Telegram takes 1,024."""
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
Sent = TypeVar("Sent")


@dataclass(frozen=True)
class Delivered:
    """It stands in the chat."""

    message_id: int | None


@dataclass(frozen=True)
class RetryLater:
    """It was certainly not delivered: try again, not before `seconds` from now if Telegram said so."""

    seconds: float | None
    why: str


@dataclass(frozen=True)
class MaybeDelivered:
    """It may have been delivered."""

    why: str


@dataclass(frozen=True)
class Undeliverable:
    """The chat will not have this message, now or later."""

    why: str


@dataclass(frozen=True)
class ChatBlocked:
    """The chat will have nothing of ours until its person lets us in again; certainly not delivered."""

    why: str


Outcome = Delivered | RetryLater | MaybeDelivered | Undeliverable | ChatBlocked


@dataclass(frozen=True)
class MessageSender:
    """Renders and sends. An edit may be repeated freely; a new message may not."""

    bot: Bot
    order: Callable[[int], Order | None]
    card_message: Callable[[int, int], int | None]
    draw: Callable[[Mapping[str, Any]], Awaitable[bytes | None]]
    """The picture of a chart's facts, or None where there can be none."""
    frame: Frame
    lang_of: Callable[[int], Lang | None]
    """The language of whoever reads in a chat, None for the settings' own."""

    async def deliver(self, message: OutboxMessage) -> Outcome:
        """Send one message and say what became of it; never raises for Telegram's faults."""
        with use_language(self.lang_of(message.chat_id)):
            return await self._deliver(message)

    async def _deliver(self, message: OutboxMessage) -> Outcome:
        edits = self._edits(message)
        try:
            caption = CAPTIONS.get(message.kind)
            picture = await self.draw(message.data) if caption is not None else None
            rendered = caption if caption is not None and picture is not None else render
            reply = rendered(message, self.order, self.frame)
            if reply is None:
                return Undeliverable("nothing to say")
            if edits is None:
                return await self._send(message, picture, reply)
            return await self._edit(message, edits, picture, reply)
        except TelegramError as error:
            return _outcome(error, edit=edits is not None)

    async def reachable(self) -> bool:
        """Whether Telegram answers at all, asked by a call that changes nothing."""
        try:
            await self.bot.get_me()
        except TelegramError:
            return False
        return True

    def _edits(self, message: OutboxMessage) -> int | None:
        """The message this message brings up to date, or None when it is a message of its own."""
        if message.in_place:
            return int(message.data["message_id"])
        if message.kind == "card" and message.order_id is not None:
            return self.card_message(message.order_id, message.chat_id)
        return None

    def _labelled(self, message: OutboxMessage, text: str, longest: int) -> str:
        """The text, and below it that it may be a repeat, if it may."""
        if not message.resent or message.lists:  # these say what they are
            return text
        label = self.frame.text("<i>(may be a repeat)</i>")
        return f"{_fit(text, longest - len(label) - 1)}\n{label}"

    async def _send(self, message: OutboxMessage, picture: bytes | None, reply: Reply) -> Outcome:
        longest = MAX_TEXT_UNITS if picture is None else MAX_CAPTION_UNITS

        async def send(body: str, mode: str | None) -> Message:
            how: dict[str, Any] = {
                "parse_mode": mode,
                "reply_markup": _markup(reply.buttons),
                "disable_notification": message.silent or None,
            }
            if picture is not None:
                return await self.bot.send_photo(message.chat_id, picture, caption=body, **how)
            return await self.bot.send_message(message.chat_id, body, link_preview_options=NO_PREVIEW, **how)

        sent = await self._with_fallback(send, self._labelled(message, reply.text, longest), longest)
        return Delivered(sent.message_id)

    async def _edit(self, message: OutboxMessage, message_id: int, picture: bytes | None, reply: Reply) -> Outcome:
        """Bring a message up to date; one that is so already counts as well."""
        captioned = message.kind in CAPTIONS

        async def edit(body: str, mode: str | None) -> object:
            where: dict[str, Any] = {
                "chat_id": message.chat_id,
                "message_id": message_id,
                "reply_markup": _markup(reply.buttons),
            }
            if picture is not None:
                return await self.bot.edit_message_media(
                    InputMediaPhoto(picture, caption=body, parse_mode=mode), **where
                )
            if captioned:
                return await self.bot.edit_message_caption(caption=body, parse_mode=mode, **where)
            return await self.bot.edit_message_text(body, parse_mode=mode, link_preview_options=NO_PREVIEW, **where)

        try:
            await self._with_fallback(edit, reply.text, MAX_CAPTION_UNITS if captioned else MAX_TEXT_UNITS)
        except BadRequest as error:
            if "not modified" not in error.message.lower():
                raise
        return Delivered(message_id)

    async def _with_fallback(self, send: Callable[[str, str | None], Awaitable[Sent]], text: str, longest: int) -> Sent:
        """As HTML; and if Telegram cannot read our HTML, as plain text rather than not at all."""
        try:
            return await send(_fit(text, longest), ParseMode.HTML)
        except BadRequest as error:
            if "parse entities" not in error.message.lower():
                raise
            return await send(_cut(_plain(text), longest), None)


def _fit(text: str, longest: int = MAX_TEXT_UNITS) -> str:
    """Whole lines up to Telegram's limit, so that no tag is cut in two; a first line that is too long loses its tags."""
    if _units(text) <= longest:
        return text
    lines, used = [], 2
    for line in text.split("\n"):
        used += _units(line) + 1
        if used > longest:
            break
        lines.append(line)
    if not lines:
        return _short(_plain(text), longest)
    return "\n".join([*lines, "…"])


def _short(words: str, longest: int) -> str:
    """As much of the words as fits once they are escaped."""
    words = _cut(words, longest)
    while _units(escaped := f"{html.escape(words, quote=False)}…") > longest:
        words = words[: len(words) * 9 // 10]
    return escaped


def _cut(words: str, longest: int) -> str:
    """At most so many UTF-16 units, no character cut in two."""
    return words.encode("utf-16-le", "replace")[: 2 * longest].decode("utf-16-le", "ignore")


def _units(text: str) -> int:
    """Telegram's measure of length: UTF-16 units."""
    return len(text) + sum(one > "\uffff" for one in text)


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def seconds_to_wait(error: RetryAfter) -> float:
    """How long Telegram asks to be left alone; the library says it in one of two types."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def _outcome(error: TelegramError, *, edit: bool) -> Outcome:
    why = type(error).__name__
    if isinstance(error, RetryAfter):
        return RetryLater(seconds_to_wait(error), why)
    if isinstance(error, Forbidden | ChatMigrated) or "chat not found" in error.message.lower():
        return ChatBlocked(f"{why}: {error.message}"[:120])
    if isinstance(error, BadRequest):
        return Undeliverable(f"{why}: {error.message}"[:120])
    never_left = isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    if never_left or edit or not isinstance(error, NetworkError):
        return RetryLater(None, why)
    return MaybeDelivered(why)


def _markup(keys: Buttons) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(one.label, callback_data=one.data) for one in row] for row in keys if row]
    return InlineKeyboardMarkup(rows) if rows else None
