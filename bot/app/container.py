"""Everything the bot consists of, built in reading order from its settings. Decides nothing, runs nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from bot.app.clients import stocks_of, telegram_bot
from bot.app.storage import Storage
from bot.charts.renderer import ChartRenderer
from bot.chat.handlers.account import AccountHandlers
from bot.chat.handlers.alerts import AlertHandlers
from bot.chat.handlers.audit import AuditHandlers
from bot.chat.handlers.charts import ChartHandlers
from bot.chat.handlers.commands import Handlers
from bot.chat.handlers.control import ControlHandlers
from bot.chat.handlers.limits import LimitHandlers
from bot.chat.handlers.market import MarketHandlers
from bot.chat.handlers.order_history import OrderHistoryHandlers
from bot.chat.handlers.people import MemberHandlers
from bot.chat.handlers.preferences import PreferenceHandlers
from bot.chat.handlers.reports import ReportHandlers
from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.handlers.trading import TradingHandlers
from bot.chat.handlers.watchlist import WatchlistHandlers
from bot.chat.i18n.frame import Frame
from bot.chat.transport.access import AccessGuard
from bot.chat.transport.background_calls import BackgroundCalls
from bot.chat.transport.router import Router
from bot.chat.transport.sender import MessageSender
from bot.chat.transport.update_inbox import UpdatePoller
from bot.chat.types import Handler, Reply, outgoing
from bot.config.settings import Settings
from bot.orders.access.preferences import Lang
from bot.orders.access.roles import Actor
from bot.orders.execution.desk import Desk
from bot.orders.hours import TradingHours, report_moments
from bot.orders.model.tap_result import ProofRequest
from bot.orders.reconciliation.report_handler import ReportHandler
from bot.orders.reconciliation.report_reader import ReportReader
from bot.orders.risk.circuit_breaker import CircuitBreaker
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from bot.reports.bookkeeper import Bookkeeper
from bot.services.alert_runner import AlertRunner
from bot.services.close_reports import CloseReports
from bot.services.delivery import Delivery
from bot.services.delivery_policy import DeliveryPolicy
from bot.services.fill_stream import FillStream
from bot.services.live_watchlists import LiveWatchlists
from bot.services.outages import OutageTracker, uptime
from bot.services.price_feed import PriceFeed
from bot.services.symbols import LiveSymbols
from bot.services.trade_feed import LiveStream, TradeFeed
from bot.store.alerts import AlertStore
from bot.store.live_message import LiveMessages
from bot.store.reading_mark import ReadingMarks
from bot.store.reports import ReportStore
from bot.store.stream_stats import StreamStats
from bot.store.watchlist import WatchlistStore
from kis.config import kst_now
from kis.endpoints import EXECUTIONS
from kis.executions import ExecutionsPoll
from kis.transport import Transport

BUSY, IN_SESSION, IDLE = 3.0, 15.0, 60.0
"""Seconds between readings of the broker's list: while something is open, in session, and otherwise."""


