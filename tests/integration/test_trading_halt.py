"""Trading halts: anybody stops, an owner lets go on, and what the program stops by itself stays stopped until then."""

import pytest

from bot.demo.run import OWNER, TRADER
from bot.orders.access.roles import Role
from bot.orders.model.order import OrderState
from bot.orders.risk.trading_halt import HaltLevel
from tests.support.conversation import FAST, Ahead, confirmed, posts, press, reread, say, settled, spoken
from tests.support.stage import stage
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time


async def test_a_halt_stops_what_is_new_and_lets_cancels_through_until_an_owner_resumes():
    async with stage(**FAST) as on:
        card = await confirmed(on, "📨 접수", "005930 5 60000")
        number = card.split("주문번호 ")[1].split()[0]
        waiting = await say(on, "/buy 000660 1 시장가", "매수 확인")

        await say(on, "/halt", "신규중지", TRADER.id)
        await on.telegram.wait(OWNER.id, "신규중지")
        await say(on, "/buy 005930 1 시장가", "신규 주문이 중지된")
        await press(on, waiting, "확인", "보내지 않음")
        await say(on, f"/cancel {number}", "취소 완료")
        await say(on, "/resume", "권한이 없습니다", TRADER.id)
        await say(on, "/status", "신규중지")

        await say(on, "/resume", "정상")
        await confirmed(on, "✅ 체결", "005930 1 시장가")
        assert posts(on) == 2


async def test_stopped_buys_let_sells_out():
    async with stage(**FAST) as on:
        await say(on, "/중지 매수", "매수중지")

        await say(on, "/buy 005930 1 시장가", "매수가 중지된")
        ticket = await say(on, "/sell 000660 1 시장가", "매도 확인")
        await press(on, ticket, "확인", "누적 1/1주")


async def test_cancel_all_by_the_brake_takes_every_open_order_back():
    async with stage(**FAST) as on:
        for code, price in (("005930", 60_000), ("035720", 50_000)):
            await confirmed(on, "📨 접수", f"{code} 2 {price}")

        await say(on, "/halt 전체취소", "전체취소")
        await reread(on, 2)
        await settled(on)

        assert on.app.parts.desk.working() == []
        assert sum("취소 완료" in text for text in spoken(on)) >= 2
        assert on.app.parts.trading_halt.now().level is HaltLevel.CANCEL_ALL
        await say(on, "/halt", "이미 그 단계까지")


async def test_a_viewer_may_stop_what_is_new_and_nothing_more():
    async with stage(**FAST) as on:
        on.app.storage.people.put(TRADER.id, TRADER.name, Role.VIEWER)

        await say(on, "/halt 전체취소", "권한이 없습니다", TRADER.id)
        await say(on, "/halt", "신규중지", TRADER.id)


async def test_frozen_makes_no_ticket_at_all():
    async with stage(**FAST) as on:
        await say(on, "/halt 동결", "동결")
        before = len(on.broker.requests)

        await say(on, "/buy 005930 1 시장가", "신규 주문이 중지된")

        assert not [one for one in list(on.broker.requests)[before:] if "inquire-price" in one.path]


async def test_two_orders_in_doubt_stop_the_account_until_they_are_settled():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        for code in ("005930", "000660"):
            on.broker.faults.plant("lose_reply", path="order-cash")
            await confirmed(on, "확인중(불명)", f"{code} 1 시장가")

        await on.telegram.wait(OWNER.id, "신규중지")
        await say(on, "/buy 035720 1 시장가", "결과를 모르는 주문이 두 건")
        await say(on, "/resume", "아직 풀 수 없습니다")
        await reread(on)
        clock.jump(seconds=11)
        await reread(on)
        await say(on, "/resume", "정상")
        await say(on, "/buy 035720 1 시장가", "매수 확인")
        assert posts(on) == 2


