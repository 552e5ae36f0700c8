"""The risk settings: limits of orders, approvals, second factors, and which kind of account it is."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.orders.access.second_factor import SecondFactorPolicy
from bot.orders.approvals.policy import ApprovalPolicy, SellApproval, Tiers
from bot.orders.risk.checks import Limits

PLAY_MONEY_FACTOR = 10
"""Default limits in won of a paper or practice account, as a multiple of those of a real one."""


def _tiers(text: str) -> Tiers:
    """Parse `1000000=1,5000000=2`, won and number of approvers; `off` is no tiers."""
    text = text.replace(" ", "").replace("_", "")
    if text.lower() == "off":
        return ()
    found = re.fullmatch(r"\d{1,15}=[1-9](,\d{1,15}=[1-9])*", text)
    if found is None:
        raise ValueError("amounts and people: 1000000=1,5000000=2, or off")
    pairs = [part.split("=") for part in text.split(",")]
    return tuple(sorted((int(won), int(people)) for won, people in pairs))


class RiskSettings(BaseSettings):
    """What is allowed, to whom and how much. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    kisbot_practice: bool = False
    """`kisbot sim`에 연결할 때만 true: [연습] 표시, KIS_REST_URL이 이 컴퓨터여야 함 · true only with `kisbot sim`:
    marks messages [PRACTICE]; KIS_REST_URL must be on this machine"""
    kis_env: Literal["paper", "real"] = "paper"
    """`paper` 모의투자, `real` 실전투자 · paper or real account"""
    kisbot_ticket_seconds: int = Field(60, ge=10, le=600)
    """주문 확인 버튼의 수명(초) · how long a ticket's buttons live, seconds"""
    kisbot_max_order_quantity: int = Field(1_000, ge=1)
    """주문 1건의 최대 수량(주) · most shares in one order"""
    kisbot_max_order_value: int | None = Field(None, ge=1)
    """주문 1건의 최대 금액(원, 시장가 매수는 상한가 기준). 비우면 실전 5,000,000, 모의·연습 50,000,000 · most won in
    one order (a market buy counts at the upper limit price); empty: 5,000,000 real, 50,000,000 paper and practice"""
    kisbot_soft_order_value: int | None = Field(None, ge=1)
    """이 금액(원)을 넘는 주문은 두 번 확인. 비우면 실전 1,000,000, 모의·연습 10,000,000 (위 한도 이내) · an order
    above so many won is confirmed twice; empty: 1,000,000 real, 10,000,000 paper and practice, never above the limit
    before"""
    kisbot_day_value_user: int | None = Field(None, ge=1)
    """한 사람이 하루에 내는 주문 합계(원, 매수·매도, 미체결 포함). 비우면 실전 10,000,000, 모의·연습 100,000,000 ·
    most won one person orders a day, buys and sells, open orders included; empty: 10,000,000 real, 100,000,000 paper
    and practice"""
    kisbot_day_value_account: int | None = Field(None, ge=1)
    """계좌 전체의 하루 주문 합계(원, HTS·MTS 주문 포함). 비우면 실전 30,000,000, 모의·연습 300,000,000 · most won
    ordered on the account a day, HTS and MTS included; empty: 30,000,000 real, 300,000,000 paper and practice"""
    kisbot_day_orders_user: int = Field(20, ge=0)
    """한 사람의 하루 주문 건수, 0은 무제한 · orders of one person a day; 0: any number"""
    kisbot_orders_per_minute: int = Field(5, ge=0)
    """한 사람의 1분당 주문 건수, 0은 무제한 · orders of one person a minute; 0: any number"""
    kisbot_volume_percent: Decimal = Field(Decimal(1), gt=0)
    """주문 1건이 오늘 거래량에서 차지할 최대 비율(%), 두 번 확인할 금액을 넘는 주문만 · largest share of today's
    volume in one order (%), asked of orders large enough to be confirmed twice"""
    kisbot_collar_note_percent: Decimal = Field(Decimal(2), gt=0)
    """현재가보다 이만큼(%) 불리한 가격이면 주문서에 표시 · a price so much worse than the market (%) is noted on the
    ticket"""
    kisbot_collar_confirm_percent: Decimal = Field(Decimal(3), gt=0)
    """현재가보다 이만큼(%) 불리한 가격이면 두 번 확인 · a price so much worse than the market (%) is confirmed twice"""
    kisbot_collar_deny_percent: Decimal = Field(Decimal(5), gt=0)
    """현재가보다 이만큼(%) 넘게 불리한 가격은 보내지 않음 · a price further beyond the market than this (%) is not
    sent"""
    kisbot_market_orders: bool = True
    """시장가 주문 허용 · whether market orders are taken"""
    kisbot_restricted_stocks: bool = False
    """관리·투자경고·투자위험 종목, 레버리지·인버스, ETN, ELW의 매수 허용 (매도는 늘 됨) · whether stocks under
    administration or warning, leveraged and inverse funds, ETNs and ELWs may be bought; selling them is always
    allowed"""
    kisbot_auctions: bool = False
    """장 시작·마감 동시호가에도 주문 · whether orders are sent during the opening and closing auctions"""
    kisbot_duplicate_minutes: int = Field(10, ge=0, le=1_440)
    """똑같은 주문을 이 시간(분) 안에 또 내면 두 번 확인, 0은 끔 · the very same order again within so many minutes
    is confirmed twice; 0: off"""
    kisbot_cool_off_rejects: int = Field(3, ge=0)
    """증권사가 이만큼 잇달아 거절하면 잠시 쉼, 0은 끔 · after so many refusals by the broker in a row a person
    waits; 0: off"""
    kisbot_cool_off_minutes: int = Field(5, ge=0, le=1_440)
    """그때 쉬는 시간(분) · how long they wait then, minutes"""
    kisbot_position_percent: Decimal | None = Field(None, ge=0, le=100)
    """체결 뒤 한 종목이 계좌에서 차지할 최대 비율(%), 0은 끔. 비우면 실전 30, 모의·연습 0 · largest share of the
    account in one stock after a buy (%), 0: off; empty: 30 real, 0 paper and practice"""
    kisbot_alert_calls_per_minute: int | None = Field(None, ge=1, le=300)
    """가격 알림을 위해 1분에 조회할 횟수. 비우면 실전·연습 20, 모의 6 · calls a minute that price alerts may make;
    empty: 20 real and practice, 6 paper"""
    kisbot_alerts_per_person: int = Field(30, ge=1, le=40)
    """한 사람이 걸어 둘 수 있는 알림 수 · alerts one person may have"""
    kisbot_watch_calls_per_minute: int | None = Field(None, ge=1, le=300)
    """실시간 관심 종목을 위해 1분에 조회할 횟수. 비우면 실전·연습 60, 모의 12 · calls a minute that live watch lists
    may make; empty: 60 real and practice, 12 paper"""
    kisbot_stepup_value: int | None = Field(None, ge=0)
    """이 금액(원)을 넘는 주문에 본인 확인(PIN·인증 앱)을 모두에게 요구. 비우면 PIN이나 앱을 등록한 사람에게만
    KISBOT_SOFT_ORDER_VALUE부터 · orders above so many won need a second factor (PIN or authenticator app) of
    everybody; empty: only of those who have one, above KISBOT_SOFT_ORDER_VALUE"""
    kisbot_stepup_idle_hours: float = Field(12, ge=0, le=720)
    """이 시간(시) 넘게 쉬었다가 내는 첫 주문에도 본인 확인, 0은 끔 · the first order after so many hours needs it,
    too; 0: off"""
    kisbot_clock_stop_seconds: float = Field(10, gt=0, allow_inf_nan=False)
    """이 컴퓨터의 시계가 증권사와 이만큼(초) 넘게 어긋나면 주문하지 않음 · no orders while this computer's clock is
    further off the broker's than this, seconds"""
    kisbot_requote_percent: Decimal = Field(Decimal(1), gt=0)
    """확인하는 사이 이만큼(%) 움직이면 다시 묻기 · ask again when the price moved this far (%)"""
    kisbot_approval_order: str = ""
    """주문 금액별 승인자 수, `초과금액=인원,…`. 비우면 실전 `1000000=1`, 모의·연습은 승인 없음. `off`는 1인 모드 ·
    how many others must agree by won of an order, `above=people,…`; empty: `1000000=1` real, none on paper and
    practice; `off`: nobody"""
    kisbot_approval_day: str = ""
    """그 사람의 하루 합계 금액별 승인자 수 (나눠 내도 소용없음). 비우면 실전 `5000000=1` · the same by a person's
    sum of the day; empty: `5000000=1` real"""
    kisbot_approval_sells: Literal["same", "fewer", "none"] = "fewer"
    """보유분 매도의 승인: 같게, 한 명 적게, 없이 · consent to sales: the same, one fewer, none"""
    kisbot_approval_deputy_minutes: int = Field(0, ge=0)
    """이만큼(분) 지나면 다른 매매자도 승인 가능. 0은 안 함 · after so many minutes other traders may agree; 0: never"""
    kisbot_resume_pause: int = Field(30, ge=0, le=3600)
    """관리자가 한 명뿐일 때 중지를 풀기까지 기다리는 시간(초) · seconds before a lone administrator may release the
    brakes"""
    kisbot_day_loss_percent: Decimal = Field(Decimal(3), ge=0, le=100)
    """하루 평가액이 이만큼(%) 줄면 매수중지. 0은 안 함 · buys stop when the account lost this much since the morning
    (%); 0: never"""
    kisbot_fee_percent: Decimal = Field(Decimal("0.0142"), ge=0)
    """예상 수수료율(%), 계좌마다 다름 · commission used in estimates (%); yours may differ"""

    @field_validator("kisbot_approval_order", "kisbot_approval_day")
    @classmethod
    def _tiers_make_sense(cls, value: str) -> str:
        _tiers(value or "off")
        return value

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        most = self.limits().max_value
        if self.kisbot_soft_order_value is not None and self.kisbot_soft_order_value > most:
            raise ValueError(f"KISBOT_SOFT_ORDER_VALUE: at most KISBOT_MAX_ORDER_VALUE, {most}")
        note, confirm = self.kisbot_collar_note_percent, self.kisbot_collar_confirm_percent
        deny = self.kisbot_collar_deny_percent
        if not note <= confirm <= deny:
            raise ValueError(
                f"KISBOT_COLLAR_NOTE_PERCENT {note}, _CONFIRM_ {confirm}, _DENY_ {deny}: each at most the next"
            )
        return self

    @property
    def mode(self) -> Literal["practice", "paper", "real"]:
        """The kind of account, shown by the badge of every message: [연습], [모의] or [실전]."""
        return "practice" if self.kisbot_practice else self.kis_env

    def approval_policy(self) -> ApprovalPolicy:
        """Which orders other people must approve, and how many of them."""
        real = self.mode == "real"
        minutes = self.kisbot_approval_deputy_minutes
        return ApprovalPolicy(
            order_tiers=_tiers(self.kisbot_approval_order or ("1000000=1" if real else "off")),
            day_tiers=_tiers(self.kisbot_approval_day or ("5000000=1" if real else "off")),
            sells=SellApproval(self.kisbot_approval_sells),
            deputies_after=timedelta(minutes=minutes) if minutes else None,
        )

    def limits(self) -> Limits:
        """The limits of orders. A limit in won that is left empty depends on `mode`."""
        default = Limits()
        factor = 1 if self.mode == "real" else PLAY_MONEY_FACTOR
        most = self.kisbot_max_order_value or default.max_value * factor
        return Limits(
            max_quantity=self.kisbot_max_order_quantity,
            soft_value=self.kisbot_soft_order_value or min(default.soft_value * factor, most),
            max_value=most,
            day_value_user=self.kisbot_day_value_user or default.day_value_user * factor,
            day_value_account=self.kisbot_day_value_account or default.day_value_account * factor,
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

    def second_factor_policy(self) -> SecondFactorPolicy:
        """When a second factor is asked for."""
        hours = self.kisbot_stepup_idle_hours
        return SecondFactorPolicy(
            self.kisbot_stepup_value, self.limits().soft_value, timedelta(hours=hours) if hours else None
        )

    def alert_calls_per_minute(self) -> int:
        """The most calls a minute to KIS for price alerts."""
        default = 6 if self.mode == "paper" else 20
        return self.kisbot_alert_calls_per_minute or default

    def watch_calls_per_minute(self) -> int:
        """The most calls a minute to KIS for live watch lists."""
        default = 12 if self.mode == "paper" else 60
        return self.kisbot_watch_calls_per_minute or default

    def position_percent(self) -> Decimal:
        """The largest share of the account in one stock, in percent; 0 means no limit."""
        if self.kisbot_position_percent is not None:
            return self.kisbot_position_percent
        return Decimal(30) if self.mode == "real" else Decimal(0)
