"""A second pair of eyes: nobody's large order leaves without the others' consent, and consent holds for what was shown."""

import asyncio
import contextlib
from functools import partial

import pytest

from bot.demo.run import OWNER, TOKEN
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.access.roles import Actor, Role
from bot.orders.model.order import OrderState
from bot.orders.risk.trading_halt import HaltLevel
from tests.support.conversation import FAST, Ahead, posts, press, reread, say, spoken
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time

ADMIN, TRADER, OTHER = (
    ChatUser(2001, "최관리", "관리자"),
    ChatUser(2002, "이주문", "매매자"),
    ChatUser(2003, "정매매", "매매자"),
)
EVERYBODY = (OWNER, ADMIN, TRADER, OTHER)
ONE = {"kisbot_approval_order": "300000=1"}
TWO = {"kisbot_approval_order": "300000=2"}


@contextlib.asynccontextmanager
async def club(**settings):
    """Four people: an owner, an administrator and two traders."""
    clock = settings.pop("clock", Ahead())
    telegram = settings.pop("telegram", None) or LocalTelegram(token=TOKEN, people=EVERYBODY, clock=clock)
    async with stage(**FAST, clock=clock, telegram=telegram, **settings) as on:
        on.app.storage.people.put(ADMIN.id, ADMIN.name, Role.ADMIN)
        on.app.storage.people.put(TRADER.id, TRADER.name, Role.TRADER)
        on.app.storage.people.put(OTHER.id, OTHER.name, Role.TRADER)
        on.clock = clock
        yield on


async def ask(on, words="005930 10 60000", person=TRADER):
    """A ticket, confirmed by the one who ordered: the request stands in everybody's chat."""
    ticket = await say(on, f"/buy {words}", "매수 확인", person.id)
    return await press(on, ticket, "확인", "승인 대기", person.id)


async def asked(on, person=ADMIN):
    """The request as somebody who may agree sees it."""
    return await on.telegram.wait(
        person.id, lambda m: "승인 대기" in m.text and len(m.buttons) > 0 and len(m.buttons[0]) == 2
    )


async def test_a_large_order_leaves_when_somebody_else_agrees_and_everybody_sees_who():
    async with club(**ONE) as on:
        await ask(on)
        assert posts(on) == 0
        card = await asked(on)
        for words in ("10주 × 60,000원", "주문자 이주문 …2002", "체결되면 보유 10주", "오늘 주문 합계", "승인 0/1"):
            assert words in card.text

        await press(on, card, "승인", "주문번호", ADMIN.id)

        assert posts(on) == 1
        for person in (TRADER, OWNER, ADMIN):
            await on.telegram.wait(person.id, "승인: 최관리")
        assert [order.approvals for order in on.app.parts.desk.working()] == [1]


async def test_a_small_order_needs_nobody_and_a_cancel_never_does():
    async with club(**ONE) as on:
        ticket = await say(on, "/buy 005930 2 60000", "매수 확인", TRADER.id)
        await press(on, ticket, "확인", "주문번호", TRADER.id)
        (order,) = on.app.parts.desk.working()

        await say(on, f"/cancel {order.order_no}", "취소 완료", TRADER.id)


async def test_one_refusal_ends_it():
    async with club(**TWO) as on:
        await ask(on)
        await press(on, await asked(on, OWNER), "승인", "승인 1/2", OWNER.id)
        await press(on, await asked(on), "거절", "승인 거절", ADMIN.id)

        await on.telegram.wait(TRADER.id, "거절: 최관리")
        assert posts(on) == 0
        assert on.app.storage.journal.in_state({OrderState.DENIED})


async def test_two_must_agree_where_two_are_asked_for_and_a_restart_between_them_changes_nothing(tmp_path):
    clock = Ahead()
    async with club(**TWO, data_dir=tmp_path, clock=clock) as on:
        await ask(on)
        await press(on, await asked(on), "승인", "승인 1/2", ADMIN.id)
        same = {"telegram": on.telegram, "broker": on.broker, "kis_port": on.kis_port}
    async with club(**TWO, data_dir=tmp_path, clock=clock, **same) as on:
        assert posts(on) == 0
        await press(on, await asked(on, OWNER), "승인", "주문번호", OWNER.id)

        assert posts(on) == 1
        assert len(on.broker.exchange.orders) == 1


