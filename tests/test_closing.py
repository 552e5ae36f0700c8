"""Reports with a broker and a Telegram behind them, held against the simulated exchange's own fills."""

import contextlib
import json
import re
from datetime import datetime
from fractions import Fraction

import pytest

from bot.demo.run import OWNER, TRADER, stage
from bot.orders.membership import Status
from kis.config import kst_now
from kis.krx import KST, sell_tax_rate
from kis.sim import Simulator
from kis.sim.faults import ALWAYS
from kis.sim.orders import HTS_CHANNEL, Side
from tests.support.talk import Ahead, bought, press, reread, say

FAST = {"kis_min_interval": 0.0, "kis_hts_id": "", "kisbot_resume_pause": 0}
HOLDINGS = {"000660": (3, 251_500), "035720": (60, 61_250), "069500": (80, 42_180)}
RATE = Fraction(142, 1_000_000)
NO = {"code": "APBK9999", "status": 200}
"""A refusal that no retry could mend, so that a test need not wait for one."""


class At(Ahead):
    """Starts at a moment of KST, and can be sent to another."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self.go(moment)

    def go(self, moment: str) -> None:
        """To a moment, at once."""
        self._ahead = datetime.fromisoformat(moment).replace(tzinfo=KST) - kst_now()


@contextlib.asynccontextmanager
async def house(clock, profile="real", **options):
    broker = options.pop("broker", None) or Simulator(
        profile=profile, clock=clock, holdings=HOLDINGS, rate_limit=False, token_rules=False
    )
    async with stage(broker=broker, clock=clock, **FAST, **options) as on:
        await on.app.closing.look()  # the base, where one is needed; the app looks only once a second
        yield on


def letters(on, person=OWNER.id):
    """What reports were written for a chat, in facts."""
    rows = on.app.db.execute("SELECT key, data FROM outbox WHERE kind = 'report' AND chat_id = ? ORDER BY id", [person])
    return {key: json.loads(data) for key, data in rows.fetchall()}


def truth(on, day):
    """What a day came to, from the exchange's fills alone: shares, money and average cost kept anew here."""
    lots = {code: (quantity, Fraction(average)) for code, (quantity, average) in HOLDINGS.items()}
    found = {"bought": 0, "sold": 0, "fee": 0, "tax": 0, "profit": Fraction(), "of": {}}
    amounts = {}
    for fill in on.broker.exchange.fills:
        order, amount = fill.order, fill.quantity * fill.price
        quantity, average = lots.get(order.code, (0, Fraction()))
        gain = Fraction()
        if order.side is Side.BUY:
            lots[order.code] = (quantity + fill.quantity, (quantity * average + amount) / (quantity + fill.quantity))
        else:
            lots[order.code] = (quantity - fill.quantity, average)
            gain = amount - fill.quantity * average
        if fill.at.date() != day:
            continue
        found["bought" if order.side is Side.BUY else "sold"] += amount
        found["profit"] += gain
        shares, won = found["of"].get((order.code, order.side.value), (0, 0))
        found["of"][order.code, order.side.value] = (shares + fill.quantity, won + amount)
        amounts[order] = amounts.get(order, 0) + amount
    for order, amount in amounts.items():
        fee = int(amount * RATE)
        tax = 0 if order.side is Side.BUY else int(amount * sell_tax_rate(day, etf=order.code == "069500"))
        found["fee"] += fee
        found["tax"] += tax
        found["profit"] -= (fee if order.side is Side.SELL else 0) + tax
    value = sum(quantity * on.broker.exchange.issues[code].last for code, (quantity, _) in lots.items())
    found["unrealised"] = value - sum(quantity * average for quantity, average in lots.values())
    return found


def agrees(told, right, fills):
    """A report's figures are the exchange's; a won of rounding is allowed for every fill that realised something."""
    taken = told["taken"]
    assert [taken[name] for name in ("bought", "sold", "fee", "tax")] == [
        right[name] for name in ("bought", "sold", "fee", "tax")
    ]
    assert abs(taken["profit"] - right["profit"]) <= fills
    assert abs(told["wealth"]["unrealised"] - right["unrealised"]) <= len(HOLDINGS) + 1


