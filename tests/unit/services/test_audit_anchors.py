"""The head of the audit log goes out to the chats, once a day, where nobody on this machine can change it."""

import html
import sqlite3
from datetime import datetime, timedelta

import pytest

from bot.chat.handlers.order_history import history_pages
from bot.chat.i18n.frame import Frame
from bot.chat.messages.system import anchor_push, key_push
from bot.demo.formatting import parse_html
from bot.orders.access.notifications import Notifications
from bot.orders.model.order import OrderState
from bot.services.audit_anchors import AuditAnchors
from bot.store.audit.keys import DayKeys
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.order_history import OrderHistory
from bot.store.outbox import Outbox
from kis.krx import KST
from tests.support.members import FixedRoster
from tests.unit.orders.model.test_order import order

FRAMES = {lang: Frame(lang, "practice", "…56-01") for lang in ("ko", "en")}
START = datetime(2026, 11, 23, 10, 0, tzinfo=KST)


class Bench:
    """A log, an outbox and the anchors between them; time by hand."""

    def __init__(self, folder, *, now=START, chats=(1, 2)):
        self.now, self.chats = now, list(chats)
        self.db = open_database(folder / "kisbot.db")
        self.audit = AuditLog(self.db, lambda: self.now, DayKeys(folder))
        self.stories = OrderHistory(self.db, key_here=lambda: False)
        self.outbox = Outbox(self.db, lambda: self.now)
        self.anchors = AuditAnchors(
            self.audit, self.stories, Notifications(self.outbox, self), atomic=self.db.atomic, clock=lambda: self.now
        )

    def all(self):
        """The overseers now."""
        return FixedRoster(*self.chats).all()

    def posts(self, kind="anchor"):
        return list(self.db.execute("SELECT chat_id, data FROM outbox WHERE kind = ?", [kind]).fetchall())

    def close(self):
        self.db.close()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def test_a_day_head_goes_to_every_overseer_once_when_the_day_has_changed(bench):
    assert not bench.anchors.tick(), "the first day has not ended"
    bench.now += timedelta(hours=14)

    assert bench.anchors.tick()
    assert not bench.anchors.tick()

    assert [chat for chat, _ in bench.posts()] == [1, 2]
    posted = bench.stories.chain().last
    assert f'"seq": {posted.seq}' in bench.posts()[0][1]
    assert posted.head in bench.posts()[0][1]
    assert str(bench.audit.head()) == f"{posted.seq}:{posted.head}"


def test_a_bot_that_slept_through_midnight_posts_at_once_and_one_restarted_does_not_post_twice(bench, tmp_path):
    bench.now += timedelta(days=3)
    late = Bench(tmp_path, now=bench.now)
    assert late.anchors.tick()
    late.close()

    again = Bench(tmp_path, now=bench.now + timedelta(minutes=1))
    assert not again.anchors.tick()
    assert len(bench.posts()) == 2
    again.close()


def test_a_bot_restarted_every_evening_posts_all_the_same(bench, tmp_path):
    for _ in range(3):
        bench.now += timedelta(days=1)
        later = Bench(tmp_path, now=bench.now)
        later.audit.add("bot.started", run=1, unclean=False, restored=False)
        assert later.anchors.tick()
        later.close()
    assert len(bench.posts()) == 6


def test_a_head_that_nobody_could_keep_is_not_remembered_as_posted(bench):
    bench.chats.clear()
    bench.now += timedelta(days=1)

    assert not bench.anchors.tick()
    assert bench.stories.chain().last is None
    bench.chats.append(1)
    bench.now += timedelta(minutes=1)
    assert bench.anchors.tick()


def test_head_and_message_are_written_together_or_not_at_all(bench, monkeypatch):
    bench.now += timedelta(days=1)

    def full(*_, **__):
        raise sqlite3.OperationalError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(bench.outbox, "put", full)
        assert not bench.anchors.tick(), "a fault is logged and stops nothing"
    assert bench.stories.chain().last is None

    assert not bench.anchors.tick(), "not at once"
    bench.now += timedelta(minutes=1)
    assert bench.anchors.tick()
    assert len(bench.posts()) == 2


@pytest.mark.parametrize("loss", ["lost", "damaged", "restored"])
def test_a_chain_that_had_to_begin_again_is_told_to_the_overseers_once(tmp_path, loss):
    first = Bench(tmp_path)
    assert not first.anchors.tell_of_new_key(), "the very first key is no news"
    first.audit.add("command", text="x")
    first.now += timedelta(days=1)
    first.audit.new_day()
    first.anchors.tick()
    head = first.stories.chain().last
    key = DayKeys(tmp_path).path
    if loss == "lost":
        key.unlink()
    elif loss == "damaged":
        key.write_text("{}")
    else:
        for (name,) in first.db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            first.db.execute(f"DROP TRIGGER {name}")
        first.db.execute("DELETE FROM audit WHERE seq > 1")
    first.close()

    again = Bench(tmp_path, now=START + timedelta(days=1, minutes=1))
    assert again.audit.begun == loss
    assert again.anchors.tell_of_new_key()
    assert again.anchors.tell_of_new_key()

    assert [chat for chat, _ in again.posts("audit_key")] == [1, 2]
    assert f"{head.seq}:{head.head}" in again.posts("audit_key")[0][1]
    again.close()


def test_a_story_names_the_posted_head_that_fixes_it(bench):
    made = order(OrderState.FILLED, id=3)
    bench.audit.add("order.proposed", order_id=3)
    bench.now += timedelta(days=1)
    bench.anchors.tick()
    posted = bench.stories.chain().last

    pages = history_pages(bench.stories.of(made), FRAMES["ko"])

    assert f"{posted.seq}:{posted.head}" in html.unescape(pages[0])
    assert "게시" in pages[0]


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_the_messages_with_heads_are_short_and_say_what_to_do(lang):
    said = parse_html(anchor_push({"seq": 1234, "head": "ab12cd34ef56ab78"}, FRAMES[lang]).text).text
    assert "#1234:ab12cd34ef56ab78" in said
    assert len(said) < 60
    for whys in ("lost", "damaged", "restored", "<b>"):
        told = parse_html(key_push({"why": whys, "posted": "12:ab12cd34ef56ab78"}, FRAMES[lang]).text).text
        assert "kisbot audit key" in told
        assert "--head 12:ab12cd34ef56ab78" in told
