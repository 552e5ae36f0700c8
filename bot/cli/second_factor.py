"""The command line of second factors: `kisbot stepup list | enrol | remove | unlock`. Works while the bot runs.

Whoever has this machine may do all of it; everybody concerned is told in the chat.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, NoReturn

import segno
import typer

from bot.config.settings import DataSettings
from bot.orders.access.roles import Person
from bot.store.audit.keys import DayKeys
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.journal import SqliteJournal
from bot.store.outbox import Outbox
from bot.store.people import People
from bot.store.private_files import BadDatabase
from bot.store.second_factors import FactorKey, SecondFactors, fits_now, new_secret, totp_uri
from kis.config import kst_now

stepup_cli = typer.Typer(no_args_is_help=True, help="본인 확인 (PIN·인증 앱) · second factors")

UserId = Annotated[int, typer.Argument(help="텔레그램 숫자 ID · numeric Telegram id")]
_TRIES = 3


@dataclass(frozen=True)
class _House:
    people: People
    factors: SecondFactors
    outbox: Outbox

    def person(self, user_id: int) -> Person:
        """Somebody on the list."""
        found = self.people.get(user_id)
        if found is None:
            _stop_with(f"목록에 없습니다 · not on the list: {user_id}", 1)
        return found

    def tell(self, code: str, user_id: int, name: str) -> None:
        """The person and all who oversee learn of it."""
        values = {"name": name or str(user_id), "id": str(user_id)}
        for chat in dict.fromkeys([*self.people.overseers(), user_id]):
            self.outbox.put("stepup", chat, {"code": code, "values": values})


@stepup_cli.command("list")
def stepup_list() -> None:
    """누가 무엇을 등록했는지 · who has which second factor, and whether it is locked."""
    with _house() as house:
        for user_id, kind, made_at, tries in house.factors.all():
            person = house.people.find(user_id)
            locked = "-"
            if tries.locked(kst_now()):
                locked = f"locked {tries.locked_until:%H:%M:%S}" if tries.locked_until else "LOCKED"
            typer.echo(f"{user_id}\t{kind}\t{_printable(person.name if person else '')}\t{made_at.date()}\t{locked}")


@stepup_cli.command("enrol")
def stepup_enrol(
    user_id: UserId,
    totp: Annotated[bool, typer.Option("--totp", help="인증 앱 (TOTP) · an authenticator app")] = False,
) -> None:
    """인증 앱을 등록합니다. PIN은 대화에서 /pin · enrol an authenticator app; a PIN is chosen in the chat with /pin."""
    if not totp:
        _stop_with(
            "--totp 를 적으세요. PIN은 본인이 대화에서 /pin 으로 정합니다 · say --totp; a PIN is chosen with /pin",
        )
    with _house() as house:
        person = house.person(user_id)
        secret = new_secret()
        uri = totp_uri(secret, person.name or str(user_id))
        picture = io.StringIO()
        segno.make(uri, error="m").terminal(out=picture, border=2, compact=True)
        typer.echo("인증 앱으로 찍으세요. 이 화면은 남기지 마세요 · scan with the app, and do not keep this screen")
        typer.echo(picture.getvalue())
        typer.echo(uri)
        for _ in range(_TRIES):
            code = typer.prompt("앱에 보이는 6자리 · the 6 digits it shows", default="", show_default=False)
            if fits_now(secret, code.replace(" ", ""), kst_now()):
                break
            typer.echo("맞지 않습니다. 휴대전화 시계를 확인하세요 · that is not it; check the phone's clock", err=True)
        else:
            _stop_with("등록하지 않았습니다 · not enrolled", 1)
        house.factors.put_totp(user_id, secret)
        house.tell("STEPUP_TOTP_SET", user_id, person.name)
    typer.echo(f"{user_id} 등록했습니다 · enrolled")


@stepup_cli.command("remove")
def stepup_remove(user_id: UserId) -> None:
    """본인 확인 수단을 지웁니다 · take somebody's second factor away."""
    with _house() as house:
        if not house.factors.remove(user_id):
            _stop_with(f"등록된 것이 없습니다 · nothing is enrolled: {user_id}", 1)
        person = house.people.find(user_id)
        house.tell("STEPUP_REMOVED", user_id, person.name if person else "")
    typer.echo(f"{user_id} 지웠습니다 · removed")


@stepup_cli.command("unlock")
def stepup_unlock(user_id: UserId) -> None:
    """잠긴 사람을 풀어 줍니다. 먼저 본인인지 확인하세요 · let a locked person try again; make sure it is them first."""
    with _house() as house:
        if not house.factors.unlock(user_id, None):
            _stop_with(f"잠겨 있지 않습니다 · not locked: {user_id}", 1)
    typer.echo(f"{user_id} 풀었습니다 · unlocked")


@contextmanager
def _house() -> Iterator[_House]:
    home = DataSettings()
    if not home.database.exists():
        _stop_with(f"데이터베이스가 없습니다. KISBOT_DATA_DIR을 확인하세요 · no database: {home.database}")
    try:
        db = open_database(home.database)
    except BadDatabase as error:
        _stop_with(str(error))
    try:
        audit = AuditLog(db, kst_now, DayKeys(home.kisbot_data_dir))
        factors = SecondFactors(db, audit, FactorKey(home.kisbot_data_dir), kst_now)
        outbox = Outbox(db, kst_now)
        journal = SqliteJournal(db, audit, outbox, clock=kst_now)
        yield _House(People(db, audit, kst_now, journal.void_person), factors, outbox)
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
