"""Reports with a broker and a Telegram behind them, held against the simulated exchange's own fills."""

import pytest

from bot.demo.run import OWNER, TRADER
from bot.orders.access.membership import Status
from kis.sim.exchange.orders import HTS_CHANNEL
from kis.sim.faults.catalogue import ALWAYS
from tests.support.books import NO, At, agrees, harness, reports, trade_a_day, truth
from tests.support.conversation import bought, press, say, settled

pytestmark = pytest.mark.virtual_time

# --- what the report says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["real", "paper"])
async def test_the_report_at_the_close_is_what_the_exchange_did(profile):
    clock = At("2026-11-24 10:00")
    async with harness(clock, profile) as on:
        moved = trade_a_day(on)
        clock.go("2026-11-24 15:41")
        await on.app.parts.close_reports.check()
        push = await on.telegram.wait(OWNER.id, "정규장 마감")
        told = reports(on)["report:2026-11-24:1540:1001"]["report"]
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
    async with harness(clock) as on:
        ticket = await say(on, "/buy 005930 2 시장가", "매수 확인")
        await press(on, ticket, "확인", "누적 2/2주")
        on.broker.exchange.submit("buy", "005930", "market", 1, channel=HTS_CHANNEL)
        clock.go("2026-11-24 15:41")
        await on.app.parts.close_reports.check()
        (fills,) = reports(on)["report:2026-11-24:1540:1001"]["report"]["fills"]
        assert (fills["quantity"], fills["orders"], fills["elsewhere"]) == (3, 2, 1)
        listed = await say(on, "/fills", "합계")
        assert [line.count("외부") for line in listed.text.splitlines() if "삼성전자" in line] == [0, 1]


async def test_the_change_of_the_day_is_told_where_its_beginning_was_seen():
    clock = At("2026-11-24 10:00")
    async with harness(clock) as on:
        total = (await on.app.parts.client.balance()).total_value
        on.app.storage.runs.begin_day(clock().date(), total - 10_000)
        clock.go("2026-11-24 15:41")
        await on.app.parts.close_reports.check()
        assert "+10,000원" in (await on.telegram.wait(OWNER.id, "정규장 마감")).text


async def test_a_sum_of_the_brokers_that_lags_behind_its_list_is_called_that():
    clock = At("2026-11-24 10:00")
    async with harness(clock) as on:
        on.broker.exchange.submit("sell", "035720", "market", 2)
        on.broker.exchange.fills.clear()  # its profit table is made of these, its list is not
        clock.go("2026-11-24 15:41")
        await on.app.parts.close_reports.check()
        assert "아직 반영되지 않은 체결" in (await on.telegram.wait(OWNER.id, "정규장 마감")).text


# --- when, to whom, how often -----------------------------------------------------------------------------------------


async def test_everybody_who_is_let_in_gets_it_and_nobody_else():
    clock = At("2026-11-24 15:00")
    async with harness(clock) as on:
        on.app.storage.people.suspend(TRADER.id)
        clock.go("2026-11-24 15:41")
        await on.app.parts.close_reports.check()
        assert len(reports(on)) == 1
        assert reports(on, TRADER.id) == {}
        on.app.storage.people.resume(TRADER.id)
        assert on.app.storage.people.get(TRADER.id).status is Status.ACTIVE
        clock.go("2026-11-24 20:11")
        await on.app.parts.close_reports.check()
        assert list(reports(on, TRADER.id)) == ["report:2026-11-24:2010:1002"]


async def test_the_app_itself_reports_and_calls_what_follows_once():
    clock = At("2026-11-24 15:39")
    async with harness(clock) as on:
        asked = asked_of_the_outbox(on)
        clock.go("2026-11-24 15:40")
        await on.telegram.wait(OWNER.id, "정규장 마감", timeout=4)
        await on.app.parts.close_reports.check()
        clock.go("2026-11-24 20:11")
        await on.telegram.wait(OWNER.id, "애프터마켓 마감", timeout=4)
        assert len(asked) == 2


async def test_the_evening_is_two_lines_and_quiet_if_nothing_filled_since_and_full_if_something_did():
    clock = At("2026-11-24 10:00")
    async with harness(clock) as on:
        on.broker.exchange.submit("sell", "035720", "market", 2)
        clock.go("2026-11-24 15:41")
        await on.app.parts.close_reports.check()
        clock.go("2026-11-24 20:11")
        await on.app.parts.close_reports.check()
        evening = await on.telegram.wait(OWNER.id, "애프터마켓 마감")
        assert len(evening.text.splitlines()) == 2
        assert [one.get("quiet", False) for one in reports(on).values()] == [False, True]
        clock.go("2026-11-25 15:41")
        await on.app.parts.close_reports.check()
        on.broker.exchange.submit("sell", "035720", "market", 2)
        clock.go("2026-11-25 20:11")
        await on.app.parts.close_reports.check()
        assert [one.get("quiet", False) for one in reports(on).values()] == [False, True, False, False]


@pytest.mark.parametrize("day", ["2026-11-22", "2026-12-25"])
async def test_on_a_closed_day_nothing_is_said(day):
    clock = At(f"{day} 10:00")
    async with harness(clock) as on:
        for at in ("15:41", "20:11", "23:59"):
            clock.go(f"{day} {at}")
            await on.app.parts.close_reports.check()
        assert reports(on) == {}


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
    async with harness(clock, data_dir=tmp_path) as on:
        broker, telegram = on.broker, on.telegram
    clock.go(back)
    for _ in range(2):
        async with harness(clock, broker=broker, telegram=telegram, data_dir=tmp_path) as on:
            await on.app.parts.close_reports.check()
            assert list(reports(on)) == [f"report:{back[:10]}:{one}:1001" for one in keys]
            assert [("quiet" in one) for one in reports(on).values()] == [False] * len(keys)


