"""The schema as its history, step by step in order. A new step goes to the end; one that was released never changes.

A step that a database has had is not run again, whatever stands before it. `schema.sql` beside this file is what all
of them come to.
"""

from sqlite_utils import Database
from sqlite_utils.db import Table
from sqlite_utils.migrations import Migrations

from bot.store.audit import chain

MIGRATIONS = Migrations("kisbot")


def _create(db: Database, table: str, columns: str, *, key: int = 1, of_order: bool = False) -> Table:
    """Create a table that insists on its columns' types.

    `columns`: names and types, with `!` for what is never empty; the first `key` of them are the primary key.
    `of_order`: its `order_id` is that of a row of `orders`.
    """
    types = dict(one.split() for one in columns.split(", "))
    return db.table(table).create(
        {name: kind.removesuffix("!") for name, kind in types.items()},
        pk=tuple(types)[:key] if key > 1 else next(iter(types)),
        not_null=[name for name, kind in types.items() if kind.endswith("!")],
        foreign_keys=[("order_id", "orders", "id")] if of_order else [],
        strict=True,
    )


def _only_add(db: Database, table: str, rows: str) -> None:
    """Refuse to change or delete a row of this table."""
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{rows} are only ever added'); END"
        )


@MIGRATIONS()
def m001_people(db: Database) -> None:
    """Who may use the bot, by numeric Telegram id."""
    _create(db, "people", "user_id int, name text!, role text!, added_at text!, added_by int")


@MIGRATIONS()
def m002_audit(db: Database) -> None:
    """Who did what, when (KST): rows are only ever added."""
    _create(db, "audit", "seq int, at text!, user_id int, name text, action text!, order_id int, detail text!")
    db.table("audit").create_index(["order_id"])
    _only_add(db, "audit", "audit rows")


@MIGRATIONS()
def m003_inbox(db: Database) -> None:
    """Updates from Telegram, kept before they are confirmed; `done_at` is empty while one is still to be answered."""
    _create(db, "inbox", "update_id int, body text!, kept_at text!, done_at text")
    db.execute("CREATE INDEX inbox_open ON inbox (update_id) WHERE done_at IS NULL")


@MIGRATIONS()
def m004_outbox(db: Database) -> None:
    """Messages to chats, written in the same transaction as what they tell."""
    _create(
        db,
        "outbox",
        "id int, chat_id int!, kind text!, data text!, order_id int, key text, urgency int!, state text!, "
        "tries int!, message_id int, made_at text!, done_at text, error text",
    )
    db.table("outbox").create_index(["key"], unique=True)
    db.table("outbox").create_index(["order_id"])
    db.execute("CREATE INDEX outbox_open ON outbox (id) WHERE state IN ('pending', 'sending')")


@MIGRATIONS()
def m005_orders(db: Database) -> None:
    """Orders, their attempts at sending, their buttons, and how far orders made elsewhere were seen to fill."""
    _create(
        db,
        "orders",
        "id int, version int!, state text!, side text!, code text!, name text, etf int, quantity int!, kind text, "
        "price int, user_id int!, chat_id int!, user_name text, origin int!, created_at text!, expires_at text, "
        "quote int, quote_at text, quote_change text, unit int, reserve_unit int, fee int, tax int, cash_after int, "
        "sellable_after int, was_quote int, attempt int, sent_at text, day text, order_no text, branch text, "
        "accepted_time text, link text, filled int, filled_amount int, cancelled int, cancel text, code_word text, "
        "message text, finished_at text",
    )
    db.table("orders").create_index(["origin"], unique=True)
    db.table("orders").create_index(["state"])
    db.execute("CREATE UNIQUE INDEX one_order_per_number ON orders (day, order_no, code, side) WHERE order_no != ''")
    _create(db, "attempts", "order_id int, n int, started_at text!, baseline text!", key=2, of_order=True)
    _create(
        db,
        "buttons",
        "id int, digest text!, order_id int!, action text!, user_id int!, expires_at text!, used_at text",
        of_order=True,
    )
    db.table("buttons").create_index(["digest"], unique=True)
    _create(db, "external", "day text, branch text, order_no text, filled int!", key=3)


@MIGRATIONS()
def m006_identity(db: Database) -> None:
    """Whose orders these are: one row. The same order numbers mean other orders in another account."""
    _create(db, "identity", "id int, mode text!, account text!, since text!")


