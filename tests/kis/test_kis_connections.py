"""The connections that reads share, on real sockets: taken in turn, never in a state that could mix up answers."""

from __future__ import annotations

import asyncio
import ssl

import httpx
import pytest

from kis import transport as connections
from kis.transport import ConnectionPool, get


class Server:
    """Answers every call with its own path; a path that says so waits for the gate, or hangs up after it."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.calls = []
        self.met = 0
        self.writers = set()

    async def __call__(self, reader, writer):
        self.met += 1
        self.writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1]
                self.calls.append(path.decode())
                if b"slow" in path:
                    await self.gate.wait()
                cut = b"half" in path
                length = len(path) + 10 * cut
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (length, path))
                await writer.drain()
                if cut or b"bye" in path:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def called(self, number):
        async with asyncio.timeout(5):
            while len(self.calls) < number:  # noqa: ASYNC110 - the other end of a socket is in this very loop
                await asyncio.sleep(0.001)

    async def rest(self):
        for _ in range(20):
            await asyncio.sleep(0.001)


@pytest.fixture
async def server():
    server = Server()
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield server
    server.gate.set()
    listening.close()


@pytest.fixture
async def shared():
    shared = ConnectionPool(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    yield shared
    await shared.aclose()


@pytest.fixture
async def ask(server, shared):
    async with httpx.AsyncClient(transport=shared, trust_env=False) as client:

        async def ask(path):
            answer = await client.send(get(httpx.URL(server.url + path), []))
            return answer.text

        yield ask


async def test_one_after_the_other_on_one_connection(server, ask):
    assert [await ask(f"/{number}") for number in range(20)] == [f"/{number}" for number in range(20)]
    assert server.met == 1


async def test_as_many_connections_as_calls_up_to_thirty_two(server, ask):
    asking = [asyncio.create_task(ask(f"/slow{number}")) for number in range(100)]
    await server.called(32)
    await server.rest()
    assert (len(server.calls), server.met) == (32, 32)
    server.gate.set()
    assert await asyncio.gather(*asking) == [f"/slow{number}" for number in range(100)]
    assert server.met == 32


async def test_a_call_given_up_takes_its_connection_with_it_so_that_its_answer_is_nobodys(server, ask):
    await ask("/first")
    given_up = asyncio.create_task(ask("/slow"))
    await server.called(2)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    server.gate.set()
    assert await ask("/next") == "/next"
    assert server.met == 2


async def test_one_who_gives_up_waiting_for_a_connection_costs_nobody_his_own(server, ask):
    asking = [asyncio.create_task(ask(f"/slow{number}")) for number in range(40)]
    await server.called(32)
    for task in asking[30:36]:
        task.cancel()
    server.gate.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [answer for answer in found if isinstance(answer, str)] == [
        f"/slow{number}" for number in (*range(30), *range(36, 40))
    ]
    assert len(await asyncio.gather(*(ask(f"/{number}") for number in range(64)))) == 64


@pytest.mark.parametrize("last", ["/bye", "/half"])
async def test_a_connection_the_server_closed_is_not_used_again(server, ask, last):
    if last == "/half":
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(last)
    else:
        assert await ask(last) == last
    await server.rest()
    assert await ask("/next") == "/next"
    assert server.met == 2


async def test_idle_connections_are_closed(server, ask, monkeypatch):
    asking = [asyncio.create_task(ask(f"/slow{number}")) for number in range(10)]
    await server.called(10)
    server.gate.set()
    await asyncio.gather(*asking)
    await server.rest()
    assert len(server.writers) == 10
    monkeypatch.setattr(connections, "_KEEPALIVE", 0.01)
    await asyncio.sleep(0.02)
    await ask("/next")
    await server.rest()
    assert len(server.writers) == 1


async def test_closing_closes_what_is_idle_at_once_and_what_is_in_use_after_its_call(server, shared, ask):
    await asyncio.gather(ask("/one"), ask("/two"))
    asking = asyncio.create_task(ask("/slow"))
    await server.called(3)
    await shared.aclose()
    await server.rest()
    assert len(server.writers) == 1
    server.gate.set()
    assert await asking == "/slow"
    await server.rest()
    assert server.writers == set()
