"""Orders: the rows of the order list, and the answer to an order."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic reads the annotations at run time

from kis.fields import Code, Count, Day, KindCode, Model, OrderNo, Ratio, SideCode, Text, Yes, wire


class OrderReport(Model):
    """A row of the order list (KIS portal, 주식일별주문체결조회): an order, or a request to revise or cancel one.

    `price` is 0 for a market order. `filled` and `filled_amount` are cumulative, in shares and won.
    `remaining` is what can still be filled; `cancelled` and `rejected` are shares. Order numbers restart every
    day: only `key` is unique. `channel` tells where it was entered ("OpnAPI" for this API, as captured).
    """

    day: Day = wire("ord_dt")
    time: Text = wire("ord_tmd")
    branch: Text = wire("ord_gno_brno")
    order_no: OrderNo = wire("odno")
    original_no: OrderNo = wire("orgn_odno", default="")
    side: SideCode = wire("sll_buy_dvsn_cd")
    side_name: Text = wire("sll_buy_dvsn_cd_name", default="")
    kind: KindCode = wire("ord_dvsn_cd")
    kind_code: Text = wire("ord_dvsn_cd", default="")
    code: Code = wire("pdno")
    name: Text = wire("prdt_name", default="")
    quantity: Count = wire("ord_qty")
    price: Count = wire("ord_unpr")
    filled: Count = wire("tot_ccld_qty")
    filled_amount: Count = wire("tot_ccld_amt")
    average_price: Ratio = wire("avg_prvs")
    remaining: Count = wire("rmn_qty")
    cancelled: Count = wire("cncl_cfrm_qty", "cnc_cfrm_qty")
    rejected: Count = wire("rjct_qty")
    is_cancelled: Yes = wire("cncl_yn", default=False)
    channel: Text = wire("ordr_empno", default="")
    venue: Text = wire("excg_id_dvsn_cd", "excg_id_dvsn_Cd", default="")

    @property
    def is_revision(self) -> bool:
        """Whether the row is a request to revise or cancel another order; a revised order lives on under it."""
        return bool(self.original_no)

    @property
    def key(self) -> tuple[date, str, str]:
        """Unique key of the order: day, branch, number."""
        return (self.day, self.branch, self.order_no)


class PlacedOrder(Model):
    """KIS accepted the order and passed it on: not filled yet, nor accepted by the exchange.

    `time` is KIS's HHMMSS (KST). After a revision the order lives on under the new `order_no`.
    """

    order_no: OrderNo = wire("ODNO", "odno")
    branch: Text = wire("KRX_FWDG_ORD_ORGNO", "krx_fwdg_ord_orgno", default="")
    time: Text = wire("ORD_TMD", "ord_tmd", default="")


class OpenOrder(Model):
    """An order that can still be revised or cancelled (KIS portal, 주식정정취소가능주문조회)."""

    order_no: OrderNo = wire("odno")
    original_no: OrderNo = wire("orgn_odno", default="")
    branch: Text = wire("ord_gno_brno")
    code: Code = wire("pdno")
    name: Text = wire("prdt_name", default="")
    side: SideCode = wire("sll_buy_dvsn_cd")
    kind: KindCode = wire("ord_dvsn_cd")
    quantity: Count = wire("ord_qty")
    price: Count = wire("ord_unpr")
    filled: Count = wire("tot_ccld_qty")
    open_quantity: Count = wire("psbl_qty")
    time: Text = wire("ord_tmd")
