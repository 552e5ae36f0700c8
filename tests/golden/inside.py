"""All that the golden transcript must know of the inside of the bot: when something is renamed, only this changes.

Everything else is said and heard through Telegram, done by the simulated broker, or read from the database file.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import httpx

from bot.app.application import BotApplication
from bot.chat.handlers.commands import COMMANDS as TABLE
from bot.chat.i18n import catalogue as words
from bot.config.settings import GivenSettings
from bot.demo.run import TOKEN
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.access.roles import Role

__all__ = [
    "COMMANDS",
    "REASONS",
    "ROLES",
    "TOASTS",
    "TOKEN",
    "ChatUser",
    "LocalTelegram",
    "built",
    "running",
    "sentence",
    "toast",
]

ROLES = {role.value: role for role in Role}
COMMANDS = frozenset(word for one in TABLE for word in (one.name, one.korean))
REASONS: Mapping[str, tuple[str, str]] = {
    code: (words.translate("ko", msgid), words.translate("en", msgid)) for code, msgid in words.REASONS.items()
}
TOASTS = (
    "sending", "pending", "voted", "again", "discarded", "settled", "cancelling", "step_up", "not_yours", "busy",
    "late", "used", "gone",
)  # fmt: skip
_SIDE = 8


def built(
    values: dict[str, Any],
    people: list[tuple[int, str, str]],
    clock: Callable[[], datetime],
    ticks: Callable[[], float],
    network: httpx.AsyncBaseTransport,
    drew: Callable[[str], None],
) -> BotApplication:
    """The bot on these wires, with these people (id, name, role); charts are told as a digest of their facts."""
    app = BotApplication(GivenSettings(**values), clock=clock, ticks=ticks, network=network)
    app.db.execute("PRAGMA synchronous=OFF")
    for user_id, name, role in people:
        app.people.put(user_id, name, ROLES[role])

    async def drawn(asked: bytes) -> bytes | None:
        drew(hashlib.sha256(asked).hexdigest()[:12])
        return _png()

    app.charts._drawn = drawn  # type: ignore[method-assign]
    return app


def running(app: BotApplication) -> AbstractAsyncContextManager[BotApplication]:
    """The bot at work."""
    return app.running()


def sentence(code: str, values: Mapping[str, Any], lang: Any) -> str:
    """The sentence of a reason."""
    return words.reason(code, values, lang)


def toast(verdict: str, lang: Any) -> str:
    """The short answer to a tap."""
    return words.toast(verdict, lang)


def _png() -> bytes:
    """A small white picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\xff" * _SIDE) * _SIDE
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
