"""Every knob of the bot, once: its name in the environment, its type, its default and what it means.

A value comes from the environment, else from `.env` in the working directory, else from a file of the same name
(lower case) in the directory that `KISBOT_SECRETS_DIR` names. The README's table is made from this file.
"""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from bot.orders.rules import Limits
from kis.config import is_loopback

REAL_TELEGRAM = "https://api.telegram.org/bot"
PLAY_MONEY = 10
"""How many times a real account's default limits in won a paper or practice account has."""


class BadSettings(Exception):
    """A setting is missing or cannot be right; the text names it and says what to do, Korean first."""


def _at_home(url: str) -> bool:
    """Whether an address can only be this machine: the one place where plain http is harmless."""
    return is_loopback(urlsplit(url).hostname or "")


class Home(BaseSettings):
    """Where the bot keeps things: all that commands such as `users` need to know."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    kisbot_data_dir: Path = Field(
        Path("data"),
        description="데이터베이스·토큰·잠금 파일을 두는 폴더 · where the database, token and lock are kept",
    )

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.kisbot_data_dir / "kisbot.db"


class Settings(Home):
    """The settings of one running bot. Field names are the variables' names in lower case."""

    telegram_bot_token: SecretStr = Field(description="봇 토큰 (@BotFather) · the bot's token from @BotFather")
    telegram_api_base: str = Field(
        REAL_TELEGRAM,
        description="Bot API 주소. 로컬 서버로 바꿀 수 있음 · the Bot API's address; a local server can stand in",
    )
    kisbot_owner_id: Annotated[tuple[int, ...], NoDecode] = Field(
        description="소유자의 텔레그램 숫자 ID, 쉼표로 여러 명 · the owners' numeric Telegram ids, comma separated"
    )
    kisbot_lang: Literal["ko", "en"] = Field("ko", description="대화 언어 · language of the chat")
    kisbot_practice: bool = Field(
        default=False,
        description="`kisbot sim`에 연결할 때만 true: [연습] 표시, KIS_REST_URL이 이 컴퓨터여야 함 · true only with `kisbot sim`: "
        "marks messages [PRACTICE]; KIS_REST_URL must be on this machine",
    )
    kisbot_market_hours: Literal["krx", "always"] = Field(
        "krx",
        description="`always`는 KISBOT_PRACTICE에서만 · `always` only together with KISBOT_PRACTICE",
    )
    kisbot_ticket_seconds: int = Field(
        60, ge=10, le=600, description="주문 확인 버튼의 수명(초) · how long a ticket's buttons live, seconds"
    )
    kisbot_max_order_quantity: int = Field(
        1_000, ge=1, description="주문 1건의 최대 수량(주) · most shares in one order"
    )
    kisbot_max_order_value: int | None = Field(
        None,
        ge=1,
        description="주문 1건의 최대 금액(원, 시장가 매수는 상한가 기준). 비우면 실전 5,000,000, 모의·연습 50,000,000 · most won in one order "
        "(a market buy counts at the upper limit price); empty: 5,000,000 real, 50,000,000 paper and practice",
    )
    kisbot_soft_order_value: int | None = Field(
        None,
        ge=1,
        description="이 금액(원)을 넘는 주문은 두 번 확인. 비우면 실전 1,000,000, 모의·연습 10,000,000 (위 한도 이내) · an order above so many won "
        "is confirmed twice; empty: 1,000,000 real, 10,000,000 paper and practice, never above the limit before",
    )
    kisbot_day_value_user: int | None = Field(
        None,
        ge=1,
        description="한 사람이 하루에 내는 주문 합계(원, 매수·매도, 미체결 포함). 비우면 실전 10,000,000, 모의·연습 100,000,000 · most won one person orders "
        "a day, buys and sells, open orders included; empty: 10,000,000 real, 100,000,000 paper and practice",
    )
    kisbot_day_value_account: int | None = Field(
        None,
        ge=1,
        description="계좌 전체의 하루 주문 합계(원, HTS·MTS 주문 포함). 비우면 실전 30,000,000, 모의·연습 300,000,000 · most won ordered on the account "
        "a day, HTS and MTS included; empty: 30,000,000 real, 300,000,000 paper and practice",
    )
    kisbot_day_orders_user: int = Field(
        20, ge=0, description="한 사람의 하루 주문 건수, 0은 무제한 · orders of one person a day; 0: any number"
    )
    kisbot_orders_per_minute: int = Field(
        5, ge=0, description="한 사람의 1분당 주문 건수, 0은 무제한 · orders of one person a minute; 0: any number"
    )
    kisbot_volume_percent: Decimal = Field(
        Decimal(1),
        gt=0,
        description="주문 1건이 오늘 거래량에서 차지할 최대 비율(%), 두 번 확인할 금액을 넘는 주문만 · largest share of today's volume in one order (%), "
        "asked of orders large enough to be confirmed twice",
    )
    kisbot_collar_note_percent: Decimal = Field(
        Decimal(2),
        gt=0,
        description="현재가보다 이만큼(%) 불리한 가격이면 주문서에 표시 · a price so much worse than the market (%) is noted on the ticket",
    )
    kisbot_collar_confirm_percent: Decimal = Field(
        Decimal(3),
        gt=0,
        description="현재가보다 이만큼(%) 불리한 가격이면 두 번 확인 · a price so much worse than the market (%) is confirmed twice",
    )
    kisbot_collar_deny_percent: Decimal = Field(
        Decimal(5),
        gt=0,
        description="현재가보다 이만큼(%) 넘게 불리한 가격은 보내지 않음 · a price further beyond the market than this (%) is not sent",
    )
    kisbot_market_orders: bool = Field(default=True, description="시장가 주문 허용 · whether market orders are taken")
    kisbot_restricted_stocks: bool = Field(
        default=False,
        description="관리·투자경고·투자위험 종목, 레버리지·인버스, ETN, ELW의 매수 허용 (매도는 늘 됨) · whether stocks under administration or warning, "
        "leveraged and inverse funds, ETNs and ELWs may be bought; selling them is always allowed",
    )
    kisbot_auctions: bool = Field(
        default=False,
        description="장 시작·마감 동시호가에도 주문 · whether orders are sent during the opening and closing auctions",
    )
    kisbot_duplicate_minutes: int = Field(
        10,
        ge=0,
        le=1_440,
        description="똑같은 주문을 이 시간(분) 안에 또 내면 두 번 확인, 0은 끔 · the very same order again within so many minutes is confirmed twice; 0: off",
    )
    kisbot_cool_off_rejects: int = Field(
        3,
        ge=0,
        description="증권사가 이만큼 잇달아 거절하면 잠시 쉼, 0은 끔 · after so many refusals by the broker in a row a person waits; 0: off",
    )
    kisbot_cool_off_minutes: int = Field(
        5, ge=0, le=1_440, description="그때 쉬는 시간(분) · how long they wait then, minutes"
    )
    kisbot_clock_stop_seconds: float = Field(
        10,
        gt=0,
        allow_inf_nan=False,
        description="이 컴퓨터의 시계가 증권사와 이만큼(초) 넘게 어긋나면 주문하지 않음 · no orders while this computer's clock is further off the broker's than this, seconds",
    )
    kisbot_requote_percent: Decimal = Field(
        Decimal(1),
        gt=0,
        description="확인하는 사이 이만큼(%) 움직이면 다시 묻기 · ask again when the price moved this far (%)",
    )
    kisbot_fee_percent: Decimal = Field(
        Decimal("0.0142"),
        ge=0,
        description="예상 수수료율(%), 계좌마다 다름 · commission used in estimates (%); yours may differ",
    )
    kisbot_log_json: bool = Field(default=False, description="로그를 JSON으로 · log as JSON lines")

    kis_env: Literal["paper", "real"] = Field(
        "paper", description="`paper` 모의투자, `real` 실전투자 · paper or real account"
    )
    kis_app_key: SecretStr = Field(description="KIS Developers 앱키 · app key")
    kis_app_secret: SecretStr = Field(description="KIS Developers 앱시크릿 · app secret")
    kis_account: SecretStr = Field(description="계좌번호 `12345678-01` · account number")
    kis_hts_id: str = Field(
        "", repr=False, description="HTS ID. 아직 쓰이지 않음 (체결 통보용) · HTS id, not used yet (for fill notices)"
    )
    kis_tr_generation: Literal["current", "legacy"] = Field(
        "current", description="TR ID 세대. `legacy`는 원 문서의 옛 ID · `legacy` sends the older TR ids"
    )
    kis_min_interval: float | None = Field(
        None,
        ge=0,
        description="호출 간 최소 간격(초). 비우면 실전 0.2, 모의 1.0 · seconds between calls; "
        "empty: 0.2 real, 1.0 paper",
    )
    kis_hashkey: bool = Field(
        default=False,
        description="주문에 해시키 첨부 (KIS는 이제 요구하지 않음) · send a hash key with orders",
    )
    kis_rest_url: str | None = Field(None, description="REST 주소. 비우면 KIS 공식 · REST address; empty: KIS's own")
    kis_ws_url: str | None = Field(None, description="웹소켓 주소. 아직 쓰이지 않음 · websocket address, not used yet")
    kis_master_url: str | None = Field(
        None,
        description="종목 마스터 파일 주소. 비우면 KIS 공식 · address of the master files; empty: KIS's own",
    )

    @field_validator("kisbot_owner_id", mode="before")
    @classmethod
    def _ids(cls, value: object) -> object:
        if isinstance(value, int):
            return (value,)
        if isinstance(value, str):
            parts = [part for part in value.replace(" ", "").split(",") if part]
            if not all(part.isascii() and part.isdigit() for part in parts):
                raise ValueError("one or more positive numeric ids")  # without the value: it may be a pasted secret
            return tuple(map(int, parts))
        return value

    @field_validator("kisbot_owner_id")
    @classmethod
    def _someone_owns_it(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(one <= 0 for one in value):
            raise ValueError("one or more positive numeric ids")
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
    def _plain_http_stays_home(self) -> Self:
        for name in ("kis_rest_url", "kis_master_url", "telegram_api_base"):
            url = getattr(self, name)
            if url is not None and not url.startswith("https://") and not _at_home(url):
                raise ValueError(f"{name.upper()}: https is required except on this machine")
        if self.kisbot_practice and not (self.kis_rest_url and _at_home(self.kis_rest_url)):
            raise ValueError("KISBOT_PRACTICE: needs KIS_REST_URL on this machine (`kisbot sim`)")
        if self.kisbot_market_hours == "always" and not self.kisbot_practice:
            raise ValueError("KISBOT_MARKET_HOURS: `always` needs KISBOT_PRACTICE")
        return self

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        most = self.limits().max_value
        if self.kisbot_soft_order_value is not None and self.kisbot_soft_order_value > most:
            raise ValueError(f"KISBOT_SOFT_ORDER_VALUE: at most KISBOT_MAX_ORDER_VALUE, {most}")
        note, confirm, deny = (
            self.kisbot_collar_note_percent,
            self.kisbot_collar_confirm_percent,
            self.kisbot_collar_deny_percent,
        )
        if not note <= confirm <= deny:
            raise ValueError(
                f"KISBOT_COLLAR_NOTE_PERCENT {note}, _CONFIRM_ {confirm}, _DENY_ {deny}: each at most the next"
            )
        return self

    @property
    def mode(self) -> Literal["practice", "paper", "real"]:
        """Which of the three badges every message bears: [연습], [모의] or [실전]."""
        return "practice" if self.kisbot_practice else self.kis_env

    def limits(self) -> Limits:
        """The house's limits. A setting is taken as given; a limit in won left empty depends on whose money it is."""
        house = Limits()
        times = 1 if self.mode == "real" else PLAY_MONEY
        most = self.kisbot_max_order_value or house.max_value * times
        return Limits(
            max_quantity=self.kisbot_max_order_quantity,
            soft_value=self.kisbot_soft_order_value or min(house.soft_value * times, most),
            max_value=most,
            day_value_user=self.kisbot_day_value_user or house.day_value_user * times,
            day_value_account=self.kisbot_day_value_account or house.day_value_account * times,
            day_orders_user=self.kisbot_day_orders_user,
            orders_per_minute=self.kisbot_orders_per_minute,
            volume_percent=self.kisbot_volume_percent,
            requote_percent=self.kisbot_requote_percent,
            collar_note=self.kisbot_collar_note_percent,
            collar_confirm=self.kisbot_collar_confirm_percent,
            collar_deny=self.kisbot_collar_deny_percent,
            market_orders=self.kisbot_market_orders,
            restricted=self.kisbot_restricted_stocks,
            auctions=self.kisbot_auctions,
            duplicate_minutes=self.kisbot_duplicate_minutes,
            cool_off_rejects=self.kisbot_cool_off_rejects,
            cool_off_minutes=self.kisbot_cool_off_minutes,
            clock_stop=self.kisbot_clock_stop_seconds,
            fee_percent=self.kisbot_fee_percent,
            ticket_seconds=self.kisbot_ticket_seconds,
        )

    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be written anywhere: the log's filter hides these."""
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
    """Settings that are exactly what is handed in: for the demo and the tests, whatever the environment holds."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments; neither the environment nor a file."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def load_settings(env_file: Path | str | None = ".env") -> Settings:
    """Read the settings.

    Raises:
        BadSettings: something is missing or malformed; the text lists each setting with its fault and
            never shows a value.
    """
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
