"""Every setting of the bot, once: its name in the environment, its type, its default and its meaning.

A value comes from the environment, else from `.env` in the working directory, else from a file of the same name
(lower case) in the directory that `KISBOT_SECRETS_DIR` names. The README's table is made from `Settings`, whose
risk settings stand in `risk.py`.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from bot.config.risk import RiskSettings
from bot.store.private_files import sharing_fault
from kis.config import is_loopback

TELEGRAM_API_BASE = "https://api.telegram.org/bot"
_OWNERS_REFUSED = "one or more positive numeric ids"
_ID_LISTS = {
    "kisbot_owner_id": (re.compile(r"[0-9]+"), _OWNERS_REFUSED),
    "kisbot_group_chats": (re.compile(r"-[0-9]+"), "ids of groups: negative whole numbers"),
}
"""What each id of a list looks like, and the sentence that refuses any other."""


class BadSettings(Exception):
    """A setting is missing or cannot be right; the text names it and says what to do, Korean first."""


def _is_local(url: str) -> bool:
    """Whether an address can only be this machine: the one place where plain http is harmless."""
    return is_loopback(urlsplit(url).hostname or "")


class DataSettings(BaseSettings):
    """Where the bot keeps its files: all that commands such as `users` need to know."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    kisbot_data_dir: Path = Path("data")
    """데이터베이스·토큰·잠금 파일을 두는 폴더 · where the database, token and lock are kept"""

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.kisbot_data_dir / "kisbot.db"


class Settings(RiskSettings, DataSettings):
    """The settings of one running bot. Field names are the variables' names in lower case."""

    telegram_bot_token: SecretStr
    """봇 토큰 (@BotFather) · the bot's token from @BotFather"""
    telegram_api_base: str = TELEGRAM_API_BASE
    """Bot API 주소. 로컬 서버로 바꿀 수 있음 · the Bot API's address; a local server can stand in"""
    kisbot_owner_id: Annotated[tuple[int, ...], NoDecode]
    """소유자의 텔레그램 숫자 ID, 쉼표로 여러 명 · the owners' numeric Telegram ids, comma separated"""
    kisbot_join_requests: bool = False
    """모르는 사람의 /start 를 관리자에게 알려 버튼으로 들일 수 있게 함 (끄면 완전한 침묵) · whether a stranger's
    /start is shown to the admins with buttons; false: silence"""
    kisbot_group_chats: Annotated[tuple[int, ...], NoDecode] = ()
    """봇이 있어도 되는 그룹의 ID(음수), 쉼표로 여러 개. 나머지 그룹은 스스로 나감 · ids of groups the bot may be in,
    comma separated; it leaves any other"""
    kisbot_group_fills: bool = False
    """그 그룹에 체결만 알림 (잔고 없음, 버튼 없음) · post fills there, without balances or buttons"""
    kisbot_lang: Literal["ko", "en"] = "ko"
    """대화의 기본 언어 (각자 /settings 로 바꿈) · the chat's usual language; /settings chooses one's own"""
    kisbot_market_hours: Literal["krx", "always"] = "krx"
    """`always`는 KISBOT_PRACTICE에서만 · `always` only together with KISBOT_PRACTICE"""
    kisbot_log_json: bool = False
    """로그를 JSON으로 · log as JSON lines"""

    kis_app_key: SecretStr
    """KIS Developers 앱키 · app key"""
    kis_app_secret: SecretStr
    """KIS Developers 앱시크릿 · app secret"""
    kis_account: SecretStr
    """계좌번호 `12345678-01` · account number"""
    kis_hts_id: str = Field("", repr=False)
    """HTS ID. 있으면 체결 통보를 실시간으로 받음, 없으면 조회만 · HTS id: with it fills are heard by websocket,
    without it only polled"""
    kis_tr_generation: Literal["current", "legacy"] = "current"
    """TR ID 세대. `legacy`는 원 문서의 옛 ID · `legacy` sends the older TR ids"""
    kis_min_interval: float | None = Field(None, ge=0)
    """호출 간 최소 간격(초). 비우면 실전 0.2, 모의 1.05 · seconds between calls; empty: 0.2 real, 1.05 paper"""
    kis_hashkey: bool = False
    """주문에 해시키 첨부 (KIS는 이제 요구하지 않음) · send a hash key with orders"""
    kis_rest_url: str | None = None
    """REST 주소. 비우면 KIS 공식 · REST address; empty: KIS's own"""
    kis_ws_url: str | None = None
    """웹소켓 주소. 비우면 KIS 공식 · websocket address; empty: KIS's own"""
    kis_master_url: str | None = None
    """종목 마스터 파일 주소. 비우면 KIS 공식 · address of the master files; empty: KIS's own"""

    @field_validator("kisbot_owner_id", "kisbot_group_chats", mode="before")
    @classmethod
    def _ids(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, int):
            return (value,)
        if isinstance(value, str):
            shape, refusal = _ID_LISTS[str(info.field_name)]
            parts = [part for part in value.replace(" ", "").split(",") if part]
            if not all(shape.fullmatch(part) for part in parts):
                raise ValueError(refusal)  # without the value: it may be a pasted secret
            return tuple(map(int, parts))
        return value

    @field_validator("kisbot_owner_id")
    @classmethod
    def _has_an_owner(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(one <= 0 for one in value):
            raise ValueError(_OWNERS_REFUSED)
        return value

    @field_validator("telegram_bot_token")
    @classmethod
    def _token_shape(cls, value: SecretStr) -> SecretStr:
        number, _, rest = value.get_secret_value().partition(":")
        if not (number.isdigit() and rest):
            raise ValueError("looks like 123456789:AA...")
        return value

    @field_validator("kis_account")
    @classmethod
    def _account_shape(cls, value: SecretStr) -> SecretStr:
        digits = value.get_secret_value().replace("-", "").strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) == len("1234567801")):
            raise ValueError("8 digits, a dash and 2 digits: 12345678-01")
        return SecretStr(f"{digits[:8]}-{digits[8:]}")

    @model_validator(mode="after")
    def _plain_http_is_local(self) -> Self:
        for name in ("kis_rest_url", "kis_master_url", "telegram_api_base"):
            url = getattr(self, name)
            if url is not None and not url.startswith("https://") and not _is_local(url):
                raise ValueError(f"{name.upper()}: https is required except on this machine")
        if self.kisbot_practice and not (self.kis_rest_url and _is_local(self.kis_rest_url)):
            raise ValueError("KISBOT_PRACTICE: needs KIS_REST_URL on this machine (`kisbot sim`)")
        if self.kisbot_market_hours == "always" and not self.kisbot_practice:
            raise ValueError("KISBOT_MARKET_HOURS: `always` needs KISBOT_PRACTICE")
        return self

    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be written anywhere; the log's redactor hides these."""
        account = self.kis_account.get_secret_value()
        return (
            self.telegram_bot_token.get_secret_value(),
            self.kis_app_key.get_secret_value(),
            self.kis_app_secret.get_secret_value(),
            account,
            account.replace("-", ""),
            account[:8],
        )