async def test_brakes_outlive_the_program(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        await say(on, "/halt", "신규중지")
    async with stage(**FAST, data_dir=tmp_path, telegram=on.telegram) as on:
        assert on.app.parts.trading_halt.now().level is HaltLevel.NEW
        await say(on, "/buy 005930 1 시장가", "신규 주문이 중지된")


async def test_after_an_unclean_end_buys_wait_for_a_person_and_after_a_clean_one_they_do_not(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        await confirmed(on, "✅ 체결", "005930 1 시장가")
    async with stage(**FAST, data_dir=tmp_path, telegram=on.telegram) as on:
        assert on.app.parts.trading_halt.now().level is HaltLevel.OFF
        on.app.storage.db.execute("UPDATE runs SET stopped_at = NULL")
        run = on.app.storage.runs.number
        on.app.storage.runs.number = -1  # as a kill would leave it: this run's end is never written
    async with stage(**FAST, data_dir=tmp_path, telegram=on.telegram) as on:
        assert on.app.storage.runs.number == run + 1
        await on.telegram.wait(OWNER.id, "매수중지")
        await say(on, "/buy 000660 1 시장가", "매수가 중지된")
        await say(on, "/resume", "정상")
        await say(on, "/buy 000660 1 시장가", "매수 확인")


async def test_a_database_restored_from_a_backup_starts_halted(tmp_path):
    old = tmp_path / "old.db"
    async with stage(**FAST, data_dir=tmp_path / "home") as on:
        on.app.storage.db.execute(f"VACUUM INTO '{old}'")
    async with stage(**FAST, data_dir=tmp_path / "home") as on:
        assert on.app.parts.trading_halt.now().level is HaltLevel.OFF
    database = tmp_path / "home" / "kisbot.db"
    for left in (tmp_path / "home").glob("kisbot.db*"):
        left.unlink()
    old.rename(database)

    async with stage(**FAST, data_dir=tmp_path / "home") as on:
        await on.telegram.wait(OWNER.id, "신규중지")
        await say(on, "/buy 005930 1 시장가", "예전 사본")
        assert on.app.storage.journal.in_state(set(OrderState)) == []


@pytest.mark.parametrize("words", ["/halt 살살", "/halt 9"])
async def test_a_level_that_does_not_exist_is_answered_with_those_that_do(words):
    async with stage(**FAST) as on:
        await say(on, words, "전체취소 · 동결")
        assert on.app.parts.trading_halt.now().level is HaltLevel.OFF


# --- what pulls them by itself ----------------------------------------------------------------------------------------


async def test_refusals_in_a_row_stop_everything_new():
    async with stage(**FAST, kisbot_cool_off_rejects=0, kisbot_duplicate_minutes=0, kisbot_orders_per_minute=0) as on:
        for n in range(5):
            on.broker.faults.plant("refuse", path="order-cash", code="APBK1943", message="불가", status=200)
            await confirmed(on, "⛔ 거부", f"005930 {n + 1} 60000")

        await on.telegram.wait(OWNER.id, "잇달아 거부")
        assert on.app.parts.trading_halt.now().level is HaltLevel.NEW
        await say(on, "/resume", "정상")
        await confirmed(on, "📨 접수", "005930 9 60000")
        assert on.app.parts.trading_halt.now().level is HaltLevel.OFF, "the count begins anew"


async def test_a_clock_far_from_the_brokers_stops_everything_new():
    async with stage(**FAST) as on:
        on.broker.faults.plant("skew", seconds=40, times=-1)
        for _ in range(25):
            await on.app.parts.client.price("005930")

        await on.telegram.wait(OWNER.id, "크게 어긋났습니다")
        assert on.app.parts.trading_halt.now().why == "CLOCK_DRIFT"


async def test_a_day_that_loses_too_much_stops_buys():
    clock = Ahead()
    async with stage(**FAST, clock=clock, kisbot_day_loss_percent=1) as on:
        clock.jump(seconds=6)
        await until(lambda: on.app.storage.runs.worth(clock().date()) is not None)
        worth = on.app.storage.runs.worth(clock().date())
        quote = await on.app.parts.client.price("069500")
        on.broker.exchange.set_price("069500", quote.lower_limit)
        clock.jump(minutes=6)

        await on.telegram.wait(OWNER.id, "오늘 손실이")
        assert on.app.parts.trading_halt.now().level is HaltLevel.BUYS
        assert worth > 0
        ticket = await say(on, "/sell 000660 1 시장가", "매도 확인")
        await press(on, ticket, "확인", "누적 1/1주")
