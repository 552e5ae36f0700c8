"""Outbox to chat: what breaks while one letter is made must neither be silent nor stop the next one."""

import asyncio

import structlog

from bot.chat.messenger import Delivered
from bot.notify import Notifier
from bot.store.database import open_database
from bot.store.outbox import Outbox
from kis.config import kst_now


async def test_a_letter_that_breaks_is_logged_and_goes_again_after_a_restart(tmp_path):
    db = open_database(tmp_path / "kisbot.db")
    box = Outbox(db, kst_now)
    sent = []

    async def deliver(letter):
        if letter.data["text"] == "broken" and not letter.resent:
            raise KeyError("text")
        sent.append(letter.data["text"])
        return Delivered(len(sent))

    async def reachable():
        return True

    for text in ("broken", "next"):
        box.put("reply", 1, {"text": text})
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            work = asyncio.create_task(Notifier(box, deliver, reachable).run())
            await asyncio.sleep(0.1)
            work.cancel()
            await asyncio.wait([work])

    assert sent == ["next", "broken"]
    assert [line["log_level"] for line in logs] == ["error"]
    db.close()
