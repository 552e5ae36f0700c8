"""The order desk: tickets, taps, pre-trade data and sending."""
