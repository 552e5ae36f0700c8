"""The admin API: calls under /__sim__ that change a running simulator."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from kis.krx import KST
from kis.sim import snapshot
from kis.sim.api.responses import SimResponse
from kis.sim.exchange.clock import SimClock
from kis.sim.exchange.orders import HTS_CHANNEL, OrderRejected
from kis.sim.exchange.scenario import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kis.sim.api.oauth import Oauth
    from kis.sim.exchange.exchange import Exchange
    from kis.sim.faults.catalogue import Faults

PREFIX = "/__sim__/"
_ORDER_FIELDS = (
    *("number", "original", "action", "side", "code", "kind"),
    *("quantity", "price", "filled", "open", "channel"),
)


class AdminApi:
    """The calls. All are POST with a JSON object.

    trade     another participant trades with the account's orders: code, price, quantity
    price     moves the market price: code, price
    step      random steps of the market: times
    order     an order of the account from the HTS: side, code, quantity, price, kind
    fault     plants a fault: name, times, path and its options; `clear` removes faults and scripts not yet run
    scenario  starts market scripts: play, a text; without it, lists the scripts and the steps to come
    halt      suspends trading in an issue, or resumes it: code, on
    clock     freeze (true or a later moment), step (seconds), speed; answers the clock's time
    snapshot  the whole state; `restore` takes such an answer
    tokens    drop: true drops every token, as KIS does in its weekend maintenance
    state     the account, its orders, and the faults that fired
    """

    def __init__(self, exchange: Exchange, faults: Faults, oauth: Oauth) -> None:
        self._exchange, self._faults, self._oauth = exchange, faults, oauth
        self.calls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "trade": self._trade,
            "price": self._price,
            "step": self._step,
            "order": self._order,
            "fault": self._fault,
            "clear": self._clear,
            "scenario": self._scenario,
            "halt": self._halt,
            "clock": self._clock,
            "snapshot": self._snapshot,
            "restore": self._restore,
            "tokens": self._tokens,
            "state": self._state,
        }

    def answer(self, name: str, body: dict[str, Any]) -> SimResponse:
        """Executes a call; invalid arguments are answered with 400 and the reason."""
        call = self.calls.get(name)
        if call is None:
            return SimResponse({"error": f"no such call; there are {', '.join(self.calls)}"}, 404)
        try:
            return SimResponse(call(body))
        except (KeyError, TypeError, ValueError, OrderRejected) as wrong:
            return SimResponse({"error": f"{type(wrong).__name__}: {wrong}"}, 400)

    def _trade(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"reached": self._exchange.trade(body["code"], int(body["price"]), int(body["quantity"]))}

    def _price(self, body: dict[str, Any]) -> dict[str, Any]:
        self._exchange.set_price(body["code"], int(body["price"]))
        return {}

    def _step(self, body: dict[str, Any]) -> dict[str, Any]:
        for _ in range(int(body.get("times", 1))):
            self._exchange.step()
        return {}

    def _order(self, body: dict[str, Any]) -> dict[str, Any]:
        """An order from the HTS."""
        kind, price = body.get("kind", "00"), int(body.get("price", 0))
        order = self._exchange.submit(
            body["side"], body["code"], kind, int(body["quantity"]), price, channel=HTS_CHANNEL
        )
        return {"number": order.number}

    def _fault(self, body: dict[str, Any]) -> dict[str, Any]:
        self._faults.plant(**body)
        return {"waiting": self._faults.waiting}

    def _clear(self, body: dict[str, Any]) -> dict[str, Any]:
        del body
        self._faults.clear()
        self._exchange.schedule.clear()
        return {}

    def _scenario(self, body: dict[str, Any]) -> dict[str, Any]:
        self._exchange.play(str(body.get("play", "")))
        steps = self._exchange.schedule.waiting
        return {
            "scenarios": {name: script.description for name, script in SCRIPTS.items()},
            "waiting": [{"at": one.at.isoformat(), "code": one.code, "act": one.action.value} for one in steps],
        }

    def _halt(self, body: dict[str, Any]) -> dict[str, Any]:
        self._exchange.quote(body["code"]).halted = bool(body.get("on", True))
        return {}

    def _clock(self, body: dict[str, Any]) -> dict[str, Any]:
        clock = self._exchange.clock
        if not isinstance(clock, SimClock):
            raise ValueError("this simulator was given a clock that is not a SimClock")  # noqa: TRY004  of a value
        unknown = body.keys() - {"freeze", "step", "speed"}
        if unknown:
            raise ValueError(f"the clock takes freeze, step and speed, not {', '.join(sorted(unknown))}")
        if "speed" in body:
            clock.run(float(body["speed"]))
        if body.get("freeze"):
            clock.freeze(None if body["freeze"] is True else _moment(body["freeze"]))
        if "step" in body:
            clock.step(float(body["step"]))
        self._exchange.roll()
        return {"now": clock().isoformat(), "frozen": clock.frozen, "speed": clock.speed}

    def _snapshot(self, body: dict[str, Any]) -> dict[str, Any]:
        del body
        return snapshot.taken(self._exchange, self._oauth)

    def _restore(self, body: dict[str, Any]) -> dict[str, Any]:
        snapshot.restored(body, self._exchange, self._oauth)
        return {}

    def _tokens(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("drop") is True:
            self._oauth.drop_tokens()
        return {"live": len(self._oauth.live)}

    def _state(self, body: dict[str, Any]) -> dict[str, Any]:
        del body
        exchange = self._exchange
        return {
            "cash": exchange.cash,
            "buying_power": exchange.ledger.buying_power,
            "holdings": {code: p.quantity for code, p in exchange.ledger.positions.items()},
            "orders": [{name: getattr(order, name) for name in _ORDER_FIELDS} for order in exchange.orders],
            "fired": dict(self._faults.fired),
        }


def _moment(text: str) -> datetime:
    """A moment in ISO format; KST if it has no time zone."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=KST)
