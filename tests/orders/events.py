"""One sample of every event, for tests that walk the whole table."""

from datetime import date, datetime
from decimal import Decimal

from bot.orders import events
from kis.models import OrderKind, OrderReport, Side


def report(**changes: object) -> OrderReport:
    """A row of the broker's list."""
    values: dict[str, object] = {
        "day": date(2026, 11, 23), "time": "100001", "branch": "06010", "order_no": "0000000007", "side": Side.BUY,
        "kind": OrderKind.LIMIT, "kind_code": "00", "code": "005930", "name": "삼성전자", "quantity": 10, "price": 71_000,
        "filled": 0, "filled_amount": 0, "average_price": Decimal(0), "remaining": 10, "cancelled": 0, "rejected": 0,
    }  # fmt: skip
    return OrderReport.model_validate({**values, **changes})


def sample(kind: type[events.Event], now: datetime) -> events.Event:
    """An event of this kind."""
    return {
        events.Confirmed: events.Confirmed(),
        events.Requoted: events.Requoted(71_900, now, Decimal("1.2"), 71_000, 71_000, 100, 0, 0, None, now),
        events.TimedOut: events.TimedOut(),
        events.Discarded: events.Discarded(),
        events.Blocked: events.Blocked("CASH"),
        events.Submitting: events.Submitting(1, now),
        events.Accepted: events.Accepted("0000000007", "06010", "100001"),
        events.Refused: events.Refused("APBK0952", "주문가능금액을 초과 했습니다"),
        events.NeverLeft: events.NeverLeft("NOT_SENT"),
        events.Lost: events.Lost("NO_ANSWER"),
        events.Found: events.Found(report()),
        events.NotFound: events.NotFound(),
        events.Claimed: events.Claimed("0000000007", "06010", "100001"),
        events.Disowned: events.Disowned(),
        events.Reported: events.Reported(0, 0, 0, 0),
        events.DayEnded: events.DayEnded(),
        events.CancelStep: events.CancelStep(events.CancelState.ASKED),
    }[kind]
