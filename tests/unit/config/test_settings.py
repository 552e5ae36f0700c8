"""The settings: where values come from, what is refused and how it is said, and that no secret is shown."""

from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import SecretStr

from bot.config.settings import BadSettings, Settings, load_settings
from bot.orders.risk.checks import Limits

GOOD = {
    "TELEGRAM_BOT_TOKEN": "123456789:AAbotbotbotbotbotbotbotbotbotbotbot",
    "KISBOT_OWNER_ID": "1001",
    "KIS_APP_KEY": "PSkeykeykeykeykeykey",
    "KIS_APP_SECRET": "secretsecretsecretsecret",
    "KIS_ACCOUNT": "98765432-01",
}
SECRETS = [name for name in GOOD if name != "KISBOT_OWNER_ID"]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """An empty folder to stand in, and no setting in the environment."""
    for name in (*Settings.model_fields, "kisbot_secrets_dir"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def given(monkeypatch):
    """Load from an environment that is good but for what a test says."""

    def load(**values):
        for name, value in {**GOOD, **values}.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load


def refusal(given, **values):
    with pytest.raises(BadSettings) as caught:
        given(**values)
    return str(caught.value)


def test_everything_missing_is_named_at_once():
    with pytest.raises(BadSettings) as caught:
        load_settings()
    for name in GOOD:
        assert f"{name}: 값이 없습니다" in str(caught.value)


def test_paper_is_what_nothing_said_means(given):
    settings = given()
    assert (settings.kis_env, settings.mode, settings.kisbot_practice) == ("paper", "paper", False)
    assert given(KIS_ENV="real").mode == "real"


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("KIS_ACCOUNT", "98765432", "12345678-01"),
        ("KIS_ACCOUNT", "98765432-AB", "12345678-01"),
        ("KISBOT_OWNER_ID", "0", "numeric ids"),
        ("KISBOT_OWNER_ID", "-100123", "numeric ids"),
        ("KISBOT_OWNER_ID", "", "값이 없습니다"),
        ("TELEGRAM_BOT_TOKEN", "not-a-token", "123456789:AA"),
        ("KIS_ENV", "live", "'paper' or 'real'"),
        ("KISBOT_TICKET_SECONDS", "5", "10"),
        ("KISBOT_MAX_ORDER_VALUE", "0", "1"),
    ],
)
def test_what_cannot_be_right_is_named_with_the_way_to_write_it(given, name, value, hint):
    said = refusal(given, **{name: value})
    assert f"{name}: " in said
    assert hint in said


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_real_account_has_the_houses_own_limits(given):
    assert given(KIS_ENV="real").limits() == Limits()


@pytest.mark.parametrize("also", [{}, {"KIS_ENV": "real", "KISBOT_PRACTICE": "true", "KIS_REST_URL": "http://[::1]:1"}])
def test_play_money_has_ten_times_the_limits_in_won_and_no_other(given, also):
    harness = Limits()
    assert given(**also).limits() == replace(
        harness,
        soft_value=10 * harness.soft_value,
        max_value=10 * harness.max_value,
        day_value_user=10 * harness.day_value_user,
        day_value_account=10 * harness.day_value_account,
    )


def test_a_limit_that_is_set_is_taken_as_given_whosever_money_it_is(given):
    """Each setting reaches the limit it is for."""
    values = {
        "KISBOT_MAX_ORDER_QUANTITY": 7, "KISBOT_SOFT_ORDER_VALUE": 8, "KISBOT_MAX_ORDER_VALUE": 9,
        "KISBOT_DAY_VALUE_USER": 10, "KISBOT_DAY_VALUE_ACCOUNT": 11, "KISBOT_DAY_ORDERS_USER": 12,
        "KISBOT_ORDERS_PER_MINUTE": 13, "KISBOT_VOLUME_PERCENT": "0.5", "KISBOT_REQUOTE_PERCENT": "0.6",
        "KISBOT_COLLAR_NOTE_PERCENT": "0.7", "KISBOT_COLLAR_CONFIRM_PERCENT": "0.8", "KISBOT_COLLAR_DENY_PERCENT": "0.9",
        "KISBOT_MARKET_ORDERS": "false", "KISBOT_RESTRICTED_STOCKS": "true", "KISBOT_AUCTIONS": "true",
        "KISBOT_DUPLICATE_MINUTES": 14, "KISBOT_COOL_OFF_REJECTS": 15, "KISBOT_COOL_OFF_MINUTES": 16,
        "KISBOT_CLOCK_STOP_SECONDS": 17, "KISBOT_FEE_PERCENT": "0.1", "KISBOT_TICKET_SECONDS": 18,
    }  # fmt: skip
    wanted = Limits(
        max_quantity=7, soft_value=8, max_value=9, day_value_user=10, day_value_account=11, day_orders_user=12,
        orders_per_minute=13, volume_percent=Decimal("0.5"), requote_percent=Decimal("0.6"),
        collar_note=Decimal("0.7"), collar_confirm=Decimal("0.8"), collar_deny=Decimal("0.9"), market_orders=False,
        restricted=True, auctions=True, duplicate_minutes=14, cool_off_rejects=15, cool_off_minutes=16, clock_stop=17,
        fee_percent=Decimal("0.1"), ticket_seconds=18,
    )  # fmt: skip
    written = {name: str(value) for name, value in values.items()}
    assert given(**written).limits() == given(**written, KIS_ENV="real").limits() == wanted
    assert {name.lower() for name in values} <= set(Settings.model_fields)


