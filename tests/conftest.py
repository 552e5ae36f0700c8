"""What holds for every test: no address but this machine's own, and repeatable property tests."""

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import settings

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