async def test_whoever_ordered_never_counts_whatever_their_role():
    async with club(**ONE) as on:
        await ask(on, person=ADMIN)
        mine = await on.telegram.wait(ADMIN.id, "승인 대기")
        assert [key.text for row in mine.buttons for key in row] == ["✖ 요청 취소"]

        await press(on, await asked(on, OWNER), "승인", "주문번호", OWNER.id)


async def test_the_one_who_ordered_may_withdraw():
    async with club(**ONE) as on:
        mine = await ask(on)
        await asked(on)
        await press(on, mine, "요청 취소", "취소 (보내지 않음)", TRADER.id)

        late = await on.telegram.wait(ADMIN.id, "취소 (보내지 않음)")
        assert not late.buttons
        assert posts(on) == 0


async def test_a_price_that_moved_meanwhile_is_asked_again_and_the_voices_are_void():
    async with club(**TWO) as on:
        await ask(on, "005930 10 시장가")
        await press(on, await asked(on), "승인", "승인 1/2", ADMIN.id)
        quote = await on.app.parts.client.price("005930")
        on.broker.exchange.set_price("005930", quote.price + 40 * quote.tick)
        on.clock.jump(seconds=4)
        await press(on, await asked(on, OWNER), "승인", "매수 확인", OWNER.id)

        again = await on.telegram.wait(TRADER.id, "가격이")
        assert f"{quote.price:,}원 → {quote.price + 40 * quote.tick:,}원" in again.text
        assert posts(on) == 0
        await press(on, again, "확인", "승인 대기", TRADER.id)
        (order,) = on.app.storage.journal.in_state({OrderState.PENDING})
        assert (order.approvals, order.round) == (0, 2)


def placed_or_pending(price, message):
    """Whether a card shows what became of the order at this price."""
    return price in message.text and ("주문번호" in message.text or "승인 대기" in message.text)


async def test_ten_slices_of_one_large_order_meet_the_limit_of_the_day():
    async with club(
        kisbot_approval_order="1000000=1",
        kisbot_approval_day="1000000=1",
        kisbot_duplicate_minutes=0,
        kisbot_orders_per_minute=0,
    ) as on:
        for n in range(4):
            ticket = await say(on, f"/buy 005930 {4 + n % 2} 6{n}000", "매수 확인", TRADER.id)
            await on.telegram.tap(TRADER.id, ticket.message_id, "확인")
            await on.telegram.wait(TRADER.id, partial(placed_or_pending, f"6{n},000원"))

        states = [order.state for order in on.app.storage.journal.in_state({OrderState.OPEN, OrderState.PENDING})]
        assert states == [OrderState.OPEN] * 3 + [OrderState.PENDING]


async def test_slices_pressed_together_count_each_other():
    """The first is not yet with the broker when the second is pressed: it counts all the same."""
    async with club(kisbot_approval_day="500000=1", kisbot_duplicate_minutes=0, kisbot_orders_per_minute=0) as on:
        tickets = [await say(on, f"/buy 005930 5 6{n}000", "매수 확인", TRADER.id) for n in range(3)]
        await asyncio.gather(*(on.telegram.tap(TRADER.id, one.message_id, "확인") for one in tickets))
        await asked(on)
        await reread(on)

        assert len(on.app.storage.journal.in_state({OrderState.OPEN})) == 1
        assert len(on.app.storage.journal.in_state({OrderState.PENDING})) == 2


@pytest.mark.parametrize(("role", "who"), [(Role.VIEWER, ADMIN), (Role.VIEWER, TRADER)])
async def test_a_role_taken_away_between_the_vote_and_the_sending_stops_the_order(role, who):
    async with club(**ONE) as on:
        await ask(on)
        card = await asked(on)
        on.broker.faults.plant("slow", path="inquire-daily-ccld", seconds=0.5, times=3)
        on.clock.jump(seconds=4)  # so that the figures are read again
        await on.telegram.tap(ADMIN.id, card.message_id, "승인")
        on.app.storage.people.put(who.id, who.name, role)

        await on.telegram.wait(TRADER.id, "보내지 않음")
        assert posts(on) == 0


