"""The trading halt and the state of the bot: /halt, /resume, /status, /policy."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.chat import keyboards
from bot.chat.handlers.commands import refusal
from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.i18n.catalogue import MessageIds, msgid, reason
from bot.chat.i18n.formatting import clock_time, safe, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.system import LEVELS, light, stream_line
from bot.chat.ports import FillStream
from bot.chat.types import Button, Reply, Request
from bot.orders.access.roles import Actor
from bot.orders.approvals.policy import SellApproval
from bot.orders.execution.desk import Desk
from bot.orders.model.reason import Reason
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import KST

_WORDS = {
    "": HaltLevel.NEW,
    "매수": HaltLevel.BUYS, "매수중지": HaltLevel.BUYS, "buys": HaltLevel.BUYS,
    "신규": HaltLevel.NEW, "신규중지": HaltLevel.NEW, "new": HaltLevel.NEW,
    "전체취소": HaltLevel.CANCEL_ALL, "cancel": HaltLevel.CANCEL_ALL, "all": HaltLevel.CANCEL_ALL,
    "동결": HaltLevel.FREEZE, "freeze": HaltLevel.FREEZE,
}  # fmt: skip
_SELLS: MessageIds[SellApproval] = {
    SellApproval.SAME: "the same",
    SellApproval.FEWER: "one fewer",
    SellApproval.NONE: "none",
}
_SINGLE = msgid("Single mode: orders go out without anybody else's consent.")
_WHO_AGREES = msgid("Administrators and owners agree, never the one who ordered; one refusal ends it, and so does the session. Cancels need nobody.")  # fmt: skip


@dataclass(frozen=True)
class ControlHandlers:
    """Handlers of the trading halt."""

    desk: Desk
    fill_stream: FillStream
    frame: Frame
    clock: Callable[[], datetime]
    second_factor: SecondFactorChat
    post: Callable[[int, Reply], None]

    async def halt(self, request: Request) -> Reply | None:
        """/halt [매수|신규|전체취소|동결]: at once, without a question."""
        level = _WORDS.get(request.words.strip().lower())
        if level is None:
            return Reply(self.frame.text("Levels: buys · new · all · freeze"))
        pressed = self.desk.halt(level, request.actor)
        if isinstance(pressed, Reason):
            return refusal([pressed], self.frame)
        await self.desk.carry_out(pressed)
        return None  # the halt's own notice tells everybody

    async def resume(self, request: Request) -> Reply | None:
        """/resume [매수]: end the halt, or go back to 매수중지."""
        level = HaltLevel.BUYS if request.words.strip() in {"매수", "매수중지", "buys"} else HaltLevel.OFF
        subject = f"resume:{int(level)}:{self.desk.trading_halt.now().at.isoformat()}"
        if self.second_factor.hold(request.actor, "resume", subject, self._go_on, str(int(level))) is not None:
            return None
        return self._resumed(level, request.actor)

    def _resumed(self, level: HaltLevel, actor: Actor) -> Reply | None:
        refused = self.desk.resume(level, actor)
        return refusal([refused], self.frame) if refused is not None else None

    async def _go_on(self, actor: Actor, level: str) -> None:
        reply = self._resumed(HaltLevel(int(level)), actor)
        if reply is not None:
            self.post(actor.chat_id, reply)

    async def show_policy(self, request: Request) -> Reply:
        """/policy: whose consent orders need."""
        del request
        frame, policy = self.frame, self.desk.approvals.policy
        head = f"🖐 <b>{frame.text('Consent')}</b> {frame.badge}"
        if policy.single:
            return Reply(f"{head}\n{frame.text(_SINGLE)}")
        lines = [head]
        for title, tiers in ((msgid("one order"), policy.order_tiers), (msgid("sum of the day"), policy.day_tiers)):
            lines += [
                f"{frame.text(title)} &gt; {won(above, frame.lang)}: {frame.text('{count} to agree', count=count)}"
                for above, count in tiers
            ]
        lines.append(f"{frame.text('sales')}: {frame.text(_SELLS[policy.sells])}")
        if policy.deputies_after is not None:
            minutes = int(policy.deputies_after.total_seconds() // 60)
            lines.append(frame.text("After {minutes} min other traders may agree too.", minutes=minutes))
        lines.append(frame.text(_WHO_AGREES))
        return Reply("\n".join(lines))

    async def status(self, request: Request) -> Reply:
        """/status: whether orders go out, and what is under way."""
        del request
        frame, desk = self.frame, self.desk
        now = desk.trading_halt.now()
        lines = [f"🩺 <b>{frame.text('Status')}</b> {frame.badge} · {clock_time(self.clock())}"]
        if desk.approvals.policy.single:
            lines.append(f"ℹ️ {frame.text(_SINGLE)}")
        lines.append(f"{light(now.level)} {frame.text(LEVELS[now.level])}")
        if now.level is not HaltLevel.OFF:
            by = f" · {safe(now.name, 20)}" if now.name else ""
            lines.append(f"{now.at.astimezone(KST):%m/%d %H:%M:%S}{by}")
            lines.append(reason(now.why, {}, frame.lang))
        if desk.risk_context.recovering:
            lines.append(f"🔧 {reason('RECOVERING', {}, frame.lang)}")
        lines += [f"⚠️ {reason(code, {}, frame.lang)}" for code in desk.risk_context.conflicts]
        lines.append(stream_line(self.fill_stream, frame))
        lines.append(
            f"{frame.text('open orders')} {len(desk.working())} · {frame.text('being checked')} {len(desk.in_doubt())}"
        )
        buttons = (Button(frame.text("📋 open orders"), "/orders"), keyboards.refresh("/status", frame.lang))
        return Reply("\n".join(lines), (buttons,))
