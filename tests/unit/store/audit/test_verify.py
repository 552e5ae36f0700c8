"""Whoever has the file and no key: whatever they do to a row, the first bad one is named."""

import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.store.audit import chain
from bot.store.audit.chain import AuditRow
from bot.store.audit.log import AuditLog
from bot.store.audit.verify import ChainFault, Problem, verify
from tests.support.audit_guest import Clock, Harness, numbered, tamper

ROWS = 40
FLIPS = {
    "at": "2026-11-23T09:00:00.000+09:00",
    "user_id": 99,
    "name": "박",
    "action": "order.discarded",
    "order_id": 77,
    "detail": '{"quantity":1}',
    "key_day": "2026-11-22",
    "mac": "ab" * 32,
}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Three days of work in one file, with nothing wrong."""
    harness = Harness(tmp_path_factory.mktemp("honest") / "home")
    for day in (23, 24, 26):
        harness.clock.to(day)
        harness.log.new_day()
        harness.work(ROWS // 3)
    yield harness
    harness.close()


@pytest.fixture
def stolen(honest, tmp_path):
    """A copy of the file, which may be spoilt."""
    path = tmp_path / "stolen.db"
    with closing(sqlite3.connect(honest.path)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    thief = Harness.__new__(Harness)
    thief.__dict__.update(honest.__dict__)
    thief.path = path
    return thief


def problem_after(harness, rows) -> Problem | None:
    tamper(harness.path, rows)
    return harness.verdict().problem


def test_an_honest_log_is_good_and_says_so(honest):
    verdict = honest.verdict()

    assert verdict.ok
    assert verdict.rows == len(honest.rows())
    assert verdict.head == honest.log.head()
    assert verdict.day_key
    assert (verdict.keyless, verdict.backdated, verdict.before, verdict.unproven) == (None, None, 0, 0)


@pytest.mark.parametrize("field", FLIPS)
def test_every_field_of_every_row_is_covered(honest, stolen, field):
    rows = honest.rows()
    for index in range(0, len(rows), 5):
        spoilt = [*rows]
        spoilt[index] = rows[index]._replace(**{field: FLIPS[field]})
        problem = problem_after(stolen, spoilt)
        assert problem is not None
        assert problem.seq == index + 1, field


@st.composite
def tamperings(draw, rows: list[AuditRow]):
    """Something done to a log, the first row it spoils, and which words are right for it."""
    what = draw(st.sampled_from(["flip", "letter", "delete", "shift", "swap", "insert", "copy", "empty"]))
    at = draw(st.integers(0, len(rows) - 2))
    spoilt = [*rows]
    right = {ChainFault.CHANGED}
    if what == "flip":
        field = draw(st.sampled_from(list(FLIPS)))
        spoilt[at] = rows[at]._replace(**{field: FLIPS[field]})
        right |= {ChainFault.WRONG_KEY}
    elif what == "letter":
        place = draw(st.integers(0, len(rows[at].detail) - 1))
        letter = draw(st.characters(exclude_categories=["Cs"]).filter(lambda one: one != rows[at].detail[place]))
        spoilt[at] = rows[at]._replace(detail=rows[at].detail[:place] + letter + rows[at].detail[place + 1 :])
        right |= {ChainFault.WRONG_KEY}
    elif what == "delete":
        gone = draw(st.integers(1, min(5, len(rows) - 1 - at)))
        spoilt, right = rows[:at] + rows[at + gone :], {ChainFault.MISSING}
    elif what == "shift":
        spoilt, right = numbered(rows[:at] + rows[at + 1 :]), {ChainFault.MISSING, ChainFault.CHANGED}
    elif what == "swap":
        other = draw(st.integers(at + 1, len(rows) - 1))
        spoilt[at], spoilt[other] = rows[other], rows[at]
        spoilt, right = numbered(spoilt), {ChainFault.OUT_OF_ORDER, ChainFault.CHANGED}
    elif what in {"insert", "copy"}:
        alien = (
            rows[draw(st.integers(0, len(rows) - 1))]
            if what == "copy"
            else rows[at]._replace(detail="{}", mac="0" * 64)
        )
        spoilt, right = (
            numbered([*rows[:at], alien, *rows[at:]]),
            {ChainFault.INSERTED, ChainFault.CHANGED, ChainFault.OUT_OF_ORDER},
        )
        while at < len(rows) and spoilt[at] == rows[at]:
            at += 1  # a row put before itself spoils the place after
    else:
        spoilt[at] = rows[at]._replace(mac=None)
    return what, spoilt, at + 1, right


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_first_bad_row_is_named_whatever_was_done(honest, stolen, data):
    what, spoilt, first, right = data.draw(tamperings(honest.rows()))
    problem = problem_after(stolen, spoilt)

    assert problem is not None
    assert (what, problem.seq) == (what, first)
    assert problem.fault in right, what


@pytest.mark.parametrize(("index", "words"), [(5, Problem(ChainFault.CHANGED, 6)), (0, Problem(ChainFault.CHANGED, 1))])
def test_a_changed_row_is_called_changed(honest, stolen, index, words):
    rows = honest.rows()
    rows[index] = rows[index]._replace(name="박")
    assert problem_after(stolen, rows) == words


def test_moved_inserted_and_removed_rows_are_called_so_even_when_numbered_anew(honest, stolen):
    rows = honest.rows()
    swapped = [*rows]
    swapped[4], swapped[9] = rows[9], rows[4]
    alien = rows[7]._replace(detail="{}")

    assert problem_after(stolen, numbered(swapped)) == Problem(ChainFault.OUT_OF_ORDER, 5, 10)
    assert problem_after(stolen, numbered([*rows[:7], alien, *rows[7:]])) == Problem(ChainFault.INSERTED, 8, 8)
    assert problem_after(stolen, numbered([*rows[:7], alien, alien, *rows[7:]])) == Problem(ChainFault.INSERTED, 8, 9)
    assert problem_after(stolen, numbered(rows[:7] + rows[9:])) == Problem(ChainFault.MISSING, 8, 9)
    assert problem_after(stolen, rows[:7] + rows[9:]) == Problem(ChainFault.MISSING, 8, 9)


def test_rows_given_twice_are_out_of_order(honest):
    rows = honest.rows()

    assert verify([*rows[:9], rows[8]], *honest.firsts).problem == Problem(ChainFault.OUT_OF_ORDER, 9)


def test_a_log_cut_off_before_today_is_found_without_any_posted_head(honest, stolen):
    """The day's key came out of the last row of the day before."""
    rows = honest.rows()
    last_of_yesterday = max(row.seq for row in rows if row.key_day < "2026-11-26")

    for length in range(last_of_yesterday):
        problem = problem_after(stolen, rows[:length])
        assert problem.fault is ChainFault.CUT_OFF, length
        assert problem.seq == length + 1


