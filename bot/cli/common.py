"""What several commands share: errors as sentences, text safe for a terminal, the database, the event loop."""

import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    import asyncio
    import sqlite3

    from sqlite_utils import Database

    from bot.config.settings import DataSettings, Settings
    from bot.store.audit.keys import DayKeys
    from bot.store.audit.log import AuditLog
    from bot.store.outbox import Outbox
    from bot.store.people import People

UserId = Annotated[int, typer.Argument(help="텔레그램 숫자 ID · numeric Telegram id")]


def stop_with(sentence: str, code: int = 2) -> NoReturn:
    """Print a sentence on standard error and exit."""
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


def printable(text: str) -> str:
    """The text as one line without control characters: a name or message cannot steer the terminal."""
    return "".join(one if one.isprintable() else "�" for one in text)


def settings_or_stop() -> "Settings":
    """The settings; exits with what is wrong in them."""
    from bot.config.settings import BadSettings, load_settings

    try:
        return load_settings()
    except BadSettings as error:
        stop_with(str(error))


@contextmanager
def bad_database_stops() -> Iterator[None]:
    """Exit with the sentence of a `BadDatabase`: it cannot be used, or others can read a key file."""
    from bot.store.private_files import BadDatabase

    try:
        yield
    except BadDatabase as error:
        stop_with(str(error))


@dataclass(frozen=True)
class CommandStorage:
    """The open database, the tables that commands change, and the folder that holds all of it."""

    folder: Path
    db: "Database"
    keys: "DayKeys"
    audit: "AuditLog"
    outbox: "Outbox"
    people: "People"


@contextmanager
def open_storage(home: "DataSettings | None" = None, *, create: bool = False) -> Iterator[CommandStorage]:
    """Open the database beside a running bot. Only `create` may begin a new one, and says where.

    A missing or unusable database or key file exits with a sentence, also while the block runs.
    """
    from bot.config.settings import DataSettings
    from bot.store.audit.keys import DayKeys
    from bot.store.audit.log import AuditLog
    from bot.store.database import open_database
    from bot.store.journal import SqliteJournal
    from bot.store.outbox import Outbox
    from bot.store.people import People
    from kis.config import kst_now

    home = home or DataSettings()
    if create and not home.database.exists():
        typer.echo(f"새 데이터베이스 · a new database: {home.database}", err=True)
    elif not create:
        _must_exist(home.database)
    with bad_database_stops(), closing(open_database(home.database)) as db:
        keys = DayKeys(home.kisbot_data_dir)
        audit = AuditLog(db, kst_now, keys)
        outbox = Outbox(db, kst_now)
        journal = SqliteJournal(db, audit, outbox, clock=kst_now)
        people = People(db, audit, kst_now, journal.void_person)
        yield CommandStorage(home.kisbot_data_dir, db, keys, audit, outbox, people)


@contextmanager
def open_read_only() -> Iterator["sqlite3.Connection"]:
    """A connection that only reads, as of one moment; an unusable database exits with a sentence."""
    from bot.config.settings import DataSettings
    from bot.store.audit.export import reading

    database = DataSettings().database
    _must_exist(database)
    with bad_database_stops(), reading(database) as connection:
        yield connection


def _must_exist(database: Path) -> None:
    if not database.exists():
        stop_with(f"데이터베이스가 없습니다. KISBOT_DATA_DIR을 확인하세요 · no database: {database}")


def run_until_stopped(work: "Callable[[asyncio.Event], Coroutine[Any, Any, None]]") -> None:
    """Run until the work ends, or SIGINT or SIGTERM sets the event it was given; a second signal exits at once."""
    import asyncio
    import logging

    async def with_signals() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal(*_: object) -> None:
            if stop.is_set():
                os._exit(130)
            loop.call_soon_threadsafe(stop.set)

        for name in ("SIGINT", "SIGTERM"):
            signal.signal(getattr(signal, name), on_signal)
        await work(stop)

    try:
        asyncio.run(with_signals())
    except typer.Exit:
        raise
    except Exception as error:  # the last line of defence against a secret in a traceback
        logging.getLogger(__name__).critical("stopped by a fault", exc_info=error)
        stop_with(f"오류로 종료합니다 · stopped by a fault: {type(error).__name__}", 1)
