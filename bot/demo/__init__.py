"""A local Telegram: the Bot API over HTTP and a chat page, for the demo and the tests, without any account."""
