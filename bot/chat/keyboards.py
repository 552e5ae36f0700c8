"""Buttons: where a message leads next. Pure."""

from collections.abc import Mapping, Sequence

from bot.chat.i18n.catalogue import say
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
    return Button(say(lang, "🔄 새로고침", "🔄 refresh"), REFRESH + command)


def chart(code: str, lang: Lang) -> Button:
    """Its candles."""
    return Button(say(lang, "📈 차트", "📈 chart"), f"/chart {code}")


def ticket_keys(order: Order, confirm: str, discard: str, lang: Lang) -> Buttons:
    """The two single-use buttons of a ticket; the first says again what it does."""
    word = {Side.BUY: say(lang, "매수", "buy"), Side.SELL: say(lang, "매도", "sell")}[order.side]
    return (
        (
            Button(f"✅ {word} {shares(order.quantity, lang)} {say(lang, '확인', 'confirm')}", TICKET + confirm),
            Button(say(lang, "✖ 취소", "✖ discard"), TICKET + discard),
        ),
    )


def warned_keys(order: Order, confirm: str, discard: str, lang: Lang) -> Buttons:
    """The second of two taps: the other way round and in other words, so that a hurried thumb finds the way out."""
    word = {Side.BUY: say(lang, "매수", "buy"), Side.SELL: say(lang, "매도", "sell")}[order.side]
    return (
        (
            Button(say(lang, "✖ 취소", "✖ discard"), TICKET + discard),
            Button(f"⚠️ {say(lang, '그래도', 'still')} {word} {shares(order.quantity, lang)}", TICKET + confirm),
        ),
    )


def consent_keys(order: Order, data: Mapping[str, object], lang: Lang) -> Buttons:
    """Under a request for consent: to agree or refuse for those who may, to withdraw for the one who asked."""
    if "approve" in data:
        word = {Side.BUY: say(lang, "매수", "buy"), Side.SELL: say(lang, "매도", "sell")}[order.side]
        return (
            (
                Button(
                    f"✅ {word} {shares(order.quantity, lang)} {say(lang, '승인', 'agree')}",
                    TICKET + str(data["approve"]),
                ),
                Button(say(lang, "🙅 거절", "🙅 refuse"), TICKET + str(data["deny"])),
            ),
        )
    if "withdraw" in data:
        return ((Button(say(lang, "✖ 요청 취소", "✖ withdraw"), TICKET + str(data["withdraw"])),),)
    return ()


def of_working_order(order: Order, lang: Lang) -> Buttons:
    """Under an order that can still fill."""
    return (
        (
            Button(say(lang, "↩️ 주문 취소", "↩️ cancel order"), f"/cancel {order.order_no}"),
            Button(say(lang, "✏️ 정정", "✏️ revise"), f"/revise {order.order_no}"),
            Button(say(lang, "📋 미체결", "📋 open orders"), "/orders"),
        ),
    )


def after_fill(code: str, lang: Lang) -> Buttons:
    """Under a fill; selling all of it is a question and a ticket, as every order is."""
    return (
        (
            Button(say(lang, "💼 잔고", "💼 balance"), "/balance"),
            chart(code, lang),
        ),
        (
            Button(say(lang, "🟦 전량 매도", "🟦 sell all"), f"/sell {code} 전량"),
            Button(say(lang, "🔔 알림", "🔔 alert"), f"/alert {code}"),
        ),
    )


def of_quote(code: str, lang: Lang) -> Buttons:
    """Under a price."""
    return (
        (
            Button(say(lang, "🟥 매수", "🟥 buy"), f"/buy {code}"),
            Button(say(lang, "🟦 매도", "🟦 sell"), f"/sell {code}"),
            Button(say(lang, "📊 호가", "📊 book"), f"/book {code}"),
        ),
        (
            chart(code, lang),
            Button(say(lang, "⭐ 관심", "⭐ watch"), STAR + code),
            refresh(f"/price {code}", lang),
        ),
    )


def of_book(code: str, lang: Lang) -> Buttons:
    """Under an order book."""
    return (
        (
            Button(say(lang, "🟥 매수", "🟥 buy"), f"/buy {code}"),
            Button(say(lang, "🟦 매도", "🟦 sell"), f"/sell {code}"),
            refresh(f"/book {code}", lang),
        ),
    )


def of_balance(held: Sequence[tuple[str, str]], lang: Lang) -> Buttons:
    """Under the balance; `held`: code and name of what is held, of which the first have a button for their chart."""
    charts = [Button(f"📈 {name[:MOST_NAME]}", f"/chart {code}") for code, name in held[:CHARTS]]
    return (
        *(tuple(charts[place : place + 2]) for place in range(0, len(charts), 2)),
        (
            Button(say(lang, "📋 미체결", "📋 open orders"), "/orders"),
            Button(say(lang, "🏆 거래량", "🏆 volume"), "/top"),
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
    everything = Button(f"{say(lang, '전량', 'all')} {shares(most, lang)}", f"/{side} {code} {most}{tail}")
    return (row, (everything,)) if row else ((everything,),)


def prices(side: Side, quote: Quote, book: OrderBook, quantity: int, lang: Lang) -> Buttons:
    """Ask at what price: at the market, at the last price, or at the best price of the other side."""
    head = f"/{side} {quote.code} {quantity}"
    best = book.asks if side is Side.BUY else book.bids
    name = say(lang, "매도1호가", "best ask") if side is Side.BUY else say(lang, "매수1호가", "best bid")
    rows = [
        (Button(say(lang, "시장가", "market"), f"{head} 시장가"),),
        (
            Button(
                f"{say(lang, '현재가 지정가', 'limit at last')} {won(quote.price, lang)}",
                f"{head} {quote.price}",
            ),
        ),
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
    name = say(lang, "매도1호가", "best ask") if order.side is Side.BUY else say(lang, "매수1호가", "best bid")
    rows = [(Button(f"{say(lang, '현재가', 'last price')} {won(quote.price, lang)}", f"{head} {quote.price}"),)]
    if best and best[0].price != quote.price:
        rows.append((Button(f"{name} {won(best[0].price, lang)}", f"{head} {best[0].price}"),))
    rows.append((Button(say(lang, "시장가", "market"), f"{head} 시장가"),))
    return tuple(rows)
