"""The clients of the broker and of Telegram, as the settings want them."""

import os
from datetime import date
from functools import partial

from telegram import Bot
from telegram.request import HTTPXRequest

from bot.config.settings import Settings
from kis.config import MASTER_URL, KisConfig
from kis.endpoints import Env, Generation
from kis.symbols import Symbols, load
from kis.transport import Transport, download


def kis_config(settings: Settings) -> KisConfig:
    """The broker's part of the settings."""
    return KisConfig(
        env=Env(settings.kis_env),
        app_key=settings.kis_app_key.get_secret_value(),
        app_secret=settings.kis_app_secret.get_secret_value(),
        account=settings.kis_account.get_secret_value(),
        hts_id=settings.kis_hts_id,
        generation=Generation(settings.kis_tr_generation),
        min_interval=settings.kis_min_interval,
        hashkey=settings.kis_hashkey,
        rest_url=settings.kis_rest_url,
        ws_url=settings.kis_ws_url,
        master_url=settings.kis_master_url or MASTER_URL,
        token_dir=settings.kisbot_data_dir,
    ).within_limit()


async def stocks_of(settings: Settings, day: date, stand_in: Transport | None = None) -> Symbols:
    """The table of stocks of a day; raises as `kis.symbols.load`. `stand_in` takes the place of the network."""
    url = settings.kis_master_url or MASTER_URL
    return await load(url, settings.kisbot_data_dir / "master", day, fetch=partial(download, stand_in=stand_in))


def telegram_bot(settings: Settings, stand_in: Transport | None = None) -> Bot:
    """The Bot API's client; no proxy variable of the environment redirects it. `stand_in` for the network.

    Certificates are loaded only for an address that has one: a plain one on this machine does not.
    """
    os.environ.setdefault("PTB_TIMEDELTA", "1")  # else its RetryAfter warns each time it is raised
    http = {
        "trust_env": False,
        "verify": settings.telegram_api_base.startswith("https:"),
        **({} if stand_in is None else {"transport": stand_in}),
    }

    def request(pool: int) -> HTTPXRequest:
        return HTTPXRequest(connection_pool_size=pool, connect_timeout=5, read_timeout=15, httpx_kwargs=http)

    return Bot(
        settings.telegram_bot_token.get_secret_value(),
        base_url=settings.telegram_api_base,
        request=request(16),
        get_updates_request=request(2),
    )
