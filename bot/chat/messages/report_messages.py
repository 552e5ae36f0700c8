"""Messages about results: the report at a close, /pnl and /fills."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from bot.chat.i18n.catalogue import MessageIds, msgid
from bot.chat.i18n.formatting import arrow, of_shares, percent, pieces, safe, shares, signed, signed_won, won
from bot.chat.i18n.frame import Frame
from bot.chat.keyboards import refresh
from bot.chat.messages.order_card import SIDE, SQUARE, average, hms
from bot.chat.parsing.dates import day_label
from bot.chat.types import REFRESH, Button, Buttons, Reply
from bot.reports.cost import Doubt
from bot.reports.model import AccountValue, DayReport, DayResult, PeriodResult, StockFills
from kis import krx
from kis.models import OrderReport, Side

MAX_STOCKS = 15
"""Stocks with a line of their own in the report at a close; the rest is summed."""
MAX_FILLS = 30
"""Rows of /fills that fit in one message."""
_REPORT = TypeAdapter(DayReport)
_WHY: MessageIds[Doubt] = {
    Doubt.BASE: "Something was sold before this bot began to keep a record of what is held.",
    Doubt.SHARES: "What is held does not agree with the fills (a transfer, a split, a balance that lags), so no figure is given.",
    Doubt.LAG: "The broker's sums do not hold all of today's fills yet; look at /pnl later.",
}
_CLOSED = msgid("🌙 The exchange was closed.")


# --- at the close -----------------------------------------------------------------------------------------------------


def report_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The report at a close; two lines where nothing filled since the previous report."""
    report, moment = _REPORT.validate_python(data["report"]), datetime.fromisoformat(str(data["moment"]))
    evening = krx.after_market_end(report.day)
    late = evening is not None and moment >= evening
    title = msgid("After-market close") if late else msgid("Close of the day")
    when = f"{day_label(report.day, frame)} {moment.astimezone(krx.KST):%H:%M}"
    if data.get("quiet"):
        head = (
            f"🌙 <b>{frame.text(title)}</b> {when} {frame.badge} · {frame.text('nothing filled since the last report')}"
        )
        return Reply(f"{head}\n{_total(report.wealth, frame)} · {_unrealised(report.wealth, frame)}")
    lines = [
        f"🔔 <b>{frame.text(title)}</b> {when} {frame.badge}",
        *_stocks(report.fills, frame),
        *_realised(report.taken, frame),
        _unrealised(report.wealth, frame),
        _cash(report.wealth, frame),
        _total(report.wealth, frame) + _since(report, frame),
        f"{frame.text('open orders')} {pieces(report.open_orders, frame.lang)} · {frame.as_of(report.wealth.at)}",
    ]
    buttons = (
        Button(frame.text("💰 profit"), "/pnl"),
        Button(frame.text("🧾 fills"), f"/fills {report.day}"),
        Button(frame.text("💼 balance"), "/balance"),
    )
    return Reply("\n".join(lines), (buttons,))


def _stocks(fills: Sequence[StockFills], frame: Frame) -> list[str]:
    if not fills:
        return [frame.text("Nothing filled today.")]
    lines = [_stock(one, frame) for one in fills[:MAX_STOCKS]]
    if rest := fills[MAX_STOCKS:]:
        more = frame.text("and {count} more stocks", count=len({one.code for one in rest}))
        lines.append(f"{more}: {_sums(rest, frame)}")
    return [*lines, _sums(fills, frame)]


def _stock(one: StockFills, frame: Frame) -> str:
    elsewhere = f" · {frame.text('{count} made elsewhere', count=one.elsewhere)}" if one.elsewhere else ""
    return (
        f"{SQUARE[one.side]} {frame.text(SIDE[one.side])} <b>{safe(one.name or one.code, 20)}</b> {shares(one.quantity, frame.lang)} "
        f"@{average(one.amount, one.quantity)} = {won(one.amount, frame.lang)}{elsewhere}"
    )


def _sums(fills: Sequence[StockFills], frame: Frame) -> str:
    bought, sold = (sum(one.amount for one in fills if one.side is side) for side in (Side.BUY, Side.SELL))
    return _amounts(bought, sold, frame)


def _since(report: DayReport, frame: Frame) -> str:
    if not report.began:
        return ""
    change = report.wealth.total - report.began
    rate = percent(change * 100 / Decimal(report.began))
    return f" · {frame.text('today')} {arrow(change)} {signed_won(change, frame.lang)} ({rate})"


# --- figures that several messages show -------------------------------------------------------------------------------


def _realised(result: PeriodResult, frame: Frame) -> list[str]:
    profit = result.profit
    figure = "–" if profit is None else f"{arrow(profit)} <b>{signed_won(profit, frame.lang)}</b>"
    about = f" ({frame.text('estimate')})" if result.estimated else ""
    lines = [
        f"{frame.text('realised')} {figure}{about}",
        f"{frame.text('fees')} {won(result.fee, frame.lang)} · {frame.text('tax')} {won(result.tax, frame.lang)}",
    ]
    if result.doubt in _WHY:
        lines.append(f"⚠️ {frame.text(_WHY[result.doubt])}")
    return lines


def _unrealised(value: AccountValue, frame: Frame) -> str:
    profit = value.unrealised
    return f"{frame.text('unrealised')} {arrow(profit)} {signed_won(profit, frame.lang)} ({percent(value.rate)})"


