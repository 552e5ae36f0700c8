"""`make bench`: speed, as ratios taken side by side in one run on this machine. Nothing here passes or fails.

`make bench ARGS="--markdown"` prints the README's table, `ARGS="--json FILE"` keeps every figure, `ARGS="--quick"`
takes the long parts short.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from bot.config.logging import set_up_logs
from tests.bench import client_peers
from tests.bench.fill_latency import fill_latency
from tests.bench.flood import flood
from tests.bench.journal_cost import journal_cost
from tests.bench.load import load
from tests.bench.price_cost import price_cost
from tests.bench.report import Row, as_json, as_markdown, machine, on_screen
from tests.bench.start_up import start_up
from tests.bench.tap_to_wire import tap_to_wire

Part = Callable[[], Awaitable[tuple[list[Row], dict[str, Any]]]]
PARTS: dict[str, Part] = {
    "price": price_cost,
    "peers": client_peers.run,
    "tap": tap_to_wire,
    "fills": fill_latency,
    "flood": flood,
    "journal": journal_cost,
    "load": load,
    "start": start_up,
}
QUICK: dict[str, Part] = {
    "tap": partial(tap_to_wire, taps=16),
    "fills": partial(fill_latency, fills=20),
    "flood": partial(flood, rounds=6),
    "journal": partial(journal_cost, sends=60),
    "load": partial(load, seconds=10, patience=40),
}
"""The same parts, with fewer figures to take."""


async def bench(parts: dict[str, Part]) -> tuple[list[Row], dict[str, Any]]:
    rows: list[Row] = []
    figures: dict[str, Any] = {}
    for name, part in parts.items():
        began = time.monotonic()
        found, figures[name] = await part()
        rows += found
        sys.stderr.write(f"[{name}] {time.monotonic() - began:.0f} s\n")
    return rows, figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part, or several")
    parser.add_argument("--quick", action="store_true", help="fewer taps, sends and seconds of load")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure here")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")
    args = parser.parse_args()
    set_up_logs(level=logging.ERROR)
    where = machine()
    parts = PARTS | QUICK if args.quick else PARTS
    rows, figures = asyncio.run(bench({name: parts[name] for name in args.only or PARTS}))
    sys.stdout.write((as_markdown if args.markdown else on_screen)(rows, where) + "\n")
    if args.json:
        text = json.dumps(as_json(rows, figures, where), ensure_ascii=False, indent=1)
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
