"""Buttons: where a message leads next. Pure."""

from collections.abc import Mapping, Sequence

from bot.chat.i18n.catalogue import translate
from bot.chat.i18n.formatting import shares, won
from bot.chat.i18n.language import Lang
from bot.chat.types import REFRESH, STAR, TICKET, Button, Buttons
from bot.orders.model.order import Order
from kis.models import OrderBook, Quote, Side
from kis.symbols import Stock

QUANTITIES = (1, 5, 10, 50, 100)
CHARTS, MOST_NAME = 4, 12
"""Stocks of the balance with a button of their own, and how much of a name fits on half a row."""


def refresh(command: str, lang: Lang) -> Button:
    """Ask the same again, in place."""
    return Button(translate(lang, "🔄 refresh"), REFRESH + command)


def chart(code: str, lang: Lang) -> Button:
    """Its candles."""
    return Button(translate(lang, "📈 chart"), f"/chart {code}")


def ticket_keys(order: Order, confirm: str, discard: str, lang: Lang) -> Buttons:
    """The two single-use buttons of a ticket; the first says again what it does."""
    word = {Side.BUY: translate(lang, "buy"), Side.SELL: translate(lang, "sell")}[order.side]
    return (
        (
            Button(f"✅ {word} {shares(order.quantity, lang)} {translate(lang, 'confirm')}", TICKET + confirm),
            Button(translate(lang, "✖ discard"), TICKET + discard),
        ),
    )


def warned_keys(order: Order, confirm: str, discard: str, lang: Lang) -> Buttons:
    """The second of two taps: the other way round and in other words, so that a hurried thumb finds the way out."""
    word = {Side.BUY: translate(lang, "buy"), Side.SELL: translate(lang, "sell")}[order.side]
    return (
        (
            Button(translate(lang, "✖ discard"), TICKET + discard),
            Button(f"⚠️ {translate(lang, 'still')} {word} {shares(order.quantity, lang)}", TICKET + confirm),
        ),
    )


def consent_keys(order: Order, data: Mapping[str, object], lang: Lang) -> Buttons:
    """Under a request for consent: to agree or refuse for those who may, to withdraw for the one who asked."""
    if "approve" in data:
        word = {Side.BUY: translate(lang, "buy"), Side.SELL: translate(lang, "sell")}[order.side]
        return (
            (
                Button(
                    f"✅ {word} {shares(order.quantity, lang)} {translate(lang, 'agree')}",
                    TICKET + str(data["approve"]),
                ),
                Button(translate(lang, "🙅 refuse"), TICKET + str(data["deny"])),
            ),
        )
    if "withdraw" in data:
        return ((Button(translate(lang, "✖ withdraw"), TICKET + str(data["withdraw"])),),)
    return ()


def of_working_order(order: Order, lang: Lang) -> Buttons:
    """Under an order that can still fill."""
    return (
        (
            Button(translate(lang, "↩️ cancel order"), f"/cancel {order.order_no}"),
            Button(translate(lang, "✏️ revise"), f"/revise {order.order_no}"),
            Button(translate(lang, "📋 open orders"), "/orders"),
        ),
    )


def after_fill(code: str, lang: Lang) -> Buttons:
    """Under a fill; selling all of it is a question and a ticket, as every order is."""
    return (
        (Button(translate(lang, "💼 balance"), "/balance"), chart(code, lang)),
        (
            Button(translate(lang, "🟦 sell all"), f"/sell {code} 전량"),
            Button(translate(lang, "🔔 alert"), f"/alert {code}"),
        ),
    )


def of_quote(code: str, lang: Lang) -> Buttons:
    """Under a price."""
    return (
        (
            Button(translate(lang, "🟥 buy"), f"/buy {code}"),
            Button(translate(lang, "🟦 sell"), f"/sell {code}"),
            Button(translate(lang, "📊 book"), f"/book {code}"),
        ),
        (chart(code, lang), Button(translate(lang, "⭐ watch"), STAR + code), refresh(f"/price {code}", lang)),
    )


def of_book(code: str, lang: Lang) -> Buttons:
    """Under an order book."""
    return (
        (
            Button(translate(lang, "🟥 buy"), f"/buy {code}"),
            Button(translate(lang, "🟦 sell"), f"/sell {code}"),
            refresh(f"/book {code}", lang),
        ),
    )


def of_balance(held: Sequence[tuple[str, str]], lang: Lang) -> Buttons:
    """Under the balance; `held`: code and name of what is held, of which the first have a button for their chart."""
    charts = [Button(f"📈 {name[:MOST_NAME]}", f"/chart {code}") for code, name in held[:CHARTS]]
    return (
        *(tuple(charts[place : place + 2]) for place in range(0, len(charts), 2)),
        (
            Button(translate(lang, "📋 open orders"), "/orders"),
            Button(translate(lang, "🏆 volume"), "/top"),
            refresh("/balance", lang),
        ),
    )


def stocks(found: Sequence[Stock], command: str, rest: str) -> Buttons:
    """One button for each stock that the name could mean."""
    tail = f" {rest}" if rest else ""
    return tuple((Button(f"{one.name} {one.code}", f"{command} {one.code}{tail}"),) for one in found)


def quantities(side: Side, code: str, tail: str, most: int | None, lang: Lang) -> Buttons:
    """Ask how many: `most` is what the person could sell."""
    fits = [one for one in QUANTITIES if most is None or one < most]
    row = tuple(Button(shares(one, lang), f"/{side} {code} {one}{tail}") for one in fits)
    if most is None:
        return (row[:3], row[3:])
    everything = Button(f"{translate(lang, 'all')} {shares(most, lang)}", f"/{side} {code} {most}{tail}")
    return (row, (everything,)) if row else ((everything,),)


def prices(side: Side, quote: Quote, book: OrderBook, quantity: int, lang: Lang) -> Buttons:
    """Ask at what price: at the market, at the last price, or at the best price of the other side."""
    head = f"/{side} {quote.code} {quantity}"
    best = book.asks if side is Side.BUY else book.bids
    name = translate(lang, "best ask") if side is Side.BUY else translate(lang, "best bid")
    rows = [
        (Button(translate(lang, "market"), f"{head} 시장가"),),
        (Button(f"{translate(lang, 'limit at last')} {won(quote.price, lang)}", f"{head} {quote.price}"),),
    ]
    if best:
        rows.append((Button(f"{name} {won(best[0].price, lang)}", f"{head} {best[0].price}"),))
    return tuple(rows)


def ticks(side: Side, code: str, quantity: int, below: int, above: int, lang: Lang) -> Buttons:
    """The two prices beside one that is off the tick."""
    return (tuple(Button(won(one, lang), f"/{side} {code} {quantity} {one}") for one in (below, above) if one > 0),)


def revised_prices(order: Order, quote: Quote, book: OrderBook, lang: Lang) -> Buttons:
    """Ask at what new price an open order should stand."""
    head = f"/revise {order.order_no}"
    best = book.asks if order.side is Side.BUY else book.bids
    name = translate(lang, "best ask") if order.side is Side.BUY else translate(lang, "best bid")
    rows = [(Button(f"{translate(lang, 'last price')} {won(quote.price, lang)}", f"{head} {quote.price}"),)]
    if best and best[0].price != quote.price:
        rows.append((Button(f"{name} {won(best[0].price, lang)}", f"{head} {best[0].price}"),))
    rows.append((Button(translate(lang, "market"), f"{head} 시장가"),))
    return tuple(rows)
