"""A letter from the outbox becomes a Telegram message, and Telegram's answer one of five outcomes."""

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputMediaPhoto, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, NetworkError, RetryAfter, TelegramError

from bot.chat.i18n.catalogue import reason, say
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, speaking
from bot.chat.messages.chart_messages import chart_caption, chart_in_words
from bot.chat.messages.delivery_digest import bundle_push, counted, notice_line, notices, roundup, stopped_push
from bot.chat.messages.fills import external_push, fill_push, state_push
from bot.chat.messages.members import keyless
from bot.chat.messages.order_card import order_card
from bot.chat.messages.system import news_push
from bot.chat.messages.watchlist_messages import look_push
from bot.chat.ports import OutboxMessage
from bot.chat.types import Button, Buttons, Reply
from bot.orders.model.order import Order

_FROM_FACTS: dict[str, Callable[[Mapping[str, Any], Frame], Reply | None]] = {
    "stopped": stopped_push,
    "external_fill": external_push,
    "look": look_push,
}
LONGEST = 4000
"""UTF-16 units of text with its tags; Telegram takes 4,096 without them."""
LONGEST_CAPTION = 1000
"""The same of what stands under a picture, where Telegram takes 1,024."""


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


class MessageSender:
    """Renders and sends. An edit may be repeated freely; a new message may not."""

    def __init__(
        self,
        bot: Bot,
        *,
        order: Callable[[int], Order | None],
        card_message: Callable[[int, int], int | None],
        draw: Callable[[Mapping[str, Any]], Awaitable[bytes | None]],
        frame: Frame,
        lang_of: Callable[[int], Lang | None] = lambda _: None,
    ) -> None:
        """`draw`: the picture of a chart's facts, or None where there can be none.

        `lang_of`: the language of whoever reads in a chat, None for the house's.
        """
        self._lang_of = lang_of
        self._bot = bot
        self._order = order
        self._card_message = card_message
        self._draw = draw
        self._frame = frame

    async def deliver(self, letter: OutboxMessage) -> Outcome:
        """Send one letter and say what became of it; never raises for Telegram's faults."""
        with speaking(self._lang_of(letter.chat_id)):
            return await self._deliver(letter)

    async def _deliver(self, letter: OutboxMessage) -> Outcome:
        edits = self._edits(letter)
        try:
            if letter.kind in {"chart", "chart_edit"}:
                return await self._chart(letter, edits)
            reply = self._render(letter)
            if reply is None:
                return Undeliverable("nothing to say")
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

    def _render(self, letter: OutboxMessage) -> Reply | None:
        data, frame = letter.data, self._frame
        if letter.kind in {"reply", "edit"}:
            return Reply(str(data["text"]), _keys(data.get("keys", ())))
        if letter.kind in {"digest", "roundup"}:
            return self._list(letter) if letter.parts else None
        if letter.kind in _FROM_FACTS:
            return _FROM_FACTS[letter.kind](data, frame)
        order = self._order(letter.order_id) if letter.order_id is not None else None
        if letter.kind == "card":
            return None if order is None else order_card(order, data, frame)
        if order is None or letter.kind == "trouble":
            return self._without_order(letter)
        if letter.kind in {"fill", "group_fill"}:
            fills = [one.data for one in letter.parts]
            told = bundle_push(order, fills, frame) if fills else fill_push(order, data, frame)
            return keyless(told) if letter.kind == "group_fill" else told
        return state_push(letter.kind, order, data, frame)

    def _list(self, letter: OutboxMessage) -> Reply:
        if letter.kind == "digest":
            return notices(letter.parts, self._order, self._frame)
        return roundup(letter.parts, int(letter.data["count"]), self._order, self._frame)

    def _without_order(self, letter: OutboxMessage) -> Reply:
        """News about the bot itself; of what nobody wrote words for, the bare facts."""
        news = news_push(letter.kind, letter.data, self._frame)
        if news is not None:
            return news
        if "code" in letter.data:
            words = reason(str(letter.data["code"]), letter.data.get("values") or {}, self._frame.lang)
        else:
            words = notice_line(letter, None, self._frame)
        return Reply(f"⚠️ {words}{counted(letter, self._frame)} {self._frame.badge}")

    def _edits(self, letter: OutboxMessage) -> int | None:
        """The message this letter brings up to date, or None when it is a message of its own."""
        if letter.kind in {"edit", "look", "chart_edit"}:
            return int(letter.data["message_id"])
        if letter.kind == "card" and letter.order_id is not None:
            return self._card_message(letter.order_id, letter.chat_id)
        return None

    def _labelled(self, letter: OutboxMessage, text: str, longest: int = LONGEST) -> str:
        """The text, and below it that it may be a repeat, if it may."""
        if not letter.resent or letter.kind in {"digest", "roundup"}:  # these say what they are
            return text
        label = say(self._frame.lang, "<i>(재전송일 수 있음)</i>", "<i>(may be a repeat)</i>")
        return f"{_fit(text, longest - len(label) - 1)}\n{label}"

    async def _send(self, letter: OutboxMessage, reply: Reply) -> Outcome:
        sent = await self._with_fallback(
            lambda body, mode: self._bot.send_message(
                letter.chat_id,
                body,
                parse_mode=mode,
                reply_markup=_markup(reply.buttons),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                disable_notification=letter.silent or None,
            ),
            self._labelled(letter, reply.text),
        )
        return Delivered(sent.message_id)

    async def _chart(self, letter: OutboxMessage, edits: int | None) -> Outcome:
        """A picture with its caption, or the figures alone if it cannot be drawn."""
        picture = await self._draw(letter.data)
        if edits is not None:
            return await self._edit_chart(letter, edits, picture)
        if picture is None:
            return await self._send(letter, chart_in_words(letter.data, self._frame))
        reply = chart_caption(letter.data, self._frame)
        sent = await self._with_fallback(
            lambda body, mode: self._bot.send_photo(
                letter.chat_id,
                picture,
                caption=body,
                parse_mode=mode,
                reply_markup=_markup(reply.buttons),
                disable_notification=letter.silent or None,
            ),
            self._labelled(letter, reply.text, LONGEST_CAPTION),
            LONGEST_CAPTION,
        )
        return Delivered(sent.message_id)

    async def _edit_chart(self, letter: OutboxMessage, message_id: int, picture: bytes | None) -> Outcome:
        where: dict[str, Any] = {"chat_id": letter.chat_id, "message_id": message_id}
        if picture is None:
            reply = chart_in_words(letter.data, self._frame, old_above=True)
        else:
            reply = chart_caption(letter.data, self._frame)

        async def edit(body: str, mode: str | None) -> object:
            markup = _markup(reply.buttons)
            if picture is None:
                return await self._bot.edit_message_caption(caption=body, parse_mode=mode, reply_markup=markup, **where)
            media = InputMediaPhoto(picture, caption=body, parse_mode=mode)
            return await self._bot.edit_message_media(media, reply_markup=markup, **where)

        return await self._in_place(message_id, edit, reply.text, LONGEST_CAPTION)

    async def _edit(self, chat_id: int, message_id: int, reply: Reply) -> Outcome:
        return await self._in_place(
            message_id,
            lambda body, mode: self._bot.edit_message_text(
                body,
                chat_id=chat_id,
                message_id=message_id,
                parse_mode=mode,
                reply_markup=_markup(reply.buttons),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            ),
            reply.text,
        )

    async def _in_place(
        self,
        message_id: int,
        edit: Callable[[str, str | None], Any],
        text: str,
        longest: int = LONGEST,
    ) -> Outcome:
        """Bring a message up to date; one that is so already counts as well."""
        try:
            await self._with_fallback(edit, text, longest)
        except BadRequest as error:
            if "not modified" not in error.message.lower():
                raise
        return Delivered(message_id)

    async def _with_fallback(self, send: Callable[[str, str | None], Any], text: str, longest: int = LONGEST) -> Any:
        """As HTML; and if Telegram cannot read our HTML, as plain text rather than not at all."""
        try:
            return await send(_fit(text, longest), ParseMode.HTML)
        except BadRequest as error:
            if "parse entities" not in error.message.lower():
                raise
            return await send(_cut(_plain(text), longest), None)


def _fit(text: str, longest: int = LONGEST) -> str:
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


def _keys(rows: Any) -> Buttons:
    return tuple(tuple(Button(str(label), str(data)) for label, data in row) for row in rows)


def _markup(keys: Buttons) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(one.label, callback_data=one.data) for one in row] for row in keys if row]
    return InlineKeyboardMarkup(rows) if rows else None
