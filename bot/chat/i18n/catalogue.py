"""The sentences of the bot: English message ids in the code, Korean in the gettext catalogue beside this file.

`translate` is the one place where values are escaped. `make catalogue` brings the catalogue up to date with the code.
"""

import gettext
import html
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from bot.chat.i18n.formatting import Markup, clock_time, safe
from bot.chat.i18n.language import Lang
from kis import errors
from kis.krx import KST

LOCALES = Path(__file__).parent / "locales"
DOMAIN = "kisbot"
SEPARATOR = "\x04"
"""Stands between context and message id in the keys of a compiled catalogue."""
_Key = TypeVar("_Key")
MessageIds: TypeAlias = dict[_Key, str]
"""A table of sentences: every literal in an assignment of this type is marked, as if by `msgid`."""


@cache
def _translations(lang: Lang) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALES, [lang], fallback=lang == "en")


def translate(lang: Lang, msgid: str, /, *, context: str = "", **values: object) -> Markup:
    """The sentence of a message id (a literal, or what `msgid` or the type `MessageIds` marked) in `lang`, as HTML.

    `context` tells two translations of the same English apart; `values` are for the placeholders, and all but `Markup`
    are escaped.
    """
    key = f"{context}{SEPARATOR}{msgid}" if context else msgid
    sentence = _translations(lang).gettext(key).rpartition(SEPARATOR)[2]
    if values:
        shown = {name: value if isinstance(value, Markup) else safe(value) for name, value in values.items()}
        sentence = sentence.format_map(shown)
    return Markup(sentence)


def msgid(text: str, *, context: str = "") -> str:
    """Mark a sentence that is translated where it is used."""
    return f"{context}{SEPARATOR}{text}" if context else text


