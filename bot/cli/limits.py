"""Limits that differ from the settings: `kisbot limits list | set`. Works while the bot runs.

Whoever has this machine may do all of it, but a raise waits for the next trading day here, too, and is announced.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import CommandStorage, open_storage, printable, settings_or_stop, stop_with

if TYPE_CHECKING:
    from bot.orders.risk.limit_overrides import Value
    from bot.store.limits import LimitStore

limits_cli = typer.Typer(no_args_is_help=True, help="사람별·계좌 한도 · limits of a person or the account")

SUBJECT_HELP = "텔레그램 숫자 ID, 계좌는 0 · numeric Telegram id, 0 for the account"
ITEM_NAMES = (
    "max_quantity",
    "soft_value",
    "max_value",
    "day_value_user",
    "day_orders_user",
    "orders_per_minute",
    "collar_deny",
    "market_orders",
    "day_value_account",
)
"""The names of `limit_overrides.ITEMS`, written out so that the help does not import the domain."""


@limits_cli.command("list")
def limits_list(
    subject: Annotated[
        int | None, typer.Argument(help=f"{SUBJECT_HELP}; 없으면 바꾼 것 모두 · none: all overrides")
    ] = None,
) -> None:
    """설정과 다른 한도, 또는 한 사람의 모든 한도 · what differs from the settings, or all limits of one person."""
    from bot.orders.risk.limit_overrides import ACCOUNT, ITEMS
    from kis.config import kst_now

    today = kst_now().date()
    with _limits() as (_, overrides):
        if subject is not None:
            limits = overrides.limits_of(subject, today)
            for item in ITEMS.values():
                if item.account or subject != ACCOUNT:
                    typer.echo(f"{item.name}\t{item.korean}\t{_shown(getattr(limits, item.name))}")
        for one in overrides.overrides(subject):
            when = "in force" if one.day <= today else "waits"
            typer.echo(f"{one.user_id}\t{one.item.name}\t{_shown(one.value)}\t{one.day}\t{when}\t{printable(one.by)}")


@limits_cli.command("set")
def limits_set(
    subject: Annotated[int, typer.Argument(help=SUBJECT_HELP)],
    item: Annotated[str, typer.Argument(help=" | ".join(ITEM_NAMES))],
    value: Annotated[str, typer.Argument(help="값, 설정대로는 default · the value, or default")],
) -> None:
    """한도를 바꿉니다. 올리면 다음 거래일부터, 내리면 바로 · a raise counts from the next trading day, else at once."""
    from bot.orders.model.reason import Reason
    from bot.orders.risk.limit_overrides import ACCOUNT, BY_WORD

    wanted = BY_WORD.get(item)
    if wanted is None or wanted.account != (subject == ACCOUNT):
        stop_with(f"그런 항목이 없습니다 · no such limit here: {item} ({' | '.join(ITEM_NAMES)})")
    meant = None if value == "default" else wanted.read(value)
    if meant is None and value != "default":
        stop_with(f"값을 알아볼 수 없습니다 · not a value for {wanted.name}: {value}")
    with _limits() as (storage, overrides):
        person = storage.people.get(subject)
        if person is None and subject != ACCOUNT:
            stop_with(f"목록에 없습니다 · not on the list: {subject}", 1)
        name = (person.name if person else "계좌") or str(subject)
        everybody = [one.user_id for one in storage.people.all()]
        done = overrides.set(subject, name, wanted, meant, by=None, everybody=everybody)
    if isinstance(done, Reason):
        stop_with("이미 그 값입니다 · that is its value already", 1)
    typer.echo(f"{subject}\t{wanted.name}\t{_shown(done.was)} → {_shown(done.now)}\t{done.day}")


def _shown(value: "Value | None") -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}"


@contextmanager
def _limits() -> Iterator[tuple[CommandStorage, "LimitStore"]]:
    from bot.store.limits import LimitStore
    from kis.config import kst_now

    settings = settings_or_stop()  # without them nobody can say what would be a raise
    with open_storage(settings) as storage:
        yield storage, LimitStore(storage.db, storage.audit, storage.outbox, settings.limits(), kst_now)
