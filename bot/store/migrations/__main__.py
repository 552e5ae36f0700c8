"""Write `schema.sql` anew: `python -m bot.store.migrations`."""

from bot.store.migrations.schema import SCHEMA_FILE, current_schema

SCHEMA_FILE.write_text(current_schema(), encoding="utf-8")
