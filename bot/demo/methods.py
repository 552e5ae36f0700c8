"""The Bot API's methods, as far as a bot with messages, buttons, photos and documents calls them.

Source: Telegram Bot API. Descriptions of refusals are Telegram's own, because client libraries read
them.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from bot.demo import formatting
from bot.demo.chats import ChatMessage, Chats, Feed, File
from bot.demo.formatting import CannotParse, Formatted
from bot.demo.parameters import MethodRefused, Parameters, Upload, bad_request
from bot.demo.profile import Profile
from bot.demo.updates import Taps, Updates

_TEXT_LIMIT = 4096  # UTF-16 units after parsing
_CAPTION_LIMIT = 1024
_ANSWER_LIMIT = 200
_PHOTO_LIMIT = 10 * 1024 * 1024  # bytes
_MAX_PHOTO_SIDES = 10_000  # pixels, width and height together
_MAX_POLL = 50  # seconds
_MAX_UPDATES = 100  # in one answer
_DATA_LIMIT = 64  # bytes of callback_data
_BUTTON_LIMIT = 100  # of one keyboard
_OTHER_MARKUPS = ("keyboard", "remove_keyboard", "force_reply")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # in the range of a JPEG's frame headers, but tables or reserved

Method = Callable[[Parameters], Awaitable[Any]]


class Methods:
    """The methods by lower-case name; each works on the chats, the updates or the bot's profile."""

    def __init__(self, profile: Profile, chats: Chats, updates: Updates, taps: Taps, feed: Feed) -> None:
        self._profile = profile
        self._chats = chats
        self._updates = updates
        self._taps = taps
        self._feed = feed
        self.by_name: dict[str, Method] = {
            "getupdates": self._get_updates,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._get_webhook_info,
            "sendmessage": self._send_message,
            "sendphoto": self._send_photo,
            "senddocument": self._send_document,
            "sendchataction": self._send_chat_action,
            "editmessagetext": self._edit_message_text,
            "editmessagecaption": self._edit_message_caption,
            "editmessagemedia": self._edit_message_media,
            "editmessagereplymarkup": self._edit_message_reply_markup,
            "deletemessage": self._delete_message,
            "leavechat": self._leave_chat,
            "answercallbackquery": self._answer_callback_query,
            **profile.methods(),
        }

    async def _get_updates(self, call: Parameters) -> list[dict[str, Any]]:
        kinds = call.nested("allowed_updates")
        if isinstance(kinds, list):
            self._updates.allow(kinds)
        limit = min(max(call.integer("limit") or _MAX_UPDATES, 1), _MAX_UPDATES)
        timeout = min(call.integer("timeout"), _MAX_POLL)
        return await self._updates.read(call.integer("offset"), limit, timeout)

    async def _delete_webhook(self, call: Parameters) -> bool:
        if call.flag("drop_pending_updates"):
            self._updates.forget_all()
        return True

    async def _get_webhook_info(self, _call: Parameters) -> dict[str, Any]:
        return {"url": "", "has_custom_certificate": False, "pending_update_count": len(self._updates)}

    async def _send_message(self, call: Parameters) -> dict[str, Any]:
        return self._sent(call, *_text(call))

    async def _send_photo(self, call: Parameters) -> dict[str, Any]:
        photo = _photo(self._file(call, "photo"))
        return self._sent(call, *_caption(call), photo)

    async def _send_document(self, call: Parameters) -> dict[str, Any]:
        sent = self._file(call, "document")
        if isinstance(sent, Upload):
            sent = File(_file_id("document"), "document", sent.name, sent.media_type, sent.data)
        return self._sent(call, *_caption(call), sent)

    async def _send_chat_action(self, call: Parameters) -> bool:
        chat_id = self._chat(call)
        action = call.text("action")
        if not action:
            raise bad_request("wrong parameter action in request")
        self._feed.publish("action", chat=chat_id, action=action)
        return True

    async def _edit_message_text(self, call: Parameters) -> dict[str, Any]:
        message = self._own_message(call)
        if message.file is not None:
            raise bad_request("there is no text in the message to edit")
        return self._edited(call, message, *_text(call))

    async def _edit_message_caption(self, call: Parameters) -> dict[str, Any]:
        message = self._own_message(call)
        if message.file is None:
            raise bad_request("there is no caption in the message to edit")
        return self._edited(call, message, *_caption(call))

    async def _edit_message_media(self, call: Parameters) -> dict[str, Any]:
        """Only photos can be put in place of a photo here; Telegram knows other media, too."""
        message = self._own_message(call)
        media = call.opened("media")
        if media.text("type") != "photo":
            raise bad_request("can't parse InputMedia: type must be photo")
        photo = _photo(self._file(media, "photo", "media"))
        return self._edited(call, message, *_caption(media), file=photo)

    async def _edit_message_reply_markup(self, call: Parameters) -> dict[str, Any]:
        message = self._own_message(call)
        markup = _markup(call)
        if markup == message.markup:
            raise _not_modified()
        return self._chats.json(self._chats.change_markup(message, markup))

    async def _delete_message(self, call: Parameters) -> bool:
        message = self._chats.find(self._chat(call), call.integer("message_id"))
        if message is None:
            raise bad_request("message to delete not found")
        self._chats.delete(message)
        return True

    async def _leave_chat(self, call: Parameters) -> bool:
        chat_id = self._chat(call)
        if chat_id > 0:
            raise bad_request("chat member status can't be changed in private chats")
        del self._chats.known[chat_id]
        return True

    async def _answer_callback_query(self, call: Parameters) -> bool:
        text = call.text("text")
        if formatting.utf16_length(text) > _ANSWER_LIMIT:
            raise bad_request("MESSAGE_TOO_LONG")
        query_id = call.text("callback_query_id")
        if not self._taps.answer(query_id, text, show_alert=call.flag("show_alert")):
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        return True

    def _chat(self, call: Parameters) -> int:
        raw = call.text("chat_id").strip('"')
        if not raw:
            raise bad_request("chat_id is empty")
        try:
            chat_id = int(raw)
        except ValueError:
            raise bad_request("chat not found") from None
        if chat_id not in self._chats.known:
            raise bad_request("chat not found")
        return chat_id

    def _own_message(self, call: Parameters) -> ChatMessage:
        message = self._chats.find(self._chat(call), call.integer("message_id"))
        if message is None:
            raise bad_request("message to edit not found")
        if message.sender != "bot":
            raise bad_request("message can't be edited")
        return message

    def _sent(self, call: Parameters, body: Formatted, html: str, file: File | None = None) -> dict[str, Any]:
        chat_id = self._chat(call)
        message = self._chats.add(
            chat_id,
            self._profile.user,
            body,
            html=html,
            markup=_markup(call),
            file=file,
            reply_to=self._replied_to(call, chat_id),
        )
        return self._chats.json(message)

    def _edited(
        self, call: Parameters, message: ChatMessage, body: Formatted, html: str, *, file: File | None = None
    ) -> dict[str, Any]:
        markup = _markup(call)
        if markup is not None and "inline_keyboard" not in markup:
            raise bad_request("inline keyboard expected")
        if file in {None, message.file} and (body, markup) == (message.body, message.markup):
            raise _not_modified()
        changed = self._chats.edit(message, body=body, html=html, markup=markup, file=file or message.file)
        return self._chats.json(changed)

    def _replied_to(self, call: Parameters, chat_id: int) -> int | None:
        reply = call.nested("reply_parameters") or {}
        wanted = reply.get("message_id") if isinstance(reply, dict) else None
        wanted = wanted or call.integer("reply_to_message_id")
        if not wanted:
            return None
        if self._chats.find(chat_id, int(wanted)) is not None:
            return int(wanted)
        if reply.get("allow_sending_without_reply") or call.flag("allow_sending_without_reply"):
            return None
        raise bad_request("message to be replied not found")

    def _file(self, call: Parameters, kind: str, name: str = "") -> Upload | File:
        sent = call.file(name or kind)
        if isinstance(sent, Upload):
            if not sent.data:
                raise bad_request("file must be non-empty")
            return sent
        if not sent:
            raise bad_request(f"there is no {kind} in the request")
        file = self._chats.files.get(sent)
        if file is None or file.kind != kind:
            raise bad_request("wrong remote file identifier specified: can't unserialize it")
        return file


