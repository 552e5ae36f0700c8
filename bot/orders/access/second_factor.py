"""Proving once more that it is you: when a second factor is asked, what a right or wrong answer does, and lock-outs.

A person's phone may be in other hands. What it could do most harm with (a large order, the first order after a long
pause, letting orders go out again, changing people, raising limits) waits for a code that the phone's chat does not
hold. The rules are here; where secrets lie and how a code is judged is the store's matter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

import structlog

from bot.orders.access.roles import Actor
from bot.orders.model.notice import Notice
from bot.orders.model.reason import Reason

log = structlog.get_logger(__name__)

DIGITS = 6
"""Of a PIN and of a TOTP code."""
LIVES = timedelta(minutes=2)
"""How long a question stands, and how long a right answer is good for the one thing it was asked for."""
MOST_WRONG = 5
"""Wrong answers in a row that lock."""
LOCKS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
"""How long each lock lasts; after the last of them only an owner opens the next."""
_A_LITTLE = timedelta(minutes=1)
"""How exactly it is known when somebody was last at work; a clock may have been set back by that much."""


class ProtectedAction(StrEnum):
    """What may need a second factor."""

    CONFIRM = "confirm"
    APPROVE = "approve"
    RESUME = "resume"
    PEOPLE = "people"
    LIMITS = "limits"
    PIN = "pin"
    """Replacing one's own factor by a new PIN."""


ORDERS = frozenset({ProtectedAction.CONFIRM, ProtectedAction.APPROVE})
"""Asked only when large or after a pause; every other deed always is."""


class FactorKind(StrEnum):
    """The kinds of second factor."""

    TOTP = "totp"
    PIN = "pin"


@dataclass(frozen=True)
class SecondFactorPolicy:
    """What the house asks. `value` in won: an order above it; None where the settings name none.

    With a value everybody is asked, and who has no second factor cannot do what needs one. Without, only those are
    asked who have chosen one, above `usual`.
    """

    value: int | None = None
    usual: int = 1_000_000
    idle: timedelta | None = timedelta(hours=12)

    @property
    def above(self) -> int:
        """The value in won above which an order is asked about."""
        return self.usual if self.value is None else self.value


@dataclass(frozen=True)
class Tries:
    """A person's wrong answers so far. `barred`: until an owner unlocks."""

    wrong: int = 0
    rounds: int = 0
    locked_until: datetime | None = None
    barred: bool = False

    def locked(self, now: datetime) -> bool:
        """Whether no answer is taken now."""
        return self.barred or (self.locked_until is not None and now < self.locked_until)


def judged(tries: Tries, now: datetime, *, right: bool) -> Tries:
    """What an answer makes of the tries before it."""
    if right:
        return Tries()
    if tries.wrong + 1 < MOST_WRONG:
        return replace(tries, wrong=tries.wrong + 1, locked_until=None)
    if tries.rounds >= len(LOCKS):
        return Tries(rounds=tries.rounds, barred=True)
    return Tries(rounds=tries.rounds + 1, locked_until=now + LOCKS[tries.rounds])


