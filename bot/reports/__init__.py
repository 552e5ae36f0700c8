"""What a day, a week or a month of trading came to; no chat, no SQL, no HTTP."""
