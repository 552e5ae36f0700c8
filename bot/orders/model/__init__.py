"""What an order is and what may happen to it: frozen values, one transition table, one pure `apply`."""
