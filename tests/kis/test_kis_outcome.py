"""What an answer to a write proves: every row of the table, and everything that is in none."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kis import errors
from kis.error_codes import CONFIRMED_REFUSALS, ErrorMeaning, code_of, has_envelope, known_meaning
from kis.outcome import Outcome, classify
from kis.sim.api import error_messages as refusals
from tests.kis.kis_wire import refusal, sample

PLACED = sample("order_real")
STATUSES = [200, 401, 403, 404, 429, 500, 502, 503]


def outcome(body):
    """What an answer says, which is the same under every status."""
    (what,) = {classify(sent=sent, status=status, body=body) for status in STATUSES for sent in (True, False)}
    return what


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


@pytest.mark.parametrize("name", ["order_real", "order_paper", "cancel_real"])
def test_a_yes_with_a_number_is_placed_whatever_the_status(name):
    assert outcome(sample(name)) is Outcome.PLACED
    assert outcome(sample(name) | {"rt_cd": 0}) is Outcome.PLACED
    lower = {key.lower(): value for key, value in sample(name)["output"].items()}
    assert outcome(sample(name) | {"output": lower}) is Outcome.PLACED


@pytest.mark.parametrize(
    "output",
    [
        None,
        [],
        "0000085100",
        {},
        {"ODNO": ""},
        {"ODNO": "  "},
        {"ODNO": "0000000000"},
        {"ODNO": None},
        {"ODNO": 85100},
        {"ODNO": "85100x"},
        {"ODNO": "²"},
        {"ODNO": "-1"},
        [{"ODNO": "85100"}],
    ],
)
def test_a_yes_without_a_number_is_unknown(output):
    assert outcome(PLACED | {"output": output}) is Outcome.UNKNOWN
    assert outcome(without(PLACED, "output")) is Outcome.UNKNOWN


def test_what_never_left_and_was_never_answered_was_not_sent():
    assert classify(sent=False, status=None, body=None) is Outcome.NOT_SENT


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (True, None, None),
        (True, 200, None),
        (True, 502, None),
        (False, 200, None),
        (False, 404, None),
        (True, None, PLACED),
        (False, None, PLACED),
        (False, None, refusal("APBK0952")),
    ],
)
def test_no_whole_answer_of_kis_is_unknown(sent, status, body):
    """An HTTP status is evidence of nothing: an address nobody has answers 404 behind some proxies."""
    assert classify(sent=sent, status=status, body=body) is Outcome.UNKNOWN


GATEWAY = {
    Outcome.THROTTLED: ["EGW00201", "EGW00215"],
    Outcome.TOKEN: ["EGW00121", "EGW00122", "EGW00123"],
    Outcome.MISCONFIGURED: [
        *("EGW00003", "EGW00004", "EGW00102", "EGW00103", "EGW00104", "EGW00105", "EGW00206", "EGW00207"),
        *("EGW00210", "EGW00303", "EGW00304", "EGW02004"),
    ],
    Outcome.REFUSED: [
        *("EGW00101", "EGW00106", "EGW00120", "EGW00124", "EGW00131", "EGW00132", "EGW00205", "EGW00208"),
        *("EGW00209", "EGW00211", "EGW00212", "EGW00213", "EGW00310", "EGW02006"),
    ],
}
BEHIND = {
    Outcome.MISCONFIGURED: ["IGW00002", "OPSQ2000", "40910000"],
    Outcome.REFUSED: ["IGW00007", "OPSQ0002", "OPSQ2001", "OPSQ2002", "OPSQ2003", "OPSQ9995", "OPSQ9999"],
}
CLAIMS = [
    *("EGW00001", "EGW00002", "EGW00202", "EGW00203", "EGW00204", "EGW00300", "EGW00316", "EGW00999"),
    *("OPSQ0001", "OPSQ0003", "OPSQ0011", "OPSQ1002", "OPSQ3001", "OPSQ7777", "IGW00009", "IGW00099"),
    *("APBK9999", "APBK0001", "40000000", "KIOK0560", "MCA05918", "EGW00133", "x"),
]
TIMED_OUT = ["EGW00301", "EGW00302"]
DONE = ["APBK0013", "APBK2938", "40590000", "40600000", "40620000", "40630000"]


def listed(table):
    return [(code, what) for what, codes in table.items() for code in codes]


def shapes(code):
    """The shapes in which the gateway's code has been captured: with `msg_cd`, under `message`, and as oauth2's."""
    yield refusal(code)
    yield {"rt_cd": "1", "msg1": "거부", "message": code}
    yield {"msg1": "거부", "message": code}
    yield {"error_description": "거부", "error_code": code}


@pytest.mark.parametrize(("code", "what"), listed(GATEWAY))
def test_the_gateways_code_counts_in_whichever_shape_it_comes(code, what):
    assert [outcome(body) for body in shapes(code)] == [what] * 4


@pytest.mark.parametrize(("code", "what"), listed(BEHIND))
def test_what_stands_behind_the_gateway_has_the_whole_envelope(code, what):
    assert outcome(refusal(code)) is what
    assert [outcome(body) for body in itertools.islice(shapes(code), 2, None)] == [Outcome.UNKNOWN] * 2


@pytest.mark.parametrize("code", sorted(CONFIRMED_REFUSALS))
def test_a_refusal_that_has_been_seen_is_believed(code):
    for rt_cd in ("1", "2", "7", "9", "", "00", "-0", 1, False):
        assert outcome(refusal(code, rt_cd=rt_cd)) is Outcome.REFUSED
        assert outcome(refusal(f" {code} ", rt_cd=rt_cd) | {"output": {"ODNO": " 000 "}}) is Outcome.REFUSED


@pytest.mark.parametrize("code", CLAIMS)
def test_a_refusal_nobody_has_seen_beside_an_order_is_a_claim(code):
    assert outcome(refusal(code)) is Outcome.CLAIMED


@pytest.mark.parametrize("code", [*CLAIMS, *sorted(CONFIRMED_REFUSALS)])
def test_without_an_envelope_it_is_not_even_a_claim(code):
    for rt_cd in (None, {}, [], 1.5):
        assert outcome(refusal(code) | {"rt_cd": rt_cd}) is Outcome.UNKNOWN
    assert outcome({"rt_cd": "1", "error_code": code}) is Outcome.UNKNOWN
    assert outcome({"rt_cd": "1", "msg_cd": "", "error_code": code}) is Outcome.UNKNOWN


@pytest.mark.parametrize("code", [*TIMED_OUT, *DONE])
def test_a_timeout_behind_the_gateway_and_a_success_that_says_no_are_unknown(code):
    assert [outcome(body) for body in shapes(code)] == [Outcome.UNKNOWN] * 4


@pytest.mark.parametrize("body", [{}, {"rt_cd": "1"}, {"rt_cd": "7", "msg1": "안 됩니다"}, {"msg_cd": "APBK0952"}])
def test_a_no_without_a_code_and_a_code_without_a_no_are_unknown(body):
    assert outcome(body) is Outcome.UNKNOWN


CODES = [code for code, _ in [*listed(GATEWAY), *listed(BEHIND)]] + [
    *CLAIMS,
    *TIMED_OUT,
    *DONE,
    *sorted(CONFIRMED_REFUSALS),
]


@pytest.mark.parametrize("code", CODES)
def test_a_no_that_bears_an_order_number_is_unknown(code):
    for output in (
        {"ODNO": "0000085100"},
        {"odno": "85100"},
        {"ODNO": 85100},
        {"ODNO": "A1"},
        {"ODNO": "0", "SOR_ODNO": "0000085100"},
        [{"ODNO": "1"}],
        {"ODNO": ["1"]},
    ):
        assert outcome(refusal(code) | {"output": output}) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "output", [None, "", [], {}, {"ODNO": ""}, {"ODNO": "0000000000"}, {"ORD_TMD": "110840"}, [{}], [None, "85100"], 5]
)
def test_a_no_whose_number_is_blank_is_judged_by_its_code(output):
    assert outcome(refusal("APBK0952") | {"output": output}) is Outcome.REFUSED


def test_every_refusal_with_advice_of_its_own_and_every_one_of_the_simulators_is_among_those_seen():
    advised = {code for code in errors._BY_CODE if code != "EGW00133"}
    told = {words.code for table in (refusals.REAL, refusals.PAPER) for words in table.values()}
    assert advised | told == CONFIRMED_REFUSALS


def test_no_seen_refusal_has_another_meaning():
    assert {known_meaning(code) for code in CONFIRMED_REFUSALS} == {None}
    assert {known_meaning(code) for code in DONE} == {ErrorMeaning.OPAQUE}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(CODES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ENVELOPE = st.fixed_dictionaries(
    {},
    optional={
        "rt_cd": st.sampled_from(["0", "1", "7", " 0 ", 0, 1, False, None, 0.0]) | JSON,
        "msg_cd": st.sampled_from(CODES) | JSON,
        "msg1": JSON,
        "message": st.sampled_from(CODES) | JSON,
        "error_code": st.sampled_from(CODES) | JSON,
        "output": st.fixed_dictionaries(
            {}, optional={"ODNO": st.sampled_from(["", "0", "51378"]) | JSON, "odno": JSON, "SOR_ODNO": JSON}
        )
        | JSON,
    },
)
ANY_BODY = st.none() | ENVELOPE | st.dictionaries(st.text(max_size=5), JSON, max_size=4)


@settings(max_examples=800, deadline=None)
@example(body=refusal("APBK0952") | {"rt_cd": True}, sent=False, status=200)
@given(body=ANY_BODY, sent=st.booleans(), status=st.none() | st.sampled_from(STATUSES))
def test_whatever_comes_there_is_an_outcome_and_each_has_its_proof(body, sent, status):
    what = classify(sent=sent, status=status, body=body)
    assert isinstance(what, Outcome)
    if what is Outcome.NOT_SENT:
        assert (sent, status, body) == (False, None, None)
    elif what is Outcome.PLACED:
        number = body["output"].get("ODNO") or body["output"]["odno"]
        assert str(body["rt_cd"]).strip() == "0"
        assert int(number) > 0
    elif what is not Outcome.UNKNOWN:
        assert status is not None
        assert str(body.get("rt_cd")).strip() != "0"
        assert code_of(body) not in {None, *TIMED_OUT, *DONE}
        if what in {Outcome.CLAIMED, Outcome.REFUSED} and not code_of(body).startswith("EGW"):
            assert has_envelope(body)


@settings(max_examples=200, deadline=None)
@given(code=st.text(min_size=1, max_size=8))
def test_a_code_of_any_other_make_is_a_claim_at_most(code):
    if code.strip() not in CODES and known_meaning(code.strip()) is None:
        assert outcome(refusal(code)) in {Outcome.CLAIMED, Outcome.UNKNOWN}
