"""/chart as people meet it: the picture, its buttons, what there is in its place, and the ways that lead to it."""

import asyncio
import sys
from datetime import time

import pytest

from bot.chat.handlers.charts import figures, older
from bot.chat.i18n.frame import Frame
from bot.chat.messages.chart_messages import chart_as_text, chart_caption
from bot.demo.run import OWNER, TRADER
from kis.models import Bar
from kis.models.charts import MinuteBar
from tests.support import virtual_time
from tests.support.chart_facts import days, facts
from tests.support.conversation import FAST, Ahead, bought, posts, press, say, spoken
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time


class Forenoon(Ahead):
    """Real time, moved on to eleven o'clock: minutes have passed since the open."""

    def __init__(self) -> None:
        super().__init__()
        self.jump(hours=(11 - virtual_time.now().hour) % 24)


def asked(on, path):
    return [one for one in on.broker.requests if one.path.endswith(path)]


def data_of(message):
    return {key.text: key.data for row in message.buttons for key in row}


@pytest.fixture
async def clock():
    return Forenoon()


async def test_a_chart_of_what_is_held_and_its_periods_change_in_place(clock):
    """20 shares of 035720 are held at 61,250 won."""
    async with stage(**FAST, clock=clock) as on:
        on.broker.exchange.set_price("035720", 58_000)
        chart = await say(on, "/chart 035720", "일봉")

        for part in ("카카오", "035720", "[연습]", "58,000원", "평단 61,250원 (−5.31%)", "20주", "기준"):
            assert part in chart.text
        assert (chart.file.width, chart.file.height) == (1600, 1200)
        assert data_of(chart) == {
            "🔄 일": "~/chart 035720 day",
            "주": "~/chart 035720 week",
            "월": "~/chart 035720 month",
            "분": "~/chart 035720 minute",
            "🟥 매수": "/buy 035720",
            "🟦 매도": "/sell 035720",
            "🔔 알림": "/alert 035720",
        }
        assert len(asked(on, "inquire-daily-itemchartprice")) == 1
        assert len(asked(on, "inquire-balance")) == 1

        seen = {chart.file.data}
        for label, word in (("주", "주봉"), ("월", "월봉"), ("분", "분봉"), ("일", "일봉")):
            then = await press(on, chart, label, word)
            assert then.message_id == chart.message_id
            assert then.edited
            assert f"🔄 {label}" in data_of(then)
            seen.add(then.file.data)
        assert len(seen) >= 4
        assert len([m for m in on.telegram.chat(OWNER.id) if m.file]) == 1
        assert 1 <= len(asked(on, "inquire-time-itemchartprice")) <= 4


async def test_what_is_not_held_has_no_purchase_price_and_words_may_be_english_or_korean(clock):
    async with stage(**FAST, clock=clock) as on:
        assert "평단" not in (await say(on, "/차트 삼성전자 주봉", "주봉")).text
        await say(on, "/chart KODEX 200 Weekly", "주봉")
        await say(on, "/chart 005930 분", "분봉", TRADER.id)


UNREADABLE = [
    ("/chart", "/chart 종목 [일|주|월|분]"),
    ("/chart 005930 년", "일, 주, 월, 분 가운데 하나입니다: 년"),
    ("/chart 005930 m", "일, 주, 월, 분 가운데 하나입니다: m"),
    ("/chart 005930 일 주", "일, 주, 월, 분 가운데 하나입니다: 일 주"),
    ("/chart 005930 <b>", "가운데 하나입니다: <b>"),
    ("/chart 005930 " + "주" * 120, "가운데 하나입니다: 주주"),
    ("/chart 005930 " + "주" * 300, "명령이 너무 깁니다"),
    ("/chart 없는회사", "종목을 찾지 못했습니다"),
]


async def test_what_cannot_be_read_is_answered_in_words(clock):
    async with stage(**FAST, clock=clock) as on:
        for words, part in UNREADABLE:
            assert (await say(on, words, part)).file is None

        assert asked(on, "itemchartprice") == []


async def test_a_name_that_fits_several_is_asked_back_with_the_period_kept(clock):
    async with stage(**FAST, clock=clock) as on:
        which = await say(on, "/chart 삼성 월", "어느 종목")
        chart = await press(on, which, "삼성전자 005930", "월봉")

        assert "005930" in chart.text


async def test_a_chart_speaks_its_readers_language_and_its_buttons_do_too(clock):
    async with stage(**FAST, clock=clock) as on:
        await say(on, "/settings language en", "My settings")

        chart = await say(on, "/chart 035720", "your average")
        week = await press(on, chart, "week", "weekly")

        assert "[PRACTICE]" in week.text
        assert "평단" in (await say(on, "/chart 035720", "일봉", TRADER.id)).text


