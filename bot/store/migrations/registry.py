"""The schema as its history, step by step in order. A new step goes to the end; one that was released never changes.

A step that a database has had is not run again, whatever stands before it. `schema.sql` beside this file is what all
of them come to.
"""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from bot.store.audit import chain

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
    db.table("brakes").create(
        {"seq": int, "at": str, "level": int, "why": str, "user_id": int, "name": str},
        pk="seq",
        not_null={"at", "level", "why", "user_id", "name"},
        strict=True,
    )
    db.table("runs").create(
        {"id": int, "started_at": str, "stopped_at": str, "version": str},
        pk="id",
        not_null={"started_at", "version"},
        strict=True,
    )


@MIGRATIONS()
def m008_outbox(db: Database) -> None:
    """Doubts are counted, the same trouble is counted, a letter may have to wait, and a chat may refuse us."""
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
    db.table("stopped_chats").create(
        {"chat_id": int, "since": str, "retry_at": str, "why": str},
        pk="chat_id",
        not_null={"since", "retry_at", "why"},
        strict=True,
    )


@MIGRATIONS()
def m009_audit_chain(db: Database) -> None:
    """Audit rows are chained, heads that were posted are remembered, and what was written until now is sealed.

    The columns of an audit row are what its mac covers: no later migration may change one.
    """
    for column in ("key_day TEXT", "mac TEXT"):
        db.execute(f"ALTER TABLE audit ADD COLUMN {column}")
    db.execute("CREATE INDEX audit_user ON audit (user_id, seq)")
    db.table("audit_anchors").create(
        {"seq": int, "head": str, "at": str}, pk="seq", not_null={"head", "at"}, strict=True
    )
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER audit_anchors_no_{verb.lower()} BEFORE {verb} ON audit_anchors "
            "BEGIN SELECT RAISE(ABORT, 'audit anchors are only ever added'); END"
        )
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
        db.execute(f"INSERT INTO audit ({chain.COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", list(seal))  # noqa: S608  # names of our own fields
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
    db.table("invites").create(
        {
            "id": int, "digest": str, "role": str, "name": str, "made_by": int, "made_at": str, "expires_at": str,
            "used_at": str, "used_by": int,
        },
        pk="id",
        not_null={"digest", "role", "name", "made_at", "expires_at"},
        strict=True,
    )  # fmt: skip
    db.table("invites").create_index(["digest"], unique=True)
    db.table("join_requests").create(
        {"id": int, "user_id": int, "name": str, "at": str, "state": str, "decided_by": int, "decided_at": str},
        pk="id",
        not_null={"user_id", "name", "at", "state"},
        strict=True,
    )
    db.table("people_buttons").create(
        {
            "id": int, "digest": str, "act": str, "subject": int, "version": int, "request": int, "user_id": int,
            "expires_at": str, "used_at": str,
        },
        pk="id",
        not_null={"digest", "act", "subject", "version", "user_id", "expires_at"},
        strict=True,
    )  # fmt: skip
    db.table("people_buttons").create_index(["digest"], unique=True)


@MIGRATIONS()
def m011_stepup(db: Database) -> None:
    """The second factors, encrypted under a key that is not in here, and what each person made of them so far."""
    db.table("second_factors").create(
        {"user_id": int, "kind": str, "sealed": str, "made_at": str, "made_by": int},
        pk="user_id",
        not_null={"kind", "sealed", "made_at"},
        strict=True,
    )
    db.table("stepup_people").create(
        {"user_id": int, "wrong": int, "rounds": int, "locked_until": str, "barred": int, "active_at": str},
        pk="user_id",
        not_null={"wrong", "rounds", "barred"},
        strict=True,
    )
    db.table("stepup_codes").create({"user_id": int, "step": int}, pk=("user_id", "step"), strict=True)