def _formatted(call: Parameters, text_name: str, entities_name: str) -> tuple[Formatted, str]:
    text = call.text(text_name)
    mode = call.text("parse_mode").lower()
    if mode == "html":
        try:
            return formatting.parse_html(text), text
        except CannotParse as error:
            raise bad_request(f"can't parse entities: {error}") from None
    if mode:
        raise bad_request("unsupported parse_mode")
    given = call.nested(entities_name)
    if isinstance(given, list) and given:
        return Formatted(text, tuple(given)), text
    return formatting.plain(text), text


def _text(call: Parameters) -> tuple[Formatted, str]:
    body, html = _formatted(call, "text", "entities")
    if not body.text:
        raise bad_request("message text is empty")
    if body.length > _TEXT_LIMIT:
        raise bad_request("message is too long")
    return body, html


def _caption(call: Parameters) -> tuple[Formatted, str]:
    body, html = _formatted(call, "caption", "caption_entities")
    if body.length > _CAPTION_LIMIT:
        raise bad_request("message caption is too long")
    return body, html


def _not_modified() -> MethodRefused:
    return bad_request(
        "message is not modified: specified new message content and reply markup are exactly the same"
        " as a current content and reply markup of the message"
    )


def _photo(sent: Upload | File) -> File:
    """An uploaded picture as Telegram stores it, or the one it stored before."""
    if isinstance(sent, File):
        return sent
    size = _size_of(sent.data)
    if size is None or len(sent.data) > _PHOTO_LIMIT:
        raise bad_request("IMAGE_PROCESS_FAILED")
    if not 1 < sum(size) <= _MAX_PHOTO_SIDES:
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    media_type = "image/png" if sent.data.startswith(_PNG) else "image/jpeg"
    return File(_file_id("photo"), "photo", sent.name, media_type, sent.data, *size)


