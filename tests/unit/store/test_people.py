"""The whitelist on disk: who may change whom, what a change voids with it, and how somebody new comes in, once."""

import sqlite3
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.orders.access.membership import (
    LastOwner,
    Member,
    MemberAction,
    MembershipTap,
    MemberStep,
    NoSuchPerson,
    NotAllowed,
    SameName,
    Status,
    TooMany,
    WasRemoved,
    for_groups,
    likeness,
    may_manage,
)
from bot.orders.access.roles import Role
from bot.orders.model.button import ButtonToken, TapAction
from bot.orders.model.notice import Notice
from bot.orders.model.order import OrderState
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.invites import Invites
from bot.store.journal import SqliteJournal
from bot.store.outbox import Outbox
from bot.store.people import People
from kis.krx import KST
from tests.unit.orders.model.test_order import NOW, order

OWNER, ADMIN, TRADER, VIEWER, OTHER = 11, 12, 13, 14, 15


class Harness:
    """A database with an owner, an admin, a trader and a viewer."""

    def __init__(self, path):
        self.now = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
        self.db = open_database(path)
        self.audit = AuditLog(self.db, lambda: self.now)
        box = Outbox(self.db, lambda: self.now)
        self.journal = SqliteJournal(self.db, self.audit, box, clock=lambda: self.now)
        self.voids = self.journal.void_person
        self.people = People(self.db, self.audit, lambda: self.now, self.void_orders)
        self.invites = Invites(self.db, self.audit, self.people, lambda: self.now)
        for user_id, name, role in (
            (OWNER, "주인", Role.OWNER),
            (ADMIN, "관리", Role.ADMIN),
            (TRADER, "매매", Role.TRADER),
            (VIEWER, "구경", Role.VIEWER),
        ):
            self.people.put(user_id, name, role)

    def void_orders(self, user_id, why):
        self.voids(user_id, why)

    def later(self, **by):
        self.now += timedelta(**by)

    def audited(self, action):
        return self.db.execute("SELECT count(*) FROM audit WHERE action = ?", [action]).fetchone()[0]

    def count(self, table):
        return self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.fixture
def harness(tmp_path):
    made = Harness(tmp_path / "kisbot.db")
    yield made
    made.db.close()


# --- who may change whom --------------------------------------------------------------------------------------------------


def test_the_guard_is_told_of_active_people_only(harness):
    harness.people.suspend(TRADER, by=ADMIN)
    harness.people.remove(VIEWER, by=ADMIN)

    assert harness.people.get(TRADER) is None
    assert harness.people.get(VIEWER) is None
    assert harness.people.find(TRADER).status is Status.SUSPENDED
    assert harness.people.find(VIEWER).status is Status.REMOVED
    assert [one.user_id for one in harness.people.all()] == [OWNER, ADMIN]
    assert [one.user_id for one in harness.people.everybody()] == [OWNER, ADMIN, TRADER, VIEWER]


@pytest.mark.parametrize("what", ["remove", "suspend", "role", "put"])
def test_the_last_owner_stays_whoever_asks(harness, what):
    for by in (None, OWNER):
        with pytest.raises(LastOwner):
            change(harness.people, what, OWNER, by)
    assert harness.people.owners() == [OWNER]

    harness.people.put(OTHER, "둘째", Role.OWNER, by=OWNER)
    change(harness.people, what, OWNER, OTHER)
    assert harness.people.owners() == [OTHER]


def change(people, what, user_id, by):
    match what:
        case "remove":
            people.remove(user_id, by=by)
        case "suspend":
            people.suspend(user_id, by=by)
        case "role":
            people.set_role(user_id, Role.TRADER, by=by)
        case "put":
            people.put(user_id, "이름", Role.VIEWER, by=by)


def test_a_suspended_owner_is_not_in_charge(harness):
    harness.people.put(OTHER, "둘째", Role.OWNER)
    harness.people.suspend(OTHER, by=OWNER)

    with pytest.raises(LastOwner):
        harness.people.remove(OWNER)


