"""Letting go of the brakes takes two: who asks, and another administrator who agrees. A lone one waits a little."""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.orders.access.roles import Actor, Role
from bot.orders.model.button import AgreeResume, ButtonToken
from bot.orders.model.notice import Notice
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import TapOutcome, TapResult
from bot.orders.ports import Journal, Roster
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt

ASKED_FOR = timedelta(minutes=10)


class Resume:
    """Asks for the release and carries it out."""

    def __init__(
        self,
        journal: Journal,
        brakes: TradingHalt,
        roster: Roster | None,
        *,
        clock: Callable[[], datetime],
        token: Callable[[], str],
        pause: float,
    ) -> None:
        """`pause`: seconds the brakes must have been on before somebody alone in charge may release them."""
        self._journal = journal
        self._brakes = brakes
        self._roster = roster
        self._clock = clock
        self._token = token
        self._pause = pause

    def ask(self, level: HaltLevel, who: Actor) -> Reason | None:
        """Release the brakes, or ask the others to agree; a reason that says what is needed still, or None."""
        if not who.role.covers(Role.ADMIN):
            return Reason("NOT_ALLOWED", {})
        now = self._brakes.now()
        if level >= now.level:
            return Reason("NOT_HALTED", {})
        others = [one for one in self._in_charge() if one != who.user_id]
        if not others:
            stood = (self._clock() - now.at).total_seconds()
            if stood < self._pause:
                return Reason("RESUME_PAUSE", {"seconds": int(self._pause - stood) + 1})
            self._brakes.release(level, who)
            return None
        # bound to the brakes as they are: raised once more, they have to be asked about once more
        made = {chat: self._button(level, who, now.seq, chat) for chat in others}
        self._journal.add_buttons(None, list(made.values()))
        data: dict[str, object] = {"level": int(level), "was": int(now.level), "why": now.why, "name": who.name}
        self._journal.tell([Notice("release", chat, {**data, "agree": key.token}) for chat, key in made.items()])
        return Reason("RELEASE_ASKED", {"count": len(others)})

    def _button(self, level: HaltLevel, who: Actor, seq: int, chat: int) -> ButtonToken:
        action = AgreeResume(int(level), who.user_id, seq)
        return ButtonToken(self._token(), action, chat, self._clock() + ASKED_FOR)

    def _in_charge(self) -> list[int]:
        people = self._roster.all() if self._roster is not None else []
        return [one.user_id for one in people if one.role.covers(Role.ADMIN)]

    def agree(self, button_id: int, to: AgreeResume, who: Actor) -> TapResult:
        """Another administrator agrees.

        Raises:
            Stale: the button was used already.
        """
        if who.user_id == to.asked_by or not {who.user_id, to.asked_by} <= set(self._in_charge()):
            return TapResult(TapOutcome.NOT_YOURS)
        if self._brakes.now().seq != to.seq:
            return TapResult(TapOutcome.LATE)
        self._journal.use(button_id, who, "brake.agreed")
        return TapResult(TapOutcome.SETTLED if self._brakes.release(HaltLevel(to.level), who) else TapOutcome.USED)
