"""`kisbot why NUMBER`: the story of one order on a terminal. Works while the bot runs."""

import html
import re
import sqlite3
from contextlib import closing
from typing import Annotated, Literal, NoReturn

import typer
from sqlite_utils import Database

from bot.chat.handlers.order_history import story_pages
from bot.chat.i18n.frame import Frame, Mode
from bot.config.settings import DataSettings
from bot.store.audit.export import reading
from bot.store.order_history import OrderHistory
from bot.store.private_files import BadDatabase

_MODES: dict[str, Mode] = {"practice": "practice", "paper": "paper", "real": "real"}


def why(
    number: Annotated[
        str,
        typer.Argument(help="주문번호, 또는 #접수번호(12처럼 짧게) · order number, or our own (#12 or 12)"),
    ],
    lang: Annotated[Literal["ko", "en"], typer.Option(help="언어 · language")] = "ko",
) -> None:
    """주문 하나의 전말을 봅니다 · the story of one order: who, what they saw, what was sent, what came back."""
    home = DataSettings()
    if not home.database.exists():
        _stop_with(f"데이터베이스가 없습니다. KISBOT_DATA_DIR을 확인하세요 · no database: {home.database}")
    try:
        with reading(home.database) as connection, closing(_stories(connection)) as db:
            stories = OrderHistory(db)
            found = stories.find(number.strip())
            if not found:
                _stop_with(f"그런 주문이 없습니다 · no such order: {_printable(number)}", 1)
            for page in story_pages(stories.of(found[0]), _frame(db, lang)):
                typer.echo("\n".join(map(_printable, _plain(page).split("\n"))) + "\n")
    except BadDatabase as error:
        _stop_with(str(error))


def _stories(connection: sqlite3.Connection) -> Database:
    return Database(connection, execute_plugins=False)


def _frame(db: Database, lang: Literal["ko", "en"]) -> Frame:
    mode, account = db.execute("SELECT mode, account FROM identity").fetchone() or ("practice", "-")
    return Frame(lang, _MODES.get(mode, "real"), account)


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def _printable(line: str) -> str:
    """One line that cannot steer a terminal, whatever name or message stands in it."""
    return "".join(one if one.isprintable() else "�" for one in line)


def _stop_with(sentence: str, code: int = 2) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