class GivenSettings(Settings):
    """Settings from the arguments alone, for the demo and the tests; the environment and files are not read."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic passes it
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments; neither the environment nor a file."""
        return (init_settings,)


def load_settings(env_file: Path | str | None = ".env") -> Settings:
    """Read the settings.

    Raises:
        BadSettings: the file is open to others, or the text lists each setting that is missing or malformed, and never
            shows a value.
    """
    fault = sharing_fault(Path(env_file), "600") if env_file else ""
    if fault:
        raise BadSettings(fault)
    secrets_dir = os.environ.get("KISBOT_SECRETS_DIR") or None
    if secrets_dir is not None and not Path(secrets_dir).is_dir():
        raise BadSettings(f"KISBOT_SECRETS_DIR: 폴더가 없습니다 · no such directory: {secrets_dir}")
    try:
        return Settings(_env_file=env_file, _secrets_dir=secrets_dir)  # the rest is read
    except ValidationError as error:
        raise BadSettings(_explain(error)) from None  # the original would quote the values


def _explain(error: ValidationError) -> str:
    lines = ["설정이 올바르지 않습니다 · the settings are not right:"]
    for fault in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in fault["loc"]).upper()
        if fault["type"] == "missing":
            lines.append(f"  {name}: 값이 없습니다 · is not set")
        else:
            text = fault["msg"].removeprefix("Value error, ")
            lines.append(f"  {name}: {text}" if name else f"  {text}")
    lines.append("환경 변수나 .env 파일에 적으세요 (deploy/env.example 참고) · put them in the environment or .env")
    return "\n".join(lines)
