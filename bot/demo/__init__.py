"""A local Telegram, so that the bot can be seen and tested with no account anywhere."""
