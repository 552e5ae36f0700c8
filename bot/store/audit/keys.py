"""The keys of the audit log on disk: the day's key, and for a while the first key.

`audit-day-key.json` holds the key of today and is replaced when a day ends; `audit-first-key.txt` holds first keys
until `kisbot audit key` has shown them to somebody who keeps them elsewhere. Both are readable by their owner alone.
"""

import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from bot.store.audit import chain
from bot.store.private_files import PRIVATE, BadDatabase

_NEWEST_SHOWN = "# kisbot 감사 기록의 첫 키 · first keys of kisbot's audit log\n"


class BadKey(BadDatabase):
    """A key file must not be used as it is; the text says why and what to do, Korean first."""


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
        text = _read_private(self.path)
        if text is None:
            return None
        try:
            row = json.loads(text)
            found = DayKey(
                str(row["id"]),
                date.fromisoformat(row["day"]),
                bytes.fromhex(row["key"]),
                int(row["seq"]),
                str(row["mac"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DamagedKey(self.path.name) from None
        if len(found.key) != chain.KEY_BYTES:
            raise DamagedKey(self.path.name)
        return found

    def write(self, key: DayKey) -> None:
        """Put this key in the place of the one before, which is erased as far as the file system lets us."""
        row = {"id": key.id, "day": key.day.isoformat(), "key": key.key.hex(), "seq": key.seq, "mac": key.mac}
        _write_private(self.path, json.dumps(row))

    def firsts(self) -> list[bytes]:
        """The first keys that still lie here, oldest first.

        Raises:
            BadKey: others can read the file, or it is not one of ours.
        """
        text = _read_private(self.first_path)
        try:
            return [] if text is None else first_keys(text)
        except ValueError as error:
            raise BadKey(f"{self.first_path}: {error}") from None

    def keep_first(self, first: bytes) -> None:
        """Keep a first key until it has been shown."""
        _write_private(self.first_path, first_keys_text([*self.firsts(), first]))

    def forget_firsts(self) -> None:
        """Erase the first keys from this machine."""
        with suppress(FileNotFoundError), self.first_path.open("r+b") as file:
            _wipe(file.fileno())
        self.first_path.unlink(missing_ok=True)


def first_keys_text(keys: list[bytes]) -> str:
    """First keys as a file for a person to keep: one a line, behind its name."""
    return _NEWEST_SHOWN + "".join(f"{chain.key_id(one)} {one.hex()}\n" for one in keys)


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


def _read_private(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                # Whoever could read it can forge today's rows; only a person knows whether somebody did.
                raise BadKey(
                    f"{path}: 다른 사람이 읽을 수 있습니다. chmod 600 하세요. "
                    "이미 읽혔을 수 있으면 `kisbot audit key --new` · "
                    "can be read by others: run chmod 600 on it; if they may have, also `kisbot audit key --new`",
                )
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadKey(f"{path}: 읽을 수 없습니다 · cannot be read ({type(error).__name__})") from None


def _write_private(path: Path, text: str) -> None:
    """Replace a file at one stroke, durably; no moment leaves it readable by others."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    for left in path.parent.glob(f"{path.stem}.*.tmp"):  # of a writer that was killed: a key nobody erases
        left.unlink(missing_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if os.name != "posix":
        draft.replace(path)
        return
    before = None
    with suppress(FileNotFoundError):
        before = os.open(path, os.O_WRONLY)
    try:
        draft.replace(path)
        _sync_folder(path.parent)
        if before is not None:
            _wipe(before)
    finally:
        if before is not None:
            os.close(before)


def _wipe(handle: int) -> None:
    """Write over a file's bytes. A journaling file system or a flash disk may keep older copies all the same."""
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, b"\0" * os.fstat(handle).st_size)
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
