"""The proxy that breaks connections: to the byte, by name, and only where it was told to."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import asynccontextmanager

import pytest
import websockets

from kis.sim import Simulator
from kis.sim.faults.catalogue import ALWAYS
from tests.sim.customer import QUOTATIONS, TR, TRADING, Clock
from tests.support.proxy import FAULTS, TcpProxy

ORDER = "order-cash"


class Line:
    """The simulator, the proxy in front of it, and a client that counts bytes."""

    def __init__(self, sim, proxy, url):
        self.sim, self.proxy = sim, proxy
        self.host, self.port = url.removeprefix("http://").split(":")
        self.keys = {
            "appkey": sim.credentials.app_key,
            "appsecret": sim.credentials.app_secret,
            "authorization": f"Bearer {self.token()}",
            "content-type": "application/json",
        }
        account, product = sim.credentials.account.split("-")
        self.order = {"CANO": account, "ACNT_PRDT_CD": product, "PDNO": "005930", "ORD_DVSN": "00", "ORD_QTY": "1"}
        self.order |= {"ORD_UNPR": "60000", "EXCG_ID_DVSN_CD": "KRX", "SLL_TYPE": "", "CNDT_PRIC": ""}

    def token(self):
        keys = {"appkey": self.sim.credentials.app_key, "appsecret": self.sim.credentials.app_secret}
        body = json.dumps({"grant_type": "client_credentials", **keys}).encode()
        return json.loads(self.sim.answer("POST", "/oauth2/tokenP", "", {}, body).body)["access_token"]

    def request(self, method, target, tr_id, body=b""):
        named = {**self.keys, "host": "kis", "tr_id": tr_id, "content-length": str(len(body))}
        head = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        return "\r\n".join(head).encode() + body

    def buy(self):
        return self.request("POST", TRADING + ORDER, TR["paper"]["buy"], json.dumps(self.order).encode())

    def price(self):
        return self.request(
            "GET", f"{QUOTATIONS}inquire-price?FID_COND_MRKT_DIV_CODE=J&FID_INPUT_ISCD=005930", "FHKST01010100"
        )

    async def open(self):
        return await asyncio.open_connection(self.host, self.port)

    async def say(self, request):
        """All that comes back on a connection of its own, and whether it ended by a reset."""
        reader, writer = await self.open()
        came, reset = b"", False
        try:
            writer.write(request)
            while part := await reader.read(65536):
                came += part
        except ConnectionError:
            reset = True
        writer.close()
        return came, reset

    @property
    def orders(self):
        return len(self.sim.exchange.orders)


@asynccontextmanager
async def line(**options):
    sim = Simulator(clock=Clock(), rate_limit=False, cash=10**9)
    async with sim.serve() as behind:
        proxy = TcpProxy("127.0.0.1", int(behind.rpartition(":")[2]), **options)
        async with proxy.serve() as url:
            yield Line(sim, proxy, url)


@pytest.fixture
async def at():
    async with line() as at:
        yield at


async def whole(reader):
    """One answer on a connection that goes on."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    return head + await reader.readexactly(length)


async def test_without_a_fault_every_byte_goes_through(at):
    reader, writer = await at.open()
    asked, answered = 0, 0
    for request in (at.buy(), at.price(), at.buy()):
        writer.write(request)
        answer = await whole(reader)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: ")
        asked, answered = asked + len(request), answered + len(answer)
    writer.close()
    assert (at.orders, at.proxy.connections, at.proxy.fired) == (2, 1, {})
    assert (at.proxy.bytes_in, at.proxy.bytes_out) == (asked, answered)


@pytest.mark.parametrize("reset", [False, True])
async def test_an_answer_is_cut_at_every_byte_of_it(at, reset):
    reader, writer = await at.open()
    writer.write(at.buy())
    length = len(await whole(reader))
    writer.close()
    assert length > 300
    request = at.buy()
    for size in range(length + 1):
        at.proxy.plant("cut_answer", at=size, reset=reset)
        came, was_reset = await at.say(request)
        assert (len(came), was_reset) == (size, reset)
    assert (at.orders, at.proxy.fired) == (length + 2, {"cut_answer": length + 1})


async def test_a_request_is_cut_at_every_byte_of_it_and_only_a_whole_one_is_done(at):
    request = at.buy()
    for size in range(0, len(request) + 1, 7):
        at.proxy.plant("cut_request", at=size)
        assert await at.say(request) == (b"", False)
    await asyncio.sleep(0.02)
    assert at.orders == 0
    at.proxy.plant("cut_request", at=len(request), reset=True)
    assert await at.say(request) == (b"", True)
    assert at.orders == 1


