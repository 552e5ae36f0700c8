"""The arguments of order commands: stock, quantity and price."""

import re
from collections.abc import Container
from dataclasses import dataclass

from bot.chat.ports import StockLookup
from bot.orders.model.reason import Reason
from kis.models import Side
from kis.symbols import Stock

MAX_LENGTH = 200
"""Most characters of a command's arguments."""
MARKET_WORDS = frozenset({"시장가", "시장", "market", "mkt"})
ALL_WORDS = frozenset({"전량", "전부", "모두", "all"})
MAX_DIGITS = 10
"""The width of KIS's quantity field."""

_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
_UNITS = {
    "quantity": re.compile(r"(주|shares?|sh)$", re.IGNORECASE),
    "price": re.compile(r"(원|won|krw)$", re.IGNORECASE),
}


class BadArguments(Exception):
    """The arguments cannot be parsed; `reason` has the code and values of the sentence."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.reason = Reason(code, values)


@dataclass(frozen=True)
class OrderArgs:
    """The arguments of /buy or /sell; None: not given. `market` and `price` exclude each other."""

    quantity: int | None = None
    everything: bool = False
    price: int | None = None
    market: bool = False


def split_stock(words: str, symbols: StockLookup, ends: Container[str] = ()) -> tuple[Stock | None, str, list[str]]:
    """The stock at the start of the arguments, the text that named it, and the rest.

    A name may hold spaces ("KODEX 200"), so the longest head that is exactly a code or a name wins. Where there is
    none, the name ends before what looks like quantity and price, or is one of `ends`, small letters.
    """
    parts = words.split()
    for length in range(len(parts), 0, -1):
        head = " ".join(parts[:length])
        stock = symbols.get(head.upper()) or symbols.named(head)
        if stock is not None:
            return stock, head, parts[length:]
    tail = len(parts)
    while tail > 1 and (_looks_like_terms(parts[tail - 1]) or parts[tail - 1].lower() in ends):
        tail -= 1
    return None, " ".join(parts[:tail]), parts[tail:]


def _looks_like_terms(word: str) -> bool:
    return word.lower() in MARKET_WORDS | ALL_WORDS or word[:1].isdigit() or word[:1] in "-+"


def parse_order_args(parts: list[str], side: Side) -> OrderArgs:
    """Quantity and price, in that order, either of which may be missing; `BadArguments` bears the first error."""
    if len(parts) > 2:  # noqa: PLR2004  # quantity and price
        if any(part.lower() in MARKET_WORDS for part in parts):
            raise BadArguments("MARKET_WITH_PRICE")
        raise BadArguments("TOO_MANY_WORDS", rest=" ".join(parts[2:]))
    everything = bool(parts) and side is Side.SELL and parts[0].lower() in ALL_WORDS
    quantity = number(parts[0], "quantity") if parts and not everything else None
    if len(parts) < 2:  # noqa: PLR2004
        return OrderArgs(quantity, everything)
    if parts[1].lower() in MARKET_WORDS:
        return OrderArgs(quantity, everything, market=True)
    return OrderArgs(quantity, everything, price=number(parts[1], "price"))


def number(word: str, what: str) -> int:
    """A whole positive number with an optional unit and well-placed commas, else `BadArguments` (QUANTITY_ZERO etc.)."""
    code, bare = what.upper(), _UNITS[what].sub("", word)
    digits = bare.lstrip("+-")
    if re.fullmatch(r"[\d,]*\.\d+", digits):
        raise BadArguments(f"{code}_DECIMAL", word=word)
    if not (digits.isascii() and (digits.isdigit() or _GROUPED.fullmatch(digits))):
        raise BadArguments(f"{code}_FORM", word=word)
    if bare.startswith("-"):
        raise BadArguments(f"{code}_NEGATIVE", word=word)
    plain = digits.replace(",", "").lstrip("0")
    if not plain:
        raise BadArguments(f"{code}_ZERO")
    if len(plain) > MAX_DIGITS:
        raise BadArguments(f"{code}_HUGE", word=word)
    return int(plain)
