"""The whitelist: `kisbot users list | add | role | suspend | resume | remove | invite`.

Works while the bot runs; whoever has this machine may do all of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from bot.cli.common import CommandStorage, UserId, open_storage, printable, stop_with
from bot.orders.access.roles import Role

users_cli = typer.Typer(no_args_is_help=True, help="사용자 목록 관리 · who may use the bot")

RoleOption = Annotated[Role, typer.Option(help="owner | admin | trader | viewer")]


@users_cli.command("add")
def users_add(
    user_id: UserId,
    name: Annotated[str, typer.Option(help="표시 이름 · name to show")] = "",
    role: RoleOption = Role.TRADER,
    again: Annotated[
        bool, typer.Option("--again", help="전에 내보낸 사람을 다시 들임 · let in somebody who was removed")
    ] = False,
) -> None:
    """사용자를 추가하거나 권한을 바꿉니다 · let somebody in, or change their role."""
    if user_id <= 0:
        stop_with("텔레그램 사용자 ID는 양수입니다 · a user's id is positive")
    with _whitelist(create=True) as storage:
        person = storage.people.put(user_id, name or str(user_id), role, again=again)
    typer.echo(f"{person.user_id}\t{person.role}\t{printable(person.name)}")


@users_cli.command("list")
def users_list() -> None:
    """사용자 목록 · everybody on record."""
    with _whitelist() as storage:
        for one in storage.people.everybody():
            seen = one.seen_at.strftime("%Y-%m-%d %H:%M") if one.seen_at else "-"
            name = printable(one.name)
            typer.echo(f"{one.user_id}\t{one.role}\t{name}\t{one.added_at.date()}\t{one.status}\t{seen}")


@users_cli.command("role")
def users_role(user_id: UserId, role: Annotated[Role, typer.Argument(help="owner | admin | trader | viewer")]) -> None:
    """권한을 바꿉니다 · give somebody another role."""
    with _whitelist() as storage:
        person = storage.people.set_role(user_id, role)
    typer.echo(f"{person.user_id}\t{person.role}")


@users_cli.command("suspend")
def users_suspend(user_id: UserId) -> None:
    """잠시 쓰지 못하게 합니다 · shut somebody out for the time being."""
    with _whitelist() as storage:
        storage.people.suspend(user_id)
    typer.echo(f"{user_id} 정지했습니다 · suspended")


@users_cli.command("resume")
def users_resume(user_id: UserId) -> None:
    """정지하거나 내보낸 사람을 다시 들입니다 · let somebody in again, with the role they had."""
    with _whitelist() as storage:
        person = storage.people.resume(user_id)
    typer.echo(f"{user_id} 다시 들였습니다 · let in again ({person.role})")


@users_cli.command("remove")
def users_remove(user_id: UserId) -> None:
    """사용자를 내보냅니다 · shut somebody out at once; the record of them stays."""
    with _whitelist() as storage:
        if not storage.people.remove(user_id):
            stop_with(f"목록에 없습니다 · not on the list: {user_id}", 1)
    typer.echo(f"{user_id} 제거했습니다 · removed")


@users_cli.command("invite")
def users_invite(
    role: Annotated[Role, typer.Argument(help="owner | admin | trader | viewer")],
    name: Annotated[str, typer.Option(help="표시 이름 · name to show")] = "",
    bot: Annotated[str, typer.Option(help="봇 아이디: 링크 전체를 출력 · the bot's username, for the whole link")] = "",
) -> None:
    """한 번만 쓸 수 있는 초대를 만듭니다 (24시간) · an invitation that lets one person in, within a day."""
    from bot.store.invites import Invites
    from kis.config import kst_now

    with _whitelist(create=True) as storage:
        made = Invites(storage.db, storage.audit, storage.people, kst_now).make(role, name)
    typer.echo(f"https://t.me/{bot.removeprefix('@')}?start={made.token}" if bot else f"/start {made.token}")
    typer.echo(f"{made.expires_at:%Y-%m-%d %H:%M} 까지 한 번 · once, until then ({role})", err=True)


@contextmanager
def _whitelist(*, create: bool = False) -> Iterator[CommandStorage]:
    """The database; a change that the whitelist refuses exits with a sentence."""
    from bot.orders.access.membership import LastOwner, NoSuchPerson, SameName, Status, TooMany, WasRemoved

    try:
        with open_storage(create=create) as storage:
            yield storage
    except LastOwner:
        stop_with("마지막 소유자는 내보내거나 정지하거나 내릴 수 없습니다 · the last owner must stay one")
    except WasRemoved as error:
        stop_with(f"전에 내보낸 사람입니다. 다시 들이려면 --again · was removed; to let them in: --again ({error})")
    except NoSuchPerson as error:
        standing = ", ".join(Status)
        stop_with(f"그럴 수 있는 사람이 목록에 없습니다 · nobody of this id in that standing ({standing}): {error}", 1)
    except SameName:
        stop_with(
            "똑같아 보이는 이름의 사람이 있습니다. 다른 이름을 쓰세요 · somebody has a name that looks the same", 1
        )
    except TooMany:
        stop_with("아직 쓰지 않은 초대가 너무 많습니다 · too many open invitations", 1)
