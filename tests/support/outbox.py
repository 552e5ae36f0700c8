"""How a test works an outbox by hand: time, an empty database, fills, and what becomes of them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlite_utils import Database

from bot.services.delivery_policy import DeliveryPolicy
from bot.store.audit.log import AuditLog
from bot.store.outbox import Outbox, OutboxMessage
from bot.store.preferences import PreferenceStore
from kis.krx import KST
from tests.support.databases import memory_database

OWNER, TRADER = 5, 7


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 10, 0, tzinfo=KST)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


def empty_database() -> Database:
    """In memory, with one owner and one trader."""
    opened = memory_database()
    for person, role in ((OWNER, "owner"), (TRADER, "trader")):
        opened.execute(
            "INSERT INTO people (user_id, name, role, added_at) VALUES (?, '', ?, '2026-11-01')", [person, role]
        )
    return opened


def delivery_policy(db: Database, clock: Callable[[], datetime]) -> DeliveryPolicy:
    """By the preferences in this database."""
    return DeliveryPolicy(PreferenceStore(db, AuditLog(db, clock), clock), clock)


def fill(box: Outbox, number: int, order: int = 1, chat: int = TRADER) -> None:
    data = {"order": order, "filled": number, "amount": number * 100, "step": 1, "step_amount": 100}
    box.put("fill", chat, data, f"fill:{order}:{number}:{chat}")


def waiting(box: Outbox, chats_busy: Sequence[int] = ()) -> list[OutboxMessage]:
    """The next message of every chat that is not busy."""
    return [message for chat_id in box.ready(chats_busy) if (message := box.next(chat_id)) is not None]


def doubted(box: Outbox, chat: int = TRADER) -> None:
    """Send what is next and never learn whether it arrived."""
    letter = box.next(chat)
    box.sending(letter)
    box.doubt(letter)


def delivered(box: Outbox, chat: int = TRADER, message_id: int = 9) -> list[int]:
    """Send what is next; the rows that this settled."""
    letter = box.next(chat)
    box.sending(letter)
    box.sent(letter, message_id)
    return letter.rows


def states(db: Database, kind: str = "fill") -> list[str]:
    return [state for (state,) in db.execute("SELECT state FROM outbox WHERE kind = ? ORDER BY id", [kind])]
