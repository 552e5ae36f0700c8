"""Asking for orders: /buy, /sell, /cancel and the taps that decide. Parse, ask the desk once, answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from bot.chat import keyboards
from bot.chat.handlers.account import AccountHandlers
from bot.chat.handlers.market import MarketHandlers
from bot.chat.i18n.catalogue import msgid, msgids, reason, toast, translate
from bot.chat.i18n.formatting import shares
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import order_card
from bot.chat.parsing.order_args import BadArguments, OrderArgs, order_words
from bot.chat.types import TICKET, Button, CallbackAnswer, Reply, Request
from bot.orders.access.roles import Actor
from bot.orders.execution.desk import TapOutcome, TapResult
from bot.orders.model.order import Order, OrderRequest
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import ProofRequest
from kis.models import Balance, OrderBook, OrderKind, Quote, Side
from kis.symbols import Stock

EVERYTHING = frozenset({"all", "전체", "전부", "모두"})
ALERTS = frozenset({TapOutcome.NOT_YOURS, TapOutcome.LATE, TapOutcome.GONE, TapOutcome.BUSY})

_HOW_MANY = msgids(
    {
        Side.BUY: msgid("{name} — how many shares? Or type: /{side} {code} quantity price", context="buy"),
        Side.SELL: msgid("{name} — how many shares? Or type: /{side} {code} quantity price", context="sell"),
    }
)


class Desk(Protocol):
    """The part of the desk that conversations use."""

    async def propose(self, ask: OrderRequest, who: Actor, origin: int) -> Order | list[Reason]: ...
    def press(self, token: str, who: Actor) -> TapResult: ...
    async def propose_revision(
        self,
        order_no: str,
        price: int | None,
        who: Actor,
        origin: int,
    ) -> Order | list[Reason]: ...
    def cancel_number(self, order_no: str, who: Actor) -> TapResult: ...
    def cancel_all_key(self, who: Actor) -> tuple[str, int]: ...
    def working(self) -> list[Order]: ...
    async def carry_out(self, pressed: TapResult) -> None: ...


class Reads(Protocol):
    """What a question back needs to know."""

    async def price(self, code: str) -> Quote: ...
    async def order_book(self, code: str) -> OrderBook: ...
    async def balance(self) -> Balance: ...


class Hold(Protocol):
    """Asks for a second factor where one is due; `bot.chat.handlers.second_factor.SecondFactorChat.hold` fits as it is."""

    def __call__(
        self,
        who: Actor,
        act: str,
        subject: str,
        resume: Callable[[Actor, str], Awaitable[None]],
        token: str = "",
        *,
        value: int = 0,
        about: str = "",
    ) -> CallbackAnswer | None: ...


class TradingHandlers:
    """Handlers that lead to orders."""

    def __init__(
        self,
        desk: Desk,
        reads: Reads,
        market: MarketHandlers,
        account: AccountHandlers,
        frame: Frame,
        hold: Hold | None = None,
    ) -> None:
        self._desk = desk
        self._reads = reads
        self._market = market
        self._account = account
        self._frame = frame
        self._hold = hold

    async def buy(self, ask: Request) -> Reply | None:
        """/buy 종목 수량 가격|시장가: a ticket, or the question that is still open."""
        return await self._order(ask, Side.BUY)

    async def sell(self, ask: Request) -> Reply | None:
        """/sell 종목 수량|전량 가격|시장가: a ticket, or the question that is still open."""
        return await self._order(ask, Side.SELL)

    async def _order(self, ask: Request, side: Side) -> Reply | None:
        stock, rest, question = self._market.which(ask.words, f"/{side}")
        if stock is None:
            return question
        try:
            words = order_words(rest, side)
        except BadArguments as bad:
            return self._no([bad.reason])
        if words.everything or words.quantity is None:
            return await self._how_many(ask, side, stock, words)
        if words.price is None and not words.market:
            return await self._at_what(side, stock, words.quantity)
        return await self._propose(ask, side, stock, words.quantity, words.price)

    async def _how_many(self, ask: Request, side: Side, stock: Stock, words: OrderArgs) -> Reply | None:
        lang = self._frame.lang
        most = None
        if side is Side.SELL:
            most = sum(one.sellable for one in (await self._reads.balance()).holdings if one.code == stock.code)
            if not most:
                return self._no([Reason("NOTHING_TO_SELL", {"name": stock.name})])
            if words.everything and words.market:
                return await self._propose(ask, side, stock, most, None)
            if words.everything and words.price is not None:
                return await self._propose(ask, side, stock, most, words.price)
            if words.everything:
                return await self._at_what(side, stock, most)
        text = translate(lang, _HOW_MANY[side], name=stock.name, side=side.value, code=stock.code)
        return Reply(text, keyboards.quantities(side, stock.code, "", most, lang))

    async def _at_what(self, side: Side, stock: Stock, quantity: int) -> Reply:
        lang = self._frame.lang
        quote = await self._reads.price(stock.code)
        book = await self._reads.order_book(stock.code)
        text = translate(
            lang,
            "{name} {quantity} — at what price? Or type: /{side} {code} {bare} price",
            name=stock.name,
            quantity=shares(quantity, lang),
            side=side.value,
            code=stock.code,
            bare=quantity,
        )
        return Reply(text, keyboards.prices(side, quote, book, quantity, lang))

    async def _propose(self, ask: Request, side: Side, stock: Stock, quantity: int, price: int | None) -> Reply | None:
        request = OrderRequest(
            side=side,
            code=stock.code,
            name=stock.name,
            etf=stock.etf,
            quantity=quantity,
            kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            price=price,
        )
        answer = await self._desk.propose(request, ask.who, ask.update_id)
        if isinstance(answer, Order):
            return None  # its ticket left with the journal's own transaction
        return self._no(answer, request)

    def _no(self, reasons: Sequence[Reason], request: OrderRequest | None = None) -> Reply:
        lang = self._frame.lang
        text = "\n".join(f"🚫 {reason(one.code, one.values, lang)}" for one in reasons)
        tick = next((one for one in reasons if one.code == "TICK"), None)
        if request is None or tick is None:
            return Reply(text)
        below, above = int(str(tick.values["below"])), int(str(tick.values["above"]))
        return Reply(text, keyboards.ticks(request.side, request.code, request.quantity, below, above, lang))

    async def cancel(self, ask: Request) -> Reply | None:
        """/cancel [주문번호]: the open orders with a button each, or the one of that number at once."""
        lang = self._frame.lang
        number = ask.words.replace(" ", "")
        if not number:
            return self._account.list_orders(ask, (), only_open=True)
        if number.lower() in EVERYTHING:
            return self._cancel_all(ask)
        if not (number.isascii() and number.isdigit()):
            return Reply(translate(lang, "An order number has only digits: {word}", word=number))
        pressed = self._desk.cancel_number(number.zfill(10), ask.who)
        if pressed.verdict is TapOutcome.CANCELLING:
            await self._desk.carry_out(pressed)
            return self._copy(pressed.order, ask.who)
        words = msgids(
            {
                TapOutcome.GONE: "No order {number} was placed by this bot. Orders made in HTS or MTS are cancelled there.",
                TapOutcome.NOT_YOURS: "Somebody else's order: {number}",
            }
        ).get(pressed.verdict, msgid("{number} has nothing left to cancel, or a cancel is under way."))
        return Reply(translate(lang, words, number=number))

    def _copy(self, order: Order | None, who: Actor) -> Reply | None:
        """An order's own card tells what became of it; whoever cancels another's does not see that card."""
        if order is None or order.chat_id == who.chat_id:
            return None
        return order_card(next((one for one in self._desk.working() if one.id == order.id), order), {}, self._frame)

    def _cancel_all(self, ask: Request) -> Reply:
        """/cancel all: how many, and one button that does it."""
        lang = self._frame.lang
        token, count = self._desk.cancel_all_key(ask.who)
        if not count:
            return Reply(translate(lang, "There is no open order to cancel."))
        text = translate(lang, "Cancel all {count} open orders?", count=count)
        label = translate(lang, "↩️ cancel all {count}", count=count)
        return Reply(text, ((Button(label, TICKET + token),),))

    async def revise(self, ask: Request) -> Reply | None:
        """/revise 주문번호 [가격|시장가]: a ticket for the change, or the question at what price."""
        lang = self._frame.lang
        number, _, rest = ask.words.strip().partition(" ")
        number = number.zfill(10)
        parent = next((one for one in self._desk.working() if one.order_no == number), None)
        if parent is None:
            return self._no([Reason("NO_SUCH_ORDER", {"number": number})])
        try:
            words = order_words(f"1 {rest}".strip().split(), parent.side)
        except BadArguments as bad:
            return self._no([bad.reason])
        if words.price is None and not words.market:
            quote = await self._reads.price(parent.code)
            book = await self._reads.order_book(parent.code)
            text = translate(
                lang,
                "{name}, {left} open — at what new price? Or type: /revise {number} price",
                name=parent.name,
                left=shares(parent.remaining, lang),
                number=number,
            )
            return Reply(text, keyboards.revised_prices(parent, quote, book, lang))
        answer = await self._desk.propose_revision(number, words.price, ask.who, ask.update_id)
        return None if isinstance(answer, Order) else self._no(answer)

    def tap(self, token: str, who: Actor) -> tuple[CallbackAnswer, TapResult]:
        """Judge a tap on a single-use button at once; `carry_out` follows."""
        pressed = self._desk.press(token, who)
        if pressed.proof is not None:
            return self._prove(pressed.proof, token, who), pressed
        return CallbackAnswer(toast(pressed.verdict.value, self._frame.lang), pressed.verdict in ALERTS), pressed

    def _prove(self, proof: ProofRequest, token: str, who: Actor) -> CallbackAnswer:
        """A second factor is asked for; with it the same button is pressed once more."""
        asked = (
            self._hold(who, proof.act, proof.subject, self._press_again, token, value=proof.value)
            if self._hold
            else None
        )
        return asked or CallbackAnswer(toast("step_up", self._frame.lang), alert=True)

    async def _press_again(self, who: Actor, token: str) -> None:
        _, pressed = self.tap(token, who)
        await self.carry_out(pressed)

    async def carry_out(self, pressed: TapResult) -> None:
        """Do what the tap asked for; the order's card tells the rest."""
        await self._desk.carry_out(pressed)