def test_a_low_limit_alone_draws_the_second_tap_down_with_it(given):
    limits = given(KISBOT_MAX_ORDER_VALUE="500000").limits()
    assert (limits.soft_value, limits.max_value) == (500_000, 500_000)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"KISBOT_SOFT_ORDER_VALUE": "2", "KISBOT_MAX_ORDER_VALUE": "1"}, "KISBOT_SOFT_ORDER_VALUE"),
        ({"KISBOT_SOFT_ORDER_VALUE": "5000001", "KIS_ENV": "real"}, "5000000"),
        ({"KISBOT_COLLAR_NOTE_PERCENT": "3.1"}, "KISBOT_COLLAR_NOTE_PERCENT"),
        ({"KISBOT_COLLAR_DENY_PERCENT": "2.9"}, "_DENY_"),
        ({"KISBOT_VOLUME_PERCENT": "0"}, "KISBOT_VOLUME_PERCENT"),
        ({"KISBOT_COLLAR_DENY_PERCENT": "NaN"}, "KISBOT_COLLAR_DENY_PERCENT"),
        ({"KISBOT_CLOCK_STOP_SECONDS": "inf"}, "KISBOT_CLOCK_STOP_SECONDS"),
        ({"KISBOT_CLOCK_STOP_SECONDS": "nan"}, "KISBOT_CLOCK_STOP_SECONDS"),
        ({"KISBOT_DAY_ORDERS_USER": "-1"}, "KISBOT_DAY_ORDERS_USER"),
        ({"KISBOT_DAY_VALUE_USER": "0"}, "KISBOT_DAY_VALUE_USER"),
        ({"KISBOT_COOL_OFF_MINUTES": "1441"}, "KISBOT_COOL_OFF_MINUTES"),
    ],
)
def test_limits_that_contradict_each_other_or_mean_nothing_are_named(given, values, named):
    assert named in refusal(given, **values)


def test_limits_on_the_edge_of_each_other_stand(given):
    given(KISBOT_SOFT_ORDER_VALUE="5", KISBOT_MAX_ORDER_VALUE="5", KISBOT_COLLAR_NOTE_PERCENT="3")
    given(KISBOT_COLLAR_NOTE_PERCENT="5", KISBOT_COLLAR_CONFIRM_PERCENT="5", KISBOT_DAY_ORDERS_USER="0")


# --- secrets and addresses --------------------------------------------------------------------------------------------


def test_a_name_in_the_place_of_an_owner_id_is_refused(given):
    told = refusal(given, KISBOT_OWNER_ID="@someone")
    assert "KISBOT_OWNER_ID: " in told
    assert "someone" not in told


def test_several_faults_are_told_together(given):
    said = refusal(given, KIS_ACCOUNT="1", TELEGRAM_BOT_TOKEN="x", KISBOT_LANG="fr")
    assert all(f"{name}: " in said for name in ("KIS_ACCOUNT", "TELEGRAM_BOT_TOKEN", "KISBOT_LANG"))


@pytest.mark.parametrize("name", SECRETS)
def test_a_refusal_shows_no_secret(given, name):
    wrong = "WRONG-but-secret-all-the-same"
    said = refusal(given, **{name: wrong, "KIS_ENV": "live"})
    assert [value for value in (wrong, *(GOOD[one] for one in SECRETS)) if value in said] == []


def test_repr_shows_no_secret(given):
    settings = given()
    shown = f"{settings!r} {settings} {settings.model_dump()}"
    assert [value for value in settings.secrets() if value in shown] == []


def test_the_log_is_told_every_secret(given):
    """Whatever is declared a secret is among those the log hides, the account in each of its spellings."""
    settings = given()
    declared = [value for value in vars(settings).values() if isinstance(value, SecretStr)]
    assert len(declared) == len(SECRETS)
    assert {one.get_secret_value() for one in declared} | {"9876543201", "98765432"} == set(settings.secrets())


@pytest.mark.parametrize("name", ["KIS_REST_URL", "KIS_MASTER_URL", "TELEGRAM_API_BASE"])
def test_plain_http_is_refused_but_on_this_machine(given, name):
    for far in (
        "http://example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "ftp://example.com",
    ):
        assert f"{name}: https is required" in refusal(given, **{name: far})
    for near in ("http://127.0.0.1:8800", "http://localhost:8800", "http://[::1]:8800", "https://example.com"):
        assert getattr(given(**{name: near}), name.lower()) == near


