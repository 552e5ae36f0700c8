"""What the bot remembers: one SQLite file. Plain synchronous functions; a durable write takes under a millisecond."""
