"""The command line as a user meets it: real processes, real signals, real sockets."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.demo.run import OWNER, TOKEN
from bot.demo.telegram import ChatUser, LocalTelegram
from kis.sim import Simulator

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as a POSIX system has them")


def clean_environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KIS", "TELEGRAM"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **more}


def kisbot(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        cwd=home, env=clean_environment(**environ), capture_output=True, text=True, timeout=120, check=False,
        encoding="utf-8",
    )  # fmt: skip


@asynccontextmanager
async def running(home: Path, *words: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *words, cwd=home, env=clean_environment(**environ),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def environ_of(broker: Simulator, kis_url: str, page: str, home: Path) -> dict[str, str]:
    return {
        **broker.environ(kis_url),
        "KIS_MIN_INTERVAL": "0.06",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_BASE": f"{page}/bot",
        "KISBOT_OWNER_ID": str(OWNER.id),
        "KISBOT_DATA_DIR": str(home / "data"),
    }


def test_nothing_set_names_every_missing_setting_and_shows_no_trace(tmp_path):
    done = kisbot(tmp_path, "run")

    assert done.returncode == 2
    for name in ("TELEGRAM_BOT_TOKEN", "KISBOT_OWNER_ID", "KIS_APP_KEY", "KIS_APP_SECRET", "KIS_ACCOUNT"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_people_are_added_listed_and_removed(tmp_path):
    assert "1002\ttrader\t이매매" in kisbot(tmp_path, "users", "add", "1002", "--name", "이매매").stdout
    assert kisbot(tmp_path, "users", "add", "1001", "--role", "owner").returncode == 0
    listed = kisbot(tmp_path, "users", "list").stdout.splitlines()
    assert [line.split("\t")[:2] for line in listed] == [["1001", "owner"], ["1002", "trader"]]
    assert kisbot(tmp_path, "users", "remove", "1001").returncode == 2, "the last owner stays"
    assert kisbot(tmp_path, "users", "remove", "1002").returncode == 0
    assert kisbot(tmp_path, "users", "remove", "1002").returncode == 1
    assert kisbot(tmp_path, "users", "add", "-5").returncode == 2
    shown = kisbot(tmp_path, "audit", "show")
    assert shown.stdout.count("people.") == 3


def test_a_backup_needs_a_database_and_a_new_name(tmp_path):
    assert kisbot(tmp_path, "backup", "copy.db").returncode == 2
    kisbot(tmp_path, "users", "add", "1")
    assert kisbot(tmp_path, "backup", "copy.db").returncode == 0
    assert kisbot(tmp_path, "backup", "copy.db").returncode == 2


@POSIX
async def test_run_trades_in_a_process_of_its_own_and_stops_when_asked(tmp_path):
    broker = Simulator(profile="real")
    telegram = LocalTelegram(token=TOKEN, people=[ChatUser(OWNER.id, OWNER.name, "관리자")])
    async with broker.serve() as kis_url, telegram.serve() as page:
        environ = environ_of(broker, kis_url, page, tmp_path)
        async with running(tmp_path, "run", **environ) as process:
            ready = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
            assert "준비 완료" in ready
            assert "연습" in ready
            await telegram.send(OWNER.id, "/buy 005930 1 시장가")
            ticket = await telegram.wait(OWNER.id, "매수 확인", timeout=60)
            await telegram.tap(OWNER.id, ticket.message_id, "확인", timeout=60)
            process.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(process.wait(), 60)

        assert code == 0
        assert len(broker.exchange.orders) == 1, "the order on its way was waited for"
        second = kisbot(tmp_path, "audit", "show", KISBOT_DATA_DIR=environ["KISBOT_DATA_DIR"])
        assert "order.accepted" in second.stdout
        assert "bot.stopped" in second.stdout


@POSIX
async def test_a_second_copy_on_the_same_data_is_refused(tmp_path):
    broker = Simulator(profile="real")
    telegram = LocalTelegram(token=TOKEN, people=[ChatUser(OWNER.id, OWNER.name, "관리자")])
    async with broker.serve() as kis_url, telegram.serve() as page:
        environ = environ_of(broker, kis_url, page, tmp_path)
        async with running(tmp_path, "run", **environ) as first:
            await asyncio.wait_for(first.stdout.readline(), 60)
            second = await asyncio.to_thread(kisbot, tmp_path, "run", **environ)

    assert second.returncode == 2
    assert "이미 실행 중" in second.stderr


@POSIX
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"KIS_APP_KEY": "P" * 36}, "KIS_APP_KEY"),
        ({"KIS_APP_SECRET": "x" * 180}, "KIS_APP_SECRET"),
        ({"KIS_ACCOUNT": "99999999-01"}, "KIS_ACCOUNT"),
        ({"KIS_ENV": "paper"}, "KIS_"),
        ({"TELEGRAM_BOT_TOKEN": "999999999:" + "A" * 35}, "TELEGRAM_BOT_TOKEN"),
    ],
    ids=["app key", "app secret", "account", "environment", "bot token"],
)
async def test_a_wrong_credential_is_named_at_the_start(tmp_path, wrong, named):
    broker = Simulator(profile="real")
    telegram = LocalTelegram(token=TOKEN, people=[ChatUser(OWNER.id, OWNER.name, "관리자")])
    async with broker.serve() as kis_url, telegram.serve() as page:
        environ = {**environ_of(broker, kis_url, page, tmp_path), **wrong}
        done = await asyncio.to_thread(kisbot, tmp_path, "run", **environ)

    assert done.returncode == 2, done.stderr
    assert named in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not any(secret in done.stderr + done.stdout for secret in wrong.values() if len(secret) > 10)


@POSIX
async def test_the_simulator_prints_what_the_bot_needs(tmp_path):
    async with running(tmp_path, "sim", "--port", "0", "--profile", "paper", "--always-open") as process:
        lines = {}
        while "KISBOT_PRACTICE" not in lines or "KISBOT_MARKET_HOURS" not in lines:
            name, _, value = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip().partition("=")
            lines[name] = value
        assert lines["KIS_ENV"] == "paper"
        telegram = LocalTelegram(token=TOKEN, people=[ChatUser(OWNER.id, OWNER.name, "관리자")])
        async with telegram.serve() as page:
            environ = {
                **lines, "KIS_MIN_INTERVAL": "1.01", "TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_BASE": f"{page}/bot",
                "KISBOT_OWNER_ID": str(OWNER.id), "KISBOT_DATA_DIR": str(tmp_path / "d"),
            }  # fmt: skip
            async with running(tmp_path, "run", **environ) as bot:
                await asyncio.wait_for(bot.stdout.readline(), 60)
                await telegram.send(OWNER.id, "/price 005930")
                await telegram.wait(OWNER.id, "호가단위", timeout=60)
                await telegram.send(OWNER.id, "/top")
                await telegram.wait(OWNER.id, "모의투자에서 거래량 순위를 제공하지 않습니다", timeout=60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0


@POSIX
def test_a_wait_for_a_dead_telegram_ends_when_asked(tmp_path):
    environ = {
        "KIS_REST_URL": "http://127.0.0.1:9", "KISBOT_PRACTICE": "true", "KIS_APP_KEY": "k", "KIS_APP_SECRET": "s",
        "KIS_ACCOUNT": "12345678-01", "TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_BASE": "http://127.0.0.1:9/bot",
        "KISBOT_OWNER_ID": "1", "KISBOT_DATA_DIR": str(tmp_path / "d"), "KIS_ENV": "real",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "run"], cwd=tmp_path, env=clean_environment(**environ), stderr=subprocess.PIPE
    )
    line = b""
    while b"waiting for Telegram" not in line:
        line = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)

    assert process.returncode == 0
    assert b"Traceback" not in rest


def test_the_running_bot_loads_no_data_science():
    """`kisbot run` must start quickly and stay small: what calculates or draws is not imported."""
    code = "import bot.cli.main, bot.app.application, bot.demo.run, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )

    loaded = set(done.stdout.split())
    assert not loaded & {"pandas", "matplotlib", "numpy", "PIL", "playwright", "hypothesis", "pytest"}
    assert "telegram" in loaded


@POSIX
async def test_the_doctor_reads_everything_and_changes_nothing(tmp_path):
    broker = Simulator(profile="real")
    telegram = LocalTelegram(token=TOKEN, people=[ChatUser(OWNER.id, OWNER.name, "관리자")])
    async with broker.serve() as kis_url, telegram.serve() as page:
        environ = environ_of(broker, kis_url, page, tmp_path)
        well = await asyncio.to_thread(kisbot, tmp_path, "doctor", **environ)
        ill = await asyncio.to_thread(kisbot, tmp_path, "doctor", **environ | {"KIS_ACCOUNT": "99999999-01"})
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data").chmod(0o777)
        shared = await asyncio.to_thread(kisbot, tmp_path, "doctor", **environ)

    assert well.returncode == 0, well.stdout + well.stderr
    assert well.stdout.count("✔") == 6
    assert ill.returncode == shared.returncode == 1
    assert "✘ KIS_ACCOUNT" in ill.stdout
    assert re.search(r"✘ \S+: .*: chmod 700 \S+$", shared.stdout, re.MULTILINE)
    assert not [one for one in broker.requests if one.method == "POST" and "trading" in one.path]
    assert not (tmp_path / "data" / "kisbot.db").exists()
