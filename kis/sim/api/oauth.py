"""App keys, access tokens and approval keys."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kis.endpoints import Env
from kis.krx import KST
from kis.sim.api.responses import SimResponse, credentials, gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

TOKEN_LIFETIME = timedelta(hours=24)
REUSE_PERIOD = timedelta(hours=6)
ISSUE_INTERVAL = timedelta(minutes=1)
_KEY_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A customer's keys and account in one environment, invented, of the lengths KIS uses."""

    app_key: str
    app_secret: str
    account: str
    hts_id: str


def credentials_of(env: Env) -> Credentials:
    """The one customer of an environment, always the same."""
    letters = random.Random(f"kis.sim {env}")  # noqa: S311  they protect nothing
    key = "PS" + "".join(letters.choices(_KEY_CHARACTERS, k=34))
    secret = "".join(letters.choices(_KEY_CHARACTERS + "+/", k=179)) + "="
    account = "50123456-01" if env is Env.PAPER else "64123456-01"
    return Credentials(key, secret, account, "kisbot")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and its lifetime."""

    text: str
    issued: datetime
    expires: datetime


class Oauth:
    """The token service.

    The same token is returned for six hours (KIS portal, 접근토큰발급(P)). Within a minute of a new one the call is
    refused with EGW00133, as KIS does since 2023-10. After six hours a new one is issued, and the old one stays valid
    until it expires.

    Attributes:
        customer: the customer whose calls are accepted.
        rules: whether tokens are issued once a minute only.
        live: tokens issued and neither expired nor revoked.
        approvals: approval keys issued, and when each expires.
    """

    def __init__(self, env: Env, clock: Callable[[], datetime], *, rules: bool = True) -> None:
        self.env = env
        self.customer = credentials_of(env)
        self.rules = rules
        self.live: dict[str, Token] = {}
        self.approvals: dict[str, datetime] = {}
        self._clock = clock
        self._current: Token | None = None
        self._issued: datetime | None = None
        self._count = 0
        other = Env.REAL if env is Env.PAPER else Env.PAPER
        self._foreign_key = credentials_of(other).app_key

    def drop_tokens(self) -> None:
        """Drops every token, as KIS does in its weekend maintenance."""
        self.live.clear()
        self._current = None

    # --- the four calls -----------------------------------------------------------------------------------

    def token(self, body: Mapping[str, Any]) -> SimResponse:
        """`POST /oauth2/tokenP`."""
        self._require_keys(body, "appsecret")
        now = self._clock()
        token = self._current
        soon = self._issued is not None and now - self._issued < ISSUE_INTERVAL
        if self.rules and soon:
            raise credentials("EGW00133", "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)")
        if token is None or now - token.issued >= REUSE_PERIOD:
            token = self._issue(now)
        return SimResponse(
            {
                "access_token": token.text,
                "access_token_token_expired": token.expires.astimezone(KST).strftime("%Y-%m-%d %H:%M:%S"),
                "token_type": "Bearer",
                "expires_in": int((token.expires - now).total_seconds()),
            }
        )

    def revoke(self, body: Mapping[str, Any]) -> SimResponse:
        """`POST /oauth2/revokeP`."""
        self._require_keys(body, "appsecret")
        text = str(body.get("token", ""))
        if self.live.pop(text, None) is None:
            raise credentials("EGW00121", "유효하지 않은 token 입니다.")
        if self._current is not None and self._current.text == text:
            self._current = None
        return SimResponse({"code": 200, "message": "접근토큰 폐기에 성공하였습니다"})

    def approval(self, body: Mapping[str, Any]) -> SimResponse:
        """`POST /oauth2/Approval`: the websocket's key; here the secret is named `secretkey`."""
        self._require_keys(body, "secretkey")
        self._count += 1
        digest = hashlib.sha256(f"{self.env} approval {self._count}".encode()).hexdigest()
        key = str(uuid.UUID(digest[:32]))
        self.approvals[key] = self._clock() + TOKEN_LIFETIME
        return SimResponse({"approval_key": key})

    def approved(self, key: str) -> bool:
        """Whether an approval key is valid: issued here, and not expired."""
        return key in self.approvals and self._clock() < self.approvals[key]

    def hashkey(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> SimResponse:
        """`POST /uapi/hashkey`: keys in the headers, no token."""
        self.require_customer(headers)
        return SimResponse({"BODY": dict(body), "HASH": self.hash_of(body)})

    # --- checks of the gateway ----------------------------------------------------------------------------

    def hash_of(self, body: Mapping[str, Any]) -> str:
        """The hash of an order's body."""
        text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256((self.customer.app_secret + text).encode()).hexdigest()

    def require_customer(self, headers: Mapping[str, str]) -> None:
        """Checks a call's app key and secret.

        Raises:
            ApiRefusal: they are missing, unknown, or belong to the other environment.
        """
        key, secret = headers.get("appkey", ""), headers.get("appsecret", "")
        if key == self._foreign_key:
            raise gateway("EGW02004", "실전투자 TR 이 아닙니다.")
        if not key or not secret:
            raise gateway(*(_NO_KEY if not key else _NO_SECRET))
        if key != self.customer.app_key or secret != self.customer.app_secret:
            raise gateway(*(_BAD_KEY if key != self.customer.app_key else _BAD_SECRET))

    def require_token(self, headers: Mapping[str, str]) -> None:
        """Checks a call's bearer token.

        Raises:
            ApiRefusal: it is missing, unknown or expired.
        """
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if text and scheme.lower() != "bearer":
            raise gateway("EGW00205", "credentials_type이 유효하지 않습니다.(Bearer)")
        token = self.live.get(text.strip())
        if token is None:
            raise gateway("EGW00121", "유효하지 않은 token 입니다.")
        if self._clock() >= token.expires:
            raise gateway("EGW00123", "기간이 만료된 token 입니다.")

    def _require_keys(self, body: Mapping[str, Any], secret_name: str) -> None:
        key, secret = body.get("appkey"), body.get(secret_name)
        if body.get("grant_type", "client_credentials") != "client_credentials":
            raise credentials("EGW00101", "유효하지 않은 요청입니다.")
        if not key or not secret:
            raise credentials(*(_NO_KEY if not key else _NO_SECRET))
        if key != self.customer.app_key:
            raise credentials(*_BAD_KEY)
        if secret != self.customer.app_secret:
            raise credentials(*_BAD_SECRET)

    def _issue(self, now: datetime) -> Token:
        self._count += 1
        payload = {
            "sub": "token",
            "aud": hashlib.sha256(f"{self._count}".encode()).hexdigest()[:32],
            "iss": "unogw",
            "exp": int((now + TOKEN_LIFETIME).timestamp()),
            "iat": int(now.timestamp()),
            "jti": self.customer.app_key,
        }
        parts = [_encoded({"typ": "JWT", "alg": "HS512"}), _encoded(payload)]
        signature = hashlib.sha512(".".join([*parts, self.customer.app_secret]).encode()).digest()
        token = Token(".".join([*parts, _base64(signature)]), now, now + TOKEN_LIFETIME)
        self.live[token.text] = self._current = token
        self._issued = now
        return token


_NO_KEY = ("EGW00102", "AppKey는 필수입니다.")
_BAD_KEY = ("EGW00103", "유효하지 않은 AppKey입니다.")
_NO_SECRET = ("EGW00104", "AppSecret은 필수입니다.")
_BAD_SECRET = ("EGW00105", "유효하지 않은 AppSecret입니다.")


def _encoded(part: Mapping[str, Any]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
