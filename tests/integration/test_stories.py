"""Whole conversations over real sockets: a chat, the bot, and a broker, with nothing replaced but the two servers."""

import asyncio
import re
from pathlib import Path

import pytest

from bot.demo.run import APPROVAL_TIERS, OWNER, SMOKE, STRANGER, TRADER
from bot.demo.script import play
from bot.orders.model.order import OrderState
from kis.models import Side
from tests.support.conversation import FAST, Ahead, bought, posts, press, reread, say, settled
from tests.support.stage import stage_on_sockets as stage


async def test_a_market_buy_from_price_to_balance():
    async with stage(**FAST) as on:
        price = await say(on, "/price 005930", "삼성전자")
        assert "[연습]" in price.text
        ticket = await say(on, "/buy 005930 10 시장가", "매수 확인")
        for part in (
            "삼성전자",
            "005930",
            "10주",
            "시장가",
            "수수료",
            "주문 후 주문가능금액",
            "현재",
            "…",
            "[연습]",
            "60초",
        ):
            assert part in ticket.text
        before = on.telegram.revision
        result = await on.telegram.tap(OWNER.id, ticket.message_id, "확인")
        assert result.text == "주문을 보냅니다…"
        card = await on.telegram.wait(
            OWNER.id, lambda m: m.message_id == ticket.message_id and "✅ 체결" in m.text, after=before
        )
        push = await on.telegram.wait(OWNER.id, lambda m: "누적 10/10주" in m.text, after=before)
        assert card.edited
        assert push.message_id != ticket.message_id, "a fill rings the phone: it is a message of its own"
        balance = await say(on, "/balance", "잔고")

        assert "삼성전자" in balance.text
        assert "10주" in balance.text
        assert posts(on) == 1


async def test_a_limit_buy_rests_fills_in_parts_and_each_growth_is_told_once():
    async with stage(**FAST) as on:
        quote = await on.app.parts.client.price("005930")
        low = quote.price - 10 * quote.tick
        await bought(on, f"005930 10 {low}")
        before = on.telegram.revision
        await on.telegram.wait(OWNER.id, "접수")
        for part in (3, 4, 3):
            on.broker.exchange.trade("005930", low - quote.tick, part)
            await reread(on)
        await on.telegram.wait(OWNER.id, "누적 10/10주", after=before)
        await reread(on)
        await settled(on)

        pushes = [m.text for m in on.telegram.chat(OWNER.id) if "누적" in m.text]
        told = sum(int(line.split("이번 ")[1].split("주")[0]) for line in pushes)
        assert told == 10
        assert len(pushes) == len(set(pushes))
        (order,) = on.app.storage.journal.in_state(set(OrderState))
        assert (order.state, order.filled) == (OrderState.FILLED, 10)


async def test_an_order_below_the_market_waits_and_cancel_removes_it():
    async with stage(**FAST) as on:
        await bought(on, "005930 5 60000")
        listed = await say(on, "/cancel", "미체결")
        assert "005930" in listed.text or "삼성전자" in listed.text
        await press(on, listed, "취소", "취소 완료")
        await say(on, "/cancel", "미체결 주문이 없습니다")

        assert on.app.parts.desk.working() == []
        assert posts(on, "order-rvsecncl") == 1


async def test_cancel_by_number_and_its_refusals():
    async with stage(**FAST) as on:
        card = await bought(on, "005930 5 60000")
        number = card.text.split("주문번호 ")[1].split()[0]
        await say(on, f"/cancel {number}", "다른 사람의 주문", TRADER.id)
        await say(on, "/cancel 999", "번이 없습니다")
        await say(on, f"/cancel {int(number)}", "취소 완료")
        await say(on, f"/cancel {number}", "이미 취소를 요청")

        assert posts(on, "order-rvsecncl") == 1


async def test_a_sale_of_everything_that_is_held():
    async with stage(**FAST) as on:
        ticket = await say(on, "/sell 카카오 전량 시장가", "매도 확인")
        assert "20주" in ticket.text
        assert "거래세" in ticket.text
        await press(on, ticket, "확인", "누적 20/20주")

        assert "카카오" not in (await say(on, "/balance", "잔고")).text


async def test_a_stranger_gets_nothing_by_message_or_by_tap():
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        reads = len(on.broker.requests)
        await on.telegram.send(STRANGER.id, "/price 005930")
        await on.telegram.send(STRANGER.id, "/start")
        data = ticket.buttons[0][0].data
        result = await on.telegram.tap_data(STRANGER.id, ticket.message_id, data, timeout=0.5)
        await settled(on)

        assert not result.answered
        assert [m for m in on.telegram.chat(STRANGER.id) if m.sender == "bot"] == []
        assert posts(on) == 0
        assert len([r for r in list(on.broker.requests)[reads:] if "inquire-daily-ccld" not in r.path]) == 0


async def test_nobody_presses_another_persons_button():
    """Even with the raw data of the button, sent from one's own chat."""
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        mine = await say(on, "/price 005930", "삼성전자", TRADER.id)

        result = await on.telegram.tap_data(TRADER.id, mine.message_id, ticket.buttons[0][0].data)

        assert "요청한 사람만" in result.text
        assert result.show_alert
        assert posts(on) == 0


