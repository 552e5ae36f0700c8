"""Files that only their owner may read: the database and the keys beside it."""

import stat

PRIVATE = stat.S_IRUSR | stat.S_IWUSR


class BadDatabase(Exception):
    """The file cannot be trusted with orders; the text says why, Korean first."""
