"""What every question to KIS needs: an account, a session, and answers made into values or errors."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from kis.config import KisConfig, kst_now
from kis.errors import BadAnswer, BadRequest
from kis.payloads import Payloads
from kis.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import date, datetime
    from types import TracebackType

    from kis.endpoints import Endpoint, Env
    from kis.models import OrderReport
    from kis.session import Transport

_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)


class BaseClient:
    """One account's way to KIS; the questions stand in the classes made of it."""

    def __init__(
        self,
        config: KisConfig,
        *,
        clock: Callable[[], datetime] = kst_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            config: whose account, and where.
            clock: the present moment in KST.
            sleep: waits between attempts.
            rng: the chance in those waits.
            transport: stands in for the network.
        """
        chance = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._config = config
        self._read_rows: dict[tuple[Any, ...], OrderReport] = {}
        self._clock = clock
        self._requests = Payloads(config)
        self._session = Session(config, clock=clock, sleep=sleep, rng=chance, transport=transport)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.env} {self.account_masked}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Waits for an order under way, then closes the connections."""
        await self._session.close()

    @property
    def env(self) -> Env:
        """The environment spoken to."""
        return self._config.env

    @property
    def account_masked(self) -> str:
        """The account number as it may be shown: "…78-01"."""
        return self._config.account_masked

    @property
    def clock_offset(self) -> float:
        """Seconds KIS's clock is ahead of ours: median of 20 answers, whose times are whole seconds; 0 before any."""
        return self._session.clock_offset

    def _must(self, endpoint: Endpoint, met: bool, words: str) -> None:
        if not met:
            raise BadRequest(words, endpoint=endpoint.name, env=self.env.value)

    def _must_have_begun(self, endpoint: Endpoint, start: date) -> None:
        self._must(endpoint, start <= self._clock().date(), "the first day is still to come")

    def _parsed(self, endpoint: Endpoint, build: Callable[..., _T], *args: Any) -> _T:
        try:
            return build(*args)
        except ValidationError as failure:
            what = failure.errors(include_input=False, include_url=False)[0]
            words = f"{what['loc'][0] if what['loc'] else 'answer'}: {what['msg']}"
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as failure:
            words = f"{type(failure).__name__}: {failure}"
        raise self._bad(endpoint, words)

    def _bad(self, endpoint: Endpoint, words: str) -> BadAnswer:
        return BadAnswer(words, endpoint=endpoint.name, env=self.env.value)


def all_of(model: type[_M], body: Mapping[str, Any], name: str) -> tuple[_M, ...]:
    """Reads a list of rows, each into the same kind of value."""
    rows = body[name]
    if not isinstance(rows, list):
        msg = f"{name} is no list"
        raise TypeError(msg)
    return tuple(model.model_validate(row) for row in rows)
