"""One sending: the bytes written beforehand, one post, and a receipt instead of an exception."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kis import Misconfigured, NotSent, OrderKind, Outcome, Receipt, Unsupported
from kis import session as session_module
from tests.kis.kis_wire import KEY, SECRET, TOKEN_PATH, Clock, Wire, client, order, refusal, sample

LIMIT = {"price": 75_700, "kind": OrderKind.LIMIT}
LOST = [httpx.ReadTimeout("x"), httpx.ReadError("x"), httpx.WriteError("x"), httpx.RemoteProtocolError("x")]
LOST += [TimeoutError(), RuntimeError("x"), OSError("x")]
NEVER_LEFT = [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")]
SECRETS = (KEY, SECRET, "12345678", "token-1")


def name(error):
    return type(error).__name__


async def receipt_of(kis, wire, body, status=200):
    wire.answer("order-cash", body, status=status)
    return await kis.send(order(kis))


@pytest.mark.parametrize(
    ("body", "status", "what", "code", "words"),
    [
        (refusal("APBK0952", rt_cd="7", words="부족  "), 200, Outcome.REFUSED, "APBK0952", "부족"),
        (refusal("IGW00007", words="본문"), 500, Outcome.REFUSED, "IGW00007", "본문"),
        (refusal("APBK9999", words="처음"), 200, Outcome.CLAIMED, "APBK9999", "처음"),
        (refusal("EGW00202", words=""), 500, Outcome.CLAIMED, "EGW00202", "refused without a word (HTTP 500)"),
        (refusal("EGW00304", words="키"), 500, Outcome.MISCONFIGURED, "EGW00304", "키"),
        (refusal("EGW00301", words="시간"), 500, Outcome.UNKNOWN, "EGW00301", "시간"),
        (refusal("EGW00201", words="초당"), 429, Outcome.THROTTLED, "EGW00201", "초당"),
        ({"msg1": "초당", "message": "EGW00201"}, 500, Outcome.THROTTLED, "EGW00201", "초당"),
        (sample("order_real") | {"output": {}}, 200, Outcome.UNKNOWN, "APBK0013", "taken, but without an order number"),
        (
            sample("order_real") | {"rt_cd": "1", "msg1": "거부"},
            *(200, Outcome.UNKNOWN, "APBK0013", "refused, yet with an order number: 거부"),
        ),
        (b"<html>", 502, Outcome.UNKNOWN, "", "HTTP 502 without an answer of KIS's"),
        ({"note": "hello"}, 404, Outcome.UNKNOWN, "", "HTTP 404 without an answer of KIS's"),
        (b"", 200, Outcome.UNKNOWN, "", "HTTP 200 without an answer of KIS's"),
    ],
)
async def test_an_answer_is_told_as_it_is_and_is_sent_once(kis, wire, body, status, what, code, words):
    receipt = await receipt_of(kis, wire, body, status)
    assert (receipt.outcome, receipt.code, receipt.message, receipt.status) == (what, code, words, status)
    assert (receipt.order_no, receipt.branch, receipt.time, receipt.sent) == ("", "", "", True)
    assert len(wire.sent("order-cash")) == 1


@pytest.mark.parametrize("error", [*LOST, *NEVER_LEFT], ids=name)
async def test_a_failure_on_the_way_is_a_receipt_and_is_sent_once(kis, wire, clock, error):
    wire.fail("order-cash", error)
    receipt = await kis.send(order(kis))
    sent = error not in NEVER_LEFT
    assert (receipt.outcome, receipt.sent) == (Outcome.UNKNOWN if sent else Outcome.NOT_SENT, sent)
    assert (receipt.status, receipt.code, receipt.answer) == (None, "", "")
    assert type(error).__name__ in receipt.message
    assert len(wire.sent("order-cash")) == 1
    assert clock.slept == []


@pytest.mark.parametrize(
    ("events", "what"),
    [
        (["connection.connect_tcp.started"], Outcome.NOT_SENT),
        (["connection.connect_tcp.complete", "connection.start_tls.started"], Outcome.NOT_SENT),
        (["connection.connect_tcp.complete", "http11.send_request_headers.started"], Outcome.UNKNOWN),
        (["connection.connect_tcp.complete", "http2.anything_new"], Outcome.UNKNOWN),
        ([], Outcome.UNKNOWN),
    ],
)
async def test_a_sending_given_up_before_its_headers_was_not_sent(kis, wire, monkeypatch, events, what):
    class Stuck(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            for event in events:
                await request.extensions["trace"](event, {})
            await asyncio.sleep(60)

    await kis._session.token.get()
    monkeypatch.setattr(session_module, "_CALL_TIMEOUT", 0.005)
    wire.stand_in = Stuck()
    receipt = await kis.send(order(kis))
    assert (receipt.outcome, receipt.sent) == (what, what is Outcome.UNKNOWN)
    assert receipt.seconds > 0


async def test_a_token_that_cannot_be_had_is_a_receipt_of_nothing_sent(kis, wire):
    wire.forget(TOKEN_PATH)
    wire.answer(TOKEN_PATH, {"error_code": "EGW00133", "error_description": "1분당 1회"}, status=403)
    receipt = await kis.send(order(kis))
    assert receipt == Receipt(Outcome.NOT_SENT, code="EGW00133", message="1분당 1회")
    assert wire.sent("order-cash") == []


async def test_a_wrong_key_found_out_beforehand_is_a_receipt_of_nothing_sent_too(kis, wire, clock):
    wire.forget(TOKEN_PATH)
    wire.answer(TOKEN_PATH, {"error_code": "EGW00103", "error_description": "유효하지 않은 AppKey"}, status=403)
    receipt = await kis.send(order(kis))
    assert (receipt.outcome, receipt.code, receipt.sent) == (Outcome.NOT_SENT, "EGW00103", False)
    await clock.sleep(61)
    with pytest.raises(Misconfigured):
        await kis.buy("005930", 1, **LIMIT)


async def test_what_breaks_before_anything_left_is_a_receipt_too(kis, monkeypatch):
    async def broken(_):
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(kis._session.rate_limiter, "acquire", broken)
    assert await kis.send(order(kis)) == Receipt(Outcome.NOT_SENT, message="not sent (ZeroDivisionError)")


async def test_after_closing_nothing_is_sent(kis, wire):
    written = order(kis)
    await kis.close()
    assert await kis.send(written) == Receipt(Outcome.NOT_SENT, message="the session is closed")
    assert wire.arrived == []


async def test_what_waits_for_its_turn_while_all_is_closed_was_not_sent(make, wire):
    wire.answer("inquire-price", sample("price"))
    kis = make(min_interval=0.02)
    await kis.price("005930")
    sending = asyncio.create_task(kis.send(order(kis)))
    await asyncio.sleep(0)
    await kis.close()
    assert (await sending).outcome is Outcome.NOT_SENT
    assert wire.sent("order-cash") == []


@pytest.mark.parametrize("code", ["EGW00121", "EGW00122", "EGW00123"])
async def test_a_refused_token_is_dropped_and_the_next_sending_has_a_new_one(kis, wire, clock, code):
    wire.answer("inquire-price", sample("price"))
    await kis.price("005930")
    await clock.sleep(61)
    wire.answer(TOKEN_PATH, {"access_token": "token-2", "expires_in": 86400})
    assert (await receipt_of(kis, wire, refusal(code), 500)).outcome is Outcome.TOKEN
    assert len(wire.sent("order-cash")) == 1
    assert (await receipt_of(kis, wire, sample("order_paper"))).outcome is Outcome.PLACED
    assert [call.headers["authorization"] for call in wire.sent("order-cash")] == ["Bearer token-1", "Bearer token-2"]


async def test_a_token_file_that_cannot_be_changed_leaves_the_receipt_whole(kis, wire, clock, tmp_path):
    await kis._session.token.get()
    (file,) = (tmp_path / "token").glob("kis-token-*.json")
    file.chmod(0o644)
    with structlog.testing.capture_logs() as logs:
        receipt = await receipt_of(kis, wire, refusal("EGW00123"), 500)
    assert receipt.outcome is Outcome.TOKEN
    assert [line["event"] for line in logs] == ["token_not_dropped"]


@pytest.mark.parametrize(("code", "line"), [("EGW00201", "calls"), ("EGW00215", "ledger")])
async def test_a_refusal_for_the_rate_slows_the_line_it_is_about(make, wire, code, line):
    kis = make(min_interval=0.001)
    with structlog.testing.capture_logs() as logs:
        assert (await receipt_of(kis, wire, refusal(code), 500)).outcome is Outcome.THROTTLED
    assert (kis._session.rate_limiter.interval > 0.001) is (line == "calls")
    assert [entry["line"] for entry in logs if entry["event"] == "pace_slowed"] == [line]


async def test_a_cancel_does_not_wait_behind_orders(make, wire):
    wire.answer("order-cash", sample("order_paper"))
    wire.answer("order-rvsecncl", sample("order_paper"))
    kis = make(min_interval=0.01)
    await kis.send(order(kis))
    orders = [asyncio.create_task(kis.send(order(kis))) for _ in range(5)]
    await asyncio.sleep(0)
    await kis.send(kis.written_cancel("51378"))
    assert len(wire.sent("order-cash")) <= 2
    await asyncio.gather(*orders)


async def test_a_hash_that_cannot_be_had_is_a_receipt_of_nothing_sent(make, wire):
    wire.answer("/uapi/hashkey", b"", status=500)
    kis = make(hashkey=True)
    assert (await kis.send(order(kis))).outcome is Outcome.NOT_SENT
    assert wire.sent("order-cash") == []


async def test_a_script_is_told_what_kis_does_not_offer(kis, wire):
    wire.answer("order-cash", refusal("EGW02006"), status=500)
    with pytest.raises(Unsupported):
        await kis.buy("005930", 1, **LIMIT)


async def test_a_caller_that_is_cancelled_leaves_its_order_alone(kis, wire):
    arrived, answer = asyncio.Event(), asyncio.Event()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _):
            arrived.set()
            await answer.wait()
            return httpx.Response(200, json=sample("order_paper"))

    await kis._session.token.get()
    wire.stand_in = Slow()
    sending = asyncio.create_task(kis.send(order(kis)))
    await arrived.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    with structlog.testing.capture_logs() as logs:
        closing = asyncio.create_task(kis.close())
        await asyncio.sleep(0)
        assert not closing.done()
        answer.set()
        await closing
    assert [(line["event"], line["outcome"]) for line in logs] == [("write_answered_unheard", "placed")]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(refusal("APBK0952", words=" ".join(SECRETS))).encode(),
        json.dumps(refusal("12345678", words="x")).encode(),
        json.dumps(refusal("APBK0952", words=SECRET)).replace("/", "\\/").encode(),
        ("<html>" + " ".join(SECRETS) * 300).encode(),
        b"\xff" + SECRET.encode() * 400,
    ],
)
async def test_no_receipt_tells_a_secret(kis, wire, body):
    receipt = await receipt_of(kis, wire, body)
    for secret in (*SECRETS, "s" * 20, "k" * 20):
        assert secret not in repr(receipt)
    assert len(receipt.answer) <= 2_000
    assert len(receipt.message) <= 200
    assert len(receipt.code) <= 16


async def test_a_long_answer_is_kept_in_part(kis, wire):
    receipt = await receipt_of(kis, wire, b"<" * 9_999, 502)
    assert receipt.answer == "<" * 2_000


async def test_a_branch_and_a_time_that_are_none_leave_the_number_standing(kis, wire):
    odd = sample("order_paper") | {"output": {"odno": "51378", "krx_fwdg_ord_orgno": 950, "ord_tmd": None}}
    receipt = await receipt_of(kis, wire, odd)
    assert (receipt.outcome, receipt.order_no, receipt.branch, receipt.time) == (Outcome.PLACED, "0000051378", "", "")
    placed = await kis.buy("005930", 1, **LIMIT)
    assert (placed.order_no, placed.branch, placed.time) == ("0000051378", "", "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40), status=st.integers(200, 599), cut=st.none() | st.integers(0, 99))
def test_no_bytes_make_it_raise_or_say_placed(tmp_path, content, status, cut):
    if cut is not None:
        whole = json.dumps(sample("order_real")).encode()
        content = whole[: len(whole) * cut // 100]

    async def sent_once():
        wire, clock = Wire(), Clock()
        async with client(wire, clock, tmp_path) as kis:
            assert (await receipt_of(kis, wire, content, status)).outcome is Outcome.UNKNOWN
        assert len(wire.sent("order-cash")) == 1

    asyncio.run(sent_once())


async def test_seconds_are_those_of_the_post_alone(kis, wire, monkeypatch):
    moments = []

    def now():
        moments.append(asyncio.get_running_loop().time())

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _):
            now()
            await asyncio.sleep(0.01)
            now()
            return httpx.Response(200, json=sample("order_paper"))

    async def turn(_):
        await asyncio.sleep(0.02)
        now()

    await kis._session.token.get()
    wire.stand_in = Slow()
    monkeypatch.setattr(kis._session.rate_limiter, "acquire", turn)
    receipt = await kis.send(order(kis))
    now()
    ready, left, answered, done = moments
    assert answered - left <= receipt.seconds <= done - ready


@pytest.mark.parametrize("breaks", ["receipt", "drop"])
async def test_even_what_nobody_thought_of_is_no_exception(kis, wire, monkeypatch, breaks):
    def broken(*_):
        raise ZeroDivisionError

    where = kis._session.errors if breaks == "receipt" else kis._session.token
    monkeypatch.setattr(where, breaks, broken)
    receipt = await receipt_of(kis, wire, refusal("EGW00123"), 500)
    assert receipt.outcome is (Outcome.UNKNOWN if breaks == "receipt" else Outcome.TOKEN)
    assert receipt.sent


async def test_nobody_listening_is_a_receipt_of_nothing_sent_and_scripts_try_four_times(kis, wire, clock):
    wire.fail("order-cash", httpx.ConnectError("x"))
    assert (await kis.send(order(kis))).outcome is Outcome.NOT_SENT
    assert len(wire.sent("order-cash")) == 1
    with pytest.raises(NotSent):
        await kis.buy("005930", 1, **LIMIT)
    assert len(wire.sent("order-cash")) == 1 + 4


@pytest.mark.parametrize("status", [401, 403])
async def test_a_status_alone_proves_nothing_to_a_script_either(kis, wire, status):
    wire.answer("order-cash", refusal("EGW00999"), status=status)
    with pytest.raises(Exception, match="EGW00999") as caught:
        await kis.buy("005930", 1, **LIMIT)
    assert type(caught.value).__name__ == "Unknown"
    assert len(wire.sent("order-cash")) == 1
