"""Who may import whom. The table is the house's plan; a new arrow is a decision, made here first."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EVERYONE = {*sys.stdlib_module_names, "pydantic", "structlog", "typing_extensions"}

ALLOWED: dict[str, set[str]] = {
    # place -> what it may import beside EVERYONE; the longest matching place counts
    "kis": {"kis"},
    "kis/session.py": {"kis", "httpx", "anyio"},
    "kis/token.py": {"kis", "filelock"},
    "kis/symbols.py": {"kis"},
    "kis/cipher.py": {"kis", "cryptography"},
    "kis/websocket.py": {"kis", "websockets"},
    "kis/transport.py": {"kis", "httpx"},
    "kis/portal.py": {"kis", "anyio"},
    "kis/rate_limit.py": {"kis", "aiolimiter"},
    "kis/sim": {"kis.sim", "kis.endpoints", "kis.krx", "starlette", "uvicorn", "h11"},
    "kis/sim/websocket/frames.py": {"kis.sim", "cryptography"},
    "bot": {"bot", "kis"},
    "bot/cli/main.py": {"bot", "kis", "typer", "sqlite_utils"},
    "bot/cli/audit.py": {"bot", "kis", "typer", "sqlite_utils"},
    "bot/charts/draw.py": {"PIL"},
    "bot/config/risk.py": {"bot.orders", "pydantic_settings"},
    "bot/cli/limits.py": {"bot", "kis", "typer"},
    "bot/config/settings.py": {"bot.config.risk", "kis.config", "pydantic_settings"},
    "bot/cli/second_factor.py": {"bot", "kis", "typer", "segno"},
    "bot/cli/users.py": {"bot", "kis", "typer", "sqlite_utils"},
    "bot/cli/order_history.py": {"bot", "kis", "typer", "sqlite_utils"},
    "bot/config/logging.py": {"kis.config"},
    "bot/app/application.py": {"bot", "kis", "telegram"},
    "bot/app/storage.py": {"bot", "kis", "filelock"},
    "bot/app/clients.py": {"bot.config.settings", "kis", "telegram"},
    "bot/cli/doctor.py": {"bot", "kis", "telegram"},
    "bot/services/delivery.py": {"bot.chat.transport.sender", "bot.orders.access.preferences", "bot.store.outbox"},
    "bot/orders": {
        "bot.orders",
        "kis.models",
        "kis.errors",
        "kis.krx",
        "kis.outcome",
        "kis.receipts",
        "kis.failpoints",
    },
    "bot/store/limits.py": {"bot.orders", "bot.store", "kis.krx", "sqlite_utils"},
    "bot/store/second_factors.py": {"bot.orders", "bot.store", "sqlite_utils", "cryptography", "pyotp"},
    "bot/alerts": {"bot.alerts", "bot.orders", "kis.models", "kis.errors", "kis.krx"},
    "bot/reports": {"bot.reports", "bot.orders", "kis.models", "kis.errors", "kis.krx", "kis.models.profits"},
    "bot/store": {"bot.alerts", "bot.orders", "bot.reports", "bot.store", "kis.models", "kis.receipts", "sqlite_utils"},
    "bot/chat": {
        "bot.alerts",
        "bot.orders",
        "bot.reports",
        "bot.chat",
        "kis.models",
        "kis.errors",
        "kis.krx",
        "kis.symbols",
    },
    "bot/chat/transport/access.py": {"bot.orders", "bot.chat", "telegram"},
    "bot/chat/handlers/charts.py": {"bot.chat", "kis.models.charts", "kis.models", "kis.errors", "kis.symbols"},
    "bot/chat/transport/router.py": {"bot.orders", "bot.chat", "kis.errors", "kis.krx", "kis.symbols", "telegram"},
    "bot/chat/handlers/second_factor.py": {"bot.orders", "bot.chat", "telegram"},
    "bot/chat/transport/update_inbox.py": {"bot.chat.transport.sender", "telegram"},
    "bot/chat/transport/sender.py": {"bot.orders", "bot.chat", "telegram", "httpx"},
    "bot/demo": {"bot", "kis.config", "kis.sim", "starlette", "uvicorn"},
}
NEVER = {
    "bot/alerts": {"telegram", "httpx", "sqlite3", "sqlite_utils", "asyncio", "bot.chat", "bot.store"},
    "bot/reports": {"telegram", "httpx", "sqlite3", "sqlite_utils", "asyncio", "bot.chat", "bot.store"},
    "kis": {"bot", "telegram", "sqlite3", "sqlite_utils", "kis.sim"},
    "kis/sim": {"bot", "telegram", "httpx", "sqlite3", "kis.client", "kis.session"},
    "bot/orders": {"telegram", "httpx", "sqlite3", "sqlite_utils", "bot.chat", "bot.store"},
    "bot/store": {"telegram", "httpx", "bot.chat", "asyncio"},
    "bot/chat": {"sqlite3", "sqlite_utils", "kis.session", "kis.client", "bot.store", "bot.app.application"},
}
STARTERS = {"bot/cli/main.py", "bot/demo/run.py"}


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
        if any(within(one, {"bot.app.application"}) for one in imports(path))
    }
    assert users == STARTERS


def test_the_demo_is_imported_only_by_the_command_line() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if "demo" not in path.parts and any(within(one, {"bot.demo"}) for one in imports(path))
    }
    assert users == {"bot/cli/main.py"}


def test_no_file_is_too_long_to_hold_in_the_head() -> None:
    for path in sources():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, f"{path}: split it by noun"
