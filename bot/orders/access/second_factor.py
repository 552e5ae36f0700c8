"""The second factor: when it is asked for, what a right or wrong answer does, and lock-outs.

A phone may be in other hands, so what could do most harm waits for a code that its chat does not hold: a large order,
the first order after a long pause, resuming after a halt, changing people, raising limits. The store keeps the secrets
and verifies codes.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.access.roles import Actor
from bot.orders.model.notice import Notice
from bot.orders.model.reason import Reason

log = structlog.get_logger(__name__)

DIGITS = 6
"""Of a PIN and of a TOTP code."""
CHALLENGE_TTL = timedelta(minutes=2)
"""How long a challenge stands, and how long a right answer counts for the one subject it was given for."""
MAX_WRONG = 5
"""Wrong answers in a row that lock."""
LOCK_TIMES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
"""How long each lock lasts; after the last of them only an owner opens the next."""
_CLOCK_TOLERANCE = timedelta(minutes=1)
"""Precision of the stored last activity; a clock set back by this much is no matter."""


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
"""Asked only when large or after a pause; every other action always is."""


class FactorKind(StrEnum):
    """The kinds of second factor."""

    TOTP = "totp"
    PIN = "pin"


@dataclass(frozen=True)
class SecondFactorPolicy:
    """When a second factor is required. `value` in won: of an order above it; None where the settings name none.

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
    """The tries after one more answer."""
    if right:
        return Tries()
    if tries.wrong + 1 < MAX_WRONG:
        return replace(tries, wrong=tries.wrong + 1, locked_until=None)
    if tries.rounds >= len(LOCK_TIMES):
        return Tries(rounds=tries.rounds, barred=True)
    return Tries(rounds=tries.rounds + 1, locked_until=now + LOCK_TIMES[tries.rounds])


