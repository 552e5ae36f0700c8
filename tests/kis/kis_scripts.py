"""A simulated broker for scripts that wait, and the variables that lead them there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from anyio.from_thread import start_blocking_portal

from kis.sim import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDINGS = {"005930": (20, 65_000), "000660": (3, 210_000)}


@contextmanager
def simulated(folder: Path, **options: Any) -> Iterator[tuple[Simulator, dict[str, str]]]:
    """Serves an account with some shares from a thread of its own, without pace; yields it and the variables."""
    given: dict[str, Any] = {"rate_limit": False, "token_rules": False, "cash": 50_000_000, "holdings": HOLDINGS}
    sim = Simulator(**(given | options))
    # Whoever captured log lines before has left structlog set up, and a script's KisApi would leave it at that.
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.reset_defaults()
    try:
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(sim.serve()) as url:
            yield sim, sim.environ(url) | {"KIS_MIN_INTERVAL": "0", "KISBOT_DATA_DIR": str(folder)}
    finally:
        structlog.reset_defaults()  # a KisApi sends the log lines of a program that says nothing to logging
        if before is not None:
            structlog.configure(**before)
