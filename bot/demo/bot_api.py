"""The Bot API over HTTP: token and method in the path, JSON back, faults in between."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from bot.demo.chats import Clock
from bot.demo.faults import PlantedTelegramFault, TelegramFaults
from bot.demo.methods import Methods
from bot.demo.parameters import MethodRefused, Parameters
from bot.demo.updates import conflict
from kis.sim.faults.response_plan import ABORT

_WELL_FORMED = re.compile(r"[0-9]{6,}:[A-Za-z0-9_-]{30,}")
_MAX_CALLS = 5000


@dataclass(frozen=True)
class BotCall:
    """One call that arrived, refused or not."""

    method: str
    params: dict[str, Any]
    at: datetime


class BotApi:
    """An ASGI endpoint for `/bot{token}/{method}`."""

    def __init__(self, token: str, methods: Methods, faults: TelegramFaults, clock: Clock) -> None:
        self.calls: deque[BotCall] = deque(maxlen=_MAX_CALLS)
        self._token = token
        self._methods = methods
        self._faults = faults
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, or close its connection where a fault says so."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return  # the bot died in the middle of its call
        except ConnectionResetError:
            await _hang_up(request)
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> JSONResponse:
        try:
            return JSONResponse({"ok": True, "result": await self._result(request)})
        except MethodRefused as refusal:
            body = {"ok": False, "error_code": refusal.status, "description": refusal.description}
            if refusal.parameters:
                body["parameters"] = refusal.parameters
            return JSONResponse(body, refusal.status)

    async def _result(self, request: Request) -> Any:
        token, name = request.path_params["token"], request.path_params["method"]
        if token != self._token:
            if _WELL_FORMED.fullmatch(token):
                raise MethodRefused(401, "Unauthorized")
            raise MethodRefused(404, "Not Found")
        call = await Parameters.of(request)
        self.calls.append(BotCall(name, call.shown(), self._clock()))
        method = self._methods.by_name.get(name.lower())  # Telegram does not mind the case of the name
        if method is None:
            raise MethodRefused(404, "Not Found")
        fault = self._faults.take(name)
        if fault is not None:
            await _apply(fault)
        result = await _while_connected(request, method(call))
        if fault is not None and fault.name == "lose_reply":
            raise ConnectionResetError
        return result


async def _apply(fault: PlantedTelegramFault) -> None:
    """Apply what a fault does before the call is carried out."""
    match fault.name:
        case "refuse" | "down":
            raise ConnectionResetError
        case "flood":
            wait = fault.details["retry_after"]
            raise MethodRefused(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        case "error":
            raise MethodRefused(fault.details["status"], fault.details["description"])
        case "conflict":
            raise conflict()
        case "slow":
            await asyncio.sleep(fault.details["seconds"])


async def _while_connected(request: Request, work: Awaitable[Any]) -> Any:
    """Let a long poll end when its reader is gone, so that a killed bot does not look online."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnection(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ConnectionResetError
        return await task
    finally:
        gone.cancel()
        task.cancel()


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _hang_up(request: Request) -> None:
    """Close the connection without a byte; without a server there is none, and the caller gets the error."""
    abort = request.scope.get("extensions", {}).get(ABORT)
    if abort is None:
        raise ConnectionResetError("the local Telegram hung up")
    abort()
    await _disconnection(request)
