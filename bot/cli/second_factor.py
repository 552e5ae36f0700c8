"""Second factors: `kisbot stepup list | enrol | remove | unlock`. Works while the bot runs.

Whoever has this machine may do all of it; everybody concerned is told in the chat.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import CommandStorage, UserId, open_storage, printable, stop_with

if TYPE_CHECKING:
    from bot.store.second_factors import SecondFactors

stepup_cli = typer.Typer(no_args_is_help=True, help="본인 확인 (PIN·인증 앱) · second factors")

MAX_TRIES = 3


@stepup_cli.command("list")
def stepup_list() -> None:
    """누가 무엇을 등록했는지 · who has which second factor, and whether it is locked."""
    from kis.config import kst_now

    with _second_factors() as (storage, factors):
        for user_id, kind, made_at, tries in factors.all():
            person = storage.people.find(user_id)
            locked = "-"
            if tries.locked(kst_now()):
                locked = f"locked {tries.locked_until:%H:%M:%S}" if tries.locked_until else "LOCKED"
            typer.echo(f"{user_id}\t{kind}\t{printable(person.name if person else '')}\t{made_at.date()}\t{locked}")


@stepup_cli.command("enrol")
def stepup_enrol(
    user_id: UserId, totp: Annotated[bool, typer.Option("--totp", help="인증 앱 (TOTP) · an authenticator app")] = False
) -> None:
    """인증 앱을 등록합니다. PIN은 대화에서 /pin · enrol an authenticator app; a PIN is chosen in the chat with /pin."""
    import io

    import segno

    from bot.store.second_factors import fits_now, new_secret, totp_uri
    from kis.config import kst_now

    if not totp:
        stop_with(
            "--totp 를 적으세요. PIN은 본인이 대화에서 /pin 으로 정합니다 · say --totp; a PIN is chosen with /pin"
        )
    with _second_factors() as (storage, factors):
        person = storage.people.get(user_id)
        if person is None:
            stop_with(f"목록에 없습니다 · not on the list: {user_id}", 1)
        secret = new_secret()
        uri = totp_uri(secret, person.name or str(user_id))
        picture = io.StringIO()
        segno.make(uri, error="m").terminal(out=picture, border=2, compact=True)
        typer.echo("인증 앱으로 찍으세요. 이 화면은 남기지 마세요 · scan with the app, and do not keep this screen")
        typer.echo(picture.getvalue())
        typer.echo(uri)
        for _ in range(MAX_TRIES):
            code = typer.prompt("앱에 보이는 6자리 · the 6 digits it shows", default="", show_default=False)
            if fits_now(secret, code.replace(" ", ""), kst_now()):
                break
            typer.echo("맞지 않습니다. 휴대전화 시계를 확인하세요 · that is not it; check the phone's clock", err=True)
        else:
            stop_with("등록하지 않았습니다 · not enrolled", 1)
        factors.put_totp(user_id, secret)
        _tell(storage, "STEPUP_TOTP_SET", user_id, person.name)
    typer.echo(f"{user_id} 등록했습니다 · enrolled")


@stepup_cli.command("remove")
def stepup_remove(user_id: UserId) -> None:
    """본인 확인 수단을 지웁니다 · take somebody's second factor away."""
    with _second_factors() as (storage, factors):
        if not factors.remove(user_id):
            stop_with(f"등록된 것이 없습니다 · nothing is enrolled: {user_id}", 1)
        person = storage.people.find(user_id)
        _tell(storage, "STEPUP_REMOVED", user_id, person.name if person else "")
    typer.echo(f"{user_id} 지웠습니다 · removed")


@stepup_cli.command("unlock")
def stepup_unlock(user_id: UserId) -> None:
    """잠긴 사람을 풀어 줍니다. 먼저 본인인지 확인하세요 · let a locked person try again; make sure it is them first."""
    with _second_factors() as (_, factors):
        if not factors.unlock(user_id, None):
            stop_with(f"잠겨 있지 않습니다 · not locked: {user_id}", 1)
    typer.echo(f"{user_id} 풀었습니다 · unlocked")


def _tell(storage: CommandStorage, code: str, user_id: int, name: str) -> None:
    """Put a message into the outbox, for the person and for every overseer."""
    values = {"name": name or str(user_id), "id": str(user_id)}
    for chat in dict.fromkeys([*storage.people.overseers(), user_id]):
        storage.outbox.put("stepup", chat, {"code": code, "values": values})


@contextmanager
def _second_factors() -> Iterator[tuple[CommandStorage, "SecondFactors"]]:
    from bot.store.second_factors import FactorKey, SecondFactors
    from kis.config import kst_now

    with open_storage() as storage:
        yield storage, SecondFactors(storage.db, storage.audit, FactorKey(storage.folder), kst_now)
