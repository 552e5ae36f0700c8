"""The access token: one per app key, shared by all tasks and processes of this machine.

KIS issues a token at most once a minute, notifies the customer each time, and returns the same token within six
hours. So it is stored in a private file and renewed, under a lock, five minutes before it expires.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from filelock import FileLock, Timeout
from pydantic import AwareDatetime, BaseModel

from kis.config import HEADER_SAFE, REST_URLS
from kis.errors import BadAnswer, Misconfigured, NotSent, Throttled, Unavailable
from kis.krx import KST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from kis.config import KisConfig

_log = structlog.get_logger(__name__)

_RENEW_BEFORE = timedelta(minutes=5)
_ISSUE_INTERVAL = timedelta(seconds=61)
_LOCK_POLL_INTERVAL = 0.05
_MAX_LOCK_POLLS = 600  # half a minute: longer than issuing a token takes
_PRIVATE_MODE = 0o600
_NEVER = datetime(2000, 1, 1, tzinfo=KST)


class _TokenFile(BaseModel, frozen=True):
    """Contents of the file; `attempted` is when a token was last requested, successfully or not."""

    token: str = ""
    expires: AwareDatetime = _NEVER
    attempted: AwareDatetime = _NEVER


class TokenStore:
    """Provides the access token and renews it."""

    def __init__(
        self,
        config: KisConfig,
        issue: Callable[[], Awaitable[dict[str, Any]]],
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Reads and requests nothing yet; `issue` requests a token once and returns the answer's body."""
        of = [config.env.value, config.app_key]
        if config.rest != REST_URLS[config.env]:
            of.append(config.rest)  # a simulator's token is not KIS's
        name = hashlib.sha256("\n".join(of).encode()).hexdigest()[:16]
        self._path = config.token_dir / f"kis-token-{name}.json"
        self._where: dict[str, Any] = {"endpoint": "token", "env": config.env.value}
        self._issue = issue
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._renewal: asyncio.Task[str] | None = None
        self._current = _TokenFile()
        self._renew_at = _NEVER

    async def get(self) -> str:
        """A token valid for at least five minutes, or for as long as can be had.

        Raises `Throttled` if one was requested less than a minute ago and no valid one is at hand, `Misconfigured` if
        KIS does not know the key or the secret or the file cannot be written, and `Unavailable` if KIS does not answer.
        """
        if self._clock() < self._renew_at:
            return self._current.token
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(), name="kis-token")
            self._renewal.add_done_callback(self._renewed)
        # A cancelled caller must not cancel the one attempt a minute that others wait for.
        return await asyncio.shield(self._renewal)

    def _renewed(self, renewal: asyncio.Task[str]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # retrieved, lest asyncio log it when no caller is left

    async def _renew(self) -> str:
        if self._clock() >= self._renew_at:
            async with self._locked():
                await self._renew_in_file()
        return self._current.token

    async def drop(self, refused: str) -> None:
        """Forgets a token KIS refused, unless it has been replaced already; raises if the file cannot be written."""
        if self._current.token == refused:
            self._set_current(_TokenFile(attempted=self._current.attempted))
        async with self._locked():
            stored = self._read()
            if stored.token == refused:
                self._write(_TokenFile(attempted=stored.attempted))

    async def close(self) -> None:
        """Cancels a renewal under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Locks the file against other tasks and processes."""
        async with self._lock:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                lock = FileLock(f"{self._path}.lock", thread_local=False, mode=_PRIVATE_MODE)
                await self._acquire(lock)
                try:
                    yield
                finally:
                    lock.release()
            except OSError as failure:
                message = f"the folder of the token file cannot be used ({type(failure).__name__})"
                raise Misconfigured(message, setting="KISBOT_DATA_DIR", **self._where) from None

    async def _acquire(self, lock: FileLock) -> None:
        for _ in range(_MAX_LOCK_POLLS):
            with suppress(Timeout):
                lock.acquire(blocking=False)
                return
            await self._sleep(_LOCK_POLL_INTERVAL)
        raise Unavailable("another process holds the token's lock", **self._where)

    async def _renew_in_file(self) -> None:
        stored = self._read()
        now = self._clock()
        if stored.token and now < stored.expires - _RENEW_BEFORE:
            self._set_current(stored)
            return
        since = now - stored.attempted
        # A future time was written before the clock was set back.
        if timedelta(0) <= since < _ISSUE_INTERVAL:
            left = (_ISSUE_INTERVAL - since).total_seconds()
            message = f"KIS issues a token once a minute and was asked {since.total_seconds():.0f} s ago"
            too_soon = Throttled(f"{message}: {left:.0f} s to go", code="EGW00133", **self._where)
            self._use_expiring(stored, too_soon)
            return
        self._write(stored.model_copy(update={"attempted": now}))
        try:
            fresh = self._parse(await self._issue(), now)
        except NotSent as failure:
            self._write(stored)  # KIS saw no attempt
            self._use_expiring(stored, Unavailable(failure.message, **self._where))
        except (Throttled, Unavailable) as failure:
            self._use_expiring(stored, failure)
        else:
            self._write(fresh)
            self._set_current(fresh)
            _log.info("token_issued", env=self._where["env"], expires=fresh.expires.isoformat(timespec="seconds"))

    def _use_expiring(self, stored: _TokenFile, failure: Throttled | Unavailable) -> None:
        """Uses a token in its last minutes; raises the failure if there is none."""
        now = self._clock()
        if not stored.token or now >= stored.expires:
            raise failure
        self._current = stored
        self._renew_at = min(stored.expires, now + _ISSUE_INTERVAL)
        _log.warning("token_not_renewed", env=self._where["env"], code=failure.code, reason=failure.message)

    def _parse(self, body: dict[str, Any], now: datetime) -> _TokenFile:
        token = body.get("access_token")
        ends = []
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            ends.append(now + timedelta(seconds=float(body["expires_in"])))
        with suppress(KeyError, ValueError):
            # KST, as captured: the text has no zone.
            text = str(body["access_token_token_expired"])
            ends.append(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=KST))
        if not isinstance(token, str) or not HEADER_SAFE.fullmatch(token) or not ends:
            raise BadAnswer("the token answer holds no token or no end", **self._where)
        # KIS issues no token that is about to expire: if one seems so, our clock is fast.
        expires = min((end for end in ends if end > now + _RENEW_BEFORE), default=max(ends))
        return _TokenFile(token=token, expires=expires, attempted=now)

    def _set_current(self, stored: _TokenFile) -> None:
        self._current = stored
        self._renew_at = stored.expires - _RENEW_BEFORE if stored.token else _NEVER

    def _read(self) -> _TokenFile:
        try:
            if os.name == "posix" and stat.S_IMODE(self._path.stat().st_mode) & 0o077:
                # Whoever has read it can trade with it; only the operator can tell whether somebody has.
                message = "can be read by others: run chmod 600 on it, or delete it if they may have"
                raise Misconfigured(f"{self._path.name} {message}", setting="KISBOT_DATA_DIR", **self._where)
            return _TokenFile.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return _TokenFile()

    def _write(self, stored: _TokenFile) -> None:
        _write_private(self._path, stored.model_dump_json())


def _write_private(path: Path, text: str) -> None:
    """Replaces a file atomically, never readable by others where the system has file modes."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
