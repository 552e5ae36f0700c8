"""Who else must agree, who may say so, and what a voice is still worth: tiers, sales, deputies, standing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.access.roles import Person, Role
from bot.orders.approvals.policy import ApprovalPolicy, SellApproval, value_of
from bot.orders.model.events import Requoted
from bot.orders.model.order import OrderState, Vote, apply
from kis.models import OrderKind, Side
from tests.unit.orders.model.test_order import NOW, order

M = 1_000_000
TIERS = ApprovalPolicy(order_tiers=((M, 1), (3 * M, 2)), day_tiers=((5 * M, 1), (9 * M, 3)))
WAIT = timedelta(minutes=10)
WITH_DEPUTIES = replace(TIERS, deputies_after=WAIT)
TICK = timedelta(microseconds=1)
PROPOSER, OWNER, ADMIN, TRADER, VIEWER = 1, 2, 3, 4, 5
WON = st.integers(0, 20 * M)


def person(user, role):
    return Person(user, f"사람{user}", role, NOW)


PEOPLE = [
    person(PROPOSER, Role.ADMIN),
    person(OWNER, Role.OWNER),
    person(ADMIN, Role.ADMIN),
    person(TRADER, Role.TRADER),
    person(VIEWER, Role.VIEWER),
]


def asked(**changes):
    return order(**{"state": OrderState.PENDING, "user_id": PROPOSER, "asked_at": NOW, "needed": 2, **changes})


def vote(user, *, approve=True, round_=1):
    return Vote(1, round_, user, f"사람{user}", approve, NOW)


# --- how many ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "day", "count"),
    [
        (0, 0, 0),
        (M - 1, M - 1, 0),
        (M, M, 0),
        (M + 1, M + 1, 1),
        (3 * M, 3 * M, 1),
        (3 * M + 1, 3 * M + 1, 2),
        (1, 5 * M, 0),
        (1, 5 * M + 1, 1),
        (M + 1, 5 * M + 1, 1),
        (3 * M + 1, 5 * M + 1, 2),
        (1, 9 * M, 1),
        (1, 9 * M + 1, 3),
        (4 * M, 10 * M, 3),
    ],
)
def test_a_tier_begins_above_its_amount_and_the_stricter_of_order_and_day_counts(value, day, count):
    assert TIERS.needed(value, day, Side.BUY) == count


def test_tiers_count_by_amount_in_whatever_order_they_stand():
    assert ApprovalPolicy(order_tiers=((3 * M, 2), (M, 1))).needed(4 * M, 0, Side.BUY) == 2


@pytest.mark.parametrize(
    ("sells", "counts"),
    [(SellApproval.SAME, [0, 1, 2, 3]), (SellApproval.FEWER, [0, 0, 1, 2]), (SellApproval.NONE, [0, 0, 0, 0])],
)
def test_a_sale_may_need_fewer_and_never_less_than_none(sells, counts):
    policy = replace(TIERS, sells=sells)
    amounts = [(M, 0), (2 * M, 0), (4 * M, 0), (0, 10 * M)]
    assert [policy.needed(value, day, Side.SELL) for value, day in amounts] == counts


def test_single_is_a_house_without_any_tier():
    assert ApprovalPolicy().single
    assert ApprovalPolicy(deputies_after=WAIT, sells=SellApproval.SAME).single
    assert not ApprovalPolicy(order_tiers=((M, 1),)).single
    assert not ApprovalPolicy(day_tiers=((M, 1),)).single
    assert ApprovalPolicy().needed(10**15, 10**15, Side.BUY) == 0


@given(value=WON, day=WON, more=WON, side=st.sampled_from(Side), sells=st.sampled_from(SellApproval))
def test_more_money_never_needs_fewer_people_and_a_sale_never_more_than_a_purchase(value, day, more, side, sells):
    policy = replace(TIERS, sells=sells)
    count = policy.needed(value, day, side)
    assert 0 <= count <= policy.needed(value + more, day, side)
    assert count <= policy.needed(value, day + more, side)
    assert policy.needed(value, day, Side.SELL) <= policy.needed(value, day, Side.BUY)


def test_an_order_is_judged_by_what_kis_sets_aside_not_by_what_it_may_cost():
    market = order(kind=OrderKind.MARKET, price=None, quantity=10, unit=70_000, reserve_unit=91_000)
    assert (value_of(market), market.amount) == (910_000, 700_000)


# --- who --------------------------------------------------------------------------------------------------------------


def test_owners_and_admins_agree_and_the_proposer_never_whatever_their_role():
    assert [one.user_id for one in TIERS.voters(PEOPLE, asked(), NOW)] == [OWNER, ADMIN]
    for role in Role:
        assert not WITH_DEPUTIES.may_vote(person(PROPOSER, role), asked(), NOW + 2 * WAIT)


@pytest.mark.parametrize(("after", "stand_in"), [(timedelta(), False), (WAIT - TICK, False), (WAIT, True)])
def test_other_traders_step_in_when_the_time_is_up_and_not_a_moment_before(after, stand_in):
    assert WITH_DEPUTIES.deputies(asked(), NOW + after) is stand_in
    assert WITH_DEPUTIES.may_vote(person(TRADER, Role.TRADER), asked(), NOW + after) is stand_in
    assert not WITH_DEPUTIES.may_vote(person(VIEWER, Role.VIEWER), asked(), NOW + after)
    assert WITH_DEPUTIES.may_vote(person(ADMIN, Role.ADMIN), asked(), NOW + after)


def test_nobody_steps_in_where_the_house_names_no_time_or_nobody_was_asked():
    assert not TIERS.deputies(asked(), NOW + timedelta(days=1))
    assert not WITH_DEPUTIES.deputies(asked(asked_at=None), NOW + timedelta(days=1))


def test_deputies_may_be_at_once():
    policy = replace(TIERS, deputies_after=timedelta())
    assert policy.may_vote(person(TRADER, Role.TRADER), asked(), NOW)


# --- what a voice is worth --------------------------------------------------------------------------------------------


def test_voices_of_those_who_may_vote_now_stand():
    assert TIERS.standing([vote(OWNER), vote(ADMIN)], PEOPLE, asked(), NOW) == 2


@pytest.mark.parametrize(
    "one",
    [vote(PROPOSER), vote(TRADER), vote(VIEWER), vote(99), vote(ADMIN, approve=False), vote(ADMIN, round_=2)],
    ids=["proposer", "trader", "viewer", "stranger", "refusal", "another round"],
)
def test_a_voice_of_the_wrong_person_kind_or_round_does_not_stand(one):
    assert TIERS.standing([one], PEOPLE, asked(), NOW) == 0


def test_one_person_is_one_voice_however_often_it_is_on_record():
    assert TIERS.standing([vote(ADMIN), vote(ADMIN)], PEOPLE, asked(), NOW) == 1


def test_a_voice_falls_with_the_role_it_was_given_in_and_with_the_person():
    votes = [vote(OWNER), vote(ADMIN)]
    demoted = [replace(one, role=Role.TRADER) if one.user_id == ADMIN else one for one in PEOPLE]
    assert TIERS.standing(votes, demoted, asked(), NOW) == 1
    assert TIERS.standing(votes, [one for one in PEOPLE if one.user_id != OWNER], asked(), NOW) == 1
    assert TIERS.standing(votes, [], asked(), NOW) == 0


def test_a_deputys_voice_stands_only_once_deputies_may_speak():
    for after, count in ((WAIT - TICK, 0), (WAIT, 1)):
        assert WITH_DEPUTIES.standing([vote(TRADER)], PEOPLE, asked(), NOW + after) == count


def test_a_new_price_voids_every_voice():
    before = asked(state=OrderState.CONFIRMED, approvals=2, approvers=("가", "나"))
    again = apply(before, _requoted(before), NOW)
    assert (again.round, again.needed, again.approvals, again.approvers) == (2, 0, 0, ())
    assert again.terms() != before.terms()
    assert TIERS.standing([vote(OWNER), vote(ADMIN)], PEOPLE, again, NOW) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from([one.user_id for one in PEOPLE]), st.booleans(), st.integers(1, 2)), max_size=12
    ),
    st.integers(1, 2),
)
def test_no_more_voices_stand_than_there_are_others_in_charge(cast, round_):
    votes = [vote(user, approve=approve, round_=at) for user, approve, at in cast]
    counted = {user for user, approve, at in cast if approve and at == round_ and user in {OWNER, ADMIN}}
    assert TIERS.standing(votes, PEOPLE, asked(round=round_), NOW) == len(counted)


@pytest.mark.parametrize(
    "edit",
    [
        {"quantity": 11},
        {"price": 1},
        {"price": None},
        {"code": "000660"},
        {"side": Side.SELL},
        {"kind": OrderKind.MARKET},
        {"user_id": 77},
        {"round": 2},
        {"parent": 5},
    ],
    ids=str,
)
def test_an_edit_of_any_term_makes_it_another_order(edit):
    assert replace(asked(), **edit).terms() != asked().terms()


def _requoted(one):
    names = ("quote", "quote_at", "quote_change", "unit", "reserve_unit", "fee", "tax", "cash_after", "sellable_after")
    return Requoted(**{name: getattr(one, name) for name in names}, expires_at=NOW + timedelta(minutes=1))
