"""On the way to the broker: what is sent again and what never is, what is asked twice, what is held against the list."""

import asyncio
import json

import pytest

from bot.demo.run import OWNER
from bot.orders.model.events import ReadBackResult
from bot.orders.model.order import Link, OrderState
from bot.orders.risk.trading_halt import HaltLevel
from bot.store.message_kinds import KINDS
from kis.models import Side
from tests.support.conversation import FAST, Ahead, confirmed, posts, press, reread, say, spoken
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("fault", "how", "times"), [("throttle", {}, 1), ("throttle", {"status": 200}, 2), ("stale_token", {}, 1)]
)
async def test_what_kis_did_not_process_goes_out_again_after_a_look_at_the_list(fault, how, times):
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        clock.jump(seconds=62)  # a token is issued once a minute
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        on.broker.faults.plant(fault, path="order-cash", times=times, **how)
        lists = sum("inquire-daily-ccld" in one.path for one in on.broker.requests)

        await press(on, ticket, "확인", "누적 1/1주")

        assert posts(on) == times + 1
        assert len(on.broker.exchange.orders) == 1
        assert sum("inquire-daily-ccld" in one.path for one in on.broker.requests) >= lists + times
        assert [row["outcome"] for row in attempts(on)] == ["throttled" if fault == "throttle" else "token"] * times + [
            "placed"
        ]


async def test_what_stays_throttled_is_given_up_looked_up_and_watched():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("throttle", path="order-cash", times=-1)
        await confirmed(on, "확인중(불명)", within=12)
        assert posts(on) <= 4
        on.broker.faults.clear()
        clock.jump(seconds=11)
        await reread(on, 3)

        await on.telegram.wait(OWNER.id, "접수 기록 없음")
        assert on.broker.exchange.orders == []


async def test_a_throttle_that_lied_is_found_before_the_order_goes_out_again():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("throttle", path="order-cash", acts=True)
        await confirmed(on, "확인중(불명)")
        await reread(on)
        clock.jump(seconds=11)
        await reread(on)

        await on.telegram.wait(OWNER.id, "주문내역에서 찾았습니다")
        assert posts(on) == 1
        assert len(on.broker.exchange.orders) == 1


@pytest.mark.parametrize("acts", [False, True])
async def test_a_refusal_nobody_has_seen_before_is_believed_only_when_the_list_agrees(acts):
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant(
            "refuse", path="order-cash", code="APBK7777", message="알 수 없는 사유", status=200, acts=acts
        )
        text = await confirmed(on, "확인중(불명)")
        assert "알 수 없는 사유" in text
        await reread(on, 2)
        clock.jump(seconds=11)
        await reread(on, 2)

        await on.telegram.wait(OWNER.id, "주문내역에서 찾았습니다" if acts else "거부했고 주문내역에도 없습니다")
        assert len(on.broker.exchange.orders) == acts
        assert posts(on) == 1


async def test_every_try_leaves_its_request_and_its_answer_on_record_and_no_account_number():
    async with stage(**FAST) as on:
        await confirmed(on, "✅ 체결", "005930 2 시장가")
        (row,) = attempts(on)
        environ = on.broker.environ("")

    assert json.loads(row["body"])["ORD_QTY"] == "2"
    assert environ["KIS_ACCOUNT"][:8] not in row["body"] + row["answer"]
    assert (row["outcome"], row["status"], row["sent"], len(row["digest"])) == ("placed", 200, 1, 64)
    assert row["seconds"] > 0


async def test_the_brokers_own_row_is_held_against_the_ticket_and_a_difference_stops_everything():
    async with stage(**FAST) as on:
        card = await confirmed(on, "📨 접수", "005930 5 60000")
        await on.telegram.wait(OWNER.id, "증권사 내역과 일치")
        (order,) = on.app.parts.desk.working()
        assert order.checked is ReadBackResult.SAME
        assert "거래" not in card

        on.broker.faults.plant("refuse", path="inquire-daily-ccld", times=-1)
        ticket = await say(on, "/buy 000660 1 200000", "매수 확인")
        on.broker.faults.clear()
        await press(on, ticket, "확인", "주문번호")
        (mine,) = [one for one in on.app.parts.desk.working() if one.code == "000660"]
        (booked,) = [one for one in on.broker.exchange.orders if one.number == mine.order_no]
        on.app.storage.db.execute("UPDATE orders SET checked = 'none' WHERE id = ?", [mine.id])
        booked.quantity = 7
        await reread(on)

        await on.telegram.wait(OWNER.id, "승인한 주문과 다릅니다")
        assert on.app.parts.trading_halt.now().why == "MISMATCH"
        assert on.app.parts.trading_halt.now().level is HaltLevel.NEW


