"""An I/O error at the statements of a day's talk, one at a time: by itself, and with all that follow for half a minute.

The story and its judge are those of `tests/integration/test_storage_faults.py`, which the default tests run at a sample.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.integration.test_storage_faults import for_half_a_minute, once, story
from tests.support.virtual_time import run_virtual

EVERY, QUICK_EVERY = 7, 80
"""Statements from one that fails to the next; the seed says where to begin, so that seven seeds take them all."""


def _played(fails: Callable[[int], bool]) -> int:
    with tempfile.TemporaryDirectory() as home:
        return run_virtual(lambda _: story(Path(home), fails))[0]


def run(seed: int, *, quick: bool) -> tuple[Counter[str], list[str]]:
    """How many stories were played, and what was found broken."""
    every = QUICK_EVERY if quick else EVERY
    counts, broken = Counter(statements=_played(lambda _: False)), []
    for name, fault in (("once", once), ("half a minute", for_half_a_minute)):
        for at in range(1 + seed % every, counts["statements"] + 1, every):
            counts[name] += 1
            try:
                _played(fault(at))
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
                broken.append(f"statement {at}, {name}: {type(error).__name__}: {str(error).splitlines()[:1]}")
    return counts, broken
