"""Settings that cannot be right are refused before anything is sent, by name."""

from __future__ import annotations

import pytest

from kis import Env, Generation, KisConfig, Misconfigured
from tests.kis.kis_wire import HOSTS, KEY, SECRET, config


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"env": "live"}, "KIS_ENV"),
        ({"generation": "old"}, "KIS_TR_GENERATION"),
        ({"app_key": ""}, "KIS_APP_KEY"),
        ({"app_key": "a b"}, "KIS_APP_KEY"),
        ({"app_key": "열쇠"}, "KIS_APP_KEY"),
        ({"app_secret": "a\nb"}, "KIS_APP_SECRET"),
        ({"account": "1234567-01"}, "KIS_ACCOUNT"),
        ({"account": "12345678"}, "KIS_ACCOUNT"),
        ({"account": "12345678-01-1"}, "KIS_ACCOUNT"),
        ({"account": "１２３４５６７８-０１"}, "KIS_ACCOUNT"),
        ({"account": "12345678\u201301"}, "KIS_ACCOUNT"),
        ({"account": "1234567\u0668-01"}, "KIS_ACCOUNT"),
        ({"min_interval": -1}, "KIS_MIN_INTERVAL"),
        ({"min_interval": float("nan")}, "KIS_MIN_INTERVAL"),
        ({"rest_url": "http://openapi.example.com"}, "KIS_REST_URL"),
        ({"rest_url": "http://127.0.0.1.example.com"}, "KIS_REST_URL"),
        ({"rest_url": "http://10.0.0.1:9443"}, "KIS_REST_URL"),
        ({"rest_url": "ftp://127.0.0.1"}, "KIS_REST_URL"),
        ({"rest_url": "https://127.0.0.1:x"}, "KIS_REST_URL"),
        ({"rest_url": "https://a:b@127.0.0.1"}, "KIS_REST_URL"),
        ({"master_url": "http://example.com"}, "KIS_MASTER_URL"),
        ({"env": "paper", "rest_url": HOSTS["real"]}, "KIS_ENV"),
        ({"env": "real", "rest_url": HOSTS["paper"] + "/"}, "KIS_ENV"),
    ],
)
def test_what_cannot_be_right(tmp_path, change, setting):
    with pytest.raises(Misconfigured) as caught:
        config(tmp_path, **change)
    assert caught.value.setting == setting


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000/", "http://[::1]:8000", "https://proxy.example.com"]
)
def test_plain_http_is_for_this_machine_only(tmp_path, url):
    assert config(tmp_path, rest_url=url).rest == url.rstrip("/")


def test_defaults_are_the_environments_own(tmp_path):
    for env, interval in (("real", 0.2), ("paper", 1.05)):
        made = config(tmp_path, env=env, min_interval=None)
        assert (made.rest, made.interval, made.env) == (HOSTS[env], interval, Env(env))
        assert made.generation is Generation.CURRENT
    assert config(tmp_path, min_interval=0).interval == 0


@pytest.mark.parametrize("account", ["12345678-01", "1234567801", " 12345678-01\n"])
def test_the_account_and_how_it_may_be_shown(tmp_path, account):
    made = config(tmp_path, account=account)
    assert (made.cano, made.product, made.account_masked) == ("12345678", "01", "…78-01")


def test_a_pasted_line_end_is_no_part_of_a_key(tmp_path):
    assert config(tmp_path, app_key=KEY + "\n").app_key == KEY


def test_what_is_printed_of_it_holds_no_secret(tmp_path):
    printed = repr(config(tmp_path, hts_id="somebody"))
    for secret in (KEY, SECRET, "12345678", "somebody"):
        assert secret not in printed


def test_it_is_built_with_few_words():
    made = KisConfig(env=Env.PAPER, app_key=KEY, app_secret=SECRET, account="12345678-01")
    assert made.hashkey is False


@pytest.mark.parametrize(("env", "allowed", "too_fast"), [("real", 0.056, 0.05), ("paper", 1.0, 0.9)])
def test_no_setting_makes_us_faster_than_kis_allows_except_at_home(env, allowed, too_fast):
    given = {"env": Env(env), "app_key": "k", "app_secret": "s", "account": "12345678-01"}
    assert KisConfig(**given).within_limit()
    assert KisConfig(**given, min_interval=allowed).within_limit().interval == pytest.approx(allowed * 1.05, abs=0.001)
    assert KisConfig(**given, min_interval=3).within_limit().interval == 3
    assert KisConfig(**given, min_interval=0, rest_url="http://127.0.0.1:1").within_limit()
    with pytest.raises(Misconfigured) as caught:
        KisConfig(**given, min_interval=too_fast).within_limit()
    assert caught.value.setting == "KIS_MIN_INTERVAL"