@pytest.mark.parametrize(
    ("name", "how"), [("reset_on_accept", {}), ("reset_after_headers", {}), ("reset_after_headers", {"passed": True})]
)
async def test_a_connection_is_reset_before_the_broker_has_a_request(at, name, how):
    at.proxy.plant(name, **how)
    assert await at.say(at.buy()) == (b"", True)
    await asyncio.sleep(0.02)
    assert (at.orders, at.proxy.fired) == (0, {name: 1})
    at.proxy.plant("cut_answer", at=99_999)
    assert (await at.say(at.buy()))[0].endswith(b"}")


@pytest.mark.parametrize(
    ("name", "how", "came", "orders"),
    [
        ("black_hole", {}, 0, 0),
        ("stall_request", {}, 0, 0),
        ("stall_request", {"at": 40}, 0, 0),
        ("stall_request", {"at": 99_999}, 0, 1),
        ("stall_answer", {"at": 0}, 0, 1),
        ("stall_answer", {"at": 33}, 33, 1),
    ],
)
async def test_a_silent_line_stays_open(at, name, how, came, orders):
    at.proxy.plant(name, **how)
    reader, writer = await at.open()
    writer.write(at.buy())
    if came:
        assert len(await reader.readexactly(came)) == came
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.read(1)
    async with asyncio.timeout(5):
        while at.orders < orders:  # noqa: ASYNC110 - there is no event for what a server has done
            await asyncio.sleep(0.002)
    writer.close()
    assert (at.orders, at.proxy.fired) == (orders, {name: 1})


async def test_nobody_is_heard_while_connections_are_refused(at):
    at.proxy.plant("refuse")
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await at.open()
    at.proxy.clear()
    at.proxy.plant("cut_answer", at=12)
    assert await at.say(at.buy()) == (b"HTTP/1.1 200", False)
    assert at.proxy.fired == {"refuse": 1, "cut_answer": 1}


async def test_a_server_that_knows_no_tls_breaks_the_handshake(at):
    at.proxy.plant("garbage_tls")
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection(at.host, at.port, ssl=ssl.create_default_context())
    assert at.orders == 0


async def test_an_answer_comes_late_slowly_or_in_slices():
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    async with line(sleep=sleep) as at:
        reader, writer = await at.open()
        for name, how in (("delay", {"seconds": 9}), ("slow", {"bytes_per_second": 1}), ("slice", {"size": 1})):
            at.proxy.plant(name, **how)
            writer.write(at.buy())
            assert (await whole(reader)).endswith(b"}")
        writer.close()
        size = at.proxy.bytes_out // 3
        assert slept == [9] + [1.0] * size
        assert at.orders == 3


async def test_slices_arrive_as_slices(at):
    at.proxy.plant("slice", size=5)
    reader, writer = await at.open()
    writer.write(at.price())
    assert len(await reader.read(65536)) < 500
    writer.close()


async def test_a_fault_waits_for_its_path_on_a_connection_that_goes_on(at):
    at.proxy.plant("cut_answer", at=5, path=ORDER, skip=1)
    reader, writer = await at.open()
    for request in (at.price(), at.buy(), at.price()):
        writer.write(request)
        assert (await whole(reader)).startswith(b"HTTP/1.1 200")
    writer.write(at.buy())
    assert await reader.read() == b"HTTP/"
    writer.close()


async def test_a_fault_can_last_until_it_is_taken_back(at):
    at.proxy.plant("reset_on_accept", times=ALWAYS)
    assert [await at.say(at.price()) for _ in range(3)] == [(b"", True)] * 3
    at.proxy.clear()
    at.proxy.plant("cut_answer", at=4)
    assert await at.say(at.price()) == (b"HTTP", False)


async def test_an_end_of_the_broker_is_passed_on(at):
    at.sim.faults.plant("cut_reply", sent=20)
    came, reset = await at.say(at.buy())
    assert (len(came.partition(b"\r\n\r\n")[2]), reset) == (20, False)
    at.sim.faults.plant("reset_reply")
    assert await at.say(at.buy()) == (b"", True)


async def test_a_websocket_goes_through(at):
    async with websockets.connect(f"ws://{at.host}:{at.port}/tryitout") as socket:
        await socket.send("{}")
        assert "JSON PARSING ERROR" in await socket.recv()


async def test_only_what_exists_can_be_planted():
    proxy = TcpProxy("127.0.0.1", 1)
    for name, how, words in (
        ("earthquake", {}, "no fault is named"),
        ("cut_answer", {"at": -2}, "cannot be"),
        ("slow", {"bytes_per_second": 0}, "cannot be"),
        ("cut_answer", {"to": 2}, "has no option"),
        ("refuse", {"path": ORDER}, "takes no options"),
        ("black_hole", {"path": ORDER}, "has no path yet"),
    ):
        with pytest.raises(ValueError, match=words):
            proxy.plant(name, **how)
    assert set(FAULTS) >= {"refuse", "black_hole", "garbage_tls", "slice"}
