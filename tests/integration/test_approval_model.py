"""Whatever people do in whatever order, nothing reaches the broker without the consent it needed.

Stories over the real desk, journal, whitelist and client, before a simulated broker in memory. Who had to agree is
reckoned once more, from the broker's ledger and what was tapped (`tests/support/club_judge.py`).

`KISBOT_APPROVAL_STORIES=3000 pytest tests/integration/test_approval_model.py` searches for longer, with other stories each time.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from bot.orders.access.roles import Role
from bot.orders.approvals.policy import SellApproval
from bot.orders.risk.trading_halt import HaltLevel
from kis.models import Side
from tests.chaos.error_log import keeping_errors
from tests.support.club_machine import ANY, EDITS, PEOPLE, SEEN, SIZES, ClubMachine

STORIES, STEPS = 110, 40
LONG = "KISBOT_APPROVAL_STORIES"
MANY = 25
"""With so many orders no further one is sliced: the scenarios are to be about people."""
TRADER = 3
EVENTS = (
    *("left with 0", "left with 1", "left with 2", "edited"),
    *("denied", "expired", "blocked", "released by two", "somebody lost a role"),
)


class GroupScenarios(ClubMachine):
    """What takes several people, or several steps, to go wrong."""

    @rule(user=PEOPLE, won=SIZES, order=st.permutations(range(10)), together=st.booleans())
    @precondition(lambda self: len(self.judge.of) < MANY)
    def slices(self, user: int, won: int, order: list[int], together: bool) -> None:
        """One big order in ten pieces, tapped in any order, at once or one after the other."""
        made = [self._propose(user, Side.BUY, n % 3, won, market=False, away=2 + n // 3) for n in range(10)]
        self._tap_all([made[n] for n in order], together=together)

    @rule(user=PEOPLE, won=SIZES, together=st.booleans())
    @precondition(lambda self: len(self.judge.of) < MANY)
    def slices_asked_again(self, user: int, won: int, together: bool) -> None:
        """Pieces that the broker puts off, and that are tapped again because the market moved meanwhile."""
        made = []
        for n in range(4):
            self.fault("throttle", 15)
            made.append(self._propose(user, Side.BUY, n % 3, won, market=False))
            self._tap_all(made[-1:], together=False)
            self.club.pass_time(4)
        self._tap_all(made, together=together)

    @rule(user=PEOPLE, won=SIZES, voices=st.integers(0, 2))
    @precondition(lambda self: len(self.judge.of) < MANY)
    def slices_revised(self, user: int, won: int, voices: int) -> None:
        """Pieces that fill but for one share, whose price is then changed."""
        for n in range(4):
            made = self._propose(user, Side.BUY, n % 3, won, market=False)
            self._tap_all([made], together=False)
            self._agree(made, voices)
            self.trade(0, some=True)
            self.revise(0, user, 1, own=True, tapped=True)
            self.pass_time(5.0, overnight=True)

    def _tap_all(self, orders: list[int], *, together: bool) -> None:
        for order in orders:
            self._tap("confirm", order, None, 1, at_once=not together)
        self.club.carry_out()

    def _one(self, which: int, *states: str) -> int:
        found = [number for number, row in self.club.rows().items() if row["state"] in states]
        return found[-1 - which % len(found)] if found else 0

    @rule(
        which=ANY,
        whose=st.integers(0, 2),
        how=st.sampled_from(("suspend", "remove", "viewer", "trader")),
        voices=st.integers(0, 3),
    )
    def role_lost_meanwhile(self, which: int, whose: int, how: str, voices: int) -> None:
        """Whoever ordered, or agreed, is shut out or demoted between the tap and the wire."""
        order = self._one(which, "proposed", "pending")
        if not order:
            return
        self._tap("confirm", order, None, 1, at_once=False)
        self._agree(order, voices, late=True, at_once=False)  # the owner last, who cannot be demoted
        row = self.club.row(order)
        cast = [self.judge.of[order][0], *sorted(self.judge.yes.get((order, row["round"]), ()))]
        user = cast[whose % len(cast)]
        if how in {"suspend", "remove"}:
            self.people(user, how, Role.VIEWER, None)
        else:
            self.people(user, "put", Role(how), None)
        self.club.carry_out()

    @rule(which=ANY, ticks=st.sampled_from((-30, 30)))
    def moved_meanwhile(self, which: int, ticks: int) -> None:
        """All agree, the market runs away before it leaves, and old cards are tapped in the new round."""
        order = self._one(which, "pending")
        if not order:
            return
        old = [key for key in self.club.keys if key.order == order]
        self._agree(order, 5, at_once=False)
        self.price(self.club.codes.index(self.judge.of[order][2]), ticks)
        self.club.carry_out()
        for _ in range(2):
            self._tap("confirm", order, None, 1, at_once=True)
        for key in old:
            if key.action == "approve":
                self.judge.press(key, key.chat)
        self.club.carry_out()

    @rule(column=EDITS, which=ANY)
    def edited_meanwhile(self, column: str, which: int) -> None:
        """The row is changed past the bot, and everybody taps what they have."""
        order = self.edit(column, which)
        if order:
            self._tap("confirm", order, None, 1, at_once=True)
            self._agree(order, 5)

    @rule(user=PEOPLE)
    def pulled_meanwhile(self, user: int) -> None:
        """The release is asked for, trading is halted further, and then the others agree."""
        known = len(self.club.keys)
        self.halt(user, HaltLevel.BUYS)
        self.release(user, HaltLevel.OFF)
        self.club.pass_time(1)
        self.halt(user, HaltLevel.NEW)
        for key in self.club.keys[known:]:
            if key.action == "agree":
                self.judge.press(key, key.chat)


def test_whatever_people_do_no_order_leaves_without_the_consent_it_needed():
    stories = int(os.environ.get(LONG, "0"))
    profile = settings(
        max_examples=stories or STORIES,
        stateful_step_count=STEPS if not stories else 60,
        deadline=None,
        derandomize=not stories,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    SEEN.clear()
    with keeping_errors():
        run_state_machine_as_test(GroupScenarios, settings=profile)

    never = [what for what in EVENTS if not SEEN[what]]
    assert never == [], "it never came to that"


@pytest.fixture
def harness():
    """Two who may agree to a trader's orders, apart from every scenario."""
    SEEN.clear()
    with keeping_errors():
        made = GroupScenarios()
        made.begin(SellApproval.FEWER, deputies=False)
        yield made
        made.teardown()


def test_pieces_put_off_by_the_broker_and_tapped_again_together_count_each_other(harness):
    harness.slices_asked_again(TRADER, 700_000, together=True)
    harness.holds()
    assert SEEN["left in another round"]


def test_a_piece_whose_last_share_was_revised_still_counts_with_all_that_was_filled(harness):
    harness.slices_revised(TRADER, 700_000, voices=0)
    harness.holds()
    assert SEEN["revised"]
