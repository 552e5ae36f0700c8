"""The whole bot between a broker and a Telegram, over real sockets: the message is changed where it stands."""

import asyncio

import pytest

from bot.demo.run import OWNER, TRADER
from bot.services.trade_feed import MAX_STREAMED
from tests.support.conversation import FAST, Ahead, bought, press, say, spoken
from tests.support.stage import stage
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time

SAMSUNG = "005930"
HEARING = {"kis_min_interval": 0.06, "kisbot_resume_pause": 0}


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr("bot.services.live_watchlists.CHECK_INTERVAL", 0.02)


async def test_from_the_star_under_a_price_to_a_living_list_and_back():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        card = await say(on, "/price 005930", "삼성전자")
        assert "담았습니다" in (await on.telegram.tap(OWNER.id, card.message_id, "⭐ 관심")).text
        assert "이미 있습니다" in (await on.telegram.tap(OWNER.id, card.message_id, "⭐ 관심")).text
        shown = await say(on, "/관심 000660", "관심 종목 2/20")
        assert "SK하이닉스" in shown.text

        toast = await on.telegram.tap(OWNER.id, shown.message_id, "실시간")
        assert "5분" in toast.text
        live = await on.telegram.wait(OWNER.id, "실시간")
        assert (live.message_id, live.edited) == (shown.message_id, True)

        on.broker.exchange.set_price(SAMSUNG, on.broker.exchange.quote(SAMSUNG).upper)
        before = on.telegram.revision
        clock.jump(seconds=11)
        price = f"{on.broker.exchange.quote(SAMSUNG).last:,}"
        moved = await on.telegram.wait(OWNER.id, price, after=before)
        assert moved.message_id == shown.message_id

        clock.jump(minutes=6)
        over = await on.telegram.wait(OWNER.id, "실시간이 끝났습니다")
        assert over.message_id == shown.message_id
        await press(on, over, "편집", "관심 종목")
        binned = await press(on, over, "🗑 삼성전자", "관심 종목 1/20")
        assert binned.message_id == shown.message_id
        opened = await press(on, await press(on, over, "편집 끝", "관심 종목"), "SK하이닉스", "거래량")
        assert opened.message_id > shown.message_id
        assert len([one for one in spoken(on) if "관심 종목" in one]) == 1, "one message all the while"


async def test_a_new_message_takes_over_and_the_older_one_keeps_no_button():
    async with stage(**FAST) as on:
        first = await say(on, "/watch 005930", "1/20")
        await press(on, first, "실시간", "실시간")
        before = on.telegram.revision
        await on.telegram.send(OWNER.id, "/watch")
        moved = await on.telegram.wait(OWNER.id, "새 메시지로 옮겼습니다", after=before)
        assert (moved.message_id, moved.buttons) == (first.message_id, [])
        second = await on.telegram.wait(OWNER.id, "1/20", after=before)
        assert second.message_id > first.message_id
        assert "멈춤" in str(second.buttons)


async def test_it_lives_on_after_a_restart(tmp_path):
    clock = Ahead()
    async with stage(**FAST, clock=clock, data_dir=tmp_path) as on:
        shown = await say(on, "/watch 005930", "1/20")
        await press(on, shown, "실시간", "실시간")
        broker, telegram = on.broker, on.telegram
    clock.jump(seconds=61)  # a broker at another address is asked for another token, once a minute
    broker.exchange.set_price(SAMSUNG, broker.exchange.quote(SAMSUNG).upper)
    price = f"{broker.exchange.quote(SAMSUNG).last:,}"
    async with stage(**FAST, clock=clock, data_dir=tmp_path, broker=broker, telegram=telegram) as on:
        await until(lambda: not on.app.watch_lists._prices.stale(SAMSUNG, clock()))
        clock.jump(seconds=6)
        moved = await on.telegram.wait(OWNER.id, price)
        assert moved.message_id == shown.message_id


async def test_while_it_is_heard_trades_are_shown_and_nothing_is_asked_for():
    clock = Ahead()
    async with stage(**HEARING, clock=clock) as on:
        shown = await say(on, "/watch 005930", "1/20")
        await press(on, shown, "실시간", "실시간")
        prices = on.app.watch_lists._prices
        await until(lambda: on.app.prices.streamed == {SAMSUNG})
        on.broker.exchange.set_price(SAMSUNG, on.broker.exchange.quote(SAMSUNG).lower)
        await until(lambda: prices.complete(SAMSUNG))
        asked = sum(one.path.endswith("inquire-price") for one in on.broker.requests)
        before = on.telegram.revision
        clock.jump(seconds=6)
        price = f"{on.broker.exchange.quote(SAMSUNG).last:,}"
        await on.telegram.wait(OWNER.id, price, after=before)
        for _ in range(4):
            clock.jump(seconds=11)
            on.broker.exchange.set_price(SAMSUNG, on.broker.exchange.quote(SAMSUNG).last)
            await asyncio.sleep(0.05)
        assert sum(one.path.endswith("inquire-price") for one in on.broker.requests) == asked


async def test_alerts_keep_their_share_of_the_registrations():
    clock = Ahead()
    async with stage(**HEARING, clock=clock) as on:
        codes = list(on.broker.exchange.issues)
        alerts = on.app.trades.subscribe(codes[100:140], lambda _: None)
        for person, first in ((OWNER.id, 0), (TRADER.id, 20)):
            on.app.watch_lists.add(person, [(code, code) for code in codes[first : first + 20]])
            shown = await say(on, "/watch", "20/20", person)
            await press(on, shown, "실시간", "실시간", person)
        lists = on.app.prices
        clock.jump(minutes=2)
        await until(lambda: len(lists.streamed) == len(alerts.streamed) == MAX_STREAMED // 2)
        assert {codes[0], codes[20]} <= lists.streamed, "and every list has its share of theirs"


async def test_while_the_market_is_closed_it_says_so(monkeypatch):
    async with stage(**FAST) as on:
        monkeypatch.setattr("bot.orders.hours.TradingHours.open", lambda *_: False)
        shown = await say(on, "/watch 005930", "장 마감")
        result = await on.telegram.tap_data(OWNER.id, shown.message_id, "w:live")
        assert "장중에만" in result.text
        assert "장 마감" in on.telegram.chat(OWNER.id)[-1].text


async def test_orders_go_on_beside_living_lists():
    async with stage(**FAST) as on:
        shown = await say(on, "/watch 005930, 000660, 035720", "3/20")
        await press(on, shown, "실시간", "실시간")
        card = await bought(on, "005930 1 시장가")
        assert "삼성전자" in card.text