def trade_a_day(on):
    """Buys and sales from here and elsewhere, in several fills, one of them revised, one left open."""
    exchange = on.broker.exchange
    exchange.submit("buy", "005930", "market", 7)
    exchange.submit("sell", "005930", "market", 4)
    low = exchange.issues["005930"].last - 1_000
    resting = exchange.submit("buy", "005930", "limit", 10, low)
    exchange.trade("005930", low, 3)
    moved = exchange.revise(resting.number, low - 500)
    exchange.trade("005930", low - 500, 2)
    exchange.submit("sell", "035720", "market", 12, channel=HTS_CHANNEL)
    exchange.submit("sell", "069500", "market", 20)
    return moved


# --- what the report says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["real", "paper"])
async def test_the_report_at_the_close_is_what_the_exchange_did(profile):
    clock = At("2026-11-24 10:00")
    async with house(clock, profile) as on:
        moved = trade_a_day(on)
        clock.go("2026-11-24 15:41")
        await on.app.closing.look()
        push = await on.telegram.wait(OWNER.id, "정규장 마감")
        told = letters(on)["report:2026-11-24:1540:1001"]["report"]
        right = truth(on, clock().date())
        agrees(told, right, len(on.broker.exchange.fills))
        assert {(one["code"], one["side"]): (one["quantity"], one["amount"]) for one in told["fills"]} == right["of"]
        assert told["taken"]["estimated"] == (profile == "paper")
        assert told["taken"]["doubt"] == ""
        assert told["open_orders"] == 1
        assert moved.open == 5
        for part in (
            "삼성전자",
            "카카오",
            "실현손익",
            "수수료",
            "세금",
            "평가손익",
            "예수금",
            "D+2",
            "총평가",
            "미체결 1건",
            "외부",
        ):
            assert part in push.text
        assert ("추정" in push.text) == (profile == "paper")
        assert f"{abs(told['taken']['profit']):,}원" in push.text
        assert "12345678" not in push.text


async def test_orders_of_the_bot_are_told_from_those_made_elsewhere():
    clock = At("2026-11-24 10:00")
    async with house(clock) as on:
        ticket = await say(on, "/buy 005930 2 시장가", "매수 확인")
        await press(on, ticket, "확인", "누적 2/2주")
        on.broker.exchange.submit("buy", "005930", "market", 1, channel=HTS_CHANNEL)
        clock.go("2026-11-24 15:41")
        await on.app.closing.look()
        (fills,) = letters(on)["report:2026-11-24:1540:1001"]["report"]["fills"]
        assert (fills["quantity"], fills["orders"], fills["elsewhere"]) == (3, 2, 1)
        listed = await say(on, "/fills", "합계")
        assert [line.count("외부") for line in listed.text.splitlines() if "삼성전자" in line] == [0, 1]


async def test_the_change_of_the_day_is_told_where_its_beginning_was_seen():
    clock = At("2026-11-24 10:00")
    async with house(clock) as on:
        total = (await on.app.client.balance()).total_value
        on.app.runs.begin_day(clock().date(), total - 10_000)
        clock.go("2026-11-24 15:41")
        await on.app.closing.look()
        assert "+10,000원" in (await on.telegram.wait(OWNER.id, "정규장 마감")).text


async def test_a_sum_of_the_brokers_that_lags_behind_its_list_is_called_that():
    clock = At("2026-11-24 10:00")
    async with house(clock) as on:
        on.broker.exchange.submit("sell", "035720", "market", 2)
        on.broker.exchange.fills.clear()  # its profit table is made of these, its list is not
        clock.go("2026-11-24 15:41")
        await on.app.closing.look()
        assert "아직 반영되지 않은 체결" in (await on.telegram.wait(OWNER.id, "정규장 마감")).text