@MIGRATIONS()
def m007_desk(db: Database) -> None:
    """What a desk that halts, revises and sends again has to remember: brakes, runs, and more of every attempt."""
    columns = {
        "cautions": (str, ""), "notes": (str, ""), "warned": (int, 0), "act": (str, "new"), "parent": (int, None),
        "fingerprint": (str, ""), "checked": (str, "none"), "growths": (int, 0), "moved_to": (str, ""),
        "claimed": (int, 0),
    }  # fmt: skip
    for name, (kind, default) in columns.items():
        db.table("orders").add_column(name, kind, not_null_default=default)
    db.execute("CREATE INDEX orders_of_day ON orders (day) WHERE attempt > 0")
    columns = {
        "first_at": (str, None), "offset": (float, 0), "means": (int, None), "endpoint": (str, ""), "body": (str, ""),
        "digest": (str, ""), "run": (int, 0), "outcome": (str, None), "status": (int, None), "code": (str, None),
        "answer": (str, None), "sent": (int, None), "seconds": (float, None), "answered_at": (str, None),
    }  # fmt: skip
    for name, (kind, default) in columns.items():
        db.table("attempts").add_column(name, kind, not_null_default=default)
    db.table("buttons").transform(not_null={"order_id": False})
    db.table("buttons").add_column("terms", str, not_null_default="")
    _create(db, "brakes", "seq int, at text!, level int!, why text!, user_id int!, name text!")
    _create(db, "runs", "id int, started_at text!, stopped_at text, version text!")


@MIGRATIONS()
def m008_outbox(db: Database) -> None:
    """Doubts are counted, the same trouble is counted, a message may have to wait, and a chat may refuse us."""
    for column in (
        "doubts INTEGER NOT NULL DEFAULT 0",
        "repeats INTEGER NOT NULL DEFAULT 1",
        "last_at TEXT",
        "not_before TEXT",
    ):
        db.execute(f"ALTER TABLE outbox ADD COLUMN {column}")
    db.execute("UPDATE outbox SET doubts = 1 WHERE error = 'unsure'")
    db.execute("CREATE INDEX outbox_chat ON outbox (chat_id, id) WHERE state = 'pending'")
    db.execute("CREATE INDEX outbox_given_up ON outbox (chat_id, id) WHERE state = 'given_up'")
    db.execute("CREATE INDEX outbox_trouble ON outbox (chat_id, done_at) WHERE kind = 'trouble'")
    _create(db, "stopped_chats", "chat_id int, since text!, retry_at text!, why text!")


@MIGRATIONS()
def m009_audit_chain(db: Database) -> None:
    """Audit rows are chained, heads that were posted are remembered, and what was written until now is sealed.

    The columns of an audit row are what its mac covers: no later migration may change one.
    """
    for column in ("key_day TEXT", "mac TEXT"):
        db.execute(f"ALTER TABLE audit ADD COLUMN {column}")
    db.execute("CREATE INDEX audit_user ON audit (user_id, seq)")
    _create(db, "audit_anchors", "seq int, head text!, at text!")
    _only_add(db, "audit_anchors", "audit anchors")
    # INSERT OR REPLACE deletes without asking a DELETE trigger, unless recursive triggers are on.
    for table, unless in (
        ("audit", "NEW.mac IS NULL OR EXISTS (SELECT 1 FROM audit WHERE seq >= NEW.seq)"),
        ("audit_anchors", "EXISTS (SELECT 1 FROM audit_anchors WHERE seq = NEW.seq)"),
    ):
        db.execute(
            f"CREATE TRIGGER {table}_at_the_end BEFORE INSERT ON {table} WHEN {unless} "
            f"BEGIN SELECT RAISE(ABORT, '{table} grows only at its end'); END"
        )
    rows = db.execute("SELECT seq, at, user_id, name, action, order_id, detail FROM audit ORDER BY seq")
    (now,) = db.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f+09:00', 'now', '+9 hours')").fetchone()
    seal = chain.sealing_row((chain.AuditRow(*row) for row in rows), now)
    if seal is not None:
        db.table("audit").insert(seal._asdict())
    db.execute(
        "CREATE VIEW audit_readable AS SELECT seq, datetime(at, '+9 hours') AS at_kst, "
        "coalesce(nullif(name, ''), user_id, '') AS person, user_id, action, order_id, detail FROM audit"
    )
    db.execute(
        "CREATE VIEW orders_readable AS SELECT id AS order_id, datetime(created_at, '+9 hours') AS created_kst, "
        "coalesce(nullif(user_name, ''), user_id) AS person, user_id, side, code, name AS stock, quantity, "
        "kind, price AS limit_price, state, filled, "
        "CASE WHEN filled > 0 THEN round(1.0 * filled_amount / filled, 2) END AS average_price, "
        "filled_amount, cancelled, day, order_no, code_word AS reason, message AS broker_message, "
        "datetime(sent_at, '+9 hours') AS sent_kst, datetime(finished_at, '+9 hours') AS finished_kst FROM orders"
    )


