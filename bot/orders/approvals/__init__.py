"""When other people must agree to an order, and how they are asked."""
