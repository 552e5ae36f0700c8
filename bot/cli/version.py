"""`kisbot version`."""

import typer

from bot import __version__


def version() -> None:
    """버전 · the version."""
    typer.echo(f"kisbot {__version__}")
