"""Where a fault run ends the process: named points of the code, at one of which it is killed as by a power cut.

The environment variable `KISBOT_CRASH_AT` says where, as "name:n": the n-th arrival at the point of that name ends
the process at once, without any cleaning up. Unset, as in every real run, a point costs one comparison.
"""

from __future__ import annotations

import os

_VARIABLE = "KISBOT_CRASH_AT"
_STATUS = 9


class _Countdown:
    """How many arrivals at a point are left."""

    __slots__ = ("left", "point")

    def __init__(self, spec: str) -> None:
        self.point, _, number = spec.partition(":")
        if not self.point or not (number.isascii() and number.isdigit() and int(number)):
            msg = f'{_VARIABLE} is not of the form "name:n", n from 1: {spec!r}'
            raise ValueError(msg)
        self.left = int(number)


_countdown: _Countdown | None = None


def arm(spec: str) -> None:
    """Chooses the point at which this process ends; the environment's choice, made at import, no longer counts.

    Args:
        spec: "name:n", or "" for nowhere.

    Raises:
        ValueError: it is neither, so that a fault run that plants nothing is not taken for one survived.
    """
    global _countdown  # noqa: PLW0603 - there is one process to end
    _countdown = _Countdown(spec) if spec else None


def armed() -> bool:
    """Whether a point is chosen."""
    return _countdown is not None


def at(point: str) -> None:
    """Ends the process if this is the chosen point and arrival; does nothing otherwise."""
    if _countdown is not None:
        _arrive(_countdown, point)


def _arrive(countdown: _Countdown, point: str) -> None:
    if point != countdown.point:
        return
    countdown.left -= 1
    if countdown.left:
        return
    if os.name == "nt":
        os._exit(_STATUS)
    os.kill(os.getpid(), _STATUS)  # SIGKILL, by number: Windows lacks the name


arm(os.environ.get(_VARIABLE, ""))
