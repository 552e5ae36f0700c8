"""The answer to an order is lost: the bot reads until it knows, tells the truth meanwhile, and never sends twice."""

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
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("fault", "how"),
    [
        ("lose_reply", {}),
        ("cut_reply", {}),
        ("html", {"acts": True}),
        ("garbage", {}),
        ("no_order_no", {}),
        ("empty", {}),
    ],
)
async def test_an_order_the_broker_has_is_found_and_is_the_only_one(fault, how):
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant(fault, path="order-cash", **how)
        text = await confirmed(on, "확인중(불명)")
        assert "실패" not in text
        await say(on, "/buy 005930 1 시장가", "결과를 확인 중인 주문")
        await say(on, "/buy 000660 1 시장가", "매수 확인")

        await reread(on)
        clock.jump(seconds=11)
        await reread(on)

        found = await on.telegram.wait(OWNER.id, "주문내역에서 찾았습니다")
        await on.telegram.wait(OWNER.id, "누적 1/1주")
        assert "삼성전자" in found.text
        assert posts(on) == 1
        assert len(on.broker.exchange.orders) == 1


async def test_an_order_the_broker_never_got_is_absent_only_after_time_and_readings():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("lose_request", path="order-cash")
        await confirmed(on, "확인중(불명)")
        await reread(on, 6)
        (order,) = on.app.parts.desk.in_doubt()
        assert order.state is OrderState.UNKNOWN

        await reread_for_three_minutes(on, clock)

        card = await on.telegram.wait(OWNER.id, "접수 기록 없음")
        assert "새로 주문하기" in str(card.buttons)
        assert on.app.parts.desk.in_doubt() == [], "the stock takes orders again"
        assert posts(on) == 1
        again = await press(on, card, "새로 주문하기", "매수 확인")
        assert "똑같은 주문" in again.text, "it may yet turn up"
        again = await press(on, again, "확인", "그래도 내시겠습니까")
        await press(on, again, "그래도", "누적 1/1주")
        assert len(on.broker.exchange.orders) == 1


async def test_an_absent_order_is_watched_and_its_late_booking_is_an_alarm():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("late_booking", path="order-cash", seconds=200)
        on.broker.faults.plant("lose_reply", path="order-cash")
        await confirmed(on, "확인중(불명)")
        await reread(on, 5)
        await reread_for_three_minutes(on, clock)
        await on.telegram.wait(OWNER.id, "접수 기록 없음")

        clock.jump(seconds=30)
        await reread(on)
        clock.jump(seconds=11)
        await reread(on)

        await on.telegram.wait(OWNER.id, "늦게 접수된 것을 발견")
        await on.telegram.wait(OWNER.id, "누적 1/1주")
        assert posts(on) == 1


async def test_two_rows_that_fit_are_a_question_to_the_person():
    """The same order typed into HTS at the same moment cannot be told from ours: a person says which."""
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("lose_reply", path="order-cash")
        await confirmed(on, "확인중(불명)", "005930 1 60000")
        on.broker.exchange.submit(Side.BUY, "005930", "00", 1, 60_000, channel="Nsmart")
        await reread(on)

        asked = await on.telegram.wait(OWNER.id, "여러 건 보입니다")
        ours = next(order for order in on.broker.exchange.orders if order.channel == "OpnAPI")
        card = await press(on, asked, ours.number, "사람이 주문내역에서 확인해")

        assert ours.number in card.text
        assert [order.order_no for order in on.app.parts.desk.working()] == [ours.number]
        clock.jump(seconds=60)
        await reread(on, 2)
        assert sum("여러 건 보입니다" in text for text in spoken(on)) == 1, "asked once"
        on.broker.exchange.trade("005930", 60_000, 2)
        await reread(on)
        await on.telegram.wait(OWNER.id, "누적 1/1주")
        assert posts(on) == 1


async def test_the_day_after_an_order_that_never_appeared_is_over():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("lose_request", path="order-cash")
        await confirmed(on, "확인중(불명)")
        await reread(on, 5)
        await reread_for_three_minutes(on, clock)
        assert len(on.app.parts.report_handler.days()) == 1

        clock.jump(days=1)
        await reread(on)

        await on.telegram.wait(OWNER.id, "접수되지 않음")
        assert on.app.parts.report_handler.days() == [clock().date()], "nobody reads yesterday's list any more"


async def test_an_order_that_rests_when_its_day_ends_is_told_to_be_over():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")

        clock.jump(days=1)
        await reread(on, 2)  # the first may have been asked for before the day was over

        await on.telegram.wait(OWNER.id, "장 마감 미체결")
        assert on.app.parts.desk.working() == []


async def test_a_cancel_whose_answer_is_lost_is_told_by_the_list():
    async with stage(**FAST) as on:
        card = await confirmed(on, "📨 접수", "005930 5 60000")
        number = card.split("주문번호 ")[1].split()[0]
        on.broker.faults.plant("lose_reply", path="order-rvsecncl")

        await say(on, f"/cancel {number}", "취소 완료")

        assert posts(on, "order-rvsecncl") == 1
        assert posts(on) == 1


async def test_a_cancel_that_comes_too_late_says_so_and_the_fill_is_told():
    async with stage(**FAST) as on:
        card = await confirmed(on, "📨 접수", "005930 5 60000")
        number = card.split("주문번호 ")[1].split()[0]
        on.broker.exchange.trade("005930", 60_000, 5)

        await say(on, f"/cancel {number}", "누적 5/5주")

        assert on.app.parts.desk.working() == []


async def test_an_order_booked_twenty_seconds_late_is_asked_about_before_it_is_called_absent():
    """The request hung on its way and was booked when we had given up: nobody is told to order again meanwhile."""
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("lose_request", path="order-cash")
        await confirmed(on, "확인중(불명)", "005930 1 60000")
        clock.jump(seconds=20)
        on.broker.exchange.submit(Side.BUY, "005930", "00", 1, 60_000, channel="OpnAPI")
        await reread(on)
        clock.jump(seconds=31)
        await reread(on)

        asked = await on.telegram.wait(OWNER.id, "늦게 접수된 것일 수 있는")
        clock.jump(seconds=200)
        await reread(on, 6)
        assert not any("접수 기록 없음" in text for text in spoken(on))
        (booked,) = on.broker.exchange.orders
        await press(on, asked, booked.number, "사람이 주문내역에서 확인해")
        assert [order.order_no for order in on.app.parts.desk.working()] == [booked.number]


async def test_an_identical_order_from_hts_is_not_taken_for_ours_once_our_channel_is_known():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        for code in ("000660", "035720", "035420"):
            await confirmed(on, "주문번호", f"{code} 1 시장가")
        on.broker.faults.plant("lose_request", path="order-cash")
        await confirmed(on, "확인중(불명)", "005930 1 60000")
        on.broker.exchange.submit(Side.BUY, "005930", "00", 1, 60_000, channel="Nsmart")
        await reread(on, 5)
        await reread_for_three_minutes(on, clock)

        await on.telegram.wait(OWNER.id, "접수 기록 없음")
        assert [order.name for order in on.app.parts.desk.working()] == []