def _file_id(kind: str) -> str:
    return f"{kind}-{secrets.token_urlsafe(24)}"


def _markup(call: Parameters) -> dict[str, Any] | None:
    """Return the keyboard if Telegram would take it; None for none or an empty inline keyboard."""
    markup = call.nested("reply_markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" not in markup:
        if not any(kind in markup for kind in _OTHER_MARKUPS):
            raise bad_request("can't parse reply markup: there is no keyboard in it")
        return markup
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    kept = [[_button(one) for one in row] for row in rows if row]
    if sum(map(len, kept)) > _BUTTON_LIMIT:
        raise bad_request("reply markup is too long")
    return {"inline_keyboard": kept} if kept else None


def _button(button: Any) -> dict[str, Any]:
    if not isinstance(button, dict):
        raise bad_request("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    text = button.get("text")
    if not isinstance(text, str) or not text.strip():
        raise bad_request("can't parse inline keyboard button: button text must be non-empty")
    if "callback_data" in button:
        data = button["callback_data"]
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= _DATA_LIMIT:
            raise bad_request("BUTTON_DATA_INVALID")
    elif "url" in button:
        if not str(button["url"]).startswith(("http://", "https://", "tg://")):
            raise bad_request("BUTTON_URL_INVALID")
    else:
        raise bad_request("BUTTON_TYPE_INVALID")
    return button


def _size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG or JPEG; None for anything else."""
    if data.startswith(_PNG) and len(data) >= len(_PNG) + 16:
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data.startswith(_JPEG):
        return _jpeg_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:  # noqa: PLR2004 - every JPEG marker starts so
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:  # noqa: PLR2004 - the frame headers SOF0-SOF15
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None
