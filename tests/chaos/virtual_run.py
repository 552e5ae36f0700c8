"""Worlds in virtual time, one seed each, under one policy: what was wanted, what was told, what the broker booked."""

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kis.sim.exchange.orders import Action
from tests.chaos.error_log import keep_errors, logged_errors
from tests.chaos.invariants import Invariants
from tests.chaos.naive import LookOnce, RetryThree
from tests.chaos.ours import Ours
from tests.chaos.verdict import Outcome, judged
from tests.chaos.world import Policy, World, home_of
from tests.support.virtual_time import VirtualClock, run_virtual

OURS, RETRY, LOOK = "ours", "retry three times", "look once, send again"
POLICIES: dict[str, Callable[[World], Policy]] = {OURS: Ours, RETRY: RetryThree, LOOK: LookOnce}


ORDERS = 60
"""Wishes in a world."""
Job = tuple[str, float, list[str]]
"""Policy, share of requests that meet a fault, seeds."""


@dataclass
class Found:
    """What one world, or many, came to.

    Attributes:
        unsure: seconds until orders in doubt were settled.
        cpu: seconds of computing.
        hours: virtual hours that passed.
        trails: seed to the hash of everything that happened.
        notes: seed and words of what broke.
    """

    counts: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    unsure: list[float] = field(default_factory=list)
    cpu: float = 0.0
    hours: float = 0.0
    trails: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        self.counts += other.counts
        self.fired += other.fired
        self.asked += other.asked
        self.unsure += other.unsure
        self.cpu += other.cpu
        self.hours += other.hours
        self.trails |= other.trails
        self.notes += other.notes


def one_world(seed: str, rate: float, policy: str, count: int) -> Found:
    """Play one seed under one policy and judge it by the broker's ledger."""
    began = time.process_time()
    with home_of(seed) as home:
        found = run_virtual(lambda clock: _play(seed, rate, policy, count, Path(home), clock))
    gc.collect()
    found.cpu = time.process_time() - began
    return found


async def _play(seed: str, rate: float, name: str, count: int, home: Path, clock: VirtualClock) -> Found:
    world = World(seed, rate, clock, home, count)
    policy = POLICIES[name](world)
    invariants = Invariants(world, policy) if isinstance(policy, Ours) else None
    await world.play(policy)
    ends = [(wish, policy.end(wish)) for wish in world.wishes]
    outcomes = [Outcome(end, world.observer.rows(wish.name)) for wish, end in ends if end is not None]
    found = Found(counts=judged(outcomes), fired=world.wire.fired, asked=world.wire.asked)
    left = {post.wish for post in world.wire.posts if post.wish.startswith("order")}
    found.counts.update(wishes=len(world.wishes), worlds=1, posts=len(world.wire.posts), left=len(left))
    if isinstance(policy, Ours) and invariants is not None:
        _look_closer(found, world, policy, invariants)
        outcomes += [Outcome(end, world.observer.rows(of, Action.REVISE)) for of, end in policy.revisions()]
    found.unsure = [one.end.unsure for one in outcomes if one.end.unsure is not None]
    found.hours = clock.seconds() / 3600
    found.trails = {seed: world.trail.digest}
    return found


def _look_closer(found: Found, world: World, ours: Ours, invariants: Invariants) -> None:
    """What only our own policy can be asked about."""
    invariants.at_the_end()
    found.counts.update(invariants.found)
    revised = judged(Outcome(end, world.observer.rows(of, Action.REVISE)) for of, end in ours.revisions())
    found.counts.update({name: revised[name] for name in ("duplicates", "ghosts", "wrong", "untold")})
    found.counts["revisions"] = revised["intents"]
    found.counts["deaths"] = ours.deaths
    faults = ours.faults + logged_errors()
    found.counts["faults"] = len(faults)
    found.notes = [*invariants.notes, *(f"{world.seed}: {one}" for one in faults)]
    for row in ours.connection.execute("SELECT at, action, order_id FROM audit ORDER BY seq"):
        world.trail.note(0, *row)


def quick() -> None:
    """Have this process play worlds and nothing else."""
    keep_errors()
    gc.collect()
    gc.freeze()  # what was imported is not looked through again and again
    gc.disable()  # a world is small and short: it is collected once, at its end


def play(job: Job) -> Found:
    """A few worlds, one after the other."""
    policy, rate, seeds = job
    total = Found()
    for seed in seeds:
        total.add(one_world(seed, rate, policy, ORDERS))
    return total
