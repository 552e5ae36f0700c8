"""The loops that run as long as the bot does."""