# --- when, to whom, how often -----------------------------------------------------------------------------------------


async def test_everybody_who_is_let_in_gets_it_and_nobody_else():
    clock = At("2026-11-24 15:00")
    async with house(clock) as on:
        on.app.people.suspend(TRADER.id)
        clock.go("2026-11-24 15:41")
        await on.app.closing.look()
        assert len(letters(on)) == 1
        assert letters(on, TRADER.id) == {}
        on.app.people.resume(TRADER.id)
        assert on.app.people.get(TRADER.id).status is Status.ACTIVE
        clock.go("2026-11-24 20:11")
        await on.app.closing.look()
        assert list(letters(on, TRADER.id)) == ["report:2026-11-24:2010:1002"]


async def test_the_app_itself_reports_and_calls_what_follows_once():
    clock = At("2026-11-24 15:39")
    async with house(clock) as on:
        called = []
        on.app.closing.after = called.append
        clock.go("2026-11-24 15:40")
        await on.telegram.wait(OWNER.id, "정규장 마감", timeout=4)
        await on.app.closing.look()
        clock.go("2026-11-24 20:11")
        await on.telegram.wait(OWNER.id, "애프터마켓 마감", timeout=4)
        assert [f"{one:%H:%M}" for one in called] == ["15:40", "20:10"]


async def test_the_evening_is_two_lines_and_quiet_if_nothing_filled_since_and_full_if_something_did():
    clock = At("2026-11-24 10:00")
    async with house(clock) as on:
        on.broker.exchange.submit("sell", "035720", "market", 2)
        clock.go("2026-11-24 15:41")
        await on.app.closing.look()
        clock.go("2026-11-24 20:11")
        await on.app.closing.look()
        evening = await on.telegram.wait(OWNER.id, "애프터마켓 마감")
        assert len(evening.text.splitlines()) == 2
        assert [one.get("quiet", False) for one in letters(on).values()] == [False, True]
        clock.go("2026-11-25 15:41")
        await on.app.closing.look()
        on.broker.exchange.submit("sell", "035720", "market", 2)
        clock.go("2026-11-25 20:11")
        await on.app.closing.look()
        assert [one.get("quiet", False) for one in letters(on).values()] == [False, True, False, False]


@pytest.mark.parametrize("day", ["2026-11-22", "2026-12-25"])
async def test_on_a_closed_day_nothing_is_said(day):
    clock = At(f"{day} 10:00")
    async with house(clock) as on:
        for at in ("15:41", "20:11", "23:59"):
            clock.go(f"{day} {at}")
            await on.app.closing.look()
        assert letters(on) == {}


@pytest.mark.parametrize(
    ("back", "keys"),
    [
        ("2026-11-24 15:55", ["1540"]),
        ("2026-11-24 21:00", ["2010"]),
        ("2026-11-25 00:10", []),
        ("2026-11-19 15:55", []),
        ("2026-11-19 16:55", ["1640"]),
    ],
)
async def test_a_bot_that_was_down_at_the_close_reports_the_newest_of_today_once(tmp_path, back, keys):
    """Exam day closes an hour late. A second start repeats nothing."""
    clock = At(f"{back[:10]} 00:05") if back[11:13] != "00" else At("2026-11-24 10:00")
    async with house(clock, data_dir=tmp_path) as on:
        broker, telegram = on.broker, on.telegram
    clock.go(back)
    for _ in range(2):
        async with house(clock, broker=broker, telegram=telegram, data_dir=tmp_path) as on:
            await on.app.closing.look()
            assert list(letters(on)) == [f"report:{back[:10]}:{one}:1001" for one in keys]
            assert [("quiet" in one) for one in letters(on).values()] == [False] * len(keys)


async def test_what_closed_before_the_bot_was_first_started_is_not_reported():
    clock = At("2026-11-24 15:55")
    async with house(clock) as on:
        await on.app.closing.look()
        assert letters(on) == {}
        clock.go("2026-11-24 20:11")
        await on.app.closing.look()
        assert list(letters(on)) == ["report:2026-11-24:2010:1001"]


