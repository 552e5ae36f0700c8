"""Names and codes of all listed stocks, from KIS's master files.

The files are lines of cp949: a head of code, ISIN and name, then a tail of fixed width. A Hangul character takes two
bytes, so a line is cut by bytes, from its end (KIS repository, stocks_info, 2026-07).
"""

from __future__ import annotations

import asyncio
import io
import os
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from kis.errors import Unavailable
from kis.transport import download

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

_log = structlog.get_logger(__name__)

_FILES = {"KOSPI": "kospi_code.mst", "KOSDAQ": "kosdaq_code.mst"}
_ETP_GROUPS = frozenset({"EF", "FE", "EN"})
# Warrants and subscription rights: tens of thousands of names that cannot be ordered here.
_EXCLUDED_GROUPS = frozenset({"EW", "SW", "SR"})
_Fetch = Callable[[str], Awaitable[bytes]]  # of a public file; raises `Unavailable`
_CODE = slice(0, 9)
_NAME = slice(21, None)
_MIN_HEAD = 21
_MAX_BAD_LINES = 1  # percent of all lines
_MAX_FILE = 50_000_000  # bytes unpacked; the files have about one million


@dataclass(frozen=True, slots=True)
class _Tail:
    """Positions of the fields in a market's tail, in bytes from its start."""

    width: int
    base_price: slice
    halted: int


_TAILS = {"KOSPI": _Tail(227, slice(41, 50), 60), "KOSDAQ": _Tail(221, slice(36, 45), 55)}


@dataclass(frozen=True, slots=True)
class Stock:
    """A listed stock, ETF or ETN.

    Attributes:
        code: six characters, letters among them since 2024; seven for ETNs, which begin with Q.
        name: its Korean name.
        market: "KOSPI" or "KOSDAQ".
        etf: whether the tick table of ETFs and ETNs applies.
        group: KIS's security group: ST stock, EF ETF, EN ETN, RT trust ...
        base_price: today's base price in won.
        halted: whether trading was halted when the file was made.
    """

    code: str
    name: str
    market: str
    etf: bool
    group: str
    base_price: int
    halted: bool


class Symbols:
    """All stocks, by code and by name."""

    def __init__(self, stocks: Iterable[Stock]) -> None:
        self._by_code = {stock.code: stock for stock in stocks}
        self._by_name: dict[str, list[Stock]] = {}
        for stock in self._by_code.values():
            self._by_name.setdefault(_folded(stock.name), []).append(stock)

    def __len__(self) -> int:
        return len(self._by_code)

    def get(self, code: str) -> Stock | None:
        """The stock of a code."""
        return self._by_code.get(code.strip().upper())

    def named(self, text: str) -> Stock | None:
        """The stock of exactly this name, ignoring case and blanks; None also if two have it."""
        stocks = self._by_name.get(_folded(text), [])
        return stocks[0] if len(stocks) == 1 else None

    def search(self, text: str, limit: int = 10) -> list[Stock]:
        """The stocks whose name or code begins with a text, then those whose name contains it; short names first."""
        wanted = _folded(text)
        if not wanted:
            return []
        names = sorted(self._by_name, key=lambda name: (len(name), name))
        first = [s for name in names for s in self._by_name[name] if name.startswith(wanted)]
        codes = [s for s in self._by_code.values() if s.code.casefold().startswith(wanted)]
        within = [s for name in names for s in self._by_name[name] if wanted in name]
        return list(dict.fromkeys([*first, *codes, *within]))[:limit]


def _folded(text: str) -> str:
    return "".join(text.casefold().split())