@MIGRATIONS()
def m010_people(db: Database) -> None:
    """People are suspended or removed and stay on record; invitations, requests to join, and buttons about people."""
    for column in (
        "status TEXT NOT NULL DEFAULT 'active'",
        "version INTEGER NOT NULL DEFAULT 1",
        "changed_at TEXT",
        "seen_at TEXT",
    ):
        db.execute(f"ALTER TABLE people ADD COLUMN {column}")
    _create(
        db,
        "invites",
        "id int, digest text!, role text!, name text!, made_by int, made_at text!, expires_at text!, used_at text, "
        "used_by int",
    )
    db.table("invites").create_index(["digest"], unique=True)
    _create(
        db, "join_requests", "id int, user_id int!, name text!, at text!, state text!, decided_by int, decided_at text"
    )
    _create(
        db,
        "people_buttons",
        "id int, digest text!, act text!, subject int!, version int!, request int, user_id int!, expires_at text!, "
        "used_at text",
    )
    db.table("people_buttons").create_index(["digest"], unique=True)


@MIGRATIONS()
def m011_stepup(db: Database) -> None:
    """The second factors, encrypted under a key that is not in here, and what each person made of them so far."""
    _create(db, "second_factors", "user_id int, kind text!, sealed text!, made_at text!, made_by int")
    _create(db, "stepup_people", "user_id int, wrong int!, rounds int!, locked_until text, barred int!, active_at text")
    _create(db, "stepup_codes", "user_id int, step int", key=2)


@MIGRATIONS()
def m012_limits(db: Database) -> None:
    """Limits that differ from the settings, each from a day on; person 0 is the account. Rows are only ever added."""
    _create(
        db,
        "limits",
        "id int, user_id int!, item text!, value text, from_day text!, set_at text!, set_by int, set_by_name text!",
    )
    db.table("limits").create_index(["user_id"])
    _only_add(db, "limits", "limits")


@MIGRATIONS()
def m013_approvals(db: Database) -> None:
    """Who agreed to an order, round by round; and what those who must agree are shown."""
    columns = {
        "round": (int, 1), "needed": (int, 0), "approvals": (int, 0), "approvers": (str, ""), "asked": (str, ""),
        "asked_at": (str, None), "held_after": (int, None), "day_after": (int, None), "rejected": (int, 0),
    }  # fmt: skip
    for name, (kind, default) in columns.items():
        db.table("orders").add_column(name, kind, not_null_default=default)
    _create(
        db, "votes", "order_id int, round int, user_id int, name text!, approve int!, at text!", key=3, of_order=True
    )


@MIGRATIONS()
def m014_days(db: Database) -> None:
    """What the account was worth when each day began, and where the broker says our orders are entered."""
    _create(db, "channels", "name text, at text!")
    _create(db, "days", "day text, worth int!")


@MIGRATIONS()
def m015_alerts(db: Database) -> None:
    """What people want to be told about prices, and what was last seen of each stock.

    AUTOINCREMENT: a number is never given twice, for the outbox knows crossings by it.
    """
    db.execute(
        "CREATE TABLE alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL, "
        "chat_id INTEGER NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, op TEXT NOT NULL, "
        "line INTEGER NOT NULL, again TEXT NOT NULL, made_at TEXT NOT NULL, expires_at TEXT NOT NULL, "
        "state TEXT NOT NULL, crossings INTEGER NOT NULL, percent TEXT, factor TEXT, start INTEGER NOT NULL, "
        "day TEXT, etf INTEGER NOT NULL, parent INTEGER REFERENCES alerts (id) ON DELETE CASCADE, "
        "asked INTEGER UNIQUE, ended_at TEXT) STRICT"
    )
    db.table("alerts").create_index(["user_id"])
    db.table("alerts").create_index(["parent", "code", "kind", "op"], unique=True)
    _create(db, "alert_looks", "code text, price int, volume int, at text!")


@MIGRATIONS()
def m016_preferences(db: Database) -> None:
    """What each person wants to hear, when, and in which language; who has no row wants everything."""
    _create(db, "preferences", "user_id int, lang text, rings text!, quiet text, roundup int!, changed_at text!")


@MIGRATIONS()
def m017_cost_base(db: Database) -> None:
    """What was held when, from which profit is worked out where the broker tells none; and the closings reported."""
    _create(db, "cost_base", "at text, day text!, lots text!, seen text!")
    _create(db, "closings", "moment text, day text!, report text!, told_at text!, after_at text")


@MIGRATIONS()
def m018_watch(db: Database) -> None:
    """Everybody's watch list, and the one message that shows it: its outbox row or its id, and until when it lives."""
    _create(db, "watch_list", "id int, user_id int!, code text!, name text!")
    db.table("watch_list").create_index(["user_id", "code"], unique=True)
    _create(db, "watch_messages", "user_id int, letter text, message_id int, live_until text, editing int!")


@MIGRATIONS()
def m019_sight(db: Database) -> None:
    """When the broker's list was last seen, which days' lists were, and what each day's fill notices came to."""
    _create(db, "sight", "id int, at text!, letters int!, open text!, unread int!")
    _create(db, "list_days", "day text, over int!")
    _create(db, "heard_days", "day text, figures text!")