async def test_what_closed_before_the_bot_was_first_started_is_not_reported():
    clock = At("2026-11-24 15:55")
    async with harness(clock) as on:
        await on.app.parts.close_reports.check()
        assert reports(on) == {}
        clock.go("2026-11-24 20:11")
        await on.app.parts.close_reports.check()
        assert list(reports(on)) == ["report:2026-11-24:2010:1001"]


async def test_a_crash_between_the_letters_and_what_follows_loses_neither(tmp_path):
    clock = At("2026-11-24 15:00")

    async with harness(clock, data_dir=tmp_path) as on:
        asked_of_the_outbox(on, failures=99)
        clock.go("2026-11-24 15:41")
        await on.app.parts.close_reports.check()
        assert (len(reports(on)), undone(on)) == (1, ["2026-11-24T15:40:00+09:00"])
        broker = on.broker
    async with harness(clock, broker=broker, data_dir=tmp_path) as on:
        await on.app.parts.close_reports.check()
        assert (len(reports(on)), undone(on)) == (1, [])


async def test_what_follows_is_tried_again_if_it_fails_and_the_letters_are_not_repeated():
    clock = At("2026-11-24 15:00")
    async with harness(clock) as on:
        called = asked_of_the_outbox(on, failures=1)
        for at in ("15:41", "15:43", "15:45"):
            clock.go(f"2026-11-24 {at}")
            await on.app.parts.close_reports.check()
        assert (len(called), len(reports(on)), undone(on)) == (2, 1, [])


def asked_of_the_outbox(on, failures=0):
    """Chats that were asked about for the round-up, the first so many times in vain."""
    asked, withheld = [], on.app.storage.outbox.withheld

    def asks(chat_id):
        if chat_id == OWNER.id:
            asked.append(chat_id)
        if len(asked) <= failures:
            raise RuntimeError("not yet")
        return withheld(chat_id)

    on.app.storage.outbox.withheld = asks
    return asked


def undone(on):
    """Closings whose letters are written and what follows is not done."""
    return [moment for (moment,) in on.app.storage.db.execute("SELECT moment FROM closings WHERE after_at IS NULL")]


async def test_while_kis_is_away_it_is_tried_every_minute_and_told_late():
    clock = At("2026-11-24 15:30")
    async with harness(clock) as on:
        on.broker.faults.plant("refuse", times=ALWAYS, path="inquire-balance", **NO)
        clock.go("2026-11-24 15:41")
        await on.app.parts.close_reports.check()
        asked = _balances(on)
        clock.go("2026-11-24 15:41:30")
        await on.app.parts.close_reports.check()
        assert _balances(on) == asked, "not before a minute has passed"
        clock.go("2026-11-24 15:43")
        await on.app.parts.close_reports.check()
        assert _balances(on) > asked
        assert reports(on) == {}
        on.broker.faults.clear()
        clock.go("2026-11-24 18:00")
        await on.app.parts.close_reports.check()
        assert list(reports(on)) == ["report:2026-11-24:1540:1001"]
        assert "18:00" in (await on.telegram.wait(OWNER.id, "정규장 마감")).text, "figures bear the time they are of"


def _balances(on):
    return sum("inquire-balance" in one.path for one in on.broker.requests)


async def test_a_report_is_given_up_when_the_next_day_begins():
    clock = At("2026-11-24 15:30")
    async with harness(clock) as on:
        on.broker.faults.plant("refuse", times=ALWAYS, path="inquire-balance", **NO)
        for at in ("2026-11-24 15:41", "2026-11-24 20:11", "2026-11-24 23:58"):
            clock.go(at)
            await on.app.parts.close_reports.check()
        on.broker.faults.clear()
        clock.go("2026-11-25 00:02")
        await on.app.parts.close_reports.check()
        assert reports(on) == {}


# --- the round-up -----------------------------------------------------------------------------------------------------


async def test_at_the_close_each_learns_what_they_had_silenced_and_only_those_who_had():
    clock = At("2026-11-25T10:00:00")
    async with harness(clock) as on:
        await say(on, "/settings 체결 끔", "🚫 끔", TRADER.id)
        await bought(on, "005930 3 시장가", TRADER.id)
        await on.telegram.wait(OWNER.id, "누적 3/3주")
        await settled(on)
        before = on.telegram.revision
        clock.go("2026-11-25T15:40:01")
        await on.app.parts.close_reports.check()

        listed = await on.telegram.wait(TRADER.id, "꺼 둔 알림 모음", after=before)
        assert "체결 삼성전자 매수 3/3주" in listed.text
        await on.telegram.wait(OWNER.id, "정규장 마감", after=before)
        clock.go("2026-11-25T20:10:01")
        await on.app.parts.close_reports.check()
        await on.telegram.wait(TRADER.id, "애프터마켓 마감")

        kinds = on.app.storage.db.execute("SELECT chat_id, state FROM outbox WHERE kind = 'roundup'").fetchall()
        assert [chat for chat, _ in kinds] == [TRADER.id], (
            "the owner had silenced nothing, and in the evening nothing was new"
        )
