"""Faults that a program swallows and logs are faults all the same: these runs keep every one."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

LOGGED: list[str] = []
"""What was logged as an error since it was last asked for."""


def keep_errors() -> None:
    """No log of any planted fault on the screen; errors of the program are kept for `logged_errors`."""
    logging.disable(logging.CRITICAL)
    structlog.configure(
        processors=[_keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )


@contextlib.contextmanager
def keeping_errors() -> Iterator[None]:
    """The same for a while."""
    usual = structlog.get_config()
    disabled = logging.root.manager.disable
    keep_errors()
    try:
        yield
    finally:
        LOGGED.clear()
        structlog.configure(**usual)
        logging.disable(disabled)


def logged_errors() -> list[str]:
    """What was logged since the last call."""
    found = LOGGED.copy()
    LOGGED.clear()
    return found


def _keep(_logger: WrappedLogger, _name: str, event: EventDict) -> Any:
    fault = event.get("exc_info")
    fault = sys.exc_info()[1] if fault is True else fault
    words = f"{type(fault).__name__}: {fault}" if isinstance(fault, BaseException) else str(event.get("why", ""))
    LOGGED.append(f"{event['event']} ({words})")
    raise structlog.DropEvent