async def test_an_approvers_late_tap_does_nothing():
    async with club(**ONE) as on:
        await ask(on)
        card = await asked(on)
        (approve,) = [key.data for key in card.buttons[0] if "승인" in key.text]
        on.clock.jump(days=1)
        await on.telegram.wait(TRADER.id, "⌛ 만료")
        await on.telegram.tap_data(ADMIN.id, card.message_id, approve)

        await on.telegram.wait(ADMIN.id, "⌛ 만료")
        assert posts(on) == 0


async def test_nobody_left_to_agree_means_no_order():
    async with club(kisbot_approval_order="300000=3") as on:
        ticket = await say(on, "/buy 005930 10 60000", "매수 확인", TRADER.id)
        await press(on, ticket, "확인", "승인할 수 있는 사람이 모자라", TRADER.id)
        assert posts(on) == 0


async def test_a_brake_pulled_while_consent_was_given_stops_the_order():
    async with club(**ONE) as on:
        await ask(on)
        card = await asked(on)
        await say(on, "/halt", "신규중지", OTHER.id)
        await on.telegram.tap(ADMIN.id, card.message_id, "승인")

        await on.telegram.wait(TRADER.id, "신규 주문이 중지된")
        assert posts(on) == 0


async def test_deputies_step_in_after_a_time():
    async with club(**ONE, kisbot_approval_deputy_minutes=10) as on:
        await ask(on)
        await asked(on)
        assert not any("승인 대기" in text for text in spoken(on, OTHER.id))
        on.clock.jump(minutes=11)

        await press(on, await asked(on, OTHER), "승인", "주문번호", OTHER.id)
        assert posts(on) == 1


async def test_one_vote_a_person_and_one_effect_a_button():
    async with club(**TWO) as on:
        await ask(on)
        card = await asked(on)
        tokens = [key.data for key in card.buttons[0]]
        await asyncio.gather(*(on.telegram.tap(ADMIN.id, card.message_id, "승인") for _ in range(5)))
        await on.telegram.wait(TRADER.id, "승인 1/2")
        again = on.app.parts.desk.press(tokens[0].removeprefix("t:"), Actor(ADMIN.id, ADMIN.id, "", Role.ADMIN))
        assert again.verdict.value == "used"
        stolen = on.app.parts.desk.press(tokens[1].removeprefix("t:"), Actor(OTHER.id, OTHER.id, "", Role.TRADER))
        assert stolen.verdict.value == "not_yours"
        assert posts(on) == 0


async def test_letting_go_of_the_brakes_takes_another_administrator():
    async with club(**ONE) as on:
        await say(on, "/halt", "신규중지", TRADER.id)
        await say(on, "/resume", "권한이 없습니다", TRADER.id)
        await say(on, "/resume", "해제 동의를 물었습니다", ADMIN.id)
        assert on.app.parts.trading_halt.now().level is HaltLevel.NEW

        question = await on.telegram.wait(OWNER.id, "중지 해제 동의")
        assert "최관리 …2001:" in question.text
        await press(on, question, "동의", "정상", OWNER.id)
        assert on.app.parts.trading_halt.now().level is HaltLevel.OFF


async def test_a_consent_to_release_does_not_outlive_a_further_pull():
    async with club(**ONE) as on:
        await say(on, "/halt", "신규중지", TRADER.id)
        await say(on, "/resume", "해제 동의를 물었습니다", ADMIN.id)
        question = await on.telegram.wait(OWNER.id, "중지 해제 동의")
        await say(on, "/halt 동결", "동결", TRADER.id)
        await on.telegram.tap(OWNER.id, question.message_id, "동의")

        await say(on, "/status", "동결")


async def test_somebody_alone_in_charge_waits_a_little():
    async with stage(**{**FAST, "kisbot_resume_pause": 30}, clock=(clock := Ahead())) as on:
        await say(on, "/halt", "신규중지")
        await say(on, "/resume", "초 후에 다시")
        clock.jump(seconds=31)
        await say(on, "/resume", "정상")


async def test_the_policy_can_be_read_and_single_mode_says_so():
    async with club(**ONE, kisbot_approval_day="5000000=2") as on:
        text = (await say(on, "/policy", "승인 정책")).text
        assert "주문 1건 &gt; 300,000원: 1명" in text or "주문 1건 > 300,000원: 1명" in text
        assert "하루 합계" in text
    async with stage(**FAST) as on:
        await say(on, "/정책", "1인 모드")
        await say(on, "/status", "1인 모드")
