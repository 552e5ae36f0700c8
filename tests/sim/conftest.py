"""Fixtures: a clock that stands still, and simulators to visit."""

from __future__ import annotations

import contextlib
import random

import httpx
import pytest

from kis.sim import Simulator
from kis.sim.exchange.exchange import Exchange
from tests.sim.customer import Clock, Customer
from tests.sim.raw import Caller, SharedServer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def visit(clock):
    """Opens a simulator without a socket, and a customer of it with a token in hand."""
    async with contextlib.AsyncExitStack() as stack:

        async def opened(**options):
            sim = Simulator(**{"clock": clock, "rate_limit": False, **options})
            transport = httpx.ASGITransport(app=sim.app)
            http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://localhost"))
            return await Customer(sim, http).log_in()

        yield opened


@pytest.fixture(params=["paper", "real"])
def profile(request):
    return request.param


@pytest.fixture
def opened(clock):
    def opened(**options):
        seed = options.pop("seed", 1)
        return Exchange(**{"clock": clock, "rng": random.Random(seed), **options})

    return opened


@pytest.fixture
def exchange(opened):
    return opened()


@pytest.fixture(scope="module")
def shared_server():
    with SharedServer().open() as shared_server:
        yield shared_server


@pytest.fixture
def served(shared_server):
    """Opens a simulator on a socket, at ten o'clock of 20 November 2026, a Friday."""

    async def opened(profile="real", *, login=True, **options):
        clock = Clock()
        sim = Simulator(**{"profile": profile, "clock": clock, "rate_limit": False, **options})
        keys, shared_server.app = sim.credentials, sim.app
        caller = Caller(shared_server.address, keys.app_key, keys.app_secret, keys.account)
        caller.sim, caller.clock, caller.real = sim, clock, profile == "real"
        return await caller.log_in() if login else caller

    return opened
