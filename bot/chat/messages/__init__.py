"""What the bot writes: order cards, notices and reports."""
