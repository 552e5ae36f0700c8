"""Whatever guards is a required argument: a part that is built without one of its guards is a TypeError, not a "yes"."""

import inspect

import pytest

from bot.chat.handlers.control import ControlHandlers
from bot.chat.handlers.people import MemberHandlers
from bot.chat.handlers.trading import TradingHandlers
from bot.chat.transport.access import AccessGuard
from bot.chat.transport.router import Router
from bot.chat.transport.update_inbox import UpdatePoller
from bot.orders.access.second_factor import SecondFactor
from bot.orders.approvals.workflow import ApprovalWorkflow
from bot.orders.execution.desk import Desk
from bot.orders.execution.sender import OrderSender
from bot.orders.execution.tickets import Tickets
from bot.orders.reconciliation.report_handler import ReportHandler
from bot.orders.risk.circuit_breaker import CircuitBreaker
from bot.orders.risk.context import RiskContext
from bot.orders.risk.trading_halt import Resume, TradingHalt
from bot.store.invites import Invites
from bot.store.journal import SqliteJournal
from bot.store.people import People

GUARDS = {
    Desk: (
        "trading_halt", "market", "roster", "second_factor", "limits_of", "policy", "position_percent", "resume_pause",
        "external_orders",
    ),
    Tickets: ("risk_context", "trading_halt", "approvals", "limits_of", "position_percent"),
    OrderSender: ("risk_context", "trading_halt", "approvals", "limits_of"),
    ApprovalWorkflow: ("roster", "policy", "market"),
    RiskContext: ("trading_halt", "market", "external_orders"),
    Resume: ("trading_halt", "notifications", "pause"),
    TradingHalt: ("store", "notifications"),
    CircuitBreaker: ("trading_halt", "clock_stop", "loss_percent"),
    ReportHandler: ("trading_halt", "notifications", "day_over"),
    SecondFactor: ("policy", "notifications"),
    SqliteJournal: ("audit", "outbox"),
    People: ("audit", "void_orders"),
    Invites: ("audit", "people"),
    AccessGuard: ("find",),
    Router: ("guard", "members", "second_factor", "record"),
    UpdatePoller: ("keeps", "redact", "hold"),
    MemberHandlers: ("second_factor",),
    TradingHandlers: ("second_factor",),
    ControlHandlers: ("second_factor",),
}  # fmt: skip
"""What each part must not be built without: roles, halts, approvals, limits, second factor, redaction, audit."""


@pytest.mark.parametrize(
    ("part", "guard"),
    [(part, guard) for part, guards in GUARDS.items() for guard in guards],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
def test_a_part_cannot_be_built_without_its_guard(part, guard):
    parameters = inspect.signature(part).parameters
    assert parameters[guard].default is inspect.Parameter.empty
    given = {
        name: object() for name, one in parameters.items() if name != guard and one.default is inspect.Parameter.empty
    }
    with pytest.raises(TypeError, match=guard):
        part(**given)