def test_a_log_cut_off_within_today_is_found_by_the_head_that_was_posted(honest, stolen):
    rows = honest.rows()
    head = honest.log.head()

    for length in range(len(rows) - 5, len(rows)):
        tamper(stolen.path, rows[:length])
        assert stolen.verdict(anchors=[head]).problem == Problem(ChainFault.CUT_OFF, length + 1, head.seq)
    tamper(stolen.path, rows[:-1])
    assert stolen.verdict().ok, "and only by that"


def test_a_head_that_was_never_of_this_log_is_found(honest):
    head = honest.log.head()
    other = f"{int(head.head, 16) ^ 1:016x}"

    assert honest.verdict(anchors=[head]).ok
    assert honest.verdict(anchors=[head, (head.seq, other)]).problem == Problem(ChainFault.REWRITTEN, head.seq)


@pytest.mark.parametrize("anchor", [(0, "ab" * 8), (5, "abc"), (5, "xy" * 8), (5, "ab" * 40), (5, "")])
def test_a_head_that_proves_nothing_is_refused(honest, anchor):
    with pytest.raises(ValueError, match="eight hex digits"):
        verify(honest.rows(), *honest.firsts, anchors=[anchor])


def test_a_wrong_key_proves_nothing(honest):
    assert honest.verdict(firsts=[b"x" * 32]).problem.fault is ChainFault.WRONG_KEY
    assert honest.verdict(firsts=[*honest.firsts, b"x" * 32]).problem == Problem(ChainFault.WRONG_KEY, 0)


def test_a_chain_begun_by_somebody_else_is_not_taken_for_ours(honest, stolen, tmp_path):
    """The whole log written anew, with a key of their own and a day key that fits it."""
    forged = Harness(tmp_path / "forger" / "home", Clock())
    forged.work(ROWS)
    tamper(stolen.path, forged.rows())
    stolen.keys = forged.keys

    assert stolen.verdict().problem.fault is ChainFault.WRONG_KEY
    assert stolen.verdict(firsts=[*honest.firsts, *forged.firsts]).problem == Problem(ChainFault.WRONG_KEY, 0)
    forged.close()


