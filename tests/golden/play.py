"""Plays a script against the whole bot in virtual time and writes down what was said, done and stored.

A script is a text file: a head of `name: value` lines, then one step a line. Blank lines and `#` lines are skipped.

    at: 2026-11-23 09:05         the moment it begins (KST)
    set: kisbot_x=5              a setting, as Python's literal
    owner > /price 005930        a person sends a message
    owner ! 확인|confirm         presses the newest button in their chat whose label holds one of these
    owner !! 확인|confirm        the same button as pressed last, once more, wherever it stands
    trader ^ owner 확인|confirm  presses what stands in another person's chat
    + 90                         seconds pass; also `+ 15:41`, until that time of day
    group owner > /status        in the group
    = kis lose_reply path=order-cash times=2
    = line refuse times=-1       a fault of the line to the broker
    = telegram flood method=sendMessage
    = stop, = start              the bot stops in order, and starts; `= crash`: it stops as if it had been cut short
    = clear                      no faults any more
    = price 005930 71000         the market moves
    = trade 005930 60000 3       others trade with what rests
    = hts buy 005930 limit 3 60000
    = scenario name:code
    = forwarded owner /buy ...   a forwarded message;  `= old owner 300 ...` one that comes so many seconds late

In words `{005930}` is the last price, `{005930+3}` three ticks up, `{no}` the number of the newest order or request,
`{open}` that of the newest order still open, `{ticket}` the newest number in the bot's list, `{invite}` the newest invitation's token.
"""

import ast
import asyncio
import contextlib
import io
import json
import random
import re
import shlex
import sqlite3
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import structlog

from kis.krx import KST, step
from kis.sim import Simulator
from kis.sim.exchange.orders import API_CHANNEL, HTS_CHANNEL, OrderRejected
from tests.golden.inside import TOKEN, ChatUser, LocalTelegram, built, running
from tests.support.memory_telegram import BASE, MemoryTelegram
from tests.support.memory_wire import MemoryNetwork, MemoryWire
from tests.support.virtual_time import VirtualClock, run_virtual

HERE = Path(__file__).parent
SCRIPTS = HERE / "scripts"
LANGS = ("ko", "en")
GROUP = -1009
CAST = {
    "owner": (1001, "김관리", "owner"),
    "admin": (1002, "박부관", "admin"),
    "trader": (1003, "이매매", "trader"),
    "trader2": (1004, "최매매", "trader"),
    "viewer": (1005, "정조회", "viewer"),
    "stranger": (1006, "낯선 <b>손님</b>", ""),
    "guest": (1007, "새 손님", ""),
}
HOLDINGS = {"000660": (3, 251_500), "035720": (20, 61_250), "069500": (50, 42_180)}
BEAT = 2.0
"""Seconds after each step of a person."""
LATENCY = 0.03
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])")
_HEX = re.compile(r"(?<=\d:)[0-9a-f]{8,64}(?![0-9A-Za-z])|(?<![0-9A-Za-z])(?:[0-9a-f]{16}|[0-9a-f]{64})(?![0-9A-Za-z])")
"""Digests: a head of the log after its row's number, and those of usual lengths."""
_WORDS = re.compile(r"[A-Z_]+|[a-z_-]+")
"""What is as long as a token and is none: `KISBOT_DAY_ORDERS_USER`."""
_FRACTION = re.compile(r"(?<=T\d\d:\d\d:\d\d)\.\d+")
_SAID = re.compile(r"(?P<group>group )?(?P<who>\w+) (?P<verb>>|!!|!|\^) ?(?P<words>.*)")
_QUIET = {"getUpdates", "sendChatAction", "getMe", "deleteWebhook"}


class BadScript(Exception):
    """A line of a script means nothing, or there is no such button."""


class _Chance(random.Random):
    """Chance that is the same in every run, also where no seed is given."""

    def __init__(self, seed: Any = None) -> None:
        super().__init__("golden" if seed is None else seed)


@dataclass
class Played:
    """What came of a script in one language.

    Attributes:
        transcript: what was said and shown, an entry an event.
        stored: the audit rows and the messages of the outbox.
    """

    transcript: str
    stored: str


