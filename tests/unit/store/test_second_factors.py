"""Second factors at rest: the database alone gives nothing away, and a code opens once."""

import os
import stat
from datetime import datetime, timedelta

import pyotp
import pytest

from bot.orders.access.second_factor import FactorKind, FactorUnreadable, Tries
from bot.store.audit.log import AuditLog
from bot.store.database import backup, open_database
from bot.store.private_files import BadKey
from bot.store.second_factors import FactorKey, SecondFactors, fits_now, new_secret, totp_uri
from kis.krx import KST

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PIN = "402958"
START = datetime(2026, 11, 23, 9, 30, 15, tzinfo=KST)


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def db(tmp_path):
    opened = open_database(tmp_path / "home" / "kisbot.db")
    yield opened
    opened.close()


@pytest.fixture
def factors(db, tmp_path, clock):
    return SecondFactors(db, AuditLog(db, clock), FactorKey(tmp_path / "home"), clock)


def code(moment, steps=0):
    return pyotp.TOTP(SECRET).at(moment, counter_offset=steps)


def right(factors, text, user=7):
    return factors.answer(user, text, "confirm", "order:1")[0]


# --- codes of an app --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off_and_no_more(factors, steps, good):
    factors.put_totp(7, SECRET)
    assert right(factors, code(START, steps)) is good


def test_each_code_opens_once_also_after_the_one_behind_it(factors, clock):
    factors.put_totp(7, SECRET)
    assert right(factors, code(START, 1))
    assert right(factors, code(START))
    for seconds in (0, 30, 59):
        clock.now = START + timedelta(seconds=seconds)
        assert not right(factors, code(START))
        assert not right(factors, code(START, 1))


def test_a_used_code_is_remembered_across_a_restart_and_old_ones_are_forgotten(factors, db, tmp_path, clock):
    factors.put_totp(7, SECRET)
    assert right(factors, code(START))
    again = SecondFactors(db, AuditLog(db, clock), FactorKey(tmp_path / "home"), clock)
    assert not right(again, code(START))
    clock.now = START + timedelta(hours=1)
    assert right(again, code(clock.now))
    assert db.execute("SELECT count(*) FROM stepup_codes").fetchone() == (1,)


@pytest.mark.parametrize("text", ["", "12345", "1234567", "１２３４５６", "가나다라마바", "0" * 4000])
def test_what_is_no_code_is_wrong_and_no_fault(factors, text):
    factors.put_totp(7, SECRET)
    assert not right(factors, text)


def test_what_an_app_scans_makes_the_codes_that_are_taken(factors):
    secret = new_secret()
    app = pyotp.parse_uri(totp_uri(secret, "김관리 <b>"))
    assert (app.issuer, app.name) == ("kisbot", "김관리 <b>")
    assert len(secret) == 32, "160 bits"
    assert fits_now(secret, app.at(START), START)
    assert not fits_now(secret, app.at(START, counter_offset=5), START)
    factors.put_totp(7, secret)
    assert right(factors, app.at(START))


# --- at rest ----------------------------------------------------------------------------------------------------------


def everything(folder):
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("kisbot.db"))


def test_a_stolen_database_holds_neither_secret_nor_pin_nor_anything_to_try_pins_against(factors, tmp_path):
    factors.put_totp(7, SECRET)
    factors.put_pin(8, PIN)
    right(factors, code(START))
    right(factors, PIN, 8)

    found = everything(tmp_path / "home")

    for secret in (SECRET, PIN, code(START)):
        assert secret.encode() not in found
    assert FactorKey(tmp_path / "home").path.read_bytes().strip() not in found
    backup(tmp_path / "home" / "kisbot.db", tmp_path / "stolen.db")
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "stolen.db").rename(tmp_path / "elsewhere" / "kisbot.db")
    db = open_database(tmp_path / "elsewhere" / "kisbot.db")
    thief = SecondFactors(db, AuditLog(db, lambda: START), FactorKey(tmp_path / "elsewhere"), lambda: START)
    for user in (7, 8):
        with pytest.raises(FactorUnreadable):
            thief.answer(user, PIN, "confirm", "")
    db.close()


