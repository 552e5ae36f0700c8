"""The command line of the audit log: `kisbot audit verify | show | export | key`. Works while the bot runs."""

import json
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from sqlite_utils import Database

from bot.config.logging import HIDDEN, Redactor
from bot.config.settings import BadSettings, DataSettings, load_settings
from bot.store.audit import chain
from bot.store.audit.export import all_rows, reading, stored_anchors, to_csv, to_json
from bot.store.audit.keys import DamagedKey, DayKeys, first_keys, first_keys_text
from bot.store.audit.log import AuditLog
from bot.store.audit.verify import ChainFault, ChainVerdict, Problem, verify
from bot.store.database import open_database
from bot.store.private_files import BadDatabase, new_private_file
from kis.config import kst_now

audit_cli = typer.Typer(no_args_is_help=True, help="감사 기록 · the audit log")

_ACCOUNT = re.compile(r"(?<!\d)\d{8}-\d{2}(?!\d)")
_FAULTS = {
    ChainFault.CHANGED: ("바뀌었습니다", "was changed"),
    ChainFault.MISSING: ("없어졌습니다", "is missing"),
    ChainFault.INSERTED: ("나중에 끼워 넣은 것입니다", "was put in later"),
    ChainFault.OUT_OF_ORDER: ("제자리에 있지 않습니다", "is out of order"),
    ChainFault.CUT_OFF: ("있어야 하는데 기록이 그 앞에서 끝납니다", "should be there, and the log ends before it"),
    ChainFault.REWRITTEN: (
        "게시된 머리값이나 오늘 키와 다릅니다. 이 줄까지 어딘가가 다시 쓰였습니다",
        "does not agree with a posted head or with the day's key: something up to it was rewritten",
    ),
    ChainFault.UNSEALED: (
        "키 없이 쓰여 누가 썼는지 알 수 없습니다",
        "was written without the key, by nobody knows whom",
    ),
    ChainFault.WRONG_KEY: (
        "주어진 키가 아닌 다른 키로 시작합니다",
        "begins under a key that was not given",
    ),
}


@audit_cli.command("verify")
def audit_verify(
    head: Annotated[
        list[str] | None,
        typer.Option(help="대화방에 게시된 줄번호:머리값 · a head as posted, SEQ:HEX"),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="따로 보관한 첫 키 파일, - 는 표준입력 · the first key you kept, - for stdin"),
    ] = None,
) -> None:
    """기록이 처음 쓰인 그대로인지 봅니다 · whether the log is as it was written; exit code 1 if not."""
    home = DataSettings()
    keys = DayKeys(home.kisbot_data_dir)
    given = _given_keys(key, keys)
    heads = [_head(one) for one in head or ()]
    began = time.perf_counter()
    with _sentences():
        try:
            day_key = keys.read()  # before the rows: the bot may go on meanwhile
        except DamagedKey:
            day_key = None
        with _reading(home) as connection:
            try:
                anchors = [*stored_anchors(connection), *heads]
                verdict = verify(all_rows(connection), *given, anchors=anchors, day_key=day_key)
            except (ValueError, TypeError) as error:
                _stop_with(
                    f"✘ 기록의 표가 kisbot의 것이 아닙니다 · not the table kisbot made ({type(error).__name__})",
                    1,
                )
    _tell(verdict, time.perf_counter() - began, key_at_home=keys.first_path.exists())
    raise typer.Exit(0 if verdict.ok else 1)


@audit_cli.command("show")
def audit_show(
    order: Annotated[int | None, typer.Option(help="접수번호(#) · our order id")] = None,
    person: Annotated[int | None, typer.Option(help="텔레그램 숫자 ID · numeric Telegram id")] = None,
    last: Annotated[int, typer.Option(help="최근 몇 줄 · how many of the newest rows", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="한 줄에 JSON 하나 · one JSON object a line")] = False,
) -> None:
    """누가 언제 무엇을 했는지 봅니다 · who did what, when (KST)."""
    with _sentences(), _reading(DataSettings()) as connection:
        log = AuditLog(Database(connection, execute_plugins=False), kst_now)
        for row in log.rows(order_id=order, user_id=person, last=last):
            if as_json:
                typer.echo(_printable(json.dumps({**row, "detail": _object(row["detail"])}, ensure_ascii=False)))
            else:
                who = row["name"] or row["user_id"] or "-"
                what = f"#{row['order_id']} " if row["order_id"] else ""
                typer.echo(
                    _printable(f"{row['seq']:>6} {row['at']} {who:<12} {row['action']:<18} {what}{row['detail']}"),
                )


