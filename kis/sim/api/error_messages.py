"""KIS's code and message for each reason of rejection, real and paper.

From captured answers unless marked: (a) the code of a similar refusal, as this one's is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kis.sim.api.responses import ApiRefusal, business
from kis.sim.exchange.orders import RejectReason

if TYPE_CHECKING:
    from kis.sim.api.context import ApiContext


class ErrorMessage(NamedTuple):
    """`msg_cd`, `msg1` and `rt_cd` of a refusal."""

    code: str
    message: str
    rt_cd: str


_NOT_OPEN = ErrorMessage("APBK0918", "장운영시간이 아닙니다.(주문불가)", "7")
_BAND = "모의투자 주문처리가 안되었습니다(상하한가 오류)"

REAL = {
    RejectReason.HOLIDAY: ErrorMessage("APBK0919", "장운영일자가 주문일과 상이합니다", "7"),
    RejectReason.NOT_YET_OPEN: _NOT_OPEN,
    RejectReason.CLOSED: _NOT_OPEN,
    RejectReason.AFTER_MARKET: ErrorMessage("APBK3013", "애프터마켓은 지정가, 최유리, 최우선 주문만 가능합니다.", "7"),
    RejectReason.UNKNOWN_CODE: ErrorMessage("APBK0656", "해당종목정보가 없습니다.", "7"),
    RejectReason.HALTED: ErrorMessage("APBK0656", "거래정지 종목입니다.(주문불가)", "7"),  # (a)
    RejectReason.TICK: ErrorMessage("APBK0506", "주식주문호가단위 오류입니다.", "7"),
    RejectReason.ABOVE_LIMIT: ErrorMessage("APBK0406", "주문가격이 상한가를 초과합니다.", "7"),
    RejectReason.BELOW_LIMIT: ErrorMessage("APBK0406", "주문가격이 하한가 미만입니다.", "7"),  # (a)
    RejectReason.KIND: ErrorMessage("APBK0963", "주문구분코드 오류입니다.", "7"),
    RejectReason.CASH: ErrorMessage("APBK0952", "주문가능금액을 초과 했습니다", "7"),
    RejectReason.HOLDING: ErrorMessage("APBK0400", "주문 가능한 수량을 초과했습니다.", "7"),
    RejectReason.NO_ORIGINAL: ErrorMessage("APBK0344", "원주문정보가 존재하지 않습니다.", "1"),
    RejectReason.NOTHING_LEFT: ErrorMessage("APBK0927", "정정취소 가능수량이 없습니다.", "7"),
    RejectReason.TOO_MANY: ErrorMessage("APBK1359", "정정/취소 수량이 원주문 수량을 초과합니다.", "7"),
}
PAPER = {
    RejectReason.HOLIDAY: ErrorMessage("40100000", "모의투자 영업일이 아닙니다.", "1"),
    RejectReason.NOT_YET_OPEN: ErrorMessage("40570000", "모의투자 장시작전 입니다.", "1"),
    RejectReason.CLOSED: ErrorMessage("40580000", "모의투자 장종료 입니다.", "1"),
    RejectReason.AFTER_MARKET: ErrorMessage("40580000", "모의투자 장종료 입니다.", "1"),
    RejectReason.UNKNOWN_CODE: ErrorMessage("40070000", "모의투자 주문처리가 안되었습니다(매매불가 종목)", "1"),
    RejectReason.HALTED: ErrorMessage("40070000", "모의투자 주문처리가 안되었습니다(매매불가 종목)", "1"),
    RejectReason.TICK: ErrorMessage("40030000", "모의투자 주문처리가 안되었습니다(호가단위 오류)", "1"),
    RejectReason.ABOVE_LIMIT: ErrorMessage("40030000", _BAND, "1"),  # (a)
    RejectReason.BELOW_LIMIT: ErrorMessage("40030000", _BAND, "1"),  # (a)
    RejectReason.KIND: ErrorMessage("40070000", "모의투자 주문처리가 안되었습니다(주문구분 오류)", "1"),  # (a)
    RejectReason.CASH: ErrorMessage("40250000", "모의투자 주문가능금액이 부족합니다.", "1"),
    RejectReason.HOLDING: ErrorMessage("40240000", "모의투자 잔고내역이 없습니다.", "1"),
    RejectReason.NO_ORIGINAL: ErrorMessage("40320000", "모의투자 원주문번호가 존재하지 않습니다", "1"),
    RejectReason.NOTHING_LEFT: ErrorMessage("40330000", "모의투자 정정/취소할 수량이 없습니다.", "1"),
    RejectReason.TOO_MANY: ErrorMessage("40330000", "모의투자 정정/취소할 수량이 없습니다.", "1"),  # (a)
}


def refusal(broker: ApiContext, reason: RejectReason) -> ApiRefusal:
    """The refusal to answer with."""
    return business(*(PAPER if broker.paper else REAL)[reason])
