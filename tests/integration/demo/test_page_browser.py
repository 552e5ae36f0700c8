"""The chat page in a real browser: what a person sees, types and presses."""

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from bot.demo.telegram import ChatUser, LocalTelegram
from tests.support.browser import CHROMIUM, QUIET, need_chromium
from tests.support.local_chat import ADMIN, STRANGER, TOKEN, TRADER

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

need_chromium()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="module")
async def telegram():
    return LocalTelegram(
        token=TOKEN,
        people=[
            ChatUser(ADMIN, "김관리", "관리자"),
            ChatUser(TRADER, "이매매", "매매자"),
            ChatUser(STRANGER, "박모름", "낯선 사람"),
        ],
    )


@pytest_asyncio.fixture(loop_scope="module")
async def server(telegram):
    async with telegram.serve() as base_url:
        yield base_url


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser, server):
    """The trader's chat; a page that logs an error or breaks its own policy fails the test."""
    context = await browser.new_context(viewport={"width": 420, "height": 800}, reduced_motion="reduce")
    opened = await context.new_page()
    complaints = []
    opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    await opened.goto(f"{server}/#{TRADER}")
    await opened.wait_for_selector("[data-ready]")
    yield opened
    await context.close()
    assert [said for said in complaints if "ERR_CONNECTION" not in said and "ERR_INCOMPLETE" not in said] == []


@pytest_asyncio.fixture(loop_scope="module")
async def call(page):
    """Call the Bot API the way a bot would, from outside the page."""
    request = page.context.request

    async def call_method(method, **values):
        address = f"{page.url.split('#')[0]}bot{TOKEN}/{method}"
        answer = await request.post(address, data=values)
        return (await answer.json())["result"]

    return call_method


async def test_text_is_sent_with_enter_and_buttons_answer(page, call, telegram):
    field = page.get_by_label("메시지")
    await field.fill("/buy 005930 10")
    await field.press("Enter")
    await expect(page.locator(".message.mine .body")).to_have_text("/buy 005930 10")
    assert [m.text for m in telegram.chat(TRADER)] == ["/buy 005930 10"]

    keyboard = {"inline_keyboard": [[{"text": "✅ 매수 10주", "callback_data": "one-time"}]]}
    card = await call("sendMessage", chat_id=TRADER, text="<b>매수 확인</b>", parse_mode="HTML", reply_markup=keyboard)
    button = page.get_by_role("button", name="✅ 매수 10주")
    await button.click()
    await expect(button).to_have_attribute("aria-busy", "true")
    updates = await call("getUpdates")
    query = updates[-1]["callback_query"]
    assert (query["data"], query["from"]["id"]) == ("one-time", TRADER)
    await call("answerCallbackQuery", callback_query_id=query["id"], text="접수했습니다")
    await expect(page.locator(".toast")).to_have_text("접수했습니다")
    await call("editMessageText", chat_id=TRADER, message_id=card["message_id"], text="접수")
    edited = page.locator(f"[data-message-id='{card['message_id']}']")
    await expect(edited.locator(".body")).to_have_text("접수")
    await expect(edited.locator(".edited")).to_be_visible()
    await expect(button).to_have_count(0)


async def test_an_alert_waits_until_it_is_closed(page, call):
    keyboard = {"inline_keyboard": [[{"text": "승인", "callback_data": "x"}]]}
    await call("sendMessage", chat_id=TRADER, text="승인 요청", reply_markup=keyboard)
    await page.get_by_role("button", name="승인").click()
    query = (await call("getUpdates", timeout=5))[-1]["callback_query"]
    await call("answerCallbackQuery", callback_query_id=query["id"], text="이미 처리되었습니다", show_alert=True)
    await expect(page.get_by_role("dialog")).to_contain_text("이미 처리되었습니다")
    await page.get_by_role("button", name="확인").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_text_never_becomes_markup(page, telegram, call):
    nasty = "<img src=x onerror=\"document.title='broken'\"><b>굵게</b>"
    await telegram.send(TRADER, nasty)
    escaped = nasty.replace("<", "&lt;")
    await call("sendMessage", chat_id=TRADER, text=f"<u>{escaped}</u>", parse_mode="HTML")
    await expect(page.locator(".message .body")).to_have_text([nasty, nasty])
    assert await page.locator(".message img, .message b").count() == 0
    assert await page.locator(".message u").count() == 1
    assert await page.title() == "키스봇"


