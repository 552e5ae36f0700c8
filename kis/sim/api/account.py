"""The account: balance, buying power, sellable shares."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from kis import endpoints, krx
from kis.sim.api.context import ApiCall, ApiContext, queried, require_account, required
from kis.sim.api.error_messages import refusal
from kis.sim.api.number_format import decimals, percent
from kis.sim.api.paging import page
from kis.sim.api.responses import SimResponse, business
from kis.sim.exchange.orders import OrderDivision, OrderSide, RejectReason

if TYPE_CHECKING:
    from kis.sim.exchange.ledger import Position
    from kis.sim.exchange.prices import Issue

_MAX_DIGITS = 19
_BALANCE_FIELDS = (
    "AFHR_FLPR_YN",
    "OFL_YN",
    "INQR_DVSN",
    "UNPR_DVSN",
    "FUND_STTL_ICLD_YN",
    "FNCG_AMT_AUTO_RDPT_YN",
    "PRCS_DVSN",
)


def balance(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식잔고조회. Positions sold stay listed without shares until the sale has settled."""
    require_account(broker, call)
    values = required(call, *_BALANCE_FIELDS)
    exchange = broker.exchange
    exchange.roll()
    rows = sorted(exchange.ledger.positions.values(), key=lambda position: position.code)
    size = endpoints.BALANCE.page_size(broker.env) or len(rows)
    searched = [*broker.account.split("-"), *values]
    shown = page(call, rows, size, key=lambda position: position.code, searched=searched)
    message = ("KIOK0510", "조회가 완료되었습니다")
    if shown.more:
        message = ("KIOK0500", "조회가 계속됩니다..다음버튼을 Click 하십시오.")
    return SimResponse(
        {
            **shown.cursors,
            "output1": [_holding(broker, position) for position in shown.rows],
            "output2": [_summary(broker)],
            **queried(broker, *message),
        },
        tr_cont=shown.tr_cont,
    )


def _holding(broker: ApiContext, position: Position) -> dict[str, str]:
    issue = broker.exchange.issues[position.code]
    value, profit = _value_and_profit(issue, position)
    change = issue.last - issue.base
    return {
        "pdno": position.code,
        "prdt_name": issue.listing.name,
        "trad_dvsn_name": "현금",
        "bfdy_buy_qty": str(position.bought_before),
        "bfdy_sll_qty": str(position.sold_before),
        "thdt_buyqty": str(position.bought),
        "thdt_sll_qty": str(position.sold),
        "hldg_qty": str(position.quantity),
        "ord_psbl_qty": str(broker.exchange.ledger.sellable(position.code)),
        "pchs_avg_pric": str(position.average_price),
        "pchs_amt": str(position.cost),
        "prpr": str(issue.last),
        "evlu_amt": str(value),
        "evlu_pfls_amt": str(profit),
        "evlu_pfls_rt": percent(profit, position.cost),
        "evlu_erng_rt": percent(profit, position.cost, 8) if broker.paper else "0.00000000",
        "loan_dt": "",
        "loan_amt": "0",
        "stln_slng_chgs": "0",
        "expd_dt": "",
        "fltt_rt": percent(change, issue.base, 8),
        "bfdy_cprs_icdc": str(change),
        "item_mgna_rt_name": f"{issue.listing.margin}%",
        "grta_rt_name": "",
        "sbst_pric": "0",
        "stck_loan_unpr": "0.0000",
    }


def _value_and_profit(issue: Issue, position: Position) -> tuple[int, int]:
    value = issue.last * position.quantity
    return value, value - position.cost


