"""The schema, read top to bottom as its history: add a function, never change one that was released."""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

MIGRATIONS = Migrations("kisbot")


@MIGRATIONS()
def m001_people(db: Database) -> None:
    """Who may use the bot, by numeric Telegram id."""
    db.table("people").create(
        {"user_id": int, "name": str, "role": str, "added_at": str, "added_by": int},
        pk="user_id",
        not_null={"name", "role", "added_at"},
        strict=True,
    )


@MIGRATIONS()
def m002_audit(db: Database) -> None:
    """Who did what, when (KST): rows are only ever added."""
    db.table("audit").create(
        {"seq": int, "at": str, "user_id": int, "name": str, "action": str, "order_id": int, "detail": str},
        pk="seq",
        not_null={"at", "action", "detail"},
        strict=True,
    )
    db.table("audit").create_index(["order_id"])
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END"
        )


@MIGRATIONS()
def m003_inbox(db: Database) -> None:
    """Updates from Telegram, kept before they are confirmed; `done_at` is empty while one is still to be answered."""
    db.table("inbox").create(
        {"update_id": int, "body": str, "kept_at": str, "done_at": str},
        pk="update_id",
        not_null={"body", "kept_at"},
        strict=True,
    )
    db.execute("CREATE INDEX inbox_open ON inbox (update_id) WHERE done_at IS NULL")


@MIGRATIONS()
def m004_outbox(db: Database) -> None:
    """Messages to chats, written in the same transaction as what they tell."""
    db.table("outbox").create(
        {
            "id": int, "chat_id": int, "kind": str, "data": str, "order_id": int, "key": str, "urgency": int,
            "state": str, "tries": int, "message_id": int, "made_at": str, "done_at": str, "error": str,
        },
        pk="id",
        not_null={"chat_id", "kind", "data", "urgency", "state", "tries", "made_at"},
        strict=True,
    )  # fmt: skip
    db.table("outbox").create_index(["key"], unique=True)
    db.table("outbox").create_index(["order_id"])
    db.execute("CREATE INDEX outbox_open ON outbox (id) WHERE state IN ('pending', 'sending')")


@MIGRATIONS()
def m005_orders(db: Database) -> None:
    """Orders, their attempts at the wire, their buttons, and how far orders made elsewhere were seen to fill."""
    db.table("orders").create(
        {
            "id": int, "version": int, "state": str, "side": str, "code": str, "name": str, "etf": int,
            "quantity": int, "kind": str, "price": int, "user_id": int, "chat_id": int, "user_name": str,
            "origin": int, "created_at": str, "expires_at": str, "quote": int, "quote_at": str,
            "quote_change": str, "unit": int, "reserve_unit": int, "fee": int, "tax": int, "cash_after": int,
            "sellable_after": int, "was_quote": int, "attempt": int, "sent_at": str, "day": str, "order_no": str,
            "branch": str, "accepted_time": str, "link": str, "filled": int, "filled_amount": int,
            "cancelled": int, "cancel": str, "code_word": str, "message": str, "finished_at": str,
        },
        pk="id",
        not_null={"version", "state", "side", "code", "quantity", "user_id", "chat_id", "origin", "created_at"},
        strict=True,
    )  # fmt: skip
    db.table("orders").create_index(["origin"], unique=True)
    db.table("orders").create_index(["state"])
    db.execute("CREATE UNIQUE INDEX one_order_per_number ON orders (day, order_no, code, side) WHERE order_no != ''")
    db.table("attempts").create(
        {"order_id": int, "n": int, "started_at": str, "baseline": str},
        pk=("order_id", "n"),
        not_null={"started_at", "baseline"},
        foreign_keys=[("order_id", "orders", "id")],
        strict=True,
    )
    db.table("buttons").create(
        {
            "id": int, "digest": str, "order_id": int, "action": str, "user_id": int, "expires_at": str,
            "used_at": str,
        },
        pk="id",
        not_null={"digest", "order_id", "action", "user_id", "expires_at"},
        foreign_keys=[("order_id", "orders", "id")],
        strict=True,
    )  # fmt: skip
    db.table("buttons").create_index(["digest"], unique=True)
    db.table("external").create(
        {"day": str, "branch": str, "order_no": str, "filled": int},
        pk=("day", "branch", "order_no"),
        not_null={"filled"},
        strict=True,
    )


@MIGRATIONS()
def m006_identity(db: Database) -> None:
    """Whose orders these are: one row. The same order numbers mean other orders in another account."""
    db.table("identity").create(
        {"id": int, "mode": str, "account": str, "since": str},
        pk="id",
        not_null={"mode", "account", "since"},
        strict=True,
    )