def trivial(pin: str) -> bool:
    """Whether a PIN is among the first that somebody would try: a run, a repetition, few digits, a date of birth."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    if len(set(pin)) <= 2 or steps <= {1, 2} or steps <= {8, 9}:  # noqa: PLR2004  # two digits
        return True
    if any(pin == pin[:length] * (len(pin) // length) for length in (2, 3)):
        return True
    if pin[::2] == pin[1::2] or pin[:3] == pin[:2:-1]:
        return True
    try:
        datetime.strptime(f"20{pin}", "%Y%m%d")  # noqa: DTZ007  # only whether there is such a day
    except ValueError:
        return False
    return True


class FactorUnreadable(Exception):
    """The factor is there and cannot be read: its key is missing, or was exchanged."""


class Factors(Protocol):
    """Where second factors are stored; every method is one transaction."""

    def kind(self, user_id: int) -> FactorKind | None:
        """Which factor the person has."""

    def tries(self, user_id: int) -> Tries:
        """The wrong answers so far."""

    def active_at(self, user_id: int) -> datetime | None:
        """When the person last did something that may need a factor, None for never."""

    def acted(self, user_id: int) -> None:
        """The person does so now."""

    def answer(self, user_id: int, code: str, action: str, subject: str) -> tuple[bool, Tries]:
        """Verify a code, count and record the answer. Raises `FactorUnreadable`; then nothing was counted."""

    def put_pin(self, user_id: int, pin: str) -> None:
        """This PIN from now on, in the place of any factor before."""

    def unlock(self, user_id: int, by: int | None) -> bool:
        """Forget wrong answers; False where there are none."""


class ChallengeResult(StrEnum):
    """State of a challenge."""

    ASKED = "asked"
    PASSED = "passed"
    WRONG = "wrong"
    LOCKED = "locked"
    NOT_ENROLLED = "not_enrolled"
    UNREADABLE = "unreadable"
    GONE = "gone"
    """There is no challenge, or its time is up."""


@dataclass(frozen=True)
class Challenge:
    """A challenge to one person about one subject, or why there is none (`state`)."""

    actor: Actor
    action: ProtectedAction
    subject: str
    state: ChallengeResult
    factor: FactorKind | None = None
    until: datetime | None = None
    """When the challenge or the lock ends; None with LOCKED: when an owner unlocks."""
    left: int = MAX_WRONG
    """Tries before the next lock."""


class SecondFactor:
    """Issues challenges, counts answers, and remembers for CHALLENGE_TTL who has passed for what."""

    def __init__(self, factors: Factors, policy: SecondFactorPolicy, notifications: Notifications) -> None:
        """Overseers are notified of locks and new PINs."""
        self._factors = factors
        self._policy = policy
        self._notifications = notifications
        self._open: dict[int, Challenge] = {}
        self._passed: dict[tuple[int, ProtectedAction, str], datetime] = {}

    # --- whether ------------------------------------------------------------------------------------------------------

    def needs(self, actor: Actor, act: str, value: int, now: datetime, subject: str = "") -> bool:
        """Whether this `ProtectedAction` waits for a second factor; where it does not, the person counts as active.

        `value`: of the order in won, 0 for other actions. `subject`: a right answer given for it within CHALLENGE_TTL
        is enough.
        """
        action = ProtectedAction(act)
        if self._policy.value is None and self._factors.kind(actor.user_id) is None:
            return False
        if not (subject and self.granted(actor.user_id, action, subject, now)) and self._asks(
            actor.user_id, action, value, now
        ):
            return True
        last = self._factors.active_at(actor.user_id)
        if last is None or not timedelta() <= now - last < _CLOCK_TOLERANCE:  # not every tap waits for the disk
            self._factors.acted(actor.user_id)
        return False

    def _asks(self, user_id: int, action: ProtectedAction, value: int, now: datetime) -> bool:
        if action not in ORDERS or value > self._policy.above:
            return True
        return self._factors.tries(user_id).locked(now) or self._idle(user_id, now)

    def _idle(self, user_id: int, now: datetime) -> bool:
        """A time in the future was stored before the clock was set back: it proves no activity."""
        if self._policy.idle is None:
            return False
        last = self._factors.active_at(user_id)
        return last is None or not -_CLOCK_TOLERANCE <= now - last < self._policy.idle

    def granted(self, user_id: int, act: str, subject: str, now: datetime) -> bool:
        """Whether the person answered right for this subject within CHALLENGE_TTL."""
        until = self._passed.get((user_id, ProtectedAction(act), subject))
        return until is not None and now < until <= now + CHALLENGE_TTL

    # --- challenge and answer -----------------------------------------------------------------------------------------

    def begin(self, actor: Actor, act: str, subject: str, now: datetime) -> Challenge:
        """Begin a challenge in the place of the one before. Where no answer could help, `state` says why."""
        action, factor = ProtectedAction(act), self._factors.kind(actor.user_id)
        self._open.pop(actor.user_id, None)
        tries = self._factors.tries(actor.user_id)
        if tries.locked(now):
            return Challenge(actor, action, subject, ChallengeResult.LOCKED, factor, tries.locked_until)
        if factor is None:
            return Challenge(actor, action, subject, ChallengeResult.NOT_ENROLLED)
        left = MAX_WRONG - tries.wrong
        asked = Challenge(actor, action, subject, ChallengeResult.ASKED, factor, now + CHALLENGE_TTL, left)
        self._open[actor.user_id] = asked
        return asked

    def drop(self, user_id: int) -> None:
        """The person does not want to answer."""
        self._open.pop(user_id, None)

    def answer(self, actor: Actor, code: str, now: datetime) -> Challenge:
        """Verify an answer. The challenge stands until an answer is right or locks."""
        asked = self._open.get(actor.user_id)
        if asked is None or asked.until is None or now >= asked.until:
            self._open.pop(actor.user_id, None)
            return Challenge(actor, asked.action if asked else ProtectedAction.CONFIRM, "", ChallengeResult.GONE)
        tries = self._factors.tries(actor.user_id)
        if tries.locked(now):  # another process counted, too
            self._open.pop(actor.user_id)
            return replace(asked, state=ChallengeResult.LOCKED, until=tries.locked_until)
        try:
            right, tries = self._factors.answer(actor.user_id, code, asked.action.value, asked.subject)
        except FactorUnreadable:
            self._open.pop(actor.user_id)
            log.warning("a second factor cannot be read; it must be set anew", user=actor.user_id)
            self._announce("STEPUP_UNREADABLE", actor.user_id, actor.name)
            return replace(asked, state=ChallengeResult.UNREADABLE)
        if right:
            self._open.pop(actor.user_id)
            return self._pass(asked, now)
        if tries.locked(now):
            self._open.pop(actor.user_id)
            self._passed = {key: until for key, until in self._passed.items() if key[0] != actor.user_id}
            self._tell_lock(actor, tries, now)
            return replace(asked, state=ChallengeResult.LOCKED, until=tries.locked_until)
        return replace(asked, state=ChallengeResult.WRONG, left=MAX_WRONG - tries.wrong)

    def _pass(self, asked: Challenge, now: datetime) -> Challenge:
        self._passed = {key: until for key, until in self._passed.items() if now < until}
        self._passed[asked.actor.user_id, asked.action, asked.subject] = now + CHALLENGE_TTL
        return replace(asked, state=ChallengeResult.PASSED)

    def _tell_lock(self, actor: Actor, tries: Tries, now: datetime) -> None:
        log.warning("step-up locked", user=actor.user_id, rounds=tries.rounds, barred=tries.barred)
        if tries.locked_until is None:
            self._announce("STEPUP_BARRED", actor.user_id, actor.name)
            return
        minutes = round((tries.locked_until - now) / timedelta(minutes=1))
        self._announce("STEPUP_LOCKED", actor.user_id, actor.name, minutes=minutes)

    # --- factors ------------------------------------------------------------------------------------------------------

    def enrolled(self, user_id: int) -> FactorKind | None:
        """Which factor the person has."""
        return self._factors.kind(user_id)

    def set_pin(self, actor: Actor, pin: str, now: datetime) -> Reason | None:
        """Replace any factor by this PIN; the reason why not, or None. An enrolled person must have passed for PIN."""
        if len(pin) != DIGITS or not (pin.isascii() and pin.isdigit()):
            return Reason("PIN_FORM", {"digits": DIGITS})
        if trivial(pin):
            return Reason("PIN_TRIVIAL", {})
        if self._factors.tries(actor.user_id).locked(now):
            return Reason("STEPUP_LOCKED_YOU", {})
        if self._factors.kind(actor.user_id) is not None:
            if not self.granted(actor.user_id, ProtectedAction.PIN, "pin", now):
                return Reason("PIN_UNPROVED", {})
            del self._passed[actor.user_id, ProtectedAction.PIN, "pin"]
        self._factors.put_pin(actor.user_id, pin)
        self._announce("STEPUP_PIN_SET", actor.user_id, actor.name)
        return None

    def unlock(self, user_id: int, *, by: Actor | None = None) -> bool:
        """Let somebody try again; False where nothing was locked. The caller decides who may."""
        return self._factors.unlock(user_id, by.user_id if by else None)

    def _announce(self, code: str, user_id: int, name: str, **values: object) -> None:
        data: dict[str, object] = {"code": code, "values": {"name": name or str(user_id), "id": str(user_id), **values}}
        chats = dict.fromkeys([*self._notifications.overseers(), user_id])
        self._notifications.tell([Notice("stepup", chat, data) for chat in chats])
