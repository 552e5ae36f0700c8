"""How much the tests notice: `make mutants`.

The parts that decide about money are changed in one small way at a time, and the tests must fail each time. Functions
are changed by mutmut, which lives in `.venv-mutants`, an environment of its own that may be thrown away; what stands
outside functions (the transition table, the figures of the rules) by `outside.py`. All of it happens in a copy of the
tree. It fails where a module's score is below ninety percent, or where a change survived that `survivors.json` does
not list with the reason for which nothing can or need notice it.
"""

# ruff: noqa: T201  the table is what it is run for

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-mutants"
MUTMUT = "mutmut==3.8.1"
LISTED = Path(__file__).with_name("survivors.json")
LEAST = 90
"""Percent of a module's mutants that must be noticed."""
ORDERS = [
    "tests/unit/orders/model/test_order.py",
    "tests/unit/orders/reconciliation/test_reconcile.py",
    "tests/unit/orders/reconciliation/test_resolution.py",
    "tests/unit/orders/reconciliation/test_account_evidence.py",
    "tests/unit/orders/reconciliation/test_absence.py",
    "tests/unit/store/test_stored_words.py",
]
OUTCOME = ["tests/kis/test_kis_outcome.py", "tests/unit/store/test_stored_words.py"]
PLAN = {
    "bot/orders/model/order.py": ORDERS,
    "bot/orders/reconciliation/reconcile.py": ORDERS,
    "bot/orders/reconciliation/resolution.py": ORDERS,
    "kis/outcome.py": OUTCOME,
}
"""What is changed, and the tests that must notice."""
SETTINGS = """
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
asyncio_mode = "auto"
addopts = "-q --import-mode=importlib -p no:cacheprovider"

[tool.mutmut]
source_paths = ["bot", "kis"]
only_mutate = {only}
pytest_add_cli_args = ["-p", "tests.mutants.steady"]
pytest_add_cli_args_test_selection = {tests}
timeout_constant = 5.0
"""


@dataclass(frozen=True)
class Found:
    """A mutant: its module, its place there, what stood there, what stands there now, and what became of it."""

    module: str
    where: str
    was: str
    now: str
    verdict: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from every other, however the module around it changes."""
        return self.module, self.where, self.was, self.now


def install() -> Path:
    """Set up the environment; it borrows this one's packages. Returns its interpreter."""
    python = HOME / "bin" / "python"
    if not python.exists():
        shutil.rmtree(HOME, ignore_errors=True)
        venv.create(HOME, with_pip=True)
    (HOME / ".gitignore").write_text("*\n", encoding="utf-8")
    packages = Path(sysconfig.get_path("purelib", vars={"base": HOME, "platbase": HOME}))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    command: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", MUTMUT]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return python


def inside(python: Path, tree: Path, at_once: int) -> list[Found]:
    """Mutants of functions."""
    _mutmut(python, tree, "run", "--max-children", str(at_once))
    found = []
    for module in PLAN:
        meta = json.loads((tree / "mutants" / f"{module}.meta").read_text(encoding="utf-8"))
        for name, code in meta["exit_code_by_key"].items():
            where = re.sub(r"^.*\.x[_ǁ]|__mutmut_\d+$", "", name).replace("ǁ", ".")
            was, now = ("", "") if code not in {0, 33, None} else _difference(_mutmut(python, tree, "show", name))
            found.append(
                Found(module, where, was, now, {0: "survived", 33: "untested", None: "unknown"}.get(code, "killed"))
            )
    return found


def _mutmut(python: Path, tree: Path, *arguments: str) -> str:
    """What mutmut says.

    Raises:
        SystemExit: it failed.
    """
    command: list[str | Path] = [python.with_name("mutmut"), *arguments]
    done = subprocess.run(command, cwd=tree, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"mutmut {arguments[0]} failed:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200", "NO_COLOR": "1"}


def _difference(diff: str) -> tuple[str, str]:
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    was, now = (" ".join(line[1:].strip() for line in lines if line.startswith(mark)) for mark in "-+")
    return was, now


def outside(python: Path, tree: Path, at_once: int) -> list[Found]:
    """Mutants of what stands outside functions."""
    command: list[str | Path] = [python, "-m", "tests.mutants.outside", json.dumps(PLAN), str(at_once)]
    done = subprocess.run(command, cwd=tree, env=_environment(), capture_output=True, text=True, check=True)
    told = [Found(**one) for one in json.loads(done.stdout)]
    for clean in (one for one in told if not one.where):
        if clean.verdict != "survived":
            sys.exit(f"{clean.module}: the tests fail without any change")
    return [one for one in told if one.where]


def main() -> int:
    """Make the mutants, run the tests, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--json", type=Path, help="write every survivor here")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    if not hasattr(os, "fork"):
        print("mutants need an operating system that can fork")
        return 1
    python, began = install(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        tree = Path(place) / "tree"
        tree.mkdir()
        for name in ("bot", "kis", "tests"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        tests = sorted({test for tests in PLAN.values() for test in tests})
        text = SETTINGS.format(only=json.dumps(list(PLAN)), tests=json.dumps(tests))
        (tree / "pyproject.toml").write_text(text, encoding="utf-8")
        found = outside(python, tree, options.at_once) + inside(python, tree, options.at_once)
    return report(found, time.monotonic() - began, options.json)


def report(found: list[Found], seconds: float, to: Path | None) -> int:
    """Print what became of them; 1 where that is not good enough."""
    listed = {
        (one["module"], one["where"], one["was"], one["now"]): one["why"].strip()
        for one in json.loads(LISTED.read_text(encoding="utf-8"))
    }
    survived = [one for one in found if one.verdict != "killed"]
    wrong = [
        f"not listed: {one.module} {one.where}: {one.was}  ->  {one.now} ({one.verdict})"
        for one in survived
        if not listed.get(one.key)
    ]
    known = len(survived) - len(wrong)
    print(f"{'module':<26}{'mutants':>9}{'killed':>9}{'survived':>10}{'score':>9}")
    for module in PLAN:
        verdicts = Counter(one.verdict for one in found if one.module == module)
        score = 100 * verdicts["killed"] / verdicts.total()
        print(
            f"{module:<26}{verdicts.total():>9}{verdicts['killed']:>9}{verdicts.total() - verdicts['killed']:>10}{score:>8.1f}%"
        )
        if score < LEAST:
            wrong.append(f"{module}: {score:.1f} % is less than {LEAST} %")
    gone = listed.keys() - {one.key for one in survived}
    print(f"\n{len(survived)} survived, {known} of them listed with a reason; {seconds:.0f} s")
    print("".join(f"noticed by now, take it off the list: {' | '.join(one)}\n" for one in sorted(gone)), end="")
    print("".join(f"{one}\n" for one in wrong), end="")
    if to:
        to.write_text(json.dumps([asdict(one) for one in survived], ensure_ascii=False, indent=1), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
