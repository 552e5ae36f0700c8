"""Whatever a hostile or broken broker answers: only our own errors, little memory, and an event loop that goes on.

Each line of the table is asked twice: once for the time the loop stands still (CPU seconds, so that a busy machine
does not matter) and once under tracemalloc for the memory. `judge` returns what is wrong; planted bugs prove it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
import tracemalloc
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

from kis import BadAnswer, KisError, Unavailable, fields, responses, transport
from kis.client import KisClient
from kis.fields import MAX_VALUE
from kis.frames import TRADES, read_frame, read_records
from kis.outcome import Outcome
from kis.stream import Gap, Trade
from tests.kis.kis_wire import TOKEN_PATH, Clock, config, order, sample
from tests.kis.stream_guest import SAMSUNG, Naps
from tests.kis.test_kis_stream import answering, reply
from tests.kis.test_kis_stream_frames import TRADE
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable

MB = 1 << 20
MAX_GROWTH = 50 * MB
MAX_STANDSTILL = 0.2
"""CPU seconds between two turns of the event loop."""
PIECE = 64 * 1024
ASTRAL = "\N{GRINNING FACE}"


class Lazy(httpx.AsyncByteStream):
    """A body made as it is read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
            await asyncio.sleep(0)


@dataclass
class Case:
    """One hostile answer to one call: `body` makes its bytes, `expect` is what the caller meets."""

    name: str
    call: str
    body: Callable[[], Iterable[bytes]]
    expect: Any
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    most_calls: int = 4

    def __str__(self) -> str:
        return f"{self.call}-{self.name}"


def chunks(content: bytes) -> Iterable[bytes]:
    return (content[start : start + PIECE] for start in range(0, len(content), PIECE))


