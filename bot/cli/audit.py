"""The audit log: `kisbot audit verify | show | export | key`. Works while the bot runs."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from bot.cli.common import bad_database_stops, open_read_only, open_storage, printable, stop_with

if TYPE_CHECKING:
    from bot.store.audit.keys import DayKeys

audit_cli = typer.Typer(no_args_is_help=True, help="감사 기록 · the audit log")

_ACCOUNT = re.compile(r"(?<!\d)\d{8}-\d{2}(?!\d)")


@audit_cli.command("verify")
def audit_verify(
    head: Annotated[
        list[str] | None, typer.Option(help="대화방에 게시된 줄번호:머리값 · a head as posted, SEQ:HEX")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="따로 보관한 첫 키 파일, - 는 표준입력 · the first key you kept, - for stdin"),
    ] = None,
) -> None:
    """기록이 처음 쓰인 그대로인지 봅니다 · whether the log is as it was written; exit code 1 if not."""
    import time

    from bot.cli.audit_verdict import print_verdict
    from bot.config.settings import DataSettings
    from bot.store.audit.export import all_rows, stored_anchors
    from bot.store.audit.keys import DamagedKey, DayKeys
    from bot.store.audit.verify import verify

    keys = DayKeys(DataSettings().kisbot_data_dir)
    given = _given_keys(key, keys)
    heads = [_head(one) for one in head or ()]
    began = time.perf_counter()
    with bad_database_stops():
        try:
            day_key = keys.read()  # before the rows: the bot may go on meanwhile
        except DamagedKey:
            day_key = None
    with open_read_only() as connection:
        try:
            anchors = [*stored_anchors(connection), *heads]
            verdict = verify(all_rows(connection), *given, anchors=anchors, day_key=day_key)
        except (ValueError, TypeError) as error:
            stop_with(f"✘ 기록의 표가 kisbot의 것이 아닙니다 · not the table kisbot made ({type(error).__name__})", 1)
    print_verdict(verdict, time.perf_counter() - began, key_at_home=keys.first_path.exists())
    raise typer.Exit(0 if verdict.ok else 1)


@audit_cli.command("show")
def audit_show(
    order: Annotated[int | None, typer.Option(help="접수번호(#) · our order id")] = None,
    person: Annotated[int | None, typer.Option(help="텔레그램 숫자 ID · numeric Telegram id")] = None,
    last: Annotated[int, typer.Option(help="최근 몇 줄 · how many of the newest rows", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="한 줄에 JSON 하나 · one JSON object a line")] = False,
) -> None:
    """누가 언제 무엇을 했는지 봅니다 · who did what, when (KST)."""
    from sqlite_utils import Database

    from bot.store.audit.log import AuditLog
    from kis.config import kst_now

    with open_read_only() as connection:
        log = AuditLog(Database(connection, execute_plugins=False), kst_now)
        for row in log.rows(order_id=order, user_id=person, last=last):
            if as_json:
                typer.echo(printable(json.dumps({**row, "detail": _object(row["detail"])}, ensure_ascii=False)))
            else:
                who = row["name"] or row["user_id"] or "-"
                what = f"#{row['order_id']} " if row["order_id"] else ""
                line = f"{row['seq']:>6} {row['at']} {who:<12} {row['action']:<18} {what}{row['detail']}"
                typer.echo(printable(line))


@audit_cli.command("export")
def audit_export(
    target: Annotated[Path, typer.Argument(help="새 파일 · a new file")],
    form: Annotated[Literal["csv", "json"], typer.Option("--format", help="csv | json")] = "csv",
) -> None:
    """비밀을 빼고 파일로 내보냅니다 · write all rows to a file, without secrets."""
    from bot.store.audit.export import all_rows, to_csv, to_json

    hide = _redactor()
    # A spreadsheet takes a CSV file without the mark (BOM) for one of the system's old code page.
    encoding = "utf-8-sig" if form == "csv" else "utf-8"
    with open_read_only() as connection, _new_file(target, encoding) as file:
        count = (to_csv if form == "csv" else to_json)(all_rows(connection), file, hide)
    typer.echo(f"{target} ({count:,}줄 · rows)")


@audit_cli.command("key")
def audit_key(
    new: Annotated[bool, typer.Option("--new", help="새 키로 다시 시작 · begin again with a new key")] = False,
    to: Annotated[Path | None, typer.Option(help="화면 대신 새 파일로 · into a new file, not on the screen")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="묻지 않고 지움 · erase without asking")] = False,
) -> None:
    """첫 키를 한 번 보여 주고 이 컴퓨터에서 지웁니다 · show the first key once and erase it here."""
    from bot.store.audit.keys import first_keys_text

    with open_storage() as storage:
        if new:
            storage.audit.begin_again()
        keys = storage.keys
        firsts = keys.firsts()
    if not firsts:
        stop_with(
            "첫 키는 이미 보여 드렸고 여기에는 없습니다. 잃어버렸으면 --new 로 새로 시작하세요 · "
            "it was shown before and is no longer here; if it is lost, begin again with --new",
            1,
        )
    if to is None:
        typer.echo(first_keys_text(firsts), nl=False)
    else:
        with _new_file(to, "utf-8") as file:
            file.write(first_keys_text(firsts))
        typer.echo(str(to))
    typer.echo(
        "이 컴퓨터가 아닌 곳(종이, 다른 기기)에 보관하세요. 검증할 때 필요하고, "
        "여기 두면 지난 기록을 위조할 수 있습니다.\n"
        "Keep it away from this machine (paper, another device): verifying needs it, and whoever finds it "
        "here can forge the past.",
        err=True,
    )
    if yes or typer.confirm("보관했습니까? 여기서 지웁니다 · Kept it? Erase it here", err=True):
        keys.forget_firsts()
        typer.echo("지웠습니다 · erased", err=True)


@contextmanager
def _new_file(path: Path, encoding: str) -> Iterator[TextIO]:
    """A new file that only its owner can read; one that exists or cannot be written exits with a sentence."""
    from bot.store.private_files import new_private_file

    try:
        with new_private_file(path, encoding=encoding) as file:
            yield file
    except FileExistsError:
        stop_with(f"이미 있는 파일입니다 · the file exists: {path}")
    except OSError as error:
        stop_with(f"쓸 수 없습니다 · cannot write: {path} ({type(error).__name__})")


def _given_keys(files: list[Path] | None, keys: "DayKeys") -> list[bytes]:
    """The first keys: from the files named, else those still lying in the data directory."""
    from bot.store.audit.keys import first_keys

    found: list[bytes] = []
    for path in files or ():
        try:
            text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
            found += first_keys(text)
        except (OSError, UnicodeError) as error:
            stop_with(f"--key {path}: 읽을 수 없습니다 · cannot be read ({type(error).__name__})")
        except ValueError as error:
            stop_with(f"--key {path}: {error}")
    if files is None:
        with bad_database_stops():
            found = keys.firsts()
    if not found:
        stop_with("첫 키가 필요합니다: --key 파일 (`kisbot audit key`로 받은 것) · the first key is needed: --key FILE")
    return found


def _head(text: str) -> tuple[int, str]:
    from bot.store.audit.chain import checked_anchor

    seq, _, digits = text.strip().partition(":")
    try:
        return checked_anchor(int(seq), digits)
    except ValueError:
        stop_with(f"--head {printable(text)}: 줄번호:16진수 (8자리 이상) · SEQ:HEX, eight digits or more")


def _redactor() -> Callable[[str], str]:
    """Hides whatever has the shape of a secret or of an account, and the very values where the settings are at hand."""
    from bot.config.logging import HIDDEN, Redactor
    from bot.config.settings import BadSettings, load_settings

    try:
        known = load_settings().secrets()
    except BadSettings:
        known = ()
    redact = Redactor(known)
    return lambda text: _ACCOUNT.sub(HIDDEN, redact.text(text))


def _object(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
