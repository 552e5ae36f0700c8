"""The language of whoever reads now.

An update is answered, and a letter delivered, in the language of one person; whoever begins that says whose, and every
sentence made until it ends is in that language. Outside of it the house's own language counts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Lang = Literal["ko", "en"]

_reader: ContextVar[Lang | None] = ContextVar("reader", default=None)


@contextmanager
def speaking(lang: Lang | None) -> Iterator[None]:
    """Speak this language for a while, in this task and those it starts; None: the house's own."""
    before = _reader.set(lang)
    try:
        yield
    finally:
        _reader.reset(before)


def spoken(house: Lang) -> Lang:
    """The reader's language, or the house's where nobody in particular reads."""
    return _reader.get() or house


def speak(lang: Lang | None) -> None:
    """Speak this language from here to the end of the `speaking` that surrounds the call."""
    _reader.set(lang)
