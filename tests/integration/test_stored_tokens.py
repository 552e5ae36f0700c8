"""Nothing that is stored opens anything: no text of the database, and no byte of a backup, is a token or a secret."""

from contextlib import closing

import pyotp
import pytest

from bot.demo.run import OWNER, STRANGER, TOKEN
from bot.demo.telegram import LocalTelegram
from bot.orders.access.membership import MemberStep
from bot.orders.access.roles import Role
from bot.orders.model.button import TapAction
from bot.store.database import backup, open_database
from kis.models import Side
from tests.integration.test_approval import ADMIN, EVERYBODY, OTHER, TRADER, ask, asked
from tests.integration.test_people import invited
from tests.support.conversation import FAST, Ahead, confirmed, press, reread, say, settled
from tests.support.old_database import laid_out, raw
from tests.support.stage import stage
from tests.support.stored_tokens import in_clear, texts

PIN, SECRET = "493817", "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"


async def keyed(on, digits, message, expect):
    """The owner enters a code on the keypad."""
    for count, digit in enumerate(digits, 1):
        key = next(key for row in message.buttons for key in row if key.text == digit)
        before = on.telegram.revision
        await on.telegram.tap_data(OWNER.id, message.message_id, key.data)
        entered = "●" * count + "○" * (len(digits) - count)
        message = await on.telegram.wait(OWNER.id, expect if count == len(digits) else entered, after=before)
    return message


@pytest.mark.virtual_time
async def test_no_text_of_the_database_is_a_token_or_a_secret_after_every_kind_of_button(tmp_path):
    clock = Ahead()
    telegram = LocalTelegram(token=TOKEN, people=(*EVERYBODY, STRANGER), clock=clock)
    rules = {"kisbot_approval_order": "300000=1", "kisbot_join_requests": True, "kisbot_orders_per_minute": 0}
    async with stage(**FAST, **rules, clock=clock, telegram=telegram, data_dir=tmp_path / "home") as on:
        db = on.app.storage.db.conn
        for person, role in ((ADMIN, Role.ADMIN), (TRADER, Role.TRADER), (OTHER, Role.TRADER)):
            on.app.storage.people.put(person.id, person.name, role)

        await of_tickets(on)
        await of_consent(on)
        await of_doubt(on)
        await of_the_halt(on)
        token = await of_people(on)
        codes = await behind_a_second_factor(on, clock)
        await settled(on)

        assert in_clear(db) == []
        acts = {one for (one,) in db.execute("SELECT DISTINCT action FROM buttons")}
        assert {*TapAction, "claim:none"} <= acts, "every kind of button was made"
        assert {act.split(":")[0] for act in acts} == {*TapAction, "claim", "release"}
        steps = {one for (one,) in db.execute("SELECT DISTINCT act FROM people_buttons")}
        assert {step.split(":")[0] for step in steps} == {*MemberStep}
        environ = on.broker.environ("")
        account = environ["KIS_ACCOUNT"].replace("-", "")
        secrets = (token, TOKEN, environ["KIS_APP_KEY"], environ["KIS_APP_SECRET"], SECRET, account, account[:8])
        assert [
            place for place, text in texts(db) if any(one in text.replace("-", "") for one in (*secrets, *codes))
        ] == []
        backup(tmp_path / "home" / "kisbot.db", tmp_path / "backup.db")
        kept = (tmp_path / "backup.db").read_bytes()
        assert not [one for one in seen_tokens(telegram) if one.encode() in kept]


async def of_tickets(on):
    """Confirmed, discarded, cancelled by its own button, cancelled with all others, and left as it is."""
    await confirmed(on, "📨 접수", "005930 1 60000")
    await press(on, await say(on, "/buy 000660 1 200000", "매수 확인"), "취소", "✖ 취소")
    await press(on, await say(on, "/orders", "미체결"), "취소", "취소 완료")
    await confirmed(on, "📨 접수", "005930 1 60100")
    await press(on, await say(on, "/cancel 전체", "모두 취소할까요"), "취소", "취소 완료")
    await say(on, "/buy 005930 2 60000", "매수 확인")


