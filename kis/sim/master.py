"""The master files: one line per issue in cp949, with a tail of fixed columns, zipped.

The columns are those of KIS's own reader (open-trading-api, stocks_info); KOSPI and KOSDAQ differ.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kis.sim.exchange.prices import Issue

_ENCODING = "cp949"
_CODE, _STANDARD, _NAME = 9, 12, 40
_TAIL = {"KOSPI": 227, "KOSDAQ": 221}
_EPOCH = (1980, 1, 1, 0, 0, 0)
# Field: its column for KOSPI, that for KOSDAQ, and its width in the tail; all other columns stay blank.
_COLUMNS = {
    "group": (0, 0, 2),
    "size": (2, 2, 1),
    "base": (41, 36, 9),
    "lot": (50, 45, 5),
    "off_hours_lot": (55, 50, 5),
    "flags": (60, 55, 3),
    "warning": (63, 58, 2),
    "more_flags": (65, 60, 3),
    "margin": (74, 69, 3),
    "credit": (77, 72, 1),
    "credit_days": (78, 73, 3),
    "volume": (81, 76, 12),
    "par": (93, 88, 12),
    "listed": (105, 100, 8),
    "shares": (113, 108, 15),
    "capital": (128, 123, 21),
    "month": (149, 144, 2),
    "preferred": (158, 153, 1),
    "worth": (212, 206, 9),
}


def line(issue: Issue) -> bytes:
    """The line of one issue, without its line end."""
    listing = issue.listing
    values = {
        "group": listing.group,
        "size": "0" if listing.etf else "1",
        "base": f"{issue.base:09d}",
        "lot": f"{1:05d}",
        "off_hours_lot": f"{1:05d}",
        "flags": f"{'Y' if issue.halted else 'N'}NN",
        "warning": "00",
        "more_flags": "NNN",
        "margin": f"{listing.margin:03d}",
        "credit": "N" if listing.etf else "Y",
        "credit_days": "090",
        "volume": f"{issue.bars[-1].volume if issue.bars else 0:012d}",
        "par": f"{0 if listing.etf else 100:012d}",
        "listed": "20000104",
        "shares": f"{issue.shares // 1000:015d}",
        "capital": f"{issue.shares * 100:021d}",
        "month": "12",
        "preferred": "1" if listing.preferred else "0",
        "worth": f"{issue.shares * issue.base // 100_000_000:09d}",
    }
    tail = bytearray(b" " * _TAIL[listing.market])
    for name, (kospi, kosdaq, width) in _COLUMNS.items():
        start = kospi if listing.market == "KOSPI" else kosdaq
        tail[start : start + width] = values[name].encode(_ENCODING)[:width].rjust(width)
    head = listing.code.ljust(_CODE) + listing.isin.ljust(_STANDARD)
    return head.encode(_ENCODING) + listing.name.encode(_ENCODING).ljust(_NAME) + bytes(tail)


def archive(issues: Iterable[Issue], market: str) -> bytes:
    """The zip file of one market; issues of other markets are left out."""
    name = f"{market.lower()}_code.mst"
    text = b"".join(line(issue) + b"\n" for issue in issues if issue.listing.market == market)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo(name, _EPOCH), text)
    return packed.getvalue()
