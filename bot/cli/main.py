"""The command line: `kisbot demo | run | sim | doctor | users | limits | stepup | audit | why | backup`."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from bot import __version__
from bot.cli.audit import audit_cli
from bot.cli.limits import limits_cli
from bot.cli.order_history import why
from bot.cli.second_factor import stepup_cli
from bot.cli.users import users_cli
from bot.config.logging import set_up_logs
from bot.config.settings import BadSettings, DataSettings, Settings, load_settings
from bot.store.database import backup
from bot.store.private_files import BadDatabase

if TYPE_CHECKING:
    from bot.app.application import BotApplication

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="텔레그램에서 한국투자증권 계좌를 거래합니다 · trade a KIS account from Telegram",
)
cli.add_typer(users_cli, name="users")
cli.add_typer(audit_cli, name="audit")
cli.add_typer(limits_cli, name="limits")
cli.add_typer(stepup_cli, name="stepup")
cli.command("why")(why)


def main() -> None:
    """Run the command line; what a person did wrong ends in a sentence, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # Windows consoles default to cp949
    cli()


def _stop_with(sentence: str, code: int = 2) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


@cli.command()
def run() -> None:
    """설정대로 봇을 실행합니다 · run the bot as the settings say."""
    settings = _settings()
    set_up_logs(settings.secrets(), json=settings.kisbot_log_json)
    _until_stopped(lambda stop: _run(settings, stop))


async def _run(settings: Settings, stop: asyncio.Event) -> None:
    from bot.app.application import BotApplication  # noqa: PLC0415  # `users` and `audit` need none of it
    from bot.app.storage import AlreadyRunning  # noqa: PLC0415
    from kis.errors import Misconfigured  # noqa: PLC0415

    try:
        app = BotApplication(settings)
    except (AlreadyRunning, BadDatabase) as error:
        _stop_with(str(error))
    except Misconfigured as error:
        _stop_with(f"{error.setting}: {error.advice.ko} · {error.advice.en}")
    serving = asyncio.ensure_future(_serve(app, settings, stop))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not app.ready:
        serving.cancel()  # still waiting for a Telegram or a KIS that is not there
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _serve(app: "BotApplication", settings: Settings, stop: asyncio.Event) -> None:
    try:
        async with app.running():
            badge = {"practice": "연습 practice", "paper": "모의투자 paper", "real": "실전투자 REAL"}[settings.mode]
            typer.echo(f"kisbot {__version__} 준비 완료 · ready [{badge}] — Ctrl-C 로 종료")
            app.fault.add_done_callback(lambda _: stop.set())
            await stop.wait()
    except BadSettings as error:
        _stop_with(str(error))
    if app.fault.done():
        _stop_with(f"오류로 종료합니다 · stopped by a fault: {type(app.fault.result()).__name__}", 1)


@cli.command()
def demo(
    port: Annotated[int, typer.Option(help="채팅 화면의 포트 · port of the chat page (0: any)")] = 8765,
    script: Annotated[Path | None, typer.Option(help="브라우저 없이 대화를 재생 · play a conversation")] = None,
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="짧은 대화로 점검 · play the built-in short conversation"),
    ] = False,
    seed: Annotated[int, typer.Option(help="모의 시장의 난수 씨앗 · seed of the simulated market")] = 1,
    lang: Annotated[Literal["ko", "en"], typer.Option(help="대화 언어 · language")] = "ko",
    verbose: Annotated[bool, typer.Option("--verbose", help="로그 표시 · show the log")] = False,
) -> None:
    """계좌도 토큰도 없이, 모의 증권사와 로컬 채팅으로 · the whole bot with a simulated broker and a local chat."""
    from bot.demo.run import ScriptFailed, run_demo  # noqa: PLC0415  # the real bot needs none of it

    set_up_logs(level=logging.INFO if verbose else logging.ERROR)

    async def go(stop: asyncio.Event) -> None:
        try:
            await run_demo(stop, port=port, seed=seed, lang=lang, script=script, smoke=smoke, say=typer.echo)
        except ScriptFailed as error:
            _stop_with(str(error), 1)

    _until_stopped(go)


