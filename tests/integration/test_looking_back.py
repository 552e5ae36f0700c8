"""/pnl and /fills with a broker and a Telegram behind them, held against the simulated exchange's own fills."""

import re
from datetime import datetime

import pytest

from kis.krx import KST
from kis.sim import Simulator
from kis.sim.faults.catalogue import ALWAYS
from tests.support.books import HOLDINGS, NO, At, harness, trade_a_day, truth
from tests.support.conversation import press, reread, say

pytestmark = pytest.mark.virtual_time

# --- /pnl -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["real", "paper"])
async def test_pnl_of_a_week_has_a_line_a_day_and_each_is_the_exchanges(profile):
    clock = At("2026-11-23 08:00")
    days = ("2026-11-23", "2026-11-24", "2026-11-25")
    async with harness(clock, profile) as on:
        for day in days:
            clock.go(f"{day} 10:00")
            trade_a_day(on)
            clock.go(f"{day} 20:11")
            on.app.parts.close_reports._next = clock()
            await on.app.parts.close_reports.check()
        taken, _ = await on.app.parts.bookkeeper.period(
            *(datetime.fromisoformat(one).date() for one in (days[0], days[-1]))
        )
        for one in taken.days:
            right = truth(on, one.day)
            assert (one.bought, one.sold, one.fee, one.tax) == tuple(
                right[name] for name in ("bought", "sold", "fee", "tax")
            )
            assert abs(one.profit - right["profit"]) <= 10
        assert len(taken.days) == 3
        assert taken.profit == sum(one.profit for one in taken.days)
        week = await say(on, "/pnl 주", "11/23(월) ~ 11/25(수)")
        assert len([line for line in week.text.splitlines() if re.match(r"11/2\d\(.\) (🔴|🔵|⚪|–)", line)]) == 3
        today = await press(on, week, "오늘", "손익 11/25(수)")
        assert today.message_id == week.message_id, "in place"
        month = await press(on, today, "이번 달", "11/01(일) ~ 11/25(수)")
        assert month.message_id == week.message_id
        await press(on, month, "체결", "합계")
        past = await say(on, "/손익 2026-11-24", "손익 11/24(화)")
        right = truth(on, datetime.fromisoformat(days[1]).date())
        assert f"매도 {right['sold']:,}원" in past.text


async def test_on_paper_shares_from_elsewhere_make_a_dash_with_its_reason_and_the_evening_mends_it():
    clock = At("2026-11-24 10:00")
    async with harness(clock, "paper") as on:
        on.broker.exchange.ledger.positions["035720"].quantity += 5
        on.broker.exchange.submit("sell", "035720", "market", 2)
        shown = await say(on, "/pnl", "실현손익")
        assert "실현손익 –" in shown.text
        assert "맞지 않아" in shown.text
        clock.go("2026-11-24 20:11")
        await on.app.parts.close_reports.check()
        clock.go("2026-11-25 10:00")
        on.broker.exchange.submit("sell", "035720", "market", 2)
        assert "실현손익 –" not in (await say(on, "/pnl", "손익 11/25")).text
        assert "–" in (await say(on, "/pnl 주", "~ 11/25")).text


async def test_on_paper_what_was_sold_before_the_first_start_is_not_guessed():
    clock = At("2026-11-24 10:00")
    broker = Simulator(profile="paper", clock=clock, holdings=HOLDINGS, rate_limit=False, token_rules=False)
    broker.exchange.submit("sell", "035720", "market", 2)
    async with harness(clock, broker=broker) as on:
        assert "기록하기 전의 매도" in (await say(on, "/pnl", "실현손익")).text


@pytest.mark.parametrize(
    "words",
    ["내일", "2026-13-01", "11-31", "2026-11-25", "12/01", "주말마다", "1234567890123", "0001-01-01", "２０２６"],
)
async def test_nonsense_and_days_to_come_get_a_sentence_and_no_call(words):
    clock = At("2026-11-24 10:00")
    async with harness(clock) as on:
        await reread(on)
        asked = len(on.broker.requests)
        for command in ("/pnl", "/fills"):
            answer = await say(on, f"{command} {words}", "🚫")
            assert "날짜를 알아볼 수 없습니다" in answer.text or "아직 오지 않은 날" in answer.text
        assert len(on.broker.requests) == asked


# --- /fills -----------------------------------------------------------------------------------------------------------


async def test_fills_of_a_day_and_its_neighbours_by_button():
    clock = At("2026-11-20 10:00")  # a Friday
    async with harness(clock) as on:
        trade_a_day(on)
        clock.go("2026-11-23 10:00")
        on.broker.exchange.submit("buy", "005930", "market", 1)
        today = await say(on, "/fills", "체결 11/23(월)")
        assert today.text.count("삼성전자") == 1
        friday = await press(on, today, "◀", "체결 11/20(금)")
        assert friday.message_id == today.message_id
        right = truth(on, datetime(2026, 11, 20, tzinfo=KST).date())
        assert f"매수 3건 {right['bought']:,}원 · 매도 3건 {right['sold']:,}원" in friday.text
        assert "3/10주" in friday.text, "the order that was revised"
        assert "2/7주" in friday.text, "its child"
        await press(on, friday, "▶", "체결 11/23(월)")
        sunday = await say(on, "/체결 어제", "체결 11/22(일)")
        assert "휴장일" in sunday.text
        assert "체결이 없습니다" in sunday.text


async def test_a_day_long_ago_is_asked_of_kis_in_its_other_call():
    clock = At("2026-11-24 10:00")
    async with harness(clock) as on:
        await say(on, "/fills 2025-11-24", "체결이 없습니다")
        assert any(one.headers.get("tr_id") == "CTSC9215R" for one in on.broker.requests)


async def test_a_refusal_of_kis_is_told_in_words():
    clock = At("2026-11-24 10:00")
    async with harness(clock) as on:
        on.broker.faults.plant(
            "refuse", times=ALWAYS, path="inquire-daily-ccld", message="조회 기간을 벗어났습니다", **NO
        )
        await say(on, "/fills 2025-11-24", "조회 기간을 벗어났습니다")


async def test_today_in_orders_shows_what_a_revised_order_filled():
    clock = At("2026-11-24 10:00")
    async with harness(clock) as on:
        trade_a_day(on)
        shown = await say(on, "/orders", "오늘 체결")
        assert "2/7주" in shown.text
