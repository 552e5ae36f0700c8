"""Messages that anchor the audit log outside the database: its daily head, and the warning that a new chain began."""

from collections.abc import Mapping
from typing import Any

from bot.chat.i18n.catalogue import MessageIds
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.types import Reply

_WHY: MessageIds[str] = {
    "lost": "the day's key file is gone",
    "damaged": "the day's key file is damaged",
    "restored": "the database is older than the key, or rows were taken from its end",
}


def anchor_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The day's head of the hash chain; the chat keeps it where this machine cannot change it."""
    return Reply(f"🔏 {frame.text('log')} #{safe(data['seq'], 12)}:{safe(data['head'], 16)} {frame.badge}")


def key_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The chain began again under a new key, with the reason."""
    why = frame.text(_WHY[str(data["why"])]) if data.get("why") in _WHY else safe(data.get("why", "-"), 20)
    lines = [
        f"🚨 <b>{frame.text('The audit chain began again under a new key')}</b> {frame.badge}",
        f"{frame.text('why')}: {why}",
        frame.text("Unless you restored a backup or moved files yourself, somebody may have meddled with the log."),
    ]
    if data.get("posted"):
        lines.append(
            f"{frame.text('Compare with the head posted last')}: "
            f"<code>kisbot audit verify --key FILE --head {safe(data['posted'], 40)}</code>"
        )
    lines.append(frame.text("Keep the new first key: <code>kisbot audit key</code>"))
    return Reply("\n".join(lines))
