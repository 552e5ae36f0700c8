"""The chat page: what it is made of, who may ask for it, and what it may do."""

import json
import re
from importlib.resources import files

import pytest

from tests.support.local_chat import TOKEN, TRADER

PAGE = sorted(item.name for item in (files("bot.demo") / "page").iterdir())


def source(name):
    return (files("bot.demo") / "page" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGE)
async def test_every_file_is_served_with_a_strict_policy(http, name):
    answer = await http.get(f"/{name}")
    assert answer.status_code == 200
    assert answer.text == source(name)
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_root_is_the_page_and_nothing_else_is_a_file(http):
    assert (await http.get("/")).text == source("index.html")
    for path in ("/telegram.py", "/..%2ftelegram.py", "/page/index.html", "/nothing"):
        assert (await http.get(path)).status_code == 404


@pytest.mark.parametrize("name", PAGE)
def test_no_file_names_an_address_elsewhere(name):
    """Nothing is fetched from outside; only the names of XML namespaces and the link rule look like addresses."""
    allowed = {"http://www.w3.org/2000/svg"}
    found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w[^\s\"'`)]*", source(name)))
    assert found <= allowed


@pytest.mark.parametrize("name", [name for name in PAGE if name.endswith((".js", ".html"))])
def test_no_text_can_become_markup(name):
    """What the server says enters the page as text nodes alone."""
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|style=|\son\w+="
    assert re.findall(forbidden, source(name)) == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "192.168.0.9", "["])
async def test_a_host_that_is_not_loopback_is_refused(http, telegram, host):
    """A name pointed at this machine (DNS rebinding) must not open the chats."""
    for path in ("/", "/events", "/chat.js"):
        assert (await http.get(path, headers={"host": host})).status_code == 403
    posted = await http.post("/send", json={"person": TRADER, "text": "/sell"}, headers={"host": host})
    assert posted.status_code == 403
    assert telegram.chat(TRADER) == []


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "127.8.9.1", "[::1]:9000"])
async def test_every_name_of_loopback_is_taken(http, host):
    assert (await http.get("/", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"])
async def test_another_page_cannot_post(http, telegram, origin):
    for path, body in (
        ("/send", {"person": TRADER, "text": "/sell"}),
        ("/tap", {"person": TRADER, "message": 1, "data": "t"}),
    ):
        assert (await http.post(path, json=body, headers={"origin": origin})).status_code == 403
    assert telegram.chat(TRADER) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
async def test_another_page_cannot_get_either(http, telegram, headers):
    """The Bot API acts on GET too: an address in a picture of any page would send messages."""
    for path in ("/events", "/chat.js", f"/bot{TOKEN}/sendMessage?chat_id={TRADER}&text=x", "/file/1"):
        assert (await http.get(path, headers=headers)).status_code == 403
    assert telegram.chat(TRADER) == []


async def test_a_link_to_the_page_may_be_followed_and_the_page_gets_what_it_needs(http, base_url):
    assert (await http.get("/", headers={"sec-fetch-site": "cross-site"})).status_code == 200
    own = {"sec-fetch-site": "same-origin", "origin": base_url}
    assert (await http.get("/chat.js", headers=own)).status_code == 200
    assert (await http.get("/chat.js", headers={"sec-fetch-site": "none"})).status_code == 200


async def test_only_json_can_be_posted(http, telegram):
    """A form could be posted by any page without asking the browser first."""
    body = json.dumps({"person": TRADER, "text": "/sell"})
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert (await http.post("/send", content=body, headers={"content-type": kind})).status_code == 400
    assert (await http.post("/send", content=b"{" * 70_000, headers={"content-type": "application/json"})).is_error
    assert (await http.post("/send", json=[])).status_code == 400
    assert (await http.post("/send", json={"person": 1, "text": "누구"})).status_code == 400
    assert (await http.post("/send", json={"person": TRADER, "text": " "})).status_code == 400
    assert (await http.get("/send")).status_code == 404
    assert telegram.chat(TRADER) == []


async def test_the_page_sends_as_the_person_it_shows(http, telegram, base_url):
    answer = await http.post("/send", json={"person": TRADER, "text": "/buy 1"}, headers={"origin": base_url})
    assert [(m.message_id, m.text, m.sender) for m in telegram.chat(TRADER)] == [
        (answer.json()["id"], "/buy 1", "user")
    ]


async def test_the_stream_starts_with_the_picture_and_goes_on_with_what_happens(http, telegram):
    await telegram.send(TRADER, "먼저")
    async with http.stream("GET", "/events") as stream:
        lines = (line async for line in stream.aiter_lines() if line.startswith("data: "))
        picture = json.loads((await anext(lines)).removeprefix("data: "))
        await telegram.send(TRADER, "<b>나중</b>")
        event = json.loads((await anext(lines)).removeprefix("data: "))
    assert [p["role"] for p in picture["people"]] == ["관리자", "매매자", "낯선 사람"]
    assert [m["text"] for m in picture["chats"][str(TRADER)]] == ["먼저"]
    assert (event["kind"], event["chat"], event["message"]["text"]) == ("message", TRADER, "<b>나중</b>")
    assert event["revision"] > picture["revision"]


async def test_the_server_stays_on_loopback(telegram):
    for host in ("0.0.0.0", "192.168.0.9", "::"):
        with pytest.raises(ValueError, match="not a loopback address"):
            async with telegram.serve(host=host):
                pass
