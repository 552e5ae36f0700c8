"""The messages that carry heads of the audit log, and the one that says its chain began again. Pure."""

from collections.abc import Mapping
from typing import Any

from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.types import Reply

_WHY = {
    "lost": ("오늘의 키 파일이 없어졌습니다", "the day's key file is gone"),
    "damaged": ("오늘의 키 파일이 손상되었습니다", "the day's key file is damaged"),
    "restored": (
        "데이터베이스가 키보다 오래되었거나 기록의 끝이 잘렸습니다",
        "the database is older than the key, or rows were taken from its end",
    ),
}


def anchor_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The day's head. Short, because it comes every day; it is kept by being a message that nobody here can change."""
    return Reply(f"🔏 {frame.pick('기록', 'log')} #{safe(data['seq'], 12)}:{safe(data['head'], 16)} {frame.badge}")


def key_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The chain had to begin again under a new key: people must ask why."""
    why = frame.pick(*_WHY[str(data["why"])]) if data.get("why") in _WHY else safe(data.get("why", "-"), 20)
    lines = [
        f"🚨 <b>{frame.pick('감사 기록의 사슬이 새 키로 다시 시작되었습니다', 'The audit chain began again under a new key')}</b> {frame.badge}",
        f"{frame.pick('까닭', 'why')}: {why}",
        frame.pick(
            "직접 복원했거나 파일을 옮긴 것이 아니라면 누군가 기록에 손댔을 수 있습니다.",
            "Unless you restored a backup or moved files yourself, somebody may have meddled with the log.",
        ),
    ]
    if data.get("posted"):
        lines.append(
            f"{frame.pick('마지막으로 게시한 머리값과 대조하세요', 'Compare with the head posted last')}: "
            f"<code>kisbot audit verify --key FILE --head {safe(data['posted'], 40)}</code>",
        )
    lines.append(
        frame.pick(
            "새 첫 키를 보관하세요: <code>kisbot audit key</code>",
            "Keep the new first key: <code>kisbot audit key</code>",
        ),
    )
    return Reply("\n".join(lines))
