"""The account: balance, buying power, sellable shares, realised profit."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from kis import endpoints, krx
from kis.sim.api.context import ApiCall, ApiContext, day_of, queried, require_account, required
from kis.sim.api.error_messages import refusal
from kis.sim.api.paging import DONE, NO_ROWS, page, paged_response
from kis.sim.api.responses import SimResponse, business, decimals, invalid_field, percent
from kis.sim.exchange.orders import Fill, OrderDivision, OrderSide, RejectReason

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from kis.sim.exchange.ledger import Position
    from kis.sim.exchange.prices import Issue

_MAX_DIGITS = 19
_PROFIT_PAGE = 100
_NEWEST_FIRST = {"00", "02"}
_READ = ("KIOK0420", "정상적으로 조회되었습니다")
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
    shown = page(
        broker, call, rows, endpoints.BALANCE.page_size(broker.env), key=lambda position: position.code, searched=values
    )
    output = [_holding(broker, position) for position in shown.rows]
    return paged_response(broker, shown, {"output1": output, "output2": [_summary(broker)]})


def _holding(broker: ApiContext, position: Position) -> dict[str, str]:
    issue = broker.exchange.issues[position.code]
    value = issue.last * position.quantity
    profit = value - position.cost
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
        "pchs_avg_pric": decimals(position.average, 4),
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


def _summary(broker: ApiContext) -> dict[str, str]:
    exchange, ledger = broker.exchange, broker.exchange.ledger
    value = sum(exchange.issues[code].last * p.quantity for code, p in ledger.positions.items())
    cost = sum(position.cost for position in ledger.positions.values())
    today = _TradeTotals(fill for fill in exchange.fills if fill.at.date() == ledger.today)
    before = ledger.cash - sum(flow.amount for flow in ledger.flows if flow.traded == ledger.today)
    yesterday = before + sum(exchange.issues[code].base * p.quantity for code, p in ledger.positions.items())
    total = value + ledger.cash
    return {
        "dnca_tot_amt": str(ledger.deposit),
        "nxdy_excc_amt": str(ledger.cash_on(krx.next_trading_day(ledger.today))),
        "prvs_rcdl_excc_amt": str(ledger.cash),
        "cma_evlu_amt": "0",
        "bfdy_buy_amt": "0",
        "thdt_buy_amt": str(today.bought),
        "nxdy_auto_rdpt_amt": "0",
        "bfdy_sll_amt": "0",
        "thdt_sll_amt": str(today.sold),
        "d2_auto_rdpt_amt": "0",
        "bfdy_tlex_amt": "0",
        "thdt_tlex_amt": str(today.fee + today.tax),
        "tot_loan_amt": "0",
        "scts_evlu_amt": str(value),
        "tot_evlu_amt": str(total),
        "nass_amt": str(total),
        "fncg_gld_auto_rdpt_yn": "",
        "pchs_amt_smtl_amt": str(cost),
        "evlu_amt_smtl_amt": str(value),
        "evlu_pfls_smtl_amt": str(value - cost),
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
                **dict.fromkeys(("cma_evlu_amt", "ovrs_re_use_amt_wcrc", "ord_psbl_frcr_amt_wcrc"), "0"),
            },
            **queried(broker, *_READ),
        }
    )


def _unit_price(issue: Issue, price: str, kind: str) -> int:
    if kind in {OrderDivision.MARKET, OrderDivision.IOC_MARKET, OrderDivision.FOK_MARKET} or not price or price == "0":
        return issue.upper
    if not (price.isascii() and price.isdigit()) or len(price) > _MAX_DIGITS:
        raise invalid_field("ORD_UNPR")
    return int(price)


def sellable(broker: ApiContext, call: ApiCall) -> SimResponse:
    """매도가능수량조회. Real accounts only."""
    require_account(broker, call)
    (code,) = required(call, "PDNO")
    exchange = broker.exchange
    exchange.roll()
    position = exchange.ledger.positions.get(code)
    if position is None:
        raise business(*NO_ROWS, "7")
    issue = exchange.issues[code]
    value = issue.last * position.quantity
    profit = value - position.cost
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
                "pchs_avg_pric": decimals(position.average, 4),
                "pchs_amt": str(position.cost),
                "now_pric": str(issue.last),
                "evlu_amt": str(value),
                "evlu_pfls_amt": str(profit),
                "evlu_pfls_rt": percent(profit, position.cost),
            },
            **queried(broker, *_READ),
        }
    )


class _TradeTotals:
    """The trading of some fills, in won and shares; `cost` is what was paid for the shares sold."""

    def __init__(self, fills: Iterable[Fill]) -> None:
        bought: list[Fill] = []
        sold: list[Fill] = []
        for fill in fills:
            (bought if fill.order.side is OrderSide.BUY else sold).append(fill)
        self.bought, self.sold = (sum(fill.quantity * fill.price for fill in side) for side in (bought, sold))
        self.shares_bought, self.shares_sold = (sum(fill.quantity for fill in side) for side in (bought, sold))
        self.buy_fee, self.sell_fee = (sum(fill.fee for fill in side) for side in (bought, sold))
        self.fee = self.buy_fee + self.sell_fee
        self.tax = sum(fill.tax for fill in sold)
        self.cost = sum(fill.cost for fill in sold)
        self.profit = self.sold - self.cost - self.sell_fee - self.tax


def _day_of_fill(fill: Fill) -> date:
    return fill.at.date()


def period_profit(broker: ApiContext, call: ApiCall) -> SimResponse:
    """기간별손익일별합산조회, of the fills the exchange has kept. Real accounts only."""
    require_account(broker, call)
    names = ("INQR_STRT_DT", "INQR_END_DT", "PDNO", "SORT_DVSN", "INQR_DVSN", "CBLC_DVSN")
    start, end, code, order_by, *_ = (value.strip() for value in required(call, *names))
    first, last = day_of(start, "INQR_STRT_DT"), day_of(end, "INQR_END_DT")
    broker.exchange.roll()
    fills = [
        fill for fill in broker.exchange.fills if first <= _day_of_fill(fill) <= last and code in {"", fill.order.code}
    ]
    by_day = groupby(sorted(fills, key=_day_of_fill), _day_of_fill)
    rows = [(f"{day:%Y%m%d}", _TradeTotals(group)) for day, group in by_day]
    if order_by in _NEWEST_FIRST:
        rows.reverse()
    shown = page(broker, call, rows, _PROFIT_PAGE, key=lambda row: row[0], searched=[start, end, code, order_by])
    output = [_profit_row(*row) for row in shown.rows]
    return paged_response(
        broker, shown, {"output1": output, "output2": _profit_totals(_TradeTotals(fills))}, DONE if rows else NO_ROWS
    )


def _profit_row(day: str, figures: _TradeTotals) -> dict[str, str]:
    return {
        "trad_dt": day,
        "buy_amt": str(figures.bought),
        "sll_amt": str(figures.sold),
        "rlzt_pfls": str(figures.profit),
        "fee": str(figures.fee),
        "loan_int": "0",
        "tl_tax": str(figures.tax),
        "pfls_rt": percent(figures.profit, figures.cost, 8),
        "sll_qty1": str(figures.shares_sold),
        "buy_qty1": str(figures.shares_bought),
    }


def _profit_totals(whole: _TradeTotals) -> dict[str, str]:
    received = whole.sold - whole.sell_fee - whole.tax
    paid = whole.bought + whole.buy_fee
    return {
        "sll_qty_smtl": str(whole.shares_sold),
        "sll_tr_amt_smtl": str(whole.sold),
        "sll_fee_smtl": str(whole.sell_fee),
        "sll_tltx_smtl": str(whole.tax),
        "sll_excc_amt_smtl": str(received),
        "buy_qty_smtl": str(whole.shares_bought),
        "buy_tr_amt_smtl": str(whole.bought),
        "buy_fee_smtl": str(whole.buy_fee),
        "buy_tax_smtl": "0",
        "buy_excc_amt_smtl": str(paid),
        "tot_qty": str(whole.shares_sold + whole.shares_bought),
        "tot_tr_amt": str(whole.sold + whole.bought),
        "tot_fee": str(whole.fee),
        "tot_tltx": str(whole.tax),
        "tot_excc_amt": str(received + paid),
        "tot_rlzt_pfls": str(whole.profit),
        "loan_int": "0",
    }