@dataclass
class Script:
    """A script as read."""

    at: datetime
    settings: dict[str, Any] = field(default_factory=dict)
    broker: dict[str, Any] = field(default_factory=dict)
    steps: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> "Script":
        """Read a script."""
        script = cls(datetime(2026, 11, 23, 9, 5, tzinfo=KST))
        for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("at: "):
                script.at = datetime.strptime(line[4:], "%Y-%m-%d %H:%M").replace(tzinfo=KST)
            elif line.startswith(("set: ", "broker: ")):
                kind, _, rest = line.partition(": ")
                name, _, value = rest.partition("=")
                (script.settings if kind == "set" else script.broker)[name] = ast.literal_eval(value)
            else:
                script.steps.append((number, line))
        return script


class Names:
    """Stable names for what is random, in the order in which it appears."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def plain(self, text: str) -> str:
        """A text with its random parts named."""
        text = _FRACTION.sub("", text)
        text = _TOKEN.sub(lambda found: found[0] if _WORDS.fullmatch(found[0]) else self._name(found[0], "t"), text)
        return _HEX.sub(lambda found: self._name(found[0], "h"), text)

    def _name(self, text: str, kind: str) -> str:
        count = sum(name.startswith(f"<{kind}") for name in self._seen.values()) + 1
        return self._seen.setdefault(text, f"<{kind}{count}>")

    def key(self, label: str, data: str, url: str) -> str:
        """A button; on a keypad neither the place of a digit nor its token is told."""
        if data.startswith("k:"):
            return "[# k:<key>]" if label.isdigit() else f"[{label} k:<key>]"
        return f"[{label} ¦ {self.plain(data or url)}]"


class Recorder(MemoryTelegram):
    """Telegram's wire, which writes down every call of the bot that somebody can see."""

    def __init__(self, telegram: LocalTelegram, clock: VirtualClock) -> None:
        super().__init__(telegram, latency=LATENCY)
        self.names = Names()
        self.lines: list[str] = []
        self.texts: list[str] = []
        self._clock = clock
        self._tappers: dict[str, int] = {}
        self._menus: dict[str, str] = {}
        self._told: set[str] = set()

    def note(self, line: str) -> None:
        """Write down an event, now."""
        self.lines.append(f"{self._clock():%m/%d %H:%M:%S} {line}")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a call and write it down with its answer."""
        method = request.url.path.rpartition("/")[2]
        await request.aread()
        try:
            response = await super().handle_async_request(request)
        except httpx.TransportError as error:
            if method not in _QUIET:
                self._tell(method, request, {"description": type(error).__name__})
            raise
        await response.aread()
        answer = json.loads(response.content)
        if method == "getUpdates":
            for update in answer.get("result") or ():
                tap = update.get("callback_query") if isinstance(update, dict) else None
                if tap:
                    self._tappers[tap["id"]] = tap["from"]["id"]
        elif method not in _QUIET:
            self._tell(method, request, answer)
        return response

    def _tell(self, method: str, request: httpx.Request, answer: dict[str, Any]) -> None:
        asked = _asked(request)
        result = answer.get("result")
        shown = result if isinstance(result, dict) else {}
        chat = asked.pop("chat_id", "")
        markup = json.loads(asked.pop("reply_markup", "") or "{}")
        text = asked.pop("text", "") or asked.pop("caption", "")
        if method == "answerCallbackQuery":
            chat = self._tappers.get(asked.pop("callback_query_id", ""), "?")
        if "media" in asked:
            media = json.loads(asked.pop("media"))
            text = media.get("caption", "")
        number = asked.pop("message_id", None) or shown.get("message_id", "")
        asked.pop("parse_mode", None)
        if asked.get("link_preview_options") == '{"is_disabled": true}':
            asked.pop("link_preview_options")
        elif text and not asked.get("show_alert") and method in {"sendMessage", "editMessageText"}:
            asked["preview"] = "usual"
        if method in {"setMyCommands", "deleteMyCommands"}:
            chat = json.loads(asked.pop("scope", "{}")).get("chat_id", "")
            text = self._menu(asked.pop("commands", "[]"))
        for name in ("photo", "document"):
            if asked.pop(name, None) is not None or name in shown:
                method = f"{method} ({name})" if "(" not in method else method
        said = " ".join(f"{name}={_flat(value)}" for name, value in sorted(asked.items()))
        outcome = "" if answer.get("ok") else f" FAILED: {answer.get('description')}"
        place = f" #{number}" if number else ""
        self.note(f"bot → {chat} {method}{place} {said}".rstrip() + outcome)
        self.texts.append(text)
        self.lines += [f"    | {line}" for line in self.names.plain(text).split("\n") if text]
        for row in markup.get("inline_keyboard", ()):
            keys = [self.names.key(key["text"], key.get("callback_data", ""), key.get("url", "")) for key in row]
            self.lines.append(f"    {' '.join(keys)}")

    def _menu(self, commands: str) -> str:
        """The commands of a menu, and the second time only which menu it is."""
        menu = "\n".join(f"/{one['command']} – {one['description']}" for one in json.loads(commands))
        known = self._menus.setdefault(menu, f"(menu {len(self._menus) + 1})")
        if menu in self._told:
            return known
        self._told.add(menu)
        return f"{known}\n{menu}"


def _flat(value: str) -> str:
    return value.replace("\n", "⏎")


def _asked(request: httpx.Request) -> dict[str, str]:
    """The fields of a call, without what is in files."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        boundary = kind.partition("boundary=")[2].encode()
        found: dict[str, str] = {}
        for part in request.content.split(b"--" + boundary):
            head, _, body = part.partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]+)"', head)
            if name and b"filename=" not in head:
                found[name[1].decode()] = body.removesuffix(b"\r\n").decode()
        found.pop("attached", None)
        return found
    if kind.startswith("application/json"):
        return {name: str(value) for name, value in json.loads(request.content).items()}
    return dict(parse_qsl(request.content.decode(), keep_blank_values=True))


