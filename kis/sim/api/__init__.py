"""The REST calls of the simulated broker, one module per family."""
