"""The simulated real-time stream."""
