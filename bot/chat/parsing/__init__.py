"""What people type, as values."""
