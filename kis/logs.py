"""The log output of this package in a program that has not configured structlog."""

from __future__ import annotations

import structlog


def keep_off_stdout() -> None:
    """Sends log lines to `logging`, under "kis", unless the program has configured structlog itself.

    structlog prints to stdout by default, between a script's own output. With `logging`, warnings go to stderr, and
    `logging.basicConfig(level=logging.INFO)` shows the rest.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
