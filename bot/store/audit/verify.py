"""Whether the audit log is as it was written: a walk over its rows in constant memory, and what it found."""

import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import chain as joined

from bot.store.audit import chain
from bot.store.audit.chain import AuditRow, Head
from bot.store.audit.keys import DayKey

_MOST_DAYS = 64
"""How many days' keys are worked out at one place of the log: a row may name any day."""
_MOST_REMOVED = 1_000
"""How many removed rows are looked for where the rest was numbered anew."""


class ChainFault(StrEnum):
    """What is wrong with a log."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    OUT_OF_ORDER = "out_of_order"
    CUT_OFF = "cut_off"
    """It ends before a row that is known to have been there."""
    REWRITTEN = "rewritten"
    """It agrees with itself, and not with a head that was posted or with the day's key."""
    UNSEALED = "unsealed"
    """From here to its end anybody could have written it."""
    WRONG_KEY = "wrong_key"
    """It is sealed with a key that was not given; or a key that was given is none of its own."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong. `seq` to `until` are the rows concerned; `seq` 0 is the log as a whole."""

    fault: ChainFault
    seq: int
    until: int = 0


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """What the walk found. Remarks stand beside a good log, too."""

    problem: Problem | None
    rows: int
    """How many rows were found good."""
    head: Head | None
    keys: tuple[tuple[int, str], ...]
    """Where a first key began, and its name."""
    keyless: tuple[int, int] | None
    """How many rows bear no key although the log had one, and the first of them. A later row covers them."""
    before: int
    """Rows from before the first key: they are as they were when it was made, which is all that can be said."""
    unproven: int
    """Up to this row the key was not given; as `before`, of the next key that was."""
    backdated: int | None
    """The first row whose time lies before the day of its key: a clock set back, or a row made later than it says."""
    day_key: bool
    """Whether the day's key was compared with the log, without which cutting off whole days may go unseen."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


def verify(
    rows: Iterable[AuditRow],
    k0: bytes,
    *later: bytes,
    anchors: Iterable[tuple[int, str]] = (),
    day_key: DayKey | None = None,
) -> ChainVerdict:
    """Walk the log, every row in the order of `seq`; `k0` and `later` are the first keys of all its beginnings.

    `anchors` are heads known from elsewhere: a row's number and the first hex digits of its mac, eight at least.
    `day_key` is the day's key as it lay on the machine *before* the rows were read.

    Raises:
        ValueError: an anchor is not a row's number and hex digits.
    """
    posted: dict[int, set[str]] = {}
    for seq, digits in anchors:
        posted.setdefault(seq, set()).add(chain.checked_anchor(seq, digits)[1])
    walk = _Walk([k0, *later], posted, day_key)
    stream = iter(rows)
    problem: Problem | None = None
    for row in stream:
        problem = walk.take(row)
        if problem is not None:
            if problem.fault is ChainFault.CHANGED and problem.seq == row.seq:
                problem = _diagnosed(walk, row, stream)
            break
    return walk.verdict(problem or walk.ended())


class _Walk:
    """All that is remembered between two rows."""

    def __init__(self, firsts: Sequence[bytes], anchors: dict[int, set[str]], day_key: DayKey | None) -> None:
        self._firsts = {chain.key_id(one): one for one in firsts}
        self._anchors = anchors
        self._mark = day_key
        self._marked = False
        self.seq = 0
        self.prev = chain.GENESIS
        self._key: bytes | None = None
        self._id = ""
        self._day = ""
        self._sealed = (0, chain.GENESIS)
        self._turned: dict[str, bytes | None] = {}
        self._digest: chain.Digest = chain.Digest()
        self._chained = False
        self._before = 0
        self._keys: list[tuple[int, str]] = []
        self._keyless: tuple[int, int] | None = None
        self._tail = 0
        self._dark = 0
        """The first row under a key that was not given, if that is where we are."""
        self._unproven = 0
        self._backdated: int | None = None

    def take(self, row: AuditRow) -> Problem | None:
        """Take in the next row, or say what is wrong with it."""
        if row.seq != self.seq + 1 and (self._chained or row.mac is not None):
            if row.seq > self.seq:
                return Problem(ChainFault.MISSING, self.seq + 1, row.seq - 1)
            return Problem(ChainFault.OUT_OF_ORDER, row.seq)
        if row.mac is None:
            if self._chained:
                return Problem(ChainFault.CHANGED, row.seq)
            self._digest.add(row)
            self.seq = row.seq
            self._before += 1
            return None
        if not self._chained and self.seq and row.action != chain.SEALED:
            return Problem(ChainFault.CHANGED, 1, row.seq)
        content = chain.text(row)
        begins = row.action == chain.KEY_MADE and row.key_day is not None
        problem = self._begins(row) if begins else None
        if problem is None and not (self._dark and row.key_day is not None):
            problem = self._fits(row, content)
        if problem is None:
            self._accept(row, content)
            problem = self._as_posted(row)
        return problem

    def _fits(self, row: AuditRow, content: bytes) -> Problem | None:
        if not self.fits(row, row.seq, self.prev, content):
            return Problem(ChainFault.CHANGED, row.seq)
        if not self._chained and self.seq and not self._covers(row):
            # One hash covers them all, and says only that one of them is not what it was.
            return Problem(ChainFault.CHANGED, 1, self.seq)
        return None

    def _begins(self, row: AuditRow) -> Problem | None:
        """A row that begins a key: from here on it is the key that counts."""
        name = _detail(row).get("key")
        first, day = self._firsts.get(str(name)), _day(row.key_day)
        if first is None or day is None:
            self._dark = self._dark or row.seq
            self._id, self._key = str(name), None
            self._keys.append((row.seq, str(name)))
            return None
        key = chain.first_day_key(first, day)
        if row.mac != chain.mac(self.prev, chain.text(row), key):
            # Where the rows before it could not be checked, the fault may as well be theirs.
            return Problem(ChainFault.CHANGED, self._dark or row.seq, row.seq if self._dark else 0)
        if not self._covers(row):
            return Problem(ChainFault.CHANGED, self._dark or 1, row.seq - 1)
        if self._dark:
            self._dark, self._unproven = 0, row.seq - 1
        if self._mark is not None and self._mark.id == name and self._mark.seq < row.seq:
            if not hmac.compare_digest(key, self._mark.key):
                return Problem(ChainFault.REWRITTEN, row.seq)
            self._marked = True
        if not self._keys:
            self._before = row.seq - 1
        self._keys.append((row.seq, str(name)))
        self._id, self._key, self._day = str(name), key, str(row.key_day)
        return None

    def _covers(self, row: AuditRow) -> bool:
        """Whether the row's digest is that of all rows before it."""
        detail = _detail(row)
        return detail.get("rows") == self._digest.rows and detail.get("digest") == self._digest.hexdigest()

    def own_mac(self, row: AuditRow, seq: int, prev: str, content: bytes | None = None) -> str:
        """The mac that the row should bear at this place in the log; empty if nobody can say."""
        key = self._key_for(row)
        if key is None and row.key_day is not None:
            return ""
        return chain.mac(prev, chain.text(row, seq) if content is None else content, key)

    def fits(self, row: AuditRow, seq: int, prev: str, content: bytes | None = None) -> bool:
        """Whether the row's mac is right for this place in the log."""
        return bool(row.mac) and row.mac == self.own_mac(row, seq, prev, content)

    def _key_for(self, row: AuditRow) -> bytes | None:
        if row.key_day is None or row.key_day == self._day or self._key is None:
            return self._key if row.key_day is not None else None
        if row.key_day not in self._turned:
            if len(self._turned) >= _MOST_DAYS:
                return None
            self._turned[row.key_day] = self._stepped(row.key_day)
        return self._turned[row.key_day]

    def _stepped(self, until: str) -> bytes | None:
        day, later = _day(self._day), _day(until)
        if self._key is None or day is None or later is None:
            return None
        try:
            return chain.next_day_key(self._key, day, later, self._sealed)
        except ValueError:
            return None

    def _accept(self, row: AuditRow, content: bytes) -> None:
        self._digest.add(row, content)
        self._chained = True
        self.seq, self.prev = row.seq, str(row.mac)
        if row.key_day is None:
            if self._keys:
                self._tail = self._tail or row.seq
                count, first = self._keyless or (0, row.seq)
                self._keyless = (count + 1, first)
            return
        if not self._dark:
            self._key, self._day = self._key_for(row), row.key_day
        self._sealed = (row.seq, str(row.mac))
        self._turned.clear()
        self._tail = 0
        if self._backdated is None and row.at[:10] < row.key_day:
            self._backdated = row.seq

    def _as_posted(self, row: AuditRow) -> Problem | None:
        """Compare a good row with what is known of it from elsewhere."""
        if any(not str(row.mac).startswith(head) for head in self._anchors.pop(row.seq, ())):
            return Problem(ChainFault.REWRITTEN, row.seq)
        mark = self._mark
        if mark is None or mark.seq != row.seq:
            return None
        if row.mac != mark.mac:
            return Problem(ChainFault.REWRITTEN, row.seq)
        if mark.id == self._id and not self._dark:
            key = self._stepped(mark.day.isoformat())
            if key is None or not hmac.compare_digest(key, mark.key):
                return Problem(ChainFault.REWRITTEN, row.seq)
            self._marked = True
        return None

    def ended(self) -> Problem | None:
        """What is wrong with a log that ends here."""
        known = max([*self._anchors, self._mark.seq if self._mark else 0])
        unused = set(self._firsts) - {name for _, name in self._keys}
        faults = (
            (known > self.seq, Problem(ChainFault.CUT_OFF, self.seq + 1, known)),
            # Of rows before the chain, which have no mac to compare.
            (bool(self._anchors), Problem(ChainFault.REWRITTEN, min(self._anchors, default=0))),
            (bool(self._dark), Problem(ChainFault.WRONG_KEY, self._dark)),
            (bool(unused), Problem(ChainFault.WRONG_KEY, 0)),
            (bool(self._tail), Problem(ChainFault.UNSEALED, self._tail, self.seq)),
            (self._mark is not None and not self._marked, Problem(ChainFault.CUT_OFF, self.seq + 1)),
        )
        return next((problem for found, problem in faults if found), None)

    def verdict(self, problem: Problem | None) -> ChainVerdict:
        """All that was found."""
        return ChainVerdict(
            problem,
            rows=self._digest.rows,
            head=Head(self.seq, self.prev[: chain.HEAD_DIGITS]) if self._chained else None,
            keys=tuple(self._keys),
            keyless=self._keyless,
            before=self._before,
            unproven=self._unproven,
            backdated=self._backdated,
            day_key=self._marked,
        )


