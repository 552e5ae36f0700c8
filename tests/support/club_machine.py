"""Five people, their order desk and all that they may do: rules and invariants of a state machine of Hypothesis's."""

import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.orders.access.membership import MembershipError
from bot.orders.access.roles import Role
from bot.orders.approvals.policy import ApprovalPolicy, SellApproval
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import step
from kis.models import Side
from tests.chaos.error_log import logged_errors
from tests.support.club import Club
from tests.support.club_judge import Judge
from tests.support.virtual_time import VirtualLoop

M = 1_000_000
ORDER_TIERS, DAY_TIERS = ((M, 1), (3 * M, 2)), ((2 * M, 1), (5 * M, 2))
DEPUTIES = timedelta(minutes=10)
PEOPLE = st.integers(1, 5)
ANY = st.integers(0, 40)
"""Which of many, counted from the newest."""
SIZES = st.sampled_from((300_000, 700_000, 1_200_000, 1_900_000, 3_500_000))
SECONDS = st.sampled_from((1.0, 5.0, 30.0, 61.0, 605.0, 3_600.0, 22_500.0, 86_400.0))
BY = st.sampled_from((None, 1, 2))
EDITS = st.sampled_from(("quantity", "price", "code", "side", "user_id", "round", "approvals"))
SEEN: Counter[str] = Counter()
"""What happened in all scenarios together: an invariant that never had its chance proves nothing."""


