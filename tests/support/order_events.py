"""One sample of every event, and rows of the broker's list, for tests that walk the whole table."""

from datetime import date, datetime
from decimal import Decimal

from bot.orders.model import events
from bot.orders.model.reason import Reason
from kis.models import OrderKind, OrderReport, Side


def report(**changes: object) -> OrderReport:
    """A row of the broker's list."""
    values: dict[str, object] = {
        "day": date(2026, 11, 23), "time": "100001", "branch": "06010", "order_no": "0000000007", "side": Side.BUY,
        "kind": OrderKind.LIMIT, "kind_code": "00", "code": "005930", "name": "삼성전자", "quantity": 10, "price": 71_000,
        "filled": 0, "filled_amount": 0, "average_price": Decimal(0), "remaining": 10, "cancelled": 0, "rejected": 0,
    }  # fmt: skip
    return OrderReport.model_validate({**values, **changes})


def grown(filled: int, price: int = 71_000, **changes: object) -> OrderReport:
    """The same row, filled so far."""
    return report(filled=filled, filled_amount=filled * price, remaining=10 - filled, **changes)


def sample(kind: type[events.Event], now: datetime) -> events.Event:
    """An event of this kind."""
    return {
        events.Confirmed: events.Confirmed(),
        events.Warned: events.Warned(now),
        events.ApprovalRequested: events.ApprovalRequested(2, now, (3,), 12, 900_000),
        events.Deputised: events.Deputised((3, 4)),
        events.Voted: events.Voted(3, "김", approve=True),
        events.Voided: events.Voided("ROLE_LOST"),
        events.Requoted: events.Requoted(
            71_900, now, Decimal("1.2"), 71_100, 92_300, 101, 7, 5, 3, now, (Reason("CLOCK_WARN"),)
        ),
        events.TimedOut: events.TimedOut(),
        events.Discarded: events.Discarded(),
        events.BlockedByRisk: events.BlockedByRisk("CASH", "모자랍니다"),
        events.Submitting: events.Submitting(2, now),
        events.Accepted: events.Accepted("0000000007", "06010", "100001"),
        events.Rejected: events.Rejected("APBK0952", "주문가능금액을 초과 했습니다"),
        events.NeverLeft: events.NeverLeft("NOT_SENT"),
        events.RetryScheduled: events.RetryScheduled("EGW00201"),
        events.AnswerLost: events.AnswerLost("NO_ANSWER"),
        events.RejectionUnconfirmed: events.RejectionUnconfirmed("APBK9999", "처음 보는 말"),
        events.FoundAtBroker: events.FoundAtBroker(report()),
        events.NotFound: events.NotFound(),
        events.ManuallyLinked: events.ManuallyLinked("0000000007", "06010", "100001"),
        events.ManuallyRejected: events.ManuallyRejected(),
        events.ReadBack: events.ReadBack(events.ReadBackResult.SAME, 9),
        events.ReplacedBy: events.ReplacedBy("0000000009"),
        events.ExecutionReported: events.ExecutionReported(0, 0, 0, 0, 10),
        events.DayEnded: events.DayEnded(),
        events.CancelStep: events.CancelStep(events.CancelState.ASKED, "OK", "됐습니다"),
    }[kind]
