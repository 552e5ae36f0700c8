"""Who takes part in the tests of the local Telegram, and how they say what they expect."""

import asyncio
import re

import pytest
from telegram.error import BadRequest

TOKEN = "123456789:local-telegram-token-for-tests-only"
ADMIN, TRADER, STRANGER = 7001, 7002, 7003


def refused(words):
    """Expect a 400 that says so; python-telegram-bot changes the case of the first letter."""
    return pytest.raises(BadRequest, match=re.compile(words, re.IGNORECASE))


async def arrival(telegram, method):
    """Wait until a call of this method has reached the server."""
    while not any(call.method == method for call in telegram.calls):  # noqa: ASYNC110 - the server runs in this loop
        await asyncio.sleep(0)
