"""The chats: the people, the messages of each chat, and how a message is shown to the bot and to the page."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.demo.feed import Feed
    from bot.demo.formatting import Formatted

MAX_MESSAGES = 2000
"""How many messages a chat holds before the oldest go."""
_MAX_REVISIONS = 5000  # past states of messages, for a wait for one that has since been edited

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class ChatUser:
    """Somebody with a private chat with the bot.

    Attributes:
        id: Telegram's numeric user id; a private chat has the same number.
        name: the first name the bot sees.
        role: a caption on the page ("관리자", "매매자", "낯선 사람"); the bot never sees it.
    """

    id: int
    name: str
    role: str

    @property
    def user(self) -> dict[str, Any]:
        """The Bot API's User."""
        return {"id": self.id, "is_bot": False, "first_name": self.name, "language_code": "ko"}

    @property
    def chat(self) -> dict[str, Any]:
        """The Bot API's Chat."""
        return {"id": self.id, "type": "private", "first_name": self.name}


@dataclass(frozen=True)
class InlineButton:
    """An inline button: what it says and its callback_data ("" for a link)."""

    text: str
    data: str = ""
    url: str = ""
    style: str = ""


@dataclass(frozen=True)
class File:
    """A picture or a document the bot sent."""

    file_id: str
    kind: str
    name: str
    media_type: str
    data: bytes = field(repr=False)
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class ChatMessage:
    """A message as it stood at `revision`.

    Attributes:
        sender: "bot" or "user".
        text: plain text (a picture's caption), formatting parsed away.
        html: the text as the bot wrote it; for anything sent without a parse mode the plain text.
        date: when it was sent, KST.
    """

    message_id: int
    sender: str
    text: str
    html: str
    buttons: list[list[InlineButton]]
    edited: bool
    date: datetime
    revision: int
    chat_id: int = 0
    file: File | None = None
    reply_to: int | None = None


@dataclass
class Message:
    """A message that may still be edited."""

    message_id: int
    chat_id: int
    sender: dict[str, Any]
    date: datetime
    body: Formatted
    html: str
    markup: dict[str, Any] | None = None
    file: File | None = None
    reply_to: int | None = None
    edited_at: datetime | None = None
    revision: int = 0

    @property
    def from_bot(self) -> bool:
        """Whether the bot wrote it."""
        return bool(self.sender["is_bot"])

    @property
    def buttons(self) -> list[list[InlineButton]]:
        """The inline keyboard, empty where there is none."""
        rows = (self.markup or {}).get("inline_keyboard", [])
        return [
            [
                InlineButton(one["text"], one.get("callback_data", ""), one.get("url", ""), one.get("style", ""))
                for one in row
            ]
            for row in rows
        ]

    def as_seen(self) -> ChatMessage:
        """Return the message as it stands now."""
        return ChatMessage(
            self.message_id,
            "bot" if self.from_bot else "user",
            self.body.text,
            self.html,
            self.buttons,
            self.edited_at is not None,
            self.date,
            self.revision,
            self.chat_id,
            self.file,
            self.reply_to,
        )

    def for_page(self) -> dict[str, Any]:
        """What the page needs to draw it: text and entities, never markup."""
        picture = document = None
        if self.file is not None:
            address = f"/file/{self.file.file_id}"
            if self.file.kind == "photo":
                picture = {"url": address, "width": self.file.width, "height": self.file.height}
            else:
                document = {"url": address, "name": self.file.name, "size": len(self.file.data)}
        return {
            "id": self.message_id,
            "mine": not self.from_bot,
            "text": self.body.text,
            "entities": list(self.body.entities),
            "buttons": [
                [{"text": b.text, "data": b.data, "url": b.url, "style": b.style} for b in row] for row in self.buttons
            ],
            "reply_keyboard": {key: value for key, value in (self.markup or {}).items() if key != "inline_keyboard"},
            "edited": self.edited_at is not None,
            "date": self.date.isoformat(),
            "revision": self.revision,
            "reply_to": self.reply_to,
            "photo": picture,
            "document": document,
        }


