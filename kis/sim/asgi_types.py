"""The ASGI types the simulator uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ABORT = "kis.sim.abort"
"""The ASGI extension by which the application drops the connection, or resets it (`reset`)."""