def _diagnosed(walk: _Walk, bad: AuditRow, rest: Iterator[AuditRow]) -> Problem:
    """What befell the first row whose mac is wrong, as far as the rows after it tell.

    The row that belongs here may stand further on: then others were put before it, or it was moved. Or the row after
    it fits on to it, and only the content was changed; or it fits on with a higher number, and rows were taken out.
    """
    seq, prev = bad.seq, walk.prev
    after = next(rest, None)
    if after is None or bad.mac is None:
        return Problem(ChainFault.CHANGED, seq)
    if walk.fits(after, seq + 1, bad.mac) or walk.fits(after, seq + 1, walk.own_mac(bad, seq, prev)):
        return Problem(ChainFault.CHANGED, seq)
    for gone in range(1, _MOST_REMOVED + 1):
        if walk.fits(after, seq + 1 + gone, bad.mac):
            return Problem(ChainFault.MISSING, seq, seq + gone - 1)
    stream = joined([after], rest)
    found = next((row for row in stream if walk.fits(row, seq, prev)), None)
    if found is None:
        return Problem(ChainFault.CHANGED, seq)
    follower = next(stream, None)
    if follower is None:
        moved = found.seq > seq + 1 or walk.fits(bad, found.seq, str(found.mac))
    else:
        moved = not walk.fits(follower, seq + 1, str(found.mac))
    if moved:
        return Problem(ChainFault.OUT_OF_ORDER, seq, found.seq)
    return Problem(ChainFault.INSERTED, seq, found.seq - 1)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except (ValueError, TypeError):
        return None


def _detail(row: AuditRow) -> dict[str, object]:
    try:
        found = json.loads(row.detail)
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