async def test_terms_changed_behind_our_back_are_not_sent():
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 60000", "매수 확인")
        on.app.storage.db.execute("UPDATE orders SET quantity = 100")
        await on.telegram.tap(OWNER.id, ticket.message_id, "확인")
        await say(on, "/price 000660", "하이닉스")
        assert posts(on) == 0

        other = await say(on, "/buy 000660 1 200000", "매수 확인")
        on.app.storage.db.execute("UPDATE orders SET quantity = 100 WHERE code = '000660'")
        terms = next(
            order for order in on.app.storage.journal.in_state({OrderState.PROPOSED}) if order.code == "000660"
        ).terms()
        on.app.storage.db.execute("UPDATE buttons SET terms = ?", [terms])
        await press(on, other, "확인", "확인하신 주문과 달라")
        assert posts(on) == 0


async def test_the_same_order_twice_needs_a_second_and_different_tap():
    async with stage(**FAST) as on:
        await confirmed(on, "✅ 체결", "005930 1 시장가")
        ticket = await say(on, "/buy 005930 1 시장가", "똑같은 주문")
        assert "확인" in ticket.buttons[0][0].text

        asked = await press(on, ticket, "확인", "그래도 내시겠습니까")
        assert [key.text for key in asked.buttons[0]] == ["✖ 취소", "⚠️ 그래도 매수 1주"]
        assert posts(on) == 1
        await press(on, asked, "그래도", "주문번호")
        assert posts(on) == 2


async def test_an_hts_order_on_the_same_terms_counts_as_the_same_order():
    async with stage(**FAST) as on:
        on.broker.exchange.submit(Side.BUY, "005930", "00", 3, 60_000, channel="Nsmart")
        await reread(on)

        await say(on, "/buy 005930 3 60000", "똑같은 주문")


# --- revisions and cancels --------------------------------------------------------------------------------------------


async def test_a_revision_goes_on_under_a_new_number_and_the_chain_is_kept():
    async with stage(**FAST) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")
        (parent,) = on.app.parts.desk.working()
        asked = await say(on, f"/revise {parent.order_no}", "새 가격은")
        assert any("현재가" in key.text for row in asked.buttons for key in row)
        ticket = await say(on, f"/정정 {parent.order_no} 61000", "정정 확인")
        assert "5주 × 61,000원" in ticket.text
        await press(on, ticket, "확인", "주문번호")
        await reread(on, 2)

        await on.telegram.wait(OWNER.id, "정정됨")
        (child,) = on.app.parts.desk.working()
        assert (child.parent, child.price, child.quantity, child.checked) == (parent.id, 61_000, 5, ReadBackResult.SAME)
        assert on.app.storage.journal.get(parent.id).state is OrderState.REPLACED
        assert on.app.storage.journal.get(parent.id).moved_to == child.order_no
        on.broker.exchange.trade("005930", 61_000, 5)
        await reread(on)
        await on.telegram.wait(OWNER.id, "누적 5/5주")
        assert sum("누적" in text for text in spoken(on)) == 1, "told once, for the order that filled"


async def test_a_revision_whose_answer_is_lost_is_found_by_its_parent_and_not_repeated():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")
        (parent,) = on.app.parts.desk.working()
        ticket = await say(on, f"/revise {parent.order_no} 61000", "정정 확인")
        on.broker.faults.plant("lose_reply", path="order-rvsecncl")
        await press(on, ticket, "확인", "확인중(불명)")
        await reread(on)
        clock.jump(seconds=11)
        await reread(on, 2)

        await on.telegram.wait(OWNER.id, "주문내역에서 찾았습니다")
        assert posts(on, "order-rvsecncl") == 1
        (child,) = on.app.parts.desk.working()
        assert (child.link, child.price) == (Link.MATCHED, 61_000)


async def test_a_revision_takes_what_a_fill_has_left_over():
    async with stage(**FAST) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")
        (parent,) = on.app.parts.desk.working()
        ticket = await say(on, f"/revise {parent.order_no} 59000", "정정 확인")
        on.broker.exchange.trade("005930", 60_000, 2)
        await press(on, ticket, "확인", "주문번호")
        await reread(on, 2)

        (child,) = on.app.parts.desk.working()
        assert child.quantity == 3
        before = on.app.storage.journal.get(parent.id)
        assert (before.filled, before.state) == (2, OrderState.REPLACED)
        assert on.app.parts.trading_halt.now().level is HaltLevel.OFF