async def of_consent(on):
    """Given, refused, withdrawn; one request stands."""
    await ask(on, "000660 3 200000")
    await press(on, await asked(on), "승인", "주문번호", ADMIN.id)
    await ask(on, "000660 4 200000")
    await press(on, await asked(on), "거절", "승인 거절", ADMIN.id)
    await press(on, await ask(on, "000660 5 200000"), "요청 취소", "✖ 취소", TRADER.id)
    await ask(on, "000660 6 200000")


async def of_doubt(on):
    """Two rows fit an order whose answer was lost."""
    on.broker.faults.plant("lose_reply", path="order-cash")
    await confirmed(on, "확인중(불명)", "005930 1 60200")
    on.broker.exchange.submit(Side.BUY, "005930", "00", 1, 60_200, channel="OpnAPI")
    await reread(on)
    question = await on.telegram.wait(OWNER.id, "여러 건 보입니다")
    ours = on.broker.exchange.orders[-2]
    await press(on, question, ours.number, "사람이 주문내역에서 확인해")


async def of_the_halt(on):
    """A release is asked for and agreed to; another stands."""
    await say(on, "/halt", "신규중지", TRADER.id)
    await say(on, "/resume", "해제 동의를 물었습니다", ADMIN.id)
    await press(on, await on.telegram.wait(OWNER.id, "중지 해제 동의"), "동의", "정상")
    await say(on, "/halt", "신규중지", TRADER.id)
    await say(on, "/resume", "해제 동의를 물었습니다", ADMIN.id)


async def of_people(on):
    """Each change of a person, an invitation, a request to join that is turned away and one that stands."""
    await on.telegram.send(STRANGER.id, "/start")
    await press(on, await on.telegram.wait(OWNER.id, "들어오고 싶다는"), "거절", "거절했습니다")
    for words, said in (("viewer", "조회 전용"), ("suspend", "⏸ 정지"), ("resume", "🟢 사용 중"), ("remove", "⛔")):
        await press(on, await say(on, f"/users {OTHER.id} {words}", "❓"), "✅", said)
    return await invited(on, "viewer 손님")


async def behind_a_second_factor(on, clock):
    """A PIN, wrong and right, and a code that is typed, before changes of people; returns PIN and code."""
    on.app.storage.second_factors.put_pin(OWNER.id, PIN)
    on.app.storage.second_factors.put_totp(ADMIN.id, SECRET, by=None)
    pad = await press(on, await say(on, f"/users {OTHER.id} resume", "❓"), "✅", "6자리를")
    pad = await keyed(on, "000000", pad, "틀렸습니다")
    await keyed(on, PIN, pad, "확인되었습니다")
    code = pyotp.TOTP(SECRET).at(clock())
    await press(on, await say(on, f"/users {OTHER.id} trader", "❓", ADMIN.id), "✅", "6자리 코드", ADMIN.id)
    await say(on, code, "확인되었습니다", ADMIN.id)
    return PIN, code


def seen_tokens(telegram):
    """All that the buttons of any chat bore in the end."""
    found = [
        key.data
        for chat in (*EVERYBODY, STRANGER)
        for one in telegram.chat(chat.id)
        for row in one.buttons
        for key in row
    ]
    return {one[2:] for one in found if one.startswith(("t:", "p:"))}


def test_what_an_older_version_left_in_clear_is_let_go_when_the_database_is_opened(tmp_path):
    """Messages that wait keep their tokens, and their buttons work: `tests/test_old_database.py` shows them."""
    home = laid_out(tmp_path / "home")
    with closing(raw()) as before:
        assert in_clear(before) != [], "the older version left some"
        left = [
            text
            for (text,) in before.execute(
                "SELECT data ->> 'agree' FROM outbox WHERE kind = 'release' AND state = 'sent'"
            )
        ]

    with closing(open_database(home / "kisbot.db")) as db:
        assert db.execute("PRAGMA secure_delete").fetchone() == (1,)
        assert in_clear(db.conn) == []
        assert in_clear(db.conn, waiting=True).count("outbox.data") > 1, "those that wait"
        backup(home / "kisbot.db", tmp_path / "backup.db")
    for file in (home / "kisbot.db", tmp_path / "backup.db"):
        assert not [one for one in left if one.encode() in file.read_bytes()], file.name