@audit_cli.command("export")
def audit_export(
    target: Annotated[Path, typer.Argument(help="새 파일 · a new file")],
    form: Annotated[Literal["csv", "json"], typer.Option("--format", help="csv | json")] = "csv",
) -> None:
    """비밀을 빼고 파일로 내보냅니다 · write all rows to a file, without secrets."""
    hide = _redactor()
    with _sentences(), _reading(DataSettings()) as connection:
        try:
            # A spreadsheet takes a CSV file without this mark for one of the system's old code page.
            with new_private_file(target, encoding="utf-8-sig" if form == "csv" else "utf-8") as file:
                count = (to_csv if form == "csv" else to_json)(all_rows(connection), file, hide)
        except FileExistsError:
            _stop_with(f"이미 있는 파일입니다 · the file exists: {target}")
        except OSError as error:
            _stop_with(f"쓸 수 없습니다 · cannot write: {target} ({type(error).__name__})")
    typer.echo(f"{target} ({count:,}줄 · rows)")


@audit_cli.command("key")
def audit_key(
    new: Annotated[bool, typer.Option("--new", help="새 키로 다시 시작 · begin again with a new key")] = False,
    to: Annotated[Path | None, typer.Option(help="화면 대신 새 파일로 · into a new file, not on the screen")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="묻지 않고 지움 · erase without asking")] = False,
) -> None:
    """첫 키를 한 번 보여 주고 이 컴퓨터에서 지웁니다 · show the first key once and erase it here."""
    home = DataSettings()
    _exists(home)
    keys = DayKeys(home.kisbot_data_dir)
    with _sentences(), closing(open_database(home.database)) as db:
        log = AuditLog(db, kst_now, keys)
        if new:
            log.begin_again()
        firsts = keys.firsts()
    if not firsts:
        _stop_with(
            "첫 키는 이미 보여 드렸고 여기에는 없습니다. 잃어버렸으면 --new 로 새로 시작하세요 · "
            "it was shown before and is no longer here; if it is lost, begin again with --new",
            1,
        )
    if to is None:
        typer.echo(first_keys_text(firsts), nl=False)
    else:
        try:
            with new_private_file(to) as file:
                file.write(first_keys_text(firsts))
        except FileExistsError:
            _stop_with(f"이미 있는 파일입니다 · the file exists: {to}")
        except OSError as error:
            _stop_with(f"쓸 수 없습니다 · cannot write: {to} ({type(error).__name__})")
        typer.echo(f"{to}")
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


# --- common -----------------------------------------------------------------------------------------------------------


def _stop_with(sentence: str, code: int = 2) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


@contextmanager
def _sentences() -> Iterator[None]:
    """What cannot be used ends in a sentence."""
    try:
        yield
    except BadDatabase as error:
        _stop_with(str(error))


def _exists(home: DataSettings) -> None:
    if not home.database.exists():
        _stop_with(f"데이터베이스가 없습니다. KISBOT_DATA_DIR을 확인하세요 · no database: {home.database}")


@contextmanager
def _reading(home: DataSettings) -> Iterator[sqlite3.Connection]:
    _exists(home)
    with reading(home.database) as connection:
        yield connection


