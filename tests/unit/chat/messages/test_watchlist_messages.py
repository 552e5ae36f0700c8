"""/watch as people write and tap it: what goes on the list and off it, and what is said to that."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.chat.handlers.watchlist import stocks_in
from bot.chat.i18n.frame import Frame
from bot.chat.messages.watchlist_messages import MAX_STOCKS, watchlist_card
from bot.chat.types import LastPrice, WatchlistMode, WatchlistRow, WatchlistView
from tests.support.outbox import OWNER, TRADER
from tests.support.virtual_time import MONDAY_MORNING
from tests.support.watch_world import HYNIX, KAKAO, SAMSUNG, in_harness


def codes(harness, person=TRADER):
    return [one.code for one in harness.book.of(person)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("삼성전자", [SAMSUNG]),
        ("삼성전자, SK하이닉스,카카오", [SAMSUNG, HYNIX, KAKAO]),
        ("005930 000660", [SAMSUNG, HYNIX]),
        ("KODEX 200 삼성전자", ["069500", SAMSUNG]),
        ("삼성전자 kodex 200, 카카오", [SAMSUNG, "069500", KAKAO]),
        ("삼성전자 삼성전자 005930", [SAMSUNG]),
    ],
)
def test_stocks_are_added_by_code_or_name_with_commas_or_blanks_between(words, expected):
    async def play(harness):
        message = await harness.say(words)
        assert codes(harness) == expected
        assert f"{len(expected)}/{MAX_STOCKS}" in harness.text(message)
        assert "담았습니다: " in harness.text(message)
        assert harness.buttons(message)[: len(expected)] == [f"/price {code}" for code in expected]

    in_harness(play)


def test_the_list_shows_price_arrow_change_and_volume_under_badge_and_time():
    async def play(harness):
        harness.exchange.set_price(SAMSUNG, harness.exchange.quote(SAMSUNG).upper)
        harness.exchange.quote(HYNIX).halted = True
        harness.exchange.quote(KAKAO).vi = True
        message = await harness.say("005930, 000660, 035720")
        head, _, samsung, hynix, kakao, foot = harness.text(message).split("\n")
        issue = harness.exchange.quote(SAMSUNG)
        assert head == "⭐ <b>관심 종목</b> 3/20 [연습]"
        assert samsung.startswith(f"<b>삼성전자</b> {issue.last:,} 🔴▲+")
        assert "주" in samsung.split(" · ")[1]
        assert hynix.endswith("⛔")
        assert kakao.endswith("⚡VI")
        assert foot.startswith("🕘 09:05:0")

    in_harness(play)


def test_what_is_there_already_unknown_or_too_much_is_said():
    async def play(harness):
        await harness.say("005930")
        assert "이미 있습니다: 삼성전자" in harness.text(await harness.say("삼성전자"))
        unknown = harness.text(await harness.say("없는회사, 000660"))
        assert "'없는회사' 종목을 찾지 못했습니다" in unknown
        assert "담았습니다: SK하이닉스" in unknown
        assert "쉼표로" in harness.text(await harness.say("없는 회사"))
        every = list(harness.exchange.issues)
        harness.lists.add(TRADER, [(code, code) for code in every[:30]])
        assert len(codes(harness)) == MAX_STOCKS
        late = next(code for code in every if code not in codes(harness))
        full = harness.text(await harness.say(late))
        assert "한 사람이 20종목까지입니다. 담지 못했습니다: " in full
        assert len(codes(harness)) == MAX_STOCKS

    in_harness(play)


def test_a_name_that_fits_several_is_asked_back_and_the_clear_ones_are_added():
    async def play(harness):
        message = await harness.say("카카오, 삼성")
        assert "'삼성' — 어느 종목인가요?" in harness.text(message)
        assert "담았습니다: 카카오" in harness.text(message)
        assert "/watch 005930" in harness.buttons(message)
        assert all(len(one.encode()) <= 64 for one in harness.buttons(message))
        assert codes(harness) == [KAKAO]

    in_harness(play)


def test_stocks_are_taken_off_by_word_and_what_is_not_there_is_said():
    async def play(harness):
        harness.lists.add(TRADER, [("999999", "사라진회사")])
        await harness.say("005930, 000660, 035720, 069500")
        assert "뺐습니다: 삼성전자" in harness.text(await harness.say("삭제 005930"))
        assert "뺐습니다: SK하이닉스, KODEX 200" in harness.text(await harness.say("delete SK하이닉스 KODEX 200"))
        assert "뺐습니다: 사라진회사" in harness.text(await harness.say("삭제 999999"))
        assert "목록에 없습니다: 005930" in harness.text(await harness.say("삭제 005930"))
        near = await harness.say("삭제 카카")
        assert harness.buttons(near) == ["/watch 삭제 035720"]
        assert "종목을 적어 주세요" in harness.text(await harness.say("삭제"))
        assert codes(harness) == [KAKAO]

    in_harness(play)


def test_a_whole_list_is_given_up_only_after_asking_once():
    async def play(harness):
        await harness.say("005930, 000660")
        asked = await harness.say("비우기")
        assert "2개를 모두 지울까요?" in harness.text(asked)
        assert len(codes(harness)) == 2
        await harness.tap(asked, "w:refresh")
        assert "2/20" in harness.text(asked)
        asked = await harness.say("clear")
        await harness.tap(asked, "w:clear")
        assert codes(harness) == []
        assert "비어 있습니다" in harness.text(asked)
        assert "비어 있습니다" in harness.text(await harness.say("비우기"))

    in_harness(play)


def test_the_pencil_turns_the_buttons_into_bins_in_place_and_back():
    async def play(harness):
        message = await harness.say("005930, 000660")
        await harness.tap(message, "w:edit")
        assert harness.buttons(message)[:2] == ["w:-005930", "w:-000660"]
        await harness.tap(message, "w:-005930")
        assert codes(harness) == [HYNIX]
        assert harness.buttons(message)[:1] == ["w:-000660"]
        await harness.tap(message, "w:edit")
        assert harness.buttons(message)[:1] == ["/price 000660"]
        assert len(harness.chats[TRADER]) == 1

    in_harness(play)


def test_the_star_adds_from_elsewhere_and_says_what_it_did():
    async def play(harness):
        async def star(code):
            return await harness.view.tap(f"*{code}", harness._ask("", TRADER, 77))

        assert "담았습니다: 삼성전자" in (await star(SAMSUNG)).text
        assert "이미 있습니다: 삼성전자" in (await star(SAMSUNG)).text
        assert (await star("<b>")).alert
        assert codes(harness) == [SAMSUNG]
        assert harness.outbox.next(TRADER) is None, "the card under which it stands is left as it is"

    in_harness(play)


def test_nobody_sees_or_changes_anothers():
    async def play(harness):
        await harness.say("005930")
        await harness.say("000660", OWNER)
        await harness.say("삭제 005930", OWNER)
        assert (codes(harness), codes(harness, OWNER)) == ([SAMSUNG], [HYNIX])

    in_harness(play)


def test_in_english_too():
    async def play(harness):
        texts = [
            harness.text(await harness.say(one)) for one in ("", "005930", "005930", "nobody", "clear", "delete 1")
        ]
        for text, part in zip(
            texts,
            ("It is empty", "Added: ", "Already there", "No stock called", "Take all 1", "Not on your list"),
            strict=True,
        ):
            assert part in text
        assert "[PRACTICE]" in texts[1]
        assert "KST" in texts[1]

    in_harness(play, lang="en")


def test_a_full_list_of_long_names_fits_into_one_message():
    seen = LastPrice(1_234_500, -12_500, "-12.34", 123_456_789, halted=True, vi=True, at=MONDAY_MORNING)
    rows = tuple(
        WatchlistRow(code=f"{n:06}", name="가나다라마바사아자차카타파하<&>" * 3, seen=seen, old=True)
        for n in range(MAX_STOCKS)
    )
    for mode in WatchlistMode:
        watchlist_view = WatchlistView(at=MONDAY_MORNING, mode=mode, until=MONDAY_MORNING, rows=rows)
        card = watchlist_card(watchlist_view, Frame("ko", "real", "…34-01"))
        assert len(card.text.encode("utf-16-le")) // 2 <= 4_000
        assert "[실전]" in card.text
        assert not WatchlistView.model_validate(watchlist_view.model_dump(mode="json")).differs(watchlist_view)


hostile = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "005930 <b>", "005930 '; DROP TABLE watch_list; --", "삭제 ' OR 1=1", "삭제 <b>", ",,,", "\u202e005930", "비우기 확인",
            "KODEX 200 KODEX 200,", "Q500001", "삭제 ,", "005930," * 40, "＜b＞, 삼성", "clear all", "delete", "⭐",
        ],
    ),
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.lists(hostile, min_size=5, max_size=15))
def test_nothing_anybody_writes_breaks_it_or_goes_out_unescaped(words):
    async def play(harness):
        for one in words:
            bare = harness.text(await harness.say(one))
            assert 0 < len(bare) <= 4_000
            for tag in ("<b>", "</b>", "<code>", "</code>"):
                bare = bare.replace(tag, "")
            assert "<" not in bare
            assert ">" not in bare

    in_harness(play)


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=80))
def test_taps_that_no_button_of_ours_makes_do_nothing(data):
    async def play(harness):
        await harness.view.tap(data, harness._ask("", TRADER, 5))

    in_harness(play)


def test_between_blanks_the_longest_name_wins():
    async def play(harness):
        found, unclear = stocks_in("KODEX 200 삼성전자, 모름 카카오", harness.view.symbols)
        assert [one.code for one in found] == ["069500", SAMSUNG]
        assert unclear == ["모름 카카오"]

    in_harness(play)
