"""Buttons: where a message leads next. Pure."""

from collections.abc import Mapping, Sequence

from bot.chat.talk import REFRESH, STAR, TICKET, Key, Keys
from bot.chat.text import say, shares, won
from bot.chat.tongue import Lang
from bot.orders.model import Order
from kis.models import OrderBook, Quote, Side
from kis.symbols import Stock

QUANTITIES = (1, 5, 10, 50, 100)
CHARTS, MOST_NAME = 4, 12
"""Stocks of the balance with a button of their own, and how much of a name fits on half a row."""


def refresh(command: str, lang: Lang) -> Key:
    """Ask the same again, in place."""
    return Key(say(lang, "🔄 새로고침", "🔄 refresh"), REFRESH + command)


def chart(code: str, lang: Lang) -> Key:
    """Its candles."""
    return Key(say(lang, "📈 차트", "📈 chart"), f"/chart {code}")


def ticket_keys(order: Order, confirm: str, discard: str, lang: Lang) -> Keys:
    """The two single-use buttons of a ticket; the first says again what it does."""
    word = {Side.BUY: say(lang, "매수", "buy"), Side.SELL: say(lang, "매도", "sell")}[order.side]
    return (
        (
            Key(f"✅ {word} {shares(order.quantity, lang)} {say(lang, '확인', 'confirm')}", TICKET + confirm),
            Key(say(lang, "✖ 취소", "✖ discard"), TICKET + discard),
        ),
    )


def warned_keys(order: Order, confirm: str, discard: str, lang: Lang) -> Keys:
    """The second of two taps: the other way round and in other words, so that a hurried thumb finds the way out."""
    word = {Side.BUY: say(lang, "매수", "buy"), Side.SELL: say(lang, "매도", "sell")}[order.side]
    return (
        (
            Key(say(lang, "✖ 취소", "✖ discard"), TICKET + discard),
            Key(f"⚠️ {say(lang, '그래도', 'still')} {word} {shares(order.quantity, lang)}", TICKET + confirm),
        ),
    )


def consent_keys(order: Order, data: Mapping[str, object], lang: Lang) -> Keys:
    """Under a request for consent: to agree or refuse for those who may, to withdraw for the one who asked."""
    if "approve" in data:
        word = {Side.BUY: say(lang, "매수", "buy"), Side.SELL: say(lang, "매도", "sell")}[order.side]
        return (
            (
                Key(
                    f"✅ {word} {shares(order.quantity, lang)} {say(lang, '승인', 'agree')}",
                    TICKET + str(data["approve"]),
                ),
                Key(say(lang, "🙅 거절", "🙅 refuse"), TICKET + str(data["deny"])),
            ),
        )
    if "withdraw" in data:
        return ((Key(say(lang, "✖ 요청 취소", "✖ withdraw"), TICKET + str(data["withdraw"])),),)
    return ()


def of_working_order(order: Order, lang: Lang) -> Keys:
    """Under an order that can still fill."""
    return (
        (
            Key(say(lang, "↩️ 주문 취소", "↩️ cancel order"), f"/cancel {order.order_no}"),
            Key(say(lang, "✏️ 정정", "✏️ revise"), f"/revise {order.order_no}"),
            Key(say(lang, "📋 미체결", "📋 open orders"), "/orders"),
        ),
    )


def after_fill(code: str, lang: Lang) -> Keys:
    """Under a fill; selling all of it is a question and a ticket, as every order is."""
    return (
        (
            Key(say(lang, "💼 잔고", "💼 balance"), "/balance"),
            chart(code, lang),
        ),
        (
            Key(say(lang, "🟦 전량 매도", "🟦 sell all"), f"/sell {code} 전량"),
            Key(say(lang, "🔔 알림", "🔔 alert"), f"/alert {code}"),
        ),
    )


