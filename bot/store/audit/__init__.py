"""The audit log: a chain of rows, its keys, its verification and its export."""
