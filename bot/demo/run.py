"""`kisbot demo`: the real bot between a simulated broker and a local Telegram, with real HTTP on both sides."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from bot.app.application import BotApplication
from bot.config.settings import GivenSettings
from bot.demo.script import ScriptFailed, play
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.access.roles import Role
from bot.services.outages import uptime
from kis.config import kst_now
from kis.sim import Simulator

OWNER = ChatUser(1001, "김관리", "관리자")
TRADER = ChatUser(1002, "이매매", "매매자")
STRANGER = ChatUser(1003, "박손님", "낯선 사람")
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-demo"  # noqa: S105  # opens nothing but the local Telegram
SMOKE = Path(__file__).with_name("smoke.txt")
APPROVAL_TIERS = "1000000=1"
"""In the demo a second person approves an order of more than a million won."""
HOLDINGS = {"000660": (3, 251_500), "035720": (20, 61_250), "069500": (50, 42_180)}
"""What the practice account owns at the start: code to shares and average price in won."""


@dataclass
class Stage:
    """Everything the demo runs: broker, Telegram and bot."""

    broker: Simulator
    telegram: LocalTelegram
    app: BotApplication
    page: str
    kis_port: int


@contextlib.asynccontextmanager
async def stage(  # what a test may set up differently
    *,
    port: int = 0,
    kis_port: int = 0,
    seed: int = 1,
    moving: bool = False,
    lang: Literal["ko", "en"] = "ko",
    clock: Callable[[], datetime] = kst_now,
    ticks: Callable[[], float] = uptime,
    data_dir: Path | None = None,
    broker: Simulator | None = None,
    telegram: LocalTelegram | None = None,
    progress: Callable[[str], object] = lambda _: None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Broker, Telegram and bot, up and connected; all in memory but for the bot's own files."""
    broker = broker or Simulator(profile="real", seed=seed, moving=moving, holdings=HOLDINGS, clock=clock)
    telegram = telegram or LocalTelegram(token=TOKEN, people=(OWNER, TRADER, STRANGER), clock=clock)
    async with contextlib.AsyncExitStack() as stack:
        home = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kisbot-demo-")))
        progress("[1/3] 모의 증권사를 켭니다 · starting the simulated broker")
        kis_url = await stack.enter_async_context(broker.serve(port=kis_port))
        progress("[2/3] 로컬 텔레그램을 켭니다 · starting the local Telegram")
        page = await stack.enter_async_context(telegram.serve(port=port))
        progress("[3/3] 봇을 연결합니다 · connecting the bot")
        values: dict[str, Any] = {name.lower(): value for name, value in broker.environ(kis_url).items()}
        values |= {
            "telegram_bot_token": TOKEN,
            "telegram_api_base": f"{page}/bot",
            "kisbot_owner_id": str(OWNER.id),
            "kisbot_data_dir": home,
            "kisbot_lang": lang,
            **settings,
        }
        app = BotApplication(GivenSettings(**values), clock=clock, ticks=ticks)
        app.storage.people.put(OWNER.id, OWNER.name, Role.OWNER)
        app.storage.people.put(TRADER.id, TRADER.name, Role.TRADER)
        await stack.enter_async_context(app.running())
        yield Stage(broker, telegram, app, page, int(kis_url.rpartition(":")[2]))


async def run_demo(  # the command's own options
    stop: asyncio.Event,
    *,
    port: int,
    seed: int,
    lang: Literal["ko", "en"],
    script: Path | None,
    smoke: bool,
    say: Callable[[str], object],
) -> None:
    """Run until stopped, or play a script and end; raises `ScriptFailed` where an expected answer did not come."""
    began = time.monotonic()
    scenario = SMOKE if smoke else script
    try:
        running = stage(
            port=0 if scenario else port,
            seed=seed,
            moving=scenario is None,
            lang=lang,
            progress=say,
            kisbot_approval_order=APPROVAL_TIERS,
        )
        async with running as on:
            if scenario is not None:
                lines = await play(scenario, on.telegram, say)
                say(f"✔ {scenario.name}: {lines} 단계 통과 · steps passed in {time.monotonic() - began:.1f} s")
                return
            say(f"\n  준비되었습니다 ({time.monotonic() - began:.1f}초) · ready")
            say(f"  ➜ 브라우저에서 여세요 · open in a browser:  {on.page}/\n")
            say("  관리자·매매자·낯선 사람을 바꿔 가며 거래해 보세요. 실제 돈은 움직이지 않습니다.")
            say("  Switch between the three people and trade; no real money moves. Ctrl-C 로 종료 · to stop.")
            await stop.wait()
            say("종료합니다 · stopping")
    except OSError as error:
        raise ScriptFailed(
            f"포트 {port}을 열 수 없습니다. --port 로 다른 포트를 고르세요 · cannot open port {port} ({error.strerror})"
        ) from None
