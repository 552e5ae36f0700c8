"""Where a real Chromium is, and how it is started so that it keeps to itself."""

import os
import shutil

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def need_chromium() -> None:
    """Skip the whole module, with a reason, where there is no browser."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (CHROMIUM=/path/to/it)", allow_module_level=True)