@pytest.mark.parametrize("what", ["remove", "suspend", "role", "put"])
@pytest.mark.parametrize("subject", [OWNER, ADMIN])
def test_an_admin_changes_nobody_of_the_same_or_a_higher_role(harness, what, subject):
    harness.people.put(OTHER, "둘째 관리", Role.ADMIN)

    with pytest.raises(NotAllowed):
        change(harness.people, what, subject, OTHER)
    assert harness.people.get(subject) is not None


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OWNER])
def test_an_admin_makes_nobody_an_admin(harness, role):
    with pytest.raises(NotAllowed):
        harness.people.set_role(TRADER, role, by=ADMIN)
    with pytest.raises(NotAllowed):
        harness.people.put(OTHER, "새 사람", role, by=ADMIN)
    with pytest.raises(NotAllowed):
        harness.invites.make(role, by=ADMIN)
    assert harness.people.find(OTHER) is None


@pytest.mark.parametrize("by", [TRADER, VIEWER, 999])
def test_nobody_below_admin_changes_anybody(harness, by):
    for what in ("remove", "suspend", "role", "put"):
        with pytest.raises(NotAllowed):
            change(harness.people, what, VIEWER, by)
    with pytest.raises(NotAllowed):
        harness.invites.make(Role.VIEWER, by=by)


def test_a_suspended_admin_changes_nobody(harness):
    harness.people.suspend(ADMIN, by=OWNER)

    with pytest.raises(NotAllowed):
        harness.people.remove(TRADER, by=ADMIN)


def test_a_removed_person_comes_back_only_when_that_is_said(harness):
    harness.people.remove(TRADER, by=OWNER)

    with pytest.raises(WasRemoved):
        harness.people.put(TRADER, "다른 이름", Role.OWNER, by=OWNER)
    assert harness.people.get(TRADER) is None
    with pytest.raises(NoSuchPerson):
        harness.people.set_role(TRADER, Role.VIEWER, by=OWNER)
    assert harness.people.remove(TRADER, by=OWNER) is False

    assert harness.people.put(TRADER, "매매", Role.VIEWER, by=OWNER, again=True).status is Status.ACTIVE


def test_putting_a_suspended_person_again_does_not_lift_the_suspension(harness):
    harness.people.suspend(TRADER, by=ADMIN)

    assert harness.people.put(TRADER, "새 이름", Role.VIEWER, by=OWNER).status is Status.SUSPENDED
    assert harness.people.get(TRADER) is None
    assert harness.people.resume(TRADER, by=ADMIN).role is Role.VIEWER


_ROLES = st.sampled_from(list(Role))


@given(actor=_ROLES, standing=st.sampled_from(list(Status)), subject=st.none() | _ROLES, given_role=st.none() | _ROLES)
def test_nobody_but_an_owner_reaches_their_own_height(actor, standing, subject, given_role):
    made = [member(1, actor, standing), None if subject is None else member(2, subject)]

    allowed = may_manage(made[0], made[1], given_role)

    reached = [one for one in (subject, given_role) if one is not None]
    if standing is not Status.ACTIVE or not actor.covers(Role.ADMIN):
        assert not allowed
    elif actor is Role.OWNER:
        assert allowed
    else:
        assert allowed == all(one in {Role.TRADER, Role.VIEWER} for one in reached)


def member(user_id, role, status=Status.ACTIVE):
    return Member(user_id, "이름", role, NOW, status)


# --- what goes with a person ----------------------------------------------------------------------------------------------


def hand_out(harness, user_id):
    """Give a person everything that can be held: a ticket with its button, a button about people, an invitation."""
    button = ButtonToken(
        f"token-of-{user_id}-and-so-on", TapAction.CONFIRM, user_id, harness.now + timedelta(seconds=60)
    )
    made = harness.journal.add(order(user_id=user_id, chat_id=user_id, origin=user_id), [button], [])
    if harness.people.get(user_id).role.covers(Role.ADMIN):
        harness.invites.make(Role.VIEWER, by=user_id)
    harness.invites.button(MemberAction.read("suspend"), VIEWER, by=user_id)
    return made, button


