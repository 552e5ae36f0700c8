"""Asking for orders: /buy, /sell, /cancel and the taps that decide. Parse, ask the desk once, answer."""

from collections.abc import Sequence

from bot.chat import keyboards
from bot.chat.handlers.account import AccountHandlers
from bot.chat.handlers.market import MarketHandlers
from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.i18n.catalogue import MessageIds, msgid, reason, toast, translate
from bot.chat.i18n.formatting import shares
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import order_card
from bot.chat.parsing.order_args import BadArguments, OrderArgs, parse_order_args
from bot.chat.ports import BrokerReads
from bot.chat.types import TICKET, Button, CallbackAnswer, Reply, Request
from bot.orders.access.roles import Actor
from bot.orders.execution.desk import Desk, TapOutcome, TapResult
from bot.orders.model.order import Order, OrderRequest
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import ProofRequest
from kis.models import OrderKind, Side
from kis.symbols import Stock

EVERYTHING = frozenset({"all", "전체", "전부", "모두"})
ALERTS = frozenset({TapOutcome.NOT_YOURS, TapOutcome.LATE, TapOutcome.GONE, TapOutcome.BUSY})

_HOW_MANY: MessageIds[Side] = {
    Side.BUY: msgid("{name} — how many shares? Or type: /{side} {code} quantity price", context="buy"),
    Side.SELL: msgid("{name} — how many shares? Or type: /{side} {code} quantity price", context="sell"),
}


_NOT_CANCELLED: MessageIds[TapOutcome] = {
    TapOutcome.GONE: "No order {number} was placed by this bot. Orders made in HTS or MTS are cancelled there.",
    TapOutcome.NOT_YOURS: "Somebody else's order: {number}",
}


