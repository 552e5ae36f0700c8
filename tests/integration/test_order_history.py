"""/why, /audit and the heads in the chat: what happened to an order can be told afterwards, and nobody can untell it."""

import asyncio
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from bot.chat.handlers.order_history import MOST, PAGE, OrderHistoryHandlers, history_pages
from bot.chat.i18n.frame import Frame
from bot.chat.messages.audit_lines import describe
from bot.chat.types import REFRESH, Request
from bot.cli.order_history import why
from bot.demo.formatting import parse_html
from bot.demo.run import OWNER, TRADER
from bot.orders.access.roles import Actor, Role
from bot.orders.model.order import OrderState
from bot.orders.model.tap_result import TapOutcome
from bot.orders.model.timeline import AuditEntry, OrderTimeline
from bot.store.order_history import OrderHistory
from kis.krx import KST
from tests.support import virtual_time
from tests.support.conversation import FAST, Ahead, bought, confirmed, press, reread, say
from tests.support.stage import stage
from tests.unit.orders.model.test_order import order

pytestmark = pytest.mark.virtual_time

FRAMES = {lang: Frame(lang, "practice", "…56-01") for lang in ("ko", "en")}
ADMIN = Actor(OWNER.id, OWNER.id, OWNER.name, Role.OWNER)
OTHER = Actor(TRADER.id, TRADER.id, TRADER.name, Role.TRADER)
START = datetime(2026, 11, 23, 10, 0, tzinfo=KST)


def asked(words, who=ADMIN):
    return Request(who, words, 1, 1, virtual_time.now())


def view(on, lang="ko"):
    return OrderHistoryHandlers(OrderHistory(on.app.storage.db, key_here=lambda: False), FRAMES[lang])


def plain(reply):
    """What a person reads; Telegram must be able to."""
    return parse_html(reply.text if hasattr(reply, "text") else reply).text


async def delivered(on):
    """Wait until all that is to be told was told."""
    while on.app.storage.db.execute("SELECT 1 FROM outbox WHERE state IN ('pending', 'sending')").fetchone():  # noqa: ASYNC110  # rows have no event
        await asyncio.sleep(0.01)


async def whole(on, words, who=ADMIN, lang="ko"):
    """The summary and every page its buttons lead to."""
    shown = [await view(on, lang).why(asked(words, who))]
    while turns := [key for row in shown[-1].buttons for key in row if "▶" in key.label]:
        assert turns[0].data.startswith(f"{REFRESH}/why #")
        shown.append(await view(on, lang).why(asked(turns[0].data.removeprefix(f"{REFRESH}/why "), who)))
    return [plain(one) for one in shown]


# --- the story --------------------------------------------------------------------------------------------------------


async def test_the_summary_says_who_saw_what_what_was_sent_what_came_back_and_who_was_told():
    async with stage(**FAST) as on:
        await bought(on, "005930 3 시장가", TRADER.id)
        await on.telegram.wait(TRADER.id, "누적 3/3주")
        await on.telegram.wait(OWNER.id, "누적 3/3주")
        await delivered(on)
        made = on.app.storage.journal.get(1)

        summary, *_ = await whole(on, made.order_no)

        assert "매수 ✅ 체결" in summary
        assert "이매매" in summary
        assert f"{made.created_at:%Y-%m-%d %H:%M:%S} 제안" in summary
        assert "본 현재가 71,000원 · 주문 후 주문가능금액" in summary
        assert "1번 시도" in summary
        assert "매수 → 접수 (HTTP 200 · APBK0013" in summary
        assert "주문 전송 완료" in summary
        assert f"주문번호 {made.order_no}" in summary
        assert "바로 받았습니다" in summary
        assert "증권사 내역과 일치" in summary
        assert "체결 3/3" in summary
        assert "이매매 2건" in summary, "the card and the fill"
        assert "김관리 1건" in summary, "an overseer hears of the fill"
        assert "…56-01" in summary
        assert "아직 게시 전" in summary


async def test_the_rest_is_one_button_away_and_turns_in_the_same_message():
    async with stage(**FAST) as on:
        await bought(on, "005930 1 시장가")
        await on.telegram.wait(OWNER.id, "누적 1/1주")

        first = await view(on).why(asked("#1"))
        pages = await whole(on, "#1")

        assert len(first.buttons) == 1
        assert len(pages) >= 2
        rest = "\n".join(pages[1:])
        for chapter in ("주문표에 보인 것", "증권사로 보낸 것", "일어난 순서", "알린 것", "기록의 증거"):
            assert chapter in rest
        for step in (
            "주문표를 만들었습니다",
            "확인을 눌렀습니다",
            "증권사로 보냈습니다",
            "접수했습니다",
            "체결 누적 1주",
        ):
            assert step in rest
        assert all(len(page) <= PAGE + 200 for page in pages)


