"""The local Telegram: the Bot API over HTTP for the bot, a chat page for people, and a driver for tests.

The bot is given `base_url + "/bot"` as the Bot API's address and cannot tell the difference; the page is at
`base_url + "/"`. Everything lives in memory and on one event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from bot.demo import formatting
from bot.demo.bot_api import BotApi, BotCall
from bot.demo.chats import MAX_MESSAGES, ChatMessage, Chats, ChatUser, Clock, Feed, InlineButton
from bot.demo.faults import TelegramFaults
from bot.demo.methods import Methods
from bot.demo.profile import Profile
from bot.demo.site import OriginGuard, Site
from bot.demo.updates import CallbackResult, Taps, Updates
from kis.config import is_loopback, kst_now
from kis.sim.server import serving

__all__ = ["BotCall", "CallbackResult", "ChatMessage", "ChatUser", "InlineButton", "LocalTelegram"]

_TEXT_LIMIT = 4096  # UTF-16 units; Telegram's apps split anything longer
_ANSWER_TIMEOUT = 5.0  # seconds
_DEFAULT_BOT_ID = 7_000_000_001  # for a token without a number in front


class LocalTelegram:
    """A Telegram with one bot and a handful of people; `app` is the ASGI application (Bot API and page)."""

    def __init__(
        self, *, token: str, people: Sequence[ChatUser], clock: Clock = kst_now, max_messages: int = MAX_MESSAGES
    ) -> None:
        """`max_messages`: how many a chat holds before the oldest go."""
        self.faults = TelegramFaults()
        """Planted for the bot's next calls."""
        self.people = tuple(people)
        """Everybody who has a chat here."""
        self._feed = Feed()
        self._chats = Chats(people, clock, self._feed, max_messages)
        self._updates = Updates(clock)
        self._taps = Taps(clock)
        number = token.partition(":")[0]
        bot_id = int(number) if number.isascii() and number.isdigit() else _DEFAULT_BOT_ID
        profile = Profile(bot_id, "kisbot_demo_bot", "키스봇", self._feed)
        methods = Methods(profile, self._chats, self._updates, self._taps, self._feed)
        self._bot_api = BotApi(token, methods, self.faults, clock)
        self.calls = self._bot_api.calls
        """The latest Bot API calls with the right token, oldest first, struck by a fault or not."""
        site = Site(profile, self._chats, self._updates, self._feed, send=self.send, press=self._press)
        self.app = Starlette(
            routes=[Route("/bot{token}/{method}", self._bot_api), *site.routes()], middleware=[Middleware(OriginGuard)]
        )

    @property
    def unread(self) -> int:
        """Updates that the bot has not confirmed."""
        return len(self._updates)

    @property
    def revision(self) -> int:
        """A number that grows with every event: a message, an edit, a deletion, a typing notice."""
        return self._feed.revision

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve on a real socket and yield the base address. Chats and updates outlive the server."""
        if not is_loopback(host):
            raise ValueError(f"{host} is not a loopback address: the local Telegram has no lock on its door")
        self._updates.open()
        async with serving(self.app, host, port) as base_url:
            try:
                yield base_url
            finally:  # streams and long polls end before the server waits for them
                self._updates.close()
                self._taps.close()
                self._feed.close()

    async def send(self, person_id: int, text: str, reply_to: int | None = None) -> int:
        """Send a message to the bot in a person's private chat; returns its message id."""
        person = self._chats.person(person_id)
        body = formatting.plain(text)
        if not 0 < body.length <= _TEXT_LIMIT:
            raise ValueError(f"a message holds 1 to {_TEXT_LIMIT} characters, not {body.length}")
        message = self._chats.add(person_id, person.user, body, reply_to=reply_to)
        self._updates.put({"message": self._chats.json(message)})
        return message.message_id

    async def tap(
        self,
        person_id: int,
        message_id: int,
        label: str,
        *,
        timeout: float = _ANSWER_TIMEOUT,  # noqa: ASYNC109 - the answer is waited for, nothing is cancelled
    ) -> CallbackResult:
        """Press the inline button whose text contains `label` and wait for the bot's answer."""
        message = self._chats.get(message_id)
        if message is None:
            raise LookupError(f"there is no message {message_id}")
        buttons = [button for row in message.buttons for button in row]
        for button in buttons:
            if label in button.text and button.data:
                return await self.tap_data(person_id, message_id, button.data, timeout=timeout)
        there = ", ".join(repr(button.text) for button in buttons) or "none"
        raise LookupError(f"message {message_id} has no button with {label!r} to press; it has {there}")

    async def tap_data(
        self,
        person_id: int,
        message_id: int,
        data: str,
        *,
        timeout: float = _ANSWER_TIMEOUT,  # noqa: ASYNC109 - the answer is waited for, nothing is cancelled
    ) -> CallbackResult:
        """Press with raw callback_data, on a button or not, on any message, also another person's."""
        result = await self._press(person_id, message_id, data, timeout)
        self._feed.publish("answered", chat=person_id, **asdict(result))
        return result

    async def wait(
        self,
        person_id: int,
        contains: str | Callable[[ChatMessage], bool],
        *,
        timeout: float = 30.0,  # noqa: ASYNC109 - raises with what the chat shows, which a cancellation could not
        after: int = 0,
    ) -> ChatMessage:
        """Wait for a bot message in a chat, new or edited, whose text contains something.

        Of several, the one that changed last is returned. With `after`, only what happened past that revision
        counts, and a message that looked right and has been edited since is found too, as it looked then. Where none
        comes, the `TimeoutError` says what the chat shows.
        """

        def fits(message: ChatMessage) -> bool:
            if message.sender != "bot" or message.revision <= after:
                return False
            return contains in message.text if isinstance(contains, str) else contains(message)

        async def first() -> ChatMessage:
            while True:
                current = [one for one in self._chats.messages(person_id) if one.revision > after]
                past = self._chats.revisions(person_id, after) if after else []
                for message in [*sorted(current, key=lambda one: -one.revision), *past]:
                    if fits(message):
                        return message
                await self._feed.changed()

        try:
            return await asyncio.wait_for(first(), timeout)
        except TimeoutError:
            shown = "\n".join(f"  [{m.message_id}] {m.sender}: {m.text}" for m in self.chat(person_id)[-8:])
            wanted = repr(contains) if isinstance(contains, str) else "the wanted message"
            raise TimeoutError(
                f"{wanted} did not come within {timeout} s; the chat of {person_id} ends with\n{shown}"
            ) from None

    def chat(self, chat_id: int) -> list[ChatMessage]:
        """A chat's messages as they now stand, oldest first; a group's too, once it was injected."""
        return self._chats.messages(chat_id)

    def since(self, chat_id: int, revision: int) -> list[ChatMessage]:
        """Every state of a chat's messages after a revision, also those edited since, newest first.

        The last few thousand of all chats are remembered.
        """
        return self._chats.revisions(chat_id, revision)

    def inject(self, update: dict[str, Any]) -> None:
        """Queue a raw update of any kind; its update_id is assigned. The chat it names becomes known."""
        for content in update.values():
            if not isinstance(content, dict):
                continue
            message = content.get("message", content)
            chat = message.get("chat") if isinstance(message, dict) else None
            if isinstance(chat, dict) and isinstance(chat.get("id"), int):
                self._chats.known.setdefault(chat["id"], chat)
                self._store(chat["id"], message)
        self._updates.put(update)

    def _store(self, chat_id: int, injected: dict[str, Any]) -> None:
        """Put an injected text into its chat, so that it can be answered and is seen on the page."""
        number, text = injected.get("message_id"), injected.get("text")
        if not isinstance(number, int) or not isinstance(text, str):
            return
        message = self._chats.get(number)
        if message is None:
            author = injected.get("from") or {"id": chat_id, "is_bot": False, "first_name": ""}
            self._chats.add(chat_id, author, formatting.plain(text), message_id=number)
        elif message.chat_id == chat_id and message.sender == "user" and message.text != text:
            self._chats.edit(message, body=formatting.plain(text), html=text)

    async def _press(
        self,
        person_id: int,
        message_id: int,
        data: str,
        timeout: float = _ANSWER_TIMEOUT,  # noqa: ASYNC109 - the answer is waited for, nothing is cancelled
    ) -> CallbackResult:
        person = self._chats.person(person_id)
        message = self._chats.get(message_id)
        query_id, answer = self._taps.press()
        inaccessible = {"chat": person.chat, "message_id": message_id, "date": 0}
        self._updates.put(
            {
                "callback_query": {
                    "id": query_id,
                    "from": person.user,
                    "message": inaccessible if message is None else self._chats.json(message),
                    "chat_instance": str(person_id * 7919),
                    "data": data,
                }
            }
        )
        try:
            return await asyncio.wait_for(asyncio.shield(answer), timeout)
        except TimeoutError:
            return CallbackResult()