def _summary(broker: ApiContext) -> dict[str, str]:
    exchange, ledger = broker.exchange, broker.exchange.ledger
    pairs = [_value_and_profit(exchange.issues[code], position) for code, position in ledger.positions.items()]
    value, profit = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    cost = sum(position.cost for position in ledger.positions.values())
    fills = [fill for fill in exchange.fills if fill.at.date() == ledger.today]
    bought = sum(fill.quantity * fill.price for fill in fills if fill.order.side is OrderSide.BUY)
    sold = sum(fill.quantity * fill.price for fill in fills if fill.order.side is OrderSide.SELL)
    before = ledger.cash - sum(flow.amount for flow in ledger.flows if flow.traded == ledger.today)
    yesterday = before + sum(exchange.issues[code].base * p.quantity for code, p in ledger.positions.items())
    total = value + ledger.cash
    return {
        "dnca_tot_amt": str(ledger.deposit),
        "nxdy_excc_amt": str(ledger.cash_on(krx.next_trading_day(ledger.today))),
        "prvs_rcdl_excc_amt": str(ledger.cash),
        "cma_evlu_amt": "0",
        "bfdy_buy_amt": "0",
        "thdt_buy_amt": str(bought),
        "nxdy_auto_rdpt_amt": "0",
        "bfdy_sll_amt": "0",
        "thdt_sll_amt": str(sold),
        "d2_auto_rdpt_amt": "0",
        "bfdy_tlex_amt": "0",
        "thdt_tlex_amt": str(sum(fill.fee + fill.tax for fill in fills)),
        "tot_loan_amt": "0",
        "scts_evlu_amt": str(value),
        "tot_evlu_amt": str(total),
        "nass_amt": str(total),
        "fncg_gld_auto_rdpt_yn": "",
        "pchs_amt_smtl_amt": str(cost),
        "evlu_amt_smtl_amt": str(value),
        "evlu_pfls_smtl_amt": str(profit),
        "tot_stln_slng_chgs": "0",
        "bfdy_tot_asst_evlu_amt": str(yesterday),
        "asst_icdc_amt": str(total - yesterday),
        "asst_icdc_erng_rt": percent(total - yesterday, yesterday, 8) if broker.paper else "0.00000000",
    }


def buying_power(broker: ApiContext, call: ApiCall) -> SimResponse:
    """매수가능조회: a market order is measured at the upper price limit. Without a symbol, amounts only."""
    require_account(broker, call)
    code, price, kind, *_ = required(call, "PDNO", "ORD_UNPR", "ORD_DVSN", "CMA_EVLU_AMT_ICLD_YN", "OVRS_ICLD_YN")
    exchange = broker.exchange
    exchange.roll()
    ledger = exchange.ledger
    amount = ledger.affordable()
    margin, unit = 100, 0
    if code.strip():
        issue = exchange.issues.get(code.strip())
        if issue is None:
            raise refusal(broker, RejectReason.UNKNOWN_CODE)
        margin = issue.listing.margin
        unit = _unit_price(issue, price.strip(), kind)
    most = amount * 100 // margin
    # Unsettled sale proceeds can be used to buy, and have a field of their own.
    proceeds = max(0, min(ledger.proceeds, ledger.buying_power))
    return SimResponse(
        {
            "output": {
                "ord_psbl_cash": str(max(0, ledger.buying_power - proceeds)),
                "ord_psbl_sbst": "0",
                "ruse_psbl_amt": str(proceeds),
                "fund_rpch_chgs": "0",
                "psbl_qty_calc_unpr": str(unit),
                "nrcvb_buy_amt": str(amount),
                "nrcvb_buy_qty": str(amount // unit if unit else 0),
                "max_buy_amt": str(most),
                "max_buy_qty": str(most // unit if unit else 0),
                "cma_evlu_amt": "0",
                "ovrs_re_use_amt_wcrc": "0",
                "ord_psbl_frcr_amt_wcrc": "0",
            },
            **queried(broker, "KIOK0420", "정상적으로 조회되었습니다"),
        }
    )


def _unit_price(issue: Issue, price: str, kind: str) -> int:
    if kind in {OrderDivision.MARKET, OrderDivision.IOC_MARKET, OrderDivision.FOK_MARKET} or not price or price == "0":
        return issue.upper
    if not (price.isascii() and price.isdigit()) or len(price) > _MAX_DIGITS:
        raise business("OPSQ2002", "ERROR : INPUT INVALID FIELD [ORD_UNPR]", "2")
    return int(price)


def sellable(broker: ApiContext, call: ApiCall) -> SimResponse:
    """매도가능수량조회. Real accounts only."""
    require_account(broker, call)
    (code,) = required(call, "PDNO")
    exchange = broker.exchange
    exchange.roll()
    position = exchange.ledger.positions.get(code)
    if position is None:
        raise business("KIOK0560", "조회할 내용이 없습니다.", "7")
    issue = exchange.issues[code]
    value, profit = _value_and_profit(issue, position)
    return SimResponse(
        {
            "output": {
                "pdno": code,
                "prdt_name": issue.listing.name,
                "buy_qty": str(position.quantity + position.sold),
                "sll_qty": str(position.sold),
                "cblc_qty": str(position.quantity),
                "nsvg_qty": "0",
                "ord_psbl_qty": str(exchange.ledger.sellable(code)),
                "pchs_avg_pric": decimals(Fraction(position.average_price), 4),
                "pchs_amt": str(position.cost),
                "now_pric": str(issue.last),
                "evlu_amt": str(value),
                "evlu_pfls_amt": str(profit),
                "evlu_pfls_rt": percent(profit, position.cost),
            },
            **queried(broker, "KIOK0420", "정상적으로 조회되었습니다"),
        }
    )
