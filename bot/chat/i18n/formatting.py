"""Formatting of won, shares, percentages, times and names, and escaping of text that people or the broker wrote."""

import html
import unicodedata
from datetime import datetime
from decimal import Decimal

from bot.chat.i18n.language import Lang
from kis.krx import KST

MAX_QUOTED = 80
"""Most characters of foreign text in a message."""
MAX_NAME = 20
"""Most characters of a person's name."""
MAX_MARKS = 2
"""Most combining marks on one letter; more of them would cover the lines around."""
BLANKS = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0\u2800"))
"""Letters without a glyph."""


def clean(text: str) -> str:
    """One line of plain characters: NFKC; control, bidi and zero-width characters removed."""
    folded = unicodedata.normalize("NFKC", text)
    kept = (" " if unicodedata.category(one) in {"Cc", "Zl", "Zp", "Zs"} else one for one in folded)
    plain = "".join(one for one in kept if unicodedata.category(one) not in {"Cf", "Co", "Cs", "Cn"})
    return " ".join(plain.split())


class Markup(str):
    """HTML: it is not escaped again."""

    __slots__ = ()


def safe(value: object, limit: int = MAX_QUOTED) -> Markup:
    """Foreign text as HTML: one line, at most `limit` characters, escaped."""
    text = clean(str(value))
    return Markup(html.escape(text if len(text) <= limit else text[: limit - 1] + "…"))


def won(amount: int, lang: Lang = "ko") -> str:
    """Won with separators and unit."""
    return f"{amount:,}원" if lang == "ko" else f"₩{amount:,}"


def shares(quantity: int, lang: Lang = "ko") -> str:
    """A number of shares with its unit."""
    return f"{quantity:,}주" if lang == "ko" else f"{quantity:,} sh"


def signed(amount: int | Decimal) -> str:
    """A number with its sign; a true minus sign, so that it is not read as a dash."""
    text = f"{abs(amount):,}"
    return f"+{text}" if amount > 0 else f"−{text}" if amount < 0 else text


def percent(rate: Decimal) -> str:
    """A signed percentage with two digits."""
    return f"{signed(round(rate, 2))}%"


def signed_won(amount: int, lang: Lang) -> str:
    """A gain or loss; the unit is written in Korean only."""
    return f"{signed(amount)}원" if lang == "ko" else signed(amount)


def of_shares(part: int, whole: int, lang: Lang) -> str:
    """So many of so many shares; the unit is written in Korean only."""
    return f"{part:,}/{whole:,}주" if lang == "ko" else f"{part:,}/{whole:,}"


def pieces(count: int, lang: Lang) -> str:
    """A number of orders or messages; the unit is written in Korean only."""
    return f"{count}건" if lang == "ko" else str(count)


def large_won(value: int, lang: Lang) -> str:
    """Large won amounts in units of 100 million, as Korean screens show them; in English of one million."""
    return f"{value // 100_000_000:,}억" if lang == "ko" else f"₩{value / 1_000_000:,.0f}M"


def arrow(change: int | Decimal) -> str:
    """Red and up, or blue and down, as Korean screens show it."""
    return "🔴▲" if change > 0 else "🔵▼" if change < 0 else "⚪"


def clock_time(moment: datetime) -> str:
    """Time of day (KST)."""
    return moment.astimezone(KST).strftime("%H:%M:%S")


def shown_name(text: str) -> str:
    """A person's name: one short line without characters that hide, reorder or cover the text around it."""
    kept: list[str] = []
    marks = 0
    for one in unicodedata.normalize("NFC", clean(text).translate(BLANKS)):
        marks = marks + 1 if unicodedata.category(one) in {"Mn", "Me"} else 0
        if marks <= MAX_MARKS and (kept or not marks):
            kept.append(one)
    return " ".join("".join(kept[:MAX_NAME]).split())


def person_name(name: str, user_id: int) -> Markup:
    """A person's name with the last digits of their id, which nobody can choose: for whoever is asked to consent."""
    return Markup(f"{safe(name, 20)} …{user_id % 10_000:04d}")


def rough_shares(volume: int, lang: Lang) -> str:
    """A large number of shares, rounded to 10,000 (Korean) or 100,000 (English)."""
    if lang == "ko":
        return f"{volume // 10_000:,}만주" if volume >= 10_000 else f"{volume:,}주"  # noqa: PLR2004
    return f"{volume / 1_000_000:,.1f}M sh" if volume >= 1_000_000 else f"{volume:,} sh"  # noqa: PLR2004
