"""Faults that are injected on purpose, and what becomes of an answer under one."""
