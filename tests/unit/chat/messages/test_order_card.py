"""What people read: whole messages, in both languages, safe whatever the names in them are."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from bot.chat.i18n.catalogue import REASONS, reason, toast
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.messages.fills import external_push, fill_push, state_push
from bot.chat.messages.order_card import order_card
from bot.chat.transport.sender import _fit
from bot.orders.execution.desk import TapOutcome
from bot.orders.model.events import CancelState
from bot.orders.model.order import Link, OrderState
from kis.models import OrderKind, Side
from tests.unit.orders.model.test_order import NOW, order

KO = Frame("ko", "practice", "…78-01")
EN = Frame("en", "real", "…78-01")
PLACED = {"day": date(2026, 11, 23), "order_no": "0000000007", "branch": "06010", "accepted_time": "100001"}
TOKENS = {"secrets": {"confirm": "token-one", "discard": "token-two"}}


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def test_a_ticket_says_everything_that_will_be_sent_and_what_it_costs():
    ticket = order_card(order(cash_after=8_962_535), TOKENS, KO)

    assert plain(ticket.text).splitlines() == [
        "🟥 매수 확인  삼성전자 005930 [연습]",
        "10주 × 71,000원 지정가 = 710,000원",
        "현재 71,000원 ⚪ (0.00%) · 10:00:00 기준",
        "수수료 약 100원",
        "주문 후 주문가능금액 8,962,535원",
        "계좌 …78-01 · 접수번호 #1",
        "⏳ 60초 · 10:01:00까지, 한 번만 누를 수 있습니다",
    ]
    ((confirm, discard),) = ticket.buttons
    assert (confirm.label, confirm.data) == ("✅ 매수 10주 확인", "t:token-one")
    assert (discard.label, discard.data) == ("✖ 취소", "t:token-two")


def test_a_sell_ticket_is_blue_taxed_and_counts_shares():
    sale = order(side=Side.SELL, tax=1_420, cash_after=None, sellable_after=15)

    lines = plain(order_card(sale, TOKENS, KO).text).splitlines()

    assert lines[0].startswith("🟦 매도 확인")
    assert "수수료 약 100원 · 거래세 약 1,420원" in lines
    assert "주문 후 매도가능 15주" in lines


def test_a_market_ticket_says_that_its_price_is_a_guess_and_what_is_set_aside():
    ticket = order_card(order(kind=OrderKind.MARKET, price=None, reserve_unit=92_300), TOKENS, KO)

    assert "10주 × 시장가 (약 71,000원) = 약 710,000원" in plain(ticket.text)
    assert "상한가 92,300원 기준으로 증거금" in plain(ticket.text)


def test_a_requoted_ticket_shows_old_and_new():
    again = order_card(order(was_quote=70_000), TOKENS, KO)

    assert "70,000원 → 71,000원으로 바뀌었습니다" in plain(again.text)


@pytest.mark.parametrize("frame", [KO, EN], ids=["ko", "en"])
@pytest.mark.parametrize("state", OrderState)
def test_every_state_has_its_card_in_both_languages(state, frame):
    card = order_card(order(state, **PLACED, filled=3, filled_amount=213_000), {}, frame)

    first = plain(card.text).splitlines()[0]
    assert frame.badge in first
    assert "삼성전자" in first[:40]
    assert "None" not in card.text
    if frame is EN:
        assert not re.search("[가-힣]", card.text.replace("삼성전자", ""))


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (OrderState.OPEN, "접수"), (OrderState.PARTIAL, "일부체결"), (OrderState.FILLED, "체결"), (OrderState.REJECTED, "거부"),
        (OrderState.UNKNOWN, "확인중(불명)"),
    ],
)  # fmt: skip
def test_the_five_words_are_never_mixed(state, word):
    head = plain(order_card(order(state, **PLACED), {}, KO).text).splitlines()[0].removesuffix("[연습]")

    others = {"접수", "일부체결", "거부", "확인중(불명)"} - {word}
    assert word in head
    assert not [other for other in others if other in head]


def test_an_unknown_order_is_never_called_failed_and_says_it_was_not_sent_again():
    card = plain(order_card(order(OrderState.UNKNOWN), {}, KO).text)

    assert "다시 보내지 않았습니다" in card
    assert "실패" not in card


def test_a_refusal_quotes_the_broker_safely():
    card = order_card(order(OrderState.REJECTED, code_word="APBK0952", message="<b>부족\u202e</b> & x"), {}, KO)

    assert "&lt;b&gt;부족&lt;/b&gt; &amp; x (APBK0952)" in card.text


@pytest.mark.parametrize("cancel", CancelState)
def test_a_cancel_that_is_asked_for_is_not_called_done(cancel):
    card = plain(order_card(order(OrderState.OPEN, **PLACED, cancel=cancel, code_word="X"), {}, KO).text)

    assert "📨 접수" in card
    assert "취소 완료" not in card


@pytest.mark.parametrize("link", Link)
def test_how_a_lost_order_was_found_is_said(link):
    card = plain(order_card(order(OrderState.OPEN, **PLACED, link=link), {}, KO).text)

    assert ("찾았습니다" in card) is (link is Link.MATCHED)
    assert ("늦게 접수" in card) is (link is Link.LATE)
    assert ("사람이" in card) is (link is Link.HUMAN)


def test_a_fill_bears_the_cumulative_figures_that_a_repeat_cannot_falsify():
    part = order(OrderState.PARTIAL, **PLACED, filled=30, filled_amount=2_130_000, quantity=100, user_name="이매매")

    push = fill_push(part, {"filled": 30, "amount": 2_130_000, "step": 20, "step_amount": 1_421_000}, KO)

    assert plain(push.text).splitlines() == [
        "🟥 매수 ◐ 일부체결  삼성전자 005930 [연습]",
        "이번 20주 @71,050 · 누적 30/100주 (평균 71,000)",
        "주문번호 0000000007 · #1 · 이매매",
    ]


def test_a_fill_is_told_as_it_was_even_when_the_order_has_moved_on():
    done = order(OrderState.FILLED, **PLACED, filled=10, filled_amount=710_000)

    push = plain(fill_push(done, {"filled": 4, "amount": 284_000, "step": 4, "step_amount": 284_000}, KO).text)

    assert "일부체결" in push
    assert "누적 4/10주" in push


def test_an_order_made_elsewhere_says_so():
    data = {
        "side": "sell", "code": "000660", "name": "SK하이닉스", "quantity": 2, "filled": 2, "amount": 536_000,
        "order_no": "0000000099",
    }  # fmt: skip

    assert "외부 주문" in plain(external_push(data, KO).text)
    assert "made elsewhere" in plain(external_push(data, EN).text)


def test_two_candidates_are_shown_with_a_key_each_and_one_for_neither():
    claims = [["0000000007", "100001", "OpnAPI", "t1"], ["0000000008", "100002", "Nsmart", "t2"]]

    asked = state_push("ambiguous", order(OrderState.UNKNOWN), {"secrets": {"claims": claims, "none": "t3"}}, KO)

    assert [key.data for row in asked.buttons for key in row] == ["t:t1", "t:t2", "t:t3"]
    assert "0000000008" in asked.text
    assert "Nsmart" in asked.text


HOSTILE = ["<b>", "</code><a href='x'>", "&amp;", "\u202eabc", "가" * 500, "{0}{name}", "a\nb", "\u0000", "🟦 매도"]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("state", [OrderState.PROPOSED, OrderState.OPEN, OrderState.REJECTED])
def test_a_hostile_name_cannot_change_side_quantity_or_markup(state, name):
    card = order_card(order(state, **PLACED, name=name, message=name, user_name=name), TOKENS, KO)

    assert plain(card.text).startswith("🟥 매수")
    assert "10주 × 71,000원" in plain(card.text)
    allowed = re.sub(r"</?(b|i|code)>", "", card.text)
    assert not re.search(r"[<>]", allowed)
    assert len(card.text) < 1_500


@pytest.mark.parametrize("code", REASONS)
@pytest.mark.parametrize("lang", ["ko", "en"])
def test_every_reason_reads_without_a_hole(code, lang):
    values = {
        "word": "x", "rest": "x", "text": "x", "name": "x", "next_open": NOW, "max": 1, "value": 1, "fits": 1, "low": 1,
        "high": 1, "below": 1, "above": 1, "need": 1, "have": 0, "why": "",
    }  # fmt: skip

    sentence = reason(code, values, lang)

    assert "{" not in sentence
    assert bool(re.search("[가-힣]", sentence)) is (lang == "ko")


def test_every_verdict_of_a_tap_has_its_toast():
    for verdict in TapOutcome:
        assert toast(verdict.value, "ko") != toast(verdict.value, "en")


def test_somebody_elses_words_are_capped_and_one_line():
    assert safe("a\nb\tc " + "x" * 200, 10) == "a b c xxx…"
    assert len(safe("가" * 5_000)) == 80


def test_a_message_that_is_too_long_ends_between_lines():
    text = "\n".join(f"<b>{n}</b> " + "가" * 90 for n in range(100))

    fitted = _fit(text)

    assert len(fitted) <= 4_000 + 2
    assert fitted.count("<b>") == fitted.count("</b>")


def test_the_age_of_a_ticket_is_told_from_its_own_making():
    soon = order(expires_at=NOW + timedelta(seconds=30))

    assert "⏳ 30초" in plain(order_card(soon, TOKENS, KO).text)
    assert replace(soon, was_quote=1) != soon


@pytest.mark.parametrize("kind", ["manual", "ambiguous"])
def test_two_questions_about_one_stock_are_told_apart_by_their_numbers(kind):
    said = [state_push(kind, order(OrderState.UNKNOWN, id=number), {}, KO).text for number in (7, 8)]

    assert [f"#{number}" in text for number, text in zip((7, 8), said, strict=True)] == [True, True]
    assert said[0] != said[1]