def test_rows_turned_into_rows_without_a_key_are_named(honest, stolen):
    """A plain hash can be made by anybody: a tail of such rows proves nothing."""
    rows = honest.rows()
    prev = rows[19].mac
    for index in range(20, len(rows)):
        rows[index] = chain.sealed(prev, rows[index]._replace(name="박", key_day=None), None)
        prev = rows[index].mac

    tamper(stolen.path, rows)
    assert stolen.verdict(day_key=False).problem == Problem(ChainFault.UNSEALED, 21, len(rows))
    assert not stolen.verdict().ok


def test_triggers_refuse_every_change(honest, tmp_path):
    harness = Harness(tmp_path / "home")
    harness.work(3)
    harness.log.anchor()
    plain = sqlite3.connect(harness.path)
    for change in (
        "UPDATE audit SET detail = ''",
        "DELETE FROM audit WHERE seq = 2",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 2",
        "REPLACE INTO audit SELECT * FROM audit",
        "INSERT INTO audit (at, action, detail) VALUES ('', '', '')",
        "INSERT OR IGNORE INTO audit (seq, at, action, detail, mac) VALUES (-5, '', '', '', '')",
        "UPDATE audit_anchors SET head = ''",
        "DELETE FROM audit_anchors",
        "INSERT OR REPLACE INTO audit_anchors SELECT * FROM audit_anchors",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=r"only ever added|only at its end"):
            plain.execute(change)
    plain.close()
    assert harness.verdict().ok
    harness.close()


def test_bytes_that_are_no_text_and_a_table_of_another_shape_do_not_stop_the_walk(honest, stolen):
    tamper(stolen.path, honest.rows())
    with closing(sqlite3.connect(stolen.path)) as db:
        db.execute("UPDATE audit SET name = CAST(x'fffe00' AS TEXT) WHERE seq = 12")
        db.execute("UPDATE audit SET key_day = '9999-12-31' WHERE seq > 12")
        db.commit()

    assert stolen.verdict().problem == Problem(ChainFault.CHANGED, 12)


def test_a_walk_over_a_hundred_thousand_rows_would_take_seconds():
    first = b"k" * 32
    day = Clock()().date()
    key = chain.first_day_key(first, day)
    made, prev = [], chain.GENESIS
    begin = chain.canonical(
        {"key": chain.key_id(first), "rows": 0, "digest": chain.Digest().hexdigest(), "why": "first"}
    )
    detail = chain.canonical({"state": "open", "event_code": "005930", "event_quantity": 10, "event_price": 71000})
    for seq in range(1, 20_001):
        action, text = (chain.KEY_MADE, begin) if seq == 1 else ("order.reported", detail)
        row = AuditRow(seq, "2026-11-23T10:00:00.000+09:00", 1001, "김", action, seq, text, day.isoformat())
        made.append(chain.sealed(prev, row, key))
        prev = made[-1].mac

    began = time.thread_time()
    verdict = verify(iter(made), first)
    seconds = time.thread_time() - began

    assert verdict.ok
    assert verdict.rows == 20_000
    assert seconds * 5 < 20


def test_a_log_without_keys_is_chained_and_covered_by_the_first_key(tmp_path):
    harness = Harness(tmp_path / "home")
    bare = Harness.__new__(Harness)
    bare.__dict__.update(harness.__dict__)
    bare.log = AuditLog(harness.db, harness.clock)
    bare.work(3)
    assert harness.verdict().problem == Problem(ChainFault.UNSEALED, 2, 4)
    harness.work(1)

    verdict = harness.verdict()
    assert verdict.ok
    assert verdict.keyless == (3, 2)
    rows = harness.rows()
    rows[2] = rows[2]._replace(name="박")
    tamper(harness.path, rows)
    assert harness.verdict().problem == Problem(ChainFault.CHANGED, 3)
    harness.close()


def test_the_day_key_of_another_log_does_not_fit(honest):
    mark = honest.keys.read()

    def said(**other):
        return verify(honest.rows(), *honest.firsts, day_key=replace(mark, **other)).problem

    assert said() is None
    assert said(key=bytes(32)) == Problem(ChainFault.REWRITTEN, mark.seq)
    assert said(mac="ab" * 32) == Problem(ChainFault.REWRITTEN, mark.seq)
    assert said(id="another").fault is ChainFault.CUT_OFF


def test_a_first_row_made_to_look_older_than_the_chain_is_found(honest, stolen):
    rows = honest.rows()
    rows[0] = rows[0]._replace(mac=None)

    assert problem_after(stolen, rows) == Problem(ChainFault.CHANGED, 1, 2)
