"""Messages about price alerts: a fired alert, a new one, and a person's list."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bot.alerts.model import VOLUME_DAYS, Alert, AlertKind, AlertState, Comparison, Repeat, facts
from bot.chat.i18n.catalogue import MessageIds, msgid
from bot.chat.i18n.formatting import clock_time, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.keyboards import chart
from bot.chat.types import REFRESH, Button, Reply, in_rows
from kis.krx import KST

MAX_NAME = 16
_EXAMPLES = msgid(
    "None yet. Try /alert 005930 &gt; 72000, /alert 005930 -3%, /alert 005930 volume 3x, /alert holdings 5%"
)
_SENTENCES: MessageIds[AlertKind] = {
    AlertKind.HOLDINGS: "anything held: ±{percent} since the close, within 1 % of a limit, halt, VI",
    AlertKind.HALT: "⛔ halted",
    AlertKind.VI: "⚡ volatility interruption",
    AlertKind.UPPER: "within 1 % of the upper limit ({price} and up)",
    AlertKind.LOWER: "within 1 % of the lower limit ({price} and down)",
}
_OPS: MessageIds[Comparison] = {
    Comparison.ABOVE: "above",
    Comparison.AT_LEAST: "at least",
    Comparison.BELOW: "below",
    Comparison.AT_MOST: "at most",
}


def alert_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """A fired alert; `data` is what was stored when the condition was met."""
    code, lang = str(data["code"]), frame.lang
    bell = frame.text("alert · held") if data.get("held") else frame.text("alert")
    head = f"🔔 <b>{safe(data['name'], 20)}</b> <code>{safe(code, 8)}</code> {bell} {frame.badge}"
    lines, now = [head, condition(data, frame)], []
    if data.get("price") is not None:
        now.append(f"{frame.text('now', context='price')} <b>{won(int(data['price']), lang)}</b>")
    if data.get("volume") is not None and data["kind"] == AlertKind.VOLUME:
        now.append(f"{frame.text('volume')} <b>{shares(int(data['volume']), lang)}</b>")
    lines.append(" · ".join([*now, f"🕘 {clock_time(datetime.fromisoformat(str(data['at'])))}"]))
    if data.get("unseen"):
        lines.append(_unseen(data, frame))
    lines.append(f"#{int(data['alert'])} · {_often(data, frame)}")
    buy, sell = Button(frame.text("🟥 buy"), f"/buy {code}"), Button(frame.text("🟦 sell"), f"/sell {code}")
    price, alerts = Button(frame.text("🏷 price"), f"/price {code}"), Button(frame.text("🔔 alerts"), "/alert")
    return Reply("\n".join(lines), ((buy, sell, chart(code, lang)), (price, alerts)))


def _unseen(data: Mapping[str, Any], frame: Frame) -> str:
    words = frame.text("👁 It crossed while nobody was looking")
    if data.get("since") is None:
        return f"<i>{words}.</i>"
    last = f" {won(int(data['last']), frame.lang)}" if data.get("last") is not None else ""
    at = datetime.fromisoformat(str(data["since"])).astimezone(KST)
    return f"<i>{words} ({frame.text('last seen')}{last}, {at:%m/%d %H:%M:%S}).</i>"


def _often(data: Mapping[str, Any], frame: Frame) -> str:
    if data["again"] == Repeat.ONCE:
        return frame.text("once, done")
    daily = data["again"] == Repeat.DAILY or data["kind"] == AlertKind.VOLUME
    often = frame.text("once a day") if daily else frame.text("repeating")
    return f"{often} · {frame.text('no. {number}', number=int(data['number']))}"


def condition(data: Mapping[str, Any], frame: Frame) -> str:
    """The condition of an alert in one line."""
    kind, lang = AlertKind(data["kind"]), frame.lang
    line, start = int(data["line"]), int(data["start"])
    rate = _rate(Decimal(str(data["percent"]))) if data.get("percent") is not None else ""
    op = frame.text(_OPS[Comparison(data["op"])])
    if kind in _SENTENCES:
        return frame.text(_SENTENCES[kind], percent=rate.lstrip("+"), price=won(line, lang))
    if kind is AlertKind.VOLUME:
        usual = msgid("{factor}x the {days}-day average of {average}")
        average = frame.text(usual, factor=data["factor"], days=VOLUME_DAYS, average=shares(start, lang))
        return f"{frame.text('volume today')} {shares(line, lang)} {op} ({average})"
    price = frame.text("{comparison} {price}", comparison=op, price=won(line, lang))
    if not rate:
        return price
    if kind is AlertKind.MOVE:
        return f"{frame.text('since the close')} {rate} ({price})"
    return frame.text("{start}, {percent} ({condition})", start=won(start, lang), percent=rate, condition=price)


def _rate(rate: Decimal) -> str:
    """A signed percentage with the digits that were typed."""
    return f"{'+' if rate > 0 else '−'}{abs(rate).normalize():f}%"


def made_card(alert: Alert, notes: Sequence[str], frame: Frame) -> Reply:
    """The answer to a new alert; `notes` are HTML."""
    head = f"🔔 {frame.text('alert')} #{alert.id} {frame.badge}"
    stock = f"<b>{safe(alert.name, 20)}</b> <code>{alert.code}</code>\n" if alert.code else ""
    lines = [f"{head}\n{stock}{condition(facts(alert), frame)}", _life(alert, frame), *notes]
    return Reply("\n".join(lines), ((_delete(alert, frame), Button(frame.text("🔔 alerts"), "/alert")),))


def _life(alert: Alert, frame: Frame) -> str:
    last = (alert.expires_at - timedelta(seconds=1)).astimezone(KST)
    until = frame.text("until {day}", day=f"{last:%m/%d}")
    if alert.again is Repeat.ONCE:
        return f"{frame.text('once')} · {until}"
    daily = alert.again is Repeat.DAILY or alert.kind in {AlertKind.VOLUME, AlertKind.HOLDINGS}
    often = frame.text("once a day") if daily else frame.text("repeating")
    so_far = f" · {frame.text('{count} so far', count=alert.crossings)}" if alert.crossings else ""
    return f"{often} · {until}{so_far}"


def _delete(alert: Alert, frame: Frame) -> Button:
    name = f" {alert.name[:MAX_NAME]}" if alert.name else ""
    return Button(f"🗑 #{alert.id}{name}", f"{REFRESH}/alert {frame.text('delete')} {alert.id}")


def list_card(alerts: Sequence[Alert], most: int, frame: Frame, head: str = "") -> Reply:
    """A person's alerts with a delete button each; the button works for its owner only."""
    lines = [head] if head else []
    lines.append(f"🔔 <b>{frame.text('Alerts')}</b> {len(alerts)}/{most} {frame.badge}")
    for one in alerts:
        name = f"<b>{safe(one.name, MAX_NAME)}</b> " if one.name else ""
        waits = one.state in {AlertState.BEYOND, AlertState.RESTING}
        state = f" · {frame.text('waits for it to come back')}" if waits else ""
        lines.append(f"#{one.id} {name}{condition(facts(one), frame)}\n   {_life(one, frame)}{state}")
    if not alerts:
        lines.append(frame.text(_EXAMPLES))
    return Reply("\n".join(lines), in_rows([_delete(one, frame) for one in alerts], 2))
