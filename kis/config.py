"""The account, the keys and KIS's addresses: given as `KisConfig` or read from the environment, and checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, urlsplit

from kis.endpoints import Env, Generation
from kis.errors import Misconfigured
from kis.krx import KST

if TYPE_CHECKING:
    from collections.abc import Mapping

REST_URLS = {
    Env.REAL: "https://openapi.koreainvestment.com:9443",
    Env.PAPER: "https://openapivts.koreainvestment.com:29443",
}
WS_URLS = {Env.REAL: "ws://ops.koreainvestment.com:21000", Env.PAPER: "ws://ops.koreainvestment.com:31000"}
MASTER_URL = "https://new.real.download.dws.co.kr/common/master"
SHORTEST_INTERVALS = {Env.REAL: 1 / 18, Env.PAPER: 1.0}
"""Seconds between calls that KIS allows (notice of 2026-04-20: 18 a second real, 1 paper)."""
_MARGIN = 1.05
"""Times the shortest interval: calls spaced exactly at the limit arrive unevenly, and trip it."""
MIN_INTERVALS = {Env.REAL: 0.2, Env.PAPER: _MARGIN}

_ACCOUNT = re.compile(r"[0-9]{8}-?[0-9]{2}")
HEADER_SAFE = re.compile(r"[\x21-\x7e]{1,4000}")
"""What may stand in a header: keys of ours, and the token, hash and websocket key that KIS gives."""
_REQUIRED = ("KIS_APP_KEY", "KIS_APP_SECRET", "KIS_ACCOUNT")
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_FALSE = frozenset({"0", "false", "no", "off", "n", "f", ""})


def kst_now() -> datetime:
    """The present moment in KST."""
    return datetime.now(KST)


@dataclass(frozen=True)
class KisConfig:
    """One account of one environment.

    Attributes:
        env: real or paper.
        app_key: KIS's app key, valid for this environment and account only.
        app_secret: its secret.
        account: account number and product, "12345678-01".
        hts_id: the HTS login, under which fill notices are pushed.
        generation: which TR ids are sent.
        min_interval: seconds between calls; None for 0.2 on real and 1.05 on paper, 0 for no spacing.
        ledger_interval: seconds between calls of the order ledger; 0 for no rule of their own.
        hashkey: whether orders carry KIS's hash of their body (one more call each; KIS no longer requires it).
        rest_url: the REST host; None for the environment's own.
        ws_url: the websocket host; None for the environment's own.
        master_url: the folder of the master files.
        token_dir: folder of the access token's file.

    Raises:
        Misconfigured: a value is invalid; `.setting` names it.
    """

    env: Env
    app_key: str = field(repr=False)
    app_secret: str = field(repr=False)
    account: str = field(repr=False)
    hts_id: str = field(default="", repr=False)
    generation: Generation = Generation.CURRENT
    min_interval: float | None = None
    ledger_interval: float = 0.0
    hashkey: bool = False
    rest_url: str | None = None
    ws_url: str | None = None
    master_url: str = MASTER_URL
    token_dir: Path = field(default_factory=lambda: Path.home() / ".kis")

    def __post_init__(self) -> None:
        for name, kind, setting in (("env", Env, "KIS_ENV"), ("generation", Generation, "KIS_TR_GENERATION")):
            try:
                object.__setattr__(self, name, kind(getattr(self, name)))
            except ValueError:
                choices = " or ".join(kind)
                raise Misconfigured(f"{setting} is not {choices}", setting=setting) from None
        for name, setting in (("app_key", "KIS_APP_KEY"), ("app_secret", "KIS_APP_SECRET")):
            # A pasted line end must not reach a header.
            object.__setattr__(self, name, getattr(self, name).strip())
            if not HEADER_SAFE.fullmatch(getattr(self, name)):
                raise self._wrong("is empty or holds characters no key has", setting)
        if not _ACCOUNT.fullmatch(self.account.strip()):
            raise self._wrong("is not of the form 12345678-01", "KIS_ACCOUNT")
        for seconds in (self.min_interval, self.ledger_interval):
            if seconds is not None and not 0 <= seconds <= 60:  # noqa: PLR2004 - more than a minute is a typing error
                raise self._wrong("is not between 0 and 60 seconds", "KIS_MIN_INTERVAL")
        self._check_address(self.rest, "KIS_REST_URL")
        self._check_address(self.master_url, "KIS_MASTER_URL")
        for other in Env:
            if other is not self.env and _host(self.rest) == _host(REST_URLS[other]):
                raise self._wrong(f"says {self.env}, but the address is that of {other}", "KIS_ENV")

    def _check_address(self, url: str, setting: str) -> None:
        parts = split_address(url, "http", "https")
        if parts is None:
            raise self._wrong("is no address", setting)
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise self._wrong("must be https: plain http is accepted on this machine only", setting)

    def _wrong(self, what: str, setting: str) -> Misconfigured:
        return Misconfigured(f"{setting} {what}", setting=setting, env=self.env.value)

    @property
    def rest(self) -> str:
        """The REST host in use, without a closing slash."""
        return (self.rest_url or REST_URLS[self.env]).rstrip("/")

    def within_limit(self) -> Self:
        """This configuration with an interval that keeps 5 % off KIS's limit; a simulator on this machine allows any.

        Raises:
            Misconfigured: the interval is shorter than KIS's limit.
        """
        shortest = SHORTEST_INTERVALS[self.env]
        if is_loopback(_host(self.rest)):
            return self
        if self.interval < shortest - 0.001:
            raise self._wrong(f"is shorter than KIS allows ({shortest:.3f} s)", "KIS_MIN_INTERVAL")
        return replace(self, min_interval=max(self.interval, shortest * _MARGIN))

    @property
    def interval(self) -> float:
        """Seconds between calls in use."""
        return MIN_INTERVALS[self.env] if self.min_interval is None else self.min_interval

    @property
    def cano(self) -> str:
        """The first eight digits of the account number."""
        return self.account.strip()[:8]

    @property
    def product(self) -> str:
        """The last two digits of the account number, "01" for stocks."""
        return self.account.strip()[-2:]

    @property
    def account_masked(self) -> str:
        """The account number as it may be shown: "…78-01"."""
        return f"…{self.cano[-2:]}-{self.product}"


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def split_address(url: str, *schemes: str) -> SplitResult | None:
    """The parts of an address of one of the schemes, None if it is none, or has a login or a query."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # an invalid port raises when it is read
    except ValueError:
        return None
    return parts if parts.scheme in schemes and host and not (parts.username or parts.query) else None


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def config_from_env(environ: Mapping[str, str] | None = None) -> KisConfig:
    """Reads the `KIS_*` variables of the environment, or of `environ`.

    `KIS_APP_KEY`, `KIS_APP_SECRET` and `KIS_ACCOUNT` are required. `KIS_ENV` is paper unless it says real;
    `KIS_HTS_ID`, `KIS_TR_GENERATION`, `KIS_MIN_INTERVAL`, `KIS_HASHKEY`, `KIS_REST_URL`, `KIS_WS_URL` and
    `KIS_MASTER_URL` have the meaning of the fields of `KisConfig`. The token file lies in `KISBOT_DATA_DIR` if
    that is set, shared with the bot, else in `.kis` at home.

    Raises:
        Misconfigured: variables are missing, all of which are named, or one is invalid.
    """
    given = os.environ if environ is None else environ

    def value(name: str) -> str:
        return given.get(name, "").strip()

    missing = [name for name in _REQUIRED if not value(name)]
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
        hashkey=_boolean("KIS_HASHKEY", value("KIS_HASHKEY")),
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


def _boolean(name: str, text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise Misconfigured(f"{name} is neither true nor false", setting=name)
    return word in _TRUE
