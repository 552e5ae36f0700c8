"""Every sentence the bot can say, in Korean and English. Pure; every variable is escaped here.

Cards with figures are laid out in `cards.py` from the pieces below.
"""

import html
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.chat.i18n.formatting import clock_time, safe
from bot.chat.i18n.language import Lang
from kis import errors
from kis.krx import KST


def say(lang: Lang, ko: str, en: str, **values: object) -> str:
    """The sentence in the reader's language, with its values escaped."""
    return (ko if lang == "ko" else en).format(**{name: safe(value) for name, value in values.items()})


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
    "DAY_FORM": ("날짜를 알아볼 수 없습니다: {word} (예: 오늘, 어제, 11-24, 2026-11-24)", "Not a date: {word} (try today, yesterday, 11-24 or 2026-11-24)"),
    "DAY_FUTURE": ("아직 오지 않은 날입니다: {day}", "That day is still to come: {day}"),
    "TOO_MANY_WORDS": ("알 수 없는 말이 더 있습니다: {rest}", "More than I can read: {rest}"),
    "TOO_LONG": ("명령이 너무 깁니다. 종목, 수량, 가격만 적어 주세요.", "That is too long. Just the stock, quantity and price, please."),
    "NO_STOCK": ("'{text}' 종목을 찾지 못했습니다. 6자리 코드나 정확한 종목명을 적어 주세요.", "No stock called '{text}'. Use the 6-character code or the exact name."),
    "NO_TABLE": ("종목 목록을 아직 받지 못했습니다. 잠시 후 다시 시도해 주세요.", "The table of stocks has not arrived yet; try again shortly."),
    "NOTHING_TO_SELL": ("{name}: 매도 가능한 수량이 없습니다.", "{name}: nothing to sell."),
    # rules
    "TRADING_HALTED": ("신규 주문이 중지된 상태입니다. 취소와 조회는 됩니다.", "New orders are on hold; cancels and reads work."),
    "BUYS_HALTED": ("매수가 중지된 상태입니다. 매도, 취소, 조회는 됩니다.", "Buys are on hold; sells, cancels and reads work."),
    "RELEASED": ("신규 주문 중지가 풀렸습니다.", "New orders are taken again."),
    "CLOCK": ("이 컴퓨터의 시계가 증권사와 {offset}초 어긋나 주문을 보내지 않습니다 (허용 {max}초). 시각 동기화(NTP)를 확인해 주세요.", "This computer's clock is {offset} s off the broker's ({max} s allowed), so nothing is sent. Check its time synchronisation (NTP)."),
    "CLOCK_WARN": ("이 컴퓨터의 시계가 증권사와 {offset}초 어긋나 있습니다.", "This computer's clock is {offset} s off the broker's."),
    "SESSION_CLOSED": ("지금은 주문할 수 없는 시간입니다. 다음 주문 가능 시각: {next_open}", "The market takes no orders now. Next: {next_open}"),
    "SESSION_EDGE": ("장 구간이 바뀌는 순간이라 주문을 보내지 않습니다. 10초 뒤에 다시 시도해 주세요.", "The session is just changing, so nothing is sent. Try again in ten seconds."),
    "SYMBOL_HALTED": ("{name}: 거래가 정지된 종목입니다.", "{name} is halted."),
    "SYMBOL_RESTRICTED": ("{name}: {what}이라 매수하지 않습니다. 보유분 매도는 됩니다 (KISBOT_RESTRICTED_STOCKS).", "{name} is {what}, so it is not bought; what you hold can be sold (KISBOT_RESTRICTED_STOCKS)."),
    "VI_ACTIVE": ("{name}: 변동성완화장치(VI) 발동 중입니다. 시장가와 바로 체결될 가격은 받지 않습니다. 2~3분 뒤 단일가로 풀린 다음 다시 내 주세요.", "{name}: a volatility interruption (VI) is on. No market order and no price that would cross is taken; try again in two or three minutes, once it is over."),
    "UNKNOWN_OPEN": ("{name}: 결과를 확인 중인 주문이 있어 새 주문을 받지 않습니다. 취소와 다른 종목은 됩니다.", "{name}: an earlier order is still being checked, so no new one is taken. Cancels and other stocks work."),
    "FACTS_MISSING": ("{what} 값을 읽지 못해 주문을 보내지 않습니다. 잠시 후 다시 시도해 주세요.", "{what} could not be read, so nothing is sent. Try again shortly."),
    "QTY_MAX": ("1회 최대 수량은 {max}주입니다 (KISBOT_MAX_ORDER_QUANTITY).", "At most {max} shares in one order (KISBOT_MAX_ORDER_QUANTITY)."),
    "VOLUME_SHARE": ("{name}: 오늘 거래량의 {percent}%를 넘는 주문입니다. 지금은 {max}주까지 됩니다 (KISBOT_VOLUME_PERCENT).", "{name}: more than {percent} % of today's volume; at most {max} shares for now (KISBOT_VOLUME_PERCENT)."),
    "ORDER_VALUE_MAX": ("주문 금액 {value}원이 1회 한도 {max}원을 넘습니다. 이 가격이면 {fits}주까지 됩니다 (시장가 매수는 상한가로 계산).", "{value} won exceeds the limit of {max} won per order; {fits} shares would fit (a market buy counts at the upper limit price)."),
    "DAY_VALUE_USER": ("오늘 낸 주문 {used}원에 이 주문 {value}원을 더하면 1인 하루 한도 {max}원을 넘습니다. 이 가격이면 {fits}주까지 됩니다 (매수·매도 합계, 미체결 포함).", "With {used} won ordered today, {value} more exceeds your daily limit of {max} won; {fits} shares would fit (buys and sells, open orders included)."),
    "DAY_VALUE_ACCOUNT": ("이 계좌에서 오늘 나간 주문 {used}원에 이 주문 {value}원을 더하면 계좌 하루 한도 {max}원을 넘습니다. 이 가격이면 {fits}주까지 됩니다 (HTS·MTS 주문 포함).", "With {used} won ordered on this account today, {value} more exceeds its daily limit of {max} won; {fits} shares would fit (orders from HTS and MTS included)."),
    "DAY_ORDERS_USER": ("하루 주문 {max}건을 모두 썼습니다. 취소는 됩니다 (KISBOT_DAY_ORDERS_USER).", "Today's {max} orders are used up; cancels work (KISBOT_DAY_ORDERS_USER)."),
    "RATE_USER": ("주문은 1분에 {max}건까지입니다. 잠시 후 다시 시도해 주세요 (KISBOT_ORDERS_PER_MINUTE).", "At most {max} orders a minute; try again shortly (KISBOT_ORDERS_PER_MINUTE)."),
    "COOL_OFF": ("증권사가 주문을 {rejects}번 잇달아 거절했습니다. 사유를 확인하고 {minutes}분 뒤에 다시 시도해 주세요.", "The broker refused {rejects} orders in a row. See why, and try again in {minutes} min."),
    "MARKET_ORDER_OFF": ("시장가 주문은 꺼져 있습니다. 지정가로 내 주세요 (KISBOT_MARKET_ORDERS).", "Market orders are switched off; give a limit price (KISBOT_MARKET_ORDERS)."),
    "PRICE_LIMIT": ("가격이 오늘의 상·하한가를 벗어났습니다: {low}원 ~ {high}원", "Outside today's price limits: {low} to {high} won"),
    "TICK": ("호가단위에 맞지 않는 가격입니다. 가까운 가격: {below}원 / {above}원", "Off the tick. Nearest prices: {below} / {above} won"),
    "COLLAR": ("{price}원은 현재가 {last}원보다 {percent}% 불리한 가격입니다. {max}%까지만 보냅니다. 가격의 자릿수를 확인해 주세요.", "{price} won is {percent} % worse than the market's {last}; at most {max} % is sent. Check the digits of the price."),
    "COLLAR_CONFIRM": ("{price}원은 현재가 {last}원보다 {percent}% 불리한 가격입니다.", "{price} won is {percent} % worse than the market's {last}."),
    "COLLAR_NOTE": ("{price}원은 현재가 {last}원과 {percent}% 차이 납니다.", "{price} won is {percent} % away from the market's {last}."),
    "QUOTE_STALE": ("시세가 {age}초 전 것이라 보내지 않았습니다 (허용 {max}초). 다시 시도해 주세요.", "The quote is {age} s old ({max} s allowed), so nothing was sent. Please try again."),
    "CASH": ("주문가능금액이 부족합니다. 필요 {need}원, 가능 {have}원 (최대 {fits}주)", "Not enough cash: {need} won needed, {have} available (at most {fits} shares)"),
    "SELLABLE": ("{name}: 매도가능수량은 {have}주입니다.", "{name}: only {have} shares can be sold."),
    "SOFT_VALUE": ("주문 금액 {value}원: {max}원이 넘는 큰 주문입니다 (시장가 매수는 상한가로 계산).", "{value} won: a large order, above {max} won (a market buy counts at the upper limit price)."),
    "DUP_EXACT": ("{name}: 종목·방향·수량·가격이 똑같은 주문이 {at}에 이미 나갔습니다. 한 번 더 사고파는 것이 맞는지 확인해 주세요.", "{name}: the very same order already went out at {at}. Make sure you want it twice."),
    "DUP_NEAR": ("{name}: 같은 방향의 주문이 {seconds}초 전에 나갔습니다.", "{name}: an order on this side went out {seconds} s ago."),
    # why the brake is on
    "UNCLEAN_STOP": ("봇이 갑자기 꺼졌다가 다시 켜졌습니다. /orders 와 /balance 가 맞는지 본 뒤 /resume 으로 풀어 주세요.", "The bot stopped without warning and was started again. Check /orders and /balance, then /resume."),
    "RESTORED": ("데이터베이스가 예전 사본으로 되돌려진 것으로 보입니다. 그 사이의 주문은 HTS·MTS에서 확인한 뒤 /resume 으로 풀어 주세요.", "The database seems to have been restored from an older copy. Check in HTS or MTS what was ordered since, then /resume."),
    "TWO_UNKNOWN": ("결과를 모르는 주문이 두 건이 되었습니다. 증권사 연결이 의심됩니다. 두 주문이 확인된 뒤 /resume 으로 풀어 주세요.", "The outcome of two orders is unknown; the line to the broker is suspect. Once both are settled, /resume."),
    "MISMATCH": ("증권사에 접수된 주문이 승인한 주문과 다릅니다. HTS·MTS에서 그 주문을 바로 확인해 주세요. 확인 전에는 풀지 마세요.", "An order at the broker differs from the one that was approved. Look at it in HTS or MTS now, and do not /resume before."),
    "CLOCK_STEP": ("이 컴퓨터의 시계가 갑자기 바뀌었습니다. 시각 동기화(NTP)를 확인한 뒤 /resume 으로 풀어 주세요.", "This computer's clock jumped. Check its time synchronisation (NTP), then /resume."),
    "TELEGRAM_CONFLICT": ("같은 봇 토큰으로 다른 프로그램이 실행 중인 동안에는 새 주문을 보내지 않습니다. 다른 실행을 끄거나, 토큰 유출이 의심되면 @BotFather에서 토큰을 바꾸세요.", "While another program uses this bot token, no new order is sent. Stop it, or if the token may have leaked, renew it with @BotFather."),
    "DISK": ("기록을 디스크에 남기지 못하고 있습니다. 기록 없이는 주문을 보내지 않습니다. 디스크 여유와 권한을 확인해 주세요.", "The journal cannot be written to disk, and nothing is sent unrecorded. Check the disk's space and permissions."),
    "BY_PERSON": ("사람이 직접 중지했습니다. 소유자가 /resume 으로 풀 수 있습니다.", "A person stopped it. An owner may /resume."),
    "LIST_STALE": ("주문이 걸려 있는데 증권사 주문내역을 1분 넘게 읽지 못하고 있습니다. 그동안은 체결도 알 수 없고 새 주문도 보내지 않습니다. 급하면 HTS·MTS에서 확인해 주세요. 다시 읽히면 그사이 일을 알려 드립니다.", "Orders are open and the broker's list has not been readable for over a minute: until it is, fills cannot be seen and nothing new is sent. If it is urgent, look in HTS or MTS. Once it can be read you are told what happened meanwhile."),
    "READING_LOST": ("증권사 주문내역을 읽었지만 기록하지 못했습니다. 체결 알림이 늦을 수 있으니 HTS·MTS와 로그를 확인해 주세요.", "The broker's list was read and could not be taken in. Fills may be told late; look in HTS or MTS, and at the log."),
    "HOUSEKEEPING": ("봇의 정기 작업이 실패하고 있습니다. 로그와 디스크를 확인해 주세요.", "The bot's housekeeping fails. Look at the log and the disk."),
    "ANSWER_LOST": ("{name} 님의 요청을 내부 오류로 처리하지 못했습니다. 로그를 확인해 주세요.", "A request of {name}'s could not be answered for an internal error; see the log."),
    "RECOVERING": ("복구 중입니다: 이전 주문을 증권사 주문내역과 맞춰 보고 있습니다. 끝나면 주문할 수 있습니다.", "Recovering: earlier orders are being checked against the broker's list. Orders are taken once that is done."),
    "MISCONFIGURED": ("증권사가 앱키, 계좌 또는 접속 환경이 맞지 않는다고 합니다. 설정을 고친 뒤 /resume 으로 풀어 주세요.", "The broker says that key, account and environment do not belong together. Mend the settings, then /resume."),
    # people and consent
    "NO_APPROVERS": ("승인할 수 있는 사람이 모자라 보내지 않았습니다. /policy 와 /users 를 확인해 주세요.", "There are not enough people who could agree, so nothing was sent. See /policy and /users."),
    "PERSON_GONE": ("주문한 사람의 권한이 없어져 보내지 않았습니다.", "Whoever ordered it may no longer trade, so nothing was sent."),
    "PERSON_REMOVED": ("이 주문에 관련된 사람의 권한이 바뀌어 끝냈습니다. 보내지 않았습니다.", "Somebody it hangs on has left or lost their role, so it is over; nothing was sent."),
    "QUORUM": ("승인이 모자라게 되어 보내지 않았습니다.", "The consent it needed no longer holds, so nothing was sent."),
    "RELEASE_ASKED": ("다른 관리자 {count}명에게 해제 동의를 물었습니다. 한 명이 동의하면 풀립니다.", "Asked {count} other administrators; one of them has to agree."),
    "RESUME_PAUSE": ("잠시 살펴본 뒤 {seconds}초 후에 다시 /resume 해 주세요.", "Have a look first, and /resume again in {seconds} s."),
    "DAY_LOSS": ("오늘 손실이 정한 한도를 넘어 매수를 중지했습니다.", "Today's loss went past its limit, so buys were stopped."),
    "REJECTS": ("증권사가 주문을 잇달아 거부했습니다. 사유를 확인한 뒤 /resume 으로 풀어 주세요.", "The broker refused one order after another. See why, then /resume."),
    "CLOCK_DRIFT": ("이 컴퓨터의 시계가 증권사와 크게 어긋났습니다. 시각 동기화(NTP)를 확인한 뒤 /resume 으로 풀어 주세요.", "This computer's clock is far off the broker's. Check its time synchronisation (NTP), then /resume."),
    # brakes and revisions
    "NOT_ALLOWED": ("이 단계를 바꿀 권한이 없습니다.", "Your role does not allow this."),
    "HALTED_ALREADY": ("이미 그 단계까지 중지되어 있습니다. 더 올리려면: /halt 전체취소", "Stopped that far already. To go further: /halt all"),
    "NOT_HALTED": ("풀 것이 없습니다. 이미 그 상태입니다.", "There is nothing to release."),
    "STILL_IN_DOUBT": ("결과를 모르는 주문이 {count}건 있어 아직 풀 수 없습니다. 확인이 끝나면 다시 해 주세요.", "{count} orders are still being checked; release the brakes once they are settled."),
    "NO_SUCH_ORDER": ("정정·취소할 수 있는 주문 중에 {number}번이 없습니다.", "No open order {number} that you may change."),
    "PARENT_GONE": ("정정할 주문이 이미 체결되었거나 취소 중이라 보내지 않았습니다.", "The order to be revised is filled, gone or being cancelled, so nothing was sent."),
    "SAME_PRICE": ("지금과 같은 가격입니다.", "That is its present price."),
    # second factors
    "STEPUP_LOCKED": ("{name} 님의 본인 확인이 5번 틀려 {minutes}분 동안 잠겼습니다. 본인이 아니면 바로 /users 에서 정지해 주세요.", "{name}: five wrong codes, locked for {minutes} min. If it was not them, suspend them in /users now."),
    "STEPUP_BARRED": ("{name} 님의 본인 확인이 계속 틀려 잠겼습니다. 본인을 확인한 뒤 소유자가 푸세요: kisbot stepup unlock {id}", "{name}: too many wrong codes, locked. Once you are sure it is them, an owner runs: kisbot stepup unlock {id}"),
    "STEPUP_PIN_SET": ("{name} 님이 PIN을 새로 정했습니다. 본인이 한 일이 아니면 바로 /users 에서 정지해 주세요.", "{name} has set a new PIN. If it was not them, suspend them in /users now."),
    "STEPUP_TOTP_SET": ("{name} 님의 인증 앱이 명령줄에서 등록되었습니다.", "An authenticator app was enrolled for {name} at the command line."),
    "STEPUP_REMOVED": ("{name} 님의 본인 확인 수단이 명령줄에서 지워졌습니다.", "The second factor of {name} was removed at the command line."),
    "STEPUP_UNREADABLE": ("{name} 님의 본인 확인 정보를 읽을 수 없습니다 (stepup-key.txt). 키 파일을 되돌리거나 다시 등록해 주세요.", "The second factor of {name} cannot be read (stepup-key.txt). Bring the key file back, or enrol anew."),
    "STEPUP_LOCKED_YOU": ("여러 번 틀려 잠겼습니다. 소유자가 풀어 주어야 합니다.", "Locked after wrong answers, until an owner unlocks it."),
    "STEPUP_ENROL": ("본인 확인 수단이 없어 할 수 없습니다. /pin 으로 PIN을 정하거나, 소유자에게 인증 앱 등록을 부탁하세요.", "This needs a second factor, and you have none. Choose one with /pin, or ask an owner to enrol an authenticator app."),
    "STEPUP_BROKEN": ("등록된 본인 확인 정보를 읽을 수 없습니다. 소유자에게 알려 주세요.", "Your second factor cannot be read. Please tell an owner."),
    "STEPUP_GONE": ("기다리는 질문이 없습니다. 다시 시도해 주세요.", "Nothing is asked any more; please start again."),
    "PIN_FORM": ("PIN은 숫자 {digits}자리입니다.", "A PIN is {digits} digits."),
    "PIN_TRIVIAL": ("너무 쉬운 PIN입니다 (이어지거나 되풀이되는 숫자, 생년월일). 다른 번호로 해 주세요.", "That PIN is too easy (a run, a repetition, a date). Please choose another."),
    "PIN_UNPROVED": ("본인 확인이 지나갔습니다. /pin 부터 다시 해 주세요.", "The proof that it is you has expired. Start again with /pin."),
    # limits of a person
    "LIMIT_RAISED": ("한도 올림: {name} · {what} {was} → {now}, {day}부터 ({by})", "Limit raised: {name} · {what} {was} → {now}, from {day} ({by})"),
    "LIMIT_LOWERED": ("한도 내림: {name} · {what} {was} → {now}, 지금부터 ({by})", "Limit lowered: {name} · {what} {was} → {now}, from now on ({by})"),
    "LIMIT_SAME": ("이미 그 값입니다.", "That is its value already."),
    "LIMIT_ITEM": ("그런 항목이 없습니다: {word}", "No such limit: {word}"),
    "LIMIT_VALUE": ("값을 알아볼 수 없습니다: {word}", "Not a value for this limit: {word}"),
    "LIMIT_PERSON": ("그런 사람이 없거나 이름이 겹칩니다: {word}. 숫자 ID로 적어 주세요.", "Nobody, or more than one person, is called {word}. Use the numeric id."),
    "LIMIT_ROLE": ("자기보다 낮은 권한의 사람만 바꿀 수 있습니다. 계좌 한도는 소유자가 바꿉니다.", "You may change those below your role only; the account's limit is an owner's."),
    "POSITION_MAX": ("체결되면 {name}이 계좌의 {percent}%가 됩니다. 한 종목은 {max}%까지입니다. 이 가격이면 {fits}주까지 됩니다 (KISBOT_POSITION_PERCENT).", "{name} would be {percent} % of the account; at most {max} % in one stock. At this price {fits} shares fit (KISBOT_POSITION_PERCENT)."),
    # after the tap
    "BROKER_UNREADABLE": ("증권사 조회에 실패해 주문을 보내지 않았습니다.", "The broker could not be read, so nothing was sent."),
    "INTERNAL": ("내부 오류로 주문을 보내지 않았습니다. 로그를 확인해 주세요.", "An internal error stopped it before it was sent; see the log."),
    "FINGERPRINT": ("보내려는 내용이 확인하신 주문과 달라 보내지 않았습니다. 누군가 기록을 고쳤을 수 있으니 소유자에게 알려 주세요.", "What was about to be sent is not what you confirmed, so it was not sent. The records may have been tampered with; tell the owner."),
    "STALE_SEND": ("확인을 누른 뒤 너무 오래 걸려 보내지 않았습니다. 시세를 보고 다시 내 주세요.", "Too much time passed after the tap, so it was not sent. Look at the price and order again."),
}  # fmt: skip
_NOUNS: dict[str, tuple[str, str]] = {
    "QUOTE": ("시세", "The quote"),
    "BUYABLE": ("주문가능금액", "The cash available"),
    "SELLABLE": ("매도가능수량", "The number of shares to sell"),
    "MANAGED": ("관리종목", "under administration (관리종목)"),
    "RISK": ("투자위험종목", "an investment risk stock"),
    "WARNING": ("투자경고종목", "an investment warning stock"),
    "GEARED": ("레버리지·인버스 상품", "a leveraged or inverse fund"),
    "ETN": ("ETN 상품", "an ETN"),
    "ELW": ("ELW 상품", "an ELW"),
    "BALANCE": ("계좌 잔고", "The balance"),
    "MAX_QUANTITY": ("1회 수량", "shares in one order"),
    "SOFT_VALUE": ("두 번 확인 금액", "value confirmed twice"),
    "MAX_VALUE": ("1회 금액", "value of one order"),
    "DAY_VALUE_USER": ("하루 금액", "value of a day"),
    "DAY_VALUE_ACCOUNT": ("계좌 하루 금액", "the account's value of a day"),
    "DAY_ORDERS_USER": ("하루 건수", "orders a day"),
    "ORDERS_PER_MINUTE": ("분당 건수", "orders a minute"),
    "COLLAR_DENY": ("불리한 가격 %", "% worse than the market"),
    "MARKET_ORDERS": ("시장가 주문", "market orders"),
    "ON": ("켬", "on"),
    "OFF": ("끔", "off"),
    "ANY_NUMBER": ("무제한", "any number"),
}


