"""Files that only their owner may read: the database and the keys beside it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

PRIVATE = stat.S_IRUSR | stat.S_IWUSR
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class BadDatabase(Exception):
    """The file cannot be trusted with orders; the text says why, Korean first."""


class BadKey(BadDatabase):
    """A key file must not be used as it is; the text says why and what to do, Korean first."""


def read_private(path: Path, advice: str) -> str | None:
    """The text of a key file, or None if there is no such file.

    `advice`: what to do where others can read it, for only a person knows whether somebody did.

    Raises:
        BadKey: others can read the file, or we cannot.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS:
                raise BadKey(f"{path}: {advice}")
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadKey(f"{path}: 읽을 수 없습니다 · cannot be read ({type(error).__name__})") from None


def replace_private(path: Path, text: str) -> None:
    """Replace a file atomically and durably, and overwrite what it held; no moment leaves it readable by others.

    Not for two writers at once: drafts of a writer that was killed are deleted here.
    """
    for left in path.parent.glob(f"{path.stem}.*.tmp"):
        left.unlink(missing_ok=True)
    draft = _draft(path, text)
    before = None
    if os.name == "posix":
        with suppress(FileNotFoundError):
            before = os.open(path, os.O_WRONLY)
    try:
        draft.replace(path)
        _sync_folder(path.parent)
        if before is not None:
            _overwrite(before)
    finally:
        if before is not None:
            os.close(before)


def create_private(path: Path, text: str) -> None:
    """Write a file durably where there is none; of two writers at once the first wins."""
    draft = _draft(path, text)
    try:
        os.link(draft, path)  # unlike a rename it replaces nothing
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def erase_private(path: Path) -> None:
    """Overwrite a file and delete it."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        _overwrite(file.fileno())
    path.unlink(missing_ok=True)


@contextmanager
def new_private_file(path: Path, *, encoding: str = "utf-8") -> Iterator[TextIO]:
    """A new file for its owner alone; it is gone again if the writing fails.

    Raises:
        FileExistsError: it is there already.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(handle, "w", encoding=encoding, newline="") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _draft(path: Path, text: str) -> Path:
    """The text on disk, under a name of this process beside the file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    with new_private_file(draft) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _overwrite(handle: int) -> None:
    """Write zeros over a file's bytes. A journaling file system or a flash disk may keep older copies all the same."""
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, b"\0" * os.fstat(handle).st_size)
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
