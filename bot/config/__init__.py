"""Settings, risk settings, and the set-up of the log."""