async def test_minutes_take_four_calls_at_most_and_are_the_last_two_hours(clock):
    async with stage(**FAST, clock=clock) as on:
        chart = await say(on, "/chart 005930 분", "분봉")

        calls = asked(on, "inquire-time-itemchartprice")
        hours = [one.query["FID_INPUT_HOUR_1"] for one in calls]
        assert hours == sorted(hours, reverse=True)
        assert 3 <= len(hours) <= 4, "a forenoon since nine"
        first, last = (time.fromisoformat(one) for one in chart.text.splitlines()[2].split(" ")[0].split("~"))
        assert 60 < (60 * last.hour + last.minute) - (60 * first.hour + first.minute) < 121


async def test_without_a_trade_today_there_are_no_minutes_and_the_picture_before_stays():
    """Half past seven in the morning: nobody has traded yet."""
    early = Ahead()
    early.jump(hours=(7 - virtual_time.now().hour) % 24)
    async with stage(**FAST, clock=early) as on:
        chart = await say(on, "/chart 069500", "일봉")

        told = await press(on, chart, "분", "아직 체결이 없어")

        assert told.message_id != chart.message_id
        (still,) = [m for m in on.telegram.chat(OWNER.id) if m.file]
        assert (still.file.data, still.text) == (chart.file.data, chart.text)


async def test_a_balance_that_cannot_be_read_leaves_the_market_and_says_so(clock):
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("refuse", path="inquire-balance", times=20, code="EGW00003", status=500)

        chart = await say(on, "/chart 035720", "일봉", within=20)

        assert chart.file is not None
        assert "평단은 잔고를 읽지 못해 없습니다" in chart.text


async def test_a_price_that_cannot_be_read_is_no_chart(clock):
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("refuse", path="inquire-price", times=20, code="EGW00003", status=500)

        assert (await say(on, "/chart 035720", "⚠️", within=20)).file is None


# --- no picture -------------------------------------------------------------------------------------------------------

DIES = (sys.executable, "-c", "raise SystemExit(1)")
HANGS = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.mark.parametrize("command", [DIES, HANGS], ids=["dies", "hangs"])
async def test_without_a_picture_the_figures_come_as_text_and_nothing_else(clock, command):
    async with stage(**FAST, clock=clock) as on:
        on.app.parts.charts._command, on.app.parts.charts._timeout = command, 0.4
        told = await say(on, "/chart 035720", "그림을 그리지 못해 숫자로")

        assert told.file is None
        assert "평단 61,250원" in told.text
        closes = [bar.close for bar in (await on.app.parts.client.recent_bars("035720", 10)).bars]
        assert all(f"{close:,}" in told.text for close in closes)
        assert data_of(told)["주"] == "/chart 035720 week", "there is no picture for the next to take the place of"
        await asyncio.sleep(0.2)
        assert len(spoken(on)) == 1

        on.app.parts.charts._command = type(on.app.parts.charts)()._command
        on.app.parts.charts._timeout = 10
        assert (await press(on, told, "주", "주봉")).file is not None


async def test_where_a_picture_stands_its_caption_takes_the_figures_and_says_that_it_is_old(clock):
    async with stage(**FAST, clock=clock) as on:
        chart = await say(on, "/chart 035720", "일봉")
        on.app.parts.charts._command = DIES

        told = await press(on, chart, "주", "위 그림은 이전 것입니다")

        assert told.message_id == chart.message_id
        assert told.file.data == chart.file.data
        assert "주봉" in told.text
        assert data_of(told)["월"] == "~/chart 035720 month"


# --- the ways there ---------------------------------------------------------------------------------------------------


async def test_from_a_fill_to_the_chart_and_to_a_ticket_for_all_that_can_be_sold(clock):
    """Twenty shares are held and five are bought: selling all is a question, then a ticket for 25; nothing is sold."""
    async with stage(**FAST, clock=clock) as on:
        await bought(on, "035720 5 시장가")
        fill = await on.telegram.wait(OWNER.id, "누적 5/5주")
        assert [[key.text for key in row] for row in fill.buttons] == [
            ["💼 잔고", "📈 차트"],
            ["🟦 전량 매도", "🔔 알림"],
        ]
        assert (await press(on, fill, "차트", "일봉")).file is not None

        price = await press(on, fill, "전량 매도", "어떤 가격")
        ticket = await press(on, price, "시장가", "매도 확인")

        assert "25주" in ticket.text
        assert posts(on) == 1, "the buy alone"
        await press(on, ticket, "확인", "누적 25/25주")
        told = await press(on, fill, "전량 매도", "매도 가능한 수량이 없습니다")
        assert told.buttons == []


