"""One call as it arrives at the broker's gateway, and what goes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from kis.endpoints import Env
from kis.sim.api.responses import SimResponse, business, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from kis.sim.api.oauth import Oauth
    from kis.sim.exchange.exchange import Exchange


class Recorded(NamedTuple):
    """A request that arrived, kept for whoever tests a client.

    Attributes:
        headers: names in lower case.
        query: names as sent.
        at: the simulator's time.
    """

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes
    at: datetime


@dataclass(slots=True)
class ApiCall:
    """A request the gateway has let through.

    Attributes:
        fields: query of a GET, names in upper case, or body of a POST as sent.
        late: seconds by which a planted fault delays the order lists.
        lies: planted faults of an order list, by name, with their options.
    """

    path: str
    tr_id: str
    tr_cont: str
    headers: Mapping[str, str]
    fields: dict[str, Any]
    late: float = 0.0
    lies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What a handler may ask.

    Attributes:
        strict: refuse order bodies that lack a key the portal calls optional, as KIS has done since 2026-08.
    """

    env: Env
    exchange: Exchange
    oauth: Oauth
    account: str
    strict: bool = True

    @property
    def paper(self) -> bool:
        """Whether this is the paper environment."""
        return self.env is Env.PAPER

    @property
    def client_address(self) -> str:
        """The address order lists show (a documentation address)."""
        return "203.0.113.10"


if TYPE_CHECKING:
    Handler = Callable[[ApiContext, ApiCall], SimResponse]


def queried(broker: ApiContext, code: str, message: str) -> dict[str, str]:
    """The envelope of an answered ledger query: paper has one code for all of them."""
    if broker.paper:
        code, message = "20310000", "모의투자 조회가 완료되었습니다."
    return {"rt_cd": "0", "msg_cd": code, "msg1": padded(message)}


def required(call: ApiCall, *names: str) -> list[str]:
    """The values of query fields that must be there.

    Raises:
        Refusal: one is missing.
    """
    for name in names:
        if name not in call.fields:
            raise business("OPSQ2002", f"ERROR : INPUT FIELD NOT FOUND [{name}]", "2")
    return [str(call.fields[name]) for name in names]


def require_account(broker: ApiContext, call: ApiCall) -> None:
    """The account of a call must be the one its app key was issued for.

    Raises:
        Refusal: it is not.
    """
    number, product = required(call, "CANO", "ACNT_PRDT_CD")
    if f"{number}-{product}" != broker.account:
        raise business("OPSQ2000", "ERROR : INPUT INVALID_CHECK_ACNO", "2")
