"""The access token: one per app key, shared by every task and every process of this machine.

KIS issues a token at most once a minute, sends the customer a message each time, and gives the same token
again within six hours. So it is kept in a private file, renewed five minutes before it ends, under a lock.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from filelock import FileLock, Timeout

from kis.config import REST_URLS
from kis.errors import BadAnswer, Misconfigured, NotSent, Throttled, Unavailable
from kis.krx import KST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kis.config import KisConfig

_log = structlog.get_logger(__name__)

_EARLY = timedelta(minutes=5)
_BETWEEN_ISSUES = timedelta(seconds=61)
_LOCK_POLL = 0.05
_LOCK_PATIENCE = 600  # polls, half a minute: longer than any issue takes
_PRIVATE = 0o600
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_LONG_AGO = datetime(2000, 1, 1, tzinfo=KST)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file holds; `attempted` is when a token was last asked for, whether or not one came."""

    token: str = ""
    expires: datetime = _LONG_AGO
    attempted: datetime = _LONG_AGO


class TokenStore:
    """Hands out the access token and renews it."""

    def __init__(
        self,
        config: KisConfig,
        issue: Callable[[], Awaitable[dict[str, Any]]],
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Nothing is read or asked for before the first call.

        Args:
            config: whose token it is, and in which folder it is kept.
            issue: asks KIS for a token once and returns the answer's body; raises a `KisError`.
            clock: the present moment in KST.
            sleep: waits; between looks at a lock another process holds.
        """
        of = [config.env.value, config.app_key]
        if config.rest != REST_URLS[config.env]:
            of.append(config.rest)  # a simulator's token is none of KIS's
        name = hashlib.sha256("\n".join(of).encode()).hexdigest()[:16]
        self._path = config.token_dir / f"kis-token-{name}.json"
        self._env = config.env.value
        self._issue = issue
        self._clock = clock
        self._sleep = sleep
        self._one_at_a_time = asyncio.Lock()
        self._renewal: asyncio.Task[str] | None = None
        self._kept = _Kept()
        self._renew_at = _LONG_AGO

    async def get(self) -> str:
        """A token that is good for five minutes more, or as long as KIS lets us have.

        Raises:
            Throttled: a token was asked for less than a minute ago and there is none to use meanwhile.
            Misconfigured: KIS does not know the app key or the secret, or the file cannot be written.
            Unavailable: KIS could not be asked, or gave no usable answer.
        """
        if self._clock() < self._renew_at:
            return self._kept.token
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(), name="kis-token")
            self._renewal.add_done_callback(self._renewed)
        # A caller that gives up must not waste the one attempt a minute on which others wait.
        return await asyncio.shield(self._renewal)

    def _renewed(self, renewal: asyncio.Task[str]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # also when nobody is left to hear it

    async def _renew(self) -> str:
        if self._clock() >= self._renew_at:
            await self._locked(self._renew_in_file)
        return self._kept.token

    async def drop(self, refused: str) -> None:
        """Forgets a token KIS refused, unless it has been replaced already.

        Raises:
            Misconfigured: the file cannot be written.
            Unavailable: another process holds the file.
        """
        if self._kept.token == refused:
            self._remember(_Kept(attempted=self._kept.attempted))
        await self._locked(self._forget_in_file, refused)

    async def close(self) -> None:
        """Gives up a renewal under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    async def _locked(self, work: Callable[..., Awaitable[None]], *args: str) -> None:
        async with self._one_at_a_time:
            try:
                await self._locked_between_processes(work, *args)
            except OSError as failure:
                raise Misconfigured(
                    f"the folder of the token file cannot be used ({type(failure).__name__})",
                    setting="KISBOT_DATA_DIR",
                    endpoint="token",
                    env=self._env,
                ) from None

    async def _locked_between_processes(self, work: Callable[..., Awaitable[None]], *args: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(f"{self._path}.lock", thread_local=False, mode=_PRIVATE)
        for _ in range(_LOCK_PATIENCE):
            try:
                lock.acquire(blocking=False)
            except Timeout:
                await self._sleep(_LOCK_POLL)
                continue
            try:
                await work(*args)
            finally:
                lock.release()
            return
        raise Unavailable("another process holds the token's lock", endpoint="token", env=self._env)

    async def _forget_in_file(self, refused: str) -> None:
        kept = self._read()
        if kept.token == refused:
            self._write(_Kept(attempted=kept.attempted))

    async def _renew_in_file(self) -> None:
        kept = self._read()
        now = self._clock()
        if kept.token and now < kept.expires - _EARLY:
            self._remember(kept)
            return
        since = now - kept.attempted
        # A time still to come was written by a clock that has been set back since.
        if timedelta(0) <= since < _BETWEEN_ISSUES:
            left = (_BETWEEN_ISSUES - since).total_seconds()
            words = f"KIS issues a token once a minute and was asked {since.total_seconds():.0f} s ago"
            too_soon = Throttled(f"{words}: {left:.0f} s to go", code="EGW00133", endpoint="token", env=self._env)
            self._make_do(kept, too_soon)
            return
        self._write(_Kept(kept.token, kept.expires, attempted=now))
        try:
            fresh = _Kept(*self._parse(await self._issue(), now), attempted=now)
        except NotSent as failure:
            self._write(kept)  # KIS saw no attempt
            self._make_do(kept, Unavailable(failure.message, endpoint="token", env=self._env))
        except (Throttled, Unavailable) as failure:
            self._make_do(kept, failure)
        else:
            self._write(fresh)
            self._remember(fresh)
            _log.info("token_issued", env=self._env, expires=fresh.expires.isoformat(timespec="seconds"))

    def _make_do(self, kept: _Kept, failure: Throttled | Unavailable) -> None:
        """A token in its last minutes is still a token; without one the failure stands."""
        now = self._clock()
        if not kept.token or now >= kept.expires:
            raise failure
        self._kept = kept
        self._renew_at = min(kept.expires, now + _BETWEEN_ISSUES)
        _log.warning("token_not_renewed", env=self._env, code=failure.code, reason=failure.message)

    def _parse(self, body: dict[str, Any], now: datetime) -> tuple[str, datetime]:
        token = body.get("access_token")
        ends = []
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            ends.append(now + timedelta(seconds=float(body["expires_in"])))
        with suppress(KeyError, ValueError):
            # KST, as captured: the text bears no zone.
            text = str(body["access_token_token_expired"])
            ends.append(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=KST))
        if not isinstance(token, str) or not _HEADER_SAFE.fullmatch(token) or not ends:
            raise BadAnswer("the token answer holds no token or no end", endpoint="token", env=self._env)
        # KIS gives no token that is all but over: where one seems so, it is our clock that is fast.
        return token, min((end for end in ends if end > now + _EARLY), default=max(ends))

    def _remember(self, kept: _Kept) -> None:
        self._kept = kept
        self._renew_at = kept.expires - _EARLY if kept.token else _LONG_AGO

    def _read(self) -> _Kept:
        try:
            if os.name == "posix" and stat.S_IMODE(self._path.stat().st_mode) & 0o077:
                # Whoever could read it can trade with it; only a person knows whether somebody did.
                raise Misconfigured(
                    f"{self._path.name} can be read by others: run chmod 600 on it, or delete it if they may have",
                    setting="KISBOT_DATA_DIR",
                    endpoint="token",
                    env=self._env,
                )
            row = json.loads(self._path.read_text(encoding="utf-8"))
            return _Kept(
                str(row["token"]),
                datetime.fromisoformat(row["expires"]).astimezone(KST),
                datetime.fromisoformat(row["attempted"]).astimezone(KST),
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return _Kept()

    def _write(self, kept: _Kept) -> None:
        row = asdict(kept) | {"expires": kept.expires.isoformat(), "attempted": kept.attempted.isoformat()}
        _write_private(self._path, json.dumps(row))


def _write_private(path: Path, text: str) -> None:
    """Replaces a file at one stroke; where the system has modes, no moment leaves it readable by others."""
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
