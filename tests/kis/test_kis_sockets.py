"""Faults of real sockets: what httpx proves about them, and what it does not."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager

import pytest

from kis import KisClient, NotSent, OrderKind, Outcome, Side, Unavailable, Unknown
from tests.kis.kis_wire import config, sample

BUY = {"price": 75_700, "kind": OrderKind.LIMIT}
TOKEN = json.dumps({"access_token": "token-1", "expires_in": 86400}).encode()


def http(body, *, length=None):
    length = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (length, body)


def reset(writer):
    """Closes with a reset, as a crashed gateway does."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Gateway:
    """Issues tokens; does to every other call what the test says."""

    def __init__(self, fault):
        self.fault = fault
        self.calls = []
        self.connections = 0
        self.server = None
        self.port = 0

    def stop_listening(self):
        """Keeps the connections there are; takes no new ones."""
        self.server.close()

    async def __call__(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.lower().split(b"\r\n")
                        if line.startswith(b"content-length")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                if b"/oauth2/" in head:
                    writer.write(http(TOKEN))
                    await writer.drain()
                    continue
                self.calls.append((head, body))
                await self.fault(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def at_gateway(fault, tmp_path):
    gateway = Gateway(fault)
    gateway.server = await asyncio.start_server(gateway, "127.0.0.1", 0)
    gateway.port = gateway.server.sockets[0].getsockname()[1]

    async def no_pause(_):
        await asyncio.sleep(0)

    async with KisClient(config(tmp_path, rest_url=f"http://127.0.0.1:{gateway.port}"), sleep=no_pause) as kis:
        yield kis, gateway
    gateway.server.close()


async def reset_it(writer):
    reset(writer)
    raise ConnectionResetError


async def hang_up(writer):
    writer.close()
    raise ConnectionResetError


async def half_a_header(writer):
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    await writer.drain()
    await hang_up(writer)


async def half_a_body(writer):
    body = json.dumps(sample("order_paper")).encode()
    writer.write(http(body[:40], length=len(body)))
    await writer.drain()
    await hang_up(writer)


async def garbage(writer):
    writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    await writer.drain()
    await hang_up(writer)


async def empty(writer):
    writer.write(http(b""))
    await writer.drain()


FAULTS = [reset_it, hang_up, half_a_header, half_a_body, garbage, empty]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_write_cut_short_after_its_headers_is_unknown_and_sent_once(tmp_path, fault):
    async with at_gateway(fault, tmp_path) as (kis, gateway):
        with pytest.raises(Unknown):
            await kis.buy("005930", 1, **BUY)
        assert len(gateway.calls) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_sending_cut_short_after_its_headers_is_a_receipt_that_says_so(tmp_path, fault):
    async with at_gateway(fault, tmp_path) as (kis, gateway):
        receipt = await kis.send(kis.written(Side.BUY, "005930", 1, **BUY))
        assert (receipt.outcome, receipt.sent) == (Outcome.UNKNOWN, True)
        assert receipt.message
        assert [body for _, body in gateway.calls] == [kis.written(Side.BUY, "005930", 1, **BUY).body]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_read_cut_short_is_asked_again(tmp_path, fault):
    async with at_gateway(fault, tmp_path) as (kis, gateway):
        with pytest.raises(Unavailable):
            await kis.price("005930")
        assert len(gateway.calls) == 4


async def test_a_write_nobody_listens_to_was_not_sent(tmp_path):
    async def close_the_door(writer):
        writer.write(http(json.dumps(sample("price")).encode()))
        await writer.drain()

    async with at_gateway(close_the_door, tmp_path) as (kis, gateway):
        await kis.price("005930")
        gateway.stop_listening()
        with socket.socket() as nobody:  # holds the port, so that no other program listens there
            nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            nobody.bind(("127.0.0.1", gateway.port))
            with pytest.raises(NotSent):
                await kis.buy("005930", 1, **BUY)
            receipt = await kis.send(kis.written(Side.BUY, "005930", 1, **BUY))
        assert (receipt.outcome, receipt.sent, receipt.message) == (Outcome.NOT_SENT, False, "no answer (ConnectError)")
        assert len(gateway.calls) == 1


async def test_every_order_goes_out_on_a_connection_of_its_own(tmp_path):
    async def take_it(writer):
        writer.write(http(json.dumps(sample("order_paper")).encode()))
        await writer.drain()

    async with at_gateway(take_it, tmp_path) as (kis, gateway):
        for _ in range(3):
            await kis.buy("005930", 1, **BUY)
        assert gateway.connections == 1 + 3


async def test_reads_share_a_connection(tmp_path):
    async def quote(writer):
        writer.write(http(json.dumps(sample("price")).encode()))
        await writer.drain()

    async with at_gateway(quote, tmp_path) as (kis, gateway):
        for _ in range(3):
            await kis.price("005930")
        assert gateway.connections == 1


async def test_a_proxy_in_the_environment_is_ignored(tmp_path, monkeypatch):
    async def quote(writer):
        writer.write(http(json.dumps(sample("price")).encode()))
        await writer.drain()

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with at_gateway(quote, tmp_path) as (kis, _):
        assert (await kis.price("005930")).price == 75_700
