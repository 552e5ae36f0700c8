"""The schema of a database, as text to read and to compare. `python -m tests.support.schema` writes `schema.sql` anew."""

from pathlib import Path

from sqlite_utils import Database

from bot.store.migrations import registry
from bot.store.migrations.registry import MIGRATIONS

SCHEMA_FILE = Path(registry.__file__).with_name("schema.sql")


def schema_of(db: Database) -> str:
    """Tables with their indexes and triggers, then views, each by name; without what SQLite and the migrations keep."""
    rows = db.query(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name != '_sqlite_migrations' "
        "AND name NOT LIKE 'sqlite_%' ORDER BY type = 'view', tbl_name, type != 'table', type, name"
    )
    return "\n\n".join(f"{row['sql']};" for row in rows) + "\n"


def current_schema() -> str:
    """That of a new database."""
    db = Database(memory=True, execute_plugins=False)
    try:
        MIGRATIONS.apply(db)
        return schema_of(db)
    finally:
        db.close()


if __name__ == "__main__":
    SCHEMA_FILE.write_text(current_schema(), encoding="utf-8")