def parse_master(content: bytes, market: str) -> list[Stock]:
    """Reads an unpacked master file; `ValueError` if more than one line in a hundred is not as documented."""
    lines = [line for line in content.splitlines() if line.strip()]
    stocks = []
    bad = 0
    for line in lines:
        try:
            stock = _stock(line, market)
        except ValueError:
            bad += 1
            continue
        if stock.group not in _EXCLUDED_GROUPS:
            stocks.append(stock)
    if bad * 100 > len(lines) * _MAX_BAD_LINES:
        raise ValueError(f"{bad} of {len(lines)} lines are not as documented")
    if bad:
        _log.warning("master_lines_left_out", market=market, lines=bad)
    return stocks


def _stock(line: bytes, market: str) -> Stock:
    tail = _TAILS[market]
    head, fields = line[: -tail.width], line[-tail.width :]
    if len(head) <= _MIN_HEAD:
        raise ValueError(f"a line of {len(line)} bytes is too short")
    group = fields[0:2].decode("ascii")
    if not group.isalpha():
        raise ValueError("the kind of security is none")
    return Stock(
        code=head[_CODE].decode("ascii").strip(),
        name=head[_NAME].decode("cp949").strip(),
        market=market,
        etf=group in _ETP_GROUPS,
        group=group,
        base_price=int(fields[tail.base_price].strip() or 0),
        halted=fields[tail.halted : tail.halted + 1] == b"Y",
    )


async def load(master_url: str, cache_dir: Path, day: date, *, fetch: _Fetch = download) -> Symbols:
    """The stocks of a day (KST): from the day's copy, else downloaded with `fetch`, else from the latest copy.

    Raises:
        Unavailable: they could not be downloaded, and there is no copy.
    """
    await asyncio.to_thread(cache_dir.mkdir, parents=True, exist_ok=True)
    markets = [await _market(market, master_url, cache_dir, day, fetch) for market in _FILES]
    return Symbols(stock for stocks in markets for stock in stocks)


async def _market(market: str, master_url: str, cache_dir: Path, day: date, fetch: _Fetch) -> list[Stock]:
    file = _FILES[market]
    copy = cache_dir / f"{file}-{day:%Y%m%d}.zip"
    stocks = await asyncio.to_thread(_read_copy, copy, market)
    if stocks:
        return stocks
    try:
        packed = await fetch(f"{master_url.rstrip('/')}/{file}.zip")
        stocks = await asyncio.to_thread(_unpacked, packed, market)
    except (Unavailable, ValueError) as failure:
        return await asyncio.to_thread(_latest_copy, market, cache_dir, failure)
    await asyncio.to_thread(_save, copy, packed, f"{file}-*.zip")
    return stocks


def _latest_copy(market: str, cache_dir: Path, failure: Exception) -> list[Stock]:
    for copy in sorted(cache_dir.glob(f"{_FILES[market]}-*.zip"), reverse=True):
        stocks = _read_copy(copy, market)
        if stocks:
            _log.warning("master_file_of_another_day", market=market, copy=copy.name, reason=str(failure))
            return stocks
    raise Unavailable(f"no master file for {market}: {failure}", endpoint="master") from None


def _read_copy(copy: Path, market: str) -> list[Stock]:
    try:
        return _unpacked(copy.read_bytes(), market)
    except (OSError, ValueError):
        return []


def _unpacked(packed: bytes, market: str) -> list[Stock]:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entry = archive.getinfo(_FILES[market])
            if entry.file_size > _MAX_FILE:
                raise ValueError(f"{entry.filename} is too large")  # noqa: TRY301 - handled as every other defect of an archive
            content = archive.read(entry)
    except Exception as failure:  # noqa: BLE001 - whatever the decompressor raises on a damaged archive
        raise ValueError(str(failure) or type(failure).__name__) from None
    stocks = parse_master(content, market)
    if not stocks:
        raise ValueError(f"{_FILES[market]} is empty")
    return stocks


def _save(copy: Path, packed: bytes, pattern: str) -> None:
    temporary = copy.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(packed)
    temporary.replace(copy)
    for old in sorted(copy.parent.glob(pattern))[:-2]:
        old.unlink(missing_ok=True)
