"""Dates as people type them and as messages show them."""

import re
from contextlib import suppress
from datetime import date, timedelta

from bot.chat.i18n.catalogue import msgid
from bot.chat.i18n.frame import Frame
from bot.chat.parsing.order_args import BadArguments

TODAY = frozenset({"", "오늘", "today"})
YESTERDAY = frozenset({"어제", "yesterday"})
_FULL = re.compile(r"(\d{4})([-./]?)(\d\d?)\2(\d\d?)", re.ASCII)
_SHORT = re.compile(r"(\d\d?)[-./](\d\d?)", re.ASCII)
_COMPACT = 8
_FIRST = date(1990, 1, 1)
"""The earliest date that is accepted."""
_WEEKDAYS = (msgid("Mon"), msgid("Tue"), msgid("Wed"), msgid("Thu"), msgid("Fri"), msgid("Sat"), msgid("Sun"))


def parse_day(word: str, today: date) -> date:
    """The date of a word: 2026-11-24, 20261124, 11-24, 11/24, 오늘, 어제; empty is today.

    A day without a year is the one nearest to today, so that 12-30 said in January is last month's. Anything else is
    `BadArguments`, a day that is still to come, too.
    """
    if word.lower() in TODAY:
        return today
    if word.lower() in YESTERDAY:
        return today - timedelta(days=1)
    found = _full(word) or _nearest(word, today)
    if found is None or found < _FIRST:
        raise BadArguments("DAY_FORM", word=word[:20])
    if found > today:
        raise BadArguments("DAY_FUTURE", day=found.isoformat())
    return found


def _full(word: str) -> date | None:
    match = _FULL.fullmatch(word)
    if match is None or (not match[2] and len(word) != _COMPACT):
        return None
    return _date(int(match[1]), int(match[3]), int(match[4]))


def _nearest(word: str, today: date) -> date | None:
    match = _SHORT.fullmatch(word)
    if match is None:
        return None
    years = (_date(today.year + by, int(match[1]), int(match[2])) for by in (-1, 0, 1))
    return min((one for one in years if one is not None), key=lambda one: abs(one - today), default=None)


def _date(year: int, month: int, day: int) -> date | None:
    with suppress(ValueError):
        return date(year, month, day)
    return None


def day_label(day: date, frame: Frame) -> str:
    """Month, day and weekday."""
    return f"{day:%m/%d}({frame.text(_WEEKDAYS[day.weekday()])})"
