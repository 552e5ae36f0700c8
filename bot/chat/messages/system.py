"""What the bot tells of itself: brakes, recovery, times when nothing could be seen. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.chat.i18n.catalogue import MessageIds, reason
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.messages.alert_messages import alert_push
from bot.chat.messages.audit_anchor import anchor_push, key_push
from bot.chat.messages.members import KINDS, people_push
from bot.chat.messages.outage import blind_push
from bot.chat.messages.report_messages import report_push
from bot.chat.messages.stream_status import heard_push
from bot.chat.types import TICKET, Button, Reply
from bot.orders.risk.trading_halt import HaltLevel

LEVELS: MessageIds[HaltLevel] = {
    HaltLevel.OFF: "running",
    HaltLevel.BUYS: "buys stopped",
    HaltLevel.NEW: "new orders stopped",
    HaltLevel.CANCEL_ALL: "all cancelled, new orders stopped",
    HaltLevel.FREEZE: "frozen",
}


def light(level: HaltLevel) -> str:
    """Green, amber or red."""
    return {HaltLevel.OFF: "🟢", HaltLevel.BUYS: "🟡"}.get(level, "🔴")


def news_push(kind: str, data: Mapping[str, Any], frame: Frame) -> Reply | None:
    """What the bot tells of itself, and of what no order stands behind. None for other kinds."""
    if kind in KINDS:
        return people_push(kind, data, frame)
    if kind in {"heard", "heard_shown"}:
        return heard_push(kind, data, frame)
    push = _PUSHES.get(kind)
    return push(data, frame) if push is not None else None


def _recovering_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    return Reply(
        f"🔧 <b>{frame.text('Recovering')}</b> {frame.badge}\n"
        + frame.text(
            "The bot was started again. {count} orders that were on their way are being looked up; nothing new goes out meanwhile.",
            count=data["count"],
        )
    )


def _recovered_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    return Reply(
        f"✅ <b>{frame.text('Recovered')}</b> {frame.badge}\n"
        + frame.text("All {count} orders are settled; each one's message says how.", count=data["count"])
    )


def _brake_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    level, was = HaltLevel(int(data["level"])), HaltLevel(int(data["was"]))
    head = f"{light(level)} <b>{frame.text(LEVELS[level])}</b> {frame.badge}"
    change = f"{frame.text(LEVELS[was])} → {frame.text(LEVELS[level])}"
    lines = [head, f"{change} · {safe(data['name'], 20)}" if data.get("name") else change]
    if level > was:
        lines.append(reason(str(data["why"]), {}, frame.lang))
        lines.append(frame.text("Cancels and reads still work."))
        keys = (Button("🩺 /status", "/status"), Button(frame.text("📋 open orders"), "/orders"))
        return Reply("\n".join(lines), (keys,))
    return Reply("\n".join(lines))


def _release_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    level, was = HaltLevel(int(data["level"])), HaltLevel(int(data["was"]))
    lines = [
        f"🖐 <b>{frame.text('Release the brakes?')}</b> {frame.badge}",
        f"{safe(data['name'], 20)}: {frame.text(LEVELS[was])} → {frame.text(LEVELS[level])}",
        reason(str(data["why"]), {}, frame.lang),
    ]
    return Reply("\n".join(lines), ((Button(frame.text("✅ agree"), TICKET + str(data["agree"])),),))


_PUSHES: dict[str, Callable[[Mapping[str, Any], Frame], Reply]] = {
    "brake": _brake_push,
    "release": _release_push,
    "recovering": _recovering_push,
    "recovered": _recovered_push,
    "blind": blind_push,
    "alert": alert_push,
    "anchor": anchor_push,
    "audit_key": key_push,
    "report": report_push,
}