@pytest.mark.parametrize("what", ["remove", "suspend", "role"])
def test_whoever_is_shut_out_or_demoted_holds_nothing_any_more(harness, what):
    made, button = hand_out(harness, ADMIN)

    change(harness.people, what, ADMIN, OWNER)

    assert harness.journal.get(made.id).state is OrderState.BLOCKED
    assert harness.journal.button(button.digest).used
    for table, whose in (("invites", "made_by"), ("people_buttons", "user_id")):
        assert harness.db.execute(f"SELECT count(*) FROM {table} WHERE {whose} = {ADMIN} AND used_at IS NULL").fetchone() == (0,)  # fmt: skip


def test_a_higher_role_voids_nothing(harness):
    made, button = hand_out(harness, TRADER)

    harness.people.set_role(TRADER, Role.ADMIN, by=OWNER)

    assert harness.journal.get(made.id).state is OrderState.PROPOSED
    assert not harness.journal.button(button.digest).used


@pytest.mark.parametrize("what", ["remove", "suspend", "role"])
def test_what_is_voided_and_the_change_happen_together_or_not_at_all(harness, what):
    """A fault while the tickets are ended leaves the person in, with all they had, and no audit row."""
    made, button = hand_out(harness, ADMIN)
    rows = harness.count("audit")

    def broken(user_id, why):
        harness.journal.void_person(user_id, why)
        raise OSError("disk")

    harness.voids = broken
    with pytest.raises(OSError, match="disk"):
        change(harness.people, what, ADMIN, OWNER)

    assert harness.people.get(ADMIN).role is Role.ADMIN
    assert harness.journal.get(made.id).state is OrderState.PROPOSED
    assert not harness.journal.button(button.digest).used
    assert harness.count("audit") == rows


def test_every_change_has_its_audit_row(harness):
    harness.people.set_role(TRADER, Role.VIEWER, by=OWNER)
    harness.people.suspend(TRADER, by=ADMIN)
    harness.people.resume(TRADER, by=ADMIN)
    harness.people.remove(TRADER, by=ADMIN)
    token = harness.invites.make(Role.TRADER, by=ADMIN).token
    harness.invites.join(token, OTHER, "손님")

    for action in ("people.role", "people.suspend", "people.resume", "people.remove", "people.invite", "people.join"):
        assert harness.audited(action) == 1, action
    assert harness.audited("people.put") == 5


def test_when_somebody_was_seen_is_written_no_more_than_once_a_minute(harness):
    for _ in range(100):
        harness.people.seen(TRADER)
        harness.later(seconds=1)

    assert harness.people.find(TRADER).seen_at == datetime(2026, 11, 23, 10, 1, tzinfo=KST)


# --- invitations ----------------------------------------------------------------------------------------------------------


def test_an_invitation_lets_one_person_in_once_with_its_role(harness):
    made = harness.invites.make(Role.TRADER, "별명", by=ADMIN)

    joined = harness.invites.join(made.token, OTHER, "텔레그램 이름")

    assert (joined.person.user_id, joined.person.name, joined.person.role) == (OTHER, "별명", Role.TRADER)
    assert joined.by == ADMIN
    assert harness.invites.join(made.token, 999, "둘째 손님") is None
    assert harness.people.find(999) is None


def test_an_invitation_is_over_after_a_day(harness):
    made = harness.invites.make(Role.TRADER, by=ADMIN)
    harness.later(hours=24)

    assert harness.invites.join(made.token, OTHER, "손님") is None


@pytest.mark.parametrize("known", [TRADER, VIEWER])
def test_nobody_who_was_ever_on_the_list_comes_in_or_up_by_a_link(harness, known):
    harness.people.remove(VIEWER)
    harness.people.suspend(TRADER)
    made = harness.invites.make(Role.ADMIN, by=OWNER)

    assert harness.invites.join(made.token, known, "이름") is None
    assert harness.people.get(known) is None
    assert harness.invites.join(made.token, OTHER, "손님") is not None, "and the link is still good"


