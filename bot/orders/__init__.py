"""The domain: what an order is and what may become of it. No Telegram, no SQL, no HTTP."""
