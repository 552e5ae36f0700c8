"""The keys of the audit log on disk: the day's key, and for a while the first key.

`audit-day-key.json` holds the key of today and is replaced when a day ends; `audit-first-key.txt` holds first keys
until `kisbot audit key` has shown them to somebody who keeps them elsewhere. Both are readable by their owner alone.
"""

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from bot.store.audit import chain
from bot.store.private_files import BadKey, erase_private, read_private, replace_private

_HEADING = "# kisbot 감사 기록의 첫 키 · first keys of kisbot's audit log\n"
_ADVICE = (
    "다른 사람이 읽을 수 있습니다. chmod 600 하세요. 이미 읽혔을 수 있으면 `kisbot audit key --new` · "
    "can be read by others: run chmod 600 on it; if they may have, also `kisbot audit key --new`"
)
"""Whoever could read a key can forge today's rows."""


class DamagedKey(Exception):
    """The day's key file is there and makes no sense."""


@dataclass(frozen=True, slots=True)
class DayKey:
    """The key of one day, and the row after which it came into use."""

    id: str
    """Which first key it descends from."""
    day: date
    key: bytes = field(repr=False)
    seq: int
    mac: str


class DayKeys:
    """The two files in the data directory. Whoever writes holds the database's write lock."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit-day-key.json"
        self.first_path = folder / "audit-first-key.txt"

    def read(self) -> DayKey | None:
        """The day's key, or None if there is no such file.

        Raises:
            BadKey: others can read the file, or we cannot.
            DamagedKey: it is not what was written.
        """
        text = read_private(self.path, _ADVICE)
        if text is None:
            return None
        try:
            row = json.loads(text)
            day, key = date.fromisoformat(row["day"]), bytes.fromhex(row["key"])
            found = DayKey(str(row["id"]), day, key, int(row["seq"]), str(row["mac"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DamagedKey(self.path.name) from None
        if len(found.key) != chain.KEY_BYTES:
            raise DamagedKey(self.path.name)
        return found

    def write(self, key: DayKey) -> None:
        """Put this key in the place of the one before, which is erased as far as the file system lets us."""
        row = {"id": key.id, "day": key.day.isoformat(), "key": key.key.hex(), "seq": key.seq, "mac": key.mac}
        replace_private(self.path, json.dumps(row))

    def firsts(self) -> list[bytes]:
        """The first keys that still lie here, oldest first.

        Raises:
            BadKey: others can read the file, or it is not one of ours.
        """
        text = read_private(self.first_path, _ADVICE)
        try:
            return [] if text is None else first_keys(text)
        except ValueError as error:
            raise BadKey(f"{self.first_path}: {error}") from None

    def keep_first(self, first: bytes) -> None:
        """Keep a first key until it has been shown."""
        replace_private(self.first_path, first_keys_text([*self.firsts(), first]))

    def forget_firsts(self) -> None:
        """Erase the first keys from this machine."""
        erase_private(self.first_path)


def first_keys_text(keys: list[bytes]) -> str:
    """First keys as a file for a person to keep: one a line, behind its name."""
    return _HEADING + "".join(f"{chain.key_id(one)} {one.hex()}\n" for one in keys)


def first_keys(text: str) -> list[bytes]:
    """The keys in such a file, or copied from the screen; the names before them may be missing.

    Raises:
        ValueError: a line is not a key, or not the key it is called; the text names the line and shows no key.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            key = bytes.fromhex(words[-1])
        except ValueError:
            key = b""
        if len(key) != chain.KEY_BYTES or (len(words) > 1 and words[0] != chain.key_id(key)):
            raise ValueError(f"{number}번째 줄은 감사 키가 아닙니다 · line {number} is not an audit key")
        found.append(key)
    return found
