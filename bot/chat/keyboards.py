"""The keyboards under messages; most buttons type a command for the person who taps."""

from collections.abc import Mapping, Sequence

from bot.chat.i18n.catalogue import MessageIds, translate
from bot.chat.i18n.formatting import shares, won
from bot.chat.i18n.language import Lang
from bot.chat.types import REFRESH, STAR, TICKET, Button, Buttons
from bot.orders.model.order import Order
from kis.models import OrderBook, Quote, Side
from kis.symbols import Stock

QUANTITIES = (1, 5, 10, 50, 100)
CHART_BUTTONS, MAX_NAME = 4, 12
"""Holdings with a chart button, and characters of a name that fit on half a row."""


_SIDES: MessageIds[Side] = {Side.BUY: "buy", Side.SELL: "sell"}


def refresh(command: str, lang: Lang) -> Button:
    """Runs the command again and edits the message."""
    return Button(translate(lang, "🔄 refresh"), REFRESH + command)


def chart(code: str, lang: Lang) -> Button:
    """The chart of a stock."""
    return Button(translate(lang, "📈 chart"), f"/chart {code}")


def _terms(order: Order, lang: Lang) -> str:
    """Side and quantity."""
    return f"{translate(lang, _SIDES[order.side])} {shares(order.quantity, lang)}"


def ticket_buttons(order: Order, confirm: str, discard: str, lang: Lang) -> Buttons:
    """The two single-use buttons of a ticket: confirm, discard."""
    yes = Button(f"✅ {_terms(order, lang)} {translate(lang, 'confirm')}", TICKET + confirm)
    return ((yes, Button(translate(lang, "✖ discard"), TICKET + discard)),)


def second_confirmation_buttons(order: Order, confirm: str, discard: str, lang: Lang) -> Buttons:
    """The second confirmation of an unusual order, with the order of the buttons reversed against hasty taps."""
    yes = Button(f"⚠️ {translate(lang, 'still')} {_terms(order, lang)}", TICKET + confirm)
    return ((Button(translate(lang, "✖ discard"), TICKET + discard), yes),)


def approval_buttons(order: Order, tokens: Mapping[str, str], lang: Lang) -> Buttons:
    """Under a request for approval: approve and refuse for approvers, withdraw for the person who ordered."""
    if "approve" in tokens:
        yes = Button(f"✅ {_terms(order, lang)} {translate(lang, 'agree')}", TICKET + tokens["approve"])
        return ((yes, Button(translate(lang, "🙅 refuse"), TICKET + tokens["deny"])),)
    if "withdraw" in tokens:
        return ((Button(translate(lang, "✖ withdraw"), TICKET + tokens["withdraw"]),),)
    return ()


def of_open_order(order: Order, lang: Lang) -> Buttons:
    """Under an open order."""
    return (
        (
            Button(translate(lang, "↩️ cancel order"), f"/cancel {order.order_no}"),
            Button(translate(lang, "✏️ revise"), f"/revise {order.order_no}"),
            Button(translate(lang, "📋 open orders"), "/orders"),
        ),
    )


def after_fill(code: str, lang: Lang) -> Buttons:
    """Under a fill; "sell all" leads to a ticket, as every order does."""
    return (
        (Button(translate(lang, "💼 balance"), "/balance"), chart(code, lang)),
        (
            Button(translate(lang, "🟦 sell all"), f"/sell {code} 전량"),
            Button(translate(lang, "🔔 alert"), f"/alert {code}"),
        ),
    )


def _trade(code: str, lang: Lang) -> tuple[Button, Button]:
    return Button(translate(lang, "🟥 buy"), f"/buy {code}"), Button(translate(lang, "🟦 sell"), f"/sell {code}")


def of_quote(code: str, lang: Lang) -> Buttons:
    """Under a quote."""
    return (
        (*_trade(code, lang), Button(translate(lang, "📊 book"), f"/book {code}")),
        (chart(code, lang), Button(translate(lang, "⭐ watch"), STAR + code), refresh(f"/price {code}", lang)),
    )


def of_book(code: str, lang: Lang) -> Buttons:
    """Under an order book."""
    return ((*_trade(code, lang), refresh(f"/book {code}", lang)),)


def of_balance(held: Sequence[tuple[str, str]], lang: Lang) -> Buttons:
    """Under the balance; `held`: code and name of each holding, the first of which get a chart button."""
    charts = [Button(f"📈 {name[:MAX_NAME]}", f"/chart {code}") for code, name in held[:CHART_BUTTONS]]
    return (
        *(tuple(charts[place : place + 2]) for place in range(0, len(charts), 2)),
        (
            Button(translate(lang, "📋 open orders"), "/orders"),
            Button(translate(lang, "🏆 volume"), "/top"),
            refresh("/balance", lang),
        ),
    )


def stocks(found: Sequence[Stock], command: str, rest: str) -> Buttons:
    """One button for each stock that matches the name."""
    tail = f" {rest}" if rest else ""
    return tuple((Button(f"{one.name} {one.code}", f"{command} {one.code}{tail}"),) for one in found)


def quantities(side: Side, code: str, most: int | None, lang: Lang) -> Buttons:
    """Asks for the quantity; `most` is the number of shares that can be sold."""
    fits = [one for one in QUANTITIES if most is None or one < most]
    row = tuple(Button(shares(one, lang), f"/{side} {code} {one}") for one in fits)
    if most is None:
        return (row[:3], row[3:])
    everything = Button(f"{translate(lang, 'all')} {shares(most, lang)}", f"/{side} {code} {most}")
    return (row, (everything,)) if row else ((everything,),)


def prices(side: Side, quote: Quote, book: OrderBook, quantity: int, lang: Lang) -> Buttons:
    """Asks for the price: market, last price, or the best price of the other side."""
    head = f"/{side} {quote.code} {quantity}"
    last = _price(translate(lang, "limit at last"), quote.price, head, lang)
    return _market(head, lang), last, *_best(side, book, head, lang)


def ticks(side: Side, code: str, quantity: int, below: int, above: int, lang: Lang) -> Buttons:
    """The valid prices below and above one that is off the tick."""
    return (tuple(Button(won(one, lang), f"/{side} {code} {quantity} {one}") for one in (below, above) if one > 0),)


def revised_prices(order: Order, quote: Quote, book: OrderBook, lang: Lang) -> Buttons:
    """Asks for the new price of an open order."""
    head = f"/revise {order.order_no}"
    last = _price(translate(lang, "last price"), quote.price, head, lang)
    return last, *_best(order.side, book, head, lang, offered=quote.price), _market(head, lang)


def _market(head: str, lang: Lang) -> tuple[Button]:
    return (Button(translate(lang, "market"), f"{head} 시장가"),)


def _price(name: str, price: int, head: str, lang: Lang) -> tuple[Button]:
    return (Button(f"{name} {won(price, lang)}", f"{head} {price}"),)


def _best(side: Side, book: OrderBook, head: str, lang: Lang, offered: int | None = None) -> Buttons:
    """The best price of the other side, where there is one and it is not yet `offered`."""
    best = book.asks if side is Side.BUY else book.bids
    name = translate(lang, "best ask") if side is Side.BUY else translate(lang, "best bid")
    return (_price(name, best[0].price, head, lang),) if best and best[0].price != offered else ()