def _cash(value: AccountValue, frame: Frame) -> str:
    return f"{frame.text('cash')} {won(value.deposit, frame.lang)} · D+2 {won(value.d2_cash, frame.lang)}"


def _total(value: AccountValue, frame: Frame) -> str:
    return f"{frame.text('total', context='account value')} <b>{won(value.total, frame.lang)}</b>"


def _amounts(bought: int, sold: int, frame: Frame) -> str:
    return f"{frame.text('bought')} {won(bought, frame.lang)} · {frame.text('sold')} {won(sold, frame.lang)}"


# --- /pnl -------------------------------------------------------------------------------------------------------------


def profit_card(result: PeriodResult, value: AccountValue, today: date, frame: Frame) -> Reply:
    """Realised profit of a period, day by day where it has several, and the account now."""
    one_day = result.first == result.last
    span = " ~ ".join(day_label(day, frame) for day in dict.fromkeys((result.first, result.last)))
    lines = [f"💰 <b>{frame.text('Profit')}</b> {span} {frame.badge}"]
    if one_day and not krx.is_trading_day(result.first):
        lines.append(frame.text(_CLOSED))
    lines += [*_realised(result, frame), _amounts(result.bought, result.sold, frame)]
    if result.estimated:
        lines.append(frame.text("<i>Estimated by average cost and the usual rates of fee and tax.</i>"))
    if not one_day:
        lines += ["", *([_day_line(one, frame) for one in result.days] or [frame.text("No trades.")])]
    now = f"<b>{frame.text('now')}</b> {_unrealised(value, frame)}"
    lines += ["", now, _total(value, frame), frame.as_of(value.at)]
    periods = (
        Button(frame.text("today"), f"{REFRESH}/pnl today"),
        Button(frame.text("this week"), f"{REFRESH}/pnl week"),
        Button(frame.text("this month"), f"{REFRESH}/pnl month"),
    )
    day = f" {result.last}" if result.last != today else ""
    return Reply("\n".join(lines), (periods, (Button(frame.text("🧾 fills"), f"/fills{day}"),)))


def _day_line(one: DayResult, frame: Frame) -> str:
    profit = "–" if one.profit is None else f"{arrow(one.profit)} {signed(one.profit)}"
    return f"{day_label(one.day, frame)} {profit} · {_amounts(one.bought, one.sold, frame)}"


# --- /fills -----------------------------------------------------------------------------------------------------------


def unreadable_rows(count: int, frame: Frame) -> list[str]:
    """The line that says so, if any rows of the broker's list cannot be read."""
    return [frame.text("⚠️ {count} rows of the broker's list cannot be read", count=count)] if count else []


def fills_card(
    day: date, rows: Sequence[OrderReport], ours: Collection[str], now: datetime, frame: Frame, unreadable: int = 0
) -> Reply:
    """The filled orders of a day; `ours` are the order numbers of this bot."""
    lines = [f"🧾 <b>{frame.text('Fills')}</b> {day_label(day, frame)} {frame.badge}"]
    if not krx.is_trading_day(day):
        lines.append(frame.text(_CLOSED))
    lines += [_fill(row, ours, frame) for row in rows[:MAX_FILLS]]
    if len(rows) > MAX_FILLS:
        lines.append(frame.text("and {count} more", count=len(rows) - MAX_FILLS))
    if rows:
        totals = " · ".join(_side_total(side, rows, frame) for side in (Side.BUY, Side.SELL))
        lines.append(f"<b>{frame.text('total', context='sum of the day')}</b> {totals}")
        lines.append(f"<i>{frame.text('Times are those of the orders.')}</i>")
    else:
        lines.append(frame.text("Nothing was filled."))
    lines += [*unreadable_rows(unreadable, frame), frame.as_of(now)]
    return Reply("\n".join(lines), _fills_buttons(day, now.date(), frame))


def _side_total(side: Side, rows: Sequence[OrderReport], frame: Frame) -> str:
    amounts = [row.filled_amount for row in rows if row.side is side]
    return f"{frame.text(SIDE[side])} {pieces(len(amounts), frame.lang)} {won(sum(amounts), frame.lang)}"


def _fill(row: OrderReport, ours: Collection[str], frame: Frame) -> str:
    elsewhere = "" if row.order_no in ours else f" · {frame.text('made elsewhere', context='fill')}"
    return (
        f"{SQUARE[row.side]} {hms(row.time)} {frame.text(SIDE[row.side])} <b>{safe(row.name or row.code, 16)}</b> "
        f"{of_shares(row.filled, row.quantity, frame.lang)} @{average(row.filled_amount, row.filled)} = "
        f"{won(row.filled_amount, frame.lang)}{elsewhere}"
    )


def _fills_buttons(day: date, today: date, frame: Frame) -> Buttons:
    before, after = krx.previous_trading_day(day), krx.next_trading_day(day)
    row = [Button(f"◀ {day_label(before, frame)}", f"{REFRESH}/fills {before}")]
    if day == today:
        row.append(refresh(f"/fills {day}", frame.lang))
    if after <= today:
        row.append(Button(f"{day_label(after, frame)} ▶", f"{REFRESH}/fills {after}"))
    return (tuple(row), (Button(frame.text("💰 profit"), f"/pnl {day}"),))
