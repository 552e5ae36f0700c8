"""Every message, button, edit, deletion and toast of scripted days is what it was, byte for byte, and so is what is stored.

`python -m tests.golden` writes the files anew; the difference is then the change of behaviour, to be read in the diff.
"""

import difflib
import re
import sys

import pytest

from tests.golden.files import FILES, UNREACHED, codes_reached, made, read
from tests.golden.inside import COMMANDS, REASONS

MOST = 120
"""Lines of a difference that a failure shows."""
WRITTEN_BY = (3, 11)
"""The Python that wrote the files: others may take up two tasks that are due at the same instant in another order, and
add up the floats of the simulator's made-up past, which charts show, to another last digit."""


def comparable(text: str) -> str:
    """The text itself, or under another Python its lines without order, numbers of messages and digests of charts."""
    if sys.version_info[:2] == WRITTEN_BY:
        return text
    return "\n".join(sorted(re.sub(r"#\d+|(?<= chart )[0-9a-f]{12}", "#", line) for line in text.splitlines()))


@pytest.mark.parametrize("name", FILES)
def test_what_was_said_and_stored_is_what_it_was(name):
    told, kept = made(name), read(name)
    for file, text in told.items():
        if comparable(kept.get(file, "")) != comparable(text):
            lines = difflib.unified_diff(
                kept.get(file, "").splitlines(), text.splitlines(), f"{file} (kept)", f"{file} (now)", lineterm=""
            )
            shown = [line for _, line in zip(range(MOST), lines, strict=False)]
            pytest.fail("\n".join(["behaviour has changed:", *shown]), pytrace=False)
    assert set(kept) == set(told)


def test_every_command_is_given_in_the_scripts():
    said = {
        line.split("> /", 1)[1].split()[0]
        for text in read("scripts").values()
        for line in text.splitlines()
        if "> /" in line
    }
    assert sorted(COMMANDS - said) == []


def test_which_reasons_the_transcripts_hold_is_known():
    reached = codes_reached()
    assert set(REASONS) - reached == set(UNREACHED)