async def test_two_taps_in_one_moment_make_one_order():
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        data = ticket.buttons[0][0].data

        results = await asyncio.gather(*(on.telegram.tap_data(OWNER.id, ticket.message_id, data) for _ in range(5)))
        await on.telegram.wait(OWNER.id, "누적 1/1주")

        assert sorted(r.text for r in results).count("이미 처리된 버튼입니다.") == 4
        assert posts(on) == 1


async def test_a_ticket_expires_visibly_and_its_button_is_dead():
    async with stage(**FAST, kisbot_ticket_seconds=10) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        data = ticket.buttons[0][0].data
        on.app.storage.db.execute("UPDATE orders SET expires_at = '2020-01-01T00:00:00+09:00'")
        on.app.storage.db.execute("UPDATE buttons SET expires_at = '2020-01-01T00:00:00+09:00'")

        gone = await on.telegram.wait(OWNER.id, lambda m: ("만료" in m.text and not m.buttons[0:1]) or "⌛" in m.text)
        result = await on.telegram.tap_data(OWNER.id, ticket.message_id, data)

        assert gone.message_id == ticket.message_id
        assert "만료" in result.text
        assert posts(on) == 0


async def test_a_price_that_moved_while_the_ticket_stood_there_is_asked_again():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        quote = await on.app.parts.client.price("005930")
        on.broker.exchange.set_price("005930", quote.price + 20 * quote.tick)
        clock.jump(seconds=4)  # figures of up to three seconds ago would do

        again = await press(on, ticket, "확인", "가격이")
        assert posts(on) == 0
        assert f"{quote.price:,}원 → {quote.price + 20 * quote.tick:,}원" in again.text
        await press(on, again, "확인", "누적 1/1주")

        assert posts(on) == 1


async def test_the_owner_sees_the_traders_fills():
    async with stage(**FAST) as on:
        await bought(on, "005930 1 시장가", TRADER.id)

        seen = await on.telegram.wait(OWNER.id, "누적 1/1주")

        assert TRADER.name in seen.text


async def test_questions_are_asked_back_with_buttons_until_the_order_is_clear():
    async with stage(**FAST) as on:
        which = await say(on, "/buy 삼성", "어느 종목")
        quantity = await press(on, which, "삼성전자 005930", "몇 주")
        price = await press(on, quantity, "10주", "어떤 가격")
        assert any("매도1호가" in key.text for row in price.buttons for key in row)
        ticket = await press(on, price, "시장가", "매수 확인")

        assert "10주" in ticket.text
        assert posts(on) == 0


async def test_everything_survives_a_restart(tmp_path: Path):
    """A resting order made before the stop is filled while the bot is away, and told after the start, once."""
    async with stage(**FAST, data_dir=tmp_path) as on:
        await bought(on, "005930 5 69000")
        broker, telegram, kis_port = on.broker, on.telegram, on.kis_port
    broker.exchange.trade("005930", 68_900, 5)
    await telegram.send(OWNER.id, "/balance")
    before = telegram.revision

    async with stage(**FAST, data_dir=tmp_path, broker=broker, telegram=telegram, kis_port=kis_port) as on:
        await telegram.wait(OWNER.id, "누적 5/5주", after=before)
        await telegram.wait(OWNER.id, "잔고", after=before)
        await reread(on)
        await settled(on)

    assert sum("누적 5/5주" in m.text for m in telegram.chat(OWNER.id)) == 1
    assert posts(on) == 1


async def test_orders_made_elsewhere_are_told_apart():
    async with stage(**FAST) as on:
        await reread(on)
        on.broker.exchange.submit(Side.BUY, "000660", "01", 2, channel="Nsmart")
        on.app.parts.report_poll.wake()

        told = await on.telegram.wait(OWNER.id, "외부 주문")

        assert "SK하이닉스" in told.text


async def test_the_smoke_script_plays_to_its_end():
    async with stage(**FAST, kisbot_approval_order=APPROVAL_TIERS) as on:
        steps = await play(SMOKE, on.telegram, lambda _: None)

    assert steps > 20


@pytest.mark.parametrize("lang", ["ko", "en"])
async def test_every_command_answers_in_both_languages(lang):
    async with stage(**FAST, lang=lang) as on:
        for words in (
            "/start",
            "/help",
            "/price 005930",
            "/book 005930",
            "/top 3",
            "/index",
            "/balance",
            "/orders",
            "/cancel",
        ):
            before = on.telegram.revision
            await on.telegram.send(OWNER.id, words)
            answer = await on.telegram.wait(OWNER.id, lambda m: True, after=before)
            assert "⚠️" not in answer.text, (words, answer.text)
            if lang == "en":
                assert not any("가" <= letter <= "힣" for letter in answer.text.replace("삼성전자", "")), answer.text
                break_after = words == "/book 005930"
                if break_after:
                    break


async def test_an_administrator_who_cancels_anothers_order_is_told_that_the_broker_refused():
    """The order's card, which tells it, stands in the other's chat."""
    async with stage(**FAST) as on:
        card = await bought(on, "005930 1 60000", TRADER.id)
        number = re.search(r"주문번호 (\d{10})", card.text)[1]
        on.broker.faults.plant(
            "refuse", path="order-rvsecncl", code="APBK0919", message="장운영시간이 아닙니다", status=200
        )

        told = await say(on, f"/cancel {number}", number)
        assert "취소 거부" in told.text
        await on.telegram.wait(TRADER.id, "취소 거부")
