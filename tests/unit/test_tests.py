"""What the tests may reach: a private part of an object, where a fault is planted, but no private part of that part."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SETTERS = {"getattr", "setattr", "delattr", "object"}
"""Calls that name an attribute in a string: the built-ins, those of `monkeypatch`, and `mock.patch.object`."""


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def chain(node: ast.expr) -> Iterator[str]:
    """The names on the way to a value, the last one first, through calls and subscripts."""
    while True:
        match node:
            case ast.Attribute(value=value, attr=name):
                yield name
            case ast.Call(func=value) | ast.Subscript(value=value) | ast.Await(value=value):
                pass
            case _:
                return
        node = value


def reached(source: str) -> Iterator[tuple[int, str]]:
    """Each place where a private attribute is reached through another, with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=value, attr=name):
                pass
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[value, ast.Constant(value=str(name)), *_]
            ):
                if called not in SETTERS:
                    continue
            case _:
                continue
        if private(name) and any(private(one) for one in chain(value)):
            yield node.lineno, f"{ast.unparse(value)}.{name}"


def test_no_test_reaches_a_private_of_a_private() -> None:
    assert [
        f"{path.relative_to(TESTS)}:{line}: {what}"
        for path in sorted(TESTS.rglob("*.py"))
        for line, what in reached(path.read_text(encoding="utf-8"))
    ] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x._a._b", ["x._a._b"]),
        ("x._a.b._c = 1", ["x._a.b._c"]),
        ("x._a()[0]._b", ["x._a()[0]._b"]),
        ("(await x._a)._b.c", ["await x._a._b"]),
        ("monkeypatch.setattr(x._a, '_b', 1)", ["x._a._b"]),
        ("mock.patch.object(x._a, '_b')", ["x._a._b"]),
        ("getattr(x._a, '_b')", ["x._a._b"]),
        ("x._a.b", []),
        ("x.a.b._c", []),
        ("x._a.__dict__", []),
        ("setattr(x, '_b', 1)", []),
        ("f(x._a, '_b')", []),
        ("x._f(y._a)", []),
    ],
)
def test_the_search_finds_what_it_should(line: str, found: list[str]) -> None:
    assert [what for _, what in reached(line)] == found
