"""Numbers in KIS's format: text, won without separators, percentages with two decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

_UP, _FLAT, _DOWN, _LIMIT_UP, _LIMIT_DOWN = "2", "3", "5", "1", "4"


@lru_cache(maxsize=4096)
def decimals(number: Fraction | Decimal | float, places: int = 2) -> str:
    """A number with a fixed number of decimals, rounded half up."""
    exact = Fraction(number)
    with localcontext() as context:
        context.prec = 50
        value = Decimal(exact.numerator) / Decimal(exact.denominator)
        # Adding 0 turns a negative zero positive; "f" keeps small zeros from being written as 0E-8.
        return format(value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0, "f")


@lru_cache(maxsize=4096)
def percent(part: float, whole: float, places: int = 2) -> str:
    """`part` of `whole` in percent; 0 of nothing."""
    if not whole:
        return decimals(0, places)
    return decimals(Fraction(part) * 100 / Fraction(whole), places)


def sign(change: float, *, at_upper: bool = False, at_lower: bool = False) -> str:
    """`prdy_vrss_sign` of a signed change."""
    if change > 0:
        return _LIMIT_UP if at_upper else _UP
    if change < 0:
        return _LIMIT_DOWN if at_lower else _DOWN
    return _FLAT


def flag(on: bool) -> str:
    """Y or N."""
    return "Y" if on else "N"
