"""What a club's broker has, what people tapped, and who therefore had to agree: reckoned past every object of the bot's."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from bot.orders.access.roles import Role
from bot.orders.approvals.policy import SellApproval, Tiers
from bot.orders.model.tap_result import TapOutcome
from bot.orders.risk.trading_halt import HaltLevel
from kis.models import Side
from tests.support.club import Club, Key

if TYPE_CHECKING:
    from datetime import date, datetime

ON_THE_WAY = {"pending", "confirmed", "submitting", "waiting", "unknown"}
ENDED = {"filled", "cancelled", "replaced", "lapsed", "rejected", "never_booked", "not_sent"}
NEVER = {"blocked", "expired", "denied", "discarded"}
"""Ends at which the broker has nothing of it."""
EFFECTS = {
    TapOutcome.SENDING,
    TapOutcome.PENDING,
    TapOutcome.VOTED,
    TapOutcome.DISCARDED,
    TapOutcome.AGAIN,
    TapOutcome.SETTLED,
    TapOutcome.CANCELLING,
}
CANCEL = "02"
"""RVSE_CNCL_DVSN_CD of a cancel."""
Round = tuple[int, int]
"""An order, and how often it was put before people."""


class Judge:
    """Stands at the broker's door."""

    def __init__(self, club: Club) -> None:
        self.club = club
        self.of: dict[int, tuple[int, Side, str, int, int]] = {}
        """By order: who asked, which way, for what, how many, at how much; so the broker must get it."""
        self.demand: dict[Round, int] = {}
        """How many others had to agree when it was tapped."""
        self.asked_at: dict[Round, datetime] = {}
        self.yes: dict[Round, set[int]] = {}
        """Who tapped 승인."""
        self.edited: set[int] = set()
        self.over: set[int] = set()
        self.booked: dict[int, list[Any]] = {}
        """By order: its rows in the broker's ledger."""
        self.freely: Counter[tuple[int, date]] = Counter()
        """By person and day: won of purchases that the broker has and nobody else agreed to."""
        self.broken: list[str] = []
        self.seen: Counter[str] = Counter()
        self.askers: dict[str, tuple[int, int]] = {}
        """By button: who asked to resume trading, and how often it had been halted by then."""
        self._used: Counter[str] = Counter()
        self.meanwhile: Any = None
        """What happens as soon as the next order has reached the broker."""
        self._leaving, self._rows_before = 0, 0
        club.transport.before, club.transport.after = self._leaves, self._left

    def proposed(self, order: int) -> None:
        """Remember a ticket as it was shown; 0 is none."""
        if not order:
            return
        row = self.club.row(order)
        self.of[order] = (row["user_id"], Side(row["side"]), row["code"], row["quantity"], row["price"] or 0)

    def demanded(self, order: int, rows: dict[int, dict[str, Any]]) -> int:
        """How many others must agree to what is tapped now, from the ledger and what else was tapped."""
        user = self.of[order][0]
        value = self._value(order, rows[order])
        day = value
        for number, other in self.of.items():
            if other[0] != user or number == order:
                continue
            booked = [row for row in self.booked.get(number, ()) if row.day == self.club.clock().date()]
            if booked:
                day += sum((row.quantity - row.moved) * self._unit(row) for row in booked)
            elif number not in self.edited and self._tapped(number, rows[number]):
                day += self._value(number, rows[number])
        count = max(tier(self.club.policy.order_tiers, value), tier(self.club.policy.day_tiers, day))
        if self.of[order][1] is Side.SELL and count:
            count = {SellApproval.SAME: count, SellApproval.FEWER: count - 1, SellApproval.NONE: 0}[
                self.club.policy.sells
            ]
        return count

    def _tapped(self, order: int, row: dict[str, Any]) -> bool:
        return row["state"] in ON_THE_WAY and (order, row["round"]) in self.demand

    def _value(self, order: int, row: dict[str, Any]) -> int:
        """Won as KIS sets them aside: the limit, the upper limit of a market buy; what a market sale brings."""
        _, side, code, quantity, price = self.of[order]
        upper = self.club.exchange.issues[code].upper if side is Side.BUY else row["reserve_unit"]
        return quantity * (price or upper)

    def _unit(self, row: Any) -> int:
        return row.price or (row.ceiling if row.side == "buy" else row.filled_amount // max(1, row.filled))

    # --- one tap, judged ----------------------------------------------------------------------------------------------

    def press(self, key: Key, user: int) -> None:
        """A tap, and what may have come of it."""
        club = self.club
        before, was, settings_before = club.rows(), club.level(), self.settings()
        free = self.demanded(key.order, before) if key.action == "confirm" and key.order in self.of else 0
        verdict = club.press(key, user).verdict
        if verdict not in EFFECTS:
            if verdict is not TapOutcome.LATE:
                assert club.rows() == before, f"{verdict} changed something"
            assert club.level() == was
            return
        self._used[key.token] += 1
        assert self._used[key.token] == 1, f"a button for {key.action} had two effects"
        assert user == key.chat, f"{user} pressed what is {key.chat}'s"
        assert user in club.standing(), f"{user} is shut out, and the tap took effect"
        at = (key.order, before[key.order]["round"]) if key.order else (0, 0)
        if key.action == "confirm" and verdict in {TapOutcome.SENDING, TapOutcome.PENDING}:
            self.demand[at] = free
            self.asked_at[at] = club.clock()
            assert (verdict is TapOutcome.PENDING) >= (free > 0), (
                f"order {at} needs {free} others and was not asked about"
            )
        if key.action in {"approve", "deny"}:
            assert user != self.of[key.order][0], "the proposer voted"
            assert before[key.order]["state"] == "pending", "a vote on what is over"
        if key.action == "approve":
            assert user not in self.yes.setdefault(at, set()), "a vote counted twice"
            self.yes[at].add(user)
        if club.level() < was:
            asker, then = self.askers[key.token]
            assert asker != user, "one person asked and agreed"
            assert {asker, user} <= club.in_charge(), "released by somebody who is not in charge"
            assert then == settings_before, "a consent outlived another pull"
            self.seen["released by two"] += 1

    def settings(self) -> int:
        """How often trading was halted."""
        return int(self.club.connection.execute("SELECT count(*) FROM brakes").fetchone()[0])

    # --- what leaves --------------------------------------------------------------------------------------------------

    def _leaves(self, body: dict[str, str]) -> None:
        """An order is about to reach the broker: who agreed to it, by the table of votes and the list of people?"""
        club = self.club
        self._rows_before, self._leaving = len(club.booked()), 0
        if body.get("RVSE_CNCL_DVSN_CD") == CANCEL:
            return
        (number,) = club.connection.execute(
            "SELECT order_id FROM attempts WHERE endpoint != 'cancel' ORDER BY rowid DESC LIMIT 1"
        ).fetchone()
        self._leaving = number
        row, (user, side, code, quantity, price) = club.row(number), self.of[number]
        at, people = (number, row["round"]), club.standing()
        self._hold(user in people and people[user].covers(Role.TRADER), f"{user} may not trade, and order {at} left")
        self._hold(number not in self.over | self.edited, f"order {at} is over or was edited, and left")
        self._hold(at in self.demand, f"order {at} left untapped")
        said = (body.get("PDNO", code), int(body.get("ORD_QTY") or 0) or quantity, int(body["ORD_UNPR"]))
        self._hold(said == (code, quantity, price), f"order {at} left as {said}")
        level = club.level()
        self._hold(
            level < HaltLevel.NEW and (level is HaltLevel.OFF or side is Side.SELL), f"order {at} left under {level!r}"
        )
        waits = club.policy.deputies_after
        stood = club.clock() - self.asked_at.get(at, club.clock())
        least = Role.TRADER if waits is not None and stood >= waits else Role.ADMIN
        table = club.connection.execute(
            "SELECT user_id FROM votes WHERE order_id = ? AND round = ? AND approve", list(at)
        ).fetchall()
        voters = {one for (one,) in table}
        self._hold(voters == self.yes.get(at, set()), f"order {at}: {voters} stand in the table, {self.yes} voted")
        counted = {one for one in voters if one != user and one in people and people[one].covers(least)}
        demand = self.demand.get(at, 0)
        self._hold(len(counted) >= demand, f"order {at} needed {demand} others and had {counted}")
        last = club.exchange.issues[code].last
        allowed = 3 if demand else 1
        moved = abs(last - row["quote"]) * 100 > allowed * row["quote"]
        self._hold(not moved, f"order {at} was agreed to at {row['quote']} and left at {last}")
        self.seen[f"left with {demand}"] += 1
        self.seen["left in another round"] += row["round"] > 1
        self.seen["revised"] += "RVSE_CNCL_DVSN_CD" in body
        self.seen["left by a deputy's voice"] += any(not people[one].covers(Role.ADMIN) for one in counted)

    def _hold(self, holds: bool, words: str) -> None:
        if not holds:
            self.broken.append(words)

    def _left(self) -> None:
        club = self.club
        for row in club.booked()[self._rows_before :] if self._leaving else ():
            self.booked.setdefault(self._leaving, []).append(row)
            if row.side == "buy" and not club.row(self._leaving)["needed"]:
                parent = club.exchange.find(row.original) if row.original else None
                moved = row.quantity * self._unit(parent) if parent is not None else 0
                self.freely[self.of[self._leaving][0], row.day] += row.quantity * self._unit(row) - moved
        if self.meanwhile is not None and self._leaving:
            self.meanwhile, happens = None, self.meanwhile
            happens(self.of[self._leaving][2])

    # --- what must hold -----------------------------------------------------------------------------------------------

    def holds(self) -> None:
        """After every step."""
        assert self.broken == [], self.broken
        for number, row in self.club.rows().items():
            booked = self.booked.get(number, ())
            assert len(booked) <= 1, f"order {number} is at the broker {len(booked)} times"
            if row["state"] in NEVER:
                assert not booked, f"order {number} is {row['state']}, and the broker has it"
            if row["state"] in NEVER | ENDED and number not in self.over:
                self.over.add(number)
                self.seen[row["state"]] += 1
        assert len(self.club.booked()) == sum(map(len, self.booked.values())), "an order nobody knows is booked"
        for (user, day), won in self.freely.items():
            assert won <= self.club.policy.day_tiers[0][0], f"{user} had {won} won bought on {day}, and nobody agreed"


def tier(tiers: Tiers, won: int) -> int:
    return max([count for above, count in tiers if won > above], default=0)
