"""The arguments of /alert: condition, repetition and duration."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bot.alerts.model import Comparison
from bot.chat.i18n.catalogue import MessageIds, msgid, reason, translate
from bot.chat.i18n.formatting import clean
from bot.chat.i18n.language import Lang
from bot.chat.parsing.order_args import BadArguments, number

MAX_DAYS = 365
MAX_PERCENT = 1_000
MIN_PERCENT = -100
HOLDINGS_PERCENT = (Decimal("0.5"), Decimal(30))
MAX_FACTOR = 100

HOLDINGS = frozenset({"보유", "보유종목", "holdings", "held"})
DELETE = frozenset({"삭제", "delete", "del"})
_VOLUME = frozenset({"거래량", "volume", "vol"})
_REPEAT = frozenset({"반복", "repeat"})
_CLOSE = frozenset({"전일", "전일대비", "close", "prev"})
_TODAY = frozenset({"오늘", "today"})
_BEFORE = {
    ">": Comparison.ABOVE, ">=": Comparison.AT_LEAST, "≥": Comparison.AT_LEAST, "<": Comparison.BELOW, "<=": Comparison.AT_MOST, "≤": Comparison.AT_MOST,
    "above": Comparison.ABOVE, "over": Comparison.ABOVE, "below": Comparison.BELOW, "under": Comparison.BELOW,
}  # fmt: skip
_AFTER = {"초과": Comparison.ABOVE, "이상": Comparison.AT_LEAST, "미만": Comparison.BELOW, "이하": Comparison.AT_MOST}
_SIGNS = re.compile(r"\s*([<>]=?|[≥≤])\s*")
_APART = re.compile(r"(?<=\d)\s+(?=(?:%|배|일|원|days?)(?:\s|$))", re.IGNORECASE)
_PERCENT = re.compile(r"([+-]?|±|\+-)(\d{1,5}(?:\.\d{1,2})?)%", re.ASCII)
_FACTOR = re.compile(r"(\d{1,5}(?:\.\d)?)(배|x|times)?", re.ASCII | re.IGNORECASE)
_DAYS = re.compile(r"(\d{1,5})(일|d|days?)", re.ASCII | re.IGNORECASE)

_SENTENCES: MessageIds[str] = {
    "ALERT_WHAT": "Say when, too: &gt; 72000, -3%, volume 3x",
    "PRICE_FORM": "Not a condition: {word} (try &gt; 72000, -3% or volume 3x)",
    "PRICE_ZERO": "A price cannot be 0.",
    "ALERT_NO_PRICE": "A price has to follow '{word}', as in {word} 72000",
    "ALERT_SIGN": "Up or down? Write +{word} or -{word}",
    "ALERT_PERCENT_FORM": "Not a percentage: {word} (try -3% or +2.5%)",
    "ALERT_PERCENT_RANGE": "More than 0, below 100 % down, and {most} % up at most: {word}",
    "ALERT_HELD_RANGE": "For holdings, between {least} % and {most} %: {word}",
    "ALERT_NO_FACTOR": "How many times the usual volume? volume 3x",
    "ALERT_FACTOR_FORM": "Not a multiple: {word} (try 3x or 2.5x)",
    "ALERT_FACTOR_RANGE": "More than 1 and at most {most}: {word}",
    "ALERT_DAYS": "Between 1 and {most} days: {word}",
    "ALERT_TWICE": "Said twice: {word}",
    "ALERT_CLOSE": "'{word}' goes with a percentage only: -3% close",
    "ALERT_HELD_REPEAT": "An alert on holdings fires every day anyway; leave out '{word}'.",
    "ALERT_WORD": msgid("More than I can read: {rest}", context="alert"),
    "ALERT_HERE": "{price} won is the price now; say &gt; or &lt;.",
    "ALERT_MANY": "At most {most} alerts each; delete one in /alert first.",
    "ALERT_OVER": "Today's session is over; leave that out or say '7d'.",
    "ALERT_GONE": "You have no alert {word}.",
    "ALERT_NO_QUOTE": "{name} has no price now, so no alert can be made.",
    "ALERT_NO_BARS": "{name} has no past volume to measure against.",
}  # fmt: skip


@dataclass(frozen=True)
class AlertArgs:
    """A parsed condition: exactly one of price, percent and factor. `op` None: decided by the current price."""

    op: Comparison | None = None
    price: int | None = None
    percent: Decimal | None = None
    factor: Decimal | None = None
    from_close: bool = False
    repeat: bool = False
    days: int | None = None
    """Duration; 0 is today, None was not given."""


def sentence(code: str, values: Mapping[str, Any], lang: Lang) -> str:
    """The sentence for an error of these arguments."""
    return translate(lang, _SENTENCES[code], **values) if code in _SENTENCES else reason(code, values, lang)


def normalised(text: str) -> str:
    """The text with comparison signs set apart and units joined to their numbers."""
    plain = clean(text).replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")
    return _APART.sub("", _SIGNS.sub(r" \1 ", plain)).strip()


def split_condition(text: str) -> tuple[str, str]:
    """The probable stock name and the rest; only for asking which stock was meant."""
    parts = text.split()
    for place, word in enumerate(parts):
        low = word.lower()
        if low in _BEFORE or low in _VOLUME or _PERCENT.fullmatch(word) or (place and low[:1].isdigit()):
            return " ".join(parts[:place]), " ".join(parts[place:])
    return " ".join(parts), ""


def parse_alert_args(parts: Sequence[str]) -> AlertArgs:
    """The condition, followed by repetition and duration in any order; `BadArguments` bears the first error."""
    if not parts:
        raise BadArguments("ALERT_WHAT")
    head, rest = parts[0].lower(), list(parts[1:])
    if head in _BEFORE and not rest:
        raise BadArguments("ALERT_NO_PRICE", word=parts[0])
    if head in _VOLUME and not rest:
        raise BadArguments("ALERT_NO_FACTOR")
    if head in _BEFORE:
        return _terms(AlertArgs(_BEFORE[head], number(rest[0], "price")), rest[1:])
    if head in _VOLUME:
        return _terms(AlertArgs(Comparison.AT_LEAST, factor=_factor(rest[0])), rest[1:])
    if head.endswith("%"):
        percent = _percent(parts[0])
        return _terms(AlertArgs(Comparison.AT_LEAST if percent > 0 else Comparison.AT_MOST, percent=percent), rest)
    price = number(parts[0], "price")
    if rest and rest[0] in _AFTER:
        return _terms(AlertArgs(_AFTER[rest[0]], price), rest[1:])
    return _terms(AlertArgs(None, price), rest)


def parse_holdings_args(parts: Sequence[str]) -> AlertArgs:
    """The percentage by which any holding may move either way, and the duration; or `BadArguments`."""
    if not parts:
        raise BadArguments("ALERT_PERCENT_FORM", word="보유")
    found = _PERCENT.fullmatch(parts[0])
    if found is None or found[1] in {"+", "-"}:
        raise BadArguments("ALERT_PERCENT_FORM", word=parts[0])
    percent, (least, most) = Decimal(found[2]), HOLDINGS_PERCENT
    if not least <= percent <= most:
        raise BadArguments("ALERT_HELD_RANGE", word=parts[0], least=least, most=most)
    words = _terms(AlertArgs(percent=percent, from_close=True), parts[1:])
    if words.repeat:
        raise BadArguments("ALERT_HELD_REPEAT", word="반복")
    return words


def _terms(words: AlertArgs, parts: Sequence[str]) -> AlertArgs:
    """The options behind a condition: from the previous close, repeating, duration; each at most once."""
    said = set()
    for place, part in enumerate(parts):
        low = part.lower()
        if low in _REPEAT:
            what, words = "repeat", replace(words, repeat=True)
        elif low in _CLOSE:
            if words.percent is None:
                raise BadArguments("ALERT_CLOSE", word=part)
            what, words = "close", replace(words, from_close=True)
        elif low in _TODAY:
            what, words = "days", replace(words, days=0)
        elif found := _DAYS.fullmatch(part):
            days = int(found[1])
            if not 1 <= days <= MAX_DAYS:
                raise BadArguments("ALERT_DAYS", word=part, most=MAX_DAYS)
            what, words = "days", replace(words, days=days)
        else:
            raise BadArguments("ALERT_WORD", rest=" ".join(parts[place:]))
        if what in said:
            raise BadArguments("ALERT_TWICE", word=part)
        said.add(what)
    return words


def _percent(word: str) -> Decimal:
    found = _PERCENT.fullmatch(word)
    if found is None:
        raise BadArguments("ALERT_PERCENT_FORM", word=word)
    if found[1] not in {"+", "-"}:
        raise BadArguments("ALERT_SIGN", word=f"{found[2]}%")
    percent = Decimal(found[1] + found[2])
    if not MIN_PERCENT < percent <= MAX_PERCENT or not percent:
        raise BadArguments("ALERT_PERCENT_RANGE", word=word, most=MAX_PERCENT)
    return percent


def _factor(word: str) -> Decimal:
    found = _FACTOR.fullmatch(word)
    if found is None:
        raise BadArguments("ALERT_FACTOR_FORM", word=word)
    factor = Decimal(found[1])
    if not 1 < factor <= MAX_FACTOR:
        raise BadArguments("ALERT_FACTOR_RANGE", word=word, most=MAX_FACTOR)
    return factor
