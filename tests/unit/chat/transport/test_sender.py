"""Whatever the words of a letter are, they arrive as words; what is too long or cannot be read is not lost."""

import re

import pytest

from bot.chat.i18n.frame import Frame
from bot.chat.messages.fills import bundle_push, fill_push
from bot.orders.model.order import OrderState
from tests.support.telegram_wire import LABEL, ONE, delivery_harness
from tests.unit.orders.model.test_order import order

pytestmark = pytest.mark.virtual_time


@pytest.fixture(autouse=True)
def durations(monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def post(tmp_path):
    async with delivery_harness(tmp_path) as opened:
        yield opened


HOSTILE = [
    "</b><script>",
    "&lt;&amp;",
    "{name} %s",
    "\u202e039500",
    "\ud800",
    "𝟎<i>𝟓",
    "😀" * 300,
    "&" * 300,
    "\x00\n\n",
]


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
async def test_hostile_words_arrive_as_words_in_every_kind_of_message(tmp_path, words):
    async with delivery_harness(tmp_path, name=words) as post:
        post.telegram.faults.plant("lose_reply", times=2, method="sendMessage")
        post.fill(1)
        for number in range(1, 6):
            post.fill(number, order=2)
        post.box.put("trouble", ONE, {"code": words})
        post.box.put("eclipse", ONE, {"code": words, "name": words, "order_no": words, "side": words})
        await post.quiet()

        states = dict(post.db.execute("SELECT state, count(*) FROM outbox GROUP BY state"))
        assert set(states) == {"sent", "digested"}, "nothing was refused"
        assert all("\u202e" not in text for text in post.said())


async def test_a_digest_with_the_longest_names_shows_every_line(tmp_path):
    async with delivery_harness(tmp_path, name='"' * 40, quantity=10**9) as post:
        for order_id in range(1, 21):
            post.box.put("external_fill", ONE, {"order": 10**9 + order_id, "filled": 10**9, "order_no": '"' * 12})
        post.db.execute("UPDATE outbox SET state = 'given_up'")
        post.box.recover()
        await post.quiet()

        (digest,) = post.said()
        assert sum(line.startswith("•") for line in digest.splitlines()) == 20


@pytest.mark.parametrize("text", ["😀" * 4000, "<b>" + "&amp;" * 4000 + "</b>", "x" * 9000, "줄\n" * 3000])
async def test_a_text_that_is_too_long_is_cut_and_arrives(post, text):
    post.telegram.faults.plant("lose_reply", method="sendMessage")
    post.box.put("reply", ONE, {"text": text})
    await post.quiet()

    assert [shown.endswith("…") for shown in post.said()] == [True, False]
    assert post.said()[1].endswith(f"…\n{LABEL}")


async def test_html_that_telegram_cannot_read_goes_as_plain_text_once(post):
    post.box.put("reply", ONE, {"text": "<b>1 &lt; 2"})
    await post.quiet()

    assert post.said() == ["1 < 2"]


async def test_news_without_words_of_its_own_shows_its_bare_facts_and_how_often(post):
    post.telegram.faults.plant("flood", method="sendMessage", retry_after=2)
    for _ in range(3):
        post.box.put("trouble", ONE, {"code": "LIST_IS_ODD"})
    post.box.put("eclipse", ONE, {"filled": 3})
    await post.quiet()

    first, second = post.said()
    assert re.fullmatch(r"⚠️ LIST_IS_ODD \(×3, 마지막 10:0\d:\d\d\) \[연습\]", first)
    assert re.fullmatch(r"⚠️ 10:0\d:\d\d eclipse 3/\?주 \[연습\]", second)


@pytest.mark.parametrize(("lang", "covers"), [("ko", "3건 묶음: #2 ~ #4"), ("en", "3 fills in one: #2 to #4")])
def test_many_fills_in_one_tell_the_newest_total_and_their_own_sum(lang, covers):
    """Ten shares had been filled before; these three add 1 at 100, 2 at 110 and 4 at 120 won."""
    frame, of = Frame(lang, "real", "…78-01"), order(OrderState.PARTIAL, quantity=50, order_no="0000000007")
    steps = [(1, 100), (2, 220), (4, 480)]
    fills, filled, amount = [], 10, 1_000
    for number, (step, step_amount) in enumerate(steps, 2):
        filled, amount = filled + step, amount + step_amount
        fills.append({"number": number, "filled": filled, "amount": amount, "step": step, "step_amount": step_amount})

    bundle = bundle_push(of, fills, frame)

    newest = {"number": 4, "filled": 17, "amount": 1_800, "step": 7, "step_amount": 800}
    assert bundle.text == f"{fill_push(of, newest, frame).text}\n<i>{covers}</i>"


def test_fills_without_a_number_are_known_by_the_total_they_made():
    frame, of = Frame("ko", "real", "…78-01"), order(OrderState.PARTIAL, quantity=50, order_no="0000000007")
    fills = [{"filled": n, "amount": n * 100, "step": 1, "step_amount": 100} for n in range(1, 5)]

    assert bundle_push(of, fills, frame).text.endswith("<i>4건 묶음: 누적 1주 ~ 누적 4주</i>")
