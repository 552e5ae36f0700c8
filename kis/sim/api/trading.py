"""Orders (order-cash, order-rvsecncl) and the order lists."""

from __future__ import annotations

from dataclasses import astuple, replace
from datetime import date, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from kis import endpoints, krx
from kis.sim.api.context import ApiCall, ApiContext, day_of, require_account, required
from kis.sim.api.error_messages import refusal
from kis.sim.api.paging import DONE, NO_ROWS, page, paged_response
from kis.sim.api.responses import SimResponse, business, decimals, gateway, malformed
from kis.sim.exchange.orders import Action, BookedOrder, OrderDivision, OrderRejected, OrderSide, RejectReason

if TYPE_CHECKING:
    from collections.abc import Sequence

_ORDER_KEYS = ("CANO", "ACNT_PRDT_CD", "PDNO", "ORD_DVSN", "ORD_QTY", "ORD_UNPR")
_STRICT_KEYS = ("EXCG_ID_DVSN_CD", "SLL_TYPE", "CNDT_PRIC")
_REQUEST_KEYS = (
    "CANO",
    "ACNT_PRDT_CD",
    "KRX_FWDG_ORD_ORGNO",
    "ORGN_ODNO",
    "ORD_DVSN",
    "RVSE_CNCL_DVSN_CD",
    "ORD_QTY",
    "ORD_UNPR",
    "QTY_ALL_ORD_YN",
)
_KIND_NAMES = {
    OrderDivision.LIMIT: "지정가",
    OrderDivision.MARKET: "시장가",
    OrderDivision.CONDITIONAL: "조건부지정가",
    OrderDivision.BEST: "최유리지정가",
    OrderDivision.PRIORITY: "최우선지정가",
    OrderDivision.IOC_LIMIT: "IOC지정가",
    OrderDivision.FOK_LIMIT: "FOK지정가",
    OrderDivision.IOC_MARKET: "IOC시장가",
    OrderDivision.FOK_MARKET: "FOK시장가",
    OrderDivision.IOC_BEST: "IOC최유리",
    OrderDivision.FOK_BEST: "FOK최유리",
}
_SIDE_CODES = {OrderSide.SELL: "01", OrderSide.BUY: "02"}
_SIDE_NAMES = {OrderSide.SELL: "매도", OrderSide.BUY: "매수"}
_CLIENT_ADDRESS = "203.0.113.10"  # a documentation address
_MAX_DIGITS = 19
_REVISE, _CANCEL = "01", "02"
_RECENT_DAYS = timedelta(days=92)


# --- orders -----------------------------------------------------------------------------------------------


