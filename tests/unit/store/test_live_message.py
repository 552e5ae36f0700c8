"""Looks on their way: the newest replaces what waits, nothing piles up, and nothing of weight waits behind one."""

import asyncio
from datetime import timedelta

import pytest

from bot.chat.types import LastPrice, WatchlistMode, WatchlistRow, WatchlistView
from bot.store.live_message import LiveMessages
from bot.store.outbox import Outbox
from kis.krx import KST
from tests.support.outbox import TRADER, Clock, delivered, empty_database
from tests.support.telegram_wire import ONE, START, delivery_harness
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time


def watchlist_view(price, message_id=9, at=START):
    seen = LastPrice(price, 100, "0.14", 1_000, halted=False, vi=False, at=at.astimezone(KST))
    row = WatchlistRow(code="005930", name="삼성전자", seen=seen)
    return WatchlistView(
        message_id=message_id, at=at, mode=WatchlistMode.LIVE, until=at + timedelta(minutes=5), rows=(row,)
    ).model_dump(mode="json")


class Hand:
    """An outbox worked by hand."""

    def __init__(self):
        self.clock, self.db = Clock(), empty_database()
        self.box = Outbox(self.db, self.clock)
        self.live_messages = LiveMessages(self.db, self.box, self.clock)

    def rows(self):
        return self.db.execute("SELECT count(*), max(state) FROM outbox WHERE kind = 'look'").fetchone()


@pytest.fixture
def on():
    return Hand()


def price_of(message):
    return message.data["rows"][0]["seen"][0]


def test_the_newest_look_replaces_what_waits_and_a_day_of_looks_leaves_one_row(on):
    for price in range(1, 500):
        assert on.live_messages.put(TRADER, watchlist_view(price))
        if price % 3 == 0:
            assert price_of(on.box.next(TRADER)) == price
            delivered(on.box)
    assert on.rows() == (1, "pending")


def test_what_a_person_asked_for_stays_urgent_though_a_newer_look_replaces_it(on):
    on.live_messages.put(TRADER, watchlist_view(1), asked=True)
    on.live_messages.put(TRADER, watchlist_view(2))
    on.box.put("report", TRADER, {})
    message = on.box.next(TRADER)
    assert (message.kind, price_of(message)) == ("look", 2)
    delivered(on.box)
    on.live_messages.put(TRADER, watchlist_view(3))
    assert on.box.next(TRADER).kind == "report"


def test_nothing_else_waits_behind_a_look(on):
    on.live_messages.put(TRADER, watchlist_view(1))
    for kind in ("report", "reply", "alert", "fill", "ambiguous"):
        on.box.put(kind, TRADER, {"order": 1} if kind == "fill" else {})
    told = []
    while (message := on.box.next(TRADER)) is not None:
        told.append(message.kind)
        delivered(on.box)
    assert told == ["ambiguous", "fill", "alert", "reply", "report", "look"]


def test_while_one_is_leaving_the_next_has_to_wait(on):
    on.live_messages.put(TRADER, watchlist_view(1))
    message = on.box.next(TRADER)
    on.box.sending(message)
    assert not on.live_messages.put(TRADER, watchlist_view(2))
    on.box.again(message)
    assert on.live_messages.put(TRADER, watchlist_view(3))
    assert price_of(on.box.next(TRADER)) == 3


def test_what_was_dropped_is_not_sent_not_even_a_second_time(on):
    on.live_messages.put(TRADER, watchlist_view(1))
    on.live_messages.drop(TRADER)
    assert on.box.next(TRADER) is None
    on.live_messages.put(TRADER, watchlist_view(2))
    message = on.box.next(TRADER)
    on.box.sending(message)
    on.live_messages.drop(TRADER)
    on.box.again(message)
    assert on.box.next(TRADER) is None
    assert not on.live_messages.refused(TRADER, 9)


