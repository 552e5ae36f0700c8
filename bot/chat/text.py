"""Every sentence the bot can say, in Korean and English. Pure; every variable is escaped here.

Cards with figures are laid out in `cards.py` from the pieces below.
"""

import html
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from bot.chat.words import clean
from kis import errors
from kis.krx import KST

Lang = Literal["ko", "en"]
Mode = Literal["practice", "paper", "real"]

BADGES: dict[Mode, dict[Lang, str]] = {
    "practice": {"ko": "[연습]", "en": "[PRACTICE]"},
    "paper": {"ko": "[모의]", "en": "[PAPER]"},
    "real": {"ko": "[실전]", "en": "[REAL]"},
}
LONGEST_QUOTE = 80
"""Characters of somebody else's words that a message will carry."""


def safe(value: object, limit: int = LONGEST_QUOTE) -> str:
    """Somebody else's words, fit to stand in a message: one line, capped, escaped."""
    text = clean(str(value))
    return html.escape(text if len(text) <= limit else text[: limit - 1] + "…")


def say(lang: Lang, ko: str, en: str, **values: object) -> str:
    """The sentence in the reader's language, with its values escaped."""
    return (ko if lang == "ko" else en).format(**{name: safe(value) for name, value in values.items()})


def won(amount: int, lang: Lang = "ko") -> str:
    """Won with separators and unit."""
    return f"{amount:,}원" if lang == "ko" else f"₩{amount:,}"


def shares(quantity: int, lang: Lang = "ko") -> str:
    """A number of shares with its unit."""
    return f"{quantity:,}주" if lang == "ko" else f"{quantity:,} sh"


def signed(amount: int | Decimal) -> str:
    """A number that always bears its sign; a true minus, so that it is not read as a dash."""
    text = f"{abs(amount):,}"
    return f"+{text}" if amount > 0 else f"−{text}" if amount < 0 else text


def percent(rate: Decimal) -> str:
    """A signed percentage with two digits."""
    return f"{signed(round(rate, 2))}%"


def arrow(change: int | Decimal) -> str:
    """Red is up, blue is down, and the arrow says so without colour."""
    return "🔴▲" if change > 0 else "🔵▼" if change < 0 else "⚪"


def clock_time(moment: datetime) -> str:
    """Time of day in Seoul."""
    return moment.astimezone(KST).strftime("%H:%M:%S")


def badge(mode: Mode, lang: Lang) -> str:
    """Which money this is about."""
    return BADGES[mode][lang]


_REASONS: dict[str, tuple[str, str]] = {
    # words
    "QUANTITY_ZERO": ("수량은 1주 이상이어야 합니다.", "The quantity must be at least 1."),
    "QUANTITY_NEGATIVE": ("수량은 음수일 수 없습니다: {word}", "A quantity cannot be negative: {word}"),
    "QUANTITY_DECIMAL": ("소수점 수량은 주문할 수 없습니다: {word}", "Fractions of a share cannot be ordered: {word}"),
    "QUANTITY_HUGE": ("수량이 너무 큽니다: {word}", "The quantity is far too large: {word}"),
    "QUANTITY_FORM": ("수량을 알아볼 수 없습니다: {word} (예: 10, 1,000, 10주)", "Not a quantity: {word} (try 10 or 1,000)"),
    "PRICE_ZERO": ("가격은 0원일 수 없습니다. 시장가는 '시장가'라고 적어 주세요.", "A price cannot be 0. For a market order write 'market'."),
    "PRICE_NEGATIVE": ("가격은 음수일 수 없습니다: {word}", "A price cannot be negative: {word}"),
    "PRICE_DECIMAL": ("가격은 원 단위 정수입니다: {word}", "Prices are whole won: {word}"),
    "PRICE_HUGE": ("가격이 너무 큽니다: {word}", "The price is far too large: {word}"),
    "PRICE_FORM": ("가격을 알아볼 수 없습니다: {word} (예: 71000, 71,000원, 시장가)", "Not a price: {word} (try 71000 or market)"),
    "MARKET_WITH_PRICE": ("시장가 주문에는 가격을 적지 않습니다. 지정가라면 '시장가'를 빼 주세요.", "A market order takes no price. For a limit order leave out 'market'."),
    "TOO_MANY_WORDS": ("알 수 없는 말이 더 있습니다: {rest}", "More than I can read: {rest}"),
    "TOO_LONG": ("명령이 너무 깁니다. 종목, 수량, 가격만 적어 주세요.", "That is too long. Just the stock, quantity and price, please."),
    "NO_STOCK": ("'{text}' 종목을 찾지 못했습니다. 6자리 코드나 정확한 종목명을 적어 주세요.", "No stock called '{text}'. Use the 6-character code or the exact name."),
    "NO_TABLE": ("종목 목록을 아직 받지 못했습니다. 잠시 후 다시 시도해 주세요.", "The table of stocks has not arrived yet; try again shortly."),
    "NOTHING_TO_SELL": ("{name}: 매도 가능한 수량이 없습니다.", "{name}: nothing to sell."),
    # rules
    "TRADING_HALTED": ("신규 주문이 중지된 상태입니다. 취소와 조회는 됩니다.", "New orders are on hold; cancels and reads work."),
    "TELEGRAM_CONFLICT": ("같은 봇 토큰으로 다른 프로그램이 실행 중이라 신규 주문을 중지했습니다. 다른 실행을 끄거나, 토큰 유출이 의심되면 @BotFather에서 토큰을 바꾸세요.", "Another program uses this bot token, so new orders are on hold. Stop it, or if the token may have leaked, renew it with @BotFather."),
    "RELEASED": ("신규 주문 중지가 풀렸습니다.", "New orders are taken again."),
    "SESSION_CLOSED": ("지금은 주문할 수 없는 시간입니다. 다음 주문 가능 시각: {next_open}", "The market takes no orders now. Next: {next_open}"),
    "SYMBOL_HALTED": ("{name}: 거래가 정지된 종목입니다.", "{name} is halted."),
    "UNKNOWN_OPEN": ("{name}: 결과를 확인 중인 주문이 있어 새 주문을 받지 않습니다. 취소와 다른 종목은 됩니다.", "{name}: an earlier order is still being checked, so no new one is taken. Cancels and other stocks work."),
    "QTY_MAX": ("1회 최대 수량은 {max}주입니다 (KISBOT_MAX_ORDER_QUANTITY).", "At most {max} shares in one order (KISBOT_MAX_ORDER_QUANTITY)."),
    "ORDER_VALUE_MAX": ("주문 금액 {value}원이 1회 한도 {max}원을 넘습니다. 이 가격이면 {fits}주까지 됩니다 (시장가 매수는 상한가로 계산).", "{value} won exceeds the limit of {max} won per order; {fits} shares would fit (a market buy counts at the upper limit price)."),
    "PRICE_LIMIT": ("가격이 오늘의 상·하한가를 벗어났습니다: {low}원 ~ {high}원", "Outside today's price limits: {low} to {high} won"),
    "TICK": ("호가단위에 맞지 않는 가격입니다. 가까운 가격: {below}원 / {above}원", "Off the tick. Nearest prices: {below} / {above} won"),
    "CASH": ("주문가능금액이 부족합니다. 필요 {need}원, 가능 {have}원 (최대 {fits}주)", "Not enough cash: {need} won needed, {have} available (at most {fits} shares)"),
    "SELLABLE": ("{name}: 매도가능수량은 {have}주입니다.", "{name}: only {have} shares can be sold."),
    # after the tap
    "BROKER_UNREADABLE": ("증권사 조회에 실패해 주문을 보내지 않았습니다.", "The broker could not be read, so nothing was sent."),
    "INTERNAL": ("내부 오류로 주문을 보내지 않았습니다. 로그를 확인해 주세요.", "An internal error stopped it before it was sent; see the log."),
}  # fmt: skip


