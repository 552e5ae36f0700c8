"""What stood behind /alert becomes a condition, strictly; what could mean two things is asked back, never guessed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bot.alerts.model import Comparison
from bot.chat.i18n.catalogue import reason, say
from bot.chat.i18n.formatting import clean
from bot.chat.i18n.language import Lang
from bot.chat.parsing.order_args import BadArguments, number

LONGEST_DAYS = 365
MOST_PERCENT = 1_000
LEAST_PERCENT = -100
HELD_PERCENT = (Decimal("0.5"), Decimal(30))
MOST_FACTOR = 100

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

_SENTENCES: dict[str, tuple[str, str]] = {
    "ALERT_WHAT": ("언제 알릴지도 적어 주세요. 예: &gt; 72000, -3%, 거래량 3배", "Say when, too: &gt; 72000, -3%, volume 3x"),
    "PRICE_FORM": ("알아볼 수 없습니다: {word} (예: &gt; 72000, 72,000원 이하, -3%, 거래량 3배)", "Not a condition: {word} (try &gt; 72000, -3% or volume 3x)"),
    "PRICE_ZERO": ("가격은 0원일 수 없습니다.", "A price cannot be 0."),
    "ALERT_NO_PRICE": ("'{word}' 다음에 가격을 적어 주세요. 예: {word} 72000", "A price has to follow '{word}', as in {word} 72000"),
    "ALERT_SIGN": ("오를 때인지 내릴 때인지 부호를 붙여 주세요: +{word} 또는 -{word}", "Up or down? Write +{word} or -{word}"),
    "ALERT_PERCENT_FORM": ("비율을 알아볼 수 없습니다: {word} (예: -3%, +2.5%)", "Not a percentage: {word} (try -3% or +2.5%)"),
    "ALERT_PERCENT_RANGE": ("비율은 0보다 크고, 내릴 때는 100% 미만, 오를 때는 {most}% 이하여야 합니다: {word}", "More than 0, below 100 % down, and {most} % up at most: {word}"),
    "ALERT_HELD_RANGE": ("보유 알림의 비율은 {least}%에서 {most}% 사이입니다: {word}", "For holdings, between {least} % and {most} %: {word}"),
    "ALERT_NO_FACTOR": ("거래량 몇 배인지 적어 주세요. 예: 거래량 3배", "How many times the usual volume? volume 3x"),
    "ALERT_FACTOR_FORM": ("배수를 알아볼 수 없습니다: {word} (예: 3배, 2.5배)", "Not a multiple: {word} (try 3x or 2.5x)"),
    "ALERT_FACTOR_RANGE": ("배수는 1보다 크고 {most} 이하여야 합니다: {word}", "More than 1 and at most {most}: {word}"),
    "ALERT_DAYS": ("기간은 1일에서 {most}일까지입니다: {word}", "Between 1 and {most} days: {word}"),
    "ALERT_TWICE": ("두 번 적혀 있습니다: {word}", "Said twice: {word}"),
    "ALERT_CLOSE": ("'{word}'은 비율에만 붙입니다. 예: -3% 전일", "'{word}' goes with a percentage only: -3% close"),
    "ALERT_HELD_REPEAT": ("보유 알림은 원래 날마다 울립니다. '{word}'을 빼 주세요.", "An alert on holdings fires every day anyway; leave out '{word}'."),
    "ALERT_WORD": ("알 수 없는 말입니다: {rest}", "More than I can read: {rest}"),
    "ALERT_HERE": ("지금 가격이 바로 {price}원입니다. &gt; 또는 &lt; 를 붙여 주세요.", "{price} won is the price now; say &gt; or &lt;."),
    "ALERT_MANY": ("알림은 한 사람이 {most}개까지입니다. /alert 에서 지우고 다시 해 주세요.", "At most {most} alerts each; delete one in /alert first."),
    "ALERT_OVER": ("오늘 장은 끝났습니다. 기간을 빼거나 '7일'처럼 적어 주세요.", "Today's session is over; leave that out or say '7d'."),
    "ALERT_GONE": ("그런 알림이 없습니다: {word}", "You have no alert {word}."),
    "ALERT_NO_QUOTE": ("{name}: 지금은 가격이 없어 알림을 만들 수 없습니다.", "{name} has no price now, so no alert can be made."),
    "ALERT_NO_BARS": ("{name}: 지난 거래량이 없어 기준을 정할 수 없습니다.", "{name} has no past volume to measure against."),
}  # fmt: skip


@dataclass(frozen=True)
class AlertArgs:
    """What is to be told. Of price, percent and factor exactly one is said; `op` None: from where the price is now."""

    op: Comparison | None = None
    price: int | None = None
    percent: Decimal | None = None
    factor: Decimal | None = None
    from_close: bool = False
    repeat: bool = False
    days: int | None = None
    """How long; 0 is today, None was not said."""


def sentence(code: str, values: Mapping[str, Any], lang: Lang) -> str:
    """Why no alert was made."""
    if code in _SENTENCES:
        return say(lang, *_SENTENCES[code], **values)
    return reason(code, values, lang)


def spaced(text: str) -> str:
    """The words with signs on their own and units beside their numbers, in one spelling."""
    plain = clean(text).replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")
    return _APART.sub("", _SIGNS.sub(r" \1 ", plain)).strip()


def split_condition(text: str) -> tuple[str, str]:
    """What was probably meant as the name of a stock, and the rest; for asking back only."""
    parts = text.split()
    for place, word in enumerate(parts):
        low = word.lower()
        if low in _BEFORE or low in _VOLUME or _PERCENT.fullmatch(word) or (place and low[:1].isdigit()):
            return " ".join(parts[:place]), " ".join(parts[place:])
    return " ".join(parts), ""


def alert_words(parts: Sequence[str]) -> AlertArgs:
    """The condition, then in any order how often and how long.

    Raises:
        BadWords: with the code of the first thing that is wrong.
    """
    if not parts:
        raise BadArguments("ALERT_WHAT")
    head, rest = parts[0].lower(), list(parts[1:])
    if head in _BEFORE:
        if not rest:
            raise BadArguments("ALERT_NO_PRICE", word=parts[0])
        return _terms(AlertArgs(_BEFORE[head], number(rest[0], "price")), rest[1:])
    if head in _VOLUME:
        if not rest:
            raise BadArguments("ALERT_NO_FACTOR")
        return _terms(AlertArgs(Comparison.AT_LEAST, factor=_factor(rest[0])), rest[1:])
    if head.endswith("%"):
        percent = _percent(parts[0])
        return _terms(AlertArgs(Comparison.AT_LEAST if percent > 0 else Comparison.AT_MOST, percent=percent), rest)
    price = number(parts[0], "price")
    if rest and rest[0] in _AFTER:
        return _terms(AlertArgs(_AFTER[rest[0]], price), rest[1:])
    return _terms(AlertArgs(None, price), rest)


def holdings_words(parts: Sequence[str]) -> AlertArgs:
    """The percentage that any stock held may move either way, and how long.

    Raises:
        BadWords: as `alert_words`.
    """
    if not parts:
        raise BadArguments("ALERT_PERCENT_FORM", word="보유")
    found = _PERCENT.fullmatch(parts[0])
    if found is None or found[1] in {"+", "-"}:
        raise BadArguments("ALERT_PERCENT_FORM", word=parts[0])
    percent = Decimal(found[2])
    least, most = HELD_PERCENT
    if not least <= percent <= most:
        raise BadArguments("ALERT_HELD_RANGE", word=parts[0], least=least, most=most)
    words = _terms(AlertArgs(percent=percent, from_close=True), parts[1:])
    if words.repeat:
        raise BadArguments("ALERT_HELD_REPEAT", word="반복")
    return words


def _terms(words: AlertArgs, parts: Sequence[str]) -> AlertArgs:
    """Previous close, repeating, and how long; each once."""
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
            if not 1 <= days <= LONGEST_DAYS:
                raise BadArguments("ALERT_DAYS", word=part, most=LONGEST_DAYS)
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
    if not LEAST_PERCENT < percent <= MOST_PERCENT or not percent:
        raise BadArguments("ALERT_PERCENT_RANGE", word=word, most=MOST_PERCENT)
    return percent


def _factor(word: str) -> Decimal:
    found = _FACTOR.fullmatch(word)
    if found is None:
        raise BadArguments("ALERT_FACTOR_FORM", word=word)
    factor = Decimal(found[1])
    if not 1 < factor <= MOST_FACTOR:
        raise BadArguments("ALERT_FACTOR_RANGE", word=word, most=MOST_FACTOR)
    return factor
