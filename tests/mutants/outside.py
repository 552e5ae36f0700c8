"""Mutants of what stands outside functions: tables, sets, figures, defaults, and properties.

The library changes functions only, and the transition table is none. One small change at a time is made to a module's
source here, and the tests run in a forked child that imports the changed source in place of the file. Prints JSON.
"""

# ruff: noqa: T201  it is run for what it prints

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
from collections.abc import Iterator  # noqa: TC003  # beside its kind
from dataclasses import dataclass
from pathlib import Path

STATES = ("OPEN", "UNKNOWN")
"""What a state is exchanged for; the second where it is the first already."""
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
KILLED, SURVIVED = "killed", "survived"


@dataclass(frozen=True)
class Mutant:
    """A module's source with one change: where it stands, what it was, what it is now."""

    where: str
    was: str
    now: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of what stands outside functions."""
    tree = ast.parse(source)
    for index, statement in enumerate(tree.body):
        if _left_out(statement) or _target(statement).startswith("__"):
            continue
        for path, node in _places(statement):
            for changed in _changes(node):
                after = copy.deepcopy(tree)
                _put(after.body[index], path, changed)
                was, now = ast.unparse(node), "(gone)" if changed is None else ast.unparse(changed)
                if isinstance(node, ast.Dict | ast.Set):
                    was, now = _difference(node, changed)
                yield Mutant(_name(statement, path), was, now, ast.unparse(ast.fix_missing_locations(after)))


Path_ = tuple[tuple[str, int | None], ...]


def _places(node: ast.AST, path: Path_ = ()) -> Iterator[tuple[Path_, ast.AST]]:
    """Nodes that may be changed, each with the way to it; not annotations, docstrings or plain functions."""
    yield path, node
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "bases", "decorator_list", "keywords"} and not isinstance(node, ast.Call):
            continue
        if isinstance(node, ast.Set) or field == "keys":
            continue  # an entry that is gone says as much as one under another name
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _left_out(child):
                yield from _places(child, (*path, (field, index)))


def _left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return not node.decorator_list
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, ast.Import | ast.ImportFrom | ast.If)


def _changes(node: ast.AST) -> Iterator[ast.AST | None]:  # noqa: C901  # one kind of change per case
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str() as value):
            yield ast.Constant(value + "XX")
        case ast.Attribute(value=ast.Name(id="_S" | "State" as of), attr=attr):
            yield ast.Attribute(ast.Name(of), STATES[attr == STATES[0]])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPS:
            yield ast.BinOp(left, SWAPS[type(op)](), right)
        case ast.IfExp(body=one, orelse=other):
            yield one
            yield other
        case ast.Dict(keys=keys, values=values):
            for gone in range(len(keys)):
                yield ast.Dict(keys[:gone] + keys[gone + 1 :], values[:gone] + values[gone + 1 :])
        case ast.Set(elts=elements) if len(elements) > 1:
            for gone in range(len(elements)):
                yield ast.Set(elements[:gone] + elements[gone + 1 :])
        case _:
            return


def _difference(node: ast.Dict | ast.Set, changed: ast.AST | None) -> tuple[str, str]:
    """The element that is gone."""
    parts = [_parts(node), _parts(changed)]
    gone = next(one for one in parts[0] if one not in parts[1])
    return gone, "(gone)"


def _parts(node: ast.AST | None) -> list[str]:
    match node:
        case ast.Dict(keys=keys, values=values):
            return [f"{ast.unparse(k)}: {ast.unparse(v)}" for k, v in zip(keys, values, strict=True) if k is not None]
        case ast.Set(elts=elements):
            return [ast.unparse(one) for one in elements]
        case _:
            return []


def _put(root: ast.AST, path: Path_, new: ast.AST | None) -> None:
    for field, index in path[:-1]:
        value = getattr(root, field)
        root = value if index is None else value[index]
    field, index = path[-1]
    if index is None:
        setattr(root, field, new)
    else:
        getattr(root, field)[index] = new


def _name(statement: ast.stmt, path: Path_) -> str:
    """`TRANSITIONS`, `Order.filled`, `Order.average`."""
    names, node = [_target(statement)], statement
    for field, index in path:
        value = getattr(node, field)
        node = value if index is None else value[index]
        if isinstance(node, ast.stmt) and (name := _target(node)):
            names.append(name)
    return ".".join(names)


def _target(node: ast.stmt) -> str:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return ""


class _InPlaceOf(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module from a source other than its file."""

    def __init__(self, module: str, path: str, source: str) -> None:
        self._module, self._path, self._source = module, path, source

    def find_spec(self, fullname, path=None, target=None):
        return importlib.machinery.ModuleSpec(fullname, self, origin=self._path) if fullname == self._module else None

    def get_filename(self, fullname):
        return self._path

    def get_data(self, path):
        return self._source.encode()

    def path_stats(self, path):
        raise OSError


def _child(path: Path, mutant: Mutant, tests: list[str]) -> int:
    """The exit code of the tests over a mutant: 0 where nothing noticed. The nearest tests come first."""
    module = ".".join(path.with_suffix("").parts)
    assert module not in sys.modules, "nothing that is mutated may be imported before the fork"
    sys.meta_path.insert(0, _InPlaceOf(module, str(path), mutant.source))
    pytest = importlib.import_module("pytest")
    near = sorted(tests, key=lambda test: path.stem not in test)
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        return next((code for test in near if (code := pytest.main(["-x", "-p", "tests.mutants.steady", test]))), 0)


def run(work: list[tuple[Path, Mutant, list[str]]], at_once: int) -> list[str]:
    """What became of each."""
    for name in ("hypothesis", "pydantic", "pytest", "sqlite_utils", "structlog", "httpx", "anyio", "cryptography"):
        importlib.import_module(name)  # paid for once
    found: dict[int, str] = {}
    running: dict[int, int] = {}
    for number, one in enumerate(work):
        while len(running) >= at_once:
            _reap(running, found)
        if one[0].parts[0] == "bot":
            importlib.import_module("kis.models")  # whatever is mutated in `kis` comes first
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = _child(*one)
            finally:
                os._exit(code)
        running[pid] = number
    while running:
        _reap(running, found)
    return [found[number] for number in range(len(work))]


def _reap(running: dict[int, int], found: dict[int, str]) -> None:
    pid, status = os.wait()
    found[running.pop(pid)] = SURVIVED if status == 0 else KILLED


def main() -> None:
    """Arguments: JSON, path -> tests; how many at once."""
    plan = json.loads(sys.argv[1])
    work = []
    for name, tests in sorted(plan.items(), reverse=True):
        source = Path(name).read_text(encoding="utf-8")
        work.append((Path(name), Mutant("", "", "", ast.unparse(ast.parse(source))), tests))  # must survive
        work += [(Path(name), mutant, tests) for mutant in mutants(source)]
    verdicts = run(work, int(sys.argv[2]))
    told = [
        {"module": str(path), "where": one.where, "was": one.was, "now": one.now, "verdict": verdict}
        for (path, one, _), verdict in zip(work, verdicts, strict=True)
    ]
    print(json.dumps(told, ensure_ascii=False))


if __name__ == "__main__":
    main()