def reason(code: str, values: Mapping[str, Any], lang: Lang) -> str:
    """Why an order may not go out, in a sentence; an unknown code is shown as it is."""
    ko, en = _REASONS.get(code, ("{code}", "{code}"))
    shown = {name: _figure(value) for name, value in values.items()}
    return say(lang, ko, en, **{"code": code, **shown})


def _figure(value: object) -> object:
    if isinstance(value, bool) or value is None:
        return "-" if value is None else value
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.astimezone(KST).strftime("%m/%d %H:%M")
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).astimezone(KST).strftime("%m/%d %H:%M") if "T" in value else value
        except ValueError:
            return value
    return value


def kis_error(error: errors.KisError, lang: Lang) -> str:
    """What the broker's failure means for the reader: what is now true, KIS's own words, what to do."""
    advice = error.advice.ko if lang == "ko" else error.advice.en
    lines = [f"⚠️ {html.escape(advice)}"]
    if error.message:
        code = f" ({safe(error.code, 12)})" if error.code else ""
        lines.append(say(lang, "증권사 메시지: {text}", "The broker says: {text}", text=error.message) + code)
    return "\n".join(lines)


def toast(verdict: str, lang: Lang) -> str:
    """The short answer to a tap."""
    ko, en = {
        "sending": ("주문을 보냅니다…", "Sending the order…"),
        "discarded": ("취소했습니다. 보내지 않았습니다.", "Discarded; nothing was sent."),
        "settled": ("알려 주신 대로 정리했습니다.", "Settled as you said."),
        "cancelling": ("취소를 요청합니다…", "Asking to cancel…"),
        "not_yours": (
            "이 버튼은 요청한 사람만 누를 수 있습니다.",
            "Only the person who asked may press this.",
        ),
        "late": ("만료된 버튼입니다. 다시 시도해 주세요.", "This button has expired; please start again."),
        "used": ("이미 처리된 버튼입니다.", "Already handled."),
        "gone": ("만료된 버튼입니다.", "This button has expired."),
    }[verdict]
    return ko if lang == "ko" else en


def late_command(minutes: int, lang: Lang) -> str:
    """A trading command that reached us long after it was written is not carried out."""
    return say(
        lang,
        "⏰ 이 명령은 {minutes}분 늦게 도착해 실행하지 않았습니다. 필요하면 다시 보내 주세요.",
        "⏰ This command arrived {minutes} minutes late and was not carried out. Send it again if you still want it.",
        minutes=minutes,
    )


def not_allowed(lang: Lang) -> str:
    """The person's role is not enough."""
    return say(lang, "이 명령을 쓸 권한이 없습니다.", "Your role does not allow this command.")


def trouble(lang: Lang) -> str:
    """A fault of ours: no detail of it belongs in a chat."""
    return say(
        lang,
        "⚠️ 내부 오류로 처리하지 못했습니다. 주문 상태는 /orders 로 확인해 주세요.",
        "⚠️ An internal error stopped this. See /orders for the state of your orders.",
    )


def forwarded(lang: Lang) -> str:
    """A forwarded message is somebody else's words."""
    return say(lang, "전달된 메시지는 실행하지 않습니다. 직접 입력해 주세요.", "Forwarded messages are not carried out. Please type it yourself.")  # fmt: skip


def unknown_words(lang: Lang) -> str:
    """Neither a command nor a stock."""
    return say(lang, "무슨 뜻인지 모르겠습니다. /help 에서 명령을 볼 수 있습니다.", "I did not understand. See /help for the commands.")  # fmt: skip
