"""A person's words become numbers strictly, or a reason with a code; never a guess."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.i18n.formatting import clean
from bot.chat.parsing.order_args import BadArguments, OrderArgs, number, parse_order_args, split_stock
from kis.models import Side
from kis.symbols import Stock, Symbols


def stock(code: str, name: str) -> Stock:
    return Stock(code, name, "KOSPI", etf=False, group="ST", base_price=1_000, halted=False)


SYMBOLS = Symbols(
    [
        stock("005930", "삼성전자"), stock("005935", "삼성전자우"), stock("069500", "KODEX 200"),
        stock("0155E0", "문자코드"), stock("000001", "쌍둥이"), stock("000002", "쌍둥이"),
    ],
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "rest"),
    [
        ("005930 10 71000", "005930", ["10", "71000"]),
        ("삼성전자 10", "005930", ["10"]),
        ("삼성 전자 10", "005930", ["10"]),
        ("kodex 200 10 시장가", "069500", ["10", "시장가"]),
        ("KODEX200 10", "069500", ["10"]),
        ("0155e0 3", "0155E0", ["3"]),
    ],
)
def test_the_longest_head_that_is_exactly_a_stock_wins(words, code, rest):
    found, _, after = split_stock(words, SYMBOLS)

    assert (found.code, after) == (code, rest)


@pytest.mark.parametrize(
    ("words", "named", "rest"),
    [
        ("삼성 10 시장가", "삼성", ["10", "시장가"]),
        ("쌍둥이 5", "쌍둥이", ["5"]),
        ("없는 회사", "없는 회사", []),
        ("", "", []),
    ],
)
def test_what_is_not_exactly_one_stock_is_not_guessed(words, named, rest):
    assert split_stock(words, SYMBOLS) == (None, named, rest)


@pytest.mark.parametrize(
    ("word", "value"),
    [("10", 10), ("10주", 10), ("1,000", 1_000), ("1,234,567", 1_234_567), ("007", 7), ("+5", 5), ("10SHARES", 10)],
)
def test_quantities_as_people_write_them(word, value):
    assert number(word, "quantity") == value


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("0", "ZERO"), ("000", "ZERO"), ("-1", "NEGATIVE"), ("-0", "NEGATIVE"), ("1.5", "DECIMAL"), (".5", "DECIMAL"),
        ("1,00", "FORM"), (",100", "FORM"), ("10만", "FORM"), ("1e3", "FORM"), ("열", "FORM"), ("²", "FORM"),
        ("", "FORM"), ("--1", "NEGATIVE"), ("99999999999", "HUGE"),
    ],
)  # fmt: skip
def test_each_wrong_number_has_its_code(word, code):
    with pytest.raises(BadArguments) as caught:
        number(word, "quantity")

    assert caught.value.reason.code == f"QUANTITY_{code}"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([], OrderArgs()),
        (["10"], OrderArgs(10)),
        (["10", "71000"], OrderArgs(10, price=71_000)),
        (["10", "71,000원"], OrderArgs(10, price=71_000)),
        (["10", "시장가"], OrderArgs(10, market=True)),
        (["전량", "시장가"], OrderArgs(None, everything=True, market=True)),
    ],
)
def test_terms_in_their_order(parts, words):
    assert parse_order_args(parts, Side.SELL) == words


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        (["10", "시장가", "71000"], "MARKET_WITH_PRICE"),
        (["10", "71000", "시장가"], "MARKET_WITH_PRICE"),
        (["10", "71000", "빨리"], "TOO_MANY_WORDS"),
        (["전량", "시장가"], "QUANTITY_FORM"),
        (["10", "0"], "PRICE_ZERO"),
    ],
)
def test_terms_that_contradict_each_other(parts, code):
    with pytest.raises(BadArguments) as caught:
        parse_order_args(parts, Side.BUY)

    assert caught.value.reason.code == code


@given(st.text())
def test_cleaned_text_is_one_line_without_invisible_characters(text):
    cleaned = clean(text)

    assert clean(cleaned) == cleaned
    assert not re.search(r"[\u0000-\u001f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\n]", cleaned)


@given(st.lists(st.text(max_size=12), max_size=5), st.sampled_from(Side))
def test_no_words_raise_anything_but_bad_words(parts, side):
    try:
        words = parse_order_args(parts, side)
    except BadArguments:
        return
    assert words.quantity is None or words.quantity > 0
    assert words.price is None or words.price > 0
    assert not (words.market and words.price)
