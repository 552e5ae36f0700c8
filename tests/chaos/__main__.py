"""`make chaos`: orders under planted faults and `kill -9`, judged by the simulated broker's own ledger.

Every way for an order to go astray is played on the real desk over real sockets, beside the policy "send again up to
three times" on the same faults. Meanwhile a bot in a process of its own is killed around taps and started again.
The seed fixes what is asked and what goes wrong; sockets keep a timing of their own. Ends with 1 if a promise broke.
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.bench.report import footing, machine
from tests.chaos.cases import CASES, Case
from tests.chaos.desk_run import desk_run
from tests.chaos.kill_run import MOST_KILLS, kill_apart
from tests.chaos.naive import naive_run
from tests.chaos.report import Played, as_json, desk_table, faults, kill_table, quiet, summary

ROUNDS, KILLS = 8, 50
QUICK_ROUNDS, QUICK_KILLS = 1, 8


def main() -> None:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few orders of each kind, in less than a minute")
    parser.add_argument("--rounds", type=int, help=f"rounds of three orders for each fault (usually {ROUNDS})")
    parser.add_argument(
        "--kills", type=int, help=f"how often to kill, {MOST_KILLS} at most (usually {KILLS}; 0: not at all)"
    )
    parser.add_argument("--only", metavar="TEXT", help="faults whose name holds this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every count here")
    args = parser.parse_args()
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)
    kills = min((QUICK_KILLS if args.quick else KILLS) if args.kills is None else args.kills, MOST_KILLS)
    cases = [case for case in CASES if args.only is None or args.only in case.name]
    quiet()
    began, where = time.monotonic(), machine()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as beside:
        killing = beside.submit(kill_apart, kills, args.seed) if kills else None
        played = asyncio.run(_play(cases, rounds, args.seed))
        killed = killing.result() if killing else None
    sys.stdout.write(_text(played, killed, args.seed, f"{time.monotonic() - began:.0f} s, {footing(where)}"))
    if args.json:
        text = json.dumps(as_json(args.seed, where, played, killed), ensure_ascii=False, indent=1)
        args.json.write_text(text + "\n", encoding="utf-8")
    sys.exit(bool(faults(played, killed)))


async def _play(cases: list[Case], rounds: int, seed: int) -> list[Played]:
    played = []
    for n, case in enumerate(cases, 1):
        sys.stderr.write(f"[{n}/{len(cases)}] {case.name}\n")
        played.append(Played(case, await desk_run(case, rounds, seed), await naive_run(case, rounds, seed)))
    return played


def _text(played: list[Played], killed: Counter[str] | None, seed: int, footer: str) -> str:
    parts = [desk_table(played)] if played else []
    if killed is not None:
        parts.append(kill_table(killed))
    wrong = faults(played, killed)
    judged = killed is not None or any(not one.case.known_limit for one in played)
    verdict = "\n".join(f"BROKEN  {one}" for one in wrong) or (
        "every promise was kept" if judged else "nothing was judged"
    )
    parts.append(f"seed {seed}: {summary(played, killed)}\n{verdict}\n{footer}")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