async def test_from_an_alert_to_a_ticket_and_to_the_chart(clock):
    async with stage(**FAST, clock=clock) as on:
        quote = await on.app.parts.client.price("005930")
        await say(on, f"/alert 005930 > {quote.price}", "#1")
        before = on.telegram.revision
        on.broker.exchange.set_price("005930", quote.price + 5 * quote.tick)
        rang = await on.telegram.wait(OWNER.id, "한 번 알림", after=before, timeout=20)

        assert data_of(rang)["📈 차트"] == "/chart 005930"
        quantity = await press(on, rang, "매수", "몇 주")
        price = await press(on, quantity, "10주", "어떤 가격")
        ticket = await press(on, price, "시장가", "매수 확인")
        assert "10주" in ticket.text
        assert posts(on) == 0


async def test_price_and_balance_lead_to_charts(clock):
    async with stage(**FAST, clock=clock) as on:
        assert (await press(on, await say(on, "/price 069500", "호가단위"), "차트", "일봉")).file
        balance = await say(on, "/balance", "잔고")
        keys = data_of(balance)

        assert [keys[f"📈 {name}"] for name in ("SK하이닉스", "카카오", "KODEX 200")] == [
            "/chart 000660",
            "/chart 035720",
            "/chart 069500",
        ]
        assert all(len(row) <= 3 for row in balance.buttons)
        assert "000660" in (await press(on, balance, "SK하이닉스", "일봉")).text


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["ko", "en"])
@pytest.mark.parametrize("mode", ["practice", "paper", "real"])
def test_every_wording_bears_the_badge_and_fits_under_a_picture(lang, mode):
    frame = Frame(lang, mode, "…78-01")
    dear = days(*[(10**9, 10**9, 10**9, 10**9 - n) for n in range(79)], volume=10**12)
    held = facts(dear, name="&" * 60, average="1000000000.0000", held=10**9, change=-1, rate="-0.01")
    for words in (
        chart_caption(held, frame),
        chart_as_text(held, frame),
        chart_as_text(held, frame, old_above=True),
        chart_caption({**held, "average": None, "account_read": False}, frame),
    ):
        assert frame.badge in words.text
        assert len(words.text) <= 1_000
        assert "&&" not in words.text
        assert all(len(key.data.encode()) <= 64 for row in words.buttons for key in row)
        assert (lang == "ko") is any("가" <= letter <= "힣" for letter in words.text)


@pytest.mark.parametrize(
    ("period", "span"), [("day", "11/02~11/03"), ("week", "26/11/02~26/11/03"), ("month", "2026/11~2026/11")]
)
def test_the_caption_tells_the_range_of_what_is_shown_and_of_nothing_before(period, span):
    """The first bar feeds the averages and is not seen."""
    before = ["2026-10-30", 900, 999, 1, 900, 1]
    bars = [before, *days((100, 210, 90, 200), (200, 220, 190, 195))]

    text = chart_caption(facts(bars, shown=2, period=period), Frame("ko", "real", "…78-01")).text

    assert f"{span} · 고 220 · 저 90" in text


def test_changes_in_figures_are_from_close_to_close():
    bars = days((100, 100, 100, 100), (100, 110, 100, 110), (110, 110, 99, 99))

    told = chart_as_text(facts(bars), Frame("ko", "real", "…78-01")).text

    assert [line.split() for line in told.split("<pre>")[1].removesuffix("</pre>").splitlines()] == [
        ["11/02", "100"],
        ["11/03", "110", "+10.00%"],
        ["11/04", "99", "−10.00%"],
    ]


def minute(at, day="20261123"):
    prices = dict.fromkeys(("stck_oprc", "stck_hgpr", "stck_lwpr", "stck_prpr"), "100")
    row = {"stck_bsop_date": day, "stck_cntg_hour": at, "cntg_vol": "1", "acml_tr_pbmn": "100", **prices}
    return MinuteBar.model_validate(row)


def test_minutes_that_come_again_or_are_another_days_are_not_drawn():
    page = [minute("100200"), minute("100100"), minute("100000")]

    assert older(page, []) == page
    assert older(page, [minute("100200"), minute("100100")]) == page[2:]
    assert older(page, page) == []
    assert older([minute("152900", day="20261120")], page) == []


def test_a_day_on_which_nothing_traded_is_its_close():
    """KIS gives such a day's other prices as 0, which would be a wick down to nothing."""
    halted = {"stck_oprc": "0", "stck_hgpr": "0", "stck_lwpr": "0", "stck_clpr": "5000"}
    row = {"stck_bsop_date": "20261102", "acml_vol": "0", "acml_tr_pbmn": "0", **halted}

    assert figures(Bar.model_validate(row)) == (5_000, 5_000, 5_000, 5_000, 0)
