"""Writes the table of settings into README.md and prints deploy/env.example, both made from bot/config/settings.py.

python scripts/settings_table.py                                 # rewrite the README between its markers
python scripts/settings_table.py --env > deploy/env.example
"""

import argparse
import sys
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bot.config.settings import Settings

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- settings:begin -->", "<!-- settings:end -->"

_ENV_HEAD = """\
# kisbot의 설정. `.env`로 복사해 필요한 줄만 고칩니다. 주석 처리된 줄은 기본값입니다.
# The settings of kisbot. Copy to `.env`; lines behind a # show the defaults.
#
# 키와 토큰은 KISBOT_SECRETS_DIR 폴더의 파일(이름은 변수명의 소문자)에 두어도 됩니다. 그때는 여기서 그 줄을 지우세요.
# Keys and tokens may also be files, named like the variable in lower case, in the directory KISBOT_SECRETS_DIR
# (itself read from the environment only); delete their lines here in that case.
"""


def required(field: FieldInfo) -> bool:
    """Whether the bot does not start without it."""
    return field.default is PydanticUndefined


def default(field: FieldInfo) -> str:
    """The default as it would be written in the environment; empty for none."""
    value = field.default
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if required(field) or value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def meaning(field: FieldInfo) -> str:
    """The docstring of a setting on one line."""
    return " ".join((field.description or "").split())


def table() -> str:
    """The table for the README, required settings first."""
    lines = ["| 변수 · variable | 기본값 · default | 뜻 · meaning |", "|---|---|---|"]
    for name, field in _settings():
        value = f"`{default(field)}`" if default(field) else "–"
        lines.append(f"| `{name}` | {'**필수 · required**' if required(field) else value} | {meaning(field)} |")
    return "\n".join(lines)


def env_example() -> str:
    """The text of deploy/env.example."""
    blocks = [_ENV_HEAD]
    for name, field in _settings():
        mark = "" if required(field) else "#"
        blocks.append(f"# {meaning(field)}\n{mark}{name}={default(field)}\n")
    return "\n".join(blocks)


def with_table(readme: str) -> str:
    """The README with the table between its markers made anew.

    Raises:
        ValueError: the markers are not there, once each.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in after:
        msg = f"the README holds {BEGIN} and {END} once each"
        raise ValueError(msg)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _settings() -> list[tuple[str, FieldInfo]]:
    found = [(name.upper(), field) for name, field in Settings.model_fields.items()]
    return sorted(found, key=lambda one: not required(one[1]))


def main() -> None:
    """The command line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--env", action="store_true", help="print deploy/env.example")
    if words.parse_args().env:
        sys.stdout.buffer.write(env_example().encode())
    else:
        README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
