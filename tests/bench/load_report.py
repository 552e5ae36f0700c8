"""What was seen of a load, as figures and rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.chat.i18n.catalogue import toast
from bot.orders.execution.sender import SEND_BUDGET
from tests.bench.report import Row, percentile
from tests.bench.tap_to_wire import PER_SECOND

PERCENTS = (50, 95, 99)
UNSETTLED = frozenset({"confirmed", "submitting", "waiting"})
BOOKED = frozenset({"open", "partial", "filled", "cancelled"})


@dataclass
class Tap:
    """One tap on a ticket's button, and what was seen of it from outside; `reported` is its card's last word."""

    at: datetime
    toast: str = ""
    answered: datetime | None = None
    posts: list[datetime] = field(default_factory=list)
    reported: datetime | None = None


@dataclass
class Seen:
    """A whole run. Keys are the orders' numbers.

    Attributes:
        fresh: whether the last look before a send found everything read already.
        booked: orders in the broker's ledger.
        waiting: orders about which a letter still waits to leave, where the run ended before all had left.
        queues: depths by queue, a few times a second.
        drained: seconds from the last tap until a queue was empty; None if it never was.
        shares: how much of one core each process took while people tapped.
        late_ms: how late the bot's event loop was, a few times a second.
        busy: how much of its time the bot's event loop worked or waited for the disk while people tapped.
        starved: how much of that time it waited for a core that others had.
        calls: requests that the broker got while people tapped, by the last part of their path.
    """

    taps: dict[int, Tap]
    states: dict[int, str]
    fresh: dict[int, bool]
    booked: Counter[int]
    waiting: frozenset[int]
    queues: list[dict[str, int]]
    drained: dict[str, float | None]
    shares: dict[str, float]
    late_ms: list[float]
    busy: float
    starved: float
    calls: Counter[str]
    seconds: float


def figures_of(seen: Seen) -> dict[str, Any]:
    taps, states = seen.taps, {number: seen.states[number] for number in seen.taps}
    waits = {
        fresh: [
            _ms(tap, tap.posts[0])
            for number, tap in taps.items()
            if tap.posts and seen.fresh.get(number, False) is fresh
        ]
        for fresh in (True, False)
    }
    reported = {number: tap for number, tap in taps.items() if tap.reported is not None}
    ends = {"sent": BOOKED, "expired": {"expired"}}
    return {
        "taps": len(taps),
        "seconds": seen.seconds,
        "states": dict(Counter(states.values()).most_common()),
        "toasts": dict(Counter(tap.toast for tap in taps.values()).most_common()),
        "lost": sum(_lost(tap, states[number], number in seen.waiting) for number, tap in taps.items()),
        "not_told_yet": sum(number in seen.waiting for number in taps.keys() - reported.keys()),
        "twice": sum(count > 1 for count in seen.booked.values()) + sum(len(tap.posts) > 1 for tap in taps.values()),
        "booked_unknown_to_us": sum(states.get(number) not in BOOKED for number in seen.booked),
        "sent_not_booked": sum(state in BOOKED and not seen.booked[number] for number, state in states.items()),
        "sends_per_second": sum(bool(tap.posts) for tap in taps.values()) / seen.seconds,
        "to_toast_ms": _spread([_ms(tap, tap.answered) for tap in taps.values() if tap.answered is not None]),
        "to_card_ms": {
            name: _spread([_ms(tap, tap.reported) for number, tap in reported.items() if states[number] in which])
            for name, which in ends.items()
        },
        "to_post_fresh_ms": _spread(waits[True]),
        "to_post_stale_ms": _spread(waits[False]),
        "deepest": {name: max((depths[name] for depths in seen.queues), default=0) for name in seen.queues[0]},
        "drained_s": seen.drained,
        "cpu_shares": seen.shares,
        "calls_per_second": {name: count / seen.seconds for name, count in seen.calls.most_common()},
        "loop_busy": seen.busy,
        "loop_starved": seen.starved,
        "bottleneck": _bottleneck(seen),
        "loop_late_ms": _spread(seen.late_ms),
    }


def _bottleneck(seen: Seen) -> str:
    """What is used up first: a process's core, the bot's one thread (CPU and disk), or the calls the broker takes."""
    used = {
        **seen.shares,
        "bot's event loop": seen.busy,
        "broker's pace": seen.calls.total() / seen.seconds / PER_SECOND,
    }
    return max(used, key=lambda name: used[name])


def _lost(tap: Tap, state: str, waiting: bool) -> bool:
    """Nothing became of it, or nobody was told and nobody will be. Whoever is asked to press again has been told."""
    if state == "proposed" and tap.toast == toast("busy", "ko") and not tap.posts:
        return False
    return state in UNSETTLED or tap.answered is None or (tap.reported is None and not waiting)


def _ms(tap: Tap, then: datetime | None) -> float:
    assert then is not None
    return 1000 * (then - tap.at).total_seconds()


def _spread(figures: Sequence[float]) -> dict[str, float]:
    spread: dict[str, float] = {"n": len(figures)}
    return spread | ({f"p{n}": percentile(figures, n) for n in PERCENTS} | {"max": max(figures)} if figures else {})


def rows_of(figures: dict[str, Any]) -> list[Row]:
    states, deepest, drained = figures["states"], figures["deepest"], figures["drained_s"]
    taps = f"{figures['taps']} taps"
    calls = sum(figures["calls_per_second"].values())
    shares = ", ".join(f"{name} {share:.0%}" for name, share in figures["cpu_shares"].items())
    rest = ", ".join(
        f"{'asked to press again' if state == 'proposed' else state} {count}" for state, count in states.items()
    )
    budget = 1000 * SEND_BUDGET.total_seconds()
    return [
        Row(
            "대화 200개가 초당 50번 누를 때, 잃어버린 것 / 두 번 나간 것",
            "200 chats tap 50 times a second: lost / sent twice",
            f"{figures['lost']} / {figures['twice']}",
            f"{taps}: {rest}; {figures['not_told_yet']} not told yet; {figures['sends_per_second']:.1f} sends a second",
        ),
        Row(
            "그때 버튼의 첫 응답까지 (10초 한도 대비 p99)",
            "then from a tap to its answer (p99 of the 10 s budget)",
            f"{figures['to_toast_ms'].get('p99', 0) / budget:.0%}",
            _words(figures["to_toast_ms"]),
        ),
        *(
            Row(
                f"그때 버튼에서 카드의 마지막 말까지, {ko} (텔레그램은 초당 20통)",
                f"then from a tap to the card's last word, {en} (Telegram takes 20 letters a second)",
                f"{figures['to_card_ms'][name].get('p50', 0) / budget:.0%}",
                _words(figures["to_card_ms"][name]),
            )
            for name, ko, en in (("sent", "보낸 것", "sent"), ("expired", "만료된 것", "expired"))
        ),
        *(
            Row(
                f"그때 버튼에서 주문이 나가기까지, {ko}",
                f"then from a tap to the order leaving, {en}",
                f"{figures[name].get('p50', 0) / budget:.0%}",
                _words(figures[name]),
            )
            for name, ko, en in (
                ("to_post_fresh_ms", "미리 읽은 것으로", "fresh reads"),
                ("to_post_stale_ms", "새로 읽어서", "stale reads"),
            )
        ),
        Row(
            "가장 길었던 줄: 주문 / 알림; 마지막 버튼 뒤 비기까지",
            "deepest queues: orders / letters; empty after the last tap",
            f"{deepest['orders']} / {deepest['letters']}",
            f"{_after(drained['orders'])} / {_after(drained['letters'])}; "
            f"{calls:.1f} calls a second, CPU {shares}, the bot's loop {figures['loop_busy']:.0%} busy "
            f"({figures['loop_starved']:.0%} waiting for a core); first used up: {figures['bottleneck']}",
        ),
    ]


def _words(spread: dict[str, float]) -> str:
    if not spread["n"]:
        return "n=0"
    return f"p50 {spread['p50']:.0f}, p95 {spread['p95']:.0f}, p99 {spread['p99']:.0f} ms, n={spread['n']:.0f}"


def _after(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"