def test_a_look_that_was_leaving_at_a_crash_goes_again_and_is_no_news_for_a_digest(on):
    on.live_messages.put(TRADER, watchlist_view(1))
    for _ in range(3):
        if (message := on.box.next(TRADER)) is not None:
            on.box.sending(message)
            on.box.recover()
    assert on.db.execute("SELECT count(*) FROM outbox WHERE kind = 'digest'").fetchone() == (0,)
    assert on.live_messages.put(TRADER, watchlist_view(2))
    assert price_of(on.box.next(TRADER)) == 2


def test_a_chat_that_refuses_us_is_shown_nothing_more(on):
    on.live_messages.put(TRADER, watchlist_view(1))
    message = on.box.next(TRADER)
    on.box.sending(message)
    on.box.stopped(message, "blocked")
    assert on.live_messages.refused(TRADER, 9)
    assert on.box.next(TRADER) is None


# --- before a real Telegram -------------------------------------------------------------------------------------------


async def test_a_flood_piles_up_nothing_and_a_fill_goes_before_what_waited(tmp_path, monkeypatch):
    """Telegram says 429 to every second change for a minute while the price moves every second."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    async with delivery_harness(tmp_path) as post:
        looks = LiveMessages(post.db, post.box, post.time)
        post.box.put("reply", ONE, {"text": "⭐", "keys": []}, "reply:1")
        await until(lambda: looks.message_of("reply:1"))
        message = looks.message_of("reply:1")
        left, most = [], 0

        def flood(message):
            left.append(message.kind)
            if message.kind == "look" and len(left) % 2:
                post.telegram.faults.plant("flood", method="editMessageText", retry_after=3)

        post.before = flood
        for second in range(60):
            looks.put(ONE, watchlist_view(70_000 + second, message, START + timedelta(seconds=second)))
            if second == 30:
                post.fill(1)
            most = max(most, post.left())
            await post.time.sleep(1)
        while not looks.put(ONE, watchlist_view(70_060, message)):  # as the part does while one is leaving
            await post.time.sleep(0.5)
        await post.quiet()

        assert most <= 2, "one look and the fill"
        assert post.telegram.faults.fired["flood"] >= 3
        assert left.count("fill") == 1
        assert f"{70_060:,}" in post.said()[0], "what was shown last is the newest"
        assert len(post.said()) == 2


async def test_a_fill_that_comes_while_telegram_is_away_is_told_before_the_look(tmp_path):
    async with delivery_harness(tmp_path) as post:
        looks = LiveMessages(post.db, post.box, post.time)
        post.box.put("reply", ONE, {"text": "⭐", "keys": []}, "reply:1")
        await until(lambda: looks.message_of("reply:1"))
        told = []
        post.before = lambda message: told.append(message.kind)
        post.telegram.faults.plant("down")
        looks.put(ONE, watchlist_view(70_000, looks.message_of("reply:1")))
        await until(lambda: told)
        post.fill(1)
        looks.put(ONE, watchlist_view(70_100, looks.message_of("reply:1")))
        await asyncio.sleep(0.05)
        post.telegram.faults.clear()
        await post.quiet()
        assert told[-2:] == ["fill", "look"]


@pytest.mark.parametrize("end", ["flood", "a restart"])
async def test_what_was_dropped_while_it_was_leaving_is_over_after_the_next_try(tmp_path, monkeypatch, end):
    """An empty look is nothing to say: it is dropped, where it was retried without end before."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    async with delivery_harness(tmp_path) as post:
        looks = LiveMessages(post.db, post.box, post.time)
        looks.put(ONE, watchlist_view(70_000))
        if end == "flood":
            post.telegram.faults.plant("flood", method="editMessageText", retry_after=3)
            post.before = lambda _: looks.drop(ONE)
        else:
            post.box.sending(post.box.next(ONE))
            looks.drop(ONE)
            await post.restart()
        await post.quiet()
        row = post.db.execute("SELECT state, data, tries, doubts FROM outbox WHERE kind = 'look'").fetchone()
        assert row == ("failed", "{}", 1, 0)
        assert post.said() == []
