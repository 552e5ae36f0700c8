"""A chart on its way to a chat: as safe from loss and repeats as an answer in words."""

import json

import pytest

from bot.charts.renderer import ChartRenderer
from bot.store.outbox import Outbox
from tests.support.chart_facts import days, facts
from tests.support.outbox import TRADER, Clock, empty_database
from tests.support.telegram_wire import LABEL, ONE, delivery_harness

pytestmark = pytest.mark.virtual_time

CHART = facts(days((100, 210, 90, 200), (200, 220, 190, 195)))
OTHER = {**CHART, "period": "week"}


@pytest.fixture(autouse=True)
def durations(monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def post(tmp_path):
    """Time runs twenty times as fast, not more: a picture takes as long as it takes."""
    async with delivery_harness(tmp_path) as opened:
        yield opened


def states(post):
    return [state for (state,) in post.db.execute("SELECT state FROM outbox ORDER BY id")]


def calls(post, method):
    return sum(one.method == method for one in post.telegram.calls)


async def placed(post):
    """A chart that stands in the chat."""
    post.box.put("chart", ONE, CHART)
    await post.quiet()
    return post.telegram.chat(ONE)[-1]


async def test_a_chart_goes_out_once_and_its_bars_are_then_forgotten(post):
    shown = await placed(post)

    assert shown.file.data.startswith(b"\x89PNG")
    assert (states(post), calls(post, "sendPhoto")) == (["sent"], 1)
    (data,) = post.db.execute("SELECT data FROM outbox").fetchone()
    assert {"bars", "name"} & set(json.loads(data)) == {"name"}


async def test_telegrams_wish_to_wait_is_heard_and_the_chart_comes_unlabelled(post):
    post.telegram.faults.plant("flood", method="sendPhoto", retry_after=2)
    shown = await placed(post)

    assert LABEL not in shown.text
    assert len(post.said()) == 1


async def test_a_chart_that_may_have_arrived_comes_once_more_and_says_so(post):
    post.telegram.faults.plant("lose_reply", method="sendPhoto")
    await placed(post)

    first, second = post.said()
    assert second == f"{first}\n{LABEL}"


async def test_there_is_no_third_copy_and_no_digest_of_an_answer(post):
    post.telegram.faults.plant("lose_reply", method="sendPhoto", times=2)
    await placed(post)

    assert states(post) == ["failed"]
    assert len(post.said()) == 2


async def test_a_chart_in_place_may_be_repeated_and_nobody_sees_it(post):
    message = (await placed(post)).message_id
    post.telegram.faults.plant("lose_reply", method="editMessageMedia", times=2)

    post.box.put("chart_edit", ONE, {**OTHER, "message_id": message})
    await post.quiet()

    (shown,) = post.telegram.chat(ONE)
    assert "주봉" in shown.text
    assert LABEL not in shown.text
    assert (states(post), calls(post, "editMessageMedia")) == (["sent", "sent"], 3)


def test_a_redrawing_that_a_kill_left_open_is_repeated_as_often_as_it_takes():
    """The same picture in the same message: nobody would see a repeat, and no digest could make up for it."""
    db = empty_database()
    box = Outbox(db, Clock())
    box.put("chart_edit", TRADER, {**OTHER, "message_id": 9})
    for _ in range(3):
        box.sending(box.next(TRADER))
        box.recover()

    assert not box.next(TRADER).resent
    db.close()


async def test_a_chart_whose_message_was_deleted_is_over(post):
    post.box.put("chart_edit", ONE, {**OTHER, "message_id": 999})
    await post.quiet()

    assert (states(post), post.said()) == (["failed"], [])


async def test_figures_without_a_picture_are_labelled_too(tmp_path):
    async with delivery_harness(tmp_path) as post:
        post.sender._draw = ChartRenderer(("/nowhere",)).draw
        post.telegram.faults.plant("lose_reply", method="sendMessage")
        await placed(post)

        first, second = post.said()
        assert first.startswith("⚠️ 차트 그림을 그리지 못해")
        assert second == f"{first}\n{LABEL}"


async def test_a_chart_asked_before_a_kill_is_drawn_after_it(post):
    post.telegram.faults.plant("down")
    post.box.put("chart", ONE, CHART)
    await post.time.sleep(5)
    await post.restart()
    post.telegram.faults.clear()
    await post.quiet()

    assert any("일봉" in text for text in post.said())


async def test_a_caption_that_is_no_html_goes_as_plain_words_under_the_picture(post, monkeypatch):
    """Should we ever write a tag that Telegram cannot read, the picture comes all the same."""
    monkeypatch.setattr("bot.chat.i18n.frame.Frame.badge", "<b>")
    shown = await placed(post)

    assert shown.file is not None
    assert "삼성전자" in shown.text
