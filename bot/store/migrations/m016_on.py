"""The schema's history since people are told more than what became of orders: preferences, reports, lists, sight."""

from sqlite_utils import Database

from bot.store.migrations.m001_m015 import MIGRATIONS


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
        {"at": str, "day": str, "lots": str, "seen": str},
        pk="at",
        not_null={"day", "lots", "seen"},
        strict=True,
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