def test_an_invitation_dies_with_the_right_to_make_it(harness):
    by_admin = harness.invites.make(Role.TRADER, by=ADMIN)
    harness.people.set_role(ADMIN, Role.TRADER, by=OWNER)

    assert harness.invites.join(by_admin.token, OTHER, "손님") is None


def test_only_the_hash_of_a_link_or_button_is_kept(harness, tmp_path):
    link = harness.invites.make(Role.TRADER, by=ADMIN).token
    button = harness.invites.button(MemberAction.read("remove"), TRADER, by=ADMIN)
    harness.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    stored = (tmp_path / "kisbot.db").read_bytes()
    assert len(link) == 22
    assert link.encode() not in stored
    assert button.encode() not in stored


def test_one_person_holds_no_more_than_twenty_open_invitations(harness):
    for _ in range(20):
        harness.invites.make(Role.VIEWER, by=ADMIN)

    with pytest.raises(TooMany):
        harness.invites.make(Role.VIEWER, by=ADMIN)
    harness.invites.make(Role.VIEWER, by=OWNER)
    harness.later(hours=24)
    harness.invites.make(Role.VIEWER, by=ADMIN)


# --- requests and buttons -------------------------------------------------------------------------------------------------


def test_strangers_ask_once_a_day_each_and_five_times_an_hour_together(harness):
    asked = [harness.invites.request(900 + n, "손님") for n in range(50)]
    assert sum(one is not None for one in asked) == 5
    harness.later(hours=1)
    assert harness.invites.request(900, "손님") is None, "this one asked today"
    assert harness.invites.request(949, "손님") is not None
    harness.later(hours=23)
    assert harness.invites.request(900, "손님") is not None


def test_old_requests_links_and_buttons_are_forgotten(harness):
    for n in range(40):
        asked = harness.invites.request(900 + n, "손님")
        harness.invites.button(MemberAction.read("join:viewer"), 900 + n, by=ADMIN, request=asked)
        harness.invites.make(Role.VIEWER, by=ADMIN)
        harness.later(days=2)

    assert max(harness.count(one) for one in ("invites", "join_requests", "people_buttons")) <= 16


def test_of_two_admins_who_answer_a_request_the_first_one_decides(harness):
    asked = harness.invites.request(OTHER, "손님")
    yes = harness.invites.button(MemberAction.read("join:trader"), OTHER, by=ADMIN, request=asked)
    no = harness.invites.button(MemberAction.read("refuse"), OTHER, by=OWNER, request=asked)

    assert harness.invites.press(yes, ADMIN).verdict is MembershipTap.DONE
    assert harness.invites.press(no, OWNER).verdict is MembershipTap.USED
    assert harness.people.get(OTHER).role is Role.TRADER


def test_a_button_works_once_for_its_person_in_its_time(harness):
    token = harness.invites.button(MemberAction.read("suspend"), TRADER, by=ADMIN)

    assert harness.invites.press("no-such-token", ADMIN).verdict is MembershipTap.GONE
    assert harness.invites.press(token, OWNER).verdict is MembershipTap.NOT_YOURS
    assert harness.invites.press(token, ADMIN).verdict is MembershipTap.DONE
    assert harness.invites.press(token, ADMIN).verdict is MembershipTap.USED
    late = harness.invites.button(MemberAction.read("resume"), TRADER, by=ADMIN)
    harness.later(minutes=5)
    assert harness.invites.press(late, ADMIN).verdict is MembershipTap.LATE
    assert harness.people.find(TRADER).status is Status.SUSPENDED


def test_a_button_changes_only_the_person_as_they_stood(harness):
    token = harness.invites.button(MemberAction.read("role:viewer"), TRADER, by=ADMIN)
    harness.people.set_role(TRADER, Role.ADMIN, by=OWNER)
    harness.people.set_role(TRADER, Role.TRADER, by=OWNER)

    assert harness.invites.press(token, ADMIN).verdict is MembershipTap.CHANGED


