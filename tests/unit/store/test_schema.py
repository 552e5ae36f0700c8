"""The schema as written in `schema.sql` is what the migrations make, of a new database and of an old one."""

import re

from bot.store.database import open_database
from bot.store.migrations.registry import MIGRATIONS
from tests.support.old_database import laid_out
from tests.support.outbox import empty_database
from tests.support.schema import SCHEMA_FILE, current_schema, schema_of

WRITE_ANEW = "if the change is meant: python -m tests.support.schema"


def test_the_file_shows_what_the_migrations_make():
    assert current_schema() == SCHEMA_FILE.read_text(encoding="utf-8"), WRITE_ANEW


def test_a_database_of_before_has_the_same_schema_once_it_is_opened(tmp_path):
    home = laid_out(tmp_path / "home")
    db = open_database(home / "kisbot.db")
    try:
        assert schema_of(db) == SCHEMA_FILE.read_text(encoding="utf-8")
    finally:
        db.close()


def test_the_steps_stand_in_the_order_of_their_numbers():
    db = empty_database()
    applied = [one.name for one in MIGRATIONS.applied(db)]
    numbers = [int(re.match(r"m(\d{3})_", name)[1]) for name in applied]
    assert numbers == list(range(1, len(numbers) + 1))
