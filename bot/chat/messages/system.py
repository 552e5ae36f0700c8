"""Notices about the bot itself: trading halt, recovery, a chat that blocks it, anchors of the audit log; the stream's state."""

from collections.abc import Mapping
from typing import Any

from bot.chat.i18n.catalogue import MessageIds, msgid, reason
from bot.chat.i18n.formatting import person_name, safe
from bot.chat.i18n.frame import Frame
from bot.chat.ports import FillStream, StreamCounts
from bot.chat.types import TICKET, Button, Reply, secrets_of
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import KST

LEVELS: MessageIds[HaltLevel] = {
    HaltLevel.OFF: "running",
    HaltLevel.BUYS: "buys stopped",
    HaltLevel.NEW: "new orders stopped",
    HaltLevel.CANCEL_ALL: "all cancelled, new orders stopped",
    HaltLevel.FREEZE: "frozen",
}
_RECOVERING = msgid(
    "The bot was started again. {count} orders that were on their way are being looked up; nothing new goes out meanwhile."
)


def light(level: HaltLevel) -> str:
    """The halt level as a green, amber or red light."""
    return {HaltLevel.OFF: "🟢", HaltLevel.BUYS: "🟡"}.get(level, "🔴")


def recovering_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Orders that were being sent when the program ended are being reconciled."""
    lines = [f"🔧 <b>{frame.text('Recovering')}</b> {frame.badge}", frame.text(_RECOVERING, count=data["count"])]
    return Reply("\n".join(lines))


def recovered_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The reconciliation after a restart is complete."""
    settled = frame.text("All {count} orders are settled; each one's message says how.", count=data["count"])
    return Reply(f"✅ <b>{frame.text('Recovered')}</b> {frame.badge}\n{settled}")


def halt_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The trading halt was raised or lowered."""
    level, was = HaltLevel(int(data["level"])), HaltLevel(int(data["was"]))
    head = f"{light(level)} <b>{frame.text(LEVELS[level])}</b> {frame.badge}"
    change = f"{frame.text(LEVELS[was])} → {frame.text(LEVELS[level])}"
    lines = [head, f"{change} · {safe(data['name'], 20)}" if data.get("name") else change]
    if level <= was:
        return Reply("\n".join(lines))
    lines += [reason(str(data["why"]), {}, frame.lang), frame.text("Cancels and reads still work.")]
    buttons = (Button("🩺 /status", "/status"), Button(frame.text("📋 open orders"), "/orders"))
    return Reply("\n".join(lines), (buttons,))


def release_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Asks an administrator to agree to lowering the trading halt."""
    name = str(data["name"])
    who = person_name(name, int(data["by"])) if "by" in data else safe(name, 20)
    level, was = HaltLevel(int(data["level"])), HaltLevel(int(data["was"]))
    lines = [
        f"🖐 <b>{frame.text('Release the brakes?')}</b> {frame.badge}",
        f"{who}: {frame.text(LEVELS[was])} → {frame.text(LEVELS[level])}",
        reason(str(data["why"]), {}, frame.lang),
    ]
    return Reply("\n".join(lines), ((Button(frame.text("✅ agree"), TICKET + str(secrets_of(data)["agree"])),),))


def stopped_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Tells the owners that a chat has blocked the bot."""
    warning = frame.text(
        "⚠️ Chat {chat} refuses the bot ({why}). Its fills and warnings are kept and sent once it lets us in.",
        chat=data.get("chat", "?"),
        why=data.get("why", "?"),
    )
    return Reply(f"{warning} {frame.badge}")


_NEW_CHAIN: MessageIds[str] = {
    "lost": "the day's key file is gone",
    "damaged": "the day's key file is damaged",
    "restored": "the database is older than the key, or rows were taken from its end",
}


def anchor_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The day's head of the hash chain; the chat keeps it where this machine cannot change it."""
    return Reply(f"🔏 {frame.text('log')} #{safe(data['seq'], 12)}:{safe(data['head'], 16)} {frame.badge}")


def key_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The chain began again under a new key, with the reason."""
    why = frame.text(_NEW_CHAIN[str(data["why"])]) if data.get("why") in _NEW_CHAIN else safe(data.get("why", "-"), 20)
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


# --- /status ----------------------------------------------------------------------------------------------------------


def stream_line(fill_stream: FillStream, frame: Frame) -> str:
    """The line of /status about the stream of fill notices."""
    if fill_stream.state == "off":
        return frame.text("👂 no fill notices (no KIS_HTS_ID): fills are found by reading the list alone")
    connected = msgid("👂 hearing fill notices since {clock}")
    broken = msgid("👂 no fill notices since {clock}: fills are found by reading the list")
    clock = f"{fill_stream.since.astimezone(KST):%H:%M}" if fill_stream.since is not None else ""
    line = frame.text(connected if fill_stream.state == "connected" else broken, clock=clock)
    return line + _missed(fill_stream.counts, frame)


def _missed(counts: StreamCounts, frame: Frame) -> str:
    pieces = []
    if counts.missed_by_stream:
        pieces.append(frame.text("{n} without a notice", n=counts.missed_by_stream))
        if not counts.fills:  # not one notice came: the HTS id may be wrong
            pieces.append(frame.text("check KIS_HTS_ID"))
    if counts.missed_by_poll:
        pieces.append(frame.text("{n} late in the list", n=counts.missed_by_poll))
    return f" · {frame.text('today')} {', '.join(pieces)}" if pieces else ""
