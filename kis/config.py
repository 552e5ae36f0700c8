"""Whose account is spoken for, and where KIS is reached; checked before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from kis.endpoints import Env, Generation
from kis.errors import Misconfigured
from kis.krx import KST

REST_URLS = {
    Env.REAL: "https://openapi.koreainvestment.com:9443",
    Env.PAPER: "https://openapivts.koreainvestment.com:29443",
}
WS_URLS = {
    Env.REAL: "ws://ops.koreainvestment.com:21000",
    Env.PAPER: "ws://ops.koreainvestment.com:31000",
}
MASTER_URL = "https://new.real.download.dws.co.kr/common/master"
SHORTEST_INTERVALS = {Env.REAL: 1 / 18, Env.PAPER: 1.0}
"""Seconds between calls that KIS allows (notice of 2026-04-20: 18 a second real, 1 paper)."""
MIN_INTERVALS = {Env.REAL: 0.2, Env.PAPER: 1.0}

_ACCOUNT = re.compile(r"[0-9]{8}-?[0-9]{2}")
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")


def kst_now() -> datetime:
    """The present moment in KST."""
    return datetime.now(KST)


@dataclass(frozen=True)
class KisConfig:
    """One account of one environment.

    Attributes:
        env: the real market, or paper.
        app_key: KIS's app key, good for this environment and account only.
        app_secret: its secret.
        account: account number and product, "12345678-01".
        hts_id: the HTS login, under which fill notices are pushed.
        generation: which TR ids are sent.
        min_interval: seconds between calls; None for 0.2 on real and 1.0 on paper, 0 for no spacing.
        ledger_interval: seconds between calls of the order ledger; 0 for no rule of their own.
        hashkey: whether orders bear KIS's hash of their body (a call more each; KIS no longer demands it).
        rest_url: the REST host; None for the environment's own.
        ws_url: the websocket host; None for the environment's own.
        master_url: the folder of the master files.
        token_dir: where the access token is kept between runs.

    Raises:
        Misconfigured: a value cannot be right; its `.setting` names the one to look at.
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
            # A pasted line end would otherwise travel into a header.
            object.__setattr__(self, name, getattr(self, name).strip())
            if not _HEADER_SAFE.fullmatch(getattr(self, name)):
                raise self._wrong("is empty or holds characters no key has", setting)
        if not _ACCOUNT.fullmatch(self.account.strip()):
            raise self._wrong("is not of the form 12345678-01", "KIS_ACCOUNT")
        for seconds in (self.min_interval, self.ledger_interval):
            if seconds is not None and not 0 <= seconds <= 60:  # noqa: PLR2004 - a minute between calls is a slip
                raise self._wrong("is not between 0 and 60 seconds", "KIS_MIN_INTERVAL")
        self._check_address(self.rest, "KIS_REST_URL")
        self._check_address(self.master_url, "KIS_MASTER_URL")
        for other in Env:
            if other is not self.env and _host(self.rest) == _host(REST_URLS[other]):
                raise self._wrong(f"says {self.env}, but the address is that of {other}", "KIS_ENV")

    def _check_address(self, url: str, setting: str) -> None:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise self._wrong("is no address", setting) from None
        if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query:
            raise self._wrong("is no address", setting)
        if parts.scheme == "http" and not is_loopback(host):
            raise self._wrong("must be https: plain http is accepted on this machine only", setting)

    def _wrong(self, what: str, setting: str) -> Misconfigured:
        return Misconfigured(f"{setting} {what}", setting=setting, env=self.env.value)

    @property
    def rest(self) -> str:
        """The REST host in use, without a closing slash."""
        return (self.rest_url or REST_URLS[self.env]).rstrip("/")

    def within_limit(self) -> Self:
        """This configuration, if its calls keep to what KIS allows; a simulator on this machine allows anything.

        Raises:
            Misconfigured: the interval is shorter than KIS's limit.
        """
        shortest = SHORTEST_INTERVALS[self.env]
        if self.interval < shortest - 0.001 and not is_loopback(_host(self.rest)):
            raise self._wrong(f"is shorter than KIS allows ({shortest:.3f} s)", "KIS_MIN_INTERVAL")
        return self

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


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
