"""What the documents say is what the code does: commands, settings, targets, ids and the files of a deployment."""

import re
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr

from bot.chat.handlers.commands import COMMANDS
from bot.cli.main import cli
from bot.config.settings import Settings, load_settings
from bot.orders.execution.desk import DRAIN_TIMEOUT
from bot.orders.reconciliation.report_reader import BUSY_INTERVAL, IDLE_INTERVAL, SESSION_INTERVAL
from bot.orders.risk.checks import Limits
from kis import endpoints as api
from scripts import settings_table

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/runbook.md"]
SECRETS = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def code(name):
    """What stands as code in a document: fenced blocks, and spans between backticks."""
    fences = re.findall(r"^ *```[a-z]*\n(.*?)^ *```", text(name), re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^ *```.*?^ *```", "", text(name), flags=re.DOTALL | re.MULTILINE)
    return [line for fence in fences for line in fence.splitlines()] + re.findall(r"`([^`\n]+)`", rest)


# --- settings ---------------------------------------------------------------------------------------------------------


def test_the_readme_has_the_table_of_settings_as_it_is():
    assert settings_table.with_table(text("README.md")) == text("README.md"), "run scripts/settings_table.py"


def test_the_table_of_settings_has_every_setting():
    table = settings_table.table()
    assert all(f"| `{name.upper()}` |" in table for name in Settings.model_fields)


def test_the_generator_asks_for_its_markers():
    for spoilt in ("", settings_table.BEGIN, f"{settings_table.END}{settings_table.BEGIN}"):
        with pytest.raises(ValueError, match="once each"):
            settings_table.with_table(spoilt)


def test_env_example_is_what_the_generator_gives():
    assert text("deploy/env.example") == settings_table.env_example()


def test_env_example_has_every_setting_and_no_other():
    written = re.findall(r"^#?([A-Z][A-Z_]+)=", text("deploy/env.example"), re.MULTILINE)
    assert sorted(written) == sorted(name.upper() for name in Settings.model_fields)


def test_env_example_shows_no_value_for_what_must_be_given():
    for name, field in Settings.model_fields.items():
        if field.is_required():
            assert f"\n{name.upper()}=\n" in text("deploy/env.example")


def test_env_example_uncommented_means_the_defaults(tmp_path, monkeypatch):
    """Taking the # away from every line changes nothing: the defaults shown are the defaults."""
    for name in (*Settings.model_fields, "kisbot_secrets_dir"):
        monkeypatch.delenv(name.upper(), raising=False)
    needed = "TELEGRAM_BOT_TOKEN=1:a\nKISBOT_OWNER_ID=1\nKIS_APP_KEY=k\nKIS_APP_SECRET=s\nKIS_ACCOUNT=12345678-01\n"
    optional = re.findall(r"^#([A-Z][A-Z_]+=.*)$", text("deploy/env.example"), re.MULTILINE)
    bare, full = tmp_path / "bare", tmp_path / "full"
    bare.write_text(needed, encoding="utf-8")
    full.write_text(needed + "\n".join(optional), encoding="utf-8")
    for file in (bare, full):
        file.chmod(0o600)
    assert load_settings(full) == load_settings(bare)


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.name)
def test_every_command_stands_in_the_readme(command):
    korean, english = (command.usage(lang).replace("|", "\\|") for lang in ("ko", "en"))
    assert f"| `/{korean.lstrip('/')}` | `/{command.korean}` | {command.help('ko')} | `{command.role}` |" in text(
        "README.md"
    )
    assert f"| `/{english.lstrip('/')}` | {command.help('en')} | `{command.role}` |" in text("README.md")


def test_the_readme_has_no_command_that_is_gone():
    listed = re.findall(r"^\| `/([a-z]+)", text("README.md"), re.MULTILINE)
    assert sorted(listed) == sorted(2 * [one.name for one in COMMANDS])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_named_is_in_the_makefile(name):
    targets = set(re.findall(r"^([a-z0-9]+):", text("Makefile"), re.MULTILINE))
    named = {target for line in code(name) for target in re.findall(r"\bmake ([a-z0-9]+)", line)}
    assert named - targets == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_subcommand_and_option_named_exists(name):
    for line in code(name):
        for words in re.findall(r"(?=(?<![\w=])kisbot ([a-z].*))", line):
            if not words.startswith("kisbot "):
                assert_is_a_command(words.partition("#")[0].split())


def assert_is_a_command(words):
    command = typer.main.get_command(cli)
    while getattr(command, "commands", None) and words and re.fullmatch("[a-z]+", words[0]):
        assert words[0] in command.commands, f"kisbot {words[0]}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    given = {found for word in words for found in re.findall(r"--[a-z-]+", word)}
    assert given - known == set(), f"{command.name}: {given - known}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text(name)):
        assert (ROOT / name).parent.joinpath(target).exists(), target


