"""Resuming after a halt takes two people: one asks, another administrator agrees. A lone administrator has to wait."""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.orders.access.notifications import Notifications
from bot.orders.access.roles import Actor, Role
from bot.orders.model.button import AgreeResume, ButtonToken
from bot.orders.model.notice import Notice
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import TapOutcome, TapResult
from bot.orders.ports import Journal
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt

BUTTON_TTL = timedelta(minutes=10)


class Resume:
    """Takes requests to resume and carries them out."""

    def __init__(
        self,
        journal: Journal,
        trading_halt: TradingHalt,
        notifications: Notifications,
        *,
        clock: Callable[[], datetime],
        token: Callable[[], str],
        pause: float,
    ) -> None:
        """`pause`: seconds the halt must have stood before somebody alone in charge may resume."""
        self._journal = journal
        self._trading_halt = trading_halt
        self._notifications = notifications
        self._clock = clock
        self._token = token
        self._pause = pause

    def request(self, level: HaltLevel, actor: Actor) -> Reason | None:
        """Lower the halt, or ask the others to agree; a reason that says what else is needed, or None."""
        if not actor.role.covers(Role.ADMIN):
            return Reason("NOT_ALLOWED", {})
        now = self._trading_halt.now()
        if level >= now.level:
            return Reason("NOT_HALTED", {})
        others = [one for one in self._notifications.overseers() if one != actor.user_id]
        if not others:
            stood = (self._clock() - now.at).total_seconds()
            if stood < self._pause:
                return Reason("RESUME_PAUSE", {"seconds": int(self._pause - stood) + 1})
            self._trading_halt.resume(level, actor)
            return None
        # bound to the halt as it is: after another change the others have to agree anew
        made = {chat: self._button(level, actor, now.seq, chat) for chat in others}
        self._journal.add_buttons(None, list(made.values()))
        data: dict[str, object] = {"level": int(level), "was": int(now.level), "why": now.why, "name": actor.name}
        self._notifications.tell(
            [Notice("release", chat, {**data, "agree": button.token}) for chat, button in made.items()]
        )
        return Reason("RELEASE_ASKED", {"count": len(others)})

    def _button(self, level: HaltLevel, actor: Actor, seq: int, chat: int) -> ButtonToken:
        action = AgreeResume(int(level), actor.user_id, seq)
        return ButtonToken(self._token(), action, chat, self._clock() + BUTTON_TTL)

    def agree(self, button_id: int, to: AgreeResume, actor: Actor) -> TapResult:
        """Another administrator agrees.

        Raises:
            Stale: the button was used already.
        """
        if actor.user_id == to.asked_by or not {actor.user_id, to.asked_by} <= set(self._notifications.overseers()):
            return TapResult(TapOutcome.NOT_YOURS)
        if self._trading_halt.now().seq != to.seq:
            return TapResult(TapOutcome.LATE)
        self._journal.use(button_id, actor, "brake.agreed")
        return TapResult(
            TapOutcome.SETTLED if self._trading_halt.resume(HaltLevel(to.level), actor) else TapOutcome.USED
        )
