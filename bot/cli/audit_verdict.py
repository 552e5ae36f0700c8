"""The verdict of `kisbot audit verify` in sentences."""

from collections.abc import Iterator

import typer

from bot.cli.common import printable
from bot.store.audit.verify import ChainFault, ChainVerdict, Problem

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
    ChainFault.WRONG_KEY: ("주어진 키가 아닌 다른 키로 시작합니다", "begins under a key that was not given"),
}


def print_verdict(verdict: ChainVerdict, seconds: float, *, key_at_home: bool) -> None:
    """Print what was found and what could not be proven. `key_at_home`: the first key still lies on this machine."""
    if verdict.problem is None:
        typer.echo(
            f"✔ {verdict.rows:,}줄이 모두 처음 쓰인 그대로입니다 · all {verdict.rows:,} rows are as they were written "
            f"({seconds:.1f} s)"
        )
        typer.echo(f"  마지막 줄 · head {verdict.head}")
    else:
        typer.echo(f"✘ {_sentence(verdict.problem)}")
        typer.echo(f"  그 앞 {verdict.rows:,}줄은 맞습니다 · {verdict.rows:,} rows before it fit")
    for remark in _remarks(verdict, key_at_home=key_at_home):
        typer.echo(f"  ! {remark}")


def _sentence(problem: Problem) -> str:
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
        yield f"{seq}번 줄에서 새 키 {printable(name[:16])}로 다시 시작합니다 · a new key begins at row {seq}"
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
