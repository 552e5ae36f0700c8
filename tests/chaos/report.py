"""What a run found, as tables, as JSON, and as the list of promises that were broken."""

import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.report import percentile
from tests.chaos.mix import LIST_FAULTS, WRITE_FAULTS, all_names
from tests.chaos.verdict import MUST, broken
from tests.chaos.virtual_run import OURS, Found

Results = Mapping[tuple[str, float], Found]
"""By policy and share of requests that meet a fault."""

COLUMNS = (
    ("intents", ("intents",)),
    ("left", ("left",)),
    ("at broker", ("at_broker",)),
    ("DUP", ("duplicates",)),
    ("GHOST", ("ghosts",)),
    ("WRONG", ("wrong",)),
    ("answered", ("end: direct",)),
    ("found", ("end: found", "end: seen")),
    ("late", ("end: late",)),
    ("absent", ("end: absent", "end: never_booked")),
    ("refused", ("end: rejected", "end: refused")),
    ("not sent", ("end: blocked", "end: expired", "end: not_sent", "end: proposed", "end: discarded", "end: gave up")),
    ("asked", ("asked",)),
)


def table(results: Results) -> str:
    """One line for each rate and policy."""
    lines = [["faults", "policy", *(title for title, _ in COLUMNS), "DUP/1000"]]
    for (policy, rate), found in results.items():
        counts = [str(sum(found.counts[name] for name in names)) for _, names in COLUMNS]
        lines.append([f"{rate:.0%}", policy, *counts, f"{per_thousand(found, 'duplicates'):.2f}"])
    return _aligned(lines)


def per_thousand(found: Found, name: str) -> float:
    return 1000 * found.counts[name] / max(1, found.counts["intents"])


def bound(found: Found, name: str) -> str:
    """What a count of orders that left is worth at 95 %: none in n means fewer than 3/n."""
    n = found.counts["left"]
    if not n:
        return "nothing was sent"
    if found.counts[name]:
        return f"{found.counts[name]} in {n:,}"
    return f"0 in {n:,}: fewer than {3000 / n:.3f} in 1,000 at 95 %, under these faults"


def details(results: Results) -> str:
    """What else is known of our own runs."""
    lines = []
    for (policy, rate), found in results.items():
        if policy != OURS:
            continue
        counts = found.counts
        sure = _spread(found.unsure)
        lines.append(
            f"{rate:.0%}: duplicates {bound(found, 'duplicates')}; asked a person {per_thousand(found, 'asked'):.2f} in 1,000; "
            f"orders in doubt {len(found.unsure)}, settled after {sure['p50']:.0f} s (p50), {sure['p95']:.0f} s (p95); "
            f"{sum(found.asked.values()) / max(1, counts['intents']):.1f} questions an order; bot killed {counts['deaths']} times; "
            f"fills {counts['fills']}, untold {counts['untold']}, repeated {counts['repeated_notices']}; "
            f"{found.hours:.0f} virtual hours, {counts['intents'] / max(found.cpu, 1e-9):.0f} intents a second and core"
        )
    return "\n".join(lines)


def fired(results: Results) -> Counter[str]:
    """How often each fault struck our own policy."""
    return sum((found.fired for (policy, _), found in results.items() if policy == OURS), Counter())


def fault_table(results: Results) -> str:
    counts = fired(results)
    return _aligned([["fault", "fired"], *([name, f"{counts[name]:,}"] for name in all_names())])


def faults(results: Results) -> list[str]:
    """Every promise that was broken, and where."""
    said = []
    for (policy, rate), found in results.items():
        if policy == OURS:
            said += [f"at {rate:.0%}: {words}" for words in broken(found.counts)]
            said += [f"    {note}" for note in found.notes[:20]]
            if not found.counts["left"]:
                said.append(f"at {rate:.0%}: no order left, and nothing was shown")
    return said


def as_json(results: Results, *, seed: int, worlds: int, machine: Mapping[str, Any]) -> dict[str, Any]:
    shares = [f"{fault.name}: {fault.weight}" for fault in (*WRITE_FAULTS, *LIST_FAULTS)]
    return {
        "commit": commit(),
        "machine": dict(machine),
        "seeds": f"{seed}:0 to {seed}:{worlds - 1}, the same for every policy and rate",
        "mix": list(dict.fromkeys(shares)),
        "fired": {name: fired(results)[name] for name in all_names()},
        "must_be_zero": MUST,
        "runs": [_run(policy, rate, found) for (policy, rate), found in results.items()],
        "broken": faults(results),
    }


def _run(policy: str, rate: float, found: Found) -> dict[str, Any]:
    return {
        "policy": policy,
        "faults": rate,
        "duplicates_per_1000": round(per_thousand(found, "duplicates"), 3),
        "duplicates": bound(found, "duplicates"),
        "counts": {name: found.counts[name] for name in sorted(found.counts)},
        "seconds_in_doubt": _spread(found.unsure),
        "questions": dict(sorted(found.asked.items())),
        "virtual_hours": round(found.hours, 1),
        "cpu_seconds": round(found.cpu, 1),
    }


def _spread(figures: Sequence[float]) -> dict[str, float]:
    if not figures:
        return {"p50": 0.0, "p95": 0.0, "most": 0.0}
    return {"p50": percentile(figures, 50), "p95": percentile(figures, 95), "most": max(figures)}


def commit() -> str:
    """Which state of the source this is, with a plus where files differ from it."""
    try:
        here = Path(__file__).parent
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n < 2 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
