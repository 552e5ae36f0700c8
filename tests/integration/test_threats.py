"""What somebody who means harm can try, row by row of SECURITY.md, where no other test tries it already."""

import asyncio
import json
import random
import re
import shutil
from collections import Counter
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from telegram import Bot, Update
from telegram.request import BaseRequest

from bot.demo.run import HOLDINGS, OWNER, STRANGER, TOKEN, TRADER
from bot.orders.access.roles import Actor, Role
from bot.orders.model.button import ButtonToken, TapAction
from bot.orders.model.order import OrderState
from bot.orders.model.tap_result import TapOutcome
from bot.orders.risk.trading_halt import HaltLevel
from bot.store.database import backup, claim, open_database
from bot.store.private_files import BadDatabase
from kis.models import OrderKind
from kis.sim import Simulator
from tests.support import virtual_time
from tests.support.conversation import FAST, Ahead, bought, confirmed, posts, press, say
from tests.support.memory_telegram import memory_bot
from tests.support.stage import stage
from tests.support.waiting import until
from tests.unit.orders.model.test_order import order

pytestmark = pytest.mark.virtual_time

ROOT = Path(__file__).parents[2]
ME = Actor(OWNER.id, OWNER.id, OWNER.name, Role.OWNER)
ACCOUNT = re.compile(rb"(?<!\d)\d{8}-\d{2}(?!\d)")


# --- SECURITY.md ------------------------------------------------------------------------------------------------------


def test_every_test_that_the_threat_table_names_exists():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)

    assert len(named) > 30
    for path, name in named:
        source = ROOT / path
        assert source.exists(), path
        assert re.search(rf"^(async )?def {name}\(", source.read_text(encoding="utf-8"), re.MULTILINE), (
            f"{path}::{name}"
        )


