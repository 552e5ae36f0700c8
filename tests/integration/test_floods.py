"""One person's flood: whom it keeps waiting, what is said about it, and what of it is stored."""

import asyncio

import pytest

from bot.chat.transport.flood_control import BURST
from bot.chat.transport.question_queue import MAX_UNDER_WAY, MAX_WAITING
from bot.demo.run import OWNER, STRANGER, TOKEN, TRADER
from bot.demo.telegram import LocalTelegram
from bot.orders.access.roles import Role
from bot.orders.risk.trading_halt import HaltLevel
from kis.sim import Simulator
from tests.support import virtual_time
from tests.support.conversation import press, say, settled
from tests.support.stage import stage
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time

VIEWER = STRANGER
SLOT = 0.2
"""Seconds between calls at the default pace."""


def texts(on, person):
    return [message.text for message in on.telegram.chat(person.id) if message.sender == "bot"]


async def flood(on, count, text):
    for number in range(count):
        await on.telegram.send(VIEWER.id, text(number))


def asked(number):
    return f"/price {CODES[number % len(CODES)]}"


CODES = [code for code, issue in Simulator(profile="real").exchange.issues.items() if not issue.halted]


@pytest.fixture
async def on():
    telegram = LocalTelegram(token=TOKEN, people=(OWNER, TRADER, VIEWER), clock=virtual_time.now)
    async with stage(telegram=telegram, kisbot_duplicate_minutes=0) as running:
        running.app.storage.people.put(VIEWER.id, VIEWER.name, Role.VIEWER)
        yield running


async def test_a_viewers_hundred_and_fifty_questions_delay_anothers_ticket_and_order_by_two_slots_at_most(on):
    took, orders = {}, on.broker.exchange.orders
    for name, questions in (("calm", 0), ("flooded", 150)):
        await flood(on, questions, asked)
        await asyncio.sleep(0.05)
        began = virtual_time.ticks()
        ticket = await say(on, "/buy 005930 1 70000", "매수 확인", person=TRADER.id)
        shown = virtual_time.ticks()
        sent = len(orders)
        await on.telegram.tap(TRADER.id, ticket.message_id, "확인")
        await until(lambda sent=sent: len(orders) > sent)
        took[name] = shown - began, virtual_time.ticks() - shown
        await settled(on)
        await asyncio.sleep(5)
    for calm, flooded in zip(*took.values(), strict=True):
        assert flooded <= calm + 2 * SLOT + 0.05


async def test_whoever_asks_too_much_gets_so_many_answers_and_one_word_to_wait(on):
    await flood(on, 50, asked)
    await settled(on)
    said = texts(on, VIEWER)
    assert sum("앞서 물으신 것을" in text for text in said) == 1
    assert len(said) == MAX_UNDER_WAY + MAX_WAITING + 1
    await say(on, "/price 005930", "삼성전자", person=VIEWER.id)


async def test_a_halt_in_a_flood_of_three_thousand_acts_within_a_second(on):
    flooding = asyncio.create_task(flood(on, 3_000, lambda number: f"아무 말 {number}"))
    await asyncio.sleep(1)
    began = virtual_time.ticks()
    await on.telegram.send(TRADER.id, "/halt")
    await until(lambda: on.app.parts.trading_halt.now().level is HaltLevel.NEW)
    assert virtual_time.ticks() - began < 1
    await flooding


async def test_of_three_thousand_messages_a_burst_is_stored_and_answered_and_each_is_told_once(on):
    await flood(on, 3_000, lambda number: f"아무 말 {number}")
    await until(lambda: on.telegram.unread == 0)
    await settled(on)
    storage = on.app.storage.db
    (kept,) = storage.execute("SELECT count(*) FROM inbox").fetchone()
    assert kept <= BURST + 20
    said = texts(on, VIEWER)
    assert len(said) <= BURST + 20
    assert sum("메시지가 너무 많아" in text for text in said) == 1
    assert sum("메시지를 너무 많이 보내" in text for text in texts(on, OWNER)) == 1
    assert not any("너무 많" in text for text in texts(on, TRADER))


async def test_the_flooders_own_order_button_still_works(on):
    on.app.storage.people.put(VIEWER.id, VIEWER.name, Role.TRADER)
    ticket = await say(on, "/buy 005930 1 70000", "매수 확인", person=VIEWER.id)
    await flood(on, 500, lambda number: f"아무 말 {number}")
    await press(on, ticket, "확인", "접수", person=VIEWER.id)
    assert len(on.broker.exchange.orders) == 1
