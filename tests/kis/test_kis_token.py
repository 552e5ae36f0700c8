"""One token an app key: kept privately, renewed early, never asked for more than once a minute."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from datetime import UTC, timedelta

import httpx
import pytest
from filelock import FileLock

from kis import BadAnswer, Misconfigured, OrderKind, Throttled, TokenRejected, Unavailable
from tests.kis.kis_wire import KEY, SECRET, TOKEN_PATH, refusal, sample

posix = pytest.mark.skipif(os.name != "posix", reason="this system's files have no modes")


def token_file(tmp_path):
    (path,) = (tmp_path / "token").glob("*.json")
    return path


@pytest.fixture(autouse=True)
def quotes(wire):
    wire.answer("inquire-price", sample("price"))


def bearers(wire):
    return [call.headers["authorization"] for call in wire.sent("inquire-price")]


async def test_many_callers_at_once_cause_one_issue(kis, wire):
    await asyncio.gather(*(kis.price("005930") for _ in range(20)))
    assert len(wire.sent(TOKEN_PATH)) == 1
    assert set(bearers(wire)) == {"Bearer token-1"}


async def test_two_processes_share_the_file(make, wire):
    await asyncio.gather(make().price("005930"), make().price("005930"))
    assert len(wire.sent(TOKEN_PATH)) == 1


@pytest.mark.parametrize("other", [{"env": "real"}, {"app_key": "another"}, {"rest_url": "http://127.0.0.1:9"}])
async def test_another_key_environment_or_host_has_a_token_of_its_own(make, wire, other):
    await make().price("005930")
    await make(**other).price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 2


async def test_it_is_renewed_five_minutes_before_its_end(make, wire, clock):
    wire.forget(TOKEN_PATH)
    wire.answer(TOKEN_PATH, {"access_token": "first", "expires_in": 86400})
    wire.answer(TOKEN_PATH, {"access_token": "second", "expires_in": 86400})
    kis = make()
    await kis.price("005930")
    clock.now += timedelta(hours=23, minutes=54, seconds=59)
    await kis.price("005930")
    clock.now += timedelta(seconds=2)
    await kis.price("005930")
    assert bearers(wire) == ["Bearer first", "Bearer first", "Bearer second"]


async def test_the_earlier_of_the_two_ends_kis_names_counts(kis, wire, clock):
    wire.forget(TOKEN_PATH)
    ends = clock.now + timedelta(hours=1)
    wire.answer(
        TOKEN_PATH, sample("token") | {"access_token_token_expired": f"{ends:%Y-%m-%d %H:%M:%S}", "expires_in": 86400}
    )
    await kis.price("005930")
    clock.now += timedelta(minutes=56)
    await kis.price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 2


@pytest.mark.parametrize("hours", [-25, -1, 1, 23.95, 24, 25, 24 * 365])
async def test_a_clock_that_is_wrong_by_hours_costs_no_token(kis, wire, clock, hours):
    """Seen from a fast clock, the end KIS names in words is over when the token comes."""
    wire.forget(TOKEN_PATH)
    theirs = clock.now - timedelta(hours=hours)
    ends = theirs + timedelta(hours=24)
    day = f"{theirs.astimezone(UTC):%a, %d %b %Y %H:%M:%S} GMT"
    body = sample("token") | {"access_token_token_expired": f"{ends:%Y-%m-%d %H:%M:%S}"}
    wire.answer(TOKEN_PATH, body, Date=day)
    await kis.price("005930")
    for _ in range(3):
        clock.now += timedelta(minutes=2)
        await kis.price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 1
    assert kis.clock_offset == -hours * 3600


@posix
async def test_the_file_is_private_and_holds_no_key(kis, tmp_path):
    await kis.price("005930")
    path = token_file(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY not in path.read_text() + path.name
    assert SECRET not in path.read_text()
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".json", ".lock"]


@posix
async def test_a_file_open_to_others_is_refused_with_the_remedy(make, wire, tmp_path):
    """Whoever could read the token can trade with it: a person must look before it serves again."""
    await make().price("005930")
    token_file(tmp_path).chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600") as caught:
        await make().price("005930")
    assert caught.value.setting == "KISBOT_DATA_DIR"
    assert str(tmp_path) not in str(caught.value)
    token_file(tmp_path).chmod(0o600)
    await make().price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b"[" * 99_999, b'{"token": "x"}'])
async def test_a_broken_file_is_as_good_as_none(make, wire, tmp_path, content):
    await make().price("005930")
    token_file(tmp_path).write_bytes(content)
    await make().price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 2


async def test_a_failed_attempt_counts_also_for_the_next_process(make, wire, clock):
    wire.forget(TOKEN_PATH)
    wire.fail(TOKEN_PATH, httpx.ReadTimeout("slow"))
    with pytest.raises(Unavailable):
        await make().price("005930")
    with pytest.raises(Throttled, match="61 s to go") as caught:
        await make().price("005930")
    assert "1분" in caught.value.advice.ko
    await clock.sleep(60)
    with pytest.raises(Throttled):
        await make().price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 1
    await clock.sleep(1)
    with pytest.raises(Unavailable):
        await make().price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 2


async def test_an_attempt_that_never_reached_kis_does_not_count(make, wire):
    wire.forget(TOKEN_PATH)
    wire.fail(TOKEN_PATH, httpx.ConnectError("refused"))
    wire.answer(TOKEN_PATH, {"access_token": "token-1", "expires_in": 86400})
    with pytest.raises(Unavailable):
        await make().price("005930")
    await make().price("005930")


async def test_kiss_own_throttle_is_told_as_it_is(kis, wire):
    wire.forget(TOKEN_PATH)
    wire.answer(TOKEN_PATH, sample("token_throttled"), status=403)
    with pytest.raises(Throttled) as caught:
        await kis.price("005930")
    assert caught.value.code == "EGW00133"
    assert len(wire.sent(TOKEN_PATH)) == 1


async def test_a_token_in_its_last_minutes_serves_while_kis_gives_no_other(kis, wire, clock):
    await kis.price("005930")
    clock.now += timedelta(hours=23, minutes=56)
    wire.forget(TOKEN_PATH)
    wire.answer(TOKEN_PATH, b"<html>", status=502)
    for _ in range(3):
        await kis.price("005930")
    assert bearers(wire)[-1] == "Bearer token-1"
    assert len(wire.sent(TOKEN_PATH)) == 2
    clock.now += timedelta(minutes=5)
    with pytest.raises(Unavailable):
        await kis.price("005930")


@pytest.mark.parametrize(
    ("code", "setting"), [("EGW00103", "KIS_APP_KEY"), ("EGW00105", "KIS_APP_SECRET"), ("EGW99999", "KIS_APP_KEY")]
)
async def test_a_wrong_key_or_secret_is_named(kis, wire, code, setting):
    wire.forget(TOKEN_PATH)
    wire.answer(TOKEN_PATH, {"error_description": "유효하지 않은 AppKey입니다.", "error_code": code}, status=403)
    with pytest.raises(Misconfigured) as caught:
        await kis.price("005930")
    assert caught.value.setting == setting


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": "", "expires_in": 86400},
        {"access_token": "a\r\nb", "expires_in": 86400},
        {"access_token": None, "expires_in": 86400},
        {"access_token": "x"},
        {"access_token": "x", "expires_in": "soon"},
    ],
)
async def test_a_token_that_is_none_is_a_bad_answer(kis, wire, body):
    wire.forget(TOKEN_PATH)
    wire.answer(TOKEN_PATH, body)
    with pytest.raises(BadAnswer):
        await kis.price("005930")


async def test_a_refused_token_leaves_the_file_too(make, wire, clock, tmp_path):
    kis = make()
    await kis.price("005930")
    clock.now += timedelta(minutes=2)
    wire.answer("inquire-price", refusal("EGW00123"), status=500)
    wire.answer(TOKEN_PATH, {"access_token": "token-1", "expires_in": 86400})
    with pytest.raises(TokenRejected):
        await kis.price("005930")
    clock.now += timedelta(minutes=2)
    with pytest.raises(TokenRejected):
        await kis.price("005930")
    assert json.loads(token_file(tmp_path).read_text())["token"] in {"", "token-1"}
    assert len(wire.sent(TOKEN_PATH)) == 3


async def test_a_token_another_process_has_renewed_is_taken_up(make, wire, clock):
    one, two = make(), make()
    await one.price("005930")
    await two.price("005930")
    clock.now += timedelta(minutes=2)
    wire.answer(TOKEN_PATH, {"access_token": "token-2", "expires_in": 86400})
    for _ in range(2):
        wire.answer("inquire-price", refusal("EGW00123"), status=500)
        wire.answer("inquire-price", sample("price"))
    await one.price("005930")
    await two.price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 2
    assert bearers(wire)[-1] == "Bearer token-2"


async def test_a_caller_that_gives_up_does_not_waste_the_attempt(kis, wire):
    arrived, answer = asyncio.Event(), asyncio.Event()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            arrived.set()
            await answer.wait()
            return wire(request)

    wire.stand_in = Slow()
    asking = asyncio.create_task(kis.price("005930"))
    await arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    answer.set()
    await kis.price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 1


async def test_a_lock_another_process_never_lets_go_is_told(kis, wire, clock, tmp_path):
    await kis.price("005930")
    path = token_file(tmp_path)
    path.unlink()
    with FileLock(f"{path}.lock"):
        clock.now += timedelta(days=1)
        with pytest.raises(Unavailable, match="lock"):
            await kis.price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 1


async def test_a_folder_that_cannot_be_used_is_a_setting(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured) as caught:
        await make(token_dir=tmp_path / "file" / "under").buy("005930", 1, price=None, kind=OrderKind.MARKET)
    assert caught.value.setting == "KISBOT_DATA_DIR"


async def test_a_clock_set_back_does_not_lock_us_out(make, wire, clock, tmp_path):
    await make().price("005930")
    path = token_file(tmp_path)
    row = json.loads(path.read_text()) | {"token": "", "attempted": (clock.now + timedelta(days=9)).isoformat()}
    path.write_text(json.dumps(row))
    await make().price("005930")
    assert len(wire.sent(TOKEN_PATH)) == 2