def test_a_button_asks_again_whether_its_person_may(harness):
    """Made while allowed, pressed when not: the rule at the press counts."""
    asked = harness.invites.request(OTHER, "손님")
    token = harness.invites.button(MemberAction.read("join:admin"), OTHER, by=ADMIN, request=asked)

    assert harness.invites.press(token, ADMIN).verdict is MembershipTap.REFUSED
    assert harness.people.find(OTHER) is None
    last = harness.invites.button(MemberAction.read("remove"), OWNER, by=OWNER)
    assert harness.invites.press(last, OWNER).verdict is MembershipTap.LAST_OWNER


def test_a_removed_stranger_who_asks_again_is_shown_as_that(harness):
    harness.people.remove(TRADER)
    harness.people.suspend(VIEWER)

    asked = harness.invites.request(TRADER, "매매")

    assert asked.known is Status.REMOVED
    assert harness.invites.request(VIEWER, "구경") is None, "a suspended person waits"
    token = harness.invites.button(MemberAction.read("join:viewer"), TRADER, by=ADMIN, request=asked)
    assert harness.invites.press(token, ADMIN).person.role is Role.VIEWER


class Undone(Exception):
    """Takes back a transaction."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["remove", "suspend", "resume", "role:owner", "role:admin", "role:trader", "put", "join"]),
            st.sampled_from([OWNER, ADMIN, TRADER, VIEWER, OTHER]),
            st.sampled_from([OWNER, ADMIN, TRADER, VIEWER, OTHER]),
        ),
        max_size=12,
    )
)
def test_whatever_people_do_to_each_other_an_owner_is_left_and_nobody_rises_by_themselves(harness, steps):
    people = harness.people
    with suppress(Undone), harness.db.atomic():  # each example begins from the same harness
        for act, subject, by in steps:
            before, actor = people.find(subject), people.get(by)
            token = harness.invites.button(act, subject, by=by) if act not in {"put", "join"} else ""
            try:
                if act == "put":
                    people.put(subject, f"이름 {subject}", Role.ADMIN, by=by)
                elif act == "join":
                    harness.invites.join(harness.invites.make(Role.TRADER, by=by).token, subject, f"이름 {subject}")
                else:
                    harness.invites.press(token, by)
            except (LastOwner, NotAllowed, NoSuchPerson, WasRemoved):
                pass
            after = people.find(subject)
            assert people.owners(), "somebody is in charge"
            if after != before:
                assert actor is not None, "a change by somebody who is not let in"
                assert actor.role.covers(Role.ADMIN)
                if actor.role is Role.ADMIN:
                    assert not after.role.covers(Role.ADMIN)
                    assert before is None or not before.role.covers(Role.ADMIN)
        raise Undone


# --- the rest -------------------------------------------------------------------------------------------------------------


def test_a_status_or_hash_twice_is_refused_by_the_database_itself(harness):
    harness.db.execute(
        "INSERT INTO invites (digest, role, name, made_at, expires_at) VALUES ('x', 'viewer', '', '', '')"
    )
    with pytest.raises(sqlite3.IntegrityError):
        harness.db.execute(
            "INSERT INTO invites (digest, role, name, made_at, expires_at) VALUES ('x', 'viewer', '', '', '')"
        )


def test_groups_are_told_of_fills_and_of_nothing_else():
    told = [Notice(kind, 1, {"filled": 1}, f"{kind}:1") for kind in ("fill", "card", "brake", "ended", "reply")]

    told.append(Notice("fill", 2, {"filled": 1, "others": True}, "fill:2"))  # the same fill, to an administrator

    assert for_groups(told, ()) == []
    assert [(one.kind, one.chat_id, one.key) for one in for_groups(told, (-5, -6))] == [
        ("group_fill", -5, "fill:1:group:-5"),
        ("group_fill", -6, "fill:1:group:-6"),
    ]


# --- names that look the same ---------------------------------------------------------------------------------------------

SAME = [
    ("홍길동", "홍 길동"), ("홍길동", "\u202e홍길동"), ("홍길동", "홍\u200b길\u2060동"), ("홍길동", "홍길동\u3164"),
    ("홍길동", "홍길동"), ("홍길동", "홍길동\u0301"), ("Kim", "KIM"), ("Kim", "\uff2b\uff29\uff4d"), ("Kim", "\u041aim"),
    ("Paul", "Pau1"), ("Lee", "|ee"), ("Jose", "Jos\u00e9"),
]  # fmt: skip
"""A name, and one that nobody can tell from it."""


@pytest.mark.parametrize(("name", "twin"), SAME, ids=ascii)
def test_a_second_person_whose_name_looks_the_same_is_not_added_renamed_invited_or_let_in_again(harness, name, twin):
    people, invites = harness.people, harness.invites
    people.put(OTHER, twin, Role.VIEWER)
    people.remove(OTHER)
    people.put(TRADER, name, Role.TRADER)
    before = harness.db.execute("SELECT user_id, name, status FROM people ORDER BY user_id").fetchall()

    for refused in (
        lambda: people.put(99, twin, Role.VIEWER),
        lambda: people.put(VIEWER, twin, Role.VIEWER),
        lambda: people.put(OTHER, twin, Role.VIEWER, again=True),
        lambda: people.resume(OTHER),
        lambda: invites.make(Role.VIEWER, twin),
    ):
        with pytest.raises(SameName):
            refused()

    assert harness.db.execute("SELECT user_id, name, status FROM people ORDER BY user_id").fetchall() == before
    assert harness.count("invites") == 0
    people.put(TRADER, twin, Role.TRADER)  # one's own name may be written otherwise


def test_two_open_invitations_cannot_make_two_people_of_one_name(harness):
    harness.invites.make(Role.VIEWER, "홍길동")
    with pytest.raises(SameName):
        harness.invites.make(Role.VIEWER, "홍 길동")
    harness.later(hours=25)
    harness.invites.make(Role.VIEWER, "홍 길동")


def test_whoever_brings_a_name_along_that_looks_like_anothers_gets_the_end_of_their_id_beside_it(harness):
    made = harness.invites.make(Role.VIEWER)
    assert harness.invites.join(made.token, 7_004_821, "주 인").person.name == "주 인 4821"
    asked = harness.invites.request(7_004_822, "주인")
    join = MemberAction(MemberStep.JOIN, Role.VIEWER)
    harness.invites.press(harness.invites.button(join, 7_004_822, by=OWNER, request=asked), OWNER)
    assert harness.people.get(7_004_822).name == "주인 4822"


def test_a_pair_of_names_that_stood_before_may_stay_and_change_its_roles(harness):
    harness.db.execute("UPDATE people SET name = '주인' WHERE user_id = ?", [VIEWER])
    harness.people.set_role(VIEWER, Role.TRADER)
    harness.people.put(VIEWER, "주인", Role.VIEWER)
    harness.people.suspend(VIEWER)
    harness.people.resume(VIEWER)

    with pytest.raises(SameName):
        harness.people.put(VIEWER, "관 리", Role.VIEWER)


def test_different_names_do_not_look_the_same_and_none_at_all_looks_like_nobodys():
    names = ["홍길동", "홍길순", "김관리", "김판리", "Kim", "Kym", "이매매", "1001", "1002"]
    assert len({likeness(one) for one in names}) == len(names)
    assert likeness("") == likeness("\u3164 \u200b") == ""


def test_who_brings_a_name_along_that_is_taken_even_with_the_end_of_their_id_gets_in_with_all_of_it(harness):
    taken = harness.people.find(TRADER).name
    harness.people.put(77_001, f"{taken} 4821", Role.VIEWER, by=OWNER)
    link = harness.invites.make(Role.VIEWER, by=OWNER)

    joined = harness.invites.join(link.token, 99_4821, taken)

    assert joined is not None
    assert joined.person.name == f"{taken} {99_4821}"
