"""What the broker's order list says of our orders."""