REASONS: MessageIds[str] = {
    # arguments
    "QUANTITY_ZERO": "The quantity must be at least 1.",
    "QUANTITY_NEGATIVE": "A quantity cannot be negative: {word}",
    "QUANTITY_DECIMAL": "Fractions of a share cannot be ordered: {word}",
    "QUANTITY_HUGE": "The quantity is far too large: {word}",
    "QUANTITY_FORM": "Not a quantity: {word} (try 10 or 1,000)",
    "PRICE_ZERO": "A price cannot be 0. For a market order write 'market'.",
    "PRICE_NEGATIVE": "A price cannot be negative: {word}",
    "PRICE_DECIMAL": "Prices are whole won: {word}",
    "PRICE_HUGE": "The price is far too large: {word}",
    "PRICE_FORM": "Not a price: {word} (try 71000 or market)",
    "MARKET_WITH_PRICE": "A market order takes no price. For a limit order leave out 'market'.",
    "DAY_FORM": "Not a date: {word} (try today, yesterday, 11-24 or 2026-11-24)",
    "DAY_FUTURE": "That day is still to come: {day}",
    "TOO_MANY_WORDS": "More than I can read: {rest}",
    "TOO_LONG": "That is too long. Just the stock, quantity and price, please.",
    "NO_STOCK": "No stock called '{text}'. Use the 6-character code or the exact name.",
    "NO_TABLE": "The table of stocks has not arrived yet; try again shortly.",
    "NOTHING_TO_SELL": "{name}: nothing to sell.",
    # risk checks
    "TRADING_HALTED": "New orders are on hold; cancels and reads work.",
    "BUYS_HALTED": "Buys are on hold; sells, cancels and reads work.",
    "RELEASED": "New orders are taken again.",
    "CLOCK": "This computer's clock is {offset} s off the broker's ({max} s allowed), so nothing is sent. Check its time synchronisation (NTP).",
    "CLOCK_WARN": "This computer's clock is {offset} s off the broker's.",
    "SESSION_CLOSED": "The market takes no orders now. Next: {next_open}",
    "SESSION_EDGE": "The session is just changing, so nothing is sent. Try again in ten seconds.",
    "SYMBOL_HALTED": "{name} is halted.",
    "SYMBOL_RESTRICTED": "{name} is {what}, so it is not bought; what you hold can be sold (KISBOT_RESTRICTED_STOCKS).",
    "VI_ACTIVE": "{name}: a volatility interruption (VI) is on. No market order and no price that would cross is taken; try again in two or three minutes, once it is over.",
    "UNKNOWN_OPEN": "{name}: an earlier order is still being checked, so no new one is taken. Cancels and other stocks work.",
    "FACTS_MISSING": "{what} could not be read, so nothing is sent. Try again shortly.",
    "QTY_MAX": "At most {max} shares in one order (KISBOT_MAX_ORDER_QUANTITY).",
    "VOLUME_SHARE": "{name}: more than {percent} % of today's volume; at most {max} shares for now (KISBOT_VOLUME_PERCENT).",
    "ORDER_VALUE_MAX": "{value} won exceeds the limit of {max} won per order; {fits} shares would fit (a market buy counts at the upper limit price).",
    "DAY_VALUE_USER": "With {used} won ordered today, {value} more exceeds your daily limit of {max} won; {fits} shares would fit (buys and sells, open orders included).",
    "DAY_VALUE_ACCOUNT": "With {used} won ordered on this account today, {value} more exceeds its daily limit of {max} won; {fits} shares would fit (orders from HTS and MTS included).",
    "DAY_ORDERS_USER": "Today's {max} orders are used up; cancels work (KISBOT_DAY_ORDERS_USER).",
    "RATE_USER": "At most {max} orders a minute; try again shortly (KISBOT_ORDERS_PER_MINUTE).",
    "COOL_OFF": "The broker refused {rejects} orders in a row. See why, and try again in {minutes} min.",
    "MARKET_ORDER_OFF": "Market orders are switched off; give a limit price (KISBOT_MARKET_ORDERS).",
    "PRICE_LIMIT": "Outside today's price limits: {low} to {high} won",
    "TICK": "Off the tick. Nearest prices: {below} / {above} won",
    "COLLAR": "{price} won is {percent} % worse than the market's {last}; at most {max} % is sent. Check the digits of the price.",
    "COLLAR_CONFIRM": "{price} won is {percent} % worse than the market's {last}.",
    "COLLAR_NOTE": "{price} won is {percent} % away from the market's {last}.",
    "QUOTE_STALE": "The quote is {age} s old ({max} s allowed), so nothing was sent. Please try again.",
    "CASH": "Not enough cash: {need} won needed, {have} available (at most {fits} shares)",
    "SELLABLE": "{name}: only {have} shares can be sold.",
    "SOFT_VALUE": "{value} won: a large order, above {max} won (a market buy counts at the upper limit price).",
    "DUP_EXACT": "{name}: the very same order already went out at {at}. Make sure you want it twice.",
    "DUP_NEAR": "{name}: an order on this side went out {seconds} s ago.",
    # why trading is halted
    "UNCLEAN_STOP": "The bot stopped without warning and was started again. Check /orders and /balance, then /resume.",
    "RESTORED": "The database seems to have been restored from an older copy. Check in HTS or MTS what was ordered since, then /resume.",
    "TWO_UNKNOWN": "The outcome of two orders is unknown; the line to the broker is suspect. Once both are settled, /resume.",
    "MISMATCH": "An order at the broker differs from the one that was approved. Look at it in HTS or MTS now, and do not /resume before.",
    "CLOCK_STEP": "This computer's clock jumped. Check its time synchronisation (NTP), then /resume.",
    "TELEGRAM_CONFLICT": "While another program uses this bot token, no new order is sent. Stop it, or if the token may have leaked, renew it with @BotFather.",
    "DISK": "The journal cannot be written to disk, and nothing is sent unrecorded. Check the disk's space and permissions.",
    "DISK_OVER": "The journal can be written again after {seconds} s, and the bot goes on by itself. New orders stay on hold until somebody has looked and said /resume.",
    "BY_PERSON": "A person stopped it. An owner may /resume.",
    "LIST_STALE": "Orders are open and the broker's list has not been readable for over a minute: until it is, fills cannot be seen and nothing new is sent. If it is urgent, look in HTS or MTS. Once it can be read you are told what happened meanwhile.",
    "READING_LOST": "The broker's list was read and could not be taken in. Fills may be told late; look in HTS or MTS, and at the log.",
    "HOUSEKEEPING": "The bot's housekeeping fails. Look at the log and the disk.",
    "ANSWER_LOST": "A request of {name}'s could not be answered for an internal error; see the log.",
    "FLOOD": "{name} sends more messages than are taken; those over the limit are dropped, unread. If it was not them, suspend them in /users.",
    "RECOVERING": "Recovering: earlier orders are being checked against the broker's list. Orders are taken once that is done.",
    "MISCONFIGURED": "The broker says that key, account and environment do not belong together. Mend the settings, then /resume.",
    # people and approvals
    "NO_APPROVERS": "There are not enough people who could agree, so nothing was sent. See /policy and /users.",
    "PERSON_GONE": "Whoever ordered it may no longer trade, so nothing was sent.",
    "PERSON_REMOVED": "Somebody it hangs on has left or lost their role, so it is over; nothing was sent.",
    "QUORUM": "The consent it needed no longer holds, so nothing was sent.",
    "RELEASE_ASKED": "Asked {count} other administrators; one of them has to agree.",
    "RESUME_PAUSE": "Have a look first, and /resume again in {seconds} s.",
    "DAY_LOSS": "Today's loss went past its limit, so buys were stopped.",
    "REJECTS": "The broker refused one order after another. See why, then /resume.",
    "CLOCK_DRIFT": "This computer's clock is far off the broker's. Check its time synchronisation (NTP), then /resume.",
    # trading halt and revisions
    "NOT_ALLOWED": "Your role does not allow this.",
    "HALTED_ALREADY": "Stopped that far already. To go further: /halt all",
    "NOT_HALTED": "There is nothing to release.",
    "STILL_IN_DOUBT": "{count} orders are still being checked; release the brakes once they are settled.",
    "NO_SUCH_ORDER": "No open order {number} that you may change.",
    "PARENT_GONE": "The order to be revised is filled, gone or being cancelled, so nothing was sent.",
    "SAME_PRICE": "That is its present price.",
    # second factors
    "STEPUP_LOCKED": "{name}: five wrong codes, locked for {minutes} min. If it was not them, suspend them in /users now.",
    "STEPUP_BARRED": "{name}: too many wrong codes, locked. Once you are sure it is them, an owner runs: kisbot stepup unlock {id}",
    "STEPUP_PIN_SET": "{name} has set a new PIN. If it was not them, suspend them in /users now.",
    "STEPUP_TOTP_SET": "An authenticator app was enrolled for {name} at the command line.",
    "STEPUP_REMOVED": "The second factor of {name} was removed at the command line.",
    "STEPUP_UNREADABLE": "The second factor of {name} cannot be read (stepup-key.txt). Bring the key file back, or enrol anew.",
    "STEPUP_LOCKED_YOU": "Locked after wrong answers, until an owner unlocks it.",
    "STEPUP_ENROL": "This needs a second factor, and you have none. Choose one with /pin, or ask an owner to enrol an authenticator app.",
    "STEPUP_BROKEN": "Your second factor cannot be read. Please tell an owner.",
    "STEPUP_GONE": "Nothing is asked any more; please start again.",
    "PIN_FORM": "A PIN is {digits} digits.",
    "PIN_TRIVIAL": "That PIN is too easy (a run, a repetition, a date). Please choose another.",
    "PIN_UNPROVED": "The proof that it is you has expired. Start again with /pin.",
    # limits of a person
    "LIMIT_RAISED": "Limit raised: {name} · {what} {was} → {now}, from {day} ({by})",
    "LIMIT_LOWERED": "Limit lowered: {name} · {what} {was} → {now}, from now on ({by})",
    "LIMIT_SAME": "That is its value already.",
    "LIMIT_ITEM": "No such limit: {word}",
    "LIMIT_VALUE": "Not a value for this limit: {word}",
    "LIMIT_PERSON": "Nobody, or more than one person, is called {word}. Use the numeric id.",
    "LIMIT_ROLE": "You may change those below your role only; the account's limit is an owner's.",
    "POSITION_MAX": "{name} would be {percent} % of the account; at most {max} % in one stock. At this price {fits} shares fit (KISBOT_POSITION_PERCENT).",
    # after the tap
    "BROKER_UNREADABLE": "The broker could not be read, so nothing was sent.",
    "INTERNAL": "An internal error stopped it before it was sent; see the log.",
    "FINGERPRINT": "What was about to be sent is not what you confirmed, so it was not sent. The records may have been tampered with; tell the owner.",
    "STALE_SEND": "Too much time passed after the tap, so it was not sent. Look at the price and order again.",
}  # fmt: skip
_NOUNS: MessageIds[str] = {
    "QUOTE": "The quote",
    "BUYABLE": "The cash available",
    "SELLABLE": "The number of shares to sell",
    "MANAGED": "under administration (관리종목)",
    "RISK": "an investment risk stock",
    "WARNING": "an investment warning stock",
    "GEARED": "a leveraged or inverse fund",
    "ETN": "an ETN",
    "ELW": "an ELW",
    "BALANCE": "The balance",
    "MAX_QUANTITY": "shares in one order",
    "SOFT_VALUE": "value confirmed twice",
    "MAX_VALUE": "value of one order",
    "DAY_VALUE_USER": "value of a day",
    "DAY_VALUE_ACCOUNT": "the account's value of a day",
    "DAY_ORDERS_USER": "orders a day",
    "ORDERS_PER_MINUTE": "orders a minute",
    "COLLAR_DENY": "% worse than the market",
    "MARKET_ORDERS": "market orders",
    "ON": "on",
    "OFF": "off",
    "ANY_NUMBER": "any number",
}
_NAMED = frozenset({"what", "was", "now"})
"""Placeholders whose value may be a key of the table above."""