class Chats:
    """Every chat the bot can write to, with its messages."""

    def __init__(self, people: Sequence[ChatUser], clock: Clock, feed: Feed, max_messages: int = MAX_MESSAGES) -> None:
        self._max_messages = max_messages
        self.people = {person.id: person for person in people}
        self.known: dict[int, dict[str, Any]] = {person.id: person.chat for person in people}
        self.files: dict[str, File] = {}
        self._clock = clock
        self._feed = feed
        self._messages: dict[int, Message] = {}
        self._order: dict[int, deque[int]] = {}
        self._revisions: deque[ChatMessage] = deque(maxlen=_MAX_REVISIONS)
        self._next_id = 1

    def person(self, person_id: int) -> ChatUser:
        """Find a person, or say who there is."""
        try:
            return self.people[person_id]
        except KeyError:
            known = ", ".join(f"{p.id} ({p.name})" for p in self.people.values())
            raise LookupError(f"nobody has the id {person_id}; there are {known}") from None

    def get(self, message_id: int) -> Message | None:
        """Find a message in whichever chat it stands."""
        return self._messages.get(message_id)

    def find(self, chat_id: int, message_id: int) -> Message | None:
        """Find a message of one chat."""
        message = self._messages.get(message_id)
        return message if message is not None and message.chat_id == chat_id else None

    def messages(self, chat_id: int) -> list[Message]:
        """Every message of a chat, oldest first."""
        return [self._messages[number] for number in self._order.get(chat_id, ())]

    def revisions(self, chat_id: int, after: int) -> list[ChatMessage]:
        """Every state of a chat's messages after a revision, also those edited since; newest first."""
        return [seen for seen in reversed(self._revisions) if seen.chat_id == chat_id and seen.revision > after]

    def add(
        self,
        chat_id: int,
        sender: dict[str, Any],
        body: Formatted,
        *,
        html: str | None = None,
        markup: dict[str, Any] | None = None,
        file: File | None = None,
        reply_to: int | None = None,
        message_id: int | None = None,
    ) -> Message:
        """Put a new message at the end of a chat. Ids grow across all chats, as a real bot sees them."""
        if message_id is None:
            message_id = self._next_id
        self._next_id = max(self._next_id, message_id + 1)
        message = Message(
            message_id,
            chat_id,
            sender,
            self._clock(),
            body,
            body.text if html is None else html,
            markup,
            file,
            reply_to,
        )
        self._messages[message_id] = message
        order = self._order.setdefault(chat_id, deque())
        order.append(message_id)
        if file is not None:
            self.files[file.file_id] = file
        if len(order) > self._max_messages:
            self._drop(order.popleft())
        self._publish(message)
        return message

    def edited(self, message: Message) -> None:
        """Mark a message as edited now, and publish it."""
        message.edited_at = self._clock()
        self._publish(message)

    def replace_file(self, message: Message, file: File) -> None:
        """Put another picture in a message; the old one is dropped unless another message shows it."""
        before, message.file = message.file, file
        self.files[file.file_id] = file
        self._drop_file(before)

    def markup_changed(self, message: Message) -> None:
        """Publish that a message has another keyboard; that alone shows no "edited" mark."""
        self._publish(message)

    def delete(self, message: Message) -> None:
        """Take a message out of its chat."""
        self._order[message.chat_id].remove(message.message_id)
        self._drop(message.message_id)
        self._feed.advance()
        self._feed.publish("deleted", chat=message.chat_id, id=message.message_id)

    def json(self, message: Message, *, nested: bool = False) -> dict[str, Any]:
        """The Bot API's Message."""
        message_json: dict[str, Any] = {
            "message_id": message.message_id,
            "from": message.sender,
            "chat": self.known[message.chat_id],
            "date": int(message.date.timestamp()),
        }
        entities = list(message.body.entities)
        if message.file is None:
            message_json["text"] = message.body.text
            if entities:
                message_json["entities"] = entities
        else:
            message_json[message.file.kind] = _file_json(message.file)
            if message.body.text:
                message_json["caption"] = message.body.text
            if entities:
                message_json["caption_entities"] = entities
        if message.edited_at is not None:
            message_json["edit_date"] = int(message.edited_at.timestamp())
        if message.markup and "inline_keyboard" in message.markup:
            message_json["reply_markup"] = message.markup
        original = self.find(message.chat_id, message.reply_to) if message.reply_to and not nested else None
        if original is not None:
            message_json["reply_to_message"] = self.json(original, nested=True)
        return message_json

    def _publish(self, message: Message) -> None:
        message.revision = self._feed.advance()
        self._revisions.append(message.as_seen())
        self._feed.publish("message", chat=message.chat_id, message=message.for_page())

    def _drop(self, message_id: int) -> None:
        self._drop_file(self._messages.pop(message_id).file)

    def _drop_file(self, file: File | None) -> None:
        if file is not None and not any(message.file is file for message in self._messages.values()):
            self.files.pop(file.file_id, None)


def _file_json(file: File) -> Any:
    if file.kind == "photo":
        return [
            {
                "file_id": file.file_id,
                "file_unique_id": file.file_id[-16:],
                "width": file.width,
                "height": file.height,
                "file_size": len(file.data),
            }
        ]
    return {
        "file_id": file.file_id,
        "file_unique_id": file.file_id[-16:],
        "file_name": file.name,
        "mime_type": file.media_type,
        "file_size": len(file.data),
    }
