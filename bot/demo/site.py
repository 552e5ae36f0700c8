"""The chat page: its files, its stream of events, what a person sends or presses, and who may ask for any of it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.demo.chats import Chats, Feed
from bot.demo.profile import Profile
from bot.demo.updates import CallbackResult, Updates
from kis.config import is_loopback

_MAX_SHOWN = 400  # messages of a chat a page starts with
_PRESENCE_INTERVAL = 2.0  # seconds between checks of whether a bot reads updates
_MAX_REQUEST_SIZE = 64 * 1024  # bytes
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}

SendText = Callable[[int, str, int | None], Awaitable[int]]
Press = Callable[[int, int, str], Awaitable[CallbackResult]]


class Site:
    """The addresses that the browser requests."""

    def __init__(
        self, profile: Profile, chats: Chats, updates: Updates, feed: Feed, *, send: SendText, press: Press
    ) -> None:
        self._profile = profile
        self._chats = chats
        self._updates = updates
        self._feed = feed
        self._send = send
        self._press = press
        self._run = secrets.token_hex(8)
        self._files = {
            item.name: item.read_bytes() for item in (files("bot.demo") / "page").iterdir() if item.is_file()
        }

    def routes(self) -> list[Route]:
        """The page's addresses."""
        return [
            Route("/", self._page),
            Route("/events", self._events),
            Route("/send", _posting(self._posted_text), methods=["POST"]),
            Route("/tap", _posting(self._posted_tap), methods=["POST"]),
            Route("/file/{file_id}", self._file),
            Route("/{name}", self._page),
        ]

    async def _page(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        suffix = name[name.rfind(".") :]
        if name not in self._files or suffix not in _MEDIA_TYPES:
            return PlainTextResponse("Not Found\n", 404)
        return Response(self._files[name], headers={"content-type": _MEDIA_TYPES[suffix], "cache-control": "no-store"})

    async def _file(self, request: Request) -> Response:
        file = self._chats.files.get(request.path_params["file_id"])
        if file is None:
            return PlainTextResponse("Not Found\n", 404)
        if file.kind == "photo":
            return Response(file.data, media_type=file.media_type)
        disposition = f"attachment; filename*=UTF-8''{quote(file.name)}"
        return Response(file.data, media_type="application/octet-stream", headers={"content-disposition": disposition})

    async def _events(self, _request: Request) -> Response:
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def _stream(self) -> AsyncIterator[str]:
        queue = self._feed.subscribe()
        online = self._updates.being_read
        try:
            yield _event(self._snapshot(online=online))
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), _PRESENCE_INTERVAL)
                except TimeoutError:
                    yield ": still here\n\n"
                else:
                    if event is None:
                        return
                    yield _event({**event, **self._about()} if event["kind"] == "profile" else event)
                if online != self._updates.being_read:
                    online = not online
                    yield _event({"kind": "presence", "online": online})
        finally:
            self._feed.unsubscribe(queue)

    def _snapshot(self, *, online: bool) -> dict[str, Any]:
        return {
            "kind": "picture",
            "run": self._run,
            "revision": self._feed.revision,
            "online": online,
            "people": [{"id": p.id, "name": p.name, "role": p.role} for p in self._chats.people.values()],
            "chats": {
                person: [message.for_page() for message in self._chats.messages(person)[-_MAX_SHOWN:]]
                for person in self._chats.people
            },
            **self._about(),
        }

    def _about(self) -> dict[str, Any]:
        return {
            "bot": {
                "name": self._profile.text("name"),
                "username": self._profile.username,
                "description": self._profile.text("description"),
                "about": self._profile.text("short_description"),
            },
            "menus": {person: self._profile.menu(person) for person in self._chats.people},
        }

    async def _posted_text(self, posted: dict[str, Any]) -> dict[str, Any]:
        reply_to = posted.get("reply_to")
        number = await self._send(int(posted["person"]), str(posted["text"]), int(reply_to) if reply_to else None)
        return {"id": number}

    async def _posted_tap(self, posted: dict[str, Any]) -> dict[str, Any]:
        return asdict(await self._press(int(posted["person"]), int(posted["message"]), str(posted["data"])))


def _posting(act: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that acts on what the page posted; what cannot be done is answered with 400 and the reason."""

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await act(await _posted(request)))
        except (TypeError, ValueError, LookupError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


async def _posted(request: Request) -> dict[str, Any]:
    """Read what the page posted. Only JSON: a form could be posted by any page without asking first."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ValueError("JSON expected")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_REQUEST_SIZE:
            raise ValueError("too long")
    posted = json.loads(body)
    if not isinstance(posted, dict):
        raise TypeError("a JSON object expected")
    return posted


def _event(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


class OriginGuard:
    """ASGI middleware: lets only this machine's own pages and programs reach a server that has no log-in.

    A page elsewhere on the web can make a browser call loopback addresses. Two checks stop it: a Host that is not
    loopback means a name was pointed here (DNS rebinding), and a foreign Origin means another page is asking, as does
    Sec-Fetch-Site where a browser names no Origin (a picture's address); following a link to the page itself is let
    through. What is refused is answered with 403; every answer bears the page's policy.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not _is_loopback(host):
            await PlainTextResponse("This server answers on loopback only.\n", 403)(scope, receive, send)
            return
        elsewhere = headers.get("sec-fetch-site", "none") not in {"same-origin", "none"} and scope["path"] != "/"
        if elsewhere or origin not in {None, f"http://{host}"}:
            await PlainTextResponse("Another page may not ask for this.\n", 403)(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_POLICY)
            await send(message)

        await self._app(scope, receive, send_with_policy)


def _is_loopback(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