@cli.command()
def sim(
    host: Annotated[str, typer.Option(help="주소 · address")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="포트 · port (0: any)")] = 8800,
    profile: Annotated[
        Literal["paper", "real"],
        typer.Option(help="흉내 낼 환경 · which environment it plays"),
    ] = "paper",
    seed: Annotated[int, typer.Option(help="난수 씨앗 · seed")] = 1,
    always_open: Annotated[
        bool,
        typer.Option("--always-open", help="장 시간을 따지지 않음 · ignore market hours"),
    ] = False,
    scenario: Annotated[
        str,
        typer.Option(help="시장 각본 이름[:종목][@초]: gap_up, halt, vi, limit_up, limit_down, crash · market scripts"),
    ] = "",
    control: Annotated[bool, typer.Option("--control", help="/__sim__ 제어 호출 허용 · allow control calls")] = False,
) -> None:
    """모의 KIS 서버를 실제 소켓에 띄웁니다 · serve the simulated KIS on a real socket."""
    from kis.sim import Simulator  # noqa: PLC0415
    from kis.sim.server import env_lines  # noqa: PLC0415

    if profile not in {"real", "paper"}:
        _stop_with("--profile: real | paper")
    set_up_logs()

    async def go(stop: asyncio.Event) -> None:
        try:
            broker = Simulator(
                profile=profile,
                seed=seed,
                always_open=always_open,
                moving=True,
                control=control,
                scenario=scenario,
            )
        except ValueError as error:
            _stop_with(f"--scenario: {error}")
        async with broker.serve(host, port) as base_url:
            typer.echo(env_lines(broker.environ(base_url)))
            sys.stdout.flush()
            await stop.wait()

    _until_stopped(go)


@cli.command()
def doctor() -> None:
    """설정, 텔레그램, KIS 연결을 점검합니다 · check the settings, Telegram and KIS, and change nothing."""
    settings = _settings()
    set_up_logs(settings.secrets())
    from bot.cli.doctor import examine  # noqa: PLC0415

    ok = asyncio.run(examine(settings, typer.echo))
    raise typer.Exit(0 if ok else 1)


@cli.command(name="backup")
def backup_command(target: Annotated[Path, typer.Argument(help="새 파일 · a new file")]) -> None:
    """실행 중에도 안전하게 데이터베이스를 복사합니다 · copy the database, also while the bot runs."""
    home = DataSettings()
    if not home.database.exists():
        _stop_with(f"데이터베이스가 없습니다 · no database: {home.database}")
    try:
        backup(home.database, target)
    except FileExistsError:
        _stop_with(f"이미 있는 파일입니다 · the file exists: {target}")
    typer.echo(f"{target} ({target.stat().st_size:,} bytes)")


@cli.command()
def version() -> None:
    """버전 · the version."""
    typer.echo(f"kisbot {__version__}")


# --- common -------------------------------------------------------------------------------------------------------------


def _settings() -> Settings:
    try:
        return load_settings()
    except BadSettings as error:
        _stop_with(str(error))


def _until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run until it ends by itself, or SIGINT or SIGTERM asks it to; a second one does not wait."""

    async def go() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask(*_: object) -> None:
            if stop.is_set():
                os._exit(130)
            loop.call_soon_threadsafe(stop.set)

        for name in ("SIGINT", "SIGTERM"):
            signal.signal(getattr(signal, name), ask)
        await work(stop)

    try:
        asyncio.run(go())
    except typer.Exit:
        raise
    except Exception as error:  # the last line of defence against a secret in a traceback
        logging.getLogger(__name__).critical("stopped by a fault", exc_info=error)
        _stop_with(f"오류로 종료합니다 · stopped by a fault: {type(error).__name__}", 1)