async def test_a_crash_between_the_letters_and_what_follows_loses_neither(tmp_path):
    clock = At("2026-11-24 15:00")

    def crash(_moment):
        raise RuntimeError("killed here")

    async with house(clock, data_dir=tmp_path) as on:
        on.app.closing.after = crash
        clock.go("2026-11-24 15:41")
        await on.app.closing.look()
        assert (len(letters(on)), undone(on)) == (1, ["2026-11-24T15:40:00+09:00"])
        broker = on.broker
    async with house(clock, broker=broker, data_dir=tmp_path) as on:
        await on.app.closing.look()
        assert (len(letters(on)), undone(on)) == (1, [])


async def test_what_follows_is_tried_again_if_it_fails_and_the_letters_are_not_repeated():
    clock = At("2026-11-24 15:00")
    called = []

    def fails_once(moment):
        called.append(moment)
        if len(called) == 1:
            raise RuntimeError("not yet")

    async with house(clock) as on:
        on.app.closing.after = fails_once
        for at in ("15:41", "15:43", "15:45"):
            clock.go(f"2026-11-24 {at}")
            await on.app.closing.look()
        assert (len(called), len(letters(on)), undone(on)) == (2, 1, [])


def undone(on):
    """Closings whose letters are written and what follows is not done."""
    return [moment for (moment,) in on.app.db.execute("SELECT moment FROM closings WHERE after_at IS NULL")]


async def test_while_kis_is_away_it_is_tried_every_minute_and_told_late():
    clock = At("2026-11-24 15:30")
    async with house(clock) as on:
        on.broker.faults.plant("refuse", times=ALWAYS, path="inquire-balance", **NO)
        clock.go("2026-11-24 15:41")
        await on.app.closing.look()
        asked = _balances(on)
        clock.go("2026-11-24 15:41:30")
        await on.app.closing.look()
        assert _balances(on) == asked, "not before a minute has passed"
        clock.go("2026-11-24 15:43")
        await on.app.closing.look()
        assert _balances(on) > asked
        assert letters(on) == {}
        on.broker.faults.clear()
        clock.go("2026-11-24 18:00")
        await on.app.closing.look()
        assert list(letters(on)) == ["report:2026-11-24:1540:1001"]
        assert "18:00" in (await on.telegram.wait(OWNER.id, "정규장 마감")).text, "figures bear the time they are of"


def _balances(on):
    return sum("inquire-balance" in one.path for one in on.broker.requests)


async def test_a_report_is_given_up_when_the_next_day_begins():
    clock = At("2026-11-24 15:30")
    async with house(clock) as on:
        on.broker.faults.plant("refuse", times=ALWAYS, path="inquire-balance", **NO)
        for at in ("2026-11-24 15:41", "2026-11-24 20:11", "2026-11-24 23:58"):
            clock.go(at)
            await on.app.closing.look()
        on.broker.faults.clear()
        clock.go("2026-11-25 00:02")
        await on.app.closing.look()
        assert letters(on) == {}


# --- /pnl -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["real", "paper"])
async def test_pnl_of_a_week_has_a_line_a_day_and_each_is_the_exchanges(profile):
    clock = At("2026-11-23 08:00")
    days = ("2026-11-23", "2026-11-24", "2026-11-25")
    async with house(clock, profile) as on:
        for day in days:
            clock.go(f"{day} 10:00")
            trade_a_day(on)
            clock.go(f"{day} 20:11")
            on.app.closing._next = clock()
            await on.app.closing.look()
        taken, _ = await on.app.bookkeeper.period(*(datetime.fromisoformat(one).date() for one in (days[0], days[-1])))
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
    async with house(clock, "paper") as on:
        on.broker.exchange.ledger.positions["035720"].quantity += 5
        on.broker.exchange.submit("sell", "035720", "market", 2)
        shown = await say(on, "/pnl", "실현손익")
        assert "실현손익 –" in shown.text
        assert "맞지 않아" in shown.text
        clock.go("2026-11-24 20:11")
        await on.app.closing.look()
        clock.go("2026-11-25 10:00")
        on.broker.exchange.submit("sell", "035720", "market", 2)
        assert "실현손익 –" not in (await say(on, "/pnl", "손익 11/25")).text
        assert "–" in (await say(on, "/pnl 주", "~ 11/25")).text


