"""The data directory: one process at a time, and one account for ever."""

from datetime import datetime
from pathlib import Path

import pytest

from bot.app.storage import AlreadyRunning, Storage
from bot.config.settings import GivenSettings
from bot.store.private_files import BadDatabase

ACCOUNT, OTHER = "*****678-01", "*****999-01"


def storage(folder: Path, account: str = ACCOUNT) -> Storage:
    settings = GivenSettings(
        telegram_bot_token="1:" + "A" * 35,
        kis_app_key="k" * 36,
        kis_app_secret="s" * 180,
        kis_account="12345678-01",
        kisbot_owner_id="1001",
        kisbot_data_dir=folder,
    )
    return Storage(settings, account=account, clock=lambda: datetime.fromisoformat("2026-11-23T09:05:00+09:00"))


def test_a_second_process_is_turned_away_until_the_first_has_closed(tmp_path):
    first = storage(tmp_path)
    with pytest.raises(AlreadyRunning):
        storage(tmp_path)
    first.close()
    storage(tmp_path).close()


@pytest.mark.parametrize("spoil", ["account", "file"])
def test_a_start_that_fails_gives_the_data_directory_back(tmp_path, spoil):
    """Whoever mends what was wrong can start at once, in the same process too."""
    storage(tmp_path).close()
    (database,) = tmp_path.glob("*.db")
    whole = database.read_bytes()
    if spoil == "file":
        database.write_bytes(b"no database at all" * 100)
    with pytest.raises(BadDatabase):
        storage(tmp_path, OTHER if spoil == "account" else ACCOUNT)
    database.write_bytes(whole)
    storage(tmp_path).close()
