"""Orders: the rows of the order list, and the answer to an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - pydantic reads the annotations at run time

from kis.fields import Branch, Code, Count, Day, KindCode, Model, OrderNo, Ratio, SideCode, Text, Time, Yes, alias


class OrderReport(Model):
    """A row of the order list (KIS portal, 주식일별주문체결조회): an order, or a request to revise or cancel one.

    `price` is 0 for a market order. `filled` and `filled_amount` are cumulative, in shares and won.
    `remaining` is what can still be filled; `cancelled` and `rejected` are shares. Order numbers restart every
    day: only `key` is unique. `channel` tells where it was entered ("OpnAPI" for this API, as captured).
    """

    day: Day = alias("ord_dt")
    time: Time = alias("ord_tmd")
    branch: Branch = alias("ord_gno_brno")
    order_no: OrderNo = alias("odno")
    original_no: OrderNo = alias("orgn_odno", default="")
    side: SideCode = alias("sll_buy_dvsn_cd")
    side_name: Text = alias("sll_buy_dvsn_cd_name", default="")
    kind: KindCode = alias("ord_dvsn_cd")
    kind_code: Text = alias("ord_dvsn_cd", default="")
    code: Code = alias("pdno")
    name: Text = alias("prdt_name", default="")
    quantity: Count = alias("ord_qty")
    price: Count = alias("ord_unpr")
    filled: Count = alias("tot_ccld_qty")
    filled_amount: Count = alias("tot_ccld_amt")
    average_price: Ratio = alias("avg_prvs")
    remaining: Count = alias("rmn_qty")
    cancelled: Count = alias("cncl_cfrm_qty", "cnc_cfrm_qty")
    rejected: Count = alias("rjct_qty")
    is_cancelled: Yes = alias("cncl_yn", default=False)
    channel: Text = alias("ordr_empno", default="")
    venue: Text = alias("excg_id_dvsn_cd", "excg_id_dvsn_Cd", default="")

    @property
    def is_revision(self) -> bool:
        """Whether the row is a request to revise or cancel another order; a revised order lives on under it."""
        return bool(self.original_no)

    @property
    def key(self) -> tuple[date, str, str]:
        """Unique key of the order: day, branch, number."""
        return (self.day, self.branch, self.order_no)


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row of the order list that is not as KIS documents it; what could not be read of it is ""."""

    order_no: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderList:
    """An order list read to its end. What is missing from `rows` may stand in a row that cannot be read."""

    rows: tuple[OrderReport, ...]
    unreadable: tuple[UnreadableRow, ...] = ()

    @property
    def numbers(self) -> frozenset[str]:
        """All order numbers in it, those of rows that cannot be read included."""
        return frozenset(row.order_no for row in self.rows) | {row.order_no for row in self.unreadable}


class PlacedOrder(Model):
    """KIS accepted the order and passed it on: not filled yet, nor accepted by the exchange.

    `time` is KIS's HHMMSS (KST). After a revision the order lives on under the new `order_no`.
    """

    order_no: OrderNo = alias("ODNO", "odno")
    branch: Branch = alias("KRX_FWDG_ORD_ORGNO", "krx_fwdg_ord_orgno", default="")
    time: Time = alias("ORD_TMD", "ord_tmd", default="")


class OpenOrder(Model):
    """An order that can still be revised or cancelled (KIS portal, 주식정정취소가능주문조회)."""

    order_no: OrderNo = alias("odno")
    original_no: OrderNo = alias("orgn_odno", default="")
    branch: Branch = alias("ord_gno_brno")
    code: Code = alias("pdno")
    name: Text = alias("prdt_name", default="")
    side: SideCode = alias("sll_buy_dvsn_cd")
    kind: KindCode = alias("ord_dvsn_cd")
    quantity: Count = alias("ord_qty")
    price: Count = alias("ord_unpr")
    filled: Count = alias("tot_ccld_qty")
    open_quantity: Count = alias("psbl_qty")
    time: Time = alias("ord_tmd")
