"""The control door: a few calls under /__sim__ for whoever stages a scene in a running simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kis.sim.gateway import Answer
from kis.sim.orders import HTS_CHANNEL, TurnedAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from kis.sim.exchange import Exchange
    from kis.sim.faults import Faults

PREFIX = "/__sim__/"


class Control:
    """The calls: trade, price, step, order, fault, clear, state. All are POST with a JSON object."""

    def __init__(self, exchange: Exchange, faults: Faults) -> None:
        self._exchange = exchange
        self._faults = faults
        self._calls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "trade": self._trade,
            "price": self._price,
            "step": self._step,
            "order": self._order,
            "fault": self._fault,
            "clear": self._clear,
            "state": self._state,
        }

    def answer(self, name: str, body: dict[str, Any]) -> Answer:
        """Do what is asked; a 400 tells what was wrong with it."""
        call = self._calls.get(name)
        if call is None:
            return Answer({"error": f"no such call; there are {', '.join(self._calls)}"}, 404)
        try:
            return Answer(call(body))
        except (KeyError, TypeError, ValueError, TurnedAway) as wrong:
            return Answer({"error": f"{type(wrong).__name__}: {wrong}"}, 400)

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
        """An order keyed in at the broker's own program."""
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
        return {}

    def _state(self, body: dict[str, Any]) -> dict[str, Any]:
        del body
        exchange = self._exchange
        return {
            "cash": exchange.cash,
            "buying_power": exchange.ledger.buying_power,
            "holdings": {code: p.quantity for code, p in exchange.ledger.positions.items()},
            "orders": [
                {
                    "number": order.number,
                    "original": order.original,
                    "action": order.action.value,
                    "side": order.side.value,
                    "code": order.code,
                    "kind": order.kind.value,
                    "quantity": order.quantity,
                    "price": order.price,
                    "filled": order.filled,
                    "open": order.open,
                    "channel": order.channel,
                }
                for order in exchange.orders
            ],
            "fired": dict(self._faults.fired),
        }
