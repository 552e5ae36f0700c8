"""kisbot: trade a KIS (한국투자증권) account from a Telegram chat."""

__version__ = "0.1.0"
