"""`kisbot audit ...` as a person meets it, beside a bot that is at work."""

import csv
import json
import os
import stat

import pytest
from typer.testing import CliRunner

from bot.cli.audit import audit_cli
from bot.config.logging import HIDDEN
from tests.support.audit_guest import Harness, tamper


@pytest.fixture
def harness(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("KIS", "TELEGRAM"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KISBOT_DATA_DIR", str(tmp_path / "home"))
    made = Harness(tmp_path / "home")
    made.work(6)
    yield made
    made.close()


def audit(*words, stdin=None):
    return CliRunner().invoke(audit_cli, list(words), input=stdin)


def test_a_good_log_is_called_good_beside_the_running_bot(harness):
    harness.db.execute("BEGIN IMMEDIATE")  # the bot is in the middle of something
    done = audit("verify")
    harness.db.execute("ROLLBACK")

    assert done.exit_code == 0, done.output
    assert "7줄이 모두 처음 쓰인 그대로입니다 · all 7 rows are as they were written" in done.stdout
    assert f"head {harness.log.head()}" in done.stdout
    assert "첫 키가 아직 이 컴퓨터에 있어" in done.stdout


def test_the_key_is_shown_once_and_then_erased_here(harness, tmp_path):
    refused = audit("key", stdin="n\n")
    shown = audit("key", "--yes")
    again = audit("key", "--yes")

    assert harness.firsts[0].hex() in refused.stdout
    assert harness.firsts[0].hex() in shown.stdout
    assert again.exit_code == 1
    assert harness.firsts[0].hex() not in again.output
    assert not harness.keys.first_path.exists()
    assert audit("verify").exit_code == 2, "without a key nothing can be said"
    kept = tmp_path / "paper.txt"
    kept.write_text(shown.stdout, encoding="utf-8")
    assert audit("verify", "--key", str(kept)).exit_code == 0
    assert audit("verify", "--key", "-", stdin=harness.firsts[0].hex()).exit_code == 0


def test_the_key_can_go_into_a_file_of_its_own(harness, tmp_path):
    done = audit("key", "--to", str(tmp_path / "kept.txt"), "--yes")

    assert done.exit_code == 0
    assert harness.firsts[0].hex() not in done.output
    assert stat.S_IMODE((tmp_path / "kept.txt").stat().st_mode) & 0o077 == 0
    assert audit("verify", "--key", str(tmp_path / "kept.txt")).exit_code == 0
    assert audit("key", "--new", "--to", str(tmp_path / "kept.txt"), "--yes").exit_code == 2, "nothing is replaced"
    assert harness.keys.first_path.exists()
    assert audit("key", "--to", str(tmp_path / "second.txt"), "--yes").exit_code == 0
    both = audit("verify", "--key", str(tmp_path / "kept.txt"), "--key", str(tmp_path / "second.txt"))
    assert both.exit_code == 0, both.output
    assert "새 키" in both.stdout


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: [*rows[:3], rows[3]._replace(name="박"), *rows[4:]], "4번 줄이 바뀌었습니다 · row 4 was changed"),
        (lambda rows: rows[:3] + rows[4:], "4번 줄이 없어졌습니다 · row 4 is missing"),
        (lambda rows: rows[:4], "5번 줄(7번까지)이 있어야 하는데"),
    ],
)
def test_the_first_bad_row_is_named_in_both_languages(harness, spoil, said):
    head = str(harness.log.head())
    tamper(harness.path, spoil(harness.rows()))
    done = audit("verify", "--head", head)

    assert done.exit_code == 1
    assert said in done.stdout


@pytest.mark.parametrize("head", ["", "7", "7:", "x:abcdefab", "7:zzzzzzzz", "7:ab", "-1:abcdefab", "7:\x1b[2J"])
def test_a_head_that_makes_no_sense_is_refused_with_a_sentence(harness, head):
    done = audit("verify", f"--head={head}")

    assert done.exit_code == 2
    assert "SEQ:HEX" in done.output
    assert "\x1b" not in done.output


def test_rows_are_shown_by_order_and_by_person(harness):
    assert len(audit("show").stdout.splitlines()) == 7
    assert len(audit("show", "--last", "2").stdout.splitlines()) == 2
    assert [line.split()[0] for line in audit("show", "--person", "1").stdout.splitlines()] == ["3", "6"]
    (only,) = audit("show", "--order", "4", "--person", "1", "--json").stdout.splitlines()
    assert json.loads(only)["detail"] == {"code": "005930", "quantity": 4}


def test_a_name_cannot_steer_the_terminal(harness):
    harness.log.add("command", name="\x1b[31m\u202e김\n거짓 줄", text="/price")
    (line,) = audit("show", "--last", "1").stdout.splitlines()

    assert "\x1b" not in line
    assert "\u202e" not in line