_NAMED = frozenset({"what", "was", "now"})
"""Values that may be a word of the table above."""


def reason(code: str, values: Mapping[str, Any], lang: Lang) -> str:
    """Why an order may not go out, or what is unusual about it, in a sentence or two.

    An unknown code is shown as it is, and a value that was not handed over as a dash: a card may be drawn again long
    after its reasons are forgotten. Where `why` is a code that has a sentence, that follows.
    """
    ko, en = _REASONS.get(code, ("{code}", "{code}"))
    shown = _Shown({name: safe(_figure(name, value, lang)) for name, value in values.items()}, code=safe(code))
    sentence = (ko if lang == "ko" else en).format_map(shown)
    why = str(values.get("why") or "")
    return f"{sentence} {reason(why, {}, lang)}" if why in _REASONS and why != code else sentence


class _Shown(dict[str, str]):
    """The values of a sentence; one that is not known is a dash."""

    def __missing__(self, name: str) -> str:
        return "–"


def limit_value(name: str, value: object, lang: Lang) -> str:
    """A limit's name ("what") or value ("now") as the sentences about limits show it; not escaped."""
    return str(_figure(name, value, lang))


def _figure(name: str, value: object, lang: Lang) -> object:
    if value is None:
        return "–"
    if name in _NAMED and value in _NOUNS:
        return _NOUNS[str(value)][lang != "ko"]
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    moment = _moment(value)
    if moment is None:
        return value
    return clock_time(moment) if name == "at" else moment.astimezone(KST).strftime("%m/%d %H:%M")


def _moment(value: object) -> datetime | None:
    """The moment a value is, also as the outbox keeps it."""
    if isinstance(value, str) and "T" in value:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) else None


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
        "pending": ("승인을 요청했습니다.", "Asked for consent."),
        "voted": ("의견을 남겼습니다.", "Your word was taken."),
        "again": ("한 번 더 확인해 주세요.", "Please confirm once more."),
        "discarded": ("취소했습니다. 보내지 않았습니다.", "Discarded; nothing was sent."),
        "settled": ("알려 주신 대로 정리했습니다.", "Settled as you said."),
        "cancelling": ("취소를 요청합니다…", "Asking to cancel…"),
        "step_up": ("본인 확인이 필요합니다.", "Please show that it is you."),
        "not_yours": (
            "이 버튼은 요청한 사람만 누를 수 있습니다.",
            "Only the person who asked may press this.",
        ),
        "busy": (
            "주문이 밀려 있습니다. 잠시 후 같은 버튼을 다시 눌러 주세요.",
            "Too many orders are waiting; press the same button again shortly.",
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