def reason(code: str, values: Mapping[str, Any], lang: Lang) -> Markup:
    """The sentence of a reason: why an order is rejected, or what is unusual about it.

    An unknown code is shown as it is, and a value that was not handed over as a dash: a card may be drawn again long
    after its reasons are forgotten. Where `why` is a code that has a sentence, that follows.
    """
    shown = defaultdict[str, str](
        lambda: "–", {name: safe(_figure(name, value, lang)) for name, value in values.items()}
    )
    shown["code"] = safe(code)
    sentence = translate(lang, REASONS.get(code, "{code}")).format_map(shown)
    why = str(values.get("why") or "")
    return Markup(f"{sentence} {reason(why, {}, lang)}" if why in REASONS and why != code else sentence)


def limit_value(name: str, value: object, lang: Lang) -> str:
    """A limit's name (`name` is "what") or value ("now") as the sentences about limits show it; not escaped."""
    return str(_figure(name, value, lang))


def _figure(name: str, value: object, lang: Lang) -> object:
    if value is None:
        return "–"
    if name in _NAMED and value in _NOUNS:
        return translate(lang, _NOUNS[str(value)])
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if (moment := _moment(value)) is None:
        return value
    return clock_time(moment) if name == "at" else moment.astimezone(KST).strftime("%m/%d %H:%M")


