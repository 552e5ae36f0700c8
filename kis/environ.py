"""Whose account is spoken for, read from the environment: the variables are those of the bot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kis.config import MASTER_URL, KisConfig
from kis.endpoints import Env, Generation
from kis.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEEDED = ("KIS_APP_KEY", "KIS_APP_SECRET", "KIS_ACCOUNT")
_YES = frozenset({"1", "true", "yes", "on", "y", "t"})
_NO = frozenset({"0", "false", "no", "off", "n", "f", ""})


def config_from_env(environ: Mapping[str, str] | None = None) -> KisConfig:
    """Reads the `KIS_*` variables.

    `KIS_APP_KEY`, `KIS_APP_SECRET` and `KIS_ACCOUNT` must be there. `KIS_ENV` is paper unless it says real;
    `KIS_HTS_ID`, `KIS_TR_GENERATION`, `KIS_MIN_INTERVAL`, `KIS_HASHKEY`, `KIS_REST_URL`, `KIS_WS_URL` and
    `KIS_MASTER_URL` have the meaning of the fields of `KisConfig`. The token file lies in `KISBOT_DATA_DIR` where
    that is set, to be shared with the bot, else in `.kis` at home.

    Args:
        environ: what to read instead of the environment.

    Raises:
        Misconfigured: variables are missing, all of which are named, or one cannot be right.
    """
    given = os.environ if environ is None else environ

    def value(name: str) -> str:
        return given.get(name, "").strip()

    missing = [name for name in _NEEDED if not value(name)]
    if missing:
        raise Misconfigured(f"not set: {', '.join(missing)}", setting=missing[0])
    folder = value("KISBOT_DATA_DIR")
    return KisConfig(
        env=Env.PAPER if not value("KIS_ENV") else value("KIS_ENV"),  # type: ignore[arg-type] # checked by KisConfig
        app_key=value("KIS_APP_KEY"),
        app_secret=value("KIS_APP_SECRET"),
        account=value("KIS_ACCOUNT"),
        hts_id=value("KIS_HTS_ID"),
        generation=value("KIS_TR_GENERATION") or Generation.CURRENT,  # type: ignore[arg-type] # checked there as well
        min_interval=_seconds("KIS_MIN_INTERVAL", value("KIS_MIN_INTERVAL")),
        hashkey=_said("KIS_HASHKEY", value("KIS_HASHKEY")),
        rest_url=value("KIS_REST_URL") or None,
        ws_url=value("KIS_WS_URL") or None,
        master_url=value("KIS_MASTER_URL") or MASTER_URL,
        token_dir=Path(folder) if folder else Path.home() / ".kis",
    ).within_limit()


def _seconds(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise Misconfigured(f"{name} is no number of seconds", setting=name) from None


def _said(name: str, text: str) -> bool:
    word = text.lower()
    if word not in _YES | _NO:
        raise Misconfigured(f"{name} is neither true nor false", setting=name)
    return word in _YES
