"""No secret reaches a log, a message, the database or an error's text, in a whole day of things going wrong."""

import asyncio
import gc
import json
import logging
import os
import stat
from pathlib import Path

import pytest

from bot.config.logging import HIDDEN, Redactor, set_up_logs
from bot.config.settings import BadSettings, load_settings
from bot.demo.run import OWNER, TOKEN
from tests.support.conversation import FAST, bought, press, say, spoken
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def quiet_root():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


async def test_a_day_of_trouble_spills_no_secret(tmp_path: Path, capfd, quiet_root):
    async with stage(**FAST, data_dir=tmp_path / "home") as on:
        environ = on.broker.environ("")
        account = environ["KIS_ACCOUNT"]
        planted = {
            "bot token": TOKEN,
            "app key": environ["KIS_APP_KEY"],
            "app secret": environ["KIS_APP_SECRET"],
            "account": account.replace("-", ""),
            "account with a dash": account,
        }
        set_up_logs(planted.values(), level=logging.DEBUG)
        await bought(on, "005930 1 시장가")
        await on.telegram.wait(OWNER.id, "누적 1/1주")
        on.broker.faults.plant(
            "refuse", path="order-cash", message=f"거부 {account} {environ['KIS_APP_KEY']}", code="APBK1943", status=200
        )
        await bought_and_refused(on)
        on.broker.faults.plant("lose_reply", path="order-cash")
        await bought_and_refused(on)
        on.telegram.faults.plant("error", method="sendMessage", status=500, description="down")
        await say(on, "/price 005930", "호가단위", within=10)
        await say(on, "/balance", "총평가")
        logging.getLogger("some.library").error("GET https://api.telegram.org/bot%s/getMe", TOKEN)
        logging.getLogger("some.library").warning("headers", exc_info=ValueError(environ["KIS_APP_SECRET"]))
        token_file = next(iter((tmp_path / "home").glob("*token*.json")), None)
        on.app.parts.router._stock_code = breaks_with(environ["KIS_APP_SECRET"], account, TOKEN)
        await say(on, "아무 말", "내부 오류")
        unheard = asyncio.ensure_future(dies_with(environ["KIS_APP_KEY"], TOKEN))
        await asyncio.wait([unheard])
        del unheard
        gc.collect()  # a task whose fault nobody asked for says so in the log
        access = _access_token(token_file)
        chats = "\n".join(spoken(on))
    log = capfd.readouterr()
    bearers = set((tmp_path / "home").glob("kis-token-*.json"))
    kept = b"".join(path.read_bytes() for path in files(tmp_path / "home") - bearers)

    assert "dies_with" in log.err, "the faults were logged, with their traces"
    assert "an update could not be answered" in log.err
    assert access
    planted["access token"] = access
    assert HIDDEN in log.err, "the filter had something to do"
    for name, secret in planted.items():
        for place, text in {"log": log.err + log.out, "chat": chats}.items():
            assert secret not in text, f"the {name} stands in the {place}"
        assert secret.encode() not in kept, f"the {name} stands in the data directory"
        if name != "access token":
            assert not [one for one in bearers if secret.encode() in one.read_bytes()], f"the {name} is kept"


async def bought_and_refused(on) -> None:
    ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
    ticket = await press(on, ticket, "확인", "그래도 내시겠습니까")
    before = on.telegram.revision
    await on.telegram.tap(OWNER.id, ticket.message_id, "그래도")
    await on.telegram.wait(OWNER.id, lambda m: "거부" in m.text or "불명" in m.text, after=before, timeout=10)


def breaks_with(*secrets: str):
    """A part of ours that fails with secrets in its error, in what caused it, in its notes and in its variables."""

    def broken(_line: str) -> None:
        held = {"secrets": secrets}
        try:
            int(held["secrets"][0])
        except ValueError as error:
            error.add_note(f"note: {secrets[-1]}")
            raise RuntimeError(f"broken by {secrets}") from error

    return broken


async def dies_with(*secrets: str) -> None:
    """A task that dies alone."""
    raise OSError(f"cannot open https://api.telegram.org/bot{secrets[-1]}/getMe with {secrets[0]}")


def files(folder: Path) -> set[Path]:
    """Every file in a folder, however deep."""
    return {path for path in folder.rglob("*") if path.is_file()}


def _access_token(path: Path | None) -> str:
    assert path is not None, "the token is kept between runs"
    found: str = json.loads(path.read_text())["token"]
    return found


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
async def test_everything_in_the_data_directory_is_for_its_owner_alone(tmp_path):
    """What is left open holds nothing: the empty lock and the exchange's public tables of stocks."""
    home = tmp_path / "home"
    before = os.umask(0o022)
    try:
        async with stage(**FAST, data_dir=home) as on:
            await bought(on, "005930 1 시장가")
            modes = {path.relative_to(home): stat.S_IMODE(path.stat().st_mode) for path in files(home)}
            sizes = {path.relative_to(home): path.stat().st_size for path in files(home)}
    finally:
        os.umask(before)

    public = {path for path in modes if path.parts[0] == "master"} | {Path("kisbot.lock")}
    assert {path for path, mode in modes.items() if mode & 0o077} <= public
    assert sizes[Path("kisbot.lock")] == 0
    assert {Path("kisbot.db"), Path("kisbot.db-wal"), Path("kisbot.runs")} <= set(modes)
    assert any("token" in path.name for path in modes)
    assert any("key" in path.name for path in modes)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_the_filter_knows_credentials_by_their_shape():
    redact = Redactor()
    for text in (
        "Authorization: Bearer abc.def.ghi",
        "token eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJ0b2tlbiJ9.x",
        "https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe",
    ):
        assert HIDDEN in redact.text(text)
    assert redact.text("주문번호 0000012345 삼성전자 005930 10주") == "주문번호 0000012345 삼성전자 005930 10주"


def test_settings_that_are_wrong_are_named_and_not_quoted(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("TELEGRAM_BOT_TOKEN", "KIS_APP_SECRET", "KIS_ACCOUNT", "KISBOT_OWNER_ID"):
        monkeypatch.setenv(name, "s3cret-and-wrong")
    monkeypatch.delenv("KIS_APP_KEY", raising=False)

    with pytest.raises(BadSettings) as caught:
        load_settings()

    assert "s3cret" not in str(caught.value)
    for name in ("TELEGRAM_BOT_TOKEN", "KIS_ACCOUNT", "KISBOT_OWNER_ID", "KIS_APP_KEY"):
        assert name in str(caught.value)
