"""The log: one line an event, stamped in KST, with secrets redacted, whichever library wrote the line."""

import logging
import re
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from kis.config import kst_now

HIDDEN = "«hidden»"
_CREDENTIAL_SHAPES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # an access token
    r"|(?i:bearer)\s+\S+"
    r"|(?<!\d)\d{6,}:[\w-]{20,}"  # a bot token, as it stands in every Bot API address
)
_LOGGERS_WITH_TOKENS = ("httpx", "httpcore", "telegram", "uvicorn", "asyncio")
"""Libraries that log whole addresses at INFO, with the bot's token in them; they log from WARNING."""


class Redactor:
    """Replaces known secrets, and whatever has the shape of a credential, in any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({one for one in secrets if one}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        """The text with every secret replaced."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _CREDENTIAL_SHAPES.sub(HIDDEN, text)

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        """A structlog processor: redacts all values, nested ones and tracebacks included."""
        return {key: self._value(value) for key, value in event.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self._value(key): self._value(one) for key, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(one) for one in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))


def set_up_logs(
    secrets: Iterable[str] = (),
    *,
    json: bool = False,
    level: int = logging.INFO,
    clock: Callable[[], datetime] = kst_now,
) -> None:
    """Send every logger, those of libraries included, through one chain of processors to standard error."""

    def stamp(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["at"] = clock().isoformat(timespec="milliseconds")
        return event

    redact = Redactor(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _LOGGERS_WITH_TOKENS:
        logging.getLogger(name).setLevel(logging.WARNING)
