"""Settings, the limits of the house, and how the log is written."""