class Stage:
    """Broker, Telegram and bot, and the hands that carry a script out."""

    def __init__(self, script: Script, lang: str, clock: VirtualClock, home: Path) -> None:
        self.clock = clock
        self._home = home
        how = {"profile": "real", "seed": 1, "always_open": False, "holdings": HOLDINGS, **script.broker}
        self.broker = Simulator(clock=clock, **how)
        people = [ChatUser(user_id, name, who) for who, (user_id, name, _) in CAST.items()]
        self.telegram = LocalTelegram(token=TOKEN, people=people, clock=clock)
        self._group(people[0], 900_000, "안녕")
        self.wire = MemoryWire(self.broker, sleep=asyncio.sleep, clock=clock, latency=LATENCY)
        self.record = Recorder(self.telegram, clock)
        values: dict[str, Any] = {name.lower(): value for name, value in self.broker.environ(BASE).items()}
        values |= {
            "telegram_bot_token": TOKEN,
            "telegram_api_base": f"{BASE}/bot",
            "kisbot_owner_id": str(CAST["owner"][0]),
            "kisbot_data_dir": home,
            "kisbot_lang": lang,
            "kisbot_group_chats": (GROUP,),
            "kisbot_group_fills": True,
            "kis_hts_id": "",
            **script.settings,
        }
        self._values = values
        self._up = contextlib.AsyncExitStack()
        self._starts = 0
        self.missed: list[str] = []
        self._injected = 900_000
        self._pressed: dict[int, tuple[int, str]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Start the bot; the first time its people are put on the list."""
        members = [(user_id, name, role) for user_id, name, role in CAST.values() if role and not self._starts]
        network = MemoryNetwork(self.wire, self.record)
        app = built(
            self._values, members, self.clock, self.clock.seconds, network, lambda one: self.record.note(f"chart {one}")
        )
        self._starts += 1
        await self._up.enter_async_context(running(app))

    async def stop(self) -> None:
        """Stop the bot in order."""
        await self._up.aclose()

    # --- steps --------------------------------------------------------------------------------------------------------

    async def do(self, number: int, line: str) -> None:
        """Carry out one line; what means nothing or cannot be done is kept in `missed`."""
        try:
            await self._do(line)
        except (LookupError, ValueError, OrderRejected) as error:
            self.missed.append(f"line {number}: {line}\n    {error}")

    async def _do(self, line: str) -> None:
        line = re.sub(r"\{(\w+)([+-]\d+)?\}", self._value, line)
        if line.startswith("+ "):
            self.record.lines.append(f"--- {line}")
            await self._pass(line[2:])
        elif line.startswith("= "):
            self.record.note(self.record.names.plain(line))
            if line in {"= start", "= stop"}:
                await (self.start() if line == "= start" else self.stop())
            elif line == "= crash":
                await self.stop()
                self._forget_the_stop()
            else:
                self._world(*shlex.split(line[2:]))
            await asyncio.sleep(BEAT)
        elif found := _SAID.fullmatch(line):
            await self._person(found)
            await asyncio.sleep(BEAT)
        else:
            raise LookupError("not a step")

    def _value(self, found: re.Match[str]) -> str:
        name, ticks = found[1], int(found[2] or 0)
        if name == "no":
            ours = [one for one in self.broker.exchange.orders if one.channel == API_CHANNEL]
            return ours[ticks - 1 if ticks else -1].number
        if name == "open":
            return [one for one in self.broker.exchange.open_orders() if one.channel == API_CHANNEL][-1].number
        if name == "ticket":
            return str(self.read("SELECT max(id) FROM orders")[0][0])
        if name == "invite":
            links = [found[1] for text in self.record.texts for found in re.finditer(r"start=([\w-]{22})", text)]
            return links[-1]
        issue = self.broker.exchange.issues[name]
        return str(step(issue.last, ticks, etf=issue.listing.etf) if ticks else issue.last)

    async def _pass(self, how: str) -> None:
        if ":" in how:
            now = self.clock()
            until = datetime.combine(now.date(), time.fromisoformat(how), KST)
            until += timedelta(days=until <= now)
            await asyncio.sleep((until - now).total_seconds())
        else:
            await asyncio.sleep(float(how))

    async def _person(self, found: re.Match[str]) -> None:
        person, words = CAST[found["who"]][0], found["words"]
        plain = self.record.names.plain(words)
        if found["group"]:
            self.record.note(f"{found['who']} in the group: {plain}")
            self._group(ChatUser(person, CAST[found["who"]][1], found["who"]), None, words)
        elif found["verb"] == ">":
            self.record.note(f"{found['who']}: {plain}")
            await self.telegram.send(person, words)
        elif found["verb"] == "!!":
            self.record.note(f"{found['who']} taps again: {words}")
            self._tap(person, *self._pressed[person])
        else:
            chat, label = person, words
            if found["verb"] == "^":
                other, _, label = words.partition(" ")
                chat = CAST[other][0]
            message, data = self._button(chat, label.split("|"))
            self._pressed[person] = message, data
            self.record.note(f"{found['who']} taps #{message}: {label}")
            self._tap(person, message, data)

    def _tap(self, person: int, message: int, data: str) -> None:
        task = asyncio.get_running_loop().create_task(self.telegram.tap_data(person, message, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _button(self, chat: int, labels: list[str]) -> tuple[int, str]:
        for message in sorted(self.telegram.chat(chat), key=lambda one: -one.revision):
            for row in message.buttons:
                for key in row:
                    if key.data and any(_is(label, key.text) for label in labels):
                        return message.message_id, key.data
        shown = [one for one in self.telegram.chat(chat) if one.buttons]
        there = [key.text for row in shown[-1].buttons for key in row] if shown else []
        raise LookupError(f"no button {labels} in the chat of {chat}; the last message has {there}")

    def _world(self, what: str, *how: str) -> None:  # noqa: C901  # a word of the script each
        options = {name: _literal(value) for name, _, value in (one.partition("=") for one in how if "=" in one)}
        exchange = self.broker.exchange
        match what:
            case "kis":
                self.broker.faults.plant(how[0], **options)
            case "line":
                self.wire.plant(how[0], **options)
            case "telegram":
                self.telegram.faults.plant(how[0], **options)
            case "clear":
                self.broker.faults.clear()
                self.wire.clear()
                self.telegram.faults.clear()
            case "price":
                exchange.set_price(how[0], int(how[1]))
            case "trade":
                exchange.trade(how[0], int(how[1]), int(how[2]))
            case "hts":
                side, code, kind, quantity, price = how
                exchange.submit(side, code, kind, int(quantity), int(price), channel=HTS_CHANNEL)
            case "scenario":
                exchange.play(how[0])
            case "forwarded":
                origin = {"type": "hidden_user", "date": 1, "sender_user_name": "누구"}
                self._inject(how[0], " ".join(how[1:]), forward_origin=origin)
            case "old":
                date = int(self.clock().timestamp()) - int(how[1])
                self._inject(how[0], " ".join(how[2:]), date=date)
            case _:
                raise LookupError(f"nothing is called {what}")

    def _inject(self, who: str, text: str, **more: Any) -> None:
        user_id, name, role = CAST[who]
        person = ChatUser(user_id, name, role)
        self._injected += 1
        told = {"message_id": self._injected, "date": int(self.clock().timestamp()), "from": person.user}
        self.telegram.inject({"message": {**told, "chat": person.chat, "text": text, **more}})

    def _group(self, person: ChatUser, number: int | None, text: str) -> None:
        if number is None:
            self._injected += 1
            number = self._injected
        told = {"message_id": number, "date": int(self.clock().timestamp()), "from": person.user, "text": text}
        self.telegram.inject({"message": {**told, "chat": {"id": GROUP, "type": "group", "title": "모임"}}})

    def _forget_the_stop(self) -> None:
        """Leave the database as a run leaves it that was cut short."""
        with contextlib.closing(sqlite3.connect(self._home / "kisbot.db")) as base, base:
            base.execute("UPDATE runs SET stopped_at = NULL")

    # --- what is stored -----------------------------------------------------------------------------------------------

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the database, as another program reads them."""
        base = sqlite3.connect(f"file:{self._home / 'kisbot.db'}?mode=ro", uri=True)
        with contextlib.closing(base):
            return base.execute(query).fetchall()

    def stored(self) -> str:
        """The audit rows and the messages, without what is random."""
        names = Names()
        lines = ["# audit: when, who, what, order, detail"]
        for at, user, name, action, order, detail in self.read(
            "SELECT at, user_id, name, action, order_id, detail FROM audit ORDER BY seq"
        ):
            moment = datetime.fromisoformat(at).astimezone(KST)
            facts = json.dumps(json.loads(detail), ensure_ascii=False, sort_keys=True)
            lines.append(
                f"{moment:%m/%d %H:%M:%S} {user or '-'} {name or '-'} {action} {order or '-'} {names.plain(facts)}"
            )
        lines.append("# outbox: number, chat, kind, order, urgency, state, repeats")
        messages = self.read("SELECT id, chat_id, kind, order_id, urgency, state, repeats FROM outbox ORDER BY id")
        lines += [" ".join("-" if one is None else str(one) for one in row) for row in messages]
        return "\n".join(lines) + "\n"


def _is(label: str, text: str) -> bool:
    """Whether a button is meant: a label that begins with `=` is all of it."""
    return text == label[1:] if label.startswith("=") else label in text


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def play(path: Path, lang: str) -> Played:
    """Play a script in one language.

    Raises:
        BadScript: a line means nothing, or cannot be done.
    """
    script = Script.load(path)
    usual, chance = structlog.get_config(), random.Random
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    random.Random = _Chance  # type: ignore[misc]
    try:
        with tempfile.TemporaryDirectory(prefix="kisbot-golden-") as home, contextlib.redirect_stdout(io.StringIO()):
            return run_virtual(lambda clock: _played(script, lang, clock, Path(home)), script.at)
    finally:
        random.Random = chance  # type: ignore[misc]
        structlog.configure(**usual)


async def _played(script: Script, lang: str, clock: VirtualClock, home: Path) -> Played:
    stage = Stage(script, lang, clock, home)
    await stage.start()
    try:
        await asyncio.sleep(3.37)
        for number, line in script.steps:
            await stage.do(number, line)
    finally:
        await stage.stop()
    if stage.missed:
        raise BadScript("\n".join(stage.missed))
    return Played("\n".join(stage.record.lines) + "\n", stage.stored())
