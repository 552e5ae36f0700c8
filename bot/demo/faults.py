"""Faults of the network and of Telegram by name, planted for the next calls.

| name       | what the bot meets                                  | details and their defaults       |
|------------|-----------------------------------------------------|----------------------------------|
| refuse     | the connection closes, nothing done                 |                                  |
| lose_reply | the call is carried out, then the connection closes |                                  |
| flood      | 429, nothing done                                   | retry_after=1 (seconds)          |
| error      | any refusal, nothing done                           | status=500, description="..."    |
| slow       | the call is carried out late                        | seconds=1.0                      |
| conflict   | 409, as if a second bot read the same updates       |                                  |
| down       | every connection closes, until `clear()`            |                                  |
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

NAMES = frozenset({"refuse", "lose_reply", "flood", "error", "slow", "conflict", "down"})
_DEFAULTS: dict[str, dict[str, Any]] = {
    "flood": {"retry_after": 1},
    "error": {"status": 500, "description": "Internal Server Error"},
    "slow": {"seconds": 1.0},
}


@dataclass
class PlantedTelegramFault:
    """One fault that waits for its calls."""

    name: str
    left: int
    method: str | None
    details: dict[str, Any]


class TelegramFaults:
    """The planted faults, and in `fired` how often each name struck."""

    def __init__(self) -> None:
        self.fired: Counter[str] = Counter()
        self._planted: list[PlantedTelegramFault] = []

    def plant(self, name: str, *, times: int = 1, method: str | None = None, **details: Any) -> None:
        """Let the next `times` calls meet a fault, with the details that the table above names.

        With `method`, say "sendMessage", only calls of it are struck; without one any call, and the next of a polling
        bot is usually getUpdates. "conflict" strikes getUpdates alone.

        Raises:
            ValueError: no such fault, or a detail it does not take.
        """
        if name not in NAMES:
            raise ValueError(f"no fault named {name!r}; there are {', '.join(sorted(NAMES))}")
        defaults = _DEFAULTS.get(name, {})
        if unknown := details.keys() - defaults.keys():
            raise ValueError(f"{name!r} does not take {', '.join(sorted(unknown))}")
        if name == "conflict":
            method = "getUpdates"
        self._planted.append(PlantedTelegramFault(name, times, method and method.lower(), defaults | details))

    def clear(self) -> None:
        """Forget whatever has not struck yet."""
        self._planted.clear()

    def take(self, method: str) -> PlantedTelegramFault | None:
        """Return the fault this call meets, if any, and count it."""
        for fault in self._planted:
            if fault.method in {None, method.lower()}:
                self.fired[fault.name] += 1
                if fault.name != "down":
                    fault.left -= 1
                    if fault.left <= 0:
                        self._planted.remove(fault)
                return fault
        return None
