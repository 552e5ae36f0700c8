"""People come, change and go, over sockets: invitations, a stranger's /start, the list and its buttons."""

import random
import re
from datetime import datetime

import pyotp
import pytest
from telegram import BotCommandScopeChat, Update
from typer.testing import CliRunner

from bot.chat.i18n.catalogue import translate
from bot.chat.i18n.formatting import shown_name
from bot.chat.i18n.frame import Frame
from bot.chat.messages.members import PAGE_SIZE, ROLES, join_push, list_card, member_push, person_card
from bot.cli.users import users_cli
from bot.demo.run import OWNER, STRANGER, TOKEN, TRADER
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.access.membership import Member, MemberAction, MemberStep, Status
from bot.orders.access.roles import Role
from bot.orders.model.order import OrderState
from kis.krx import KST
from tests.integration.test_bad_input import raw_message
from tests.integration.test_command_line import kisbot
from tests.support.conversation import FAST, Ahead, posts, press, say, spoken
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time

ADMIN = ChatUser(1004, "최부관", "관리자")
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LINE = "초대받은 사람만 쓸 수 있는 봇입니다"
AT = datetime(2026, 11, 23, 10, 0, tzinfo=KST)


def crowd(**how):
    return LocalTelegram(token=TOKEN, people=(OWNER, TRADER, STRANGER, ADMIN), **how)


async def invited(on, words="trader", person=OWNER.id):
    """Make an invitation and return its token."""
    told = await say(on, f"/invite {words}", "초대 ·", person)
    return re.search(r"https://t\.me/kisbot_demo_bot\?start=([A-Za-z0-9_-]{22})\b", told.text)[1]


async def refused_line(on, text):
    """Whether the stranger was told the line for this message."""
    before = on.telegram.revision
    await on.telegram.send(STRANGER.id, text)
    return await on.telegram.wait(STRANGER.id, LINE, after=before)


# --- invitations ----------------------------------------------------------------------------------------------------------


async def test_a_link_lets_one_stranger_in_and_tells_the_admins():
    async with stage(**FAST) as on:
        token = await invited(on, "trader 홍길동")
        before = on.telegram.revision
        await on.telegram.send(STRANGER.id, f"/start {token}")
        await on.telegram.wait(STRANGER.id, "들어오셨습니다")
        told = await on.telegram.wait(OWNER.id, "새 사용자", after=before)

        assert "1003" in told.text
        assert "매매자" in told.text
        assert on.app.storage.people.get(STRANGER.id).name == "홍길동"
        await say(on, "/buy 005930 1 시장가", "매수 확인", STRANGER.id)
        menu = await on.app.parts.bot.get_my_commands(scope=BotCommandScopeChat(STRANGER.id))
        commands = {one.command for one in menu}
        assert "buy" in commands
        assert "users" not in commands


async def test_a_used_link_an_old_one_and_an_unknown_one_get_the_same_line_once_a_day():
    clock = Ahead()
    async with stage(**FAST, clock=clock, telegram=crowd(clock=clock)) as on:
        used = await invited(on)
        old = await invited(on)
        on.app.storage.invites.join(used, 999, "누군가")
        first = await refused_line(on, f"/start {used}")
        await on.telegram.send(STRANGER.id, "/start " + "A" * 22)
        clock.jump(hours=25)
        second = await refused_line(on, f"/start {old}")

        assert first.text == second.text
        assert len(spoken(on, STRANGER.id)) == 2
        assert on.app.storage.people.find(STRANGER.id) is None


