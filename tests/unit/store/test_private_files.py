"""A database that others could read or exchange is refused with one sentence, which names the path and what mends it."""

import os
import shlex
import subprocess
from contextlib import closing

import pytest

from bot.store.database import open_database
from bot.store.private_files import BadDatabase, database_fault, sharing_fault
from tests.support.old_database import laid_out

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


def refused(path):
    """The sentence, and the command that it names."""
    with pytest.raises(BadDatabase) as caught:
        open_database(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith((str(path), str(path.parent)))
    return sentence.rpartition(": ")[2]


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o770, 0o750, 0o701, 0o702])
def test_a_data_directory_that_is_open_to_others_is_refused_until_the_named_command_was_run(tmp_path, mode):
    home = laid_out(tmp_path / "a home")
    home.chmod(mode)

    command = refused(home / "kisbot.db")

    assert command == f"chmod 700 '{home}'"
    subprocess.run(shlex.split(command), check=True)
    open_database(home / "kisbot.db").close()


def test_a_database_that_is_a_symbolic_link_is_refused_until_the_file_itself_is_there(tmp_path):
    home, elsewhere = laid_out(tmp_path / "home"), tmp_path / "elsewhere.db"
    (home / "kisbot.db").rename(elsewhere)
    (home / "kisbot.db").symlink_to(elsewhere)
    before = elsewhere.read_bytes()

    command = refused(home / "kisbot.db")

    assert command == f"mv {elsewhere} {home / 'kisbot.db'}"
    assert elsewhere.read_bytes() == before
    subprocess.run(command.split(), check=True)
    with closing(open_database(home / "kisbot.db")) as db:
        assert db.table("people").count


def test_a_link_that_leads_nowhere_makes_no_file_there(tmp_path):
    home, elsewhere = laid_out(tmp_path / "home"), tmp_path / "elsewhere.db"
    (home / "kisbot.db").unlink()
    (home / "kisbot.db").symlink_to(elsewhere)

    refused(home / "kisbot.db")

    assert not elsewhere.exists()


@pytest.mark.parametrize("of", ["kisbot.db", ""], ids=["the file", "its folder"])
def test_what_belongs_to_another_user_is_refused(tmp_path, monkeypatch, of):
    home = laid_out(tmp_path / "home")
    us = os.geteuid()
    if of and us:
        pytest.skip("only root can give a file away")
    if of:
        os.chown(home / of, us + 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: us + 1)

    command = refused(home / "kisbot.db")

    assert command == f"chown {us if of else us + 1} {home / of if of else home}"


def test_what_is_not_there_yet_is_made_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        with closing(open_database(tmp_path / "new" / "kisbot.db")):
            assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
            assert (tmp_path / "new" / "kisbot.db").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert database_fault(tmp_path / "nowhere" / "kisbot.db") == sharing_fault(tmp_path / "nowhere", "700") == ""