async def test_a_cancelled_order_tells_who_took_it_back_and_what_the_broker_said():
    async with stage(**FAST) as on:
        card = await confirmed(on, "📨 접수", "005930 5 60000")
        number = card.split("주문번호 ")[1].split()[0]
        await say(on, f"/cancel {number}", "취소 완료")

        summary, *rest = await whole(on, number)

        assert "취소 완료" in summary
        assert "취소 요청 → 접수" in summary
        assert "취소된 수량 5주" in summary
        assert "김관리 취소를 요청했습니다" in "\n".join(rest)


async def test_a_revision_tells_what_it_took_the_place_of():
    async with stage(**FAST) as on:
        card = await confirmed(on, "📨 접수", "005930 5 60000")
        number = card.split("주문번호 ")[1].split()[0]
        ticket = await say(on, f"/revise {number} 60500", "정정 확인")
        await press(on, ticket, "확인", "주문번호")
        await reread(on, 2)

        parent = "\n".join(await whole(on, "#1"))
        child = "\n".join(await whole(on, "#2"))

        assert "#1 → #2 60,000원 → 60,500원" in parent
        assert "#1 → #2 60,000원 → 60,500원" in child
        assert "#1의 정정 주문표를 만들었습니다" in child


async def test_a_lost_answer_tells_that_it_was_found_in_the_list_and_not_sent_again():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.broker.faults.plant("lose_reply", path="order-cash")
        await confirmed(on, "확인중(불명)", "005930 1 시장가")
        await reread(on)
        clock.jump(seconds=11)
        await reread(on)

        summary, *rest = await whole(on, "#1")

        assert "1번 시도" in summary
        assert "결과를 모름" in summary
        assert "답을 못 받아 증권사 내역에서 찾았습니다" in summary
        assert "답을 받지 못했습니다" in "\n".join(rest)


async def test_a_refusal_is_told_in_the_brokers_words_and_no_account_number_is_in_it():
    async with stage(**FAST) as on:
        account = on.broker.environ("")["KIS_ACCOUNT"]
        on.broker.faults.plant(
            "refuse", path="order-cash", code="APBK1943", message=f"<b>불가</b> {account}", status=200, rt_cd="7"
        )
        await confirmed(on, "⛔ 거부")

        told = "\n".join(await whole(on, "#1"))

        assert "<b>불가</b>" in told, "as words, not as a tag"
        assert "APBK1943" in told
        assert account not in told
        assert account[:8] not in told


async def test_a_brake_that_stopped_it_stands_in_the_story():
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        await say(on, "/halt", "신규중지", TRADER.id)
        await press(on, ticket, "확인", "보내지 않음")

        told = "\n".join(await whole(on, "#1"))

        assert "증권사로 아무것도 보내지 않았습니다" in told
        assert "신규 주문이 중지된" in told
        assert re.search(r"신규중지 · 이매매", told)


async def test_a_trader_reads_their_own_orders_an_overseer_everybodys_and_a_number_gives_nothing_away():
    async with stage(**FAST) as on:
        await bought(on, "005930 1 시장가")
        await bought(on, "000660 1 시장가", TRADER.id)
        theirs = on.app.storage.journal.get(1).order_no

        nothing = plain(await view(on).why(asked("#99", OTHER)))
        assert plain(await view(on).why(asked(theirs, OTHER))) == nothing
        assert plain(await view(on).why(asked("#1", OTHER))) == nothing
        assert "SK하이닉스" in plain(await view(on).why(asked("#2", OTHER)))
        assert "SK하이닉스" in plain(await view(on).why(asked("#2")))
        assert "SK하이닉스" in plain(await view(on).why(asked("", OTHER))), "without a number: the newest of one's own"
        viewer = replace(OTHER, user_id=5, role=Role.VIEWER)
        assert plain(await view(on).why(asked("", viewer))) == nothing


@pytest.mark.parametrize("words", ["#", "12a", "９", "-1", "#1 x", "#1 99", "1" * 30, "<b>", "#1 0", "②"])
async def test_no_number_a_person_can_type_is_a_fault(words):
    async with stage(**FAST) as on:
        await say(on, "/buy 005930 1 시장가", "매수 확인")

        assert plain(await view(on).why(asked(words)))


async def test_who_agreed_and_what_they_saw_stands_in_the_story():
    async with stage(**FAST, kisbot_approval_order="100000=1") as on:
        ticket = await say(on, "/buy 005930 3 시장가", "매수 확인", TRADER.id)
        await on.telegram.tap(TRADER.id, ticket.message_id, "확인")
        asked_for = await on.telegram.wait(OWNER.id, "승인")
        await on.telegram.tap(OWNER.id, asked_for.message_id, "승인")
        await on.telegram.wait(TRADER.id, "누적 3/3주")

        summary, *rest = await whole(on, "#1")
        told = "\n".join(rest)

        assert "🗳 ✅ 김관리" in summary
        assert "이매매 확인을 눌렀고, 다른 1명의 승인을 기다립니다" in told
        assert "김관리 승인했습니다" in told
        assert "김관리 승인 (1회차)" in told
        assert "승인자에게 보인 것: 체결되면 보유 3주" in told


