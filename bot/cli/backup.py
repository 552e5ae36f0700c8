"""`kisbot backup FILE`. Works while the bot runs."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.common import stop_with


def backup(target: Annotated[Path, typer.Argument(help="새 파일 · a new file")]) -> None:
    """실행 중에도 안전하게 데이터베이스를 복사합니다 · copy the database, also while the bot runs."""
    from bot.config.settings import DataSettings
    from bot.store.database import backup as copy_database

    home = DataSettings()
    if not home.database.exists():
        stop_with(f"데이터베이스가 없습니다 · no database: {home.database}")
    try:
        copy_database(home.database, target)
    except FileExistsError:
        stop_with(f"이미 있는 파일입니다 · the file exists: {target}")
    typer.echo(f"{target} ({target.stat().st_size:,} bytes)")
