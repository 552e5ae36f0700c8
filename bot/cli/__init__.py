"""The command line, one module per command; each function imports what it needs when it is called."""