def test_every_row_of_the_threat_table_names_a_test_or_says_why_there_is_none():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]

    assert [int(row.split("|")[1]) for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 18
    for row in rows:
        assert "`tests/" in row or "No test:" in row, row[:80]


# --- a leaked bot token -----------------------------------------------------------------------------------------------


async def test_a_second_program_that_reads_our_updates_stops_new_orders_within_a_minute():
    async with stage(**FAST) as on:
        began = virtual_time.ticks()
        async with memory_bot(on.telegram, TOKEN) as thief:
            await asyncio.sleep(0.1)
            await thief.get_updates(timeout=0)
        await until(lambda: on.app.parts.trading_halt.now().level >= HaltLevel.NEW)

        assert virtual_time.ticks() - began < 60
        assert on.app.parts.trading_halt.now().why == "TELEGRAM_CONFLICT"
        await on.telegram.wait(OWNER.id, "신규중지")


# --- a stolen database ------------------------------------------------------------------------------------------------


async def test_a_stolen_database_opens_nothing_elsewhere(tmp_path):
    """No account number, no key, no token that a button would take, in the file, its log or a backup of it."""
    home, loot = tmp_path / "home", tmp_path / "loot"
    loot.mkdir(mode=0o700)
    shown = []
    async with stage(**FAST, data_dir=home) as on:
        environ = on.broker.environ("")
        await bought(on, "005930 1 시장가")
        card = await confirmed(on, "📨 접수", "005930 5 60000")
        number = card.split("주문번호 ")[1].split()[0]
        ticket = await say(on, "/buy 000660 1 시장가", "매수 확인")
        shown += [key.data.removeprefix("t:") for row in ticket.buttons for key in row]
        opens = await say(on, "/cancel", "미체결")
        shown += [key.data.removeprefix("t:") for row in opens.buttons for key in row if key.data.startswith("t:")]
        await asyncio.sleep(0.1)
        backup(home / "kisbot.db", loot / "backup.db")
        for path in home.glob("kisbot.db*"):
            shutil.copy(path, loot / path.name)
    secrets = {
        "bot token": TOKEN,
        "app key": environ["KIS_APP_KEY"],
        "app secret": environ["KIS_APP_SECRET"],
        "account": environ["KIS_ACCOUNT"].partition("-")[0],
        "access token": json.loads(next(home.glob("kis-token*.json")).read_text())["token"],
    }

    assert len(shown) >= 3
    for path in loot.iterdir():
        content = path.read_bytes()
        assert not ACCOUNT.search(content), path.name
        for name, secret in secrets.items():
            assert secret.encode() not in content, f"the {name} stands in {path.name}"
    stolen = open_database(loot / "kisbot.db")
    dump = "\n".join(stolen.conn.iterdump())
    assert number in dump
    assert not [token for token in shown if token in dump], "a button that still works can be read"
    with pytest.raises(BadDatabase, match="another account"):
        claim(stolen, mode="practice", account="…99-01", now=virtual_time.now())
    stolen.close()


# --- an order that is changed behind the ticket -----------------------------------------------------------------------

TERMS = {
    "side": "sell", "code": "000660", "quantity": 500, "kind": "limit", "price": 90_000, "user_id": TRADER.id,
    "act": "revise", "parent": 1, "round": 2,
}  # fmt: skip
"""What a person approved: what it is changed into."""
REST = {
    "name": "SK하이닉스", "etf": 1, "unit": 1, "reserve_unit": 1, "fee": 0, "tax": 9, "cash_after": 1, "quote": 1,
    "quote_change": "9", "expires_at": "2999-01-01T00:00:00+09:00", "cautions": "[]", "notes": "[]", "warned": 1,
    "user_name": "남", "chat_id": TRADER.id, "created_at": "2026-01-01T00:00:00+09:00", "message": "x", "branch": "00000",
    "code_word": "x", "filled": 1, "cancelled": 1, "cancel": "asked", "link": "human", "attempt": 7, "version": 9,
    "state": "discarded", "fingerprint": "0" * 32, "order_no": "0000000001", "day": "2026-01-01", "checked": "same",
    "growths": 3, "moved_to": "0000000009", "claimed": 1, "sent_at": "2026-01-01T00:00:00+09:00",
    "filled_amount": 5, "sellable_after": 3, "was_quote": 2, "accepted_time": "090000", "quote_at": "2026-01-01T00:00:00+09:00",
    "finished_at": "2026-01-01T00:00:00+09:00",
}  # fmt: skip
"""The other columns of an order: what they are changed into."""


async def tickets(on, count):
    """So many tickets for the same order, each with a confirm button."""
    found = []
    for n in range(count):
        request = order(quantity=1, kind=OrderKind.MARKET, price=None).request
        made = await on.app.parts.desk.propose(request, ME, 900_000 + n)
        button = ButtonToken(f"token-{n}", TapAction.CONFIRM, ME.user_id, made.expires_at, made.terms())
        on.app.storage.journal.add_buttons(made.id, [button])
        found.append((made, button.token))
    return found


def change(on, order_id, column, value):
    on.app.storage.db.execute(f"UPDATE orders SET {column} = ? WHERE id = ?", [value, order_id])


def bodies(on):
    """What orders reached the broker, in its own words."""
    asked = [json.loads(one.body) for one in on.broker.requests if one.method == "POST" and "order-cash" in one.path]
    return [(one["PDNO"], one["ORD_QTY"], one["ORD_DVSN"], one["ORD_UNPR"]) for one in asked]


@asynccontextmanager
async def fast():
    """A broker that answers as fast as it is asked, and nobody who waits for messages at the end."""
    broker = Simulator(profile="real", seed=1, holdings=HOLDINGS, rate_limit=False, clock=virtual_time.now)
    async with stage(**FREE, broker=broker, kis_min_interval=0.0) as on:
        yield on
        on.app.storage.db.execute("DELETE FROM outbox WHERE state = 'pending'")


FREE = {"kisbot_orders_per_minute": 1_000, "kisbot_day_orders_user": 1_000, "kisbot_duplicate_minutes": 0}


async def test_no_column_of_an_order_can_be_changed_into_another_order():
    """Between ticket and tap every column is changed in turn; nothing but what was shown ever leaves."""
    async with fast() as on:
        columns = {row[1]: row[2] for row in on.app.storage.db.execute("PRAGMA table_info(orders)").fetchall()}
        rest = {name: REST.get(name, 1 if kind == "INTEGER" else "x") for name, kind in columns.items()}
        changes = {**{name: value for name, value in rest.items() if name not in {"id", "origin"}}, **TERMS}
        for (made, token), (column, value) in zip(await tickets(on, len(changes)), changes.items(), strict=True):
            change(on, made.id, column, value)
            pressed = None
            with suppress(Exception):  # a row that cannot even be read is no order; the chat says so
                pressed = on.app.parts.desk.press(token, ME)
                await on.app.parts.desk.carry_out(pressed)
            if column in TERMS:
                assert pressed.verdict is TapOutcome.GONE, column
                assert on.app.storage.journal.get(made.id).attempt == 0

        assert bodies(on), "columns that are none of the order's terms do not stop it"
        assert set(bodies(on)) == {("005930", "1", "01", "0")}
        assert side_paths(on) == {"buy"}
        assert len(bodies(on)) <= len(changes) - len(TERMS)


def side_paths(on):
    """Which way orders went, by the TR id that KIS tells buys and sells apart with."""
    ids = {one.headers["tr_id"] for one in on.broker.requests if one.method == "POST" and "order-cash" in one.path}
    return {"buy" if one.endswith(("0802U", "0012U")) else "sell" for one in ids}


async def test_terms_changed_together_with_their_button_are_stopped_by_the_fingerprint():
    async with fast() as on:
        stopped = {}
        for (made, token), (column, value) in zip(await tickets(on, len(TERMS)), TERMS.items(), strict=True):
            change(on, made.id, column, value)
            changed = on.app.storage.journal.get(made.id)
            on.app.storage.db.execute("UPDATE buttons SET terms = ? WHERE order_id = ?", [changed.terms(), made.id])
            await on.app.parts.desk.carry_out(on.app.parts.desk.press(token, ME))

            after = on.app.storage.journal.get(made.id)
            assert (after.state, after.attempt) == (OrderState.BLOCKED, 0), column
            stopped[column] = after.code_word
        assert posts(on) == 0
    assert {stopped[one] for one in ("side", "code", "quantity", "user_id")} <= {"FINGERPRINT", "SELLABLE"}, stopped
    assert stopped["quantity"] == "FINGERPRINT"


async def test_what_is_changed_between_tap_and_send_changes_nothing_that_is_sent():
    async with fast() as on:
        for (made, token), (column, value) in zip(await tickets(on, len(TERMS)), TERMS.items(), strict=True):
            pressed = on.app.parts.desk.press(token, ME)
            change(on, made.id, column, value)
            await on.app.parts.desk.carry_out(pressed)

        assert set(bodies(on)) == {("005930", "1", "01", "0")}
        assert side_paths(on) == {"buy"}


async def test_a_quorum_lowered_in_the_database_is_found_before_the_send():
    async with stage(**FAST, kisbot_approval_order="1=2") as on:
        on.app.storage.people.put(STRANGER.id, STRANGER.name, Role.ADMIN)
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인", TRADER.id)
        await on.telegram.tap(TRADER.id, ticket.message_id, "확인")
        asked = await on.telegram.wait(OWNER.id, "승인 0/2")
        on.app.storage.db.execute("UPDATE orders SET needed = 1, approvals = 1")
        await on.telegram.tap(OWNER.id, asked.message_id, "승인")
        await on.telegram.wait(TRADER.id, "보내지 않음")

        assert posts(on) == 0


# --- replays ----------------------------------------------------------------------------------------------------------


class Silent(BaseRequest):
    """A wire to Telegram that says yes to everything and goes nowhere: thousands of toasts need no server."""

    @property
    def read_timeout(self):
        return 1.0

    async def initialize(self):
        pass

    async def shutdown(self):
        pass

    async def do_request(self, url, method, request_data=None, **_):
        return 200, b'{"ok": true, "result": true}'


def callback(number, data, person, message_id=1):
    """A tap as Telegram sends it."""
    who = {"id": person, "is_bot": False, "first_name": "누구"}
    bearer = {
        "message_id": message_id,
        "date": int(virtual_time.now().timestamp()),
        "chat": {"id": person, "type": "private", "first_name": "누구"},
        "text": "주문표",
    }
    return {
        "update_id": number,
        "callback_query": {"id": str(number), "from": who, "chat_instance": "1", "data": data, "message": bearer},
    }


async def test_ten_thousand_old_taps_in_random_order_across_restarts_are_one_order(tmp_path):
    dice, clock = random.Random(11), Ahead()
    async with stage(**FAST, data_dir=tmp_path, clock=clock) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        dropped = await say(on, "/buy 000660 1 시장가", "매수 확인")
        theirs = await say(on, "/buy 035720 1 시장가", "매수 확인", TRADER.id)
        old = [(key.data, OWNER.id, one.message_id) for one in (ticket, dropped) for row in one.buttons for key in row]
        old += [(key.data, TRADER.id, theirs.message_id) for row in theirs.buttons for key in row]
        await press(on, ticket, "확인", "누적 1/1주")
        await press(on, dropped, "취소", "보내지 않음")
        clock.jump(seconds=600)
        on.app.parts.desk.expire()
    crossed = [
        (data, other, at) for data, person, at in old for other in (OWNER.id, TRADER.id, 1003) if other != person
    ]
    forged = [(f"t:{dice.getrandbits(128):032x}", OWNER.id, 1), ("t:", OWNER.id, 1), ("t:" + "A" * 62, TRADER.id, 1)]
    taps, number, effects = [*old, *crossed, *forged], 500_000, Counter()
    for _ in range(5):
        async with stage(**FAST, data_dir=tmp_path, clock=clock, broker=on.broker) as on:
            on.app.storage.db.execute("PRAGMA synchronous = OFF")
            on.app.parts.calls._bot = Bot(TOKEN, request=Silent(), get_updates_request=Silent())
            for _ in range(2_000):
                number += dice.choice((0, 1))  # redelivered, or new
                data, person, at = dice.choice(taps)
                update = Update.de_json(callback(number, data, person, at), on.app.parts.bot)
                await on.app.parts.router.handle(update)
                effects[data] += 1
            await on.app.parts.calls.drain()
            states = Counter(on.app.storage.journal.get(one).state for one in (1, 2, 3))

    assert sum(effects.values()) == 10_000
    assert posts(on) == 1
    assert states == {OrderState.FILLED: 1, OrderState.DISCARDED: 1, OrderState.EXPIRED: 1}
