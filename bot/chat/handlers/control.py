"""The brakes and the state of the house: /halt, /resume, /status. Parse, ask the desk once, answer."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from bot.chat.handlers.trading import Hold
from bot.chat.i18n.catalogue import msgid, msgids, reason
from bot.chat.i18n.formatting import clock_time, safe, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.stream_status import Ears, hearing_line
from bot.chat.messages.system import LEVELS, light
from bot.chat.types import Button, Reply, Request
from bot.orders.access.roles import Actor
from bot.orders.approvals.policy import ApprovalPolicy, SellApproval
from bot.orders.execution.desk import TapResult
from bot.orders.model.order import Order
from bot.orders.model.reason import Reason
from bot.orders.risk.trading_halt import HaltLevel, HaltStatus
from kis.krx import KST

_WORDS = {
    "": HaltLevel.NEW,
    "매수": HaltLevel.BUYS, "매수중지": HaltLevel.BUYS, "buys": HaltLevel.BUYS,
    "신규": HaltLevel.NEW, "신규중지": HaltLevel.NEW, "new": HaltLevel.NEW,
    "전체취소": HaltLevel.CANCEL_ALL, "cancel": HaltLevel.CANCEL_ALL, "all": HaltLevel.CANCEL_ALL,
    "동결": HaltLevel.FREEZE, "freeze": HaltLevel.FREEZE,
}  # fmt: skip


SINGLE = msgid("Single mode: orders go out without anybody else's consent.")


class Desk(Protocol):
    """The part of the desk that the brakes need."""

    @property
    def brakes(self) -> "Reads": ...
    @property
    def consent(self) -> "Agreed": ...
    @property
    def situation(self) -> "State": ...
    def halt(self, level: HaltLevel, who: Actor) -> TapResult | Reason: ...
    def resume(self, level: HaltLevel, who: Actor) -> Reason | None: ...
    async def carry_out(self, pressed: TapResult) -> None: ...
    def working(self) -> list[Order]: ...
    def in_doubt(self) -> list[Order]: ...


class Reads(Protocol):
    """The brakes as they stand."""

    def now(self) -> HaltStatus: ...


class Agreed(Protocol):
    """Whose consent orders need."""

    @property
    def policy(self) -> ApprovalPolicy: ...


class State(Protocol):
    """What else keeps orders back."""

    @property
    def recovering(self) -> bool: ...
    @property
    def conflicts(self) -> Mapping[str, None]: ...


class ControlHandlers:
    """Handlers of the brakes."""

    def __init__(
        self,
        desk: Desk,
        ears: Ears,
        frame: Frame,
        clock: Callable[[], datetime],
        hold: Hold | None = None,
        post: Callable[[int, Reply], None] = lambda *_: None,
    ) -> None:
        self._hold = hold
        self._post = post
        self._desk = desk
        self._ears = ears
        self._frame = frame
        self._clock = clock

    async def halt(self, ask: Request) -> Reply | None:
        """/halt [매수|신규|전체취소|동결]: at once, without a question."""
        level = _WORDS.get(ask.words.strip().lower())
        if level is None:
            return Reply(self._frame.text("Levels: buys · new · all · freeze"))
        pressed = self._desk.halt(level, ask.who)
        if isinstance(pressed, Reason):
            return Reply(f"🚫 {reason(pressed.code, pressed.values, self._frame.lang)}")
        await self._desk.carry_out(pressed)
        return None  # the brakes' own notice told everybody

    async def resume(self, ask: Request) -> Reply | None:
        """/resume [매수]: take the brakes off, or back to 매수중지."""
        level = HaltLevel.BUYS if ask.words.strip() in {"매수", "매수중지", "buys"} else HaltLevel.OFF
        subject = f"resume:{int(level)}:{self._desk.brakes.now().at.isoformat()}"
        if self._hold is not None and self._hold(ask.who, "resume", subject, self._go_on, str(int(level))) is not None:
            return None
        return self._resumed(level, ask.who)

    def _resumed(self, level: HaltLevel, who: Actor) -> Reply | None:
        refused = self._desk.resume(level, who)
        return None if refused is None else Reply(f"🚫 {reason(refused.code, refused.values, self._frame.lang)}")

    async def _go_on(self, who: Actor, level: str) -> None:
        reply = self._resumed(HaltLevel(int(level)), who)
        if reply is not None:
            self._post(who.chat_id, reply)

    async def show_policy(self, ask: Request) -> Reply:
        """/policy: whose consent orders need."""
        del ask
        frame, policy = self._frame, self._desk.consent.policy
        head = f"🖐 <b>{frame.text('Consent')}</b> {frame.badge}"
        if policy.single:
            return Reply(f"{head}\n{frame.text(SINGLE)}")
        lines = [head]
        for title, tiers in (
            (msgid("one order"), policy.order_tiers),
            (msgid("sum of the day"), policy.day_tiers),
        ):
            lines += [
                f"{frame.text(title)} &gt; {won(above, frame.lang)}: {frame.text('{count} to agree', count=count)}"
                for above, count in tiers
            ]
        sells = msgids({SellApproval.SAME: "the same", SellApproval.FEWER: "one fewer", SellApproval.NONE: "none"})
        lines.append(f"{frame.text('sales')}: {frame.text(sells[policy.sells])}")
        if policy.deputies_after is not None:
            minutes = int(policy.deputies_after.total_seconds() // 60)
            lines.append(frame.text("After {minutes} min other traders may agree too.", minutes=minutes))
        lines.append(
            frame.text(
                "Administrators and owners agree, never the one who ordered; one refusal ends it, and so does the session. Cancels need nobody."
            )
        )
        return Reply("\n".join(lines))

    async def status(self, ask: Request) -> Reply:
        """/status: whether orders go out, and what is under way."""
        del ask
        frame, desk = self._frame, self._desk
        now = desk.brakes.now()
        lines = [f"🩺 <b>{frame.text('Status')}</b> {frame.badge} · {clock_time(self._clock())}"]
        if desk.consent.policy.single:
            lines.append(f"ℹ️ {frame.text(SINGLE)}")
        lines.append(f"{light(now.level)} {frame.text(LEVELS[now.level])}")
        if now.level is not HaltLevel.OFF:
            by = f" · {safe(now.name, 20)}" if now.name else ""
            lines.append(f"{now.at.astimezone(KST):%m/%d %H:%M:%S}{by}")
            lines.append(reason(now.why, {}, frame.lang))
        if desk.situation.recovering:
            lines.append(f"🔧 {reason('RECOVERING', {}, frame.lang)}")
        lines += [f"⚠️ {reason(code, {}, frame.lang)}" for code in desk.situation.conflicts]
        lines.append(hearing_line(self._ears, frame))
        lines.append(
            f"{frame.text('open orders')} {len(desk.working())} · {frame.text('being checked')} {len(desk.in_doubt())}"
        )
        keys = [Button(frame.text("📋 open orders"), "/orders"), Button(frame.text("🔄 refresh"), "~/status")]
        return Reply("\n".join(lines), (tuple(keys),))