def test_two_people_with_the_same_pin_have_nothing_in_common(factors, db):
    factors.put_pin(7, PIN)
    factors.put_pin(8, PIN)
    one, other = db.execute("SELECT sealed FROM second_factors").fetchall()
    assert one != other
    assert right(factors, PIN, 7)
    assert right(factors, PIN, 8)


def test_a_row_moved_to_another_person_or_relabelled_opens_nothing(factors, db):
    factors.put_pin(7, PIN)
    factors.put_pin(8, "719283")
    db.execute("UPDATE second_factors SET sealed = (SELECT sealed FROM second_factors WHERE user_id = 8)")
    with pytest.raises(FactorUnreadable):
        right(factors, "719283", 7)
    db.execute("UPDATE second_factors SET kind = 'totp' WHERE user_id = 8")
    with pytest.raises(FactorUnreadable):
        right(factors, "719283", 8)


def test_no_code_stands_in_the_audit_log(factors, db):
    factors.put_totp(7, SECRET)
    factors.put_pin(8, PIN)
    for user, text in ((7, code(START)), (7, "111111"), (8, PIN), (8, "222222")):
        right(factors, text, user)
    rows = list(db.query("SELECT action, detail FROM audit"))
    assert [row["action"] for row in rows if row["action"].startswith("stepup")] == [
        "stepup.enrolled", "stepup.enrolled", "stepup.passed", "stepup.wrong", "stepup.passed", "stepup.wrong",
    ]  # fmt: skip
    written = " ".join(row["detail"] for row in rows)
    for secret in (SECRET, PIN, code(START), "111111", "222222"):
        assert secret not in written


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_the_key_is_readable_by_its_owner_alone_or_not_used(factors, db, tmp_path, clock):
    factors.put_pin(7, PIN)
    path = FactorKey(tmp_path / "home").path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(BadKey, match="chmod 600"):
        SecondFactors(db, AuditLog(db, clock), FactorKey(tmp_path / "home"), clock)
    with pytest.raises(FactorUnreadable):
        right(factors, PIN)
    with pytest.raises(BadKey):
        factors.put_pin(8, PIN)


def test_there_is_no_key_before_somebody_enrols_and_one_after_however_often(factors, tmp_path):
    path = FactorKey(tmp_path / "home").path
    assert not path.exists()
    factors.put_pin(7, PIN)
    first = path.read_bytes()
    factors.put_totp(8, SECRET)
    assert path.read_bytes() == first
    assert [one.name for one in path.parent.glob("stepup*")] == [path.name], "no draft is left"


def test_a_damaged_key_is_not_replaced_and_opens_nothing(factors, tmp_path):
    factors.put_pin(7, PIN)
    path = FactorKey(tmp_path / "home").path
    path.write_text("half a key\n")
    with pytest.raises(FactorUnreadable):
        right(factors, PIN)
    with pytest.raises(BadKey, match="damaged"):
        factors.put_pin(8, PIN)
    assert path.read_text() == "half a key\n"


def test_an_unreadable_factor_counts_nothing(factors, tmp_path):
    factors.put_pin(7, PIN)
    FactorKey(tmp_path / "home").path.unlink()
    for _ in range(10):
        with pytest.raises(FactorUnreadable):
            right(factors, "111111")
    assert factors.tries(7) == Tries()


# --- coming and going -------------------------------------------------------------------------------------------------


def test_a_factor_takes_the_place_of_the_one_before_with_its_wrong_answers(factors):
    factors.put_pin(7, PIN)
    for _ in range(5):
        right(factors, "111111")
    factors.put_totp(7, SECRET, by=1)
    assert (factors.kind(7), factors.tries(7)) == (FactorKind.TOTP, Tries())
    assert not right(factors, PIN)
    assert right(factors, code(START))


def test_removing_leaves_nothing_of_it(factors, db):
    factors.put_totp(7, SECRET)
    right(factors, code(START))
    assert factors.remove(7, by=1)
    assert not factors.remove(7)
    assert factors.kind(7) is None
    for table in ("second_factors", "stepup_codes", "stepup_people"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
