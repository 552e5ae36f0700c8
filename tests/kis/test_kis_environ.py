"""What a script is told by its environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from kis import Env, Generation, KisApi, Misconfigured, config_from_env

KEYS = {"KIS_APP_KEY": "PSkey", "KIS_APP_SECRET": "secret", "KIS_ACCOUNT": "12345678-01"}


@pytest.mark.parametrize("account", ["12345678-01", "1234567801", " 12345678-01 "])
def test_an_account_in_its_usual_spellings(account):
    config = config_from_env(KEYS | {"KIS_ACCOUNT": account})
    assert (config.cano, config.product, config.account_masked) == ("12345678", "01", "…78-01")


@pytest.mark.parametrize(
    "account",
    [
        "87654321",
        "876543210-01",
        "8765432-01",
        "8765432a-01",
        "87654321-1",
        "87654321_01",
        "계좌",
        "８７６５４３２１-０１",
    ],
)
def test_an_account_that_is_none_names_its_setting(account):
    with pytest.raises(Misconfigured, match="KIS_ACCOUNT") as caught:
        KisApi.from_env(KEYS | {"KIS_ACCOUNT": account})
    assert caught.value.setting == "KIS_ACCOUNT"
    assert account not in str(caught.value)


def test_what_is_missing_is_named_all_at_once():
    with pytest.raises(Misconfigured, match="KIS_APP_KEY, KIS_APP_SECRET, KIS_ACCOUNT") as caught:
        KisApi.from_env({"KIS_APP_KEY": "  "})
    assert "KIS_APP_KEY" in caught.value.advice.ko


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KIS_ENV", "demo"),
        ("KIS_TR_GENERATION", "new"),
        ("KIS_MIN_INTERVAL", "fast"),
        ("KIS_MIN_INTERVAL", "-1"),
        ("KIS_MIN_INTERVAL", "nan"),
        ("KIS_HASHKEY", "maybe"),
        ("KIS_REST_URL", "http://openapi.koreainvestment.com"),
    ],
)
def test_a_setting_that_cannot_be_right_is_named(name, value):
    with pytest.raises(Misconfigured) as caught:
        KisApi.from_env(KEYS | {name: value})
    assert caught.value.setting == name


def test_every_setting_is_read(tmp_path, monkeypatch):
    plain = config_from_env(KEYS | {"KIS_MIN_INTERVAL": "", "KIS_ENV": ""})
    assert (plain.env, plain.generation, plain.interval, plain.hashkey) == (Env.PAPER, Generation.CURRENT, 1.05, False)
    assert plain.token_dir == Path.home() / ".kis"
    given = KEYS | {
        "KIS_ENV": "real",
        "KIS_TR_GENERATION": "legacy",
        "KIS_MIN_INTERVAL": "0.1",
        "KIS_HASHKEY": "True",
        "KIS_HTS_ID": "me",
        "KIS_REST_URL": "http://127.0.0.1:1",
        "KIS_WS_URL": "ws://127.0.0.1:2",
        "KIS_MASTER_URL": "http://127.0.0.1:3",
        "KISBOT_DATA_DIR": str(tmp_path),
    }
    config = config_from_env(given)
    assert (config.env, config.generation, config.interval, config.hashkey) == (Env.REAL, Generation.LEGACY, 0.1, True)
    assert (config.hts_id, config.rest, config.ws_url) == ("me", "http://127.0.0.1:1", "ws://127.0.0.1:2")
    assert (config.master_url, config.token_dir) == ("http://127.0.0.1:3", tmp_path)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Misconfigured):
        config_from_env()
