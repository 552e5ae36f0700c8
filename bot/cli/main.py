"""The command line: `kisbot run | demo | sim | doctor | backup | version | users | audit | limits | stepup | why`."""

import contextlib
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from bot import __version__
from bot.cli.audit import audit_cli
from bot.cli.backup import backup
from bot.cli.demo import demo
from bot.cli.doctor import doctor
from bot.cli.limits import limits_cli
from bot.cli.order_history import why
from bot.cli.run import run
from bot.cli.second_factor import stepup_cli
from bot.cli.sim import sim
from bot.cli.users import users_cli


class _LightHelp:
    """Gives `--help` the default False: without one, typer imports pydantic (70 ms) to convert its None."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        option.default = False
        return option


class _Group(_LightHelp, TyperGroup):
    pass


class _Command(_LightHelp, TyperCommand):
    pass


def version() -> None:
    """버전 · the version."""
    typer.echo(f"kisbot {__version__}")


cli = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="텔레그램에서 한국투자증권 계좌를 거래합니다 · trade a KIS account from Telegram",
)
for _command in (why, run, demo, sim, doctor, backup, version):  # the order of the help
    cli.command(cls=_Command)(_command)
cli.add_typer(users_cli, name="users")
cli.add_typer(audit_cli, name="audit")
cli.add_typer(limits_cli, name="limits")
cli.add_typer(stepup_cli, name="stepup")


def main() -> None:
    """Run the command line; what a person did wrong ends in a sentence, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # Windows consoles default to cp949
    cli()