class TradingHandlers:
    """Handlers that lead to orders."""

    def __init__(
        self,
        desk: Desk,
        broker: BrokerReads,
        market: MarketHandlers,
        account: AccountHandlers,
        frame: Frame,
        second_factor: SecondFactorChat,
    ) -> None:
        self._desk = desk
        self._broker = broker
        self._market = market
        self._account = account
        self._frame = frame
        self._second_factor = second_factor

    async def buy(self, request: Request) -> Reply | None:
        """/buy 종목 수량 가격|시장가: a ticket, or the question that is still open."""
        return await self._order(request, Side.BUY)

    async def sell(self, request: Request) -> Reply | None:
        """/sell 종목 수량|전량 가격|시장가: a ticket, or the question that is still open."""
        return await self._order(request, Side.SELL)

    async def _order(self, request: Request, side: Side) -> Reply | None:
        stock, rest, question = self._market.which(request.words, f"/{side}")
        if stock is None:
            return question
        try:
            words = parse_order_args(rest, side)
        except BadArguments as bad:
            return self._no([bad.reason])
        if words.everything or words.quantity is None:
            return await self._how_many(request, side, stock, words)
        if words.price is None and not words.market:
            return await self._at_what(side, stock, words.quantity)
        return await self._propose(request, side, stock, words.quantity, words.price)

    async def _how_many(self, request: Request, side: Side, stock: Stock, words: OrderArgs) -> Reply | None:
        lang = self._frame.lang
        most = None
        if side is Side.SELL:
            most = sum(one.sellable for one in (await self._broker.balance()).holdings if one.code == stock.code)
            if not most:
                return self._no([Reason("NOTHING_TO_SELL", {"name": stock.name})])
            if words.everything and words.market:
                return await self._propose(request, side, stock, most, None)
            if words.everything and words.price is not None:
                return await self._propose(request, side, stock, most, words.price)
            if words.everything:
                return await self._at_what(side, stock, most)
        text = translate(lang, _HOW_MANY[side], name=stock.name, side=side.value, code=stock.code)
        return Reply(text, keyboards.quantities(side, stock.code, "", most, lang))

    async def _at_what(self, side: Side, stock: Stock, quantity: int) -> Reply:
        lang = self._frame.lang
        quote = await self._broker.price(stock.code)
        book = await self._broker.order_book(stock.code)
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

    async def _propose(
        self, request: Request, side: Side, stock: Stock, quantity: int, price: int | None
    ) -> Reply | None:
        order_request = OrderRequest(
            side=side,
            code=stock.code,
            name=stock.name,
            etf=stock.etf,
            quantity=quantity,
            kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            price=price,
        )
        answer = await self._desk.propose(order_request, request.actor, request.update_id)
        if isinstance(answer, Order):
            return None  # its ticket left with the journal's own transaction
        return self._no(answer, order_request)

    def _no(self, reasons: Sequence[Reason], request: OrderRequest | None = None) -> Reply:
        lang = self._frame.lang
        text = "\n".join(f"🚫 {reason(one.code, one.values, lang)}" for one in reasons)
        tick = next((one for one in reasons if one.code == "TICK"), None)
        if request is None or tick is None:
            return Reply(text)
        below, above = int(str(tick.values["below"])), int(str(tick.values["above"]))
        return Reply(text, keyboards.ticks(request.side, request.code, request.quantity, below, above, lang))

    async def cancel(self, request: Request) -> Reply | None:
        """/cancel [주문번호]: the open orders with a button each, or the one of that number at once."""
        lang = self._frame.lang
        number = request.words.replace(" ", "")
        if not number:
            return self._account.list_orders(request, (), only_open=True)
        if number.lower() in EVERYTHING:
            return self._cancel_all(request)
        if not (number.isascii() and number.isdigit()):
            return Reply(translate(lang, "An order number has only digits: {word}", word=number))
        pressed = self._desk.cancel_number(number.zfill(10), request.actor)
        if pressed.verdict is TapOutcome.CANCELLING:
            await self._desk.carry_out(pressed)
            return self._copy(pressed.order, request.actor)
        nothing = msgid("{number} has nothing left to cancel, or a cancel is under way.")
        return Reply(translate(lang, _NOT_CANCELLED.get(pressed.verdict, nothing), number=number))

    def _copy(self, order: Order | None, actor: Actor) -> Reply | None:
        """An order's own card tells what became of it; whoever cancels another's does not see that card."""
        if order is None or order.chat_id == actor.chat_id:
            return None
        return order_card(next((one for one in self._desk.working() if one.id == order.id), order), {}, self._frame)

    def _cancel_all(self, request: Request) -> Reply:
        """/cancel all: how many, and one button that does it."""
        lang = self._frame.lang
        token, count = self._desk.cancel_all_token(request.actor)
        if not count:
            return Reply(translate(lang, "There is no open order to cancel."))
        text = translate(lang, "Cancel all {count} open orders?", count=count)
        label = translate(lang, "↩️ cancel all {count}", count=count)
        return Reply(text, ((Button(label, TICKET + token),),))

    async def revise(self, request: Request) -> Reply | None:
        """/revise 주문번호 [가격|시장가]: a ticket for the change, or the question at what price."""
        lang = self._frame.lang
        number, _, rest = request.words.strip().partition(" ")
        number = number.zfill(10)
        parent = next((one for one in self._desk.working() if one.order_no == number), None)
        if parent is None:
            return self._no([Reason("NO_SUCH_ORDER", {"number": number})])
        try:
            words = parse_order_args(f"1 {rest}".strip().split(), parent.side)
        except BadArguments as bad:
            return self._no([bad.reason])
        if words.price is None and not words.market:
            quote = await self._broker.price(parent.code)
            book = await self._broker.order_book(parent.code)
            text = translate(
                lang,
                "{name}, {left} open — at what new price? Or type: /revise {number} price",
                name=parent.name,
                left=shares(parent.remaining, lang),
                number=number,
            )
            return Reply(text, keyboards.revised_prices(parent, quote, book, lang))
        answer = await self._desk.propose_revision(number, words.price, request.actor, request.update_id)
        return None if isinstance(answer, Order) else self._no(answer)

    def tap(self, token: str, actor: Actor) -> tuple[CallbackAnswer, TapResult]:
        """Judge a tap on a single-use button at once; `carry_out` follows."""
        pressed = self._desk.press(token, actor)
        if pressed.proof is not None:
            return self._prove(pressed.proof, token, actor), pressed
        return CallbackAnswer(toast(pressed.verdict.value, self._frame.lang), pressed.verdict in ALERTS), pressed

    def _prove(self, proof: ProofRequest, token: str, actor: Actor) -> CallbackAnswer:
        """A second factor is asked for; with it the same button is pressed once more."""
        asked = self._second_factor.hold(
            actor, proof.action, proof.subject, self._press_again, token, value=proof.value
        )
        return asked or CallbackAnswer(toast("step_up", self._frame.lang), alert=True)

    async def _press_again(self, actor: Actor, token: str) -> None:
        _, pressed = self.tap(token, actor)
        await self.carry_out(pressed)

    async def carry_out(self, pressed: TapResult) -> None:
        """Do what the tap asked for; the order's card tells the rest."""
        await self._desk.carry_out(pressed)