async def test_the_token_of_an_invitation_stays_nowhere(tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        token = await invited(on)
        await say(on, f"/start {token}", "kisbot", TRADER.id)  # a member taps it: it is not used and not written down
        await say(on, "/price 005930", "삼성전자")
        on.app.storage.db.execute("VACUUM")
        on.app.storage.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        for file in tmp_path.rglob("kisbot.db*"):
            assert token.encode() not in file.read_bytes(), file


async def test_an_admin_invites_traders_and_viewers_only():
    async with stage(**FAST, telegram=crowd()) as on:
        on.app.storage.people.put(ADMIN.id, ADMIN.name, Role.ADMIN)

        assert await invited(on, "viewer", ADMIN.id)
        await say(on, "/invite admin", "초대할 수 없습니다", ADMIN.id)
        await say(on, "/invite owner", "초대할 수 없습니다", ADMIN.id)
        await say(on, "/invite 사장", "권한:", ADMIN.id)
        await say(on, "/invite trader", "권한이 없습니다", TRADER.id)
        assert on.app.storage.db.execute("SELECT count(*) FROM invites").fetchone() == (1,)


# --- a stranger's /start --------------------------------------------------------------------------------------------------


async def test_as_it_comes_the_bot_is_silent_to_a_plain_start():
    async with stage(**FAST) as on:
        for text in ("/start", "안녕하세요", "/buy 005930 1 시장가"):
            await on.telegram.send(STRANGER.id, text)
        await say(on, "/price 005930", "삼성전자")

        assert spoken(on, STRANGER.id) == []
        assert len(spoken(on)) == 1
        assert posts(on) == 0


async def test_a_stranger_is_shown_to_every_admin_and_the_first_answer_counts():
    async with stage(**FAST, telegram=crowd(), kisbot_join_requests=True) as on:
        on.app.storage.people.put(ADMIN.id, ADMIN.name, Role.ADMIN)
        await refused_line(on, "/start")
        to_owner = await on.telegram.wait(OWNER.id, "들어오고 싶다는")
        to_admin = await on.telegram.wait(ADMIN.id, "들어오고 싶다는")
        assert "1003" in to_owner.text
        assert STRANGER.name in to_owner.text

        await press(on, to_admin, "조회", "조회 전용", ADMIN.id)
        late = await on.telegram.tap(OWNER.id, to_owner.message_id, "매매자")

        assert late.text == "이미 처리되었습니다."
        assert on.app.storage.people.get(STRANGER.id).role is Role.VIEWER
        await on.telegram.wait(OWNER.id, "새 사용자")
        await say(on, "/buy 005930 1 시장가", "권한이 없습니다", STRANGER.id)


async def test_a_stranger_who_is_turned_away_hears_nothing_of_it():
    async with stage(**FAST, kisbot_join_requests=True) as on:
        await refused_line(on, "/start")
        card = await on.telegram.wait(OWNER.id, "들어오고 싶다는")
        await press(on, card, "거절", "거절했습니다")
        for _ in range(3):
            await on.telegram.send(STRANGER.id, "/start")
        await say(on, "/price 005930", "삼성전자")

        assert len(spoken(on, STRANGER.id)) == 1
        assert sum("들어오고" in text for text in spoken(on)) == 0
        assert on.app.storage.people.find(STRANGER.id) is None


async def test_a_strangers_button_is_bound_to_the_admin_it_was_made_for():
    async with stage(**FAST, telegram=crowd(), kisbot_join_requests=True) as on:
        on.app.storage.people.put(ADMIN.id, ADMIN.name, Role.ADMIN)
        await refused_line(on, "/start")
        card = await on.telegram.wait(OWNER.id, "들어오고 싶다는")
        data = [key.data for row in card.buttons for key in row]
        own = (await on.telegram.wait(ADMIN.id, "들어오고 싶다는")).message_id
        theirs = (await say(on, "/price 005930", "삼성전자", TRADER.id)).message_id
        for person, message, words in ((ADMIN, own, "받은 사람만"), (TRADER, theirs, "권한이 없습니다")):
            for one in data:
                assert words in (await on.telegram.tap_data(person.id, message, one)).text
        line = on.telegram.chat(STRANGER.id)[-1].message_id
        assert not (await on.telegram.tap_data(STRANGER.id, line, data[0], timeout=0.1)).answered
        assert on.app.storage.people.find(STRANGER.id) is None


async def test_a_stranger_who_keeps_trying_is_told_to_the_admins_once_a_day():
    clock = Ahead()
    async with stage(**FAST, clock=clock, telegram=crowd(clock=clock)) as on:
        for _ in range(30):
            await on.telegram.send(STRANGER.id, "비밀번호는 1234")
        told = await on.telegram.wait(OWNER.id, "모르는 사람의 시도")
        clock.jump(hours=24)
        for _ in range(30):
            await on.telegram.send(STRANGER.id, "또 왔어요")
        before = on.telegram.revision
        await on.telegram.wait(OWNER.id, lambda one: one.message_id > told.message_id and "시도" in one.text, after=0)

        assert before
        assert "1003" in told.text
        assert "비밀번호" not in told.text
        assert sum("모르는 사람의 시도" in text for text in spoken(on)) == 2
        assert spoken(on, STRANGER.id) == []


# --- the list and its buttons ---------------------------------------------------------------------------------------------


async def test_from_the_list_to_a_suspended_person_in_three_taps():
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인", TRADER.id)
        confirm = next(key.data for row in ticket.buttons for key in row if "확인" in key.text)
        shown = await say(on, "/users", "사용자")
        assert "소유자" in shown.text
        person = await press(on, shown, "1002", "매매자")
        asked = await press(on, person, "정지", "무효가 됩니다")
        done = await press(on, asked, "✅", "⏸ 정지")

        assert on.app.storage.people.find(TRADER.id).status is Status.SUSPENDED
        assert on.app.storage.journal.in_state({OrderState.PROPOSED}) == []
        assert not (await on.telegram.tap_data(TRADER.id, ticket.message_id, confirm, timeout=0.1)).answered
        assert posts(on) == 0
        again = await press(on, done, "다시 들이기", "❓")
        await press(on, again, "✅", "🟢 사용 중")
        await say(on, "/price 005930", "삼성전자", TRADER.id)


async def test_a_change_is_told_to_the_admins_and_to_whom_it_happened():
    async with stage(**FAST, telegram=crowd()) as on:
        on.app.storage.people.put(ADMIN.id, ADMIN.name, Role.ADMIN)
        asked = await say(on, "/users 1002 viewer", "❓", ADMIN.id)
        before = on.telegram.revision
        await on.telegram.tap(ADMIN.id, asked.message_id, "✅")

        for person in (OWNER, TRADER):
            told = await on.telegram.wait(person.id, "조회 전용", after=before)
            assert "1004" in told.text
        await say(on, "/buy 005930 1 시장가", "권한이 없습니다", TRADER.id)


async def test_an_admin_sees_no_buttons_over_admins_and_typing_them_is_refused():
    async with stage(**FAST, telegram=crowd()) as on:
        on.app.storage.people.put(ADMIN.id, ADMIN.name, Role.ADMIN)
        card = await say(on, "/users 1001", "소유자", ADMIN.id)

        assert [key.text for row in card.buttons for key in row] == ["↩ 목록"]
        for words in ("1001 remove", "1004 owner", "1002 admin", "1002 owner"):
            await say(on, f"/users {words}", "할 수 없는 일", ADMIN.id)
        for words in ("9999", "x", "-5", "1" * 40, "١٠٠٢"):
            await say(on, f"/users {words}", "없습니다", ADMIN.id)
        await say(on, "/users", "권한이 없습니다", TRADER.id)


async def test_the_last_owner_cannot_be_removed_from_the_chat_either():
    async with stage(**FAST) as on:
        asked = await say(on, "/users 1001 remove", "❓")
        answer = await on.telegram.tap(OWNER.id, asked.message_id, "✅")

        assert answer.show_alert
        assert "마지막 소유자" in answer.text
        assert on.app.storage.people.owners() == [OWNER.id]


async def test_a_confirming_button_works_once_and_for_one_person():
    async with stage(**FAST, telegram=crowd()) as on:
        on.app.storage.people.put(ADMIN.id, ADMIN.name, Role.ADMIN)
        asked = await say(on, "/users 1002 suspend", "❓")
        data = next(key.data for row in asked.buttons for key in row if key.text.startswith("✅"))
        own = (await say(on, "/price 005930", "삼성전자", ADMIN.id)).message_id
        assert (await on.telegram.tap_data(ADMIN.id, own, data)).text.startswith("이 버튼은 받은")
        answers = [(await on.telegram.tap_data(OWNER.id, asked.message_id, data)).text for _ in range(20)]

        assert answers == ["처리했습니다."] + ["이미 처리되었습니다."] * 19
        (changes,) = on.app.storage.db.execute("SELECT count(*) FROM audit WHERE action = 'people.suspend'").fetchone()
        assert changes == 1
        assert data[2:] not in str(on.app.storage.db.execute("SELECT group_concat(detail) FROM audit").fetchone())


async def test_fifty_admins_tapping_one_button_twenty_times_change_one_person_once():
    async with stage(**FAST) as on:
        admins = range(7_001, 7_050)
        for number in admins:
            on.app.storage.people.put(number, f"관리{number}", Role.ADMIN)
        asked = await say(on, "/users 1002 viewer", "❓")
        data = next(key.data for row in asked.buttons for key in row if key.text.startswith("✅"))
        taps = [number for number in (OWNER.id, *admins) for _ in range(20)]
        random.Random(2).shuffle(taps)
        on.app.parts.calls.toast = lambda *_: None  # a thousand toasts are another test's
        on.app.storage.db.execute("PRAGMA synchronous = OFF")  # and so is durability
        for n, number in enumerate(taps):
            chat = {"id": number, "type": "private", "first_name": "x"}
            raw = {
                "id": "1",
                "from": {"id": number, "is_bot": False, "first_name": "x"},
                "chat_instance": "1",
                "data": data,
                "message": raw_message("카드", chat=chat),
            }
            update = Update.de_json({"update_id": 30_000_000 + n, "callback_query": raw}, on.app.parts.bot)
            await on.app.parts.router.handle(update)

        (changes,) = on.app.storage.db.execute("SELECT count(*) FROM audit WHERE action = 'people.role'").fetchone()
        assert (len(taps), changes) == (1_000, 1)
        assert on.app.storage.people.get(TRADER.id).role is Role.VIEWER


async def test_a_change_of_a_person_waits_for_the_second_factor():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.app.parts.second_factor._factors.put_totp(OWNER.id, SECRET)
        asked = await say(on, "/users 1002 suspend", "❓")
        await press(on, asked, "✅", "본인 확인")
        assert on.app.storage.people.get(TRADER.id) is not None

        await say(on, pyotp.TOTP(SECRET).at(clock()), "정지")
        assert on.app.storage.people.get(TRADER.id) is None


async def test_a_typed_code_goes_to_the_question_and_is_written_nowhere_while_other_words_are_answered_as_ever():
    clock = Ahead()
    async with stage(**FAST, clock=clock) as on:
        on.app.parts.second_factor._factors.put_totp(OWNER.id, SECRET)
        asked = await say(on, "/users 1002 suspend", "❓")
        await press(on, asked, "✅", "본인 확인")
        await say(on, "삼성전자", "호가단위")
        code = pyotp.TOTP(SECRET).at(clock())
        await say(on, code, "정지")

        assert code not in str(on.app.storage.db.execute("SELECT group_concat(detail) FROM audit").fetchone())
        assert not any("알아듣지" in text for text in spoken(on))


# --- names ----------------------------------------------------------------------------------------------------------------

_PIECES = [
    "<b>", "</b>", "<a href='tg://user?id=1'>x</a>", "tg://user?id=1001", "https://evil.example", "@owner", "t.me/x",
    "&lt;", "&", "\u202e", "\u2066", "\u2069", "\u200b", "\u0000", "\n", "\u0301" * 40, "🇰🇷", "🏴\U000e0067\U000e007f",
    "👨‍👩‍👧‍👦", "\u3164", "\u2800", "مرحبا", "שלום", "소유자", "{0}", "%s", "`", "'; --", "𝟎𝟎", "\ud7a3" * 9, "a" * 50,
    "\U0001f600" * 30, "-->", "1001 · 소유자 · 🟢 사용 중", "/start",
]  # fmt: skip


def hostile(dice):
    if dice.random() < 0.02:
        return "".join(dice.choice("가<&a\u202e\u0301😀") for _ in range(4_096))
    return "".join(dice.choice(_PIECES) for _ in range(dice.randrange(0, 9)))


def test_ten_thousand_hostile_names_hide_neither_number_nor_role():
    dice = random.Random("names")
    frame = Frame("ko", "practice", "…78-01")
    for n in range(10_000):
        role = dice.choice(list(Role))
        one = Member(70_000 + n, hostile(dice), role, AT, dice.choice(list(Status)))
        data = {"user_id": one.user_id, "name": one.name, "role": role.value, "by": 5, "act": f"role:{role.value}"}
        texts = [
            person_card(one, [MemberAction(MemberStep.SUSPEND)], frame).text,
            *(member_push(kind, data, frame).text for kind in ("joined", "people", "stranger")),
            join_push(data, frame).text,
        ]
        for text in texts:
            tags = re.sub(r"<(/?)(b|code)>", "", text)
            assert "<" not in tags, one.name
            assert text.count("<code>") == text.count("</code>")
            before, _, name = text.rpartition("<code>")
            assert f"<code>{one.user_id}</code>" in before, "the number stands before the name"
            assert name.startswith("\u2068")
            assert name.endswith("\u2069</code>") or "\n" not in name
            assert len(name) < 20 * len("&quot;") + 20
            assert not set("\u202e\u2066\u200b\n\x00") & set(name)
        for text in texts[:3]:
            assert translate("ko", ROLES[role]) in text.rpartition("<code>")[0]


async def test_hostile_names_are_all_delivered():
    """A sample of them over sockets: no letter fails, and every number stands in the list."""
    dice = random.Random("delivered")
    async with stage(**FAST) as on:
        numbers = range(70_000, 70_000 + 5 * PAGE_SIZE)
        for number in numbers:
            on.app.storage.people.put(number, hostile(dice)[:200], dice.choice([Role.TRADER, Role.VIEWER]))
        shown = ""
        for page in range(1, 7):
            shown += (await say(on, f"/users p{page}", f"{page}/6")).text
        for number in numbers[:10]:
            await say(on, f"/users {number}", str(number))

        assert all(str(number) in shown for number in numbers)
        assert on.app.storage.db.execute("SELECT count(*) FROM outbox WHERE state = 'failed'").fetchone() == (0,)


def test_a_full_list_fits_into_one_message():
    frame = Frame("ko", "practice", "…78-01")
    people = [Member(10**14 + n, "&" * 50, Role.OWNER, AT, Status.SUSPENDED, 1, AT) for n in range(100)]

    for page in (-5, 1, 7, 999):
        card = list_card(people, page, frame)
        assert len(card.text) < 4_000
        assert all(len(key.data.encode()) <= 64 for row in card.buttons for key in row)


def test_a_name_of_nothing_is_shown_as_that():
    assert shown_name("\u200b\u3164") == ""
    one = Member(5, "\u200b\u3164", Role.VIEWER, AT)
    assert "이름 없음" in person_card(one, [], Frame("ko", "practice", "x")).text


# --- the command line -----------------------------------------------------------------------------------------------------


def test_everything_can_be_done_from_the_command_line_too(tmp_path, monkeypatch):
    monkeypatch.setenv("KISBOT_DATA_DIR", str(tmp_path))

    def users(*words):
        return CliRunner().invoke(users_cli, words)

    users("add", "1001", "--role", "owner")
    users("add", "1002", "--name", "이매매\x1b[31m")
    assert users("role", "1002", "admin").stdout == "1002\tadmin\n"
    assert users("suspend", "1002").exit_code == 0
    assert users("suspend", "1002").exit_code == 1
    listed = users("list").stdout.splitlines()
    assert listed[1].split("\t")[:2] == ["1002", "admin"]
    assert "suspended" in listed[1]
    assert "\x1b" not in listed[1]
    assert users("resume", "1002").exit_code == 0
    assert users("remove", "1002").exit_code == 0
    again = users("add", "1002")
    assert again.exit_code == 2
    assert "--again" in again.stderr
    assert users("add", "1002", "--again").exit_code == 0
    for words in (("suspend", "1001"), ("role", "1001", "viewer"), ("remove", "1001")):
        assert users(*words).exit_code == 2, "the last owner stays"
    assert users("role", "777", "viewer").exit_code == 1


def test_an_invitation_from_the_command_line(tmp_path):
    made = kisbot(tmp_path, "users", "invite", "trader", "--bot", "@my_bot")

    assert re.fullmatch(r"https://t\.me/my_bot\?start=[A-Za-z0-9_-]{22}\n", made.stdout)
    assert made.stdout.strip()[-22:].encode() not in (tmp_path / "data" / "kisbot.db").read_bytes()


@pytest.mark.parametrize("act", ["", "remove"])
async def test_a_person_shut_out_by_the_command_line_meets_silence_at_once(act, tmp_path):
    async with stage(**FAST, data_dir=tmp_path) as on:
        await say(on, "/price 005930", "삼성전자", TRADER.id)
        if act:
            done = kisbot(tmp_path, "users", act, str(TRADER.id), KISBOT_DATA_DIR=str(tmp_path))
            assert done.returncode == 0, done.stderr
        before = len(spoken(on, TRADER.id))
        await on.telegram.send(TRADER.id, "/price 005930")
        await say(on, "/price 005930", "삼성전자")
        if not act:
            await on.telegram.wait(TRADER.id, "삼성전자")

        assert (len(spoken(on, TRADER.id)) == before) == bool(act)
