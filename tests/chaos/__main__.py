"""`make chaos`: everything that can go wrong on the way of an order, judged by the simulated broker's own ledger.

matrix    every fault by itself, every fault of an order with every fault of the list, every death with every broker
virtual   worlds in virtual time, a seed each, with faults at 2, 10 and 40 %; beside it two policies of the ordinary script
kill      a bot in a process of its own, ended by `kill -9` at every point of an order's way
stateful  stories told by Hypothesis, invariants checked after every step
fills     fills by websocket and list over midnight, both unreliable, and the notice of every gap
letters   5,000 fills in a minute, with Telegram refusing every third call and away twice, and killed in the middle
week      the whole bot from Monday to Monday in virtual time: what grows, what is told, what is logged

Ends with 1 if a promise broke.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench.report import footing, machine
from tests.chaos import fills, kill_judge, letters, matrix, stateful, week
from tests.chaos.chart import chart
from tests.chaos.error_log import keep_errors
from tests.chaos.report import Results, as_json, commit, details, fault_table, faults, per_thousand, table
from tests.chaos.virtual_run import LOOK, OURS, POLICIES, RETRY, Found, Job, play, quick

PARTS = ("matrix", "virtual", "kill", "stateful", "fills", "letters", "week")
WORLDS = {0.02: 1_240, 0.10: 340, 0.40: 100}
"""Worlds by the share of requests that meet a fault: 100,800 wishes in all."""
QUICK_WORLDS = 12
STORIES, QUICK_STORIES = 100, 40
BATCH = 4
PUBLISHED = Path(__file__).parents[2] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few worlds at each rate, in about a minute")
    parser.add_argument("--worlds", type=int, help=f"worlds at each rate (usually {WORLDS})")
    parser.add_argument("--world", type=int, help="only the world of this number")
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part")
    parser.add_argument("--policy", metavar="TEXT", help="virtual: policies whose name holds this")
    parser.add_argument("--rate", type=float, action="append", help="share of requests that meet a fault")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every count here")
    parser.add_argument("--publish", action="store_true", help="renew these parts of docs/chaos.json, and the chart")
    args = parser.parse_args()
    began, where = time.monotonic(), machine()
    said, wrong, written = [], [], {}
    run = {"seed": args.seed, "commit": commit(), "machine": where}
    for part in args.only or PARTS:
        text, broken, found = PLAYED[part](args)
        said.append(text)
        wrong += [f"{part}: {one}" for one in broken]
        written[part] = {"run": run, **found}
    verdict = "\n".join(f"BROKEN  {one}" for one in wrong) or "every promise was kept"
    foot = f"seed {args.seed}, {time.monotonic() - began:.0f} s, {footing(where)}"
    sys.stdout.write("\n\n".join([*said, f"{verdict}\n{foot}\n"]))
    text = json.dumps(written, ensure_ascii=False, indent=1) + "\n"
    if args.json:
        args.json.write_text(text, encoding="utf-8")
    if args.publish:
        publish(written, f"{run['commit']}, {foot}")
    sys.exit(bool(wrong))


def publish(written: dict[str, Any], foot: str) -> None:
    """Renew what these parts say in the docs; those that were not run stay as they are."""
    file = PUBLISHED / "chaos.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    short = {part: {name: one for name, one in found.items() if name != "samples"} for part, found in written.items()}
    file.write_text(json.dumps(known | short, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if "virtual" in written:
        chart = drawn(written["virtual"]["duplicates per 1000"], foot)
        (PUBLISHED / "chaos.svg").write_text(chart, encoding="utf-8")


Part = tuple[str, list[str], dict[str, Any]]
"""What a part says, what it found broken, and its figures."""


def _matrix(_: argparse.Namespace) -> Part:
    keep_errors()
    counts, broken = matrix.run()
    return f"matrix: {counts['cases']} cases, {counts['broken']} broken", broken, dict(counts)


def _virtual(args: argparse.Namespace) -> Part:
    policies = [name for name in POLICIES if args.policy is None or args.policy in name]
    results: dict[tuple[str, float], Found] = {}
    for rate in args.rate or WORLDS:
        count = args.worlds or (QUICK_WORLDS if args.quick else WORLDS.get(rate, QUICK_WORLDS))
        numbers = range(count) if args.world is None else range(args.world, args.world + 1)
        results |= played(policies, (rate,), [f"{args.seed}:{n}" for n in numbers], args.processes)
    found = as_json(results, seed=args.seed, worlds=sum(one.counts["worlds"] for one in results.values()), machine={})
    found["duplicates per 1000"] = {
        f"{rate:.0%} of requests fail": {name: per_thousand(results[name, rate], "duplicates") for name in policies}
        for rate in sorted({rate for _, rate in results})
    }
    return "\n\n".join([table(results), details(results), fault_table(results)]), faults(results), found


def _kill(args: argparse.Namespace) -> Part:
    counts = kill_judge.run(
        kill_judge.QUICK_KILLS if args.quick else kill_judge.KILLS, args.seed, processes=args.processes
    )
    broken = [f"{counts[name]} {name}" for name in kill_judge.MUST if counts[name]]
    shown = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"kill -9: {shown}", broken, dict(counts)


def _stateful(args: argparse.Namespace) -> Part:
    stories = QUICK_STORIES if args.quick else STORIES
    keep_errors()
    try:
        stateful.run(stories, 50)
    except AssertionError as error:
        return f"stateful: {stories} stories", [str(error)], {"stories": stories}
    return f"stateful: {stories} stories of up to 50 steps, nothing broken", [], {"stories": stories}


def _fills(args: argparse.Namespace) -> Part:
    count = args.worlds or (fills.QUICK_WORLDS if args.quick else fills.WORLDS)
    numbers = range(count) if args.world is None else range(args.world, args.world + 1)
    night = fills.run([f"{args.seed}:{n}" for n in numbers], args.processes)
    figures = {**dict(sorted(night.counts.items())), "fired": dict(sorted(night.fired.items()))}
    return fills.told(night), [*fills.broken(night), *night.notes[:20]], figures


def _letters(args: argparse.Namespace) -> Part:
    keep_errors()
    fills, seeds = (letters.QUICK_FILLS, 1) if args.quick else (letters.FILLS, letters.SEEDS)
    said, broken, figures = letters.runs(fills, range(args.seed, args.seed + seeds))
    return "\n".join(said), broken, figures


def _week(args: argparse.Namespace) -> Part:
    said, broken, figures = week.played(
        week.QUICK_HOURS if args.quick else week.HOURS, args.seed, show=sys.stderr.isatty()
    )
    return "\n".join(said), broken, figures


PLAYED = {
    "matrix": _matrix,
    "virtual": _virtual,
    "kill": _kill,
    "stateful": _stateful,
    "fills": _fills,
    "letters": _letters,
    "week": _week,
}


def played(policies: list[str], rates: tuple[float, ...], seeds: list[str], processes: int) -> Results:
    """Every world under every policy, in so many processes."""
    results = {(policy, rate): Found() for rate in rates for policy in policies}
    jobs = [(policy, rate, seeds[n : n + BATCH]) for n in range(0, len(seeds), BATCH) for policy, rate in results]
    if processes == 1:
        quick()
        finished: Iterator[Found] = map(play, jobs)
        _gather(results, jobs, finished)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context, initializer=quick) as pool:
            _gather(results, jobs, pool.map(play, jobs))
    return results


def _gather(results: Results, jobs: list[Job], finished: Iterator[Found]) -> None:
    for n, ((policy, rate, _), found) in enumerate(zip(jobs, finished, strict=True), 1):
        results[policy, rate].add(found)
        if sys.stderr.isatty() or n % 100 == 0:
            sys.stderr.write(f"\r[{n}/{len(jobs)}] ")


def drawn(figures: dict[str, dict[str, float]], footer: str) -> str:
    """The chart of duplicates."""
    names = (OURS, LOOK, RETRY)
    groups = {title: [by_name[name] for name in names] for title, by_name in figures.items()}
    return chart("Orders bought or sold twice, per 1,000", groups, names, footer)


if __name__ == "__main__":
    main()
