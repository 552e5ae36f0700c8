"""Builds every part from the settings, in reading order: each from what stands above it. Runs nothing."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from bot.app.clients import kis_config, stocks_of, telegram_bot
from bot.app.storage import Storage
from bot.charts.renderer import ChartRenderer
from bot.chat.handlers.account import AccountHandlers
from bot.chat.handlers.alerts import AlertHandlers
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
from bot.chat.transport.flood_control import FloodControl
from bot.chat.transport.router import Router
from bot.chat.transport.sender import MessageSender
from bot.chat.transport.update_inbox import UpdatePoller
from bot.chat.types import Reply, outgoing
from bot.config.settings import Settings
from bot.orders.access.notifications import Notifications
from bot.orders.access.preferences import Lang
from bot.orders.access.second_factor import SecondFactor
from bot.orders.execution.desk import Desk
from bot.orders.hours import TradingHours, report_moments
from bot.orders.reconciliation.report_handler import ReportHandler
from bot.orders.reconciliation.report_reader import ReportReader
from bot.orders.risk.circuit_breaker import CircuitBreaker
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from bot.reports.bookkeeper import Bookkeeper
from bot.services.alert_runner import AlertRunner
from bot.services.audit_anchors import AuditAnchors
from bot.services.close_reports import CloseReports
from bot.services.delivery import Delivery
from bot.services.delivery_policy import DeliveryPolicy
from bot.services.fill_stream import FillStream
from bot.services.live_watchlists import LiveWatchlists
from bot.services.operator_alerts import OperatorAlerts
from bot.services.outages import OutageTracker
from bot.services.price_feed import PriceFeed
from bot.services.symbols import LiveSymbols
from bot.services.trade_feed import LiveStream, TradeFeed
from kis.client import KisClient
from kis.executions import ExecutionsPoll
from kis.transport import Transport


class Container:
    """The parts of the bot."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
        network: Transport | None,
    ) -> None:
        """Builds everything; opens the database and no connection.

        `clock` gives the present moment in KST and may be set, `ticks` monotonic seconds; `network` takes the place of
        the real one.

        Raises:
            BadDatabase: the database cannot be trusted, or is another account's.
            AlreadyRunning: another process holds the data directory.
            kis.errors.Misconfigured: the KIS settings contradict each other.
        """
        self.kis_config = kis_config(settings)
        self.storage = Storage(settings, account=self.kis_config.account_masked, clock=clock)
        self.client = KisClient(self.kis_config, clock=clock, transport=network)
        self.notifications = Notifications(self.storage.outbox, self.storage.people)
        self.operator_alerts = OperatorAlerts(self.notifications)
        self._build_orders(settings, clock)
        self._build_services(settings, clock, ticks, network)
        self._build_chat(settings, clock, ticks, network)

    def _build_orders(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        """Everything that decides about orders."""
        storage = self.storage
        self.hours = TradingHours(always=settings.kisbot_market_hours == "always", auctions=settings.kisbot_auctions)
        self.second_factor = SecondFactor(storage.second_factors, settings.second_factor_policy(), self.notifications)
        self.trading_halt = TradingHalt(storage.journal, self.notifications, clock=clock)
        self.report_handler = ReportHandler(
            storage.journal, self.trading_halt, self.notifications, clock=clock, day_over=self.hours.day_over
        )
        self.report_reader = ReportReader(self.client, self.report_handler, self.hours, clock=clock)
        self.report_poll = ExecutionsPoll(self.report_reader.read, self.report_reader.interval)
        self.desk = Desk(
            self.client,
            storage.journal,
            self.trading_halt,
            self.hours,
            storage.people,
            self.second_factor,
            self.notifications,
            clock=clock,
            limits_of=lambda user_id: storage.limits.limits_of(user_id, clock().date()),
            policy=settings.approval_policy(),
            position_percent=settings.position_percent(),
            resume_pause=settings.kisbot_resume_pause,
            external_orders=self.report_handler.external_orders,
            poll_reports=self.report_poll.wake,
            run_number=lambda: storage.runs.number,
        )
        self.circuit_breaker = CircuitBreaker(
            self.client,
            storage.journal,
            storage.runs,
            self.trading_halt,
            self.hours,
            clock=clock,
            clock_stop=settings.limits().clock_stop,
            loss_percent=settings.kisbot_day_loss_percent,
        )

    def _build_services(
        self, settings: Settings, clock: Callable[[], datetime], ticks: Callable[[], float], network: Transport | None
    ) -> None:
        """The loops that watch the market, the account and the bot itself."""
        storage = self.storage
        self.audit_anchors = AuditAnchors(
            storage.audit, storage.order_history, self.notifications, atomic=storage.db.atomic, clock=clock
        )
        self.outages = OutageTracker(storage.reading_marks, notifications=self.notifications, clock=clock, ticks=ticks)
        self.trade_feed = TradeFeed(clock)
        self.fill_stream = FillStream(
            self.kis_config,
            self.trade_feed,
            wake=self.report_poll.wake,
            notifications=self.notifications,
            clock=clock,
            always=self.hours.always,
            stats=storage.stream_stats,
            stream=partial(LiveStream, transport=network),
        )
        self.price_feed = PriceFeed(self.client, self.trade_feed, clock=clock)
        self.alert_runner = AlertRunner(
            storage.alerts,
            self.price_feed,
            self.client,
            self.hours,
            clock=clock,
            calls_per_minute=settings.alert_calls_per_minute(),
        )
        self.live_watchlists = LiveWatchlists(
            storage.watchlists,
            storage.live_messages,
            self.price_feed,
            self.client,
            self.hours,
            storage.people,
            clock=clock,
            calls_per_minute=settings.watch_calls_per_minute(),
        )
        self.symbols = LiveSymbols(lambda day: stocks_of(settings, day, network), clock)
        self.bookkeeper = Bookkeeper(
            self.client,
            storage.reports,
            clock=clock,
            ours=storage.journal.linked,
            began=storage.runs.worth,
            etf=self.symbols.etf,
            fee_percent=settings.kisbot_fee_percent,
            estimates=settings.kis_env == "paper",
        )
        self.close_reports = CloseReports(
            self.bookkeeper, storage.reports, storage.outbox, storage.people, clock=clock, report_times=report_moments
        )

    def _build_chat(
        self, settings: Settings, clock: Callable[[], datetime], ticks: Callable[[], float], network: Transport | None
    ) -> None:
        """Everything that speaks Telegram."""
        storage = self.storage
        frame = Frame(settings.kisbot_lang, settings.mode, self.client.account_masked)

        def lang_of(chat_id: int) -> Lang | None:
            return storage.preferences.of(chat_id).lang

        def answer(chat_id: int, reply: Reply) -> None:
            storage.outbox.put("reply", chat_id, outgoing(reply))

        def token_conflict(why: str) -> None:
            """Another program polls the same bot: nothing new goes out until a person resumes."""
            if why:
                self.trading_halt.halt(HaltLevel.NEW, why)

        self.bot = telegram_bot(settings, network)
        self.calls = BackgroundCalls(self.bot, frame, lang_of)
        self.second_factor_chat = SecondFactorChat(self.bot, self.second_factor, frame, clock)
        market = MarketHandlers(self.client, self.symbols, frame)
        watchlist = WatchlistHandlers(self.live_watchlists, self.symbols, frame, storage.outbox.put)
        account = AccountHandlers(self.client, self.desk, frame, clock)
        trading = TradingHandlers(self.desk, self.client, market, account, frame, self.second_factor_chat)
        members = MemberHandlers(
            storage.people,
            storage.invites,
            frame,
            post=storage.outbox.put,
            together=storage.db.atomic,
            clock=clock,
            username=lambda: self.bot.username,
            second_factor=self.second_factor_chat,
            changed=self.calls.member_changed,
            send=self.calls.send,
            requests=settings.kisbot_join_requests,
        )
        control = ControlHandlers(self.desk, self.fill_stream, frame, clock, self.second_factor_chat, answer)
        alerts = AlertHandlers(
            self.alert_runner, self.client, self.symbols, self.hours, frame, clock, settings.kisbot_alerts_per_person
        )
        limits = LimitHandlers(
            storage.limits, storage.people.all, self.second_factor, self.second_factor_chat, answer, frame, clock
        )
        reports = ReportHandlers(self.bookkeeper, self.client, storage.journal.linked, frame, clock)
        history = OrderHistoryHandlers(storage.order_history, frame)
        handlers = Handlers(
            {
                "price": market.price,
                "book": market.book,
                "chart": ChartHandlers(self.client, market, frame).chart,
                "top": market.top,
                "index": market.index,
                "balance": account.balance,
                "orders": account.orders,
                "pnl": reports.pnl,
                "fills": reports.fills,
                "buy": trading.buy,
                "sell": trading.sell,
                "cancel": trading.cancel,
                "revise": trading.revise,
                "halt": control.halt,
                "resume": control.resume,
                "status": control.status,
                "policy": control.show_policy,
                "users": members.users,
                "invite": members.invite,
                "limits": limits.limits,
                "pin": self.second_factor_chat.pin,
                "alert": alerts.alert,
                "alerts": alerts.alerts,
                "watch": watchlist.watch,
                "settings": PreferenceHandlers(storage.preferences, frame, self.calls.renew_menu).settings,
                "why": history.why,
                "audit": history.audit,
            },
            frame,
        )
        guard = AccessGuard(storage.people.get, settings.kisbot_group_chats)
        self.router = Router(
            self.bot,
            guard,
            handlers,
            trading=trading,
            members=members,
            second_factor=self.second_factor_chat,
            watchlist=watchlist,
            symbols=self.symbols,
            calls=self.calls,
            post=storage.outbox.put,
            record=storage.audit.add,
            clock=clock,
            frame=frame,
            lang_of=lang_of,
            report_fault=self.operator_alerts.report,
        )
        self.charts = ChartRenderer()
        sender = MessageSender(
            self.bot,
            order=storage.journal.get,
            card_message=storage.outbox.card_message,
            draw=self.charts.draw,
            frame=frame,
            lang_of=lang_of,
        )
        self.delivery = Delivery(
            storage.outbox, DeliveryPolicy(storage.preferences, clock), sender.deliver, sender.reachable
        )
        self.update_poller = UpdatePoller(
            self.bot,
            storage.inbox,
            self.router.handle,
            keeps=self.router.keeps,
            flood_control=FloodControl(
                guard, handlers.urgent_words, ticks=ticks, clock=clock, report=self.router.tell_of_flood
            ),
            redact=self.second_factor_chat.for_disk,
            hold=token_conflict,
        )
