"""Figures as rows, and rows as a table for the screen, for the README and as JSON."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from unicodedata import east_asian_width

from kis.krx import KST


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        ratio: what holds on any machine, as it is to be read ("× 1.12", "no").
        here: the absolute figures behind it, good for this machine and this run.
    """

    ko: str
    en: str
    ratio: str
    here: str


def times(figure: float) -> str:
    return f"× {figure:.2f}"


def percentile(figures: Sequence[float], percent: int) -> float:
    """The nearest rank: a figure that was really taken."""
    ranked = sorted(figures)
    return ranked[max(0, -(-len(ranked) * percent // 100) - 1)]


def median(figures: Sequence[float]) -> float:
    return statistics.median(figures)


def machine() -> dict[str, Any]:
    """Where and when the figures were taken."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "day": datetime.now(KST).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": load,
    }


def footing(where: dict[str, Any]) -> str:
    load = "" if where["load"] is None else f", load {where['load']:.1f}"
    return f"{where['day']}, Python {where['python']}, {where['system']}, {where['cores']} cores{load}"


def on_screen(rows: Sequence[Row], where: dict[str, Any]) -> str:
    lines = [("", "ratio", f"here ({footing(where)})"), *((row.en, row.ratio, row.here) for row in rows)]
    first, second = (max(_width(line[column]) for line in lines) for column in (0, 1))
    return "\n".join(f"{_padded(a, first)}  {_padded(b, second)}  {c}".rstrip() for a, b, c in lines)


def as_markdown(rows: Sequence[Row], where: dict[str, Any]) -> str:
    """What stands in the README between its markers, in both languages."""
    lines = ["| 무엇 · what | 비율 · ratio | 이 기계에서 · on this machine |", "|---|---|---|"]
    lines += [f"| {row.ko} · {row.en} | **{row.ratio}** | {row.here} |" for row in rows]
    lines += [
        "",
        f"{footing(where)}. 모두 loopback, KIS와 텔레그램까지의 거리는 들어 있지 않음 · loopback, without the way to KIS.",
    ]
    return "\n".join(lines)


def as_json(rows: Sequence[Row], figures: dict[str, Any], where: dict[str, Any]) -> dict[str, Any]:
    return {"machine": where, "rows": [asdict(row) for row in rows], "figures": figures}


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
