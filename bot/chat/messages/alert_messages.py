"""The messages about alerts: one that fired, one that was made, and the list. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bot.alerts.model import VOLUME_DAYS, Alert, AlertKind, AlertState, Comparison, Repeat, facts
from bot.chat.i18n.formatting import clock_time, safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.keyboards import chart
from bot.chat.types import REFRESH, Button, Buttons, Reply
from kis.krx import KST

MOST_NAME = 16
_OPS = {
    Comparison.ABOVE: ("초과", "above"),
    Comparison.AT_LEAST: ("이상", "at least"),
    Comparison.BELOW: ("미만", "below"),
    Comparison.AT_MOST: ("이하", "at most"),
}


def alert_push(data: Mapping[str, Any], frame: Frame) -> Reply:
    """An alert that fired; drawn from the facts that were written with the crossing."""
    code, lang = str(data["code"]), frame.lang
    bell = frame.pick("알림 · 보유", "alert · held") if data.get("held") else frame.pick("알림", "alert")
    lines = [
        f"🔔 <b>{safe(data['name'], 20)}</b> <code>{safe(code, 8)}</code> {bell} {frame.badge}",
        condition(data, frame),
    ]
    now = []
    if data.get("price") is not None:
        now.append(f"{frame.pick('현재', 'now')} <b>{won(int(data['price']), lang)}</b>")
    if data.get("volume") is not None and data["kind"] == AlertKind.VOLUME:
        now.append(f"{frame.pick('거래량', 'volume')} <b>{shares(int(data['volume']), lang)}</b>")
    lines.append(" · ".join([*now, f"🕘 {clock_time(datetime.fromisoformat(str(data['at'])))}"]))
    if data.get("unseen"):
        lines.append(_unseen(data, frame))
    lines.append(f"#{int(data['alert'])} · {_often(data, frame)}")
    return Reply("\n".join(lines), _next_steps(code, frame))


def _unseen(data: Mapping[str, Any], frame: Frame) -> str:
    words = frame.pick("👁 보지 못한 사이에 넘었습니다", "👁 It crossed while nobody was looking")
    if data.get("since") is None:
        return f"<i>{words}.</i>"
    last = f" {won(int(data['last']), frame.lang)}" if data.get("last") is not None else ""
    at = datetime.fromisoformat(str(data["since"])).astimezone(KST)
    return f"<i>{words} ({frame.pick('마지막으로 본 값', 'last seen')}{last}, {at:%m/%d %H:%M:%S}).</i>"


def _often(data: Mapping[str, Any], frame: Frame) -> str:
    if data["again"] == Repeat.ONCE:
        return frame.pick("한 번 알림, 끝", "once, done")
    times = frame.pick(f"{int(data['number'])}번째", f"no. {int(data['number'])}")
    if data["again"] == Repeat.DAILY or data["kind"] == AlertKind.VOLUME:
        return f"{frame.pick('하루 한 번', 'once a day')} · {times}"
    return f"{frame.pick('반복', 'repeating')} · {times}"


def _next_steps(code: str, frame: Frame) -> Buttons:
    return (
        (
            Button(frame.pick("🟥 매수", "🟥 buy"), f"/buy {code}"),
            Button(frame.pick("🟦 매도", "🟦 sell"), f"/sell {code}"),
            chart(code, frame.lang),
        ),
        (
            Button(frame.pick("🏷 현재가", "🏷 price"), f"/price {code}"),
            Button(frame.pick("🔔 알림 목록", "🔔 alerts"), "/alert"),
        ),
    )


def condition(data: Mapping[str, Any], frame: Frame) -> str:
    """What an alert waits for, in one line."""
    kind, lang = AlertKind(data["kind"]), frame.lang
    line, start = int(data["line"]), int(data["start"])
    rate = _rate(Decimal(str(data["percent"]))) if data.get("percent") is not None else ""
    op = frame.pick(*_OPS[Comparison(data["op"])])
    if kind is AlertKind.HOLDINGS:
        around = rate.lstrip("+")
        return frame.pick(
            f"보유 종목 전일 대비 ±{around}, 상·하한가 1% 이내, 거래정지, VI",
            f"anything held: ±{around} since the close, within 1 % of a limit, halt, VI",
        )
    if kind is AlertKind.HALT:
        return frame.pick("⛔ 거래정지", "⛔ halted")
    if kind is AlertKind.VI:
        return frame.pick("⚡ VI 발동", "⚡ volatility interruption")
    if kind is AlertKind.UPPER:
        return frame.pick(
            f"상한가 1% 이내 ({won(line)} 이상)",
            f"within 1 % of the upper limit ({won(line, lang)} and up)",
        )
    if kind is AlertKind.LOWER:
        return frame.pick(
            f"하한가 1% 이내 ({won(line)} 이하)",
            f"within 1 % of the lower limit ({won(line, lang)} and down)",
        )
    if kind is AlertKind.VOLUME:
        average = frame.pick(
            f"{VOLUME_DAYS}거래일 하루 평균 {shares(start)}의 {safe(data['factor'])}배",
            f"{safe(data['factor'])}x the {VOLUME_DAYS}-day average of {shares(start, lang)}",
        )
        return f"{frame.pick('오늘 거래량', 'volume today')} {shares(line, lang)} {op} ({average})"
    price = f"{won(line, lang)} {op}" if lang == "ko" else f"{op} {won(line, lang)}"
    if not rate:
        return price
    if kind is AlertKind.MOVE:
        return f"{frame.pick('전일 대비', 'since the close')} {rate} ({price})"
    return f"{won(start, lang)}{frame.pick('에서', ',')} {rate} ({price})"


def _rate(rate: Decimal) -> str:
    """As it was said: no digits that were not."""
    return f"{'+' if rate > 0 else '−'}{abs(rate).normalize():f}%"


def made_card(alert: Alert, notes: Sequence[str], frame: Frame) -> Reply:
    """The answer to a new alert; each note is a sentence that is fit to stand here."""
    head = f"🔔 {frame.pick('알림', 'alert')} #{alert.id} {frame.badge}"
    stock = f"<b>{safe(alert.name, 20)}</b> <code>{alert.code}</code>\n" if alert.code else ""
    lines = [f"{head}\n{stock}{condition(facts(alert), frame)}", _life(alert, frame), *notes]
    return Reply(
        "\n".join(lines),
        ((_delete(alert, frame), Button(frame.pick("🔔 알림 목록", "🔔 alerts"), "/alert")),),
    )


def _life(alert: Alert, frame: Frame) -> str:
    last = (alert.expires_at - timedelta(seconds=1)).astimezone(KST)
    until = frame.pick(f"{last:%m/%d}까지", f"until {last:%m/%d}")
    if alert.again is Repeat.ONCE:
        return f"{frame.pick('한 번', 'once')} · {until}"
    daily = alert.again is Repeat.DAILY or alert.kind in {AlertKind.VOLUME, AlertKind.HOLDINGS}
    often = frame.pick("하루 한 번", "once a day") if daily else frame.pick("반복", "repeating")
    told = frame.pick(f" · 지금까지 {alert.crossings}번", f" · {alert.crossings} so far") if alert.crossings else ""
    return f"{often} · {until}{told}"


def _delete(alert: Alert, frame: Frame) -> Button:
    name = f" {alert.name[:MOST_NAME]}" if alert.name else ""
    return Button(f"🗑 #{alert.id}{name}", f"{REFRESH}/alert {frame.pick('삭제', 'delete')} {alert.id}")


def list_card(alerts: Sequence[Alert], most: int, frame: Frame, head: str = "") -> Reply:
    """A person's alerts, each with a button that deletes it; nobody else's tap on that does anything to it."""
    title = f"🔔 <b>{frame.pick('알림', 'Alerts')}</b> {len(alerts)}/{most} {frame.badge}"
    lines = [head, title] if head else [title]
    for one in alerts:
        name = f"<b>{safe(one.name, MOST_NAME)}</b> " if one.name else ""
        waits = frame.pick(" · 되돌아오기를 기다림", " · waits for it to come back")
        state = waits if one.state in {AlertState.BEYOND, AlertState.RESTING} else ""
        lines.append(f"#{one.id} {name}{condition(facts(one), frame)}\n   {_life(one, frame)}{state}")
    if not alerts:
        lines.append(
            frame.pick(
                "알림이 없습니다. 예: /alert 005930 &gt; 72000, /alert 삼성전자 -3%, /alert 005930 거래량 3배, /alert 보유 5%",
                "None yet. Try /alert 005930 &gt; 72000, /alert 005930 -3%, /alert 005930 volume 3x, /alert holdings 5%",
            ),
        )
    keys = [_delete(one, frame) for one in alerts]
    rows = tuple(tuple(keys[place : place + 2]) for place in range(0, len(keys), 2))
    return Reply("\n".join(lines), rows)
