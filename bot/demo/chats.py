"""The chats: people, messages, how a message is shown to the bot and to the page, and the feed of what happens."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from bot.demo.formatting import Formatted

MAX_MESSAGES = 2000
"""How many messages a chat holds before the oldest go."""
_MAX_REVISIONS = 5000  # past states of messages, for a wait for one that has since been edited
_MAX_BACKLOG = 2000  # events a page may fall behind before it has to load everything again

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
    """A message as it stood at `revision`."""

    message_id: int
    chat_id: int
    author: dict[str, Any]
    """The Bot API's User."""
    date: datetime
    """When it was sent, KST."""
    body: Formatted
    """The text or a picture's caption, formatting parsed away."""
    html: str
    """The text as the bot wrote it; for anything sent without a parse mode the plain text."""
    markup: dict[str, Any] | None = None
    file: File | None = None
    reply_to: int | None = None
    edited_at: datetime | None = None
    revision: int = 0

    @property
    def sender(self) -> str:
        """Who wrote it: "bot" or "user"."""
        return "bot" if self.author["is_bot"] else "user"

    @property
    def text(self) -> str:
        """The plain text."""
        return self.body.text

    @property
    def edited(self) -> bool:
        """Whether it shows as edited."""
        return self.edited_at is not None

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
            "mine": self.sender == "user",
            "text": self.text,
            "entities": list(self.body.entities),
            "buttons": [[asdict(button) for button in row] for row in self.buttons],
            "reply_keyboard": {key: value for key, value in (self.markup or {}).items() if key != "inline_keyboard"},
            "edited": self.edited,
            "date": self.date.isoformat(),
            "revision": self.revision,
            "reply_to": self.reply_to,
            "photo": picture,
            "document": document,
        }


class Feed:
    """Publishes events in order, each with a growing revision number, to pages and waiting tests."""

    def __init__(self) -> None:
        self.revision = 1  # so that 0 means "from the beginning"
        self._changed = asyncio.Event()
        self._pages: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def publish(self, kind: str, **values: Any) -> None:
        """Queue an event under the next revision for every page, and wake everyone who waits for a change."""
        self.revision += 1
        event = {"kind": kind, "revision": self.revision, **values}
        for page in list(self._pages):
            if page.full():
                self._end(page)
            else:
                page.put_nowait(event)
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Wait for the next event."""
        await self._changed.wait()

    def subscribe(self) -> asyncio.Queue[dict[str, Any] | None]:
        """Open a page's queue of events; None in it means the stream is over."""
        page: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_MAX_BACKLOG)
        self._pages.add(page)
        return page

    def unsubscribe(self, page: asyncio.Queue[dict[str, Any] | None]) -> None:
        """Forget a page that has gone."""
        self._pages.discard(page)

    def close(self) -> None:
        """End every page's stream, because the server stops."""
        for page in list(self._pages):
            self._end(page)

    def _end(self, page: asyncio.Queue[dict[str, Any] | None]) -> None:
        self._pages.discard(page)
        if page.full():
            page.get_nowait()
        page.put_nowait(None)


class Chats:
    """Every chat the bot can write to, with its messages."""

    def __init__(self, people: Sequence[ChatUser], clock: Clock, feed: Feed, max_messages: int) -> None:
        self._max_messages = max_messages
        self.people = {person.id: person for person in people}
        self.known: dict[int, dict[str, Any]] = {person.id: person.chat for person in people}
        self.files: dict[str, File] = {}
        self._clock = clock
        self._feed = feed
        self._messages: dict[int, ChatMessage] = {}
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

    def get(self, message_id: int) -> ChatMessage | None:
        """Find a message in whichever chat it stands."""
        return self._messages.get(message_id)

    def find(self, chat_id: int, message_id: int) -> ChatMessage | None:
        """Find a message of one chat."""
        message = self._messages.get(message_id)
        return message if message is not None and message.chat_id == chat_id else None

    def messages(self, chat_id: int) -> list[ChatMessage]:
        """Every message of a chat, oldest first."""
        return [self._messages[number] for number in self._order.get(chat_id, ())]

    def revisions(self, chat_id: int, after: int) -> list[ChatMessage]:
        """Every state of a chat's messages after a revision, also those edited since; newest first."""
        return [seen for seen in reversed(self._revisions) if seen.chat_id == chat_id and seen.revision > after]

    def add(
        self,
        chat_id: int,
        author: dict[str, Any],
        body: Formatted,
        *,
        html: str | None = None,
        markup: dict[str, Any] | None = None,
        file: File | None = None,
        reply_to: int | None = None,
        message_id: int | None = None,
    ) -> ChatMessage:
        """Put a new message at the end of a chat. Ids grow across all chats, as a real bot sees them."""
        if message_id is None:
            message_id = self._next_id
        self._next_id = max(self._next_id, message_id + 1)
        html = body.text if html is None else html
        message = ChatMessage(message_id, chat_id, author, self._clock(), body, html, markup, file, reply_to)
        order = self._order.setdefault(chat_id, deque())
        order.append(message_id)
        if len(order) > self._max_messages:
            self._drop(order.popleft())
        return self._publish(message)

    def edit(self, message: ChatMessage, **changes: Any) -> ChatMessage:
        """Change fields of a message, and mark it as edited now."""
        return self._change(message, edited_at=self._clock(), **changes)

    def change_markup(self, message: ChatMessage, markup: dict[str, Any] | None) -> ChatMessage:
        """Give a message another keyboard; that alone shows no "edited" mark."""
        return self._change(message, markup=markup)

    def delete(self, message: ChatMessage) -> None:
        """Take a message out of its chat."""
        self._order[message.chat_id].remove(message.message_id)
        self._drop(message.message_id)
        self._feed.publish("deleted", chat=message.chat_id, id=message.message_id)

    def json(self, message: ChatMessage, *, nested: bool = False) -> dict[str, Any]:
        """The Bot API's Message."""
        message_json: dict[str, Any] = {
            "message_id": message.message_id,
            "from": message.author,
            "chat": self.known[message.chat_id],
            "date": int(message.date.timestamp()),
        }
        entities = list(message.body.entities)
        if message.file is None:
            message_json["text"] = message.text
            if entities:
                message_json["entities"] = entities
        else:
            message_json[message.file.kind] = _file_json(message.file)
            if message.text:
                message_json["caption"] = message.text
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

    def _change(self, message: ChatMessage, **changes: Any) -> ChatMessage:
        changed = self._publish(replace(message, **changes))
        if changed.file is not message.file:
            self._drop_file(message.file)
        return changed

    def _publish(self, message: ChatMessage) -> ChatMessage:
        message = replace(message, revision=self._feed.revision + 1)  # that of the event it is published with
        self._messages[message.message_id] = message
        if message.file is not None:
            self.files[message.file.file_id] = message.file
        self._revisions.append(message)
        self._feed.publish("message", chat=message.chat_id, message=message.for_page())
        return message

    def _drop(self, message_id: int) -> None:
        self._drop_file(self._messages.pop(message_id).file)

    def _drop_file(self, file: File | None) -> None:
        """Forget a file, unless another message shows it."""
        if file is not None and not any(message.file is file for message in self._messages.values()):
            self.files.pop(file.file_id, None)


def _file_json(file: File) -> Any:
    common = {"file_id": file.file_id, "file_unique_id": file.file_id[-16:], "file_size": len(file.data)}
    if file.kind == "photo":
        return [common | {"width": file.width, "height": file.height}]
    return common | {"file_name": file.name, "mime_type": file.media_type}
