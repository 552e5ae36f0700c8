"""Who may import whom. The table is the plan; a new arrow is a decision, made here first."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERYONE = {*sys.stdlib_module_names, "pydantic", "structlog", "typing_extensions"}

KIS_VALUES = {"kis.models", "kis.errors", "kis.krx"}
"""What the domain may know of the broker: its values, its errors and the rules of the exchange."""

ALLOWED: dict[str, set[str]] = {
    # place -> what it may import beside EVERYONE; the longest matching place counts
    "kis": {"kis"},
    "kis/session.py": {"kis", "httpx"},
    "kis/token.py": {"kis", "filelock"},
    "kis/cipher.py": {"kis", "cryptography"},
    "kis/websocket.py": {"kis", "websockets"},
    "kis/transport.py": {"kis", "httpx"},
    "kis/blocking.py": {"kis", "anyio"},
    "kis/rate_limit.py": {"kis", "aiolimiter"},
    "kis/sim": {"kis.sim", "kis.endpoints", "kis.krx", "starlette", "uvicorn", "h11"},
    "kis/sim/exchange": {"kis.sim.exchange", "kis.krx"},
    "kis/sim/websocket/frames.py": {"kis.sim", "cryptography"},
    "bot": {"bot.cli"},
    "bot/app": {"bot", "kis", "filelock", "telegram"},
    "bot/cli": {"bot", "kis", "segno", "sqlite_utils", "telegram", "typer"},
    "bot/config": {"bot.config", "bot.orders", "kis.config", "pydantic_settings"},
    "bot/charts": {"bot.charts"},
    "bot/charts/draw.py": {"PIL"},
    "bot/services": {
        "bot.alerts",
        "bot.charts",
        "bot.chat",
        "bot.orders",
        "bot.reports",
        "bot.services",
        "bot.store",
        "kis",
    },
    "bot/orders": {
        "bot.orders",
        *KIS_VALUES,
        "kis.outcome",
        "kis.receipts",
        "kis.failpoints",
        "kis.callers",
        "kis.endpoints",
    },
    "bot/alerts": {"bot.alerts", "bot.orders", *KIS_VALUES},
    "bot/reports": {"bot.reports", "bot.orders", *KIS_VALUES},
    "bot/store": {
        "bot.alerts",
        "bot.orders",
        "bot.reports",
        "bot.store",
        "kis.backoff",
        "kis.krx",
        "kis.models",
        "kis.receipts",
        "sqlite_utils",
    },
    "bot/store/second_factors.py": {"bot.orders", "bot.store", "sqlite_utils", "cryptography", "pyotp"},
    "bot/chat": {
        "bot.alerts",
        "bot.chat",
        "bot.orders",
        "bot.reports",
        *KIS_VALUES,
        "kis.callers",
        "kis.endpoints",
        "kis.symbols",
    },
    "bot/chat/transport": {
        "bot.chat",
        "bot.orders",
        *KIS_VALUES,
        "kis.backoff",
        "kis.callers",
        "kis.endpoints",
        "kis.symbols",
        "telegram",
    },
    "bot/chat/transport/sender.py": {"bot.chat", "bot.orders", "telegram", "httpx"},
    "bot/chat/handlers/second_factor.py": {"bot.orders", "bot.chat", "telegram"},
    "bot/demo": {"bot", "kis.config", "kis.sim", "starlette", "uvicorn"},
}
NEVER = {
    "bot/alerts": {"telegram", "httpx", "sqlite3", "sqlite_utils", "asyncio", "bot.chat", "bot.store"},
    "bot/reports": {"telegram", "httpx", "sqlite3", "sqlite_utils", "asyncio", "bot.chat", "bot.store"},
    "kis": {"bot", "telegram", "sqlite3", "sqlite_utils", "kis.sim"},
    "kis/sim": {"bot", "telegram", "httpx", "sqlite3", "kis.client", "kis.session"},
    "bot/orders": {"telegram", "httpx", "sqlite3", "sqlite_utils", "bot.chat", "bot.store"},
    "bot/store": {"telegram", "httpx", "bot.chat", "asyncio"},
    "bot/store/outbox.py": {"telegram", "httpx", "bot.chat"},  # the event that delivery waits for is asyncio's
    "bot/chat": {"sqlite3", "sqlite_utils", "kis.session", "kis.client", "bot.store", "bot.app"},
    "bot/services": {"bot.chat.handlers", "bot.app", "bot.demo", "bot.cli"},
}
STARTERS = {"bot/app", "bot/cli", "bot/demo"}


def sources() -> list[Path]:
    return sorted(path for top in ("kis", "bot") for path in (ROOT / top).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: absolute imports only"
            if node.module in {"kis", "bot"}:
                yield from (f"{node.module}.{one.name}" for one in node.names)
            else:
                yield str(node.module)


def place_of(path: Path, places: dict[str, set[str]]) -> str | None:
    name = path.relative_to(ROOT).as_posix()
    fits = [place for place in places if name == place or name.startswith(f"{place}/")]
    return max(fits, key=len, default=None)


def within(module: str, allowed: set[str]) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in allowed)


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_import_is_in_the_plan(path: Path) -> None:
    place = place_of(path, ALLOWED)
    assert place is not None
    strangers = [one for one in imports(path) if not within(one, EVERYONE | ALLOWED[place])]
    assert strangers == [], f"{place} may not import {strangers}"
    banned_at = place_of(path, NEVER)
    if banned_at is not None:
        assert [one for one in imports(path) if within(one, NEVER[banned_at])] == []


def test_the_table_has_no_dead_rows() -> None:
    for place in (*ALLOWED, *NEVER):
        assert (ROOT / place).exists(), f"{place} is in the table and not in the tree"


def test_storage_is_synchronous() -> None:
    """No await inside a transaction: what cannot await cannot break that."""
    for path in (ROOT / "bot/store").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)], path


def test_only_the_starters_import_the_whole_bot() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if any(within(one, {"bot.app"}) for one in imports(path))
    }
    assert users
    assert all(any(one.startswith(f"{starter}/") for starter in STARTERS) for one in users), users


def test_the_demo_is_imported_only_by_the_command_line() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if "demo" not in path.parts and any(within(one, {"bot.demo"}) for one in imports(path))
    }
    assert users == {"bot/cli/demo.py"}


def test_the_root_of_the_bot_holds_only_its_entry_point() -> None:
    assert {path.name for path in (ROOT / "bot").glob("*.py")} == {"__init__.py", "__main__.py"}


# --- circles ----------------------------------------------------------------------------------------------------------


def modules() -> dict[str, Path]:
    """Every module by its dotted name; a package by that of its folder."""
    named = {path: path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in sources()}
    return {name.removesuffix(".__init__"): path for path, name in named.items()}


def arrows() -> dict[str, set[str]]:
    """Which module imports which, `TYPE_CHECKING` included."""
    known = modules()
    found: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wanted = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom):
                wanted = [f"{node.module}.{one.name}" for one in node.names]
            else:
                continue
            for one in wanted:
                target = one
                while target and target not in known:
                    target = target.rpartition(".")[0]
                if target and target != name:
                    found[name].add(target)
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of places each of which can be reached from each other (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(place: str) -> None:
        order[place] = low[place] = len(order)
        stack.append(place)
        for target in graph.get(place, ()):
            if target not in order:
                visit(target)
                low[place] = min(low[place], low[target])
            elif target in stack:
                low[place] = min(low[place], order[target])
        if low[place] == order[place]:
            at = stack.index(place)
            group, stack[at:] = stack[at:], []
            if len(group) > 1:
                found.append(sorted(group))

    for place in graph:
        if place not in order:
            visit(place)
    return found


def test_no_module_imports_itself_by_a_detour() -> None:
    assert circles(arrows()) == []


@pytest.mark.parametrize("package", ["kis", "kis.sim", "bot", "bot.orders", "bot.chat", "bot.store"])
def test_the_folders_of_a_package_form_no_circle(package: str) -> None:
    """Folders are taken as one place each, the modules beside them as places of their own."""
    folders = {
        one for one, path in modules().items() if path.name == "__init__.py" and one.rpartition(".")[0] == package
    }

    def place(module: str) -> str:
        return next((one for one in folders if module == one or module.startswith(f"{one}.")), module)

    graph: dict[str, set[str]] = {}
    for module, targets in arrows().items():
        if module.startswith(f"{package}."):
            inside = {place(one) for one in targets if one.startswith(f"{package}.")}
            graph.setdefault(place(module), set()).update(inside - {place(module)})
    assert circles(graph) == []


def test_the_search_for_circles_finds_one() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
