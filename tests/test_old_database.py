"""A database written before the program was restructured is read as it was then, word for word.

What it is and who wrote it stands in `tests/data/old/README.md`. What of the program is touched stands in
`tests/support/old_house.py`; here are only files, rows, strings, and what a person sees.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.error_log import keeping_errors
from tests.support.old_database import OLD, OldDatabase, laid_out, lived, plain, raw, terminal

ROWS, DAYS, HEAD = 346, 5, "346:d6a0a4eb8adc29d0"
STATES = {
    1: "filled", 2: "cancelled", 3: "replaced", 4: "lapsed", 5: "filled", 6: "denied", 7: "discarded", 8: "expired",
    9: "filled", 10: "rejected", 11: "expired", 12: "filled", 13: "never_booked", 14: "filled", 15: "lapsed",
    16: "filled", 17: "not_sent", 18: "blocked", 19: "blocked", 20: "filled", 21: "open", 22: "expired",
    23: "pending", 24: "cancelled", 25: "never_booked", 26: "rejected", 27: "open", 28: "partial", 29: "proposed",
    30: "proposed", 31: "unknown", 32: "absent", 33: "waiting", 34: "confirmed", 35: "submitting",
}  # fmt: skip
EVERY_STATE = {
    "proposed", "pending", "confirmed", "submitting", "waiting", "unknown", "open", "partial", "filled", "cancelled",
    "replaced", "lapsed", "rejected", "not_sent", "absent", "never_booked", "blocked", "expired", "denied", "discarded",
}  # fmt: skip
LETTERS = {
    "absent", "alert", "ambiguous", "anchor", "audit_key", "blind", "brake", "card", "chart", "chart_edit",
    "contradiction", "corrected", "digest", "edit", "ended", "external_fill", "fill", "found", "group_fill", "heard",
    "heard_shown", "invite", "join", "joined", "late", "limits", "look", "manual", "mismatch", "people", "recovered",
    "recovering", "release", "reply", "report", "roundup", "stepup", "stopped", "stranger", "trouble",
}  # fmt: skip
LETTER_STATES = {
    "pending", "sending", "sent", "failed", "given_up", "digested", "withheld", "muted", "collapsed",
}  # fmt: skip
WORDS = {
    "alerts": ("kind", "op", "again", "state"),
    "attempts": ("endpoint", "outcome", "code"),
    "audit": ("action",),
    "brakes": ("level", "why"),
    "buttons": ("action",),
    "channels": ("name",),
    "identity": ("mode", "account"),
    "invites": ("role",),
    "join_requests": ("state",),
    "limits": ("item",),
    "orders": ("state", "side", "kind", "act", "link", "checked", "cancel", "code_word"),
    "outbox": ("kind", "state", "error"),
    "people": ("role", "status"),
    "people_buttons": ("act",),
    "preferences": ("lang", "quiet"),
    "second_factors": ("kind",),
    "_sqlite_migrations": ("name",),
}
"""Columns that hold words the program knows."""
SHAPES = {
    "attempts": ("baseline", "body"),
    "closings": ("report",),
    "cost_base": ("lots", "seen"),
    "heard_days": ("figures",),
    "orders": ("cautions", "notes", "approvers", "asked"),
    "preferences": ("rings",),
    "sight": ("open",),
}
"""Columns that hold JSON; that of messages and of the audit log depends on what the row is."""
CASES = {"audit": ("action", "detail"), "outbox": ("kind", "data")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return laid_out(tmp_path / "home")


@pytest.fixture
def old(home: Path) -> Iterator[OldDatabase]:
    made = OldDatabase(home)
    yield made
    made.db.close()


def kept(name: str) -> str:
    return (OLD / name).read_text(encoding="utf-8")


# --- the file itself --------------------------------------------------------------------------------------------------


def paths(value: object, before: str = "") -> Iterator[str]:
    """Where something stands in JSON; keys that are numbers or codes are all alike."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from paths(one, f"{before}.{re.sub(r'[0-9:]{3,}', '#', key)}".lstrip("."))
    elif isinstance(value, list):
        for one in value:
            yield from paths(one, f"{before}[]")
    else:
        yield f"{before}:{type(value).__name__}"


def in_words() -> str:
    """Every word that the old database holds: its columns, the values of those that are words, the keys of its JSON."""
    lines = []
    with closing(raw()) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
            columns = [f"{name} {kind}".strip() for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})")]
            lines.append(f"{table}: {', '.join(columns)}")
        for table, columns in WORDS.items():
            for column in columns:
                found = {str(one) for (one,) in db.execute(f"SELECT DISTINCT {column} FROM {table}")}
                words = sorted({re.sub(r"\d{6,}", "#", one) for one in found})
                lines.append(f"{table}.{column} = {' | '.join(map(repr, words))}")
        for table, columns in SHAPES.items():
            for column in columns:
                texts = db.execute(f"SELECT {column} FROM {table} WHERE {column} != ''").fetchall()
                shape = sorted({path for (text,) in texts for path in paths(json.loads(text))})
                lines.append(f"{table}.{column} : {', '.join(shape)}")
        for table, (case, column) in CASES.items():
            cases: dict[str, set[str]] = {}
            for name, text in db.execute(f"SELECT {case}, {column} FROM {table} ORDER BY {case}"):
                cases.setdefault(name, set()).update(paths(json.loads(text)))
            lines += [f"{table}.{column} of {name} : {', '.join(sorted(shape))}" for name, shape in cases.items()]
    return "\n".join(lines) + "\n"


