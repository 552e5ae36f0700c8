"""A TCP proxy that breaks connections to the byte, to stand between a client and the simulator.

It forwards HTTP/1.1 as it comes, byte for byte; it reads no more of it than where a request or an answer ends, so
that a fault befalls the request it was planted for on a connection that carries several. An upgraded connection
is forwarded as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Any

from kis.sim.faults.catalogue import FaultKind, Faults, PlantedFault
from kis.sim.server import end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

_WHOLE = -1
_CHUNK = 65_536
_BLANK = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_NOT_TLS = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
_SWITCHED = 101
_LONGEST_DROP = 0.1  # seconds' worth of bytes that go out together, if that is more than one
_REFUSE = "refuse"

ON_ACCEPT = {
    "reset_on_accept": FaultKind(acts=False),
    "black_hole": FaultKind(acts=False),
    "garbage_tls": FaultKind(acts=False),
}
"""What befalls a connection before a byte of it is looked at.

reset_on_accept  it is reset as soon as it stands
black_hole       it stands, and nothing is ever read or answered; with https, the handshake never ends
garbage_tls      it is answered as by a server that knows no TLS
"""
ON_REQUEST = {
    "reset_after_headers": FaultKind(acts=False, options={"passed": False}),
    "stall_request": FaultKind(acts=False, options={"at": _WHOLE}),
    "cut_request": FaultKind(acts=False, options={"at": 0, "reset": False}),
    "cut_answer": FaultKind(acts=True, options={"at": 0, "reset": False}),
    "stall_answer": FaultKind(acts=True, options={"at": 0}),
    "slow": FaultKind(acts=True, options={"bytes_per_second": 1.0}),
    "delay": FaultKind(acts=True, options={"seconds": 5.0}),
    "slice": FaultKind(acts=True, options={"size": 1}),
}
"""What befalls a request on its way, or its answer.

