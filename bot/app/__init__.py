"""Builds the bot from its settings and keeps it running."""
