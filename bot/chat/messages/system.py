"""Notices about the bot itself: trading halt and recovery."""

from collections.abc import Mapping
from typing import Any

from bot.chat.i18n.catalogue import MessageIds, reason
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
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
    """The halt level as a green, amber or red light."""
    return {HaltLevel.OFF: "🟢", HaltLevel.BUYS: "🟡"}.get(level, "🔴")


def recovering_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Orders that were being sent when the program ended are being reconciled."""
    return Reply(
        f"🔧 <b>{frame.text('Recovering')}</b> {frame.badge}\n"
        + frame.text(
            "The bot was started again. {count} orders that were on their way are being looked up; nothing new goes out meanwhile.",
            count=data["count"],
        )
    )


def recovered_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The reconciliation after a restart is complete."""
    return Reply(
        f"✅ <b>{frame.text('Recovered')}</b> {frame.badge}\n"
        + frame.text("All {count} orders are settled; each one's message says how.", count=data["count"])
    )


def halt_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The trading halt was raised or lowered."""
    level, was = HaltLevel(int(data["level"])), HaltLevel(int(data["was"]))
    head = f"{light(level)} <b>{frame.text(LEVELS[level])}</b> {frame.badge}"
    change = f"{frame.text(LEVELS[was])} → {frame.text(LEVELS[level])}"
    lines = [head, f"{change} · {safe(data['name'], 20)}" if data.get("name") else change]
    if level > was:
        lines.append(reason(str(data["why"]), {}, frame.lang))
        lines.append(frame.text("Cancels and reads still work."))
        buttons = (Button("🩺 /status", "/status"), Button(frame.text("📋 open orders"), "/orders"))
        return Reply("\n".join(lines), (buttons,))
    return Reply("\n".join(lines))


def release_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Asks an administrator to agree to lowering the trading halt."""
    level, was = HaltLevel(int(data["level"])), HaltLevel(int(data["was"]))
    lines = [
        f"🖐 <b>{frame.text('Release the brakes?')}</b> {frame.badge}",
        f"{safe(data['name'], 20)}: {frame.text(LEVELS[was])} → {frame.text(LEVELS[level])}",
        reason(str(data["why"]), {}, frame.lang),
    ]
    return Reply("\n".join(lines), ((Button(frame.text("✅ agree"), TICKET + str(data["agree"])),),))
