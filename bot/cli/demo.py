"""`kisbot demo`: the bot between a simulated broker and a local Telegram."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cli.common import run_until_stopped, stop_with

if TYPE_CHECKING:
    import asyncio


def demo(
    port: Annotated[int, typer.Option(help="채팅 화면의 포트 · port of the chat page (0: any)")] = 8765,
    script: Annotated[Path | None, typer.Option(help="브라우저 없이 대화를 재생 · play a conversation")] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="짧은 대화로 점검 · play the built-in short conversation")
    ] = False,
    seed: Annotated[int, typer.Option(help="모의 시장의 난수 씨앗 · seed of the simulated market")] = 1,
    lang: Annotated[Literal["ko", "en"], typer.Option(help="대화 언어 · language")] = "ko",
    verbose: Annotated[bool, typer.Option("--verbose", help="로그 표시 · show the log")] = False,
) -> None:
    """계좌도 토큰도 없이, 모의 증권사와 로컬 채팅으로 · the whole bot with a simulated broker and a local chat."""
    import logging

    from bot.config.logging import set_up_logs
    from bot.demo.run import run_demo
    from bot.demo.script import ScriptFailed

    set_up_logs(level=logging.INFO if verbose else logging.ERROR)

    async def work(stop: "asyncio.Event") -> None:
        try:
            await run_demo(stop, port=port, seed=seed, lang=lang, script=script, smoke=smoke, say=typer.echo)
        except ScriptFailed as error:
            stop_with(str(error), 1)

    run_until_stopped(work)