async def test_half_a_syllable_is_never_sent(page, telegram):
    """Enter that ends a Korean composition belongs to the input method."""
    await page.get_by_label("메시지").fill("매")
    press = "(how) => document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown', how))"
    await page.evaluate(press, {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True})
    await page.evaluate(press, {"key": "Enter", "keyCode": 229, "bubbles": True, "cancelable": True})
    await page.get_by_label("메시지").press("Shift+Enter")
    assert telegram.chat(TRADER) == []
    await page.get_by_label("메시지").press("Enter")
    await telegram_has(telegram, "매")


async def test_the_menu_offers_what_fits(page, call, telegram):
    commands = [{"command": c, "description": d} for c, d in (("buy", "매수"), ("balance", "잔고"), ("sell", "매도"))]
    await call("setMyCommands", commands=commands)
    field = page.get_by_label("메시지")
    await field.press_sequentially("/b")
    await expect(page.get_by_role("option")).to_have_text(["/buy매수", "/balance잔고"])
    await field.press("ArrowDown")
    await field.press("Tab")
    await expect(field).to_have_value("/balance ")
    await field.fill("")
    await page.get_by_label("명령 목록").click()
    await page.get_by_role("option", name="/sell").click()
    await telegram_has(telegram, "/sell")


async def test_messages_for_others_wear_a_badge(page, call):
    await call("sendMessage", chat_id=ADMIN, text="승인 요청")
    tab = page.locator(f"[data-person='{ADMIN}']")
    await expect(tab.locator(".badge")).to_have_text("1")
    await tab.click()
    await expect(tab.locator(".badge")).to_be_hidden()
    await expect(page.locator(".message:visible .body")).to_have_text("승인 요청")


async def test_a_reader_above_the_end_is_not_moved(page, call):
    for number in range(30):
        await call("sendMessage", chat_id=TRADER, text=f"알림 {number}")
    scroll = page.locator("#scroll")
    at_end = "(s) => s.scrollHeight - s.scrollTop - s.clientHeight < 4"
    await expect(page.locator(".message")).to_have_count(30)
    assert await scroll.evaluate(at_end)
    await scroll.evaluate("(s) => { s.scrollTop = 40; }")
    await expect(page.locator("#newer")).to_be_visible()
    await call("sendMessage", chat_id=TRADER, text="하나 더")
    await expect(page.locator("#newer")).to_contain_text("새 메시지 1개")
    assert await scroll.evaluate("(s) => s.scrollTop") == 40
    await page.locator("#newer").click()
    await expect(page.locator(".message").last).to_be_in_viewport(ratio=1)
    await expect(page.locator("#newer")).to_be_hidden()


async def test_the_page_finds_a_server_that_came_back(browser, telegram):
    async with telegram.serve() as first:
        port = int(first.rsplit(":", 1)[1])
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{first}/#{TRADER}")
        await page.wait_for_selector("[data-ready]")
    await expect(page.locator("#offline")).to_be_visible()
    await telegram.send(TRADER, "그 사이에")
    async with telegram.serve(port=port):
        await expect(page.locator("#offline")).to_be_hidden()
        await expect(page.locator(".message .body")).to_have_text("그 사이에")
        await context.close()


async def telegram_has(telegram, text):
    """Wait until the person's own message has arrived."""
    async with asyncio.timeout(3):
        while [m.text for m in telegram.chat(TRADER)] != [text]:  # noqa: ASYNC110 - the browser is another process
            await asyncio.sleep(0.01)