async def test_an_order_revised_by_hand_in_hts_is_told_under_both_numbers():
    async with stage(**FAST) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")
        (parent,) = on.app.parts.desk.working()
        on.broker.exchange.revise(parent.order_no, 61_000, channel="Nsmart")
        await reread(on)
        await on.telegram.wait(OWNER.id, "정정됨")
        on.broker.exchange.trade("005930", 61_000, 5)
        await reread(on)

        await on.telegram.wait(OWNER.id, "외부 주문")
        assert on.app.storage.journal.get(parent.id).filled == 0


async def test_a_filled_order_cannot_be_revised():
    async with stage(**FAST) as on:
        await confirmed(on, "✅ 체결", "005930 1 시장가")
        (order,) = on.app.storage.journal.in_state({OrderState.FILLED})

        await say(on, f"/revise {order.order_no} 60000", "정정·취소할 수 있는 주문 중에")


async def test_cancel_all_asks_once_and_takes_them_all():
    async with stage(**FAST) as on:
        await say(on, "/cancel all", "미체결 주문이 없습니다")
        for code, price in (("005930", 60_000), ("035720", 50_000)):
            await confirmed(on, "📨 접수", f"{code} 2 {price}")

        asked = await say(on, "/취소 전체", "미체결 2건을")
        await press(on, asked, "전체 취소", "취소 완료")
        await reread(on)
        await on.telegram.tap(OWNER.id, asked.message_id, "전체 취소")

        assert on.app.parts.desk.working() == []
        assert posts(on, "order-rvsecncl") == 2


async def test_a_cancel_that_kis_throttles_is_asked_again():
    async with stage(**FAST) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")
        (order,) = on.app.parts.desk.working()
        on.broker.faults.plant("throttle", path="order-rvsecncl")

        await say(on, f"/cancel {order.order_no}", "취소 완료", within=10)

        assert posts(on, "order-rvsecncl") == 2


# --- being blind ------------------------------------------------------------------------------------------------------


async def test_a_time_in_which_nothing_could_be_seen_is_told_when_it_ends_with_what_was_found():
    clock = Ahead()
    async with stage(**FAST, clock=clock, ticks=clock.ticks) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")
        await reread(on)
        on.broker.faults.plant("refuse", path="inquire-daily-ccld", times=-1)
        await reread_failing(on)
        clock.jump(seconds=65)
        on.broker.exchange.trade("005930", 60_000, 2)
        on.broker.faults.clear()
        await reread(on)

        told = await on.telegram.wait(OWNER.id, "볼 수 없던 시간")
        assert "읽지 못했습니다" in told.text
        assert "체결 1건 · 주문 1건에서 모두 2주" in told.text
        await on.telegram.wait(OWNER.id, "누적 2/5주")


async def test_a_clock_that_is_set_forward_makes_no_time_in_which_nothing_could_be_seen():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        await confirmed(on, "📨 접수", "005930 5 60000")
        await reread(on)
        clock.jump(hours=2)
        await reread(on, 2)

        assert not [text for text in spoken(on) if "볼 수 없던 시간" in text]


async def reread_failing(on) -> None:
    """Have the list read once more, in vain."""
    on.app.parts.report_poll.wake()
    await asyncio.sleep(0.1)


def attempts(on) -> list[dict]:
    """Every try at the wire, as the journal keeps it."""
    return list(on.app.storage.db.query("SELECT * FROM attempts ORDER BY order_id, n"))


# --- how pressing its card is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "word", "urgency"),
    [
        ({"kind": "lose_reply"}, "확인중(불명)", 0),
        ({"kind": "refuse", "code": "APBK1943", "message": "불가", "status": 200}, "⛔ 거부", 1),
        ({}, "📨 접수", 3),
    ],
)
async def test_a_card_that_tells_of_doubt_or_a_refusal_goes_before_fills_and_one_that_tells_of_acceptance_after(
    fault, word, urgency
):
    async with stage(**FAST) as on:
        if fault:
            on.broker.faults.plant(fault.pop("kind"), path="order-cash", **fault)
        await confirmed(on, word, "005930 1 60000")
        row = on.app.storage.db.execute(
            "SELECT urgency FROM outbox WHERE kind = 'card' ORDER BY id DESC LIMIT 1"
        ).fetchone()

        assert row[0] == urgency
        assert KINDS["fill"].urgency == 2
