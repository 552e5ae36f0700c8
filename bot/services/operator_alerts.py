"""Tells the overseers of internal errors and of a broken line to the broker: the first rings, repeats are counted."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from bot.orders.model.notice import Notice

log = structlog.get_logger(__name__)


class OperatorAlerts:
    """Sends notices by a code that has a sentence; what exactly happened stands in the log alone."""

    def __init__(self, tell: Callable[[Sequence[Notice]], object], overseers: Callable[[], Iterable[int]]) -> None:
        """`tell` queues notices and counts those of the same code; `overseers`: chats."""
        self._tell = tell
        self._overseers = overseers

    def report(self, code: str, values: Mapping[str, object] | None = None, also: Iterable[int] = ()) -> None:
        """Tell of an error. Never raises: what failed may be the disk that this would be written to.

        Args:
            code: names its sentence.
            values: what the sentence has room for.
            also: further chats.
        """
        try:
            chats = dict.fromkeys([*self._overseers(), *also])
            self._tell([Notice("trouble", chat, {"code": code, "values": dict(values or {})}) for chat in chats])
        except Exception:
            log.exception("an error could not be told", code=code)
