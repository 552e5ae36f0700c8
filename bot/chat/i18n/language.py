"""The language of the current reader, as a context variable.

Answering an update and sending a message set it for their task; elsewhere the default language counts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Lang = Literal["ko", "en"]

_language: ContextVar[Lang | None] = ContextVar("language", default=None)


@contextmanager
def use_language(lang: Lang | None) -> Iterator[None]:
    """Use this language within the block, in this task and those it starts; None: the default."""
    before = _language.set(lang)
    try:
        yield
    finally:
        _language.reset(before)


def current_language(default: Lang) -> Lang:
    """The reader's language, or the default where none is set."""
    return _language.get() or default


def set_language(lang: Lang | None) -> None:
    """Use this language from here to the end of the `use_language` block around the call."""
    _language.set(lang)
