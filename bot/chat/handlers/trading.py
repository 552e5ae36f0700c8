"""Asking for orders: /buy, /sell, /cancel and the taps that decide. Parse, ask the desk once, answer."""

from dataclasses import dataclass, replace

from bot.chat import keyboards
from bot.chat.handlers.account import AccountHandlers
from bot.chat.handlers.commands import refusal
from bot.chat.handlers.market import MarketHandlers
from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.i18n.catalogue import MessageIds, msgid, toast
from bot.chat.i18n.formatting import shares
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import order_card
from bot.chat.parsing.order_args import OrderArgs, parse_order_args
from bot.chat.ports import BrokerReads
from bot.chat.types import TICKET, Button, CallbackAnswer, Reply, Request
from bot.orders.access.roles import Actor
from bot.orders.execution.desk import Desk, TapOutcome, TapResult
from bot.orders.model.order import Order, OrderRequest
from bot.orders.model.reason import Reason
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


@dataclass(frozen=True)
class TradingHandlers:
    """Handlers that lead to orders."""

    desk: Desk
    broker: BrokerReads
    market: MarketHandlers
    account: AccountHandlers
    frame: Frame
    second_factor: SecondFactorChat

    async def buy(self, request: Request) -> Reply | None:
        """/buy 종목 수량 가격|시장가: a ticket, or the question that is still open."""
        return await self._order(request, Side.BUY)

    async def sell(self, request: Request) -> Reply | None:
        """/sell 종목 수량|전량 가격|시장가: a ticket, or the question that is still open."""
        return await self._order(request, Side.SELL)

    async def _order(self, request: Request, side: Side) -> Reply | None:
        stock, rest, question = self.market.which(request.words, f"/{side}")
        if stock is None:
            return question
        words = parse_order_args(rest, side)
        if words.everything or words.quantity is None:
            return await self._how_many(request, side, stock, words)
        return await self._of_quantity(request, side, stock, words.quantity, words)

    async def _how_many(self, request: Request, side: Side, stock: Stock, words: OrderArgs) -> Reply | None:
        most = None
        if side is Side.SELL:
            most = sum(one.sellable for one in (await self.broker.balance()).holdings if one.code == stock.code)
            if not most:
                return refusal([Reason("NOTHING_TO_SELL", {"name": stock.name})], self.frame)
            if words.everything:
                return await self._of_quantity(request, side, stock, most, words)
        text = self.frame.text(_HOW_MANY[side], name=stock.name, side=side.value, code=stock.code)
        return Reply(text, keyboards.quantities(side, stock.code, most, self.frame.lang))

    async def _of_quantity(
        self, request: Request, side: Side, stock: Stock, quantity: int, words: OrderArgs
    ) -> Reply | None:
        """A ticket, or the question at what price."""
        if words.price is None and not words.market:
            quote = await self.broker.price(stock.code)
            book = await self.broker.order_book(stock.code)
            text = self.frame.text(
                "{name} {quantity} — at what price? Or type: /{side} {code} {bare} price",
                name=stock.name,
                quantity=shares(quantity, self.frame.lang),
                side=side.value,
                code=stock.code,
                bare=quantity,
            )
            return Reply(text, keyboards.prices(side, quote, book, quantity, self.frame.lang))
        order_request = OrderRequest(
            side=side,
            code=stock.code,
            name=stock.name,
            etf=stock.etf,
            quantity=quantity,
            kind=OrderKind.MARKET if words.market else OrderKind.LIMIT,
            price=words.price,
        )
        answer = await self.desk.propose(order_request, request.actor, request.update_id)
        if isinstance(answer, Order):
            return None  # its ticket left with the journal's own transaction
        tick = next((one for one in answer if one.code == "TICK"), None)
        if tick is None:
            return refusal(answer, self.frame)
        below, above = int(str(tick.values["below"])), int(str(tick.values["above"]))
        ticks = keyboards.ticks(side, stock.code, quantity, below, above, self.frame.lang)
        return replace(refusal(answer, self.frame), buttons=ticks)

    async def cancel(self, request: Request) -> Reply | None:
        """/cancel [주문번호]: the open orders with a button each, or the one of that number at once."""
        number = request.words.replace(" ", "")
        if not number:
            return self.account.list_orders(request)
        if number.lower() in EVERYTHING:
            return self._cancel_all(request)
        if not (number.isascii() and number.isdigit()):
            return Reply(self.frame.text("An order number has only digits: {word}", word=number))
        pressed = self.desk.cancel_number(number.zfill(10), request.actor)
        if pressed.verdict is TapOutcome.CANCELLING:
            await self.desk.carry_out(pressed)
            return self._copy(pressed.order, request.actor)
        nothing = msgid("{number} has nothing left to cancel, or a cancel is under way.")
        return Reply(self.frame.text(_NOT_CANCELLED.get(pressed.verdict, nothing), number=number))

    def _copy(self, order: Order | None, actor: Actor) -> Reply | None:
        """An order's own card tells what became of it; whoever cancels another's does not see that card."""
        if order is None or order.chat_id == actor.chat_id:
            return None
        return order_card(next((one for one in self.desk.working() if one.id == order.id), order), {}, self.frame)

    def _cancel_all(self, request: Request) -> Reply:
        """/cancel all: how many, and one button that does it."""
        token, count = self.desk.cancel_all_token(request.actor)
        if not count:
            return Reply(self.frame.text("There is no open order to cancel."))
        text = self.frame.text("Cancel all {count} open orders?", count=count)
        label = self.frame.text("↩️ cancel all {count}", count=count)
        return Reply(text, ((Button(label, TICKET + token),),))

    async def revise(self, request: Request) -> Reply | None:
        """/revise 주문번호 [가격|시장가]: a ticket for the change, or the question at what price."""
        number, _, rest = request.words.strip().partition(" ")
        number = number.zfill(10)
        parent = next((one for one in self.desk.working() if one.order_no == number), None)
        if parent is None:
            return refusal([Reason("NO_SUCH_ORDER", {"number": number})], self.frame)
        words = parse_order_args(f"1 {rest}".strip().split(), parent.side)
        if words.price is None and not words.market:
            quote = await self.broker.price(parent.code)
            book = await self.broker.order_book(parent.code)
            text = self.frame.text(
                "{name}, {left} open — at what new price? Or type: /revise {number} price",
                name=parent.name,
                left=shares(parent.remaining, self.frame.lang),
                number=number,
            )
            return Reply(text, keyboards.revised_prices(parent, quote, book, self.frame.lang))
        answer = await self.desk.propose_revision(number, words.price, request.actor, request.update_id)
        return None if isinstance(answer, Order) else refusal(answer, self.frame)

    def tap(self, token: str, actor: Actor, *, late: bool = False) -> tuple[CallbackAnswer, TapResult]:
        """Judge a tap on a single-use button at once; `carry_out` follows."""
        pressed = self.desk.press(token, actor, late=late)
        if pressed.proof is not None:
            proof = pressed.proof  # with it the same button is pressed once more
            held = self.second_factor.hold(
                actor, proof.action, proof.subject, self._press_again, token, value=proof.value
            )
            return held or CallbackAnswer(toast("step_up", self.frame.lang), alert=True), pressed
        return CallbackAnswer(toast(pressed.verdict.value, self.frame.lang), pressed.verdict in ALERTS), pressed

    async def _press_again(self, actor: Actor, token: str) -> None:
        _, pressed = self.tap(token, actor)
        await self.carry_out(pressed)

    async def carry_out(self, pressed: TapResult) -> None:
        """Do what the tap asked for; the order's card tells the rest."""
        await self.desk.carry_out(pressed)
