"""The audit log on its way out: read beside the running bot, to a table for people or to JSON for programs."""

import csv
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from bot.store.audit.chain import COLUMNS, AuditRow, canonical
from bot.store.private_files import BadDatabase

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for a formula, or look past the first character for one."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read, and hinders nobody; what it reads is of one moment.

    Raises:
        BadDatabase: it cannot be read, or is from before the log was chained.
    """
    try:
        with closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as connection:
            # Somebody may have put bytes there that are no text: they are to be named, not stumbled over.
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            connection.execute("BEGIN")
            columns = {row[1] for row in connection.execute("PRAGMA table_info(audit)")}
            if not set(AuditRow._fields) <= columns:
                raise BadDatabase(
                    "사슬이 없는 예전 기록입니다. 새 버전의 봇을 한 번 실행하세요 · "
                    f"no chain yet: start the bot once ({path})"
                )
            yield connection
    except sqlite3.DatabaseError as error:
        raise BadDatabase(f"데이터베이스를 읽을 수 없습니다 · cannot read the database: {path} ({error})") from error


def all_rows(connection: sqlite3.Connection) -> Iterator[AuditRow]:
    """Every row in order, one at a time."""
    return map(AuditRow._make, connection.execute(f"SELECT {COLUMNS} FROM audit ORDER BY seq"))  # noqa: S608  # names of our own fields


def stored_anchors(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """The heads that the bot remembers having posted."""
    return list(connection.execute("SELECT seq, head FROM audit_anchors ORDER BY seq"))


def to_csv(rows: Iterable[AuditRow], file: TextIO, hide: Callable[[str], str]) -> int:
    """Write rows as a spreadsheet reads them and say how many.

    No cell is taken for a formula: a text that begins like one gets an apostrophe before it. `file` was opened with
    `newline=""`; a row from which `hide` takes a secret no longer agrees with its mac.
    """
    out = csv.writer(file)
    out.writerow(AuditRow._fields)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007  # counted
        out.writerow([_cell(value) for value in _without_secrets(row, hide)])
    return count


def to_json(rows: Iterable[AuditRow], file: TextIO, hide: Callable[[str], str]) -> int:
    """Write rows as one JSON list, a row a line, and say how many. `detail` is an object again."""
    count = 0
    file.write("[")
    for count, row in enumerate(rows, 1):
        plain = _without_secrets(row, hide)._asdict()
        with suppress(ValueError, RecursionError):  # somebody changed it: it goes out as it stands
            plain["detail"] = json.loads(plain["detail"])
        file.write(("\n" if count == 1 else ",\n") + json.dumps(plain, ensure_ascii=False))
    file.write("\n]\n")
    return count


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _without_secrets(row: AuditRow, hide: Callable[[str], str]) -> AuditRow:
    """The row without secrets and without bytes that are no text."""

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return hide(value.encode("utf-8", "replace").decode())
        if isinstance(value, dict):
            return {plain(name): plain(one) for name, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        if value is None or isinstance(value, bool) or hide(str(value)) == str(value):
            return value
        return hide(str(value))  # an account is a number, too

    try:
        detail = canonical(plain(json.loads(row.detail)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        detail = plain(row.detail)
    return AuditRow._make(map(plain, row))._replace(detail=detail)
