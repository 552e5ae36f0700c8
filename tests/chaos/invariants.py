"""What must hold whatever happened: checked as each order leaves, and at the end of a world."""

import hashlib
import hmac
import json
from collections import Counter

from bot.orders.risk.trading_halt import HaltLevel
from kis.sim.exchange.orders import API_CHANNEL, Action
from tests.chaos.ours import Ours
from tests.chaos.verdict import Reported
from tests.chaos.wire import Post
from tests.chaos.world import World

MOST_POSTS = 4


class Invariants:
    """Watches one world."""

    def __init__(self, world: World, ours: Ours) -> None:
        self._world = world
        self._ours = ours
        self._tries: dict[str, list[Post]] = {}
        self.found: Counter[str] = Counter()
        self.notes: list[str] = []
        world.wire.before_post = self._leaves

    def _broken(self, name: str, words: str) -> None:
        self.found[name] += 1
        self.notes.append(f"{self._world.seed}: {name}: {words}")

    # --- as each order leaves -----------------------------------------------------------------------------------------

    def _leaves(self, post: Post) -> None:
        if post.wish.startswith("cancel"):
            return
        earlier = self._tries.setdefault(post.wish, [])
        if any(one.fault is None or not one.fault.unprocessed for one in earlier):
            self._broken("second_posts", f"{post.wish} left again at {post.at:.2f} s")
        earlier.append(post)
        if len(earlier) > MOST_POSTS:
            self._broken("too_many_posts", f"{post.wish}, {len(earlier)} times")
        self._written_down(post)

    def _written_down(self, post: Post) -> None:
        """The newest attempt is of exactly these bytes, unanswered, and began while trading was not halted."""
        row = self._ours.connection.execute(
            "SELECT digest, outcome, started_at, order_id FROM attempts WHERE endpoint != 'cancel' ORDER BY rowid DESC LIMIT 1"
        ).fetchone()
        customer = self._world.simulator.credentials
        digest = hmac.new(customer.app_secret.encode(), f"{post.tr_id}".encode() + b"\n" + post.body, hashlib.sha256)
        if row is None or row[0] != digest.hexdigest() or row[1] is not None:
            self._broken("unwritten_posts", f"{post.wish} at {post.at:.2f} s")
            return
        halt = self._ours.connection.execute(
            "SELECT level FROM brakes WHERE at < ? ORDER BY seq DESC LIMIT 1", [row[2]]
        ).fetchone()
        level = HaltLevel(halt[0]) if halt else HaltLevel.OFF
        buys = self._ours.connection.execute("SELECT side FROM orders WHERE id = ?", [row[3]]).fetchone()[0] == "buy"
        if level >= HaltLevel.NEW or (level is HaltLevel.BUYS and buys):
            self._broken("broken", f"{post.wish} left although {level.name}")

    # --- at the end ---------------------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        self._one_to_one()
        self._notices()
        self._last_words()

    def _one_to_one(self) -> None:
        """No row of the broker's belongs to two orders of ours."""
        twice = self._ours.connection.execute(
            "SELECT day, order_no FROM orders WHERE order_no != '' GROUP BY day, order_no HAVING count(*) > 1"
        ).fetchall()
        for day, number in twice:
            self._broken("broken", f"order number {number} of {day} is linked twice")

    def _notices(self) -> None:
        """Each growth is told to each chat once, in order, and they add up to what the broker filled."""
        rows = self._ours.connection.execute(
            "SELECT order_id, chat_id, data FROM outbox WHERE kind = 'fill' ORDER BY id"
        ).fetchall()
        told: dict[tuple[int, int], list[dict[str, int]]] = {}
        for order_id, chat, data in rows:
            told.setdefault((order_id, chat), []).append(json.loads(data))
        for (order_id, chat), steps in told.items():
            marks = [step["filled"] for step in steps]
            self.found["repeated_notices"] += len(marks) - len(set(marks))
            if marks != sorted(marks) or marks[-1] != sum(step["step"] for step in steps):
                self._broken("broken", f"notices of order {order_id} to {chat} do not add up: {marks}")
        self.found["fill_notices"] += len(rows)
        filled = {
            order.number: order for order in self._world.exchange.orders
            if order.channel == API_CHANNEL and order.filled and order.action is not Action.CANCEL
        }  # fmt: skip
        self.found["fills"] += len(filled)
        linked = self._ours.connection.execute(
            "SELECT id, chat_id, order_no FROM orders WHERE order_no != ''"
        ).fetchall()
        for order_id, chat, number in linked:
            if number in filled and (order_id, chat) not in told:
                self._broken("lost_notices", f"nobody was told of {filled[number].filled} shares of {number}")

    def _last_words(self) -> None:
        """Every tap has a card that is as new as what last happened to the order."""
        for order in self._ours.tapped():
            card, change = self._ours.connection.execute(
                "SELECT (SELECT max(made_at) FROM outbox WHERE order_id = ?1 AND kind = 'card'), "
                "(SELECT max(at) FROM audit WHERE order_id = ?1)",
                [order.id],
            ).fetchone()
            if card is None or change[:19] > card[:19]:
                self._broken("broken", f"order {order.id} changed at {change}, its card is of {card}")
            end = self._ours.ended(order)
            if end.reported is Reported.IN_DOUBT and not end.asked:
                self._broken("adrift", f"order {order.id} is {order.state}")
