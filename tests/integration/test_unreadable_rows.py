"""A row of the order list that cannot be read concerns its own order, and no other; and it is never taken for absence."""

import pytest

from bot.demo.run import OWNER
from bot.orders.model.order import OrderState
from kis.models import Side
from tests.support.conversation import (
    FAST,
    Ahead,
    confirmed,
    posts,
    press,
    reread,
    reread_for_three_minutes,
    say,
    spoken,
)
from tests.support.spoilt_wire import row_of, spoilt_lists
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time

TOLD = "읽을 수 없는 줄"
SPOILT = {
    "tot_ccld_qty": "1" + "0" * 30,
    "ord_qty": "71_000",
    "odno": "٣١",
    "ord_unpr": "9" * 4_000,
    "avg_prvs": "1e5",
    "rmn_qty": None,
    "ord_dt": "20261399",
    "pdno": "<b>005930</b>",
}


def foreign(on, code="000660"):
    """An order typed into HTS, which does not fill."""
    price = {"005930": 60_000, "000660": 200_000}[code]
    return on.broker.exchange.submit(Side.BUY, code, "00", 1, price, channel="Nsmart").number


async def limit_order(on):
    """An order of the owner's that rests in the book; its number."""
    await confirmed(on, "접수", "005930 3 60000")
    (order,) = on.app.parts.desk.working()
    return order.order_no


@pytest.mark.parametrize("field", SPOILT)
@pytest.mark.parametrize("code", ["000660", "005930"])
async def test_our_fills_are_told_while_a_foreign_row_cannot_be_read(field, code):
    async with stage(**FAST, clock=Ahead()) as on:
        wire = spoilt_lists(on)
        number, other = await limit_order(on), foreign(on, code)
        wire.spoil = lambda rows: row_of(rows, other).update({field: SPOILT[field]})
        await reread(on, 2)

        on.broker.exchange.trade("005930", 60_000, 2)
        await reread(on)
        await on.telegram.wait(OWNER.id, "누적 2/3주")
        on.broker.exchange.trade("005930", 60_000, 5)
        await reread(on)
        await on.telegram.wait(OWNER.id, "누적 3/3주")

        assert sum(TOLD in text for text in spoken(on)) == 1, "told once, however often it is read"
        listed = await say(on, "/orders", "1건을 읽지 못했습니다")
        assert number not in listed.text or "3/3" in listed.text
        await say(on, "/fills", "1건을 읽지 못했습니다")


@pytest.mark.parametrize("field", [name for name in SPOILT if name not in {"odno", "pdno"}])
async def test_our_own_row_that_cannot_be_read_is_told_and_its_fills_follow(field):
    async with stage(**FAST, clock=Ahead()) as on:
        wire = spoilt_lists(on)
        number = await limit_order(on)
        wire.spoil = lambda rows: row_of(rows, number).update({field: SPOILT[field]})
        on.broker.exchange.trade("005930", 60_000, 2)
        await reread(on, 3)
        told = await on.telegram.wait(OWNER.id, TOLD)
        assert number in told.text
        assert sum(TOLD in text for text in spoken(on)) == 1
        assert not any("누적" in text for text in spoken(on))
        assert on.app.parts.desk.working()[0].state is OrderState.OPEN

        wire.spoil = None
        await reread(on)
        await on.telegram.wait(OWNER.id, "누적 2/3주")


@pytest.mark.parametrize("field", SPOILT)
async def test_a_lost_order_is_neither_absent_nor_found_while_it_may_stand_in_an_unreadable_row(field):
    """Its row is there, and unreadable: three minutes and many readings later nobody is told that it is not."""
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        wire = spoilt_lists(on)
        wire.spoil = lambda rows: rows[-1].update({field: SPOILT[field]}) if rows else None
        on.broker.faults.plant("lose_reply", path="order-cash")
        await confirmed(on, "확인중(불명)", "005930 1 60000")
        for _ in range(8):
            clock.jump(seconds=40)
            await reread(on)
        assert not any("접수 기록 없음" in text for text in spoken(on))
        (order,) = on.app.parts.desk.in_doubt()
        assert order.state is OrderState.UNKNOWN

        wire.spoil = None
        await reread(on)
        clock.jump(seconds=11)
        await reread(on)
        await on.telegram.wait(OWNER.id, "주문내역에서 찾았습니다")
        assert posts(on) == 1


@pytest.mark.parametrize("field", ["tot_ccld_qty", "pdno"])
async def test_no_row_is_linked_while_its_twin_may_be_unreadable(field):
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        wire = spoilt_lists(on)
        on.broker.faults.plant("lose_reply", path="order-cash")
        await confirmed(on, "확인중(불명)", "005930 1 60000")
        twin = foreign(on, "005930")
        wire.spoil = lambda rows: row_of(rows, twin).update({field: SPOILT[field]})
        await reread(on)
        clock.jump(seconds=11)
        await reread(on)
        assert on.app.parts.desk.in_doubt()

        wire.spoil = None
        await reread(on)
        asked = await on.telegram.wait(OWNER.id, "여러 건 보입니다")
        assert twin in str(asked.buttons)


async def test_an_unreadable_row_of_another_stock_or_of_before_does_not_keep_a_lost_order_in_doubt():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        wire = spoilt_lists(on)
        before, other = foreign(on, "005930"), foreign(on)
        wire.spoil = lambda rows: [
            row.update({"tot_ccld_qty": "1" + "0" * 30}) for row in rows if row["odno"].zfill(10) in {before, other}
        ]
        on.broker.faults.plant("lose_request", path="order-cash")
        await confirmed(on, "확인중(불명)", "005930 1 61000")
        await reread(on, 6)
        await reread_for_three_minutes(on, clock)
        await on.telegram.wait(OWNER.id, "접수 기록 없음")


async def test_nothing_is_sent_while_a_row_has_no_readable_number():
    """The numbers that exist before a send are the ground on which a lost answer is resolved."""
    async with stage(**FAST, clock=Ahead()) as on:
        wire = spoilt_lists(on)
        foreign(on, "005930")
        wire.spoil = lambda rows: [row.update({"odno": "9" * 5_000}) for row in rows]
        ticket = await say(on, "/buy 005930 1 61000", "매수 확인")
        await press(on, ticket, "확인", "증권사 조회에 실패해")
        assert posts(on) == 0


async def test_an_order_moved_to_a_row_that_cannot_be_read_is_not_told_as_cancelled():
    """A revision by hand in HTS whose own row is unreadable looks like a cancel that nobody asked for."""
    async with stage(**FAST, clock=Ahead()) as on:
        wire = spoilt_lists(on)
        number = await limit_order(on)
        await reread(on)

        def moved(rows):
            row = row_of(rows, number)
            row.update({"rmn_qty": "0", "cncl_cfrm_qty": row["ord_qty"]})
            rows.append(row | {"odno": "0009999999", "orgn_odno": number, "rmn_qty": "x"})

        wire.spoil = moved
        await reread(on, 3)
        (order,) = on.app.parts.desk.working()
        assert order.order_no == number
        assert not any("취소" in text and "종료" in text for text in spoken(on))
