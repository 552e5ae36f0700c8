"""A local Telegram on a real socket, and the real python-telegram-bot talking to it."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from telegram import Bot
from telegram.request import HTTPXRequest

from bot.demo.telegram import ChatUser, LocalTelegram
from tests.support.local_chat import ADMIN, STRANGER, TOKEN, TRADER


class Clock:
    """A clock that moves when told."""

    def __init__(self):
        self.now = datetime(2026, 11, 20, 9, 31, 8, tzinfo=ZoneInfo("Asia/Seoul"))

    def __call__(self):
        return self.now

    def forward(self, **how):
        self.now += timedelta(**how)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def telegram(clock):
    people = [
        ChatUser(ADMIN, "김관리", "관리자"),
        ChatUser(TRADER, "이매매", "매매자"),
        ChatUser(STRANGER, "박모름", "낯선 사람"),
    ]
    return LocalTelegram(token=TOKEN, people=people, clock=clock)


@pytest.fixture
async def base_url(telegram):
    async with telegram.serve() as url:
        yield url


@pytest.fixture
async def bot(base_url, monkeypatch):
    """A real Bot; durations as timedelta, which its next version makes the rule."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    requests = [HTTPXRequest(httpx_kwargs={"verify": False}) for _ in range(2)]  # no certificates on loopback
    async with Bot(
        TOKEN, base_url=f"{base_url}/bot", request=requests[0], get_updates_request=requests[1]
    ) as connected:
        yield connected


@pytest.fixture
async def http(base_url):
    """A plain HTTP client at the server's root, to look at bytes."""
    async with httpx.AsyncClient(base_url=base_url, timeout=10, verify=False) as client:
        yield client


@pytest.fixture
def call(http):
    """Call a Bot API method with JSON and return the status and the answer."""

    async def call_method(method, **values):
        answer = await http.post(f"/bot{TOKEN}/{method}", json=values)
        return answer.status_code, answer.json()

    return call_method