def of_quote(code: str, lang: Lang) -> Keys:
    """Under a price."""
    return (
        (
            Key(say(lang, "🟥 매수", "🟥 buy"), f"/buy {code}"),
            Key(say(lang, "🟦 매도", "🟦 sell"), f"/sell {code}"),
            Key(say(lang, "📊 호가", "📊 book"), f"/book {code}"),
        ),
        (
            chart(code, lang),
            Key(say(lang, "⭐ 관심", "⭐ watch"), STAR + code),
            refresh(f"/price {code}", lang),
        ),
    )


def of_book(code: str, lang: Lang) -> Keys:
    """Under an order book."""
    return (
        (
            Key(say(lang, "🟥 매수", "🟥 buy"), f"/buy {code}"),
            Key(say(lang, "🟦 매도", "🟦 sell"), f"/sell {code}"),
            refresh(f"/book {code}", lang),
        ),
    )


def of_balance(held: Sequence[tuple[str, str]], lang: Lang) -> Keys:
    """Under the balance; `held`: code and name of what is held, of which the first have a button for their chart."""
    charts = [Key(f"📈 {name[:MOST_NAME]}", f"/chart {code}") for code, name in held[:CHARTS]]
    return (
        *(tuple(charts[place : place + 2]) for place in range(0, len(charts), 2)),
        (
            Key(say(lang, "📋 미체결", "📋 open orders"), "/orders"),
            Key(say(lang, "🏆 거래량", "🏆 volume"), "/top"),
            refresh("/balance", lang),
        ),
    )


def stocks(found: Sequence[Stock], command: str, rest: str) -> Keys:
    """One button for each stock that the name could mean."""
    tail = f" {rest}" if rest else ""
    return tuple((Key(f"{one.name} {one.code}", f"{command} {one.code}{tail}"),) for one in found)


def quantities(side: Side, code: str, tail: str, most: int | None, lang: Lang) -> Keys:
    """Ask how many: `most` is what the person could sell."""
    fits = [one for one in QUANTITIES if most is None or one < most]
    row = tuple(Key(shares(one, lang), f"/{side} {code} {one}{tail}") for one in fits)
    if most is None:
        return (row[:3], row[3:])
    everything = Key(f"{say(lang, '전량', 'all')} {shares(most, lang)}", f"/{side} {code} {most}{tail}")
    return (row, (everything,)) if row else ((everything,),)


def prices(side: Side, quote: Quote, book: OrderBook, quantity: int, lang: Lang) -> Keys:
    """Ask at what price: at the market, at the last price, or at the best price of the other side."""
    head = f"/{side} {quote.code} {quantity}"
    best = book.asks if side is Side.BUY else book.bids
    name = say(lang, "매도1호가", "best ask") if side is Side.BUY else say(lang, "매수1호가", "best bid")
    rows = [
        (Key(say(lang, "시장가", "market"), f"{head} 시장가"),),
        (
            Key(
                f"{say(lang, '현재가 지정가', 'limit at last')} {won(quote.price, lang)}",
                f"{head} {quote.price}",
            ),
        ),
    ]
    if best:
        rows.append((Key(f"{name} {won(best[0].price, lang)}", f"{head} {best[0].price}"),))
    return tuple(rows)


def ticks(side: Side, code: str, quantity: int, below: int, above: int, lang: Lang) -> Keys:
    """The two prices beside one that is off the tick."""
    return (tuple(Key(won(one, lang), f"/{side} {code} {quantity} {one}") for one in (below, above) if one > 0),)


def revised_prices(order: Order, quote: Quote, book: OrderBook, lang: Lang) -> Keys:
    """Ask at what new price an open order should stand."""
    head = f"/revise {order.order_no}"
    best = book.asks if order.side is Side.BUY else book.bids
    name = say(lang, "매도1호가", "best ask") if order.side is Side.BUY else say(lang, "매수1호가", "best bid")
    rows = [(Key(f"{say(lang, '현재가', 'last price')} {won(quote.price, lang)}", f"{head} {quote.price}"),)]
    if best and best[0].price != quote.price:
        rows.append((Key(f"{name} {won(best[0].price, lang)}", f"{head} {best[0].price}"),))
    rows.append((Key(say(lang, "시장가", "market"), f"{head} 시장가"),))
    return tuple(rows)
