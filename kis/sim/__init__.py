"""KIS simulated over real HTTP, for the demo, the tests and `kisbot sim`.

It shares only the table of calls (`kis.endpoints`) and the exchange's rules (`kis.krx`) with the client, so that
neither can hide a mistake of the other.
"""

from __future__ import annotations

from kis.sim.api.context import Recorded
from kis.sim.exchange.clock import SimClock
from kis.sim.exchange.exchange import Exchange
from kis.sim.faults.catalogue import Faults
from kis.sim.server import env_lines
from kis.sim.simulator import Simulator

__all__ = ["Exchange", "Faults", "Recorded", "SimClock", "Simulator", "env_lines"]
