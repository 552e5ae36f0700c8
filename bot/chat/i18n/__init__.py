"""The languages: whose counts, the sentences, and how figures and dates are written."""
