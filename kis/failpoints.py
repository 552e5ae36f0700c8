"""Named points at which a fault-injection run kills the process, as a power cut would.

The environment variable `KISBOT_CRASH_AT` is "name:n": the n-th arrival at that point ends the process at once,
without cleanup. Unset, as in every real run, a point costs one comparison.
"""

from __future__ import annotations

import os

_VARIABLE = "KISBOT_CRASH_AT"
_STATUS = 9


class _Countdown:
    """The arrivals at a point that are left."""

    __slots__ = ("left", "point")

    def __init__(self, spec: str) -> None:
        self.point, _, number = spec.partition(":")
        if not self.point or not (number.isascii() and number.isdigit() and int(number)):
            raise ValueError(f'{_VARIABLE} is not of the form "name:n", n from 1: {spec!r}')
        self.left = int(number)


_countdown: _Countdown | None = None


def arm(spec: str) -> None:
    """Sets the failpoint of this process, in place of the one from the environment.

    Args:
        spec: "name:n", or "" for nowhere.

    Raises:
        ValueError: it is neither: a run without its failpoint must not count as passed.
    """
    global _countdown  # noqa: PLW0603 - one per process
    _countdown = _Countdown(spec) if spec else None


def armed() -> bool:
    """Whether a failpoint is set."""
    return _countdown is not None


def at(point: str) -> None:
    """Ends the process at the set point and arrival; does nothing otherwise."""
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
