"""Second factors at rest. The database holds them encrypted; the key is a file of its own beside it.

A TOTP secret has to be read back, so it is encrypted (Fernet). A PIN is kept as a salted scrypt hash; a hash of six
digits alone could be tried through in hours, so that is encrypted, too. A stolen copy of the database gives nothing
away without `stepup-key.txt`, and `kisbot backup` copies the database only.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyotp
from cryptography.fernet import Fernet, InvalidToken
from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.orders.access.second_factor import DIGITS, FactorKind, FactorUnreadable, Tries, judged
from bot.store.audit.log import AuditLog
from bot.store.private_files import BadKey, create_private, read_private
from bot.store.rows import Store, iso

ISSUER = "kisbot"
"""What an authenticator app shows beside the person's name."""
STEP = 30
"""Seconds that a TOTP code is shown."""
WORK = 2**14
"""scrypt's cost for new PINs, kept with each: 16 MB and some 50 ms a try."""
_ADVICE = (
    "다른 사람이 읽을 수 있습니다. chmod 600 하고, 이미 읽혔을 수 있으면 지우고 모두 다시 등록하세요 · "
    "can be read by others: run chmod 600 on it; if they may have, delete it and enrol everybody again"
)
_TRIES = TypeAdapter(Tries)
_KEPT_STEPS = 10
"""Used codes are remembered for so many steps: a code is good for three."""


