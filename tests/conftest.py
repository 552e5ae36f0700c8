"""What holds for every test: no address but this machine's own, and repeatable property tests."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import settings

from tests.support.virtual_time import VirtualLoop

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)
if settings.get_current_profile_name() in {"default", "ci"}:  # "ci" is Hypothesis's own choice where CI is set
    settings.load_profile("repeatable")

_connect = socket.socket.connect


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for any other address fails."""

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = address[0]
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                pytest.fail(f"a test reached for {host}")
        _connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def pytest_configure(config: pytest.Config) -> None:
    """Tests marked `virtual_time` wait for nothing: their loop moves its clock to the next timer."""
    config.addinivalue_line(
        "markers", "virtual_time: the test's event loop never waits; no sockets, no child processes"
    )


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """One loop a test: the usual one, or one in virtual time."""
    return {"loop": VirtualLoop if item.get_closest_marker("virtual_time") else asyncio.new_event_loop}
