"""What may keep an order back: checks, limits, the trading halt and the circuit breaker."""