class FactorKey:
    """The key file in the data directory, made at the first enrolment, readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "stepup-key.txt"

    def cipher(self, *, make: bool = False) -> Fernet | None:
        """What seals and opens; None where there is no key and none is to be made, or it is no key.

        Raises:
            BadKey: others can read the file, or we cannot; or it is damaged and something is to be sealed with it.
        """
        text = read_private(self.path, _ADVICE)
        if text is None and make:
            create_private(self.path, f"{Fernet.generate_key().decode()}\n")
            text = read_private(self.path, _ADVICE)
        try:
            return None if text is None else Fernet(text.strip().encode())
        except ValueError:
            if make:  # what is sealed under it may yet be read once the file is brought back: it is not replaced
                raise BadKey(
                    f"{self.path}: 손상되었습니다. 백업에서 되돌리거나 지우고 모두 다시 등록하세요 · "
                    "damaged: bring it back, or delete it and enrol everybody again"
                ) from None
            return None


class SecondFactors(Store):
    """The tables of second factors; every method is one transaction with its audit row."""

    def __init__(
        self, db: Database, audit: AuditLog, key: FactorKey, clock: Callable[[], datetime], *, work: int = WORK
    ) -> None:
        """Raises `BadKey` if there is a key that others can read, or we cannot."""
        super().__init__(db, clock)
        self._audit = audit
        self._key = key
        self._work = work
        key.cipher()

    # --- what there is ------------------------------------------------------------------------------------------------

    def kind(self, user_id: int) -> FactorKind | None:
        """Which factor the person has."""
        row = self._row("second_factors WHERE user_id = ?", user_id)
        return FactorKind(row["kind"]) if row else None

    def all(self) -> list[tuple[int, FactorKind, datetime, Tries]]:
        """Everybody who has one: id, kind, since when, wrong answers."""
        rows = self._db.execute("SELECT user_id, kind, made_at FROM second_factors ORDER BY user_id").fetchall()
        return [
            (user_id, FactorKind(kind), datetime.fromisoformat(made_at), self.tries(user_id))
            for user_id, kind, made_at in rows
        ]

    def tries(self, user_id: int) -> Tries:
        """The wrong answers so far."""
        row = self._row("stepup_people WHERE user_id = ?", user_id)
        return _TRIES.validate_python(row) if row else Tries()

    def active_at(self, user_id: int) -> datetime | None:
        """When the person last did something that may need a factor."""
        row = self._row("stepup_people WHERE user_id = ?", user_id)
        return datetime.fromisoformat(row["active_at"]) if row and row["active_at"] else None

    # --- answers ------------------------------------------------------------------------------------------------------

    def acted(self, user_id: int) -> None:
        """The person is at work now."""
        self._db.execute(
            "INSERT INTO stepup_people (user_id, wrong, rounds, barred, active_at) VALUES (?, 0, 0, 0, ?) "
            "ON CONFLICT (user_id) DO UPDATE SET active_at = excluded.active_at",
            [user_id, self._now()],
        )

    def answer(self, user_id: int, code: str, deed: str, subject: str) -> tuple[bool, Tries]:
        """Judge a code and count it. The code itself is written nowhere.

        Raises:
            FactorUnreadable: the factor cannot be opened, or there is none; nothing was counted.
        """
        kind, secret = self._open(user_id)
        with self._db.atomic():
            now = self._clock()
            right = self._totp(user_id, secret, code, now) if kind is FactorKind.TOTP else _same_pin(secret, code)
            tries = judged(self.tries(user_id), now, right=right)
            self._keep(user_id, tries)
            if right:
                self.acted(user_id)
            self._audit.add(
                "stepup.passed" if right else "stepup.wrong",
                user_id=user_id,
                factor=kind.value,
                deed=deed,
                subject=subject,
                locked=tries.locked(now),
                until=tries.locked_until.isoformat(timespec="seconds") if tries.locked_until else None,
            )
        return right, tries

    def _totp(self, user_id: int, secret: str, code: str, now: datetime) -> bool:
        """One step early or late is let through, for clocks that differ; each code once."""
        totp = pyotp.TOTP(secret, digits=DIGITS, interval=STEP)
        step = int(now.timestamp()) // STEP
        # all three are compared whatever the first says: the time it takes tells nothing
        fits = [one for one in (step - 1, step, step + 1) if _same(totp.generate_otp(one), code)]
        other = "user_id = ? AND step NOT BETWEEN ? AND ?"
        self._db.table("stepup_codes").delete_where(other, [user_id, step - _KEPT_STEPS, step + _KEPT_STEPS])
        use = "INSERT OR IGNORE INTO stepup_codes (user_id, step) VALUES (?, ?)"
        return any(self._db.execute(use, [user_id, one]).rowcount for one in fits)

    def _keep(self, user_id: int, tries: Tries) -> None:
        until = iso(tries.locked_until) if tries.locked_until else None
        row = {"user_id": user_id, "wrong": tries.wrong, "rounds": tries.rounds}
        self._db.table("stepup_people").upsert({**row, "locked_until": until, "barred": int(tries.barred)})

    def unlock(self, user_id: int, by: int | None) -> bool:
        """Forget wrong answers; False where there are none."""
        with self._db.atomic():
            if self.tries(user_id) == Tries():
                return False
            self._keep(user_id, Tries())
            self._audit.add("stepup.unlocked", user_id=by, subject=user_id)
        return True

    # --- enrolment ----------------------------------------------------------------------------------------------------

    def put_pin(self, user_id: int, pin: str) -> None:
        """This PIN from now on, in the place of any factor before; raises `BadKey` as `FactorKey.cipher` does."""
        salt = secrets.token_bytes(16)
        self._put(user_id, FactorKind.PIN, f"{self._work}:{salt.hex()}:{_scrypt(pin, salt, self._work)}", user_id)
        self.acted(user_id)

    def put_totp(self, user_id: int, secret: str, *, by: int | None = None) -> None:
        """This TOTP secret (base32) from now on; as `put_pin`."""
        self._put(user_id, FactorKind.TOTP, secret, by)

    def remove(self, user_id: int, *, by: int | None = None) -> bool:
        """Take somebody's factor away; False where there is none."""
        with self._db.atomic():
            if self._row("second_factors WHERE user_id = ?", user_id) is None:
                return False
            for table in ("second_factors", "stepup_codes", "stepup_people"):
                self._db.table(table).delete_where("user_id = ?", [user_id])
            self._audit.add("stepup.removed", user_id=by, subject=user_id)
        return True

    def _put(self, user_id: int, kind: FactorKind, secret: str, by: int | None) -> None:
        cipher = self._key.cipher(make=True)
        assert cipher is not None  # noqa: S101  # made a line ago
        # the person stands inside: a row copied to somebody else's place opens nothing
        plain = json.dumps({"user": user_id, "kind": kind.value, "secret": secret})
        with self._db.atomic():
            row = {"user_id": user_id, "kind": kind.value, "sealed": cipher.encrypt(plain.encode()).decode()}
            self._db.table("second_factors").insert({**row, "made_at": self._now(), "made_by": by}, replace=True)
            self._db.table("stepup_codes").delete_where("user_id = ?", [user_id])
            self._keep(user_id, Tries())
            self._audit.add("stepup.enrolled", user_id=by, subject=user_id, factor=kind.value)

    def _open(self, user_id: int) -> tuple[FactorKind, str]:
        row = self._row("second_factors WHERE user_id = ?", user_id)
        try:
            cipher = self._key.cipher()
        except BadKey as error:
            raise FactorUnreadable(str(error)) from None
        if row is None or cipher is None:
            raise FactorUnreadable(str(user_id))
        try:
            plain: dict[str, Any] = json.loads(cipher.decrypt(row["sealed"]))
        except (InvalidToken, ValueError):
            raise FactorUnreadable(str(user_id)) from None
        if (plain.get("user"), plain.get("kind")) != (user_id, row["kind"]):
            raise FactorUnreadable(str(user_id))
        return FactorKind(row["kind"]), str(plain["secret"])


def new_secret() -> str:
    """A fresh TOTP secret: 160 bits, as RFC 4226 recommends, in base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def totp_uri(secret: str, name: str) -> str:
    """The otpauth address that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP).provisioning_uri(name=name, issuer_name=ISSUER)


def fits_now(secret: str, code: str, now: datetime) -> bool:
    """Whether an app that was given the secret shows this code: asked once at enrolment, before it is kept."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP).verify(code, for_time=now, valid_window=1)


def _scrypt(pin: str, salt: bytes, work: int) -> str:
    return hashlib.scrypt(pin.encode(), salt=salt, n=work, r=8, p=1, dklen=32).hex()


def _same_pin(kept: str, pin: str) -> bool:
    work, salt, wanted = kept.split(":")
    return _same(_scrypt(pin, bytes.fromhex(salt), int(work)), wanted)


def _same(one: str, other: str) -> bool:
    """In a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
