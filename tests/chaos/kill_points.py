"""Where a fault run ends the process: the product's own crash points, and further ones between the calls of its parts.

`mark` sets the further ones upon the finished parts of a bot, just after (or before) the call that is named there.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from kis import failpoints as crash

POINTS = (
    "inbox_stored", "offset_moved", "draft_made", "card_sent", "button_used", "approved", "baseline", "before_attempt",
    "after_attempt", "socket_open", "half_body", "all_sent", "answer_read", "before_outcome", "after_outcome",
    "outbox_sending", "fill_noted", "fill_sent",
)  # fmt: skip
"""In the order in which an order passes them; the last two belong to its fill."""
FIRST_ARRIVAL = {"offset_moved": 2, "outbox_sending": 2}
"""Which arrival is meant, where the first is not the interesting one."""


def spec(point: str) -> str:
    """As `kis.failpoints` reads it."""
    return f"{point}:{FIRST_ARRIVAL.get(point, 1)}"


def mark(*, journal: Any, outbox: Any, inbox: Any, desk: Any, delivery: Any, poll: Any) -> None:
    """Set the points that the product has not got by itself."""
    _after(inbox, "keep", "inbox_stored", lambda fresh, *_, **__: bool(fresh))
    _after(journal, "add", "draft_made")
    _after(journal, "save", "button_used", lambda _, __, event, **how: event.action == "order.confirmed")
    _after(journal, "save", "fill_noted", lambda _, __, event, **how: event.action == "order.reported")
    _after(outbox, "sending", "outbox_sending")
    _before(desk._sender, "submit", "approved")
    _after_waiting(desk.pretrade, "for_send", "baseline")
    _after_waiting(delivery, "_deliver", "card_sent", lambda _, message: message.kind == "card")
    _after_waiting(delivery, "_deliver", "fill_sent", lambda _, message: message.kind == "fill")
    poll._bot = _Asking(poll._bot)


class _Asking:
    """Telegram's client: an answered question for updates confirms the ones before."""

    def __init__(self, bot: Any) -> None:
        self._bot = bot

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bot, name)

    async def get_updates(self, **how: Any) -> Any:
        updates = await self._bot.get_updates(**how)
        if updates:
            crash.at("offset_moved")
        return updates


Applies = Callable[..., bool]


def _always(*_: Any, **__: Any) -> bool:
    return True


def _after(part: Any, name: str, point: str, applies: Applies = _always) -> None:
    usual = getattr(part, name)

    @wraps(usual)
    def then(*args: Any, **how: Any) -> Any:
        found = usual(*args, **how)
        if applies(found, *args, **how):
            crash.at(point)
        return found

    setattr(part, name, then)


def _before(part: Any, name: str, point: str) -> None:
    usual = getattr(part, name)

    @wraps(usual)
    def first(*args: Any, **how: Any) -> Any:
        crash.at(point)
        return usual(*args, **how)

    setattr(part, name, first)


def _after_waiting(part: Any, name: str, point: str, applies: Applies = _always) -> None:
    usual = getattr(part, name)

    @wraps(usual)
    async def then(*args: Any, **how: Any) -> Any:
        found = await usual(*args, **how)
        if applies(found, *args, **how):
            crash.at(point)
        return found

    setattr(part, name, then)
