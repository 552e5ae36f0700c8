"""What people write behind /alert: read strictly, refused in words, never guessed at."""

import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.alerts.model import Comparison
from bot.chat.i18n.catalogue import translate
from bot.chat.parsing.alert_args import (
    _SENTENCES,
    AlertArgs,
    normalised,
    parse_alert_args,
    parse_holdings_args,
    sentence,
    split_condition,
)
from bot.chat.parsing.order_args import BadArguments


def read(text):
    return parse_alert_args(normalised(text).split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("> 72000", AlertArgs(Comparison.ABOVE, 72_000)),
        (">72,000원", AlertArgs(Comparison.ABOVE, 72_000)),
        (">= 72000", AlertArgs(Comparison.AT_LEAST, 72_000)),
        ("≥72000", AlertArgs(Comparison.AT_LEAST, 72_000)),
        ("＞ ７２０００", AlertArgs(Comparison.ABOVE, 72_000)),
        ("<= 72000", AlertArgs(Comparison.AT_MOST, 72_000)),
        ("below 72000", AlertArgs(Comparison.BELOW, 72_000)),
        ("72000 이상", AlertArgs(Comparison.AT_LEAST, 72_000)),
        ("72,000 원 미만", AlertArgs(Comparison.BELOW, 72_000)),
        ("72000", AlertArgs(None, 72_000)),
        ("72003", AlertArgs(None, 72_003)),
        ("-3%", AlertArgs(Comparison.AT_MOST, percent=Decimal(-3))),
        ("−3.5 %", AlertArgs(Comparison.AT_MOST, percent=Decimal("-3.5"))),
        ("+3％ 전일", AlertArgs(Comparison.AT_LEAST, percent=Decimal(3), from_close=True)),
        (
            "-3% close repeat 7d",
            AlertArgs(Comparison.AT_MOST, percent=Decimal(-3), from_close=True, repeat=True, days=7),
        ),
        ("거래량 3배", AlertArgs(Comparison.AT_LEAST, factor=Decimal(3))),
        ("volume 2.5x today", AlertArgs(Comparison.AT_LEAST, factor=Decimal("2.5"), days=0)),
        ("> 72000 반복 오늘", AlertArgs(Comparison.ABOVE, 72_000, repeat=True, days=0)),
        ("> 72000 30 일 반복", AlertArgs(Comparison.ABOVE, 72_000, repeat=True, days=30)),
    ],
)
def test_conditions_as_people_write_them(text, words):
    assert read(text) == words


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "ALERT_WHAT"),
        (">", "ALERT_NO_PRICE"),
        ("> 0", "PRICE_ZERO"),
        ("> -5", "PRICE_NEGATIVE"),
        ("> 7만", "PRICE_FORM"),
        ("=> 72000", "PRICE_FORM"),
        ("> > 72000", "PRICE_FORM"),
        ("> 1.5", "PRICE_DECIMAL"),
        ("> 99999999999", "PRICE_HUGE"),
        ("3%", "ALERT_SIGN"),
        ("±3%", "ALERT_SIGN"),
        ("-0%", "ALERT_PERCENT_RANGE"),
        ("-100%", "ALERT_PERCENT_RANGE"),
        ("+1001%", "ALERT_PERCENT_RANGE"),
        ("-3.123%", "ALERT_PERCENT_FORM"),
        ("%", "ALERT_PERCENT_FORM"),
        ("-٣%", "ALERT_PERCENT_FORM"),
        ("거래량", "ALERT_NO_FACTOR"),
        ("거래량 1배", "ALERT_FACTOR_RANGE"),
        ("거래량 101배", "ALERT_FACTOR_RANGE"),
        ("거래량 많이", "ALERT_FACTOR_FORM"),
        ("> 72000 0일", "ALERT_DAYS"),
        ("> 72000 366일", "ALERT_DAYS"),
        ("> 72000 오늘 7일", "ALERT_TWICE"),
        ("> 72000 반복 반복", "ALERT_TWICE"),
        ("> 72000 전일", "ALERT_CLOSE"),
        ("거래량 3배 전일", "ALERT_CLOSE"),
        ("> 72000 내일", "ALERT_WORD"),
        ("> 72000 < 80000", "ALERT_WORD"),
        ("빨리", "PRICE_FORM"),
    ],
)
def test_each_wrong_condition_has_its_code_and_a_sentence_in_either_language(text, code):
    with pytest.raises(BadArguments) as caught:
        read(text)

    why = caught.value.reason
    assert why.code == code
    for lang in ("ko", "en"):
        assert sentence(why.code, why.values, lang) not in {"", code}


def test_holdings_take_a_percentage_and_a_time_and_nothing_else():
    assert parse_holdings_args(["5%"]) == AlertArgs(percent=Decimal(5), from_close=True)
    assert parse_holdings_args(["±2.5%", "오늘"]) == AlertArgs(percent=Decimal("2.5"), from_close=True, days=0)
    for parts, code in (([], "PERCENT_FORM"), (["-5%"], "PERCENT_FORM"), (["0.4%"], "HELD_RANGE"), (["31%"], "HELD_RANGE"), (["5%", "반복"], "HELD_REPEAT")):  # fmt: skip
        with pytest.raises(BadArguments) as caught:
            parse_holdings_args(parts)
        assert caught.value.reason.code == f"ALERT_{code}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [("삼성 > 72000", ("삼성", "> 72000")), ("삼성 -3%", ("삼성", "-3%")), ("없는 회사", ("없는 회사", "")), ("삼성 72000 반복", ("삼성", "72000 반복"))],
)  # fmt: skip
def test_the_name_of_a_stock_that_is_not_known_ends_where_the_condition_begins(text, parts):
    assert split_condition(normalised(text)) == parts


pieces = st.sampled_from(
    [">", ">=", "<", "≤", "＞", "72000", "72,000원", "-3%", "+3.5％", "±5%", "%", "거래량", "3배", "2.5x", "반복", "repeat",
     "오늘", "7일", "0일", "전일", "이상", "삭제", "보유", "0", "-1", "1e9", "٣", "²", "<b>", "'; DROP TABLE alerts; --", "\u202e", "\u200b"],
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(pieces, max_size=7).map(" ".join)))
@example("> " + "9" * 200)
def test_no_words_lead_to_anything_but_a_sound_condition_or_a_sentence(text):
    for reader in (parse_alert_args, parse_holdings_args):
        try:
            words = reader(normalised(text).split())
        except BadArguments as bad:
            said = [sentence(bad.reason.code, bad.reason.values, lang) for lang in ("ko", "en")]
            assert all(said)
            assert not re.search(r"[<>]|\u202e|\n", "".join(said))
            continue
        said = [one for one in (words.price, words.percent, words.factor) if one is not None]
        assert len(said) == 1
        assert words.price is None or 0 < words.price < 10**10
        assert words.percent is None or -100 < words.percent <= 1_000
        assert words.factor is None or 1 < words.factor <= 100
        assert words.days is None or 0 <= words.days <= 365


@given(st.text(max_size=80))
def test_spacing_twice_is_spacing_once(text):
    assert normalised(normalised(text)) == normalised(text)


def test_sentences_are_fit_for_html():
    for words in _SENTENCES.values():
        assert not re.search(r"[<>]|&(?!gt;|lt;)", translate("ko", words) + translate("en", words))