def test_every_word_and_every_key_of_the_file_is_the_one_that_was_written_down():
    assert in_words() == kept("words.txt")


def test_it_holds_orders_letters_and_days_of_every_kind():
    with closing(raw()) as db:
        assert dict(db.execute("SELECT id, state FROM orders")) == STATES
        assert set(STATES.values()) == EVERY_STATE
        assert {kind for (kind,) in db.execute("SELECT kind FROM outbox")} == LETTERS
        assert {state for (state,) in db.execute("SELECT state FROM outbox")} == LETTER_STATES
        assert db.execute("SELECT count(*), count(DISTINCT key_day) FROM audit").fetchone() == (ROWS, DAYS)
        assert db.execute("SELECT count(DISTINCT substr(at, 1, 10)) FROM audit_anchors").fetchone() == (3,)
        for table in [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]:
            assert db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone(), f"{table} is empty"


# --- what the program makes of it -------------------------------------------------------------------------------------


def test_every_row_is_loaded_and_says_what_it_said(old):
    orders = old.orders()
    assert {one.id: one.state.value for one in orders} == STATES
    assert all(one.terms() == one.fingerprint for one in orders), "nobody has edited one"
    assert old.loaded() == {
        "people": 12, "attempts": 24, "votes": 3, "buttons": 115, "alerts": 43, "alerts live": 16, "alert looks": 4,
        "watched": 5, "screens": 3, "preferences": 6, "limits": 12, "factors": 5, "bases": 3, "closings": 5,
        "open updates": 2, "days seen": 5, "days heard": 2, "stories": ROWS,
    }  # fmt: skip
    assert old.settled() == {
        "brake": "BUYS",
        "channel": "OpnAPI",
        "worth": 100_123_456,
        "seen": ("2026-11-27", True),
        "limits of 1004": (50, 2, True, False),
        "preferences of 1002": ({"outside": "off"}, "22:00-07:00"),
        "language of 1011": "en",
        "offset": 100_102,
        "PIN of 1003": True,
        "TOTP of 1002": True,
        "rounds and lock of 1004": (1, "2026-11-27T09:32:30.800000+09:00"),
        "1005 barred": True,
    }


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_the_story_of_every_order_is_told_in_the_same_words(old, lang):
    assert old.why(lang) == kept(f"why_{lang}.txt")


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_every_letter_is_shown_in_the_same_words(old, lang):
    assert old.messages(lang) == kept(f"letters_{lang}.txt")


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_reads_it_and_the_chain_is_whole(home, monkeypatch):
    with terminal(home, monkeypatch) as kisbot:
        for _ in range(2):
            done = kisbot("audit", "verify", "--head", HEAD)
            assert done.exit_code == 0, done.output
            assert f"all {ROWS} rows are as they were written" in done.output
            assert f"head {HEAD}" in done.output
            assert "not compared" not in done.output
            said = [kisbot(*words) for words in (("users", "list"), ("limits", "list"), ("stepup", "list"))]
            assert [one.exit_code for one in said] == [0, 0, 0]
            assert "".join(one.stdout for one in said) == kept("terminal.txt")


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_the_command_line_tells_every_story(home, monkeypatch, lang):
    with terminal(home, monkeypatch) as kisbot:
        told = "".join(kisbot("why", f"#{order}", "--lang", lang).stdout for order in STATES)
    pages = re.sub(r"^=== \d+ ===\n", "", kept(f"why_{lang}.txt"), flags=re.MULTILINE)
    assert told.strip() == "".join(one if one.isprintable() or one == "\n" else "�" for one in plain(pages)).strip()


# --- the whole bot ----------------------------------------------------------------------------------------------------


@pytest.fixture
def _listening() -> Iterator[None]:
    with keeping_errors():
        yield


@pytest.mark.usefixtures("_listening")
def test_the_whole_bot_starts_on_it_and_settles_what_was_in_doubt(home, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    soon, monday, told = lived(home, lost=31)

    after = {number: state for number, state in soon.items() if state != STATES[number]}
    assert after == {
        29: "expired", 30: "expired", 31: "open", 33: "absent", 34: "expired", 35: "absent",
    }, "what the broker has is found, what it does not have is absent, and nothing is sent again"  # fmt: skip
    later = {number: state for number, state in monday.items() if state != soon[number]}
    assert later == {
        23: "expired", 31: "lapsed", 32: "never_booked", 33: "never_booked", 35: "never_booked",
    }  # fmt: skip
    assert len([one for one in told if "복구 중" in one]) == len([one for one in told if "복구 완료" in one]) == 1
    assert any("봇이 꺼져 있었습니다" in one for one in told)
    with terminal(home, monkeypatch) as kisbot:
        done = kisbot("audit", "verify", "--head", HEAD)
        assert done.exit_code == 0, done.output
        assert "not compared" not in done.output
        assert int(re.search(r"all ([\d,]+) rows", done.output)[1].replace(",", "")) > ROWS