def test_practice_is_said_and_never_concluded_from_an_address(given):
    """A tunnel to the real KIS stands on this machine too: its messages must not say [연습]."""
    assert "KISBOT_PRACTICE" in refusal(given, KISBOT_PRACTICE="true")
    assert "KISBOT_PRACTICE" in refusal(given, KISBOT_PRACTICE="true", KIS_REST_URL="https://example.com")
    local = {"KIS_ENV": "real", "KIS_REST_URL": "http://127.0.0.1:8800"}
    assert given(**local, KISBOT_PRACTICE="false").mode == "real"
    assert given(**local, KISBOT_PRACTICE="true").mode == "practice"


def test_market_hours_are_ignored_only_with_a_simulator(given):
    assert "KISBOT_MARKET_HOURS" in refusal(given, KISBOT_MARKET_HOURS="always")
    local = {"KISBOT_MARKET_HOURS": "always", "KIS_REST_URL": "http://127.0.0.1:1"}
    assert "KISBOT_MARKET_HOURS" in refusal(given, **local)
    assert given(**local, KISBOT_PRACTICE="true").kisbot_market_hours == "always"


def test_owners_are_several_and_an_account_may_lack_its_dash(given):
    settings = given(KISBOT_OWNER_ID="1001, 1002,", KIS_ACCOUNT=" 9876543201 ")
    assert settings.kisbot_owner_id == (1001, 1002)
    assert settings.kis_account.get_secret_value() == "98765432-01"


def test_blank_addresses_and_interval_mean_the_default(given):
    settings = given(KIS_MIN_INTERVAL="", KIS_REST_URL="", KIS_WS_URL="", KIS_MASTER_URL="")
    assert (settings.kis_min_interval, settings.kis_rest_url, settings.kis_ws_url) == (None, None, None)


def test_a_dotenv_file_is_read_and_may_hold_other_things(nowhere):
    lines = [f"{name}={value}" for name, value in GOOD.items()]
    (nowhere / ".env").write_text("\n".join([*lines, "KISBOT_LANG=en", "SOMETHING_ELSE=1"]), encoding="utf-8")
    assert load_settings().kisbot_lang == "en"


def test_secrets_are_read_from_files(nowhere, monkeypatch):
    place = nowhere / "secrets"
    place.mkdir()
    for name, value in GOOD.items():
        (place / name.lower()).write_text(f"{value}\n", encoding="utf-8")
    monkeypatch.setenv("KISBOT_SECRETS_DIR", str(place))
    settings = load_settings()
    assert settings.kis_app_key.get_secret_value() == GOOD["KIS_APP_KEY"]
    assert settings.kisbot_owner_id == (1001,)


def test_a_secrets_directory_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("KISBOT_SECRETS_DIR", "nowhere-at-all")
    with pytest.raises(BadSettings, match=r"KISBOT_SECRETS_DIR.*nowhere-at-all"):
        load_settings()


def test_the_environment_wins_over_dotenv_and_dotenv_over_a_file(nowhere, given, monkeypatch):
    place = nowhere / "secrets"
    place.mkdir()
    for name in ("kisbot_ticket_seconds", "kisbot_max_order_quantity", "kisbot_lang"):
        (place / name).write_text("en" if name == "kisbot_lang" else "30", encoding="utf-8")
    (nowhere / ".env").write_text("KISBOT_TICKET_SECONDS=20\nKISBOT_MAX_ORDER_QUANTITY=20\n", encoding="utf-8")
    monkeypatch.setenv("KISBOT_SECRETS_DIR", str(place))
    settings = given(KISBOT_TICKET_SECONDS="15")
    assert (settings.kisbot_ticket_seconds, settings.kisbot_max_order_quantity) == (15, 20)
    assert settings.kisbot_lang == "en"


# --- second factors, and how much of one stock ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "percent"),
    [({}, 0), ({"KIS_ENV": "real"}, 30), ({"KIS_ENV": "real", "KISBOT_POSITION_PERCENT": "0"}, 0),
     ({"KISBOT_POSITION_PERCENT": "12.5"}, Decimal("12.5"))],
)  # fmt: skip
def test_a_real_account_puts_at_most_thirty_percent_into_one_stock_unless_told(given, values, percent):
    assert given(**values).position_percent() == percent


def test_an_empty_step_up_value_is_no_value_and_zero_is_one(given):
    assert given(KISBOT_STEPUP_VALUE="").kisbot_stepup_value is None
    assert given(KISBOT_STEPUP_VALUE="0").kisbot_stepup_value == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("KISBOT_STEPUP_VALUE", "-1"), ("KISBOT_STEPUP_IDLE_HOURS", "-1"), ("KISBOT_STEPUP_IDLE_HOURS", "nan"),
     ("KISBOT_POSITION_PERCENT", "101"), ("KISBOT_POSITION_PERCENT", "NaN")],
)  # fmt: skip
def test_second_factors_and_shares_have_bounds(given, name, value):
    assert f"{name}: " in refusal(given, **{name: value})
