"""`kisbot stepup ...` and `kisbot limits ...`, beside a bot that is at work."""

import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pyotp
import pytest
from typer.testing import CliRunner

from bot.cli.limits import limits_cli
from bot.cli.second_factor import stepup_cli
from bot.orders.access.roles import Role
from bot.store.audit.keys import DayKeys
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.second_factors import FactorKey, SecondFactors
from kis.config import kst_now
from tests.support.members import members

ENOUGH = {
    "TELEGRAM_BOT_TOKEN": "123456789:AAbotbotbotbotbotbotbotbotbotbotbot", "KISBOT_OWNER_ID": "1001",
    "KIS_APP_KEY": "PSkeykeykeykeykeykey", "KIS_APP_SECRET": "secretsecretsecretsecret", "KIS_ACCOUNT": "98765432-01",
}  # fmt: skip


class Harness:
    def __init__(self, folder):
        self.db = open_database(folder / "kisbot.db")
        audit = AuditLog(self.db, kst_now, DayKeys(folder))
        self.factors = SecondFactors(self.db, audit, FactorKey(folder), kst_now, work=16)
        people = members(self.db, audit, kst_now)
        people.put(1001, "김관리", Role.OWNER)
        people.put(1002, "이매매 <b>\x1b[2J", Role.TRADER)

    def notices(self):
        rows = self.db.execute("SELECT chat_id, data FROM outbox ORDER BY id").fetchall()
        return [(chat, json.loads(data)["code"]) for chat, data in rows]


@pytest.fixture
def harness(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("KIS", "TELEGRAM"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KISBOT_DATA_DIR", str(tmp_path / "home"))
    made = Harness(tmp_path / "home")
    yield made
    made.db.close()


def stepup(*words):
    return CliRunner().invoke(stepup_cli, list(words))


def limits(*words):
    return CliRunner().invoke(limits_cli, list(words))


def enrol(*codes):
    """Run the command as a person does: scan what it prints, type what the app shows."""
    script = "import sys; from bot.cli.second_factor import stepup_cli; stepup_cli()"
    root = str(Path(__file__).parents[3])
    running = subprocess.Popen(
        [sys.executable, "-c", script, "enrol", "1002", "--totp"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": root, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    shown = ""
    while "otpauth://" not in shown:
        line = running.stdout.readline().decode()
        assert line, shown
        shown += line
    uri = shown.splitlines()[-1].strip()
    app = pyotp.parse_uri(uri)
    rest, _ = running.communicate("".join(f"{code or app.now()}\n" for code in codes).encode(), timeout=120)
    return running.returncode, shown + rest.decode(), app


# --- second factors -------------------------------------------------------------------------------------------------------


def test_an_app_is_enrolled_once_it_shows_the_right_code(harness):
    status, shown, app = enrol("000000", None)
    assert status == 0, shown
    assert "█" in shown or "▀" in shown
    assert urllib.parse.quote("이매매") in shown, "a name that cannot steer the terminal"
    assert "\x1b" not in shown.split("otpauth://")[1]
    assert "맞지 않습니다" in shown
    assert harness.factors.answer(1002, app.now(), "confirm", "")[0]
    assert harness.notices() == [(1001, "STEPUP_TOTP_SET"), (1002, "STEPUP_TOTP_SET")]
    assert "1002\ttotp\t이매매" in stepup("list").stdout


def test_an_app_that_shows_something_else_is_not_enrolled(harness):
    status, shown, _ = enrol("000000", "000000", "000000")
    assert status == 1
    assert "not enrolled" in shown
    assert harness.factors.kind(1002) is None
    assert harness.notices() == []


def test_strangers_are_not_enrolled_and_a_pin_is_not_set_here(harness):
    assert stepup("enrol", "1003", "--totp").exit_code == 1
    refused = stepup("enrol", "1002")
    assert refused.exit_code == 2
    assert "/pin" in refused.output


def test_a_locked_person_is_seen_and_unlocked(harness):
    harness.factors.put_pin(1002, "402958")
    for _ in range(5):
        harness.factors.answer(1002, "000000", "confirm", "")
    listed = stepup("list").stdout
    assert "locked" in listed
    assert "\x1b" not in listed
    assert stepup("unlock", "1002").exit_code == 0
    assert stepup("unlock", "1002").exit_code == 1
    assert harness.factors.answer(1002, "402958", "confirm", "")[0]


def test_a_factor_is_removed_and_that_is_told(harness):
    harness.factors.put_pin(1002, "402958")
    assert stepup("remove", "1002").exit_code == 0
    assert stepup("remove", "1002").exit_code == 1
    assert harness.factors.kind(1002) is None
    assert harness.notices() == [(1001, "STEPUP_REMOVED"), (1002, "STEPUP_REMOVED")]


@pytest.mark.parametrize("words", [["list"], ["unlock", "1002"]])
def test_no_database_is_begun_by_mistake(tmp_path, monkeypatch, words):
    monkeypatch.setenv("KISBOT_DATA_DIR", str(tmp_path / "elsewhere"))
    assert "no database" in stepup(*words).output
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_a_key_that_others_can_read_ends_in_a_sentence(harness, tmp_path):
    harness.factors.put_pin(1002, "402958")
    (tmp_path / "home" / "stepup-key.txt").chmod(0o644)
    done = stepup("list")
    assert done.exit_code == 2
    assert "chmod 600" in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


# --- limits ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def settled(harness, monkeypatch):
    for name, value in ENOUGH.items():
        monkeypatch.setenv(name, value)
    return harness


def test_a_limit_is_set_listed_and_told(settled):
    assert limits("set", "1002", "max_quantity", "10").exit_code == 0
    raised = limits("set", "1002", "하루건수", "0")
    assert "20 → 0" in raised.stdout
    assert limits("set", "0", "day_value_account", "1000000").exit_code == 0
    rows = limits("list").stdout.splitlines()
    assert [(*row.split("\t")[:3], row.split("\t")[4]) for row in rows] == [
        ("0", "day_value_account", "1,000,000", "in force"),
        ("1002", "max_quantity", "10", "in force"),
        ("1002", "day_orders_user", "0", "waits"),
    ]
    assert "max_quantity\t1회수량\t10" in limits("list", "1002").stdout
    assert [code for _, code in settled.notices()] == ["LIMIT_LOWERED", *["LIMIT_RAISED"] * 2, *["LIMIT_LOWERED"] * 2]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["1002", "speed", "1"], 2, "no such limit"), (["1002", "day_value_account", "1"], 2, "no such limit"),
        (["0", "max_value", "1"], 2, "no such limit"), (["1002", "max_value", "lots"], 2, "not a value"),
        (["1003", "max_value", "1"], 1, "not on the list"), (["1002", "max_quantity", "1000"], 1, "already"),
        (["1002", "max_quantity", "default"], 1, "already"),
    ],
)  # fmt: skip
def test_what_cannot_be_set_ends_in_a_sentence(settled, words, status, said):
    done = limits("set", *words)
    assert (done.exit_code, said in done.output) == (status, True), done.output


def test_without_the_settings_nobody_can_say_what_is_a_raise(harness):
    assert limits("set", "1002", "max_value", "1").exit_code == 2
