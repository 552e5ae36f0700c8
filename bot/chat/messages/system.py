"""What the bot tells of itself: brakes, recovery, times when nothing could be seen. Pure."""

from collections.abc import Mapping
from typing import Any

from bot.chat.i18n.catalogue import reason, say
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.types import TICKET, Button, Reply
from bot.orders.risk.trading_halt import HaltLevel

LEVELS = {
    HaltLevel.OFF: ("정상", "running"),
    HaltLevel.BUYS: ("매수중지", "buys stopped"),
    HaltLevel.NEW: ("신규중지", "new orders stopped"),
    HaltLevel.CANCEL_ALL: ("전체취소", "all cancelled, new orders stopped"),
    HaltLevel.FREEZE: ("동결", "frozen"),
}


def light(level: HaltLevel) -> str:
    """Green, amber or red."""
    return {HaltLevel.OFF: "🟢", HaltLevel.BUYS: "🟡"}.get(level, "🔴")


def recovering_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Orders that were on their way when the program ended are being looked up."""
    return Reply(
        f"🔧 <b>{frame.pick('복구 중', 'Recovering')}</b> {frame.badge}\n"
        + say(
            frame.lang,
            "봇이 다시 시작되었습니다. 전송 중이던 주문 {count}건을 증권사 내역에서 확인하고 있습니다. 그동안 새 주문은 나가지 않습니다.",
            "The bot was started again. {count} orders that were on their way are being looked up; nothing new goes out meanwhile.",
            count=data["count"],
        ),
    )


def recovered_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """All of them are settled."""
    return Reply(
        f"✅ <b>{frame.pick('복구 완료', 'Recovered')}</b> {frame.badge}\n"
        + say(
            frame.lang,
            "주문 {count}건의 확인이 끝났습니다. 각 주문의 결과는 해당 메시지에 있습니다.",
            "All {count} orders are settled; each one's message says how.",
            count=data["count"],
        ),
    )


def brake_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The trading halt was raised or lowered."""
    level, was = HaltLevel(int(data["level"])), HaltLevel(int(data["was"]))
    head = f"{light(level)} <b>{frame.pick(*LEVELS[level])}</b> {frame.badge}"
    change = f"{frame.pick(*LEVELS[was])} → {frame.pick(*LEVELS[level])}"
    lines = [head, f"{change} · {safe(data['name'], 20)}" if data.get("name") else change]
    if level > was:
        lines.append(reason(str(data["why"]), {}, frame.lang))
        lines.append(frame.pick("취소와 조회는 계속 됩니다.", "Cancels and reads still work."))
        keys = (Button("🩺 /status", "/status"), Button(frame.pick("📋 미체결", "📋 open orders"), "/orders"))
        return Reply("\n".join(lines), (keys,))
    return Reply("\n".join(lines))


def release_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """Asks an administrator to agree to lowering the trading halt."""
    level, was = HaltLevel(int(data["level"])), HaltLevel(int(data["was"]))
    lines = [
        f"🖐 <b>{frame.pick('중지 해제 동의', 'Release the brakes?')}</b> {frame.badge}",
        f"{safe(data['name'], 20)}: {frame.pick(*LEVELS[was])} → {frame.pick(*LEVELS[level])}",
        reason(str(data["why"]), {}, frame.lang),
    ]
    return Reply("\n".join(lines), ((Button(frame.pick("✅ 동의", "✅ agree"), TICKET + str(data["agree"])),),))
