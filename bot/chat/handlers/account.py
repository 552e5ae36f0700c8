"""Looking at the account: /balance and /orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.chat import keyboards
from bot.chat.i18n.catalogue import msgid
from bot.chat.i18n.formatting import arrow, of_shares, percent, pieces, safe, shares, signed, signed_won, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import SIDE, SQUARE
from bot.chat.messages.report_messages import unreadable_rows
from bot.chat.ports import BrokerReads
from bot.chat.types import TICKET, Button, Reply, Request
from bot.orders.execution.desk import Desk
from bot.orders.model.order import Order, OrderState
from bot.orders.reconciliation.reconcile import is_cancel
from kis.models import Holding, OrderList, OrderReport

MOST_HOLDINGS = 30
"""Lines that fit one message with room to spare; the rest are counted."""


@dataclass(frozen=True)
class AccountHandlers:
    """Handlers that read the account and change nothing."""

    broker: BrokerReads
    desk: Desk
    frame: Frame
    clock: Callable[[], datetime]

    async def balance(self, request: Request) -> Reply | None:  # noqa: ARG002  # every handler is asked
        """/balance: holdings, profit and cash."""
        frame, lang = self.frame, self.frame.lang
        now = await self.broker.balance()
        waiting = len(self.desk.working())
        rate = now.profit * 100 / now.cost if now.cost else 0
        lines = [
            f"💼 <b>{frame.text('Balance')}</b> {frame.account} {frame.badge}",
            f"{frame.text('total', context='account value')} <b>{won(now.total_value, lang)}</b>",
            f"{frame.text('cash')} {won(now.deposit, lang)} · D+2 {won(now.d2_cash, lang)}",
            f"{frame.text('stocks')} {won(now.stock_value, lang)} · {frame.text('profit')} "
            f"{arrow(now.profit)} {signed_won(now.profit, lang)} ({rate:+.2f}%)",
            f"{frame.text('open orders')} {pieces(waiting, lang)}",
            "",
        ]
        lines += [line for one in now.holdings[:MOST_HOLDINGS] for line in self._holding(one)]
        if len(now.holdings) > MOST_HOLDINGS:
            lines.append(frame.text("and {count} more", context="stocks", count=len(now.holdings) - MOST_HOLDINGS))
        if not now.holdings:
            lines.append(frame.text("Nothing is held."))
        lines.append(frame.as_of(now.at))
        return Reply("\n".join(lines), keyboards.of_balance([(one.code, one.name) for one in now.holdings], lang))

    def _holding(self, one: Holding) -> tuple[str, str]:
        frame, lang = self.frame, self.frame.lang
        return (
            f"<b>{safe(one.name, 20)}</b> <code>{one.code}</code> {shares(one.quantity, lang)} · "
            f"{won(one.value, lang)}",
            f"   {frame.text('avg')} {one.average_price:,.0f} → {one.price:,} {arrow(one.profit)} "
            f"{signed(one.profit)} ({percent(one.profit_rate)})",
        )

    async def orders(self, request: Request) -> Reply | None:
        """/orders: what is open, what is being checked, and what else the broker's list has today."""
        return self.list_orders(request, await self.broker.order_list())

    def list_orders(self, request: Request, listed: OrderList | None = None) -> Reply:
        """The working orders with a cancel button each, then (for /orders) the day's others."""
        frame, rows, only_open = self.frame, listed.rows if listed is not None else (), listed is None
        working, doubtful = self.desk.working(), self.desk.in_doubt()
        ours = {one.order_no for one in working}
        others = (row for row in rows if row.remaining and row.order_no not in ours and not row.is_cancelled)
        elsewhere = [row for row in others if row.cancelled + row.rejected < row.quantity]
        lines = [f"📋 <b>{frame.text('Open orders')}</b> {frame.badge}"]
        buttons: list[tuple[Button, ...]] = []
        for one in working:
            lines.append(self._open_line(one))
            if self.desk.may_cancel(one, request.actor):
                label = f"↩️ {one.name[:10]} {frame.text('{count} cancel', count=f'{one.remaining:,}')}"
                buttons.append((Button(label, TICKET + self.desk.cancel_token(one, request.actor)),))
        checking = msgid("❓ checking: {name} {quantity} · #{id}")
        lines += [
            frame.text(checking, name=safe(one.name, 20), quantity=f"{one.quantity:,}", id=one.id) for one in doubtful
        ]
        lines += [self._elsewhere_line(row) for row in elsewhere]
        if not (working or doubtful or elsewhere):
            lines.append(frame.text("No open orders."))
        if not only_open:
            lines += self._done_lines(rows)
        lines += [
            *unreadable_rows(len(listed.unreadable) if listed is not None else 0, frame),
            frame.as_of(self.clock()),
        ]
        if not only_open:
            buttons.append((keyboards.refresh("/orders", frame.lang), Button(frame.text("💼 balance"), "/balance")))
        return Reply("\n".join(lines), tuple(buttons))

    def _open_line(self, one: Order) -> str:
        frame = self.frame
        price = frame.text("market") if one.price is None else f"{one.price:,}"
        word = frame.text("partly filled") if one.state is OrderState.PARTIAL else frame.text("accepted")
        return (
            f"{SQUARE[one.side]} {frame.text(SIDE[one.side])} <b>{safe(one.name, 20)}</b> {price} · "
            f"{of_shares(one.filled, one.quantity, frame.lang)} {word} · <code>{safe(one.order_no, 12)}</code>"
        )

    def _elsewhere_line(self, row: OrderReport) -> str:
        frame = self.frame
        price = f"{row.price:,}" if row.price else frame.text("market")
        return (
            f"{SQUARE[row.side]} {frame.text(SIDE[row.side])} {safe(row.name, 20)} {price} · "
            f"{of_shares(row.filled, row.quantity, frame.lang)} · {frame.text('made elsewhere', context='order')} "
            f"<code>{safe(row.order_no, 12)}</code>"
        )

    def _done_lines(self, rows: Sequence[OrderReport]) -> list[str]:
        frame = self.frame
        filled = [row for row in rows if row.filled and not is_cancel(row)]
        lines = ["", f"<b>{frame.text('Filled today')}</b>"] if filled else []
        for row in filled[:MOST_HOLDINGS]:
            part = of_shares(row.filled, row.quantity, frame.lang)
            side = f"{SQUARE[row.side]} {frame.text(SIDE[row.side])}"
            lines.append(f"{side} {safe(row.name, 20)} {part} @{row.average_price:,.0f}")
        if len(filled) > MOST_HOLDINGS:
            lines.append(f"… +{len(filled) - MOST_HOLDINGS}")
        return lines
