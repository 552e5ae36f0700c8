"""Where this package's log lines go in a program that has not said."""

from __future__ import annotations

import structlog


def keep_off_stdout() -> None:
    """Sends them to `logging`, under "kis", unless the program has set structlog up itself.

    What a script prints is its own; structlog would print between. Warnings then go to stderr, as `logging` does with
    those of any package, and `logging.basicConfig(level=logging.INFO)` shows the rest.
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
