"""The story of the demo as a person lives it: in a real browser, on the chat page, with thumbs."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, async_playwright, expect

from bot.demo.run import APPROVAL_TIERS, OWNER, STRANGER, TRADER, Stage
from tests.support.browser import CHROMIUM, QUIET, need_chromium
from tests.support.conversation import FAST
from tests.support.stage import stage_on_sockets as stage

need_chromium()
pytestmark = pytest.mark.browser


def screenshot_to(tmp_path: Path) -> Path:
    """`SCREENSHOT=docs/chat.png pytest tests/integration/test_browser.py` renews the picture in the README."""
    return Path(os.environ.get("SCREENSHOT") or tmp_path / "chat.png")


async def send(page: Page, text: str) -> None:
    await page.get_by_label("메시지").fill(text)
    await page.get_by_label("메시지").press("Enter")


def bubble(page: Page, text: str) -> Locator:
    """The newest bot message with this text in the chat that is shown."""
    return page.locator(".message:not(.mine):visible").filter(has_text=text).last


async def test_trading_from_the_chat_page(tmp_path: Path):
    picture = screenshot_to(tmp_path)
    async with stage(**FAST) as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = await browser.new_context(
            viewport={"width": 460, "height": 1020},
            device_scale_factor=2,
            reduced_motion="reduce",
            color_scheme="light",
        )
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        await page.goto(f"{on.page}/#{OWNER.id}")
        await page.wait_for_selector("[data-ready]")

        await send(page, "/price 005930")
        await expect(bubble(page, "호가단위")).to_contain_text("삼성전자")

        await send(page, "/buy 005930 10 시장가")
        await bubble(page, "매수 확인").get_by_role("button", name="확인").click()
        await expect(page.locator(".toast").first).to_contain_text("주문을 보냅니다")
        await expect(bubble(page, "주문번호")).to_be_visible()
        await expect(bubble(page, "누적 10/10주")).to_be_visible()

        await send(page, "/buy 005930 5 65000")
        await expect(bubble(page, "매수 확인")).to_contain_text("지정가")
        await expect(page.locator(".toast")).to_have_count(0)
        await page.screenshot(path=picture)
        await bubble(page, "매수 확인").get_by_role("button", name="확인").click()
        await expect(bubble(page, "📨 접수")).to_be_visible()
        await send(page, "/cancel")
        await expect(bubble(page, "미체결")).to_contain_text("65,000")
        await bubble(page, "미체결").get_by_role("button", name="취소").click()
        await expect(bubble(page, "취소 완료")).to_be_visible()

        await send(page, "/balance")
        await expect(bubble(page, "잔고")).to_contain_text("10주")

        await only_silence(page, on)
        assert faults == []
        await browser.close()
    assert picture.stat().st_size > 50_000


async def test_the_trader_asks_and_the_administrator_agrees_on_the_same_page(tmp_path: Path):
    """`SCREENSHOT=docs/consent.png pytest tests/integration/test_browser.py -k agrees` renews the picture in the README."""
    picture = screenshot_to(tmp_path)
    async with stage(**FAST, kisbot_approval_order=APPROVAL_TIERS) as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = await browser.new_context(
            viewport={"width": 460, "height": 640}, device_scale_factor=2, reduced_motion="reduce", color_scheme="light"
        )
        page = await context.new_page()
        await page.goto(f"{on.page}/#{TRADER.id}")
        await page.wait_for_selector("[data-ready]")

        await send(page, "/buy 005930 20 65000")
        await bubble(page, "매수 확인").get_by_role("button", name="확인").click()
        await expect(bubble(page, "승인 대기")).to_be_visible()
        await page.locator(f"[data-person='{OWNER.id}']").click()
        await expect(bubble(page, "승인 0/1")).to_contain_text("이매매")
        await page.screenshot(path=picture)
        await bubble(page, "승인 0/1").get_by_role("button", name="승인").click()

        await expect(bubble(page, "📨 접수")).to_contain_text("승인: 김관리")
        await page.locator(f"[data-person='{TRADER.id}']").click()
        await expect(bubble(page, "📨 접수")).to_contain_text("승인: 김관리")
        await send(page, "/why")
        await expect(bubble(page, "의 기록")).to_be_visible()
        await browser.close()
    assert picture.stat().st_size > 30_000


async def test_a_chart_is_seen_and_its_period_changes_where_it_stands(tmp_path: Path):
    """`SCREENSHOT=docs/chart.png pytest tests/integration/test_browser.py -k chart` makes a picture for the README."""
    picture = screenshot_to(tmp_path)
    async with stage(**FAST) as on, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = await browser.new_context(
            viewport={"width": 400, "height": 780}, device_scale_factor=2, reduced_motion="reduce", color_scheme="light"
        )
        page = await context.new_page()
        await page.goto(f"{on.page}/#{OWNER.id}")
        await page.wait_for_selector("[data-ready]")

        await send(page, "/chart 035720 주")
        chart = bubble(page, "주봉")
        await expect(chart).to_contain_text("평단 61,250원")
        first = await seen(chart)
        await chart.get_by_role("button", name="일").first.click()
        await expect(bubble(page, "일봉")).to_contain_text("수정됨")
        await expect(page.locator(".picture:visible")).to_have_count(1)
        assert await seen(bubble(page, "일봉")) != first
        await page.screenshot(path=picture)
        await browser.close()
    assert picture.stat().st_size > 50_000


async def seen(message: Locator) -> str:
    """The address of a message's picture, once it is there in its full size and no wider than the page."""
    image = message.locator("img")
    await expect(image).to_have_js_property("naturalWidth", 1600)
    box = await image.bounding_box()
    assert box is not None
    assert 300 < box["width"] <= 400
    assert box["height"] == pytest.approx(box["width"] * 3 / 4, abs=1)
    return await image.get_attribute("src") or ""


async def only_silence(page: Page, on: Stage) -> None:
    """The stranger writes and gets nothing; the trader next to them is answered."""
    await page.locator(f"[data-person='{STRANGER.id}']").click()
    await send(page, "/price 005930")
    await page.locator(f"[data-person='{TRADER.id}']").click()
    await send(page, "삼성전자")
    await expect(bubble(page, "호가단위")).to_be_visible()
    await page.locator(f"[data-person='{STRANGER.id}']").click()
    await expect(page.locator(".message:not(.mine):visible")).to_have_count(0)
    assert [m.sender for m in on.telegram.chat(STRANGER.id)] == ["user"]
