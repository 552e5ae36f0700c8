"""`kisbot why NUMBER`: the history of one order on a terminal. Works while the bot runs."""

import html
import re
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cli.common import open_read_only, printable, stop_with

if TYPE_CHECKING:
    from bot.chat.i18n.frame import Mode

_MODES: "dict[str, Mode]" = {"practice": "practice", "paper": "paper"}


def why(
    number: Annotated[
        str, typer.Argument(help="주문번호, 또는 #접수번호(12처럼 짧게) · order number, or our own (#12 or 12)")
    ],
    lang: Annotated[Literal["ko", "en"], typer.Option(help="언어 · language")] = "ko",
) -> None:
    """주문 하나의 전말을 봅니다 · the story of one order: who, what they saw, what was sent, what came back."""
    from sqlite_utils import Database

    from bot.chat.handlers.order_history import history_pages
    from bot.chat.i18n.frame import Frame
    from bot.store.order_history import OrderHistory

    with open_read_only() as connection, closing(Database(connection, execute_plugins=False)) as db:
        history = OrderHistory(db, key_here=lambda: False)
        found = history.find(number.strip())
        if not found:
            stop_with(f"그런 주문이 없습니다 · no such order: {printable(number)}", 1)
        mode, account = db.execute("SELECT mode, account FROM identity").fetchone() or ("practice", "-")
        frame = Frame(lang, _MODES.get(mode, "real"), account)
        for page in history_pages(history.of(found[0]), frame):
            typer.echo("\n".join(map(printable, _without_markup(page).split("\n"))) + "\n")


def _without_markup(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", text))
