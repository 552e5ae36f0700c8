"""The command line of limits that differ from the settings: `kisbot limits list | set`. Works while the bot runs.

Whoever has this machine may do all of it, but a raise waits for the next trading day here, too, and is announced.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, NoReturn

import typer

from bot.config.settings import BadSettings, load_settings
from bot.orders.model.reason import Reason
from bot.orders.risk.limit_overrides import ACCOUNT, BY_WORD, ITEMS, Value
from bot.store.audit.keys import DayKeys
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.journal import SqliteJournal
from bot.store.limits import LimitStore
from bot.store.outbox import Outbox
from bot.store.people import People
from bot.store.private_files import BadDatabase
from kis.config import kst_now

limits_cli = typer.Typer(no_args_is_help=True, help="사람별·계좌 한도 · limits of a person or the account")

_SUBJECT = "텔레그램 숫자 ID, 계좌는 0 · numeric Telegram id, 0 for the account"


@dataclass(frozen=True)
class _House:
    book: LimitStore
    people: People


@limits_cli.command("list")
def limits_list(
    subject: Annotated[
        int | None,
        typer.Argument(help=f"{_SUBJECT}; 없으면 바꾼 것 모두 · none: all overrides"),
    ] = None,
) -> None:
    """설정과 다른 한도, 또는 한 사람의 모든 한도 · what differs from the settings, or all limits of one person."""
    today = kst_now().date()
    with _house() as house:
        if subject is not None:
            limits = house.book.limits_of(subject, today)
            for item in ITEMS.values():
                if item.account or subject != ACCOUNT:
                    typer.echo(f"{item.name}\t{item.korean}\t{_shown(getattr(limits, item.name))}")
        for one in house.book.overrides(subject):
            when = "in force" if one.day <= today else "waits"
            typer.echo(f"{one.user_id}\t{one.item.name}\t{_shown(one.value)}\t{one.day}\t{when}\t{_printable(one.by)}")


@limits_cli.command("set")
def limits_set(
    subject: Annotated[int, typer.Argument(help=_SUBJECT)],
    item: Annotated[str, typer.Argument(help=" | ".join(ITEMS))],
    value: Annotated[str, typer.Argument(help="값, 설정대로는 default · the value, or default")],
) -> None:
    """한도를 바꿉니다. 올리면 다음 거래일부터, 내리면 바로 · a raise counts from the next trading day, else at once."""
    wanted = BY_WORD.get(item)
    if wanted is None or wanted.account != (subject == ACCOUNT):
        _stop_with(f"그런 항목이 없습니다 · no such limit here: {item} ({' | '.join(ITEMS)})")
    meant = None if value == "default" else wanted.read(value)
    if meant is None and value != "default":
        _stop_with(f"값을 알아볼 수 없습니다 · not a value for {wanted.name}: {value}")
    with _house() as house:
        person = house.people.get(subject)
        if person is None and subject != ACCOUNT:
            _stop_with(f"목록에 없습니다 · not on the list: {subject}", 1)
        name = (person.name if person else "계좌") or str(subject)
        everybody = [one.user_id for one in house.people.all()]
        done = house.book.set(subject, name, wanted, meant, by=None, everybody=everybody)
    if isinstance(done, Reason):
        _stop_with("이미 그 값입니다 · that is its value already", 1)
    typer.echo(f"{subject}\t{wanted.name}\t{_shown(done.was)} → {_shown(done.now)}\t{done.day}")


def _shown(value: Value | None) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}"


@contextmanager
def _house() -> Iterator[_House]:
    try:
        settings = load_settings()
    except BadSettings as error:  # without them nobody can say what would be a raise
        _stop_with(str(error))
    if not settings.database.exists():
        _stop_with(f"데이터베이스가 없습니다. KISBOT_DATA_DIR을 확인하세요 · no database: {settings.database}")
    try:
        db = open_database(settings.database)
    except BadDatabase as error:
        _stop_with(str(error))
    try:
        audit = AuditLog(db, kst_now, DayKeys(settings.kisbot_data_dir))
        outbox = Outbox(db, kst_now)
        book = LimitStore(db, audit, outbox, settings.limits(), kst_now)
        journal = SqliteJournal(db, audit, outbox, clock=kst_now)
        yield _House(book, People(db, audit, kst_now, journal.void_person))
    except BadDatabase as error:  # also a key file that others can read
        _stop_with(str(error))
    finally:
        db.close()


def _printable(text: str) -> str:
    """One line that cannot steer a terminal, whatever name stands in it."""
    return "".join(one if one.isprintable() else "�" for one in text)


def _stop_with(sentence: str, code: int = 2) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
