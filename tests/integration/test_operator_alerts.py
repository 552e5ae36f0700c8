"""What goes wrong is told to those in charge, once and then counted; no detail of it, and never to anybody else."""

import pytest

from bot.demo.run import OWNER, TRADER
from bot.services.operator_alerts import OperatorAlerts
from bot.store.outbox import Outbox
from kis.sim.faults.catalogue import ALWAYS
from tests.support.conversation import FAST, Ahead, confirmed, reread, say, spoken
from tests.support.members import notifications
from tests.support.outbox import Clock, empty_database, waiting
from tests.support.stage import stage
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time

NO = {"code": "EGW00003", "status": 500}
LIST = "inquire-daily-ccld"


def troubles(on, chat=OWNER.id):
    rows = on.app.storage.db.execute(
        "SELECT repeats, state FROM outbox WHERE kind = 'trouble' AND chat_id = ? AND state != 'collapsed'", [chat]
    )
    return rows.fetchall()


async def test_a_list_that_cannot_be_read_for_a_minute_while_an_order_is_open_is_told_while_it_lasts():
    clock = Ahead()
    seconds = {"ahead": 0.0}
    async with stage(**FAST, clock=clock, ticks=lambda: seconds["ahead"]) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")
        await reread(on)
        on.broker.faults.plant("refuse", path=LIST, times=ALWAYS, **NO)
        seconds["ahead"] += 59
        on.app._check_staleness()
        assert troubles(on) == []
        seconds["ahead"] += 2
        await on.telegram.wait(OWNER.id, "1분 넘게 읽지 못하고 있습니다")
        assert len(troubles(on)) == 1
        assert troubles(on, TRADER.id) == [], "whose orders are not among them"

        clock.jump(seconds=61)
        on.broker.faults.clear()
        await reread(on)
        ended = await on.telegram.wait(OWNER.id, "체결을 볼 수 없던 시간")
        assert "그사이 체결 없음" in ended.text


async def test_without_open_orders_a_silent_list_is_nobodys_trouble():
    seconds = {"ahead": 0.0}
    async with stage(**FAST, ticks=lambda: seconds["ahead"]) as on:
        await reread(on)
        seconds["ahead"] += 600
        on.app._check_staleness()

        assert troubles(on) == []


async def test_the_same_trouble_37_times_is_two_messages_and_the_second_counts_the_rest():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.app.parts.operator_alerts.report("READING_LOST")
        await on.telegram.wait(OWNER.id, "기록하지 못했습니다")
        for _ in range(37):
            on.app.parts.operator_alerts.report("READING_LOST")
        clock.jump(minutes=11)
        on.app.storage.outbox.queued.set()
        await on.telegram.wait(OWNER.id, "(×37, 마지막")

        assert sum("기록하지 못했습니다" in text for text in spoken(on)) == 2


async def test_a_fault_in_answering_one_person_is_told_to_those_in_charge_without_its_detail():
    async with stage(**FAST) as on:

        async def broken(_code):
            raise ZeroDivisionError("secret detail")

        on.app.parts.client.index = broken
        await say(on, "/index", "내부 오류로 처리하지 못했습니다", TRADER.id)
        told = await on.telegram.wait(OWNER.id, "이매매 님의 요청을")

        assert "secret" not in told.text
        assert "ZeroDivision" not in told.text
        assert not any("이매매 님의 요청" in text for text in spoken(on, TRADER.id))


async def test_a_reading_that_cannot_be_taken_in_is_told():
    async with stage(**FAST) as on:
        note = on.app.parts.report_handler.handle

        def broken(_reading):
            raise ValueError("an internal error")

        on.app.parts.report_handler.handle = broken
        on.app.parts.report_poll.wake()
        await on.telegram.wait(OWNER.id, "기록하지 못했습니다")
        on.app.parts.report_handler.handle = note
        await until(lambda: troubles(on)[0][1] == "sent")


def test_telling_of_trouble_never_makes_another():
    db = empty_database()
    outbox = Outbox(db, Clock())
    OperatorAlerts(notifications(outbox, 1, 2)).report("HOUSEKEEPING", {"n": 1}, also=[2, 3])
    assert [(one.kind, one.chat_id) for one in waiting(outbox)] == [("trouble", 1), ("trouble", 2), ("trouble", 3)]
    db.close()
    OperatorAlerts(notifications(outbox, 1)).report("HOUSEKEEPING")  # no disk to write to