def repeated(piece: bytes, size: int, head: bytes = b"", tail: bytes = b"") -> Callable[[], Iterable[bytes]]:
    """A body of some size, of one piece again and again."""
    unit = piece * max(1, PIECE // len(piece))

    def body():
        yield head
        for _ in range(max(1, size // len(unit))):
            yield unit
        yield tail

    return body


def bomb(size: int, wbits: int = 31) -> Callable[[], Iterable[bytes]]:
    """A compressed body that unpacks to some size."""

    def body():
        packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
        yield from (packer.compress(b" " * MB) for _ in range(size // MB))
        yield packer.flush()

    return body


# --- the calls --------------------------------------------------------------------------------------------------------

PATHS = {"price": "inquire-price", "list": "inquire-daily-ccld", "balance": "inquire-balance", "send": "order-cash"}
GOOD = {
    "price": sample("price"),
    "list": sample("executions") | {"output1": [sample("executions")["output1"][0] | {"ord_dt": "20261120"}]},
    "balance": sample("balance_paper"),
    "send": sample("order_real"),
}


class Broker(httpx.AsyncBaseTransport):
    """Gives a token, and the case's answer to everything else."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(TOKEN_PATH):
            return httpx.Response(200, content=json.dumps({"access_token": "t", "expires_in": 86400}).encode())
        assert request.headers["accept-encoding"] == "identity"
        self.calls += 1
        return httpx.Response(self._case.status, headers=self._case.headers, stream=Lazy(self._case.body()))


async def ask(case: Case, tmp_path) -> tuple[Any, int]:
    """What the caller meets: a value, or the error's class; and how often the broker was asked."""
    clock, broker = Clock(), Broker(case)
    kis = KisClient(config(tmp_path), clock=clock, sleep=clock.sleep, transport=broker)
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "price": lambda: kis.price("005930"),
        "list": kis.order_list,
        "balance": kis.balance,
        "send": lambda: kis.send(order(kis)),
    }
    async with kis:
        try:
            return await calls[case.call](), broker.calls
        except Exception as failure:  # noqa: BLE001 - the judge says which may be
            return failure, broker.calls


async def standstill(work: Awaitable[Any]) -> tuple[Any, float]:
    """The result, and the most CPU seconds in which the loop had no turn."""
    worst, beating = 0.0, True

    async def beat():
        nonlocal worst
        last = time.process_time()
        while beating:
            await asyncio.sleep(0)
            now = time.process_time()
            worst, last = max(worst, now - last), now

    heart = asyncio.create_task(beat())
    await asyncio.sleep(0)
    result = await work
    await asyncio.sleep(0)
    beating = False
    await heart
    return result, worst


def peak_of(work: Callable[[], Coroutine[Any, Any, Any]]) -> int:
    """Bytes that were allocated at the same time at most."""
    tracemalloc.start()
    try:
        asyncio.run(work())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def judge(case: Case, tmp_path) -> list[str]:
    """What is wrong with what the client makes of an answer."""
    for _ in range(3):  # what is ours stands still each time; a collection of the test program's own garbage does not
        (found, calls), blocked = asyncio.run(standstill(ask(case, tmp_path)))
        if blocked <= MAX_STANDSTILL:
            break
    wrong = [] if blocked <= MAX_STANDSTILL else [f"the loop stood still for {blocked:.2f} s"]
    if isinstance(found, Exception):
        if not isinstance(found, KisError):
            wrong.append(f"{type(found).__name__}: {str(found)[:200]}")
        elif len(str(found)) > 700 or not str(found).isprintable():
            wrong.append("the error's text is not for people")
        found_kind: Any = type(found)
    else:
        wrong += list(unfit(found))
        found_kind = getattr(found, "outcome", "fine" if not getattr(found, "unreadable", ()) else "unreadable")
    if found_kind != case.expect and not (isinstance(found_kind, type) and issubclass(found_kind, case.expect)):
        wrong.append(f"{found_kind}, not {case.expect}")
    if calls > case.most_calls:
        wrong.append(f"asked {calls} times")
    peak = peak_of(lambda: ask(case, tmp_path))
    return wrong if peak <= MAX_GROWTH else [*wrong, f"{peak / MB:.0f} MB"]


def unfit(value: Any) -> Iterable[str]:
    """Numbers and texts in a value that must not leave the client."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    elif hasattr(value, "__dataclass_fields__"):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__ if name != "answer"}
    if isinstance(value, dict | tuple | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from unfit(inner)
    elif isinstance(value, (int, Decimal)) and not -MAX_VALUE <= value <= MAX_VALUE:
        yield f"a number of {len(str(value))} digits"
    elif isinstance(value, str) and (len(value) > 500 or not value.isprintable()):
        yield f"a text of {len(value)} characters"


# --- bodies -----------------------------------------------------------------------------------------------------------

NESTED = b"[" * 200_000
ENVELOPE = b'{"rt_cd":"0","msg_cd":"MCA00000","msg1":"x","output":'


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


HUGE: dict[str, tuple[Callable[[], Iterable[bytes]], dict[str, str]]] = {
    "300 MB of zeros": (repeated(b"\0", 300 * MB), {}),
    "300 MB of spaces before it": (repeated(b" ", 300 * MB, tail=b"{}"), {}),
    "300 MB of one string": (repeated(b"x", 300 * MB, ENVELOPE + b'"'), {}),
    "300 MB in pieces of 200 bytes": (lambda: (b"x" * 200 for _ in range(300 * MB // 200)), {}),
    "a byte more than 4 MB": (lambda: chunks(b" " * (4 * MB + 1)), {}),
    "gzip to 1 GB": (bomb(1024 * MB), {"content-encoding": "gzip"}),
    "deflate to 256 MB": (bomb(256 * MB, 15), {"content-encoding": "deflate"}),
    "gzip in gzip": (lambda: chunks(gzip.compress(gzip.compress(b" " * MB))), {"content-encoding": "gzip, gzip"}),
    "gzip of an honest answer": (lambda: [gzip.compress(_json(GOOD["price"]))], {"content-encoding": "GZIP"}),
    "brotli": (lambda: [b"\x8b\x00\x80"], {"content-encoding": "br"}),
    "zstd": (lambda: [b"\x28\xb5\x2f\xfd"], {"content-encoding": "zstd"}),
    "an encoding nobody knows": (lambda: [b"{}"], {"content-encoding": "x" * 5_000}),
}
"""Not read at all, or not to the end."""
UNDECODABLE: dict[str, Callable[[], Iterable[bytes]]] = {
    "gzip called identity": lambda: [gzip.compress(_json(GOOD["price"]))],
    "nested lists": lambda: chunks(NESTED),
    "nested objects": lambda: chunks(b'{"a":' * 100_000),
    "nested and closed": lambda: chunks(ENVELOPE + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "4 MB of empty lists": repeated(b"[],", 3_900_000, ENVELOPE + b"[", b"0]}"),
    "4 MB of empty objects": repeated(b"{},", 3_900_000, ENVELOPE + b"[", b"0]}"),
    "60,000 names": lambda: chunks(ENVELOPE + b"{" + b",".join(b'"%d":[]' % n for n in range(60_000)) + b"}}"),
    "4 MB of small numbers": repeated(b"1,", 3_900_000, ENVELOPE + b"[", b"0]}"),
    "an integer of 4 million digits": repeated(b"9", 3_900_000, ENVELOPE, b"}"),
    "integers of 4,000 digits": repeated(b"9" * 4_000 + b",", 3_900_000, ENVELOPE + b"[", b"0]}"),
    "a fraction of 4 million digits": repeated(b"9", 3_900_000, ENVELOPE + b"0.", b"}"),
    "NaN": lambda: [ENVELOPE + b"NaN}"],
    "Infinity": lambda: [ENVELOPE + b"Infinity}"],
    "-Infinity": lambda: [ENVELOPE + b"-Infinity}"],
    "UTF-16": lambda: [json.dumps(GOOD["price"]).encode("utf-16")],
    "UTF-32": lambda: [json.dumps(GOOD["price"]).encode("utf-32")],
    "cp949": lambda: [json.dumps(GOOD["price"] | {"msg1": "정상처리"}, ensure_ascii=False).encode("cp949")],
    "4 MB of bytes that are no text": repeated(b"\xff", 3_900_000),
    "encoded surrogates": lambda: [ENVELOPE + b'"\xed\xa0\x80"}'],
    "an unclosed string of 4 MB": repeated(b"x", 3_900_000, ENVELOPE + b'"'),
    "4 MB of quotes": repeated(b'"', 3_900_000),
    "4 MB of backslashes": repeated(b"\\", 3_900_000, ENVELOPE + b'"'),
    "raw control characters": lambda: [ENVELOPE + b'"\x00\x01\x1f"}'],
    "the result twice": lambda: [b'{"rt_cd":"1",' + _json(GOOD["price"])[1:]],
    "the output twice": lambda: [_json(GOOD["price"])[:-1] + b',"output":{}}'],
    "a list": lambda: [b"[" + _json(GOOD["price"]) + b"]"],
    "a string": lambda: [b'"rt_cd"'],
    "a number": lambda: [b"0"],
    "null": lambda: [b"null"],
    "true": lambda: [b"true"],
    "nothing": list,
    "blanks": lambda: [b" \r\n\t"],
    "HTML": lambda: [b"<html><body>502 Bad Gateway</body></html>"],
    "two answers": lambda: [_json(GOOD["price"]) * 2],
    "an answer and more": lambda: [_json(GOOD["price"]) + b"x"],
    "a comma too many": lambda: [_json(GOOD["price"])[:-1] + b",}"],
    "single quotes": lambda: [str(GOOD["price"]).encode()],
    "a comment": lambda: [b"/**/" + _json(GOOD["price"])],
    **{
        f"cut at {cut} %": lambda cut=cut: [(_json(GOOD["price"]))[: len(_json(GOOD["price"])) * cut // 100]]
        for cut in (1, 10, 50, 90, 99)
    },
}
STRANGE: dict[str, Callable[[], Iterable[bytes]]] = {
    "4 MB of astral text": lambda: chunks(ENVELOPE + b'"' + (ASTRAL * 970_000).encode() + b'"}'),
    "4 MB of escapes": repeated(b"\\u0041", 3_900_000, ENVELOPE + b'"', b'"}'),
    "4 MB of escaped surrogates": repeated(b"\\ud800", 3_900_000, ENVELOPE + b'"', b'"}'),
    "output null": lambda: [ENVELOPE + b"null}"],
    "output a number": lambda: [ENVELOPE + b"1}"],
    "output a list of nothing": lambda: [ENVELOPE + b"[null,1,[]]}"],
    "output empty": lambda: [ENVELOPE + b"{}}"],
}
"""JSON, but not what is documented."""


def _changed(call: str, name: str, value: Any) -> Callable[[], Iterable[bytes]]:
    """The good answer with one field changed, wherever the call's first row is."""

    def body():
        answer = json.loads(json.dumps(GOOD[call]))
        row = answer.get("output1") or answer["output"]
        (row[0] if isinstance(row, list) else row)[name] = value
        yield json.dumps(answer).encode()

    return body


# --- numbers ----------------------------------------------------------------------------------------------------------

NO_NUMBERS: list[Any] = [
    "71_000", "٣", "１２", "²", "½", "Ⅷ", "1e5", "1E+999999999", "0x10", "1 000", "1,00", ",100", "1,0000", "1.2.3", "--1",
    "+-1", "-", ".", "NaN", "Infinity", "1" * 41, "9" * 4_000, "9" * 4_400, str(MAX_VALUE + 1), "1" + "0" * 30, "1.5", "1\n",
    "\u200b1", "\u30001", True, False, None, [], {}, [1], 1e30, 1.5, MAX_VALUE + 1, "-1", "₩71,000", "71,000원",
]  # fmt: skip
NUMBERS: list[Any] = [
    "", "   ", "  71000 ", "71,000", "+5", "000000071000", "71000.00", str(MAX_VALUE), "-0", "0", 71000, 71000.0, ".0", "5.",
]  # fmt: skip

# --- the table --------------------------------------------------------------------------------------------------------

NO_ORDER_NOS: list[Any] = [
    "9" * 5_000, "٣٣", "12345678901", "-1", "1.5", "0x1", "1_0", "1 2", "", "0000000000", None, 5, True, [], {}, "１２３", "abc",
    "1\u200b", "\ud800", "1e3", "1\n", "<b>1</b>",
]  # fmt: skip
MESSAGES = ["\u202e가\x00나\x1b[31m", "x" * 100_000, "\ud800", ASTRAL * 5_000, "가\n" * 300]
CODES = ["x" * 5_000, "\ud800", "APBK\n0952", "가나다", " ", ["APBK0952"], 5]


def table() -> list[Case]:
    cases = [
        Case(name, call, body, BadAnswer if call == "price" else Outcome.UNKNOWN, headers, status, most_calls=1)
        for name, (body, headers) in HUGE.items()
        for call, status in (("price", 200), ("send", 200), ("send", 500))
        if status == 200 or "300" not in name
    ]
    cases += [
        Case(name, call, body, Unavailable if call == "price" else Outcome.UNKNOWN)
        for name, body in (UNDECODABLE | STRANGE).items()
        for call in ("price", "send")
    ]
    cases += [
        Case(f"{field} is {str(value)[:20]!r}", call, _changed(call, field, value), expect)
        for value in NO_NUMBERS
        for call, field, expect in (
            ("price", "stck_prpr", BadAnswer),
            ("list", "tot_ccld_qty", "unreadable"),
            ("balance", "hldg_qty", BadAnswer),
        )
    ]
    cases += [
        Case(f"ODNO is {str(value)[:20]!r}", "send", _changed("send", "ODNO", value), Outcome.UNKNOWN)
        for value in NO_ORDER_NOS
    ]
    shapeless: list[Any] = ["9" * 5_000, "٣٣", None, 5, [], "\ud800"]
    cases += [
        Case(f"{name} is {str(value)[:20]!r}", "send", _changed("send", name, value), Outcome.PLACED)
        for name in ("KRX_FWDG_ORD_ORGNO", "ORD_TMD")
        for value in shapeless
    ]
    cases += [
        Case(
            f"msg1 {number}",
            "send",
            lambda text=text: [json.dumps(GOOD["send"] | {"msg1": text}).encode()],
            Outcome.PLACED,
        )
        for number, text in enumerate(MESSAGES)
    ]
    refusal = {"rt_cd": "1", "msg_cd": "EGW00201x", "msg1": "x"}
    cases += [
        Case(f"msg1 {number}", "price", lambda text=text: [json.dumps(refusal | {"msg1": text}).encode()], KisError)
        for number, text in enumerate(MESSAGES)
    ]
    cases += [
        Case(
            f"msg_cd {number}",
            "send",
            lambda code=code: [json.dumps(refusal | {"msg_cd": code}).encode()],
            Outcome.UNKNOWN,
        )
        for number, code in enumerate(CODES)
    ]
    cases += [
        Case(f"{name} of rows is {str(value)[:20]!r}", "list", _changed("list", name, value), "unreadable")
        for name, values in {
            "odno": NO_ORDER_NOS,
            "ord_gno_brno": ["9" * 50, "٣", None, "<b>"],
            "pdno": ["", "<b>x</b>", "0" * 50, None, "٣٣٣٣٣٣"],
            "ord_dt": ["20261399", "٢٠٢٦١١٢٠", "20261120" + " " * 9 + "x", None, 20261120],
            "anything": [[], {}, [[]]],
        }.items()
        for value in values
    ]
    cases += [
        Case(f"date {text[:30]!r}", "price", _changed("price", "anything", ""), "fine", {"date": text})
        for text in (
            "Mon, 01 Jan 99999 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "x" * 50_000, "9" * 5_000,
            "Mon, 01 Jan 2026 00:00:00 +99999999999999999999", "Mon, 99 Jan 2026 99:99:99 GMT", "",
        )
    ]  # fmt: skip
    twice = _json(GOOD["send"]).replace(b'"ODNO":', b'"ODNO":"0000000001","ODNO":')
    cases.append(Case("the order number twice", "send", lambda: [twice], Outcome.UNKNOWN))
    pages = {"rt_cd": "0", "msg_cd": "x", "msg1": "x", "output1": [{"a": "x" * MB}]}
    for name, position in {
        "4 MB": "x" * 3 * MB, "a surrogate": "\ud800", "Korean": "가", "a list": [[1] * 500], "an object": {"a": "b" * 500},
    }.items():  # fmt: skip
        body = json.dumps(pages | {"ctx_area_nk100": position, "output1": []}).encode()
        cases.append(Case(f"a cursor: {name}", "list", lambda body=body: chunks(body), BadAnswer, {"tr_cont": "F"}))
    cases.append(Case("a day not asked for", "list", _changed("list", "ord_dt", "20251120"), BadAnswer))
    cases.append(Case("pages of a megabyte", "list", Growing(pages), BadAnswer, {"tr_cont": "F"}, most_calls=5))
    return cases


class Growing:
    """Pages without an end, each with a cursor of its own."""

    def __init__(self, page: dict[str, Any]) -> None:
        self._page = page
        self._number = 0

    def __call__(self) -> Iterable[bytes]:
        self._number += 1
        return chunks(json.dumps(self._page | {"ctx_area_fk100": "", "ctx_area_nk100": str(self._number)}).encode())


TABLE = table()


def test_the_table_is_as_long_as_it_is_said_to_be():
    assert len(TABLE) >= 200
    assert len({str(case) + str(case.status) for case in TABLE}) >= 200


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_a_hostile_answer_costs_an_error_of_ours_and_nothing_else(case, tmp_path):
    assert judge(case, tmp_path) == []


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_numbers_as_kis_writes_them_are_read(value, tmp_path):
    assert judge(Case("", "price", _changed("price", "stck_prpr", value), "fine"), tmp_path) == []


@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf", b" \r\n"])
def test_an_honest_answer_is_read_with_a_byte_order_mark_too(head, tmp_path):
    assert judge(Case("", "price", lambda: [head + _json(GOOD["price"])], "fine"), tmp_path) == []


def test_a_placed_order_is_placed(tmp_path):
    assert judge(Case("", "send", lambda: [_json(GOOD["send"])], Outcome.PLACED), tmp_path) == []


# --- bugs planted for the judge ---------------------------------------------------------------------------------------


async def _decoding(response):
    await response.aread()
    return response.content


ANYTHING = re.compile(".*", re.DOTALL)
PLANTED = {
    "no cap": ("a body of 60 MB", lambda patch: patch.setattr(transport, "MAX_BODY", 1 << 40)),
    "decompressed": ("gzip to 60 MB", lambda patch: patch.setattr(transport, "_body_of", _decoding)),
    "no count of values": (
        "price-4 MB of empty objects",
        lambda patch: patch.setattr(responses, "_MAX_VALUES", 1 << 40),
    ),
    "duplicate names": (
        "send-the order number twice",
        lambda patch: patch.setattr(responses, "_DECODER", json.JSONDecoder()),
    ),
    "numbers by Decimal": ("price-stck_prpr is '71_000'", lambda patch: patch.setattr(fields, "_NUMBER", ANYTHING)),
    "an order number of any length": (
        f"send-ODNO is {'9' * 20!r}",
        lambda patch: patch.setattr(
            "kis.error_codes.order_no_or_blank", lambda text: text if isinstance(text, str) else ""
        ),
    ),
}
SMALLER = [
    Case("a body of 60 MB", "send", repeated(b" ", 60 * MB), Outcome.UNKNOWN),
    Case("gzip to 60 MB", "send", bomb(60 * MB), Outcome.UNKNOWN, {"content-encoding": "gzip"}),
]


@pytest.mark.parametrize("bug", PLANTED)
def test_the_judge_notices_a_planted_bug(bug, tmp_path, monkeypatch):
    name, plant = PLANTED[bug]
    case = next(case for case in [*SMALLER, *TABLE] if name in {str(case), case.name})
    assert judge(case, tmp_path) == []
    plant(monkeypatch)
    assert judge(case, tmp_path) != []


# --- the websocket ----------------------------------------------------------------------------------------------------


def trade(place: int, text: str) -> str:
    """A frame of one trade with one field changed."""
    values = TRADE.split("^")
    values[place] = text
    return f"0|{TRADES}|001|{'^'.join(values)}"


def system(**changes: Any) -> str:
    return json.dumps({"header": {"tr_id": "H0STCNT0", "tr_key": "x"}, "body": {"msg_cd": "x", "output": {}}} | changes)


NO_COUNTS = ["0", "-1", "1_0", "٣", "²", "1e3", "1000", "9" * 5_000, "", "x", "1.5", "٠٠١"]
FRAMES: dict[str, str | bytes] = {
    **{f"a count of {text[:9]!r}": f"0|{TRADES}|{text}|{TRADE}" for text in NO_COUNTS if text},
    **{f"a price of {str(text)[:20]!r}": trade(2, text) for text in NO_NUMBERS if isinstance(text, str)},
    **{f"a day of {text[:9]!r}": trade(33, text) for text in ("20261399", "٢٠٢٦١١٢٠", "x" * 9_000)},
    **{f"a code of {text[:9]!r}": trade(0, text) for text in ("", "<b>", "0" * 500, "٠٠٥٩٣٠")},
    "too few fields": f"0|{TRADES}|001|005930^1",
    "fields that do not divide": f"0|{TRADES}|002|{TRADE}",
    "900 records of nothing": f"0|{TRADES}|900|{'^' * (46 * 900 - 1)}",
    "a megabyte of separators": f"0|{TRADES}|001|{'^' * 1_000_000}",
    "a megabyte of bars": "0|" + "|" * 1_000_000,
    "another TR": f"0|{'X' * 5_000}|001|{TRADE}",
    "encrypted without a key": f"1|{TRADES}|001|{'A' * 900_000}",
    "nested lists": "[" * 500_000,
    "a megabyte of empty lists": "[" + "[]," * 300_000 + "0]",
    "a system frame of a megabyte": system(body={"msg1": "x" * 900_000}),
    "a heartbeat of a megabyte": '{"header":{"tr_id":"PINGPONG","x":"' + "x" * 900_000 + '"}}',
    "NaN": '{"header":{"tr_id":NaN}}',
    "names twice": '{"header":{"tr_id":"PINGPONG"},"header":{"tr_id":"x"}}',
    "bytes that are no text": b"\xff" * 500_000,
    "no body": '{"header":{"tr_id":"x"}}',
    "a body that is a list": system(body=[]),
    "an output that is a text": system(body={"output": "x"}),
    "empty": "",
    "null": "null",
}


@pytest.mark.parametrize("name", [name for name in FRAMES if name != "encrypted without a key"])
def test_a_hostile_frame_is_a_bad_answer_in_little_time_and_memory(name):
    def read():
        message = read_frame(FRAMES[name])
        read_records(message.tr_id, message.records, message.payload, Clock()())

    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer) as caught:
            read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 200
    assert peak <= MAX_GROWTH
    assert time.process_time() - began <= 4 * MAX_STANDSTILL, "tracemalloc slows it down by a factor of three"


async def test_a_stream_goes_on_through_every_hostile_frame_and_has_the_lists_read(tmp_path):
    """Each bad frame is a gap, which has the order list read; the trade after them all still comes."""
    clock = Clock()
    header = {"tr_id": TRADES, "tr_key": SAMSUNG}
    keys = [system(header=header, body={"msg_cd": "OPSP0000", "output": {"key": "\ud800" * 32, "iv": "x" * 16}})]
    frames = [*keys, *FRAMES.values()]

    def answer(frame, number):
        tr_key = json.loads(frame)["body"]["input"]["tr_key"]
        return [reply("OPSP0000", tr_key=tr_key), *frames, f"0|{TRADES}|001|{TRADE.replace(TRADE[:6], SAMSUNG)}"]

    async def listen() -> int:
        async with answering(tmp_path, clock, answer, Naps()) as (_, opened, _received):
            gaps, events = 0, opened.events(trades=[SAMSUNG])
            async with asyncio.timeout(PATIENCE):
                async for event in events:
                    gaps += isinstance(event, Gap)
                    if isinstance(event, Trade):
                        break
            return gaps

    gaps, blocked = await standstill(listen())
    assert gaps >= len(FRAMES)
    assert blocked <= MAX_STANDSTILL
