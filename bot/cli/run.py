"""`kisbot run`: the bot itself."""

import contextlib
from typing import TYPE_CHECKING

import typer

from bot import __version__
from bot.cli.common import run_until_stopped, settings_or_stop, stop_with

if TYPE_CHECKING:
    import asyncio

    from bot.app.application import BotApplication
    from bot.config.settings import Settings


def run() -> None:
    """설정대로 봇을 실행합니다 · run the bot as the settings say."""
    from bot.config.logging import set_up_logs

    settings = settings_or_stop()
    set_up_logs(settings.secrets(), json=settings.kisbot_log_json)
    run_until_stopped(lambda stop: _run(settings, stop))


async def _run(settings: "Settings", stop: "asyncio.Event") -> None:
    import asyncio

    from bot.app.application import BotApplication
    from bot.app.storage import AlreadyRunning
    from bot.store.private_files import BadDatabase
    from kis.errors import Misconfigured

    try:
        app = BotApplication(settings)
    except (AlreadyRunning, BadDatabase) as error:
        stop_with(str(error))
    except Misconfigured as error:
        stop_with(f"{error.setting}: {error.advice.ko} · {error.advice.en}")
    serving = asyncio.ensure_future(_serve(app, settings, stop))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not app.ready:
        serving.cancel()  # still waiting for a Telegram or a KIS that is not there
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _serve(app: "BotApplication", settings: "Settings", stop: "asyncio.Event") -> None:
    from bot.config.settings import BadSettings
    from bot.store.private_files import BadDatabase

    try:
        async with app.running():
            badge = {"practice": "연습 practice", "paper": "모의투자 paper", "real": "실전투자 REAL"}[settings.mode]
            typer.echo(f"kisbot {__version__} 준비 완료 · ready [{badge}] — Ctrl-C 로 종료")
            app.fault.add_done_callback(lambda _: stop.set())
            await stop.wait()
    except (BadSettings, BadDatabase) as error:
        stop_with(str(error))
    if app.fault.done():
        stop_with(f"오류로 종료합니다 · stopped by a fault: {type(app.fault.result()).__name__}", 1)
