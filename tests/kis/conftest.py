"""What the tests of the client share."""

from __future__ import annotations

import pytest

from tests.kis.kis_wire import Clock, Wire, client


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
async def make(wire, clock, tmp_path):
    """Makes clients on the wire, and closes them."""
    made = []

    def build(**changes):
        made.append(client(wire, clock, tmp_path, **changes))
        return made[-1]

    yield build
    for one in made:
        await one.close()


@pytest.fixture
async def kis(make):
    return make()
