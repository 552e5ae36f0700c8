"""Parsing of what people type. What could mean two things is an error, never a guess."""
