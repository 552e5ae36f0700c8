"""Alerts on prices, volumes and holdings: what one is and when it fires. Pure: no Telegram, no SQL, no HTTP."""