class ClubMachine(RuleBasedStateMachine):
    """Up to five people, their orders, and what they do to each other's."""

    def __init__(self) -> None:
        super().__init__()
        logged_errors()
        self.home = tempfile.TemporaryDirectory(prefix="kisbot-approval-")

    @initialize(sells=st.sampled_from(SellApproval), deputies=st.booleans())
    def begin(self, sells: SellApproval, deputies: bool) -> None:
        policy = ApprovalPolicy(ORDER_TIERS, DAY_TIERS, sells, DEPUTIES if deputies else None)
        self.club = Club(VirtualLoop(), Path(self.home.name), policy)
        self.judge = Judge(self.club)
        self.judge.seen = SEEN
        for user, role in ((2, Role.ADMIN), (3, Role.TRADER), (4, Role.TRADER), (5, Role.ADMIN)):
            self.club.people.put(user, f"사람{user}", role)

    def _up(self) -> bool:
        return hasattr(self, "club")

    # --- people -------------------------------------------------------------------------------------------------------

    @rule(
        user=PEOPLE,
        how=st.sampled_from(("put", "put", "suspend", "remove", "resume")),
        role=st.sampled_from(Role),
        by=BY,
    )
    def people(self, user: int, how: str, role: Role, by: int | None) -> None:
        """Somebody joins, comes back, is promoted, demoted or shut out."""
        people = self.club.people
        if how == "put":
            self._change(user, lambda: people.put(user, f"사람{user}", role, by=by, again=True))
        else:
            self._change(user, lambda: getattr(people, how)(user, by=by))

    def _change(self, user: int, change: Any) -> None:
        club = self.club
        club.remember_roles()
        before = club.standing()
        try:
            change()
        except MembershipError:
            return
        after = club.standing()
        lost = user in before and (user not in after or not after[user].covers(before[user]))
        if not lost:
            return
        SEEN["somebody lost a role"] += 1
        keys = club.connection.execute("SELECT count(*) FROM buttons WHERE user_id = ? AND used_at IS NULL", [user])
        assert keys.fetchone() == (0,), "somebody who lost a role has a button left"
        for number, row in club.rows().items():
            voted = row["state"] == "pending" and user in self.judge.yes.get((number, row["round"]), ())
            mine = row["user_id"] == user and row["state"] in {"proposed", "pending"}
            assert not mine, f"order {number} outlives the role of {user}, who asked for it"
            assert not voted, f"order {number} outlives the role of {user}, who agreed to it"

    # --- orders -------------------------------------------------------------------------------------------------------

    @rule(user=PEOPLE, side=st.sampled_from(Side), which=st.integers(0, 2), won=SIZES, market=st.booleans())
    def propose(self, user: int, side: Side, which: int, won: int, market: bool) -> None:
        self._propose(user, side, which, won, market=market)

    def _propose(self, user: int, side: Side, which: int, won: int, *, market: bool, away: int = 2) -> int:
        if user not in self.club.standing():
            return 0  # nobody else gets past the guard
        away *= -1 if side is Side.BUY else 1
        made = self.club.propose(user, side, self.club.codes[which], won, market=market, away=away)
        self.judge.proposed(made)
        return made

    @rule(user=PEOPLE, which=st.integers(0, 2), won=SIZES, market=st.booleans(), voices=st.integers(0, 3))
    def order(self, user: int, which: int, won: int, market: bool, voices: int) -> None:
        """A purchase, tapped at once, and so many others agree."""
        made = self._propose(user, Side.BUY, which, won, market=market)
        if made:
            self._tap("confirm", made, None, 2, at_once=True)
            self._agree(made, voices)

    @rule(user=PEOPLE, which=ANY, ticks=st.sampled_from((-3, -1, 1)), own=st.booleans(), tapped=st.booleans())
    def revise(self, which: int, user: int, ticks: int, own: bool, tapped: bool) -> None:
        working = [row for row in self.club.rows().values() if row["state"] in {"open", "partial"} and row["price"]]
        row = working[-1 - which % len(working)] if working else {}
        user = row["user_id"] if row and own else user
        if row and user in self.club.standing():
            made = self.club.revise(user, row["order_no"], step(row["price"], ticks))
            self.judge.proposed(made)
            if made and tapped:
                self._tap("confirm", made, None, 1, at_once=True)

    @rule(which=ANY, taps=st.integers(1, 2), at_once=st.booleans())
    def confirm(self, which: int, taps: int, at_once: bool) -> None:
        """Whoever ordered taps once or twice; the sending may have to wait."""
        open_now = [number for number, row in self.club.rows().items() if row["state"] == "proposed"]
        if open_now:
            self._tap("confirm", open_now[-1 - which % len(open_now)], None, taps, at_once)

    @rule(which=ANY, whose=ANY, yes=st.booleans(), taps=st.integers(1, 2), at_once=st.booleans())
    def vote(self, which: int, whose: int, yes: bool, taps: int, at_once: bool) -> None:
        """One of those who were asked says yes or no, once or twice."""
        pending = [number for number, row in self.club.rows().items() if row["state"] == "pending"]
        order = pending[-1 - which % len(pending)] if pending else 0
        asked = [key.chat for key in self.club.keys if order and (key.order, key.action) == (order, "approve")]
        if asked:
            self._tap("approve" if yes else "deny", order, asked[-1 - whose % len(asked)], taps, at_once)

    @rule(which=ANY, late=st.booleans())
    def all_agree(self, which: int, late: bool) -> None:
        """Everybody who was asked taps 승인; late, the deputies first."""
        if late:
            self.club.pass_time(DEPUTIES.total_seconds() + 5)
            self.club.collect()
        pending = [number for number, row in self.club.rows().items() if row["state"] == "pending"]
        if pending:
            self._agree(pending[-1 - which % len(pending)], 5, late=late)

    def _agree(self, order: int, voices: int, *, late: bool = False, at_once: bool = True) -> None:
        asked = dict.fromkeys(key.chat for key in self.club.keys if (key.order, key.action) == (order, "approve"))
        for user in sorted(asked, key=lambda one: -one if late else one)[:voices]:
            self._tap("approve", order, user, 1, at_once=at_once)

    def _tap(self, action: str, order: int, user: int | None, taps: int, at_once: bool) -> None:
        key = self.club.newest(action, user, order)
        for _ in range(taps if key is not None else 0):
            self.judge.press(key, key.chat)
        if at_once:
            self.club.carry_out()

    @rule(which=ANY)
    def withdraw(self, which: int) -> None:
        keys = [key for key in self.club.keys if key.action in {"discard", "withdraw"}]
        if keys:
            key = keys[-1 - which % len(keys)]
            self.judge.press(key, key.chat)

    @rule(which=st.integers(0, 400), user=PEOPLE, own=st.booleans())
    def any_button(self, which: int, user: int, own: bool) -> None:
        """An old card is scrolled up to, or somebody presses what is another's."""
        if self.club.keys:
            key = self.club.keys[-1 - which % len(self.club.keys)]
            self.judge.press(key, key.chat if own else user)

    @rule(count=st.sampled_from((1, None)))
    @precondition(lambda self: self._up() and self.club.waiting)
    def carry_out(self, count: int | None) -> None:
        self.club.carry_out(count)

    # --- the world ----------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 2), ticks=st.sampled_from((-40, -15, -5, 0, 5, 15, 40)))
    def price(self, which: int, ticks: int) -> None:
        """The market moves, and every figure that was read is old."""
        code = self.club.codes[which]
        self.club.exchange.set_price(code, step(self.club.base[code], ticks))
        self.club.pass_time(4)

    @rule(which=ANY, some=st.booleans())
    def trade(self, which: int, some: bool) -> None:
        """Others trade with an order of ours, and the list tells of it."""
        resting = [one for one in self.club.exchange.open_orders() if one.price]
        if resting:
            one = resting[-1 - which % len(resting)]
            self.club.exchange.trade(one.code, one.price, max(1, one.open - 1) if some else one.open)
        self.club.pass_time(4)
        self.club.read_list()

    @rule(name=st.sampled_from(("throttle", "throttle", "lose_reply")), ticks=st.sampled_from((0, 15, -15)))
    def fault(self, name: str, ticks: int) -> None:
        """The next order meets a fault, and the market moves while it waits for another try."""
        self.club.simulator.faults.plant(name, path="order-cash")

        def market_moves(code: str) -> None:
            self.club.exchange.set_price(code, step(self.club.exchange.issues[code].last, ticks))

        self.judge.meanwhile = market_moves

    @rule(seconds=SECONDS, overnight=st.sampled_from((True, True, False)))
    def pass_time(self, seconds: float, overnight: bool) -> None:
        """Minutes or hours; mostly the night as well, where the session has ended."""
        club = self.club
        club.pass_time(seconds)
        club.read_list()
        if overnight and not club.hours.open(club.clock()):
            club.pass_time((club.hours.next_open(club.clock()) - club.clock()).total_seconds() + 360)
            club.read_list()

    def edit(self, column: str, which: int) -> int:
        """Somebody changes an open request in the database, past the bot; which one."""
        found = [row for row in self.club.rows().values() if row["state"] in {"proposed", "pending"}]
        if not found:
            return 0
        row = found[-1 - which % len(found)]
        others = {
            "code": self.club.codes[(self.club.codes.index(row["code"]) + 1) % 3],
            "side": "sell" if row["side"] == "buy" else "buy",
            "user_id": row["user_id"] % 5 + 1,
            "price": row["price"] + 1 if row["price"] else None,
            "approvals": 9,
        }
        value = others[column] if column in others else row[column] + 1
        self.club.connection.execute(f"UPDATE orders SET {column} = ? WHERE id = ?", [value, row["id"]])
        if column != "approvals" and value != row[column]:
            self.judge.edited.add(row["id"])
            SEEN["edited"] += 1
        return int(row["id"])

    @rule()
    def restart(self) -> None:
        self.club.restart()

    # --- the halts ----------------------------------------------------------------------------------------------------

    @rule(user=PEOPLE, level=st.sampled_from((HaltLevel.BUYS, HaltLevel.NEW)))
    def halt(self, user: int, level: HaltLevel) -> None:
        if user in self.club.standing():
            self.club.desk.halt(level, self.club.who(user))

    @rule(user=PEOPLE, level=st.sampled_from((HaltLevel.OFF, HaltLevel.OFF, HaltLevel.BUYS)))
    def release(self, user: int, level: HaltLevel) -> None:
        club, was, known = self.club, self.club.level(), len(self.club.keys)
        if user not in club.standing():
            return
        club.desk.resume(level, club.who(user))
        club.collect()
        for key in club.keys[known:]:
            self.judge.askers[key.token] = (user, self.judge.settings())
        if club.level() < was:
            assert club.in_charge() == {user}, f"{user} resumed trading alone"
            SEEN["released alone"] += 1

    @rule(user=PEOPLE)
    @precondition(lambda self: self._up() and self.club.level())
    def let_go(self, user: int) -> None:
        """Somebody asks for the release, and the others agree."""
        known = len(self.club.keys)
        self.release(user, HaltLevel.OFF)
        for key in self.club.keys[known:]:
            self.judge.press(key, key.chat)

    @rule(which=ANY)
    @precondition(lambda self: self._up() and self.judge.askers)
    def agree(self, which: int) -> None:
        keys = [key for key in self.club.keys if key.action == "agree"]
        key = keys[-1 - which % len(keys)]
        self.judge.press(key, key.chat)

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        if self._up():
            self.club.clock.ahead += timedelta(milliseconds=20)
            self.judge.holds()
            words = [one for one in logged_errors() if "terms are not those" not in one]
            assert words == [], f"faults of the program: {words}"

    def teardown(self) -> None:
        if self._up():
            self.club.end()
        self.home.cleanup()