def test_an_export_is_private_whole_and_safe_in_a_spreadsheet(harness, tmp_path):
    for text in ("=HYPERLINK(1)", "+1", "-1+2", "@SUM(A1)", "\t=1", "plain"):
        harness.log.add("command", user_id=-5, name=text)
    done = audit("export", "--format", "csv", str(tmp_path / "log.csv"))
    with (tmp_path / "log.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))

    assert done.exit_code == 0
    assert len(rows) == 13
    assert [row["name"] for row in rows[-6:]] == ["'=HYPERLINK(1)", "'+1", "'-1+2", "'@SUM(A1)", "'\t=1", "plain"]
    assert [row["mac"] for row in rows] == [row.mac for row in harness.rows()]
    assert (tmp_path / "log.csv").read_bytes().startswith(b"\xef\xbb\xbf"), "Excel must take it for UTF-8"
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "log.csv").stat().st_mode) == 0o600
    assert audit("export", str(tmp_path / "log.csv")).exit_code == 2, "nothing is replaced"
    assert audit("export", str(tmp_path / "no" / "log.csv")).exit_code == 2


def test_an_export_lets_no_secret_out(harness, tmp_path, monkeypatch):
    token, account = "123456789:" + "A" * 35, "87654321-01"
    harness.log.add("order.refused", message=f"bot{token} {account} Bearer abcdef P{'k' * 35}")
    for name, value in {
        "TELEGRAM_BOT_TOKEN": token, "KISBOT_OWNER_ID": "1", "KIS_APP_KEY": "P" + "k" * 35, "KIS_APP_SECRET": "s" * 60,
        "KIS_ACCOUNT": account,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for form in ("csv", "json"):
        assert audit("export", "--format", form, str(tmp_path / f"log.{form}")).exit_code == 0
        text = (tmp_path / f"log.{form}").read_text(encoding="utf-8")
        assert not [one for one in (token, account, "abcdef", "P" + "k" * 35) if one in text]
        assert harness.firsts[0].hex() not in text
        assert harness.keys.read().key.hex() not in text


def test_json_holds_every_row_with_its_detail_as_an_object(harness, tmp_path):
    harness.log.add("odd", message="Bearer abcdef", n=[1, {"x": True}])
    assert audit("export", "--format", "json", str(tmp_path / "log.json")).exit_code == 0
    rows = json.loads((tmp_path / "log.json").read_text(encoding="utf-8"))

    assert [row["seq"] for row in rows] == list(range(1, 9))
    assert rows[-2]["detail"] == {"code": "005930", "quantity": 5}
    assert rows[-1]["detail"] == {"message": HIDDEN, "n": [1, {"x": True}]}


def test_where_there_is_nothing_to_read_a_sentence_says_so(harness, tmp_path, monkeypatch):
    monkeypatch.setenv("KISBOT_DATA_DIR", str(tmp_path / "elsewhere"))
    for words in (["show"], ["export", "x.csv"], ["key"], ["verify", "--key", str(harness.keys.first_path)]):
        done = audit(*words)
        assert done.exit_code == 2
        assert "데이터베이스가 없습니다" in done.output
    assert not (tmp_path / "elsewhere").exists()
    assert audit("verify", "--key", str(tmp_path / "none.txt")).exit_code == 2
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kisbot.db").write_bytes(b"no database" * 1000)
    assert "읽을 수 없습니다" in audit("show").output


def test_the_views_are_plain_columns_in_korean_time(harness):
    columns = {
        view: [row[1] for row in harness.db.execute(f"PRAGMA table_info({view})").fetchall()]
        for view in ("audit_readable", "orders_readable")
    }
    row = harness.db.execute("SELECT at_kst, person, action FROM audit_readable WHERE seq = 2").fetchone()

    assert row == ("2026-11-23 10:00:01", "김", "order.proposed")
    assert columns["audit_readable"] == ["seq", "at_kst", "person", "user_id", "action", "order_id", "detail"]
    assert {"created_kst", "person", "side", "stock", "state", "average_price"} <= set(columns["orders_readable"])


def test_an_order_reads_plainly_in_its_view(harness):
    given = {
        "id": 12, "side": "buy", "code": "005930", "name": "삼성전자", "quantity": 10, "price": 71000, "filled": 3,
        "filled_amount": 213_100, "user_id": 1001, "user_name": "", "state": "partial",
        "created_at": "2026-11-23T10:00:00.000+09:00", "sent_at": "2026-11-23T01:00:05+00:00",
    }  # fmt: skip
    needed = {
        row[1]: 0 for row in harness.db.execute("PRAGMA table_info(orders)").fetchall() if row[3] and row[4] is None
    }
    row = needed | given
    harness.db.execute(
        f"INSERT INTO orders ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values())
    )
    seen = next(harness.db.query("SELECT * FROM orders_readable"))

    assert (seen["order_id"], seen["person"], seen["stock"], seen["state"]) == (12, 1001, "삼성전자", "partial")
    assert (seen["created_kst"], seen["sent_kst"]) == ("2026-11-23 10:00:00", "2026-11-23 10:00:05")
    assert seen["average_price"] == 71033.33
