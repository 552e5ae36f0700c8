"""What the messages say, in both languages, and that they always fit."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from bot.chat.i18n.frame import Frame
from bot.chat.messages.report_messages import MAX_FILLS, MAX_STOCKS, fills_card, profit_card, report_push
from bot.chat.parsing.dates import day_label, parse_day
from bot.chat.parsing.order_args import BadArguments
from bot.reports.cost import Doubt
from bot.reports.model import AccountValue, DayReport, DayResult, PeriodResult, StockFills, filled, month, week
from kis.krx import KST
from kis.models import Side
from tests.support.report_rows import DAY, buy, sell

KO, EN = (Frame(lang, "paper", "…78-01") for lang in ("ko", "en"))
NOW = datetime(2026, 11, 24, 15, 40, 3, tzinfo=KST)
WEALTH = AccountValue(NOW, -1_234, 1_000_000, 998_766, 5_000_000, 4_000_000, 4_998_766)
HUGE = 10**12
TELEGRAM = 4_096


def report(fills=(), **changes):
    taken = PeriodResult(DAY, DAY, 711_500, 305_000, 144, 610, 12_345)
    values = {"day": DAY, "fills": tuple(fills), "taken": taken, "wealth": WEALTH, "began": None, "open_orders": 0}
    return DayReport(**{**values, **changes})


def push(one, frame=KO, at="15:40", **data):
    """As the outbox hands it over: through JSON."""
    facts = TypeAdapter(DayReport).dump_python(one, mode="json")
    return report_push({"moment": f"2026-11-24T{at}:00+09:00", "report": facts, **data}, frame)


def units(text):
    return len(text.encode("utf-16-le")) // 2


def stock(number, **changes):
    values = {
        "code": f"{number:06}",
        "name": "아주긴이름의주식회사" * 3,
        "side": Side.SELL,
        "quantity": HUGE,
        "amount": HUGE,
    }
    return StockFills(**{**values, "orders": 9, "elsewhere": 9, **changes})


# --- the report -------------------------------------------------------------------------------------------------------


def test_the_words_are_those_of_whoever_reads():
    korean, english = (push(report(), frame).text for frame in (KO, EN))
    assert korean.splitlines()[0] == "🔔 <b>정규장 마감</b> 11/24(화) 15:40 [모의]"
    assert english.splitlines()[0] == "🔔 <b>Close of the day</b> 11/24(Tue) 15:40 [PAPER]"
    assert "평가손익 🔵▼ −1,234원 (−0.12%)" in korean
    assert "unrealised 🔵▼ −1,234 (−0.12%)" in english


def test_which_session_ended_is_said_also_on_exam_day():
    exam = date(2026, 11, 19)
    facts = TypeAdapter(DayReport).dump_python(report(day=exam), mode="json")
    said = {
        at: report_push({"moment": f"2026-11-19T{at}:00+09:00", "report": facts}, KO).text.splitlines()[0]
        for at in ("16:40", "20:10")
    }
    assert "정규장 마감" in said["16:40"]
    assert "애프터마켓 마감" in said["20:10"]


@pytest.mark.parametrize("frame", [KO, EN])
def test_many_stocks_are_summed_and_the_message_fits(frame):
    fills = [stock(number) for number in range(60)] + [stock(61, side=Side.BUY)]
    text = push(
        report(fills, taken=PeriodResult(DAY, DAY, HUGE, HUGE, HUGE, HUGE, None, doubt=Doubt.SHARES)), frame
    ).text
    assert units(text) < TELEGRAM
    rest = len(fills) - MAX_STOCKS
    assert (
        f"외 {rest}종목: 매수 {HUGE:,}원 · 매도 {45 * HUGE:,}원" if frame is KO else f"and {rest} more stocks"
    ) in text


def test_a_quiet_evening_is_two_lines():
    text = push(report([stock(1)]), at="20:10", quiet=True).text
    assert len(text.splitlines()) == 2
    assert "[모의]" in text


def test_names_are_escaped():
    assert "<i>" not in push(report([stock(1, name="<i>&주식</i>")])).text


@pytest.mark.parametrize(
    ("began", "said"),
    [
        (4_998_766, "오늘 ⚪ 0원 (0.00%)"),
        (5_000_000, "오늘 🔵▼ −1,234원 (−0.02%)"),
        (None, "총평가 <b>4,998,766원</b>\n"),
    ],
)
def test_the_days_change_is_said_where_it_is_known(began, said):
    assert said in push(report(began=began)).text


@pytest.mark.parametrize("doubt", [Doubt.BASE, Doubt.SHARES])
def test_what_cannot_be_told_is_a_dash_with_the_reason(doubt):
    taken = PeriodResult(DAY, DAY, 0, 600, 1, 2, None, estimated=True, doubt=doubt)
    korean, english = (push(report(taken=taken), frame).text for frame in (KO, EN))
    assert "실현손익 – (추정)" in korean
    assert "realised – (estimate)" in english
    assert "⚠️" in korean
    assert "⚠️" in english


# --- /pnl and /fills --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [KO, EN])
def test_a_whole_month_fits(frame):
    days = tuple(DayResult(date(2026, 12, day), HUGE, HUGE, HUGE, HUGE, -HUGE) for day in range(1, 32))
    taken = PeriodResult(
        days[0].day, days[-1].day, HUGE, HUGE, HUGE, HUGE, -HUGE, days, estimated=True, doubt=Doubt.SHARES
    )
    text = profit_card(taken, WEALTH, days[-1].day, frame).text
    assert units(text) < TELEGRAM
    assert all(day_label(one.day, frame) in text for one in days)


@pytest.mark.parametrize("frame", [KO, EN])
def test_a_busy_day_of_fills_fits_and_its_totals_count_every_row(frame):
    rows = filled([buy(n, 10**9, 10**6, name="아주긴이름의주식회사" * 3) for n in range(200)] + [sell(300, 1, 7)])
    text = fills_card(DAY, rows, set(), NOW, frame).text
    assert units(text) < TELEGRAM
    assert f"{len(rows) - MAX_FILLS}" in text
    assert f"{200 * 10**15:,}" in text


def test_fills_in_several_parts_show_their_average_and_how_much_of_the_order_filled():
    one = buy(1, 10, 71_200, filled=7, filled_amount=498_401, remaining=3, average_price=Decimal(71_200))
    text = fills_card(DAY, [one], {one.order_no}, NOW, KO).text
    assert "🟥 09:00:01 매수 <b>종목005930</b> 7/10주 @71,200.14 = 498,401원" in text
    assert "외부" not in text


def test_buttons_lead_to_trading_days_only_and_never_ahead():
    friday, monday = date(2026, 11, 20), date(2026, 11, 23)
    data = [[key.data for key in row] for row in fills_card(monday, [], set(), NOW, KO).buttons]
    assert data[0] == [f"~/fills {friday}", "~/fills 2026-11-24"]
    data = [[key.data for key in row] for row in fills_card(DAY, [], set(), NOW, KO).buttons]
    assert data[0] == [f"~/fills {monday}", "~/fills 2026-11-24"], "today: the day before, and once more"


# --- days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "day"),
    [
        ("", "2026-11-24"),
        ("오늘", "2026-11-24"),
        ("Today", "2026-11-24"),
        ("어제", "2026-11-23"),
        ("yesterday", "2026-11-23"),
        ("2026-11-20", "2026-11-20"),
        ("20261120", "2026-11-20"),
        ("2026/1/5", "2026-01-05"),
        ("11-20", "2026-11-20"),
        ("11/20", "2026-11-20"),
        ("11.20", "2026-11-20"),
    ],
)
def test_days_are_read_as_people_write_them(word, day):
    assert parse_day(word, DAY).isoformat() == day


def test_a_day_without_a_year_is_the_nearest():
    assert parse_day("12-30", date(2027, 1, 5)) == date(2026, 12, 30)
    with pytest.raises(BadArguments) as caught:
        parse_day("12-24", DAY)
    assert caught.value.reason.code == "DAY_FUTURE"
    assert parse_day("2-29", date(2028, 3, 1)) == date(2028, 2, 29)


@pytest.mark.parametrize(
    "word",
    [
        "어제께",
        "2026-11",
        "2026-02-29",
        "13-01",
        "1120",
        "202611",
        "2026111",
        "2026-1120",
        "2026-11/20",
        "11-20-2026",
        "-1",
        "٢٠٢٦-11-20",
        "1900-01-01",
    ],
)
def test_nonsense_is_no_day(word):
    with pytest.raises(BadArguments) as caught:
        parse_day(word, DAY)
    assert caught.value.reason.code == "DAY_FORM"


def test_a_week_begins_on_monday_and_a_month_on_the_first():
    assert week(DAY) == (DAY - timedelta(days=1), DAY)
    assert week(date(2026, 11, 29)) == (date(2026, 11, 23), date(2026, 11, 29))
    assert month(DAY) == (date(2026, 11, 1), DAY)
