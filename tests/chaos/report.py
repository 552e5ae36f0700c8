"""What a run found, as tables, as JSON, and as the list of promises that were broken."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from bot.logs import set_up_logs
from tests.chaos.cases import Case
from tests.chaos.verdict import MUST, as_plain, broken

NOT_SENT = ("rejected", "blocked", "not_sent", "expired", "discarded")
COLUMNS = (
    ("intents", ("intents",)),
    ("fired", ("fired",)),
    ("at broker", ("at_broker",)),
    ("answered", ("direct",)),
    ("found", ("found",)),
    ("absent", ("absent", "never_booked")),
    ("late", ("late",)),
    ("not sent", NOT_SENT),
    ("in doubt", ("in_doubt",)),
    ("DUP", ("duplicates",)),
    ("GHOST", ("ghosts",)),
    ("WRONG", ("wrong",)),
)
NAIVE = (("naive dup", ("duplicates",)), ("naive ghost", ("ghosts",)))


class Played(NamedTuple):
    """One case under both policies."""

    case: Case
    ours: Counter[str]
    naive: Counter[str]


def quiet() -> None:
    """Faults are what these runs are made of: no log of any, not even from servers that set up their own."""
    set_up_logs(level=logging.CRITICAL)
    logging.disable(logging.CRITICAL)


def desk_table(played: Sequence[Played]) -> str:
    judged = [one for one in played if not one.case.known_limit]
    total = Played(
        Case("total"), sum((one.ours for one in judged), Counter()), sum((one.naive for one in judged), Counter())
    )
    lines = [["fault on the order", *(title for title, _ in (*COLUMNS, *NAIVE))]]
    lines += [_cells(one) for one in (*judged, total)]
    lines += [[f"* {cells[0]}", *cells[1:]] for cells in map(_cells, played) if cells[0] in _limits(played)]
    notes = [f"* known limit, not judged: {name}: {words}" for name, words in _limits(played).items()]
    return "\n".join([*_aligned(lines), *notes])


def kill_table(found: Counter[str]) -> str:
    lines = [["kill -9", *(title for title, _ in COLUMNS if title != "fired")]]
    shown = [str(_count(found, names)) for title, names in COLUMNS if title != "fired"]
    lines.append([f"{found['kills']} times", *shown])
    told = f"fills told twice: {found['marked_repeats']} and marked as a repeat, {found['unmarked_repeats']} unmarked"
    return "\n".join([*_aligned(lines), told])


def faults(played: Sequence[Played], killed: Counter[str] | None) -> list[str]:
    """Every promise that was broken, and where."""
    said = [f"{one.case.name}: {words}" for one in played if not one.case.known_limit for words in broken(one.ours)]
    if killed is not None:
        said += [f"kill -9: {words}" for words in broken(killed)]
    return said


def summary(played: Sequence[Played], killed: Counter[str] | None) -> str:
    """How much the zeroes are worth: none in n means fewer than 3/n, at 95 %."""
    runs = [one.ours for one in played if not one.case.known_limit] + ([killed] if killed is not None else [])
    intents = sum(found["intents"] for found in runs)
    counts = ", ".join(f"{name} {sum(found[name] for found in runs)}" for name in MUST)
    bound = (
        f" (0 in {intents}: fewer than {3000 / intents:.1f} in 1,000 at 95 %, under these faults)" if intents else ""
    )
    return f"{intents} intents: {counts}{bound}"


def as_json(
    seed: int, machine: dict[str, Any], played: Sequence[Played], killed: Counter[str] | None
) -> dict[str, Any]:
    return {
        "seed": seed,
        "machine": machine,
        "desk": [
            {
                "case": one.case.name,
                "judged": not one.case.known_limit,
                "ours": as_plain(one.ours),
                "naive": as_plain(one.naive),
            }
            for one in played
        ],
        "kill": None if killed is None else as_plain(killed),
        "broken": faults(played, killed),
    }


def _limits(played: Sequence[Played]) -> dict[str, str]:
    return {one.case.name: one.case.known_limit for one in played if one.case.known_limit}


def _cells(one: Played) -> list[str]:
    ours = [str(_count(one.ours, names)) for _, names in COLUMNS]
    return [one.case.name, *ours, *(str(_count(one.naive, names)) for _, names in NAIVE)]


def _count(found: Counter[str], names: Sequence[str]) -> int:
    return sum(found[name] for name in names)


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    return [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
