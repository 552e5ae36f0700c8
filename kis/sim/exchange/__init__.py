"""The simulated exchange: issues, prices, books, matching, the account; no HTTP."""