reset_after_headers  the connection is reset when the headers are read; with `passed`, they went on without the body
stall_request        the first `at` bytes go on (by default the headers), the rest never; nothing is answered
cut_request          the first `at` bytes go on, then both sides are closed, or reset with `reset`; nothing is answered
cut_answer           the first `at` bytes of the answer arrive, then the connection is closed, or reset with `reset`
stall_answer         the first `at` bytes of the answer arrive, then nothing more
slow                 the answer comes at `bytes_per_second`
delay                the answer comes `seconds` later
slice                the answer comes in segments of `size` bytes
"""
FAULTS = {_REFUSE: FaultKind(acts=False), **ON_ACCEPT, **ON_REQUEST}


class _Mark(Enum):
    """What stands after the last byte of an answer."""

    WHOLE = "whole"
    SWITCHED = "switched"
    """Another protocol begins."""


class TcpProxy:
    """The proxy.

    Attributes:
        fired: how often each fault has gone off; of `refuse`, how often it was planted, as nobody sees who was refused.
        connections: how many were accepted.
        bytes_in: bytes that came from clients.
        bytes_out: bytes that went back to them.
    """

    def __init__(self, host: str, port: int, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Listen to nobody yet.

        Args:
            host: where what it stands in front of listens.
            port: likewise.
            sleep: waits, for what is slow or late.
        """
        self._upstream = (host, port)
        self._sleep = sleep
        self._on_accept = Faults(ON_ACCEPT)
        self._on_request = Faults(ON_REQUEST)
        self._refused = 0
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._address = ("127.0.0.1", 0)
        self._open: set[asyncio.Task[Any]] = set()
        self.connections = 0
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def fired(self) -> Counter[str]:
        counts = self._on_accept.fired + self._on_request.fired
        return counts + Counter({_REFUSE: self._refused}) if self._refused else counts

    def plant(self, name: str, *, times: int = 1, path: str | None = None, skip: int = 0, **how: Any) -> None:
        """Let a fault happen to the next connections or requests.

        Args:
            name: `refuse` closes the listening socket until `clear`; the others stand at ON_ACCEPT and ON_REQUEST.
            times: how many it befalls, `ALWAYS` for all; `refuse` counts nobody.
            path: how the path of the requests ends; None for any. A connection has none yet.
            skip: how many it lets pass first.
            how: its options.

        Raises:
            ValueError: there is no such fault, or not with these options.
        """
        if name == _REFUSE:
            if path is not None or skip or how:
                raise ValueError("refuse takes no options: nobody is heard")
            self._refused += 1
            self._stop()
        elif name in ON_REQUEST:
            self._on_request.plant(name, times=times, path=path, skip=skip, **how)
        elif path is not None and name in ON_ACCEPT:
            raise ValueError(f"{name} befalls a connection, which has no path yet")
        elif name in ON_ACCEPT:
            self._on_accept.plant(name, times=times, skip=skip, **how)
        else:
            raise ValueError(f"no fault is named {name}; there are {', '.join(FAULTS)}")

    def clear(self) -> None:
        """Take back every fault that has not gone off, and listen again after `refuse`."""
        self._on_accept.clear()
        self._on_request.clear()
        if self._server is None and self._opening is None and self._address[1]:
            listener = socket.create_server(self._address)
            self._opening = asyncio.get_running_loop().create_task(self._start(listener))

    @contextlib.asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Listen until the block is left.

        Args:
            host: address to listen on.
            port: 0 for a free one.

        Yields:
            The base URL, to be used in place of the simulator's.
        """
        listener = socket.create_server((host, port))
        self._address = listener.getsockname()[:2]
        await self._start(listener)
        try:
            yield f"http://{host}:{self._address[1]}"
        finally:
            if self._opening is not None:
                await self._opening
            self._stop()
            self._address = (host, 0)
            for task in self._open:
                task.cancel()
            if self._open:
                await asyncio.wait(self._open)

    async def _start(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._begin, sock=listener)
        self._opening = None

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # --- one connection -----------------------------------------------------------------------------------

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._accept(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        _at_once(writer)
        taken = self._on_accept.take("")
        # Whoever leaves in the middle does not ask what became of the rest.
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
            try:
                if not taken:
                    await self._between(reader, writer)
                elif taken[0].name == "reset_on_accept":
                    end(writer.transport, reset=True)
                elif taken[0].name == "garbage_tls":
                    self.bytes_in += len(await reader.read(_CHUNK))
                    await self._write(writer, _NOT_TLS)
                else:
                    await self._hold(reader)
            finally:
                writer.close()

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._upstream)
        _at_once(back)
        try:
            while await self._one(reader, writer, there, back):
                pass
        except ConnectionError:
            end(writer.transport, reset=True)  # as it was done to us
        finally:
            back.close()

    async def _one(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> bool:
        """Forward a request and its answer; False when the connection is at its end."""
        head = await reader.readuntil(_BLANK)
        self.bytes_in += len(head)
        method, path = head.split(b" ", 2)[:2]
        taken = self._on_request.take(path.partition(b"?")[0].decode("latin-1"))
        fault = taken[0] if taken else _NO_FAULT
        how = fault.options
        if fault.name == "reset_after_headers":
            if how["passed"]:
                await _push(back, head)
            end(writer.transport, reset=True)
            return False
        request = head + await reader.readexactly(_length(head) or 0)
        self.bytes_in += len(request) - len(head)
        if fault.name in {"stall_request", "cut_request"}:
            sent = request[: how["at"] if how["at"] != _WHOLE else len(head)]
            await _push(back, sent)
            if len(sent) == len(request):
                await there.read(1)  # all of it is there, so it is done
            if fault.name == "stall_request":
                await self._hold(reader)
            else:
                end(writer.transport, reset=how["reset"])
            return False
        await _push(back, request)
        whole = await self._relay(_answer(there, bodiless=method == b"HEAD"), writer, fault)
        if whole is None:
            await self._both_ways(reader, writer, there, back)
        elif fault.name == "stall_answer":
            await self._hold(reader)
        elif fault.name == "cut_answer":
            end(writer.transport, reset=how["reset"])
        return bool(whole) and fault.name not in {"stall_answer", "cut_answer"}

    async def _relay(
        self, answer: AsyncIterator[bytes | _Mark], writer: asyncio.StreamWriter, fault: PlantedFault
    ) -> bool | None:
        """Send an answer on; False where it came to an early end, None where another protocol begins after it."""
        how = fault.options
        left = how.get("at")
        if fault.name == "delay":
            await self._sleep(how["seconds"])
        whole: bool | None = False
        async for chunk in answer:
            if isinstance(chunk, _Mark):
                whole = True if chunk is _Mark.WHOLE else None
                break
            part = chunk if left is None else chunk[:left]
            if fault.name == "slow":
                rate = how["bytes_per_second"]
                for piece in _pieces(part, max(1, int(rate * _LONGEST_DROP))):
                    await self._sleep(len(piece) / rate)
                    await self._write(writer, piece)
            else:
                for piece in _pieces(part, how.get("size", _CHUNK)):
                    await self._write(writer, piece)
                    await asyncio.sleep(0)
            if left is not None and (left := left - len(part)) == 0:
                break
        return whole

    async def _both_ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        async def up() -> None:
            while chunk := await reader.read(_CHUNK):
                self.bytes_in += len(chunk)
                await _push(back, chunk)
            back.write_eof()

        async def down() -> None:
            while chunk := await there.read(_CHUNK):
                await self._write(writer, chunk)
            writer.write_eof()

        await asyncio.gather(up(), down())

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.bytes_out += len(data)
        await _push(writer, data)

    async def _hold(self, reader: asyncio.StreamReader) -> None:
        """Wait until the client leaves."""
        while more := await reader.read(_CHUNK):
            self.bytes_in += len(more)


_NO_FAULT = PlantedFault("", acts=True, options={}, path=None, left=0)


def _at_once(writer: asyncio.StreamWriter) -> None:
    """Let every byte out as it is written: `drain` returns when the kernel has it, which sends it by itself."""
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    writer.transport.set_write_buffer_limits(high=0)


async def _push(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _length(head: bytes) -> int | None:
    found = _LENGTH.search(head)
    return int(found[1]) if found else None


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


async def _answer(there: asyncio.StreamReader, *, bodiless: bool) -> AsyncIterator[bytes | _Mark]:
    """An answer's bytes as they come, then a mark; none where it ends too early."""
    try:
        head = await there.readuntil(_BLANK)
    except asyncio.IncompleteReadError as short:
        yield short.partial
        return
    yield head
    if int(head.split(b" ", 2)[1][:3]) == _SWITCHED:
        yield _Mark.SWITCHED
        return
    left = 0 if bodiless else _length(head)
    while left is None or left > 0:
        chunk = await there.read(_CHUNK if left is None else min(left, _CHUNK))
        if not chunk:
            return
        yield chunk
        left = left if left is None else left - len(chunk)
    yield _Mark.WHOLE
