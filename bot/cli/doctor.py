"""`kisbot doctor`: checks the settings, Telegram and KIS; reads only."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from bot.cli.common import settings_or_stop

if TYPE_CHECKING:
    from bot.config.settings import Settings

MAX_CLOCK_OFFSET = 3
"""Seconds this machine's clock may be off the broker's without a warning."""


def doctor() -> None:
    """설정, 텔레그램, KIS 연결을 점검합니다 · check the settings, Telegram and KIS, and change nothing."""
    import asyncio

    from bot.config.logging import set_up_logs

    settings = settings_or_stop()
    set_up_logs(settings.secrets())
    ok = asyncio.run(_examine(settings, typer.echo))
    raise typer.Exit(0 if ok else 1)


async def _examine(settings: "Settings", say: Callable[[str], object]) -> bool:
    say(f"✔ 설정 · settings: KIS_ENV={settings.kis_env}, mode={settings.mode}, data={settings.kisbot_data_dir}")
    from bot.store.private_files import database_fault

    fault = database_fault(settings.database)
    say(f"✘ {fault}" if fault else "✔ 파일 권한 · file modes")
    telegram = await _telegram(settings, say)
    kis = await _kis(settings, say)
    return telegram and kis and not fault


async def _telegram(settings: "Settings", say: Callable[[str], object]) -> bool:
    from telegram.error import InvalidToken, TelegramError

    from bot.app.clients import telegram_bot

    bot = telegram_bot(settings)
    try:
        await bot.initialize()
        say(f"✔ 텔레그램 · Telegram: @{bot.username}")
        hook = await bot.get_webhook_info()
        if hook.url:
            say("✘ 웹훅이 설정되어 있어 수신할 수 없습니다 · a webhook is set, so polling gets nothing: deleteWebhook")
            return False
    except InvalidToken:
        say("✘ TELEGRAM_BOT_TOKEN: 텔레그램이 이 토큰을 모릅니다 · Telegram does not know this token")
        return False
    except TelegramError as error:
        say(f"✘ 텔레그램에 연결할 수 없습니다 · Telegram cannot be reached ({type(error).__name__})")
        return False
    finally:
        await bot.shutdown()
    return True


async def _kis(settings: "Settings", say: Callable[[str], object]) -> bool:
    from bot.app.clients import kis_config
    from kis.client import KisClient
    from kis.errors import KisError, Misconfigured

    try:
        async with KisClient(kis_config(settings)) as client:
            quote = await client.price("005930")
            say(f"✔ KIS 시세 · quotes: 삼성전자 {quote.price:,}원")
            balance = await client.balance()
            say(f"✔ KIS 계좌 · account {client.account_masked}: {len(balance.holdings)} 종목 · holdings")
            offset = client.clock_offset
            say(f"{'✔' if abs(offset) <= MAX_CLOCK_OFFSET else '✘'} 시계 · clock: {offset:+.1f} s")
    except Misconfigured as error:
        say(f"✘ {error.setting}: {error.advice.ko} · {error.advice.en}")
        return False
    except KisError as error:
        say(f"✘ KIS: {error.advice.ko} · {error.advice.en}")
        return False
    return True