async def test_on_paper_what_was_sold_before_the_first_start_is_not_guessed():
    clock = At("2026-11-24 10:00")
    broker = Simulator(profile="paper", clock=clock, holdings=HOLDINGS, rate_limit=False, token_rules=False)
    broker.exchange.submit("sell", "035720", "market", 2)
    async with house(clock, broker=broker) as on:
        assert "기록하기 전의 매도" in (await say(on, "/pnl", "실현손익")).text


@pytest.mark.parametrize(
    "words",
    ["내일", "2026-13-01", "11-31", "2026-11-25", "12/01", "주말마다", "1234567890123", "0001-01-01", "２０２６"],
)
async def test_nonsense_and_days_to_come_get_a_sentence_and_no_call(words):
    clock = At("2026-11-24 10:00")
    async with house(clock) as on:
        await reread(on)
        asked = len(on.broker.requests)
        for command in ("/pnl", "/fills"):
            answer = await say(on, f"{command} {words}", "🚫")
            assert "날짜를 알아볼 수 없습니다" in answer.text or "아직 오지 않은 날" in answer.text
        assert len(on.broker.requests) == asked


# --- /fills -----------------------------------------------------------------------------------------------------------


async def test_fills_of_a_day_and_its_neighbours_by_button():
    clock = At("2026-11-20 10:00")  # a Friday
    async with house(clock) as on:
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
    async with house(clock) as on:
        await say(on, "/fills 2025-11-24", "체결이 없습니다")
        assert any(one.headers.get("tr_id") == "CTSC9215R" for one in on.broker.requests)


async def test_a_refusal_of_kis_is_told_in_words():
    clock = At("2026-11-24 10:00")
    async with house(clock) as on:
        on.broker.faults.plant(
            "refuse", times=ALWAYS, path="inquire-daily-ccld", message="조회 기간을 벗어났습니다", **NO
        )
        await say(on, "/fills 2025-11-24", "조회 기간을 벗어났습니다")


async def test_today_in_orders_shows_what_a_revised_order_filled():
    clock = At("2026-11-24 10:00")
    async with house(clock) as on:
        trade_a_day(on)
        shown = await say(on, "/orders", "오늘 체결")
        assert "2/7주" in shown.text


# --- the round-up -----------------------------------------------------------------------------------------------------


async def test_at_the_close_each_learns_what_they_had_silenced_and_only_those_who_had():
    clock = At("2026-11-25T10:00:00")
    async with house(clock) as on:
        await say(on, "/settings 체결 끔", "🚫 끔", TRADER.id)
        await bought(on, "005930 3 시장가", TRADER.id)
        await on.telegram.wait(OWNER.id, "누적 3/3주")
        before = on.telegram.revision
        clock.go("2026-11-25T15:40:01")
        await on.app.closing.look()

        listed = await on.telegram.wait(TRADER.id, "꺼 둔 알림 모음", after=before)
        assert "체결 삼성전자 매수 3/3주" in listed.text
        await on.telegram.wait(OWNER.id, "정규장 마감", after=before)
        clock.go("2026-11-25T20:10:01")
        await on.app.closing.look()
        await on.telegram.wait(TRADER.id, "애프터마켓 마감")

        kinds = on.app.db.execute("SELECT chat_id, state FROM outbox WHERE kind = 'roundup'").fetchall()
        assert [chat for chat, _ in kinds] == [TRADER.id], (
            "the owner had silenced nothing, and in the evening nothing was new"
        )
