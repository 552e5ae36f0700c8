"""The ASGI interface, as far as the simulator speaks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ABORT = "kis.sim.abort"
"""The ASGI extension through which a server lets the application drop the connection, or reset it (`reset`)."""