class Container(Storage):
    """The parts, and what they ask of one another."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = kst_now,
        ticks: Callable[[], float] = uptime,
        network: Transport | None = None,
    ) -> None:
        """Builds everything; opens the database and nothing else.

        `clock` tells the time in KST and may be set; `ticks` are seconds that only go forward; `network` takes the
        place of the real one.

        Raises:
            BadDatabase: the database cannot be trusted, or is another account's.
            AlreadyRunning: another copy holds the data directory.
            kis.errors.Misconfigured: the KIS settings contradict each other.
        """
        super().__init__(settings, clock=clock, network=network, wake=self._wake_notifier)
        self.sight = OutageTracker(
            ReadingMarks(self.db),
            tell=self.journal.tell,
            overseers=self.people.overseers,
            clock=clock,
            ticks=ticks,
        )
        self._build_desk(settings, clock)
        self._build_reports(settings, clock)
        self._build_chat(settings, clock)

    # --- what trades --------------------------------------------------------------------------------------------------

    def _build_desk(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self.hours = TradingHours(always=settings.kisbot_market_hours == "always", auctions=settings.kisbot_auctions)
        self.brakes = TradingHalt(self.journal, clock=clock, overseers=self.people.overseers)
        self.watch = ReportHandler(
            self.journal,
            self.brakes,
            clock=clock,
            day_over=self.hours.day_over,
            overseers=self.people.overseers,
        )
        self.lists = ReportReader(self.client, self.watch)
        broker = self._broker_settings
        self._paging = EXECUTIONS.page_size(broker.env) or 1, broker.interval
        self.poll = ExecutionsPoll(self.lists.read, self._interval)
        self.desk = Desk(
            self.client,
            self.journal,
            self.brakes,
            self.hours,
            roster=self.people,
            resume_pause=settings.kisbot_resume_pause,
            clock=clock,
            limits=self.limits,
            policy=settings.approval_policy(),
            limits_of=lambda user_id: self.limit_book.limits_of(user_id, clock().date()),
            needs_proof=self._needs_proof,
            position_percent=settings.position_percent(),
            wake=self.poll.wake,
            elsewhere=self.watch.elsewhere,
            run=lambda: self.runs.number,
        )

        self.sentry = CircuitBreaker(
            self.client,
            self.journal,
            self.runs,
            self.brakes,
            self.hours,
            clock=clock,
            clock_stop=self.limits.clock_stop,
            loss_percent=settings.kisbot_day_loss_percent,
        )

        self.trades = TradeFeed(clock)
        self.ears = FillStream(
            broker,
            self.trades,
            wake=self.poll.wake,
            tell=self.journal.tell,
            overseers=self.people.overseers,
            clock=clock,
            always=self.hours.always,
            stats=StreamStats(self.db),
            stream=partial(LiveStream, transport=self._network),
        )
        self.prices = PriceFeed(self.client, self.trades, clock=clock)
        self.alert_watch = AlertRunner(
            AlertStore(self.db, self.outbox, clock),
            self.prices,
            self.client,
            self.hours,
            clock=clock,
            calls_per_minute=settings.alert_calls_per_minute(),
            wake=self._wake_notifier,
        )
        self.watch_lists = LiveWatchlists(
            WatchlistStore(self.db),
            LiveMessages(self.db, self.outbox, clock),
            self.prices,
            self.client,
            self.hours,
            self.people,
            clock=clock,
            calls_per_minute=settings.watch_calls_per_minute(),
            wake=self._wake_notifier,
        )

    # --- what looks back ----------------------------------------------------------------------------------------------

    def _build_reports(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self.symbols = LiveSymbols(lambda day: stocks_of(settings, day, self._network), clock)
        book = ReportStore(self.db, self.outbox, clock)
        self.bookkeeper = Bookkeeper(
            self.client,
            book,
            clock=clock,
            ours=self.journal.linked,
            began=self.runs.worth,
            etf=self.symbols.etf,
            fee_percent=settings.kisbot_fee_percent,
            estimates=settings.kis_env == "paper",
        )
        self.closing = CloseReports(
            self.bookkeeper,
            book,
            clock=clock,
            report_times=report_moments,
            chats=lambda: [person.user_id for person in self.people.all()],
            wake=self._wake_notifier,
        )
        self.closing.after = self._round_up

    # --- what speaks --------------------------------------------------------------------------------------------------

    def _build_chat(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        frame = Frame(settings.kisbot_lang, settings.mode, self.client.account_masked)
        self.bot = telegram_bot(settings, self._network)
        self.stepup_chat = SecondFactorChat(self.bot, self.stepup, frame, clock)
        market = MarketHandlers(self.client, self.symbols, frame)
        watch = WatchlistHandlers(self.watch_lists, self.symbols, frame, self._post)
        account = AccountHandlers(self.client, self.desk, frame, clock)
        self.trading = TradingHandlers(self.desk, self.client, market, account, frame, self.stepup_chat)
        self.calls = BackgroundCalls(self.bot, frame, self._lang_of)
        self.members = MemberHandlers(
            self.people,
            self.invites,
            frame,
            post=self._post,
            together=self.db.atomic,
            clock=clock,
            username=lambda: self.bot.username,
            second_factor=self.stepup_chat,
            changed=self.calls.member_changed,
            send=self.calls.send,
            requests=settings.kisbot_join_requests,
        )
        self.settings_view = PreferenceHandlers(self.preferences, frame, self.calls.renew_menu)
        self.router = Router(
            self.bot,
            AccessGuard(self.people.get, settings.kisbot_group_chats),
            Handlers({**self._handlers(frame, market, account), "watch": watch.watch}, frame),
            trading=self.trading,
            members=self.members,
            second_factor=self.stepup_chat,
            watchlist=watch,
            symbols=self.symbols,
            calls=self.calls,
            post=self._post,
            record=self.audit.add,
            clock=clock,
            frame=frame,
            lang_of=self._lang_of,
            report_fault=self.troubles.report,
        )
        self.charts = ChartRenderer()
        messenger = MessageSender(
            self.bot,
            order=self.journal.get,
            card_message=self.outbox.card_message,
            draw=self.charts.draw,
            frame=frame,
            lang_of=self._lang_of,
        )
        policy = DeliveryPolicy(self.preferences, clock)
        self.notifier = Delivery(self.outbox, policy, messenger.deliver, messenger.reachable)
        self.inbox_poll = UpdatePoller(
            self.bot,
            self.inbox,
            self.router.handle,
            keeps=self.router.keeps,
            redact=self.stepup_chat.for_disk,
            hold=self._hold,
        )

    def _handlers(self, frame: Frame, market: MarketHandlers, account: AccountHandlers) -> dict[str, Handler]:
        """Who answers which command."""
        control = ControlHandlers(self.desk, self.ears, frame, self._clock, self.stepup_chat, self._answer)
        alerts = AlertHandlers(
            self.alert_watch,
            self.client,
            self.symbols,
            self.hours,
            frame,
            self._clock,
            self._settings.kisbot_alerts_per_person,
        )
        limits = LimitHandlers(
            self.limit_book,
            self.people.all,
            self.stepup,
            self.stepup_chat,
            self._answer,
            frame,
            self._clock,
        )
        reports = ReportHandlers(self.bookkeeper, self.client, self.journal.linked, frame, self._clock)
        return {
            "price": market.price,
            "book": market.book,
            "chart": ChartHandlers(self.client, market, frame).chart,
            "top": market.top,
            "index": market.index,
            "balance": account.balance,
            "orders": account.orders,
            "pnl": reports.pnl,
            "fills": reports.fills,
            "buy": self.trading.buy,
            "sell": self.trading.sell,
            "cancel": self.trading.cancel,
            "revise": self.trading.revise,
            "halt": control.halt,
            "resume": control.resume,
            "status": control.status,
            "policy": control.show_policy,
            "users": self.members.users,
            "invite": self.members.invite,
            "limits": limits.limits,
            "pin": self.stepup_chat.pin,
            "alert": alerts.alert,
            "alerts": alerts.alerts,
            "settings": self.settings_view.settings,
            "why": OrderHistoryHandlers(self.stories, frame).why,
            "audit": AuditHandlers(self.stories, frame).audit,
        }

    # --- the pieces' needs --------------------------------------------------------------------------------------------

    def _lang_of(self, chat_id: int) -> Lang | None:
        return self.preferences.of(chat_id).lang

    def _round_up(self, moment: datetime) -> None:
        """At a close: whoever had silenced something learns what it was."""
        for person in self.people.all():
            if self.outbox.withheld(person.user_id):
                self._post("roundup", person.user_id, {}, f"roundup:{moment.isoformat()}:{person.user_id}")

    def _needs_proof(self, who: Actor, proof: ProofRequest) -> bool:
        return self.stepup.needs(who, proof.act, proof.value, self._clock(), proof.subject)

    def _answer(self, chat_id: int, reply: Reply) -> None:
        """Something that is no answer to an update of the moment."""
        self._post("reply", chat_id, outgoing(reply))

    def _post(self, kind: str, chat_id: int, data: Mapping[str, Any], key: str | None = None) -> None:
        self.outbox.put(kind, chat_id, data, key)
        self.notifier.wake()

    def _wake_notifier(self) -> None:
        self.notifier.wake()

    def _hold(self, why: str) -> None:
        """Another program polls the same bot: nothing new goes out until a person has looked."""
        if why:
            self.brakes.pull(HaltLevel.NEW, why)

    def _interval(self) -> float:
        if self.watch.busy():
            return BUSY
        return IN_SESSION if self.hours.open(self._clock()) else IDLE
