"""The errors of calls, named by what is true afterwards.

    KisError
    ├── Refused          KIS answered and said no: nothing happened
    │   ├── Throttled        over the rate limit, retries included
    │   ├── TokenRejected    the token is refused, also after one renewal
    │   ├── Misconfigured    key, secret, account and environment do not belong together; see `.setting`
    │   ├── Unsupported      this environment does not offer the call; see `.alternative`
    │   └── BadRequest       our own request was malformed
    ├── NotSent          no byte of a write left this machine: nothing happened
    ├── Unknown          a write may or may not have happened: read the order list before acting
    └── Unavailable      a read could not be answered, retries included
        └── BadAnswer        an answer that is not what KIS documents, or pages that contradict each other

No error's text holds a key, a secret, a token or an account number.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Advice(NamedTuple):
    """What the user can do about an error, one sentence in each language."""

    ko: str
    en: str


class KisError(Exception):
    """Any failure of a call.

    Attributes:
        message: KIS's message (`msg1`) if there is one, else ours.
        code: KIS's code (`msg_cd` and its relatives), None if there was none.
        status: HTTP status, None if no answer came.
        endpoint: our name of the call, e.g. "buy".
        env: "real" or "paper".
    """

    _advice = Advice(
        "잠시 후 다시 시도하고, 계속되면 관리자에게 알려 주세요.",
        "Try again shortly; if it persists, tell the operator.",
    )

    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None, endpoint: str = "", env: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.endpoint = endpoint
        self.env = env

    def __str__(self) -> str:
        where = f"{self.endpoint}: " if self.endpoint else ""
        return f"{where}{self.message}{f' [{self.code}]' if self.code else ''}"

    @property
    def advice(self) -> Advice:
        """The advice for KIS's code if it is a known one, else for this class of error."""
        return _BY_CODE.get(self.code or "", self._advice)


class Refused(KisError):
    """KIS answered and said no: nothing happened."""

    _advice = Advice(
        "증권사가 거부했습니다. 표시된 사유를 확인해 주세요.", "The broker refused it; the reason is in its message."
    )


class Throttled(Refused):
    """Over the rate limit (EGW00201), the ledger's (EGW00215) or the token's (EGW00133): not processed."""

    _advice = Advice(
        "호출 한도를 넘었습니다. 몇 초 뒤에 다시 시도해 주세요.", "Over the call limit; try again in a few seconds."
    )


class TokenRejected(Refused):
    """The access token is refused, also after one renewal: not processed."""

    _advice = Advice(
        "접속 토큰이 거부되었습니다. 잠시 후 다시 시도하고, 계속되면 앱키를 확인해 주세요.",
        "The access token is refused; try again shortly, then check the app key.",
    )


class Misconfigured(Refused):
    """Settings that do not belong together; retrying cannot help.

    Attributes:
        setting: the setting to look at first, e.g. "KIS_APP_KEY".
    """

    def __init__(self, message: str, *, setting: str, **context: Any) -> None:
        super().__init__(message, **context)
        self.setting = setting

    def __str__(self) -> str:
        return f"{super().__str__()} (check {self.setting})"

    @property
    def advice(self) -> Advice:
        """Which setting to look at."""
        return Advice(
            f"{self.setting} 설정을 확인해 주세요. 키와 계좌는 실전과 모의가 서로 다릅니다.",
            f"Check the setting {self.setting}; keys and accounts differ between real and paper.",
        )


class Unsupported(Refused):
    """The environment does not offer this call: known beforehand, so that nothing was sent, or answered by KIS.

    Attributes:
        alternative: the nearest call that is offered, "" if there is none.
    """

    def __init__(self, message: str, *, alternative: str = "", **context: Any) -> None:
        super().__init__(message, **context)
        self.alternative = alternative

    @property
    def advice(self) -> Advice:
        """What to use instead."""
        instead = self.alternative or "-"
        return Advice(
            f"이 환경에서는 제공되지 않는 기능입니다. 대안: {instead}",
            f"Not offered in this environment. Nearest alternative: {instead}",
        )


class BadRequest(Refused):
    """Our own request was malformed; sending it again as it is cannot help."""

    _advice = Advice(
        "요청 형식이 잘못되었습니다. 프로그램 오류이니 관리자에게 알려 주세요.",
        "The request was malformed, which is a fault of this program; tell the operator.",
    )


class NotSent(KisError):
    """No byte of a write left this machine: nothing happened."""

    _advice = Advice(
        "증권사에 연결하지 못해 보내지 않았습니다. 다시 시도할 수 있습니다.",
        "It was not sent, as the broker could not be reached; it can be tried again.",
    )


class Unknown(KisError):
    """A write may or may not have happened. Read the order list before doing anything else."""

    _advice = Advice(
        "증권사에 접수되었을 수도 있습니다. 같은 주문을 다시 내지 말고 주문내역을 확인해 주세요.",
        "The broker may have taken it; do not send it again, read the order list first.",
    )


class Unavailable(KisError):
    """A read could not be answered, retries included. It says nothing about what the answer would be."""

    _advice = Advice(
        "증권사가 응답하지 않습니다. 잠시 후 다시 시도해 주세요.", "The broker does not answer; try again shortly."
    )


class BadAnswer(Unavailable):
    """An answer came, but not in the documented shape, or its pages contradict each other."""

    _advice = Advice(
        "증권사 응답을 해석할 수 없습니다. 증권사 앱에서 확인하고 관리자에게 알려 주세요.",
        "The broker's answer makes no sense; look in its own app and tell the operator.",
    )


# Lists in circulation give KIS's codes different texts; these follow captured answers.
_ADVICE = {
    "APBK0918 40570000 40580000": Advice("정규장 시간에 다시 주문해 주세요.", "Order again while the market is open."),
    "APBK0919 40100000": Advice("오늘은 휴장일입니다. 다음 거래일에 주문해 주세요.", "The market is closed today."),
    "APBK0952 40250000": Advice(
        "주문가능금액이 부족합니다. 수량을 줄이거나 예수금을 확인해 주세요.",
        "Not enough buying power: order fewer shares.",
    ),
    "APBK0400 APBK1234 40240000": Advice(
        "매도가능수량이 부족합니다. 잔고와 미체결 주문을 확인해 주세요.",
        "Not enough shares to sell: look at the holding and at open orders.",
    ),
    "APBK0506 40030000": Advice(
        "호가단위에 맞는 가격으로 다시 주문해 주세요.", "Use a price that is a multiple of the tick."
    ),
    "APBK0927 40330000 APBK1359": Advice(
        "정정·취소할 수량이 없습니다. 이미 체결되었거나 취소된 주문인지 확인해 주세요.",
        "Nothing is left to revise or cancel: it may be filled or cancelled already.",
    ),
    "APBK0656": Advice("종목코드를 확인해 주세요.", "Check the stock code."),
    "APBK0963 APBK1943 APBK3013": Advice(
        "다른 주문 유형(지정가 등)으로 주문해 주세요.", "Use another order type, such as limit."
    ),
    "APBK1497 APBK1744 40070000": Advice(
        "이 계좌에서 주문할 수 없는 종목입니다.", "This account cannot trade this stock."
    ),
    "EGW00133": Advice(
        "접속 토큰은 1분에 한 번만 발급됩니다. 1분 뒤에 다시 시도해 주세요.",
        "A token is issued once a minute at most; try again in a minute.",
    ),
}
_BY_CODE = {code: advice for codes, advice in _ADVICE.items() for code in codes.split()}
