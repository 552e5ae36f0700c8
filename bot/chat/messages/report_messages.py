"""The messages about what trading came to: the report at a close, /pnl and /fills. Pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from bot.chat.i18n.formatting import arrow, clock_time, percent, safe, shares, signed, won
from bot.chat.i18n.frame import Frame
from bot.chat.keyboards import refresh
from bot.chat.messages.order_card import SIDE, SQUARE, average, hms
from bot.chat.parsing.dates import day_label
from bot.chat.types import REFRESH, Button, Buttons, Reply
from bot.reports.cost import Doubt
from bot.reports.fills import StockFills
from bot.reports.model import DayReport, DayTaken, Taken, Wealth
from kis import krx
from kis.models import OrderReport, Side

MOST_STOCKS = 15
"""Lines of a report at the close, which has more to say; the rest is summed."""
MOST_FILLS = 30
"""Lines of /fills that fit one message with room to spare."""
_REPORT = TypeAdapter(DayReport)
_WHY = {
    Doubt.BASE: (
        "보유 내역을 기록하기 전의 매도가 있어 계산할 수 없습니다.",
        "Something was sold before this bot began to keep a record of what is held.",
    ),
    Doubt.SHARES: (
        "보유 수량이 체결 내역과 맞지 않아 계산하지 않았습니다 (입출고, 액면 변경, 늦은 잔고 반영 등).",
        "What is held does not agree with the fills (a transfer, a split, a balance that lags), so no figure is given.",
    ),
    Doubt.LAG: (
        "증권사 집계에 아직 반영되지 않은 체결이 있습니다. 나중에 /pnl 로 확인해 주세요.",
        "The broker's sums do not hold all of today's fills yet; look at /pnl later.",
    ),
}


# --- at the close -----------------------------------------------------------------------------------------------------


def report_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """The report of a closing; two lines where nothing has filled since the one before."""
    report, moment = _REPORT.validate_python(data["report"]), datetime.fromisoformat(str(data["moment"]))
    evening = krx.after_market_end(report.day)
    late = evening is not None and moment >= evening
    title = ("애프터마켓 마감", "After-market close") if late else ("정규장 마감", "Close of the day")
    when = f"{day_label(report.day, frame)} {moment.astimezone(krx.KST):%H:%M}"
    if data.get("quiet"):
        nothing = frame.pick("앞선 보고 뒤 체결 없음", "nothing filled since the last report")
        return Reply(
            f"🌙 <b>{frame.pick(*title)}</b> {when} {frame.badge} · {nothing}\n"
            f"{_total(report.wealth, frame)} · {_unrealised(report.wealth, frame)}",
        )
    lines = [
        f"🔔 <b>{frame.pick(*title)}</b> {when} {frame.badge}",
        *_stocks(report.fills, frame),
        *_realised(report.taken, frame),
        _unrealised(report.wealth, frame),
        _cash(report.wealth, frame),
        _total(report.wealth, frame) + _since(report, frame),
        f"{frame.pick('미체결', 'open orders')} {report.open_orders}{frame.pick('건', '')} · {_at(report.wealth, frame)}",
    ]
    keys = (
        Button(frame.pick("💰 손익", "💰 profit"), "/pnl"),
        Button(frame.pick("🧾 체결", "🧾 fills"), f"/fills {report.day}"),
        Button(frame.pick("💼 잔고", "💼 balance"), "/balance"),
    )
    return Reply("\n".join(lines), (keys,))


def _stocks(fills: Sequence[StockFills], frame: Frame) -> list[str]:
    if not fills:
        return [frame.pick("오늘 체결이 없습니다.", "Nothing filled today.")]
    lines = [_stock(one, frame) for one in fills[:MOST_STOCKS]]
    rest = fills[MOST_STOCKS:]
    if rest:
        count = len({one.code for one in rest})
        more = frame.pick(f"외 {count}종목", f"and {count} more stocks")
        lines.append(f"{more}: {_amounts(_sum(rest, Side.BUY), _sum(rest, Side.SELL), frame)}")
    return [*lines, _amounts(_sum(fills, Side.BUY), _sum(fills, Side.SELL), frame)]


def _stock(one: StockFills, frame: Frame) -> str:
    line = (
        f"{SQUARE[one.side]} {frame.pick(*SIDE[one.side])} <b>{safe(one.name or one.code, 20)}</b> "
        f"{shares(one.quantity, frame.lang)} @{average(one.amount, one.quantity)} = {won(one.amount, frame.lang)}"
    )
    if one.elsewhere:
        line += f" · {frame.pick(f'외부 {one.elsewhere}건', f'{one.elsewhere} made elsewhere')}"
    return line


def _sum(fills: Sequence[StockFills], side: Side) -> int:
    return sum(one.amount for one in fills if one.side is side)


def _since(report: DayReport, frame: Frame) -> str:
    if not report.began:
        return ""
    change = report.wealth.total - report.began
    rate = percent(change * 100 / Decimal(report.began))
    return f" · {frame.pick('오늘', 'today')} {arrow(change)} {signed(change)}{frame.pick('원', '')} ({rate})"


# --- figures that several messages show -------------------------------------------------------------------------------


def _realised(taken: Taken, frame: Frame) -> list[str]:
    word = frame.pick("실현손익", "realised")
    if taken.profit is None:
        figure = "–"
    else:
        figure = f"{arrow(taken.profit)} <b>{signed(taken.profit)}{frame.pick('원', '')}</b>"
    about = frame.pick(" (추정)", " (estimate)") if taken.estimated else ""
    lines = [
        f"{word} {figure}{about}",
        f"{frame.pick('수수료', 'fees')} {won(taken.fee, frame.lang)} · {frame.pick('세금', 'tax')} {won(taken.tax, frame.lang)}",
    ]
    if taken.doubt in _WHY:
        lines.append(f"⚠️ {frame.pick(*_WHY[taken.doubt])}")
    return lines


def _unrealised(wealth: Wealth, frame: Frame) -> str:
    return (
        f"{frame.pick('평가손익', 'unrealised')} {arrow(wealth.unrealised)} {signed(wealth.unrealised)}"
        f"{frame.pick('원', '')} ({percent(wealth.rate)})"
    )


def _cash(wealth: Wealth, frame: Frame) -> str:
    return f"{frame.pick('예수금', 'cash')} {won(wealth.deposit, frame.lang)} · D+2 {won(wealth.d2_cash, frame.lang)}"


def _total(wealth: Wealth, frame: Frame) -> str:
    return f"{frame.pick('총평가', 'total')} <b>{won(wealth.total, frame.lang)}</b>"


def _amounts(bought: int, sold: int, frame: Frame) -> str:
    return f"{frame.pick('매수', 'bought')} {won(bought, frame.lang)} · {frame.pick('매도', 'sold')} {won(sold, frame.lang)}"


def _at(wealth: Wealth, frame: Frame) -> str:
    return f"🕘 {clock_time(wealth.at)} {frame.pick('기준', 'KST')}"


# --- /pnl -------------------------------------------------------------------------------------------------------------


def profit_card(taken: Taken, wealth: Wealth, today: date, frame: Frame) -> Reply:
    """What some days brought, each in a line where there are several, and what is held now."""
    one_day = taken.first == taken.last
    span = (
        day_label(taken.first, frame)
        if one_day
        else f"{day_label(taken.first, frame)} ~ {day_label(taken.last, frame)}"
    )
    lines = [
        f"💰 <b>{frame.pick('손익', 'Profit')}</b> {span} {frame.badge}",
        *([_closed(frame)] if one_day and not krx.is_trading_day(taken.first) else []),
        *_realised(taken, frame),
        _amounts(taken.bought, taken.sold, frame),
    ]
    if taken.estimated:
        note = (
            "<i>추정: 평균단가와 정해진 수수료율·세율로 계산했습니다.</i>",
            "<i>Estimated by average cost and the usual rates of fee and tax.</i>",
        )
        lines.append(frame.pick(*note))
    if not one_day:
        lines += ["", *[_day_line(one, frame) for one in taken.days]]
        if not taken.days:
            lines.append(frame.pick("거래가 없습니다.", "No trades."))
    lines += [
        "",
        f"<b>{frame.pick('지금', 'now')}</b> {_unrealised(wealth, frame)}",
        _total(wealth, frame),
        _at(wealth, frame),
    ]
    return Reply("\n".join(lines), _profit_keys(taken, today, frame))


def _day_line(one: DayTaken, frame: Frame) -> str:
    profit = "–" if one.profit is None else f"{arrow(one.profit)} {signed(one.profit)}"
    return f"{day_label(one.day, frame)} {profit} · {_amounts(one.bought, one.sold, frame)}"


def _profit_keys(taken: Taken, today: date, frame: Frame) -> Buttons:
    spans = (
        Button(frame.pick("오늘", "today"), f"{REFRESH}/pnl today"),
        Button(frame.pick("이번 주", "this week"), f"{REFRESH}/pnl week"),
        Button(frame.pick("이번 달", "this month"), f"{REFRESH}/pnl month"),
    )
    day = f" {taken.last}" if taken.last != today else ""
    return (spans, (Button(frame.pick("🧾 체결", "🧾 fills"), f"/fills{day}"),))


# --- /fills -----------------------------------------------------------------------------------------------------------


def fills_card(day: date, rows: Sequence[OrderReport], ours: Collection[str], now: datetime, frame: Frame) -> Reply:
    """The filled orders of a day. `ours`: the numbers of this bot's orders."""
    lines = [f"🧾 <b>{frame.pick('체결', 'Fills')}</b> {day_label(day, frame)} {frame.badge}"]
    if not krx.is_trading_day(day):
        lines.append(_closed(frame))
    lines += [_fill(row, ours, frame) for row in rows[:MOST_FILLS]]
    if len(rows) > MOST_FILLS:
        lines.append(frame.pick(f"외 {len(rows) - MOST_FILLS}건", f"and {len(rows) - MOST_FILLS} more"))
    if rows:
        totals = [(side, [row for row in rows if row.side is side]) for side in (Side.BUY, Side.SELL)]
        lines.append(
            "<b>"
            + frame.pick("합계", "total")
            + "</b> "
            + " · ".join(
                f"{frame.pick(*SIDE[side])} {len(of)}{frame.pick('건', '')} {won(sum(row.filled_amount for row in of), frame.lang)}"
                for side, of in totals
            ),
        )
        lines.append(f"<i>{frame.pick('시각은 주문한 때입니다.', 'Times are those of the orders.')}</i>")
    else:
        lines.append(frame.pick("체결이 없습니다.", "Nothing was filled."))
    lines.append(f"🕘 {clock_time(now)} {frame.pick('기준', 'KST')}")
    return Reply("\n".join(lines), _fills_keys(day, now.date(), frame))