async def test_votes_that_no_longer_count_are_told_as_that():
    async with stage(**FAST) as on:
        await say(on, "/buy 005930 1 시장가", "매수 확인", TRADER.id)
        for n, row in enumerate([(1, 1, 7, "하나", 1), (1, 2, 7, "하나", 1), (1, 2, 8, "둘<b>", 0)]):
            at = (virtual_time.now() + timedelta(seconds=n)).isoformat(timespec="milliseconds")
            on.app.storage.db.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?)", [*row, at])

        summary, *rest = await whole(on, "#1")

        assert "🗳 ✅ 하나, ⛔ 둘<b> (무효가 된 표 1)" in summary
        assert "하나 승인 (1회차)" in "\n".join(rest)


@pytest.mark.parametrize("lang", ["ko", "en"])
@pytest.mark.parametrize("verdict", TapOutcome, ids=str)
def test_every_outcome_of_a_tap_has_its_words(verdict, lang):
    said = describe(AuditEntry(1, START, "tap", detail={"verdict": verdict.value}), FRAMES[lang])
    assert "<code>" not in said, "its bare facts"


@pytest.mark.parametrize("lang", ["ko", "en"])
@pytest.mark.parametrize("state", OrderState, ids=str)
def test_an_order_in_any_state_has_a_story_that_telegram_can_read(state, lang):
    text = [parse_html(page).text for page in history_pages(OrderTimeline(order(state, id=7)), FRAMES[lang])]

    assert "#7" in text[0]
    assert ("매수" if lang == "ko" else "BUY") in text[0]
    assert not (lang == "en" and re.search("[가-힣]", "\n".join(text).replace("삼성전자", "")))


def test_a_row_that_somebody_spoilt_is_shown_as_it_stands():
    for detail in ({}, {"text": "\x00<b>"}, {"event_filled": "many"}, {"quantity": [1, {"a": 2}]}):
        for action in ("order.reported", "order.proposed", "tap", "brake", "not.known", "<i>"):
            said = describe(AuditEntry(1, START, action, detail=detail), FRAMES["ko"])
            assert parse_html(said).text


# --- on the command line ----------------------------------------------------------------------------------------------


async def test_the_command_line_tells_the_same_story_beside_the_running_bot(tmp_path, monkeypatch):
    app = typer.Typer()
    app.command()(why)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KISBOT_DATA_DIR", str(tmp_path / "home"))
    async with stage(**FAST, data_dir=tmp_path / "home") as on:
        await bought(on, "005930 1 시장가")
        number = on.app.storage.journal.get(1).order_no
        for words_ in ("1", "#1", number):
            run = CliRunner().invoke(app, [words_])
            assert run.exit_code == 0, run.output
            assert "확인을 눌렀습니다" in run.output
            assert "<b>" not in run.output
            assert "…56-01" in run.output
        assert "pressed confirm" in CliRunner().invoke(app, ["1", "--lang", "en"]).output
        assert CliRunner().invoke(app, ["999"]).exit_code == 1
    monkeypatch.setenv("KISBOT_DATA_DIR", str(tmp_path / "nowhere"))
    assert CliRunner().invoke(app, ["1"]).exit_code == 2


# --- /audit -----------------------------------------------------------------------------------------------------------


async def test_the_audit_view_shows_the_newest_rows_in_words_and_how_to_have_the_chain_proven():
    async with stage(**FAST) as on:
        await bought(on, "005930 1 시장가")
        audit = OrderHistoryHandlers(OrderHistory(on.app.storage.db, key_here=lambda: True), FRAMES["ko"])

        text = plain(await audit.audit(asked("")))

        assert f"머리값 {on.app.storage.audit.head()}" in text
        assert "아직 게시한 머리값이 없습니다" in text
        assert "첫 키가 아직 이 컴퓨터에" in text
        assert "kisbot audit verify --key FILE --head" in text
        assert "김관리 확인을 눌렀습니다 · #1" in text
        for wrong in ("0", "-1", str(MOST + 1), "x", "９", "1" * 400):
            assert "사이의 수" in plain(await audit.audit(asked(wrong)))
        assert plain(await audit.audit(asked(str(MOST)))).count("\n") <= MOST + 10


async def test_a_log_that_no_longer_bears_a_posted_head_is_called_so_also_without_the_key(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        on.app.storage.audit.anchor()
        audit = OrderHistoryHandlers(OrderHistory(on.app.storage.db, key_here=lambda: False), FRAMES["ko"])
        assert "다릅니다" not in plain(await audit.audit(asked("1")))

        db = on.app.storage.db
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE audit SET mac = 'x' || substr(mac, 2) WHERE seq IN (SELECT seq FROM audit_anchors)")

        assert "누군가 고쳤습니다" in plain(await audit.audit(asked("1")))