def buy(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식주문(현금), a buy by its TR id."""
    return _order(broker, call, OrderSide.BUY, ("40600000", "모의투자 매수주문이 완료 되었습니다."))


def sell(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식주문(현금), a sale by its TR id."""
    return _order(broker, call, OrderSide.SELL, ("40590000", "모의투자 매도주문이 완료 되었습니다."))


def _order(broker: ApiContext, call: ApiCall, side: OrderSide, done: tuple[str, str]) -> SimResponse:
    keys = _ORDER_KEYS + (_STRICT_KEYS if broker.strict and not _legacy(call) else ())
    body = _checked_body(broker, call, keys)
    if body.get("SLL_TYPE") == "01":
        # KIS portal: 01 is the default; refused since 2026-08-11 (measured on a real account).
        raise malformed()
    if broker.paper and body.get("EXCG_ID_DVSN_CD", "") not in {"", "KRX"}:
        raise business("40070000", "모의투자 주문처리가 안되었습니다(매매불가 거래소)", "1")
    try:
        order = broker.exchange.submit(
            side,
            body["PDNO"],
            _kind(broker, body["ORD_DVSN"]),
            _shares(body["ORD_QTY"]),
            _number(body["ORD_UNPR"]),
            delay=call.booking_delay,
        )
    except OrderRejected as rejected:
        raise refusal(broker, rejected.reason) from None
    order.venue = body.get("EXCG_ID_DVSN_CD") or "KRX"
    return _accepted(broker, order, done)


def revise_cancel(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식주문(정정취소)."""
    body = _checked_body(broker, call, _REQUEST_KEYS)
    action = body["RVSE_CNCL_DVSN_CD"]
    if action not in {_REVISE, _CANCEL}:
        raise malformed()
    quantity = None if body["QTY_ALL_ORD_YN"] == "Y" else _shares(body["ORD_QTY"])
    if body["KRX_FWDG_ORD_ORGNO"] not in {"", broker.exchange.branch}:
        raise refusal(broker, RejectReason.NO_ORIGINAL)
    try:
        if action == _CANCEL:
            order = broker.exchange.cancel(body["ORGN_ODNO"], quantity, delay=call.booking_delay)
            return _accepted(broker, order, ("40630000", "모의투자 취소주문이 완료 되었습니다."))
        order = broker.exchange.revise(
            body["ORGN_ODNO"],
            _number(body["ORD_UNPR"]),
            quantity,
            kind=_kind(broker, body["ORD_DVSN"]),
            delay=call.booking_delay,
        )
    except OrderRejected as rejected:
        raise refusal(broker, rejected.reason) from None
    return _accepted(broker, order, ("40620000", "모의투자 정정주문이 완료 되었습니다."))


def _checked_body(broker: ApiContext, call: ApiCall, keys: Sequence[str]) -> dict[str, str]:
    body = call.fields
    if any(key not in body for key in keys) or not all(isinstance(value, str) for value in body.values()):
        raise malformed()
    claimed = call.headers.get("hashkey")
    if claimed and claimed != broker.oauth.hash_of(body):
        raise gateway("EGW00131", "유효하지 않은 hashkey 입니다.")
    require_account(broker, call)
    return body


def _legacy(call: ApiCall) -> bool:
    return any(call.tr_id in {e.tr.legacy_real, e.tr.legacy_paper} for e in (endpoints.BUY, endpoints.SELL))


def _kind(broker: ApiContext, text: str) -> str:
    # Paper accepts the first five kinds; IOC and FOK are for real accounts.
    if not text.isdigit() or (broker.paper and text > OrderDivision.PRIORITY.value):
        raise refusal(broker, RejectReason.KIND)
    return text


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS:
        raise malformed()
    return int(text)


def _shares(text: str) -> int:
    quantity = _number(text)
    if quantity < 1:
        # KIS's answer to zero shares is not known.
        raise malformed()
    return quantity


def _accepted(broker: ApiContext, order: BookedOrder, done: tuple[str, str]) -> SimResponse:
    code, message = done if broker.paper else ("APBK0013", "주문 전송 완료 되었습니다.")
    output = {"KRX_FWDG_ORD_ORGNO": order.branch, "ODNO": order.number, "ORD_TMD": order.at.strftime("%H%M%S")}
    if not broker.paper:
        output["SOR_ODNO"] = ""
    return SimResponse({"rt_cd": "0", "msg_cd": code, "msg1": message, "output": output})


# --- lists ------------------------------------------------------------------------------------------------


def _listed_orders(broker: ApiContext, call: ApiCall) -> list[BookedOrder]:
    """The rows of the order lists, oldest first, as planted faults leave them."""
    rows, faults = broker.exchange.visible(), call.list_faults
    if "lag" in faults:
        since = broker.exchange.now() - timedelta(seconds=faults["lag"]["seconds"])
        rows = [order for order in rows if order.at <= since]
    if "krx_only" in faults and str(call.fields.get("EXCG_ID_DVSN_CD", "")).strip() in {"", "KRX"}:
        rows = [order for order in rows if order.venue == "KRX"]
    if "old_rows" in faults:
        rows = [*(_day_earlier(order) for order in rows), *rows]
    return rows


def _day_earlier(order: BookedOrder) -> BookedOrder:
    return replace(order, at=order.at - (order.day - krx.previous_trading_day(order.day)))


def executions(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식일별주문체결조회: every order and request of the requested days, filled or not."""
    require_account(broker, call)
    names = ("INQR_STRT_DT", "INQR_END_DT", "SLL_BUY_DVSN_CD", "PDNO", "CCLD_DVSN", "INQR_DVSN")
    values = required(call, *names, "ORD_GNO_BRNO", "ODNO", "INQR_DVSN_1", "INQR_DVSN_3")
    start, end, side, code, filled, order_by = (value.strip() for value in values[:6])
    number = str(call.fields["ODNO"]).strip().lstrip("0")
    first, last = day_of(start, "INQR_STRT_DT"), day_of(end, "INQR_END_DT")
    if call.tr_id in astuple(endpoints.EXECUTIONS_OLDER.tr):
        last = min(last, broker.exchange.now().date() - _RECENT_DAYS)
    if "old_rows" in call.list_faults:
        first = date.min
    either = side in {"", "00"}
    rows = [
        order
        for order in _listed_orders(broker, call)
        if first <= order.day <= last
        and (either or side == _SIDE_CODES[order.side])
        and (not code or code == order.code)
        and (not number or number == order.number.lstrip("0"))
        and (filled != "01" or order.filled > 0)
        and (filled != "02" or order.open > 0)
    ]
    if order_by != "01":
        rows.reverse()
    size = endpoints.EXECUTIONS.page_size(broker.env)
    searched = [start, end, f"00000A{code}" if code else "", side, filled, order_by]
    shown = page(broker, call, rows, size, key=_key, searched=searched, joint="!^")
    output = {"output1": [_row(order) for order in shown.rows], "output2": _totals(rows)}
    last_page = ("KIOK0460", "조회 되었습니다. (마지막 자료)") if rows else NO_ROWS
    return paged_response(broker, shown, output, last_page, continued="KIOK0490")


def _row(order: BookedOrder) -> dict[str, str]:
    """A row of the list, cached while the order does not change."""
    state = _changeable(order)
    cached = _ROWS.get(order)
    if cached is None or cached[0] != state:
        cached = _ROWS[order] = (state, _new_row(order))
    return dict(cached[1])


_changeable = attrgetter("quantity", "price", "filled", "filled_amount", "cancelled", "moved", "venue", "channel")
_ROWS: WeakKeyDictionary[BookedOrder, tuple[tuple[object, ...], dict[str, str]]] = WeakKeyDictionary()


def _new_row(order: BookedOrder) -> dict[str, str]:
    average = order.filled_amount / order.filled if order.filled else 0
    cancelled = order.cancelled if order.action is not Action.CANCEL else order.quantity
    return {
        "ord_dt": order.day.strftime("%Y%m%d"),
        "ord_gno_brno": order.branch,
        "odno": order.number,
        "orgn_odno": order.original,
        "ord_dvsn_name": _KIND_NAMES[order.kind],
        "sll_buy_dvsn_cd": _SIDE_CODES[order.side],
        "sll_buy_dvsn_cd_name": _side_name(order),
        "pdno": order.code,
        "prdt_name": order.name,
        "ord_qty": str(order.quantity),
        "ord_unpr": str(order.price),
        "ord_tmd": order.at.strftime("%H%M%S"),
        "tot_ccld_qty": str(order.filled),
        "avg_prvs": str(round(average)),
        "cncl_yn": "Y" if order.action is not Action.CANCEL and order.cancelled and not order.open else "",
        "tot_ccld_amt": str(order.filled_amount),
        "loan_dt": "",
        "ordr_empno": order.channel,
        "ord_dvsn_cd": order.kind.value,
        "cncl_cfrm_qty": str(cancelled),
        "rmn_qty": str(order.open),
        "rjct_qty": "0",
        "ccld_cndt_name": order.kind.condition or "없음",
        "inqr_ip_addr": _CLIENT_ADDRESS,
        **dict.fromkeys(("cpbc_ordp_ord_rcit_dvsn_cd", "cpbc_ordp_infm_mthd_dvsn_cd", "infm_tmd", "ctac_tlno"), ""),
        "prdt_type_cd": "",
        "excg_dvsn_cd": "12" if order.venue == "SOR" else "02",
        "cpbc_ordp_mtrl_dvsn_cd": "",
        "ord_orgno": "00000",
        "rsvn_ord_end_dt": "",
        "excg_id_dvsn_cd": order.venue,
        "stpm_cndt_pric": "0",
        "stpm_efct_occr_dtmd": "",
    }


def _side_name(order: BookedOrder) -> str:
    name = _SIDE_NAMES[order.side]
    if order.action is Action.NEW:
        return f"현금{name}"
    return f"{name}정정*" if order.action is Action.REVISE else f"{name}취소*"


def _key(order: BookedOrder) -> str:
    return f"{order.day:%Y%m%d}!^{order.number}"


def _totals(rows: Sequence[BookedOrder]) -> dict[str, Any]:
    quantity = sum(order.filled for order in rows)
    amount = sum(order.filled_amount for order in rows)
    return {
        "tot_ord_qty": str(sum(order.quantity for order in rows if order.action is not Action.CANCEL)),
        "tot_ccld_qty": str(quantity),
        "tot_ccld_amt": str(amount),
        "prsm_tlex_smtl": str(sum(order.fee + order.tax for order in rows)),
        "pchs_avg_pric": decimals(amount / quantity if quantity else 0, 4),
    }


def open_orders(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식정정취소가능주문조회: orders still in the book. Real accounts only."""
    require_account(broker, call)
    _, side = required(call, "INQR_DVSN_1", "INQR_DVSN_2")
    wanted = {"1": OrderSide.SELL, "2": OrderSide.BUY}.get(side)
    rows = [order for order in _listed_orders(broker, call) if order.open and wanted in {None, order.side}]
    shown = page(broker, call, rows, endpoints.OPEN_ORDERS.page_size(broker.env), key=lambda order: order.number)
    return paged_response(
        broker, shown, {"output": [_open_row(order) for order in shown.rows]}, DONE if rows else NO_ROWS
    )


def _open_row(order: BookedOrder) -> dict[str, str]:
    return {
        "ord_gno_brno": order.branch,
        "odno": order.number,
        "orgn_odno": order.original,
        "ord_dvsn_name": _KIND_NAMES[order.kind],
        "pdno": order.code,
        "prdt_name": order.name,
        "rvse_cncl_dvsn_name": f"현금{_SIDE_NAMES[order.side]}",
        "ord_qty": str(order.quantity),
        "ord_unpr": str(order.price),
        "ord_tmd": order.at.strftime("%H%M%S"),
        "tot_ccld_qty": str(order.filled),
        "tot_ccld_amt": str(order.filled_amount),
        "psbl_qty": str(order.open),
        "sll_buy_dvsn_cd": _SIDE_CODES[order.side],
        "ord_dvsn_cd": order.kind.value,
        "mgco_aptm_odno": "",
        "excg_dvsn_cd": "12" if order.venue == "SOR" else "02",
        "excg_id_dvsn_cd": order.venue,
        "excg_id_dvsn_name": order.venue,
        "stpm_cndt_pric": "0",
        "stpm_efct_occr_yn": "",
    }
