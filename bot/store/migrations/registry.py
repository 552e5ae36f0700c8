"""The schema, as its history: a new step goes to the end of the newest chapter, and none that was released changes.

The chapters are read in their order, for a step may stand on any before it.
"""

from bot.store.migrations import m016_on as schema_news
from bot.store.migrations.m001_m015 import MIGRATIONS

__all__ = ["CHAPTERS", "MIGRATIONS"]

CHAPTERS = (schema_news,)
"""Those after the first."""