def _given_keys(files: list[Path] | None, keys: DayKeys) -> list[bytes]:
    """The first keys: from the files named, else those still lying in the data directory."""
    found: list[bytes] = []
    for path in files or ():
        try:
            text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
            found += first_keys(text)
        except (OSError, UnicodeError) as error:
            _stop_with(f"--key {path}: 읽을 수 없습니다 · cannot be read ({type(error).__name__})")
        except ValueError as error:
            _stop_with(f"--key {path}: {error}")
    if files is None:
        with _sentences():
            found = keys.firsts()
    if not found:
        _stop_with(
            "첫 키가 필요합니다: --key 파일 (`kisbot audit key`로 받은 것) · the first key is needed: --key FILE",
        )
    return found


def _head(text: str) -> tuple[int, str]:
    seq, _, digits = text.strip().partition(":")
    try:
        return chain.checked_anchor(int(seq), digits)
    except ValueError:
        _stop_with(f"--head {_printable(text)}: 줄번호:16진수 (8자리 이상) · SEQ:HEX, eight digits or more")


def _redactor() -> Callable[[str], str]:
    """Hides whatever has the shape of a secret or of an account, and the very values where the settings are at hand."""
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


def _printable(text: str) -> str:
    """One line that cannot steer a terminal, whatever name or message stands in it."""
    return "".join(one if one.isprintable() else "�" for one in text)


def _tell(verdict: ChainVerdict, seconds: float, *, key_at_home: bool) -> None:
    if verdict.problem is None:
        typer.echo(
            f"✔ {verdict.rows:,}줄이 모두 처음 쓰인 그대로입니다 · all {verdict.rows:,} rows are as they were written "
            f"({seconds:.1f} s)",
        )
        typer.echo(f"  마지막 줄 · head {verdict.head}")
    else:
        typer.echo(f"✘ {_words(verdict.problem)}")
        typer.echo(f"  그 앞 {verdict.rows:,}줄은 맞습니다 · {verdict.rows:,} rows before it fit")
    for remark in _remarks(verdict, key_at_home=key_at_home):
        typer.echo(f"  ! {remark}")


def _words(problem: Problem) -> str:
    if problem.fault is ChainFault.WRONG_KEY and not problem.seq:
        return "주어진 키로 시작하는 줄이 이 기록에 없습니다 · no row of this log begins under a key that was given"
    ko, en = _FAULTS[problem.fault]
    if problem.until > problem.seq:
        if problem.fault is ChainFault.CHANGED:
            rows = f"{problem.seq}–{problem.until}"
            return f"{rows}번 줄 가운데 무언가가 {ko} · something in rows {rows} {en}"
        return f"{problem.seq}번 줄({problem.until}번까지)이 {ko} · row {problem.seq} (up to {problem.until}) {en}"
    return f"{problem.seq}번 줄이 {ko} · row {problem.seq} {en}"


def _remarks(verdict: ChainVerdict, *, key_at_home: bool) -> Iterator[str]:
    for seq, name in verdict.keys[1:]:
        yield f"{seq}번 줄에서 새 키 {_printable(name[:16])}로 다시 시작합니다 · a new key begins at row {seq}"
    if verdict.unproven:
        yield (
            f"{verdict.unproven}번 줄까지는 다음 키가 만들어진 때 그대로라는 것만 압니다 · "
            f"up to row {verdict.unproven}: unchanged since the next key was made, no more than that"
        )
    if verdict.keyless is not None:
        count, first = verdict.keyless
        yield f"키 없이 쓰인 줄 {count:,}개, 처음은 {first}번 · {count:,} rows without a key, the first is {first}"
    if verdict.backdated is not None:
        seq = verdict.backdated
        yield f"{seq}번 줄의 시각이 키의 날짜보다 이릅니다 · row {seq} is dated before its key"
    if not verdict.day_key:
        yield (
            "오늘의 키와 대조하지 못했습니다: 끝이 잘렸는지는 --head 로만 알 수 있습니다 · "
            "not compared with the day's key: only --head tells whether the end was cut off"
        )
    if key_at_home:
        yield (
            "첫 키가 아직 이 컴퓨터에 있어 지난 기록이 보호되지 않습니다: `kisbot audit key` · "
            "the first key still lies here, so the past is not protected"
        )