def _moment(value: object) -> datetime | None:
    """A value that is a moment, also in the ISO form that the outbox stores."""
    if isinstance(value, str) and "T" in value:
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return value if isinstance(value, datetime) else None


def kis_error(error: errors.KisError, lang: Lang) -> str:
    """The text for a failed broker call: what is true now, what to do, and KIS's own message."""
    advice = error.advice.ko if lang == "ko" else error.advice.en
    lines = [f"⚠️ {html.escape(advice)}"]
    if error.message:
        code = f" ({safe(error.code, 12)})" if error.code else ""
        lines.append(translate(lang, "The broker says: {text}", text=error.message) + code)
    return "\n".join(lines)


_TOASTS: MessageIds[str] = {
    "sending": "Sending the order…",
    "pending": "Asked for consent.",
    "voted": "Your word was taken.",
    "again": "Please confirm once more.",
    "discarded": "Discarded; nothing was sent.",
    "settled": "Settled as you said.",
    "cancelling": "Asking to cancel…",
    "step_up": "Please show that it is you.",
    "not_yours": "Only the person who asked may press this.",
    "busy": "Too many orders are waiting; press the same button again shortly.",
    "late": "This button has expired; please start again.",
    "delayed": "⏰ Your tap could not be handled in time, so no order was sent. Press the button again if you still want it.",
    "used": "Already handled.",
    "gone": "This button has expired.",
}


def toast(verdict: str, lang: Lang) -> str:
    """The callback answer to a tap."""
    return translate(lang, _TOASTS[verdict])


NOT_ALLOWED = msgid("Your role does not allow this command.")