def trivial(pin: str) -> bool:
    """Whether a PIN is among the first that somebody would try: a run, a repetition, few digits, a date of birth."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    if len(set(pin)) <= 2 or steps <= {1, 2} or steps <= {8, 9}:  # noqa: PLR2004  # two digits
        return True
    if any(pin == pin[:length] * (len(pin) // length) for length in (2, 3)):
        return True
    pairs = [pin[at : at + 2] for at in range(0, len(pin), 2)]
    if all(pair[0] == pair[1] for pair in pairs) or pin[:3] == pin[:2:-1]:
        return True
    return _date(pin)


def _date(pin: str) -> bool:
    """Year, month and day, as people write the day they were born."""
    try:
        datetime.strptime(f"20{pin}", "%Y%m%d")  # noqa: DTZ007  # only whether there is such a day
    except ValueError:
        return False
    return True


class FactorUnreadable(Exception):
    """The factor is there and cannot be read: its key is missing, or was exchanged."""


class Factors(Protocol):
    """Where second factors are kept; every method is one transaction."""

    def kind(self, user_id: int) -> FactorKind | None:
        """Which factor the person has."""
        ...

    def tries(self, user_id: int) -> Tries:
        """The wrong answers so far."""
        ...

    def active_at(self, user_id: int) -> datetime | None:
        """When the person last did something that may need a factor, None for never."""
        ...

    def acted(self, user_id: int) -> None:
        """The person does so now."""
        ...

    def answer(self, user_id: int, code: str, deed: str, subject: str) -> tuple[bool, Tries]:
        """Judge a code, count it, write it down. Raises `FactorUnreadable`, and then nothing was counted."""
        ...

    def put_pin(self, user_id: int, pin: str) -> None:
        """This PIN from now on, in the place of any factor before."""
        ...

    def unlock(self, user_id: int, by: int | None) -> bool:
        """Forget wrong answers; False where there are none."""
        ...


class ChallengeResult(StrEnum):
    """What became of a question."""

    ASKED = "asked"
    PASSED = "passed"
    WRONG = "wrong"
    LOCKED = "locked"
    NOT_ENROLLED = "not_enrolled"
    UNREADABLE = "unreadable"
    GONE = "gone"
    """There is no question, or its time is up."""


@dataclass(frozen=True)
class Challenge:
    """A question to one person about one thing, or why there is none (`state`)."""

    who: Actor
    deed: ProtectedAction
    subject: str
    state: ChallengeResult
    factor: FactorKind | None = None
    until: datetime | None = None
    """When the question ends, or the lock; None with LOCKED: when an owner unlocks."""
    left: int = MOST_WRONG
    """Tries before the next lock."""


class SecondFactor:
    """Asks, counts, and remembers for two minutes who has proved themselves for what."""

    def __init__(
        self,
        factors: Factors,
        policy: SecondFactorPolicy,
        *,
        tell: Callable[[Sequence[Notice]], None],
        overseers: Callable[[], Sequence[int]],
        done: Callable[[Actor, ProtectedAction, str], None] = lambda _who, _deed, _subject: None,
    ) -> None:
        """`overseers` learn of locks and new PINs; `done` is called when somebody has passed, before anything else."""
        self._factors = factors
        self._policy = policy
        self._tell = tell
        self._overseers = overseers
        self._done = done
        self._open: dict[int, Challenge] = {}
        self._passed: dict[tuple[int, ProtectedAction, str], datetime] = {}

    # --- whether ------------------------------------------------------------------------------------------------------

    def needs(self, who: Actor, act: str, value: int, now: datetime, subject: str = "") -> bool:
        """Whether this deed waits for a second factor; where it does not, the person counts as at work.

        Args:
            who: who acts.
            act: a `ProtectedAction`.
            value: of the order in won; 0 for other deeds.
            now: aware.
            subject: what a right answer less than two minutes old must have been given for to be enough.

        Raises:
            ValueError: there is no such deed.
        """
        deed = ProtectedAction(act)
        if self._policy.value is None and self._factors.kind(who.user_id) is None:
            return False
        if not (subject and self.granted(who.user_id, deed, subject, now)) and self._asks(
            who.user_id,
            deed,
            value,
            now,
        ):
            return True
        last = self._factors.active_at(who.user_id)
        if last is None or not timedelta() <= now - last < _A_LITTLE:  # a tap does not wait for the disk each time
            self._factors.acted(who.user_id)
        return False

    def _asks(self, user_id: int, deed: ProtectedAction, value: int, now: datetime) -> bool:
        if deed not in ORDERS or value > self._policy.above:
            return True
        return self._factors.tries(user_id).locked(now) or self._idle(user_id, now)

    def _idle(self, user_id: int, now: datetime) -> bool:
        """A time still to come was written by a clock that was set back since: it is no proof of anything."""
        if self._policy.idle is None:
            return False
        last = self._factors.active_at(user_id)
        return last is None or not -_A_LITTLE <= now - last < self._policy.idle

    def granted(self, user_id: int, act: str, subject: str, now: datetime) -> bool:
        """Whether the person has just proved themselves for this one thing."""
        until = self._passed.get((user_id, ProtectedAction(act), subject))
        return until is not None and now < until <= now + LIVES

    # --- question and answer ------------------------------------------------------------------------------------------

    def begin(self, who: Actor, act: str, subject: str, now: datetime) -> Challenge:
        """Ask; a question before this one is over. Where no answer could help, `state` says why."""
        deed, factor = ProtectedAction(act), self._factors.kind(who.user_id)
        self._open.pop(who.user_id, None)
        tries = self._factors.tries(who.user_id)
        if tries.locked(now):
            return Challenge(who, deed, subject, ChallengeResult.LOCKED, factor, tries.locked_until)
        if factor is None:
            return Challenge(who, deed, subject, ChallengeResult.NOT_ENROLLED)
        left = MOST_WRONG - tries.wrong
        asked = Challenge(who, deed, subject, ChallengeResult.ASKED, factor, now + LIVES, left)
        self._open[who.user_id] = asked
        return asked

    def drop(self, user_id: int) -> None:
        """The person does not want to answer."""
        self._open.pop(user_id, None)

    def answer(self, who: Actor, code: str, now: datetime) -> Challenge:
        """Judge an answer. Until it is right or locks, the question stands."""
        asked = self._open.get(who.user_id)
        if asked is None or asked.until is None or now >= asked.until:
            self._open.pop(who.user_id, None)
            return Challenge(who, asked.deed if asked else ProtectedAction.CONFIRM, "", ChallengeResult.GONE)
        tries = self._factors.tries(who.user_id)
        if tries.locked(now):  # another process counted, too
            self._open.pop(who.user_id)
            return replace(asked, state=ChallengeResult.LOCKED, until=tries.locked_until)
        try:
            right, tries = self._factors.answer(who.user_id, code, asked.deed.value, asked.subject)
        except FactorUnreadable:
            self._open.pop(who.user_id)
            log.warning("a second factor cannot be read; it must be set anew", user=who.user_id)
            self._announce("STEPUP_UNREADABLE", who.user_id, who.name)
            return replace(asked, state=ChallengeResult.UNREADABLE)
        if right:
            self._open.pop(who.user_id)
            return self._pass(asked, now)
        if tries.locked(now):
            self._open.pop(who.user_id)
            self._passed = {key: until for key, until in self._passed.items() if key[0] != who.user_id}
            self._tell_lock(who, tries, now)
            return replace(asked, state=ChallengeResult.LOCKED, until=tries.locked_until)
        return replace(asked, state=ChallengeResult.WRONG, left=MOST_WRONG - tries.wrong)

    def _pass(self, asked: Challenge, now: datetime) -> Challenge:
        self._passed = {key: until for key, until in self._passed.items() if now < until}
        self._passed[asked.who.user_id, asked.deed, asked.subject] = now + LIVES
        self._done(asked.who, asked.deed, asked.subject)
        return replace(asked, state=ChallengeResult.PASSED)

    def _tell_lock(self, who: Actor, tries: Tries, now: datetime) -> None:
        log.warning("step-up locked", user=who.user_id, rounds=tries.rounds, barred=tries.barred)
        if tries.locked_until is None:
            self._announce("STEPUP_BARRED", who.user_id, who.name)
            return
        minutes = round((tries.locked_until - now) / timedelta(minutes=1))
        self._announce("STEPUP_LOCKED", who.user_id, who.name, minutes=minutes)

    # --- factors ------------------------------------------------------------------------------------------------------

    def enrolled(self, user_id: int) -> FactorKind | None:
        """Which factor the person has."""
        return self._factors.kind(user_id)

    def set_pin(self, who: Actor, pin: str, now: datetime) -> Reason | None:
        """This PIN from now on; the reason why not, or None. Who has a factor has just proved it for Deed.PIN."""
        if len(pin) != DIGITS or not (pin.isascii() and pin.isdigit()):
            return Reason("PIN_FORM", {"digits": DIGITS})
        if trivial(pin):
            return Reason("PIN_TRIVIAL", {})
        if self._factors.tries(who.user_id).locked(now):
            return Reason("STEPUP_LOCKED_YOU", {})
        if self._factors.kind(who.user_id) is not None:
            if not self.granted(who.user_id, ProtectedAction.PIN, "pin", now):
                return Reason("PIN_UNPROVED", {})
            del self._passed[who.user_id, ProtectedAction.PIN, "pin"]
        self._factors.put_pin(who.user_id, pin)
        self._announce("STEPUP_PIN_SET", who.user_id, who.name)
        return None

    def unlock(self, user_id: int, *, by: Actor | None = None) -> bool:
        """Let somebody try again; False where nothing was locked. Who may is for the caller to say."""
        return self._factors.unlock(user_id, by.user_id if by else None)

    def _announce(self, code: str, user_id: int, name: str, **values: object) -> None:
        data: dict[str, object] = {"code": code, "values": {"name": name or str(user_id), "id": str(user_id), **values}}
        chats = dict.fromkeys([*self._overseers(), user_id])
        self._tell([Notice("stepup", chat, data) for chat in chats])