def _fill(row: OrderReport, ours: Collection[str], frame: Frame) -> str:
    elsewhere = "" if row.order_no in ours else f" · {frame.pick('외부', 'made elsewhere')}"
    return (
        f"{SQUARE[row.side]} {hms(row.time)} {frame.pick(*SIDE[row.side])} <b>{safe(row.name or row.code, 16)}</b> "
        f"{row.filled:,}/{row.quantity:,}{frame.pick('주', '')} @{average(row.filled_amount, row.filled)} = "
        f"{won(row.filled_amount, frame.lang)}{elsewhere}"
    )


def _fills_keys(day: date, today: date, frame: Frame) -> Buttons:
    before, after = krx.previous_trading_day(day), krx.next_trading_day(day)
    row = [Button(f"◀ {day_label(before, frame)}", f"{REFRESH}/fills {before}")]
    if day == today:
        row.append(refresh(f"/fills {day}", frame.lang))
    if after <= today:
        row.append(Button(f"{day_label(after, frame)} ▶", f"{REFRESH}/fills {after}"))
    return (tuple(row), (Button(frame.pick("💰 손익", "💰 profit"), f"/pnl {day}"),))


def _closed(frame: Frame) -> str:
    return frame.pick("🌙 휴장일입니다.", "🌙 The exchange was closed.")