def test_the_glossary_names_what_is_in_the_code():
    source = "\n".join(
        path.read_text(encoding="utf-8") for top in ("bot", "kis") for path in (ROOT / top).rglob("*.py")
    )
    modules = {path.stem for top in ("bot", "kis") for path in (ROOT / top).rglob("*.py")}
    folders = {path.name for top in ("bot", "kis") for path in (ROOT / top).rglob("*") if path.is_dir()}
    rows = [line for line in text("docs/contributing/glossary.md").splitlines() if line.startswith("| ")]
    for row in rows:
        for name in re.findall(r"`([^`]+)`", row.split("|")[4]):
            last = name.rpartition(".")[2]
            assert last in modules | folders or re.search(rf"\b{last}\b", source), name


# --- figures ----------------------------------------------------------------------------------------------------------


def test_ids_stand_in_the_readme_on_the_right_side():
    for generation in ("real", "legacy_real"):
        buy, sell = (getattr(one.tr, generation) for one in (api.BUY, api.SELL))
        assert f"매수 `{buy}`, 매도 `{sell}`" in text("README.md")
    for endpoint in (api.REVISE_CANCEL, api.EXECUTIONS, api.EXECUTIONS_OLDER, api.INDEX):
        assert f"`{endpoint.tr.real}`" in text("README.md")


def test_figures_in_the_readme_are_the_codes_own():
    settings = {name: field.default for name, field in Settings.model_fields.items()}
    assert f"약 {BUSY_INTERVAL:.0f}초, 장중 {SESSION_INTERVAL:.0f}초, 그 밖에는 {IDLE_INTERVAL:.0f}초" in text(
        "README.md"
    )
    assert f"{settings['kisbot_max_order_quantity']:,} and {Limits().max_value:,} by default" in text("README.md")
    assert f"{settings['kisbot_ticket_seconds']}초\n안에" in text("README.md")
    assert f"값이 {settings['kisbot_requote_percent']}% 넘게" in text("README.md")


# --- deployment -------------------------------------------------------------------------------------------------------


def test_a_deployment_hands_over_every_secret_as_a_file_and_none_in_the_environment():
    compose, unit = text("deploy/compose.yaml"), text("deploy/kisbot.service")
    assert set(re.findall(r"^      - ([a-z_]+)$", compose, re.MULTILINE)) == SECRETS
    assert dict(re.findall(r"^  ([a-z_]+):\n    file: \.\./secrets/(.+)$", compose, re.MULTILINE)) == {
        n: n for n in SECRETS
    }
    assert dict(re.findall(r"^LoadCredential=(.+):/etc/kisbot/secrets/(.+)$", unit, re.MULTILINE)) == {
        n: n for n in SECRETS
    }
    assert "KISBOT_SECRETS_DIR: /run/secrets\n" in compose
    assert "Environment=KISBOT_SECRETS_DIR=%d\n" in unit
    assert not [name for name in SECRETS if name.upper() in compose + unit + text("deploy/Dockerfile")]


def test_a_deployment_gives_the_bot_nothing_it_does_not_need():
    compose, unit = text("deploy/compose.yaml"), text("deploy/kisbot.service")
    for line in (
        "    read_only: true",
        "    cap_drop:\n      - ALL",
        "      - no-new-privileges:true",
        '    user: "10001:10001"',
    ):
        assert f"{line}\n" in compose
    assert "ports:" not in compose
    for line in (
        "User=kisbot",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
    ):
        assert f"\n{line}\n" in unit
    assert "useradd --uid 10001 " in text("deploy/Dockerfile")
    assert "\nUSER kisbot\n" in text("deploy/Dockerfile")


def test_a_stop_leaves_time_for_orders_on_their_way():
    """Answers under way, the orders, and the last messages each have their share of the time."""
    compose, unit = text("deploy/compose.yaml"), text("deploy/kisbot.service")
    for pattern, where in ((r"stop_grace_period: (\d+)s", compose), (r"TimeoutStopSec=(\d+)", unit)):
        assert int(re.search(pattern, where)[1]) >= DRAIN_TIMEOUT + 10


def test_the_image_installs_a_part_of_the_lock():
    """The same versions with the same hashes as development has, and no address of an index."""

    def entries(name):
        return set(re.findall(r"^[a-z0-9].*(?:\n    --hash=.*)+", text(name), re.MULTILINE))

    assert entries("deploy/requirements.lock")
    assert entries("deploy/requirements.lock") <= entries("requirements.lock")
    assert not re.search(r"https?://|--index|--extra-index|@ file:", text("deploy/requirements.lock"))
