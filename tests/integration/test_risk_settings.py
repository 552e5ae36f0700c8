"""The bot as a whole, over sockets: a second factor before large orders, limits of one's own, the story of an order."""

import asyncio

import pyotp
import pytest

from bot.demo.run import OWNER, TRADER
from tests.support.conversation import FAST, Ahead, bought, posts, press, say, spoken
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


async def test_a_large_order_waits_for_a_one_time_code_and_the_code_stays_nowhere(tmp_path):
    clock = Ahead()
    async with stage(
        **FAST, clock=clock, data_dir=tmp_path, kisbot_stepup_value=300_000, kisbot_stepup_idle_hours=0
    ) as on:
        on.app.parts.second_factor._factors.put_totp(OWNER.id, SECRET)
        small = await say(on, "/buy 005930 2 60000", "매수 확인")
        await press(on, small, "확인", "주문번호")

        ticket = await say(on, "/buy 005930 6 60000", "매수 확인")
        await press(on, ticket, "확인", "본인 확인")
        assert posts(on) == 1
        code = pyotp.TOTP(SECRET).at(clock())
        await say(on, code, "주문번호")

        assert posts(on) == 2
        await asyncio.sleep(0.1)
        on.app.storage.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("kisbot.db*"))
        assert code.encode() not in kept


async def test_a_wrong_code_sends_nothing_and_a_cancel_needs_none():
    async with stage(**FAST, kisbot_stepup_value=300_000, kisbot_stepup_idle_hours=0) as on:
        on.app.parts.second_factor._factors.put_totp(OWNER.id, SECRET)
        ticket = await say(on, "/buy 005930 6 60000", "매수 확인")
        await press(on, ticket, "확인", "본인 확인")
        before = on.telegram.revision
        await on.telegram.send(OWNER.id, "000000")
        await on.telegram.wait(OWNER.id, lambda m: "000000" not in m.text and m.sender == "bot", after=before)
        assert posts(on) == 0

        small = await say(on, "/buy 005930 2 60000", "매수 확인")
        await press(on, small, "확인", "주문번호")
        (order,) = on.app.parts.desk.working()
        await say(on, f"/cancel {order.order_no}", "취소 완료")


async def test_a_limit_of_ones_own_is_lowered_at_once_and_raised_tomorrow():
    async with stage(**FAST) as on:
        await say(on, f"/limits {TRADER.id} 1회수량 3", "3")
        await say(on, "/buy 005930 4 60000", "최대 수량은 3주", TRADER.id)
        await say(on, "/buy 005930 4 60000", "매수 확인")
        before = on.telegram.revision
        await on.telegram.send(OWNER.id, f"/limits {TRADER.id} 1회수량 9")
        await on.telegram.wait(OWNER.id, lambda m: m.sender == "bot" and "9" in m.text, after=before)

        await say(on, "/buy 000660 4 200000", "최대 수량은 3주", TRADER.id)


async def test_the_story_of_an_order_the_log_and_its_daily_head():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        await bought(on, "005930 1 시장가", TRADER.id)
        await on.telegram.wait(TRADER.id, "누적 1/1주")
        first = await say(on, "/why #1", "의 기록", TRADER.id)
        await press(on, first, "자세히", "일어난 순서", TRADER.id)
        await say(on, "/전말", "볼 수 있는 주문", OWNER.id)
        await say(on, "/audit", "권한이 없습니다", TRADER.id)
        await say(on, "/audit 5", "감사 기록")

        clock.jump(hours=24)
        await on.telegram.wait(OWNER.id, "🔏 기록 #")
        await asyncio.sleep(0.6)
        assert sum("🔏 기록 #" in text for text in spoken(on)) == 1


async def test_a_new_audit_key_is_announced(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        await say(on, "/help", "명령 안내")
    (tmp_path / "audit-day-key.json").unlink()
    async with stage(**FAST, data_dir=tmp_path, telegram=on.telegram) as on:
        await on.telegram.wait(OWNER.id, "새 키로 다시")
        assert on.app.parts.trading_halt.now().why == "RESTORED"
