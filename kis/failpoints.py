"""Named points at which a fault-injection run kills the process, as a power cut would.

The environment variable `KISBOT_CRASH_AT` is "name:n": the n-th arrival at that point ends the process at once,
without cleanup. Unset, as in every real run, a point costs one comparison.
"""

from __future__ import annotations

import os

_VARIABLE = "KISBOT_CRASH_AT"
_STATUS = 9


_point, _left = "", 0  # the failpoint that is set, and its arrivals that are left


def arm(spec: str) -> None:
    """Sets the failpoint of this process, in place of the one from the environment: "name:n", or "" for nowhere.

    Raises `ValueError` if it is neither: a run without its failpoint must not count as passed.
    """
    global _point, _left
    point, _, number = spec.partition(":")
    if spec and not (point and number.isascii() and number.isdigit() and int(number)):
        raise ValueError(f'{_VARIABLE} is not of the form "name:n", n from 1: {spec!r}')
    _point, _left = point, int(number or 0)


def armed() -> bool:
    """Whether a failpoint is set."""
    return bool(_point)


def at(point: str) -> None:
    """Ends the process at the set point and arrival; does nothing otherwise."""
    global _left  # noqa: PLW0603 - one per process
    if point == _point:
        _left -= 1
        if not _left:
            _end_process()


def _end_process() -> None:
    if os.name == "nt":
        os._exit(_STATUS)
    os.kill(os.getpid(), _STATUS)  # SIGKILL, by number: Windows lacks the name


arm(os.environ.get(_VARIABLE, ""))
