"""A call as the handlers get it, and checks they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from kis.endpoints import Env
from kis.krx import KST
from kis.sim.api.responses import business, invalid_field, padded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kis.sim.api.oauth import Oauth
    from kis.sim.exchange.exchange import Exchange


class Recorded(NamedTuple):
    """A received request, recorded for tests of a client.

    Attributes:
        headers: names in lower case.
        query: names as sent.
        at: when it was received, by the simulator's clock.
    """

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes
    at: datetime


@dataclass(slots=True)
class ApiCall:
    """A request that passed the gateway's checks.

    Attributes:
        fields: query of a GET, names in upper case, or body of a POST as sent.
        booking_delay: seconds by which a planted fault delays the order in the order lists.
        list_faults: planted faults of an order list, by name, with their options.
    """

    path: str
    tr_id: str
    tr_cont: str
    headers: Mapping[str, str]
    fields: dict[str, Any]
    booking_delay: float = 0.0
    list_faults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What the handlers use.

    Attributes:
        strict: refuse order bodies that lack a key the portal calls optional, as KIS does since 2026-08.
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


def queried(broker: ApiContext, code: str, message: str) -> dict[str, str]:
    """The envelope of a successful ledger query; paper has one code for all."""
    if broker.paper:
        code, message = "20310000", "모의투자 조회가 완료되었습니다."
    return {"rt_cd": "0", "msg_cd": code, "msg1": padded(message)}


def required(call: ApiCall, *names: str) -> list[str]:
    """The values of required query fields.

    Raises:
        ApiRefusal: one is missing.
    """
    for name in names:
        if name not in call.fields:
            raise business("OPSQ2002", f"ERROR : INPUT FIELD NOT FOUND [{name}]", "2")
    return [str(call.fields[name]) for name in names]


def require_account(broker: ApiContext, call: ApiCall) -> None:
    """Checks that a call names the account of its app key.

    Raises:
        ApiRefusal: it does not.
    """
    number, product = required(call, "CANO", "ACNT_PRDT_CD")
    if f"{number}-{product}" != broker.account:
        raise business("OPSQ2000", "ERROR : INPUT INVALID_CHECK_ACNO", "2")


def day_of(text: str, name: str) -> date:
    """The day in a query field, YYYYMMDD.

    Raises:
        ApiRefusal: it is not one.
    """
    try:
        return datetime.strptime(text.strip(), "%Y%m%d").replace(tzinfo=KST).date()
    except ValueError:
        raise invalid_field(name) from None