@MIGRATIONS()
def m012_limits(db: Database) -> None:
    """Limits that differ from the settings, each from a day on; person 0 is the account. Rows are only ever added."""
    db.table("limits").create(
        {
            "id": int, "user_id": int, "item": str, "value": str, "from_day": str, "set_at": str, "set_by": int,
            "set_by_name": str,
        },
        pk="id",
        not_null={"user_id", "item", "from_day", "set_at", "set_by_name"},
        strict=True,
    )  # fmt: skip
    db.table("limits").create_index(["user_id"])
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER limits_no_{verb.lower()} BEFORE {verb} ON limits "
            "BEGIN SELECT RAISE(ABORT, 'limits are only ever added'); END"
        )


@MIGRATIONS()
def m013_approvals(db: Database) -> None:
    """Who agreed to an order, round by round; and what those who must agree are shown."""
    columns = {
        "round": (int, 1), "needed": (int, 0), "approvals": (int, 0), "approvers": (str, ""), "asked": (str, ""),
        "asked_at": (str, None), "held_after": (int, None), "day_after": (int, None), "rejected": (int, 0),
    }  # fmt: skip
    for name, (kind, default) in columns.items():
        db.table("orders").add_column(name, kind, not_null_default=default)
    db.table("votes").create(
        {"order_id": int, "round": int, "user_id": int, "name": str, "approve": int, "at": str},
        pk=("order_id", "round", "user_id"),
        not_null={"name", "approve", "at"},
        foreign_keys=[("order_id", "orders", "id")],
        strict=True,
    )


@MIGRATIONS()
def m014_days(db: Database) -> None:
    """What the account was worth when each day began, and where the broker says our orders are entered."""
    db.table("channels").create({"name": str, "at": str}, pk="name", not_null={"at"}, strict=True)
    db.table("days").create({"day": str, "worth": int}, pk="day", not_null={"worth"}, strict=True)


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
    db.table("alert_looks").create(
        {"code": str, "price": int, "volume": int, "at": str}, pk="code", not_null={"at"}, strict=True
    )


@MIGRATIONS()
def m016_preferences(db: Database) -> None:
    """What each person wants to hear, when, and in which language; who has no row wants everything."""
    db.table("preferences").create(
        {"user_id": int, "lang": str, "rings": str, "quiet": str, "roundup": int, "changed_at": str},
        pk="user_id",
        not_null={"rings", "roundup", "changed_at"},
        strict=True,
    )


@MIGRATIONS()
def m017_cost_base(db: Database) -> None:
    """What was held when, from which profit is worked out where the broker tells none; and the closings reported."""
    db.table("cost_base").create(
        {"at": str, "day": str, "lots": str, "seen": str}, pk="at", not_null={"day", "lots", "seen"}, strict=True
    )
    db.table("closings").create(
        {"moment": str, "day": str, "report": str, "told_at": str, "after_at": str},
        pk="moment",
        not_null={"day", "report", "told_at"},
        strict=True,
    )


@MIGRATIONS()
def m018_watch(db: Database) -> None:
    """Everybody's watch list, and the one message that shows it: the letter or the message, and until when it lives."""
    db.table("watch_list").create(
        {"id": int, "user_id": int, "code": str, "name": str},
        pk="id",
        not_null={"user_id", "code", "name"},
        strict=True,
    )
    db.table("watch_list").create_index(["user_id", "code"], unique=True)
    db.table("watch_messages").create(
        {"user_id": int, "letter": str, "message_id": int, "live_until": str, "editing": int},
        pk="user_id",
        not_null={"editing"},
        strict=True,
    )


@MIGRATIONS()
def m019_sight(db: Database) -> None:
    """When the broker's list was last seen, which days' lists were, and what each day's fill notices came to."""
    db.table("sight").create(
        {"id": int, "at": str, "letters": int, "open": str, "unread": int},
        pk="id",
        not_null={"at", "letters", "open", "unread"},
        strict=True,
    )
    db.table("list_days").create({"day": str, "over": int}, pk="day", not_null={"over"}, strict=True)
    db.table("heard_days").create({"day": str, "figures": str}, pk="day", not_null={"figures"}, strict=True)
