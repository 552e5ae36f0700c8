"""The rows of the audit log in words: who did what. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.chat.i18n.catalogue import reason
from bot.chat.i18n.formatting import safe, shares, won
from bot.chat.i18n.frame import Frame
from bot.chat.messages.order_card import SIDE, average, hms
from bot.chat.messages.system import LEVELS
from bot.orders.model.timeline import AuditEntry
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import KST
from kis.models import Side

_Facts = Mapping[str, Any]
_MOST_FACTS = 6

_PLAIN: dict[str, tuple[str, str]] = {
    "order.confirmed": ("확인을 눌렀습니다", "pressed confirm"),
    "order.warned": ("첫 번째 확인을 눌러, 주의할 점을 다시 물었습니다", "pressed once and was shown what is unusual"),
    "order.discarded": ("주문표를 버렸습니다 (보내지 않음)", "discarded the ticket; nothing was sent"),
    "order.timed_out": ("시간이 지나 끝났습니다 (보내지 않음)", "its time ran out; nothing was sent"),
    "order.not_found": ("증권사 내역에 접수 기록이 없다고 판단했습니다", "found no trace of it in the broker's list"),
    "order.disowned": (
        "증권사 내역 가운데 이 주문이 없다고 확인했습니다",
        "said that none of the broker's rows is this order",
    ),
    "order.day_ended": ("장이 끝나 남은 수량이 소멸했습니다", "the day ended and what was left lapsed"),
    "order.cancel_all": ("미체결 전체 취소를 눌렀습니다", "asked to cancel all open orders"),
    "order.deputised": (
        "오래 걸려 다른 매매자에게도 승인을 물었습니다",
        "asked other traders as well, as it took long",
    ),
    "brake.agreed": ("주문 중지를 푸는 데 동의했습니다", "agreed to release the brakes"),
    "bot.stopped": ("정상 종료했습니다", "ended in order"),
    "broker.back": ("증권사 조회가 돌아왔습니다", "the broker can be read again"),
    "audit.sealed": ("예전 기록을 봉인했습니다", "sealed what was written before"),
}
_TAPS = {
    "sending": ("버튼을 눌러 주문이 나가게 했습니다", "tapped, and it goes out"),
    "pending": ("확인 버튼 → 승인을 요청", "tapped confirm; consent is asked for"),
    "voted": ("승인·거절 버튼", "tapped a vote"),
    "busy": ("버튼을 눌렀으나 진행 중인 일이 있었음", "tapped while something was under way"),
    "step_up": ("버튼을 눌렀고 본인 확인을 요청받음", "tapped and was asked to prove who it is"),
    "again": ("버튼을 눌렀고 한 번 더 확인을 요청받음", "tapped and was asked once more"),
    "discarded": ("취소 버튼", "tapped discard"),
    "settled": ("답 버튼", "tapped an answer"),
    "cancelling": ("주문 취소 버튼", "tapped cancel"),
    "not_yours": ("남의 버튼을 눌러 거절됨", "tapped another person's button: refused"),
    "late": ("만료된 버튼을 누름", "tapped a button that had expired"),
    "used": ("이미 쓴 버튼을 누름", "tapped a button that was used already"),
    "gone": ("없는 버튼을 누름", "tapped a button that is not there"),
}
_CANCEL = {
    "none": ("취소 요청이 나가지 않았습니다", "the request to cancel did not go out"),
    "submitting": ("취소를 요청했습니다", "asked to cancel it"),
    "asked": ("증권사가 취소 요청을 받았습니다", "the broker took the request to cancel"),
    "unknown": ("취소 요청의 답을 받지 못했습니다", "the answer to the cancel was lost"),
    "refused": ("증권사가 취소를 거부했습니다", "the broker refused the cancel"),
}


def who(deed: AuditEntry, frame: Frame) -> str:
    """The person, or the bot itself; people and limits it never changes by itself, so that was the command line."""
    if deed.user_id is None and not deed.name:
        by_hand = deed.action.startswith(("people.", "limits.", "stepup."))
        return frame.pick("명령줄", "command line") if by_hand else frame.pick("봇", "bot")
    return safe(deed.name or deed.user_id, 20)


def deed_line(deed: AuditEntry, frame: Frame, *, dated: bool = False) -> str:
    """When, who, what."""
    at = deed.at.astimezone(KST).strftime("%m/%d %H:%M:%S" if dated else "%H:%M:%S")
    return f"{at} <b>{who(deed, frame)}</b> {words(deed, frame)}"


def words(deed: AuditEntry, frame: Frame) -> str:
    """What was done. A row nobody wrote words for, or that somebody spoilt, is shown by its facts."""
    if deed.action in _PLAIN:
        return frame.pick(*_PLAIN[deed.action])
    tell = _TELL.get(deed.action)
    if tell is not None:
        try:
            return tell(deed.detail, frame)
        except (KeyError, ValueError, TypeError, AttributeError):
            pass
    facts = ", ".join(
        f"{safe(name.removeprefix('event_'), 20)} {safe(value, 30)}"
        for name, value in list(deed.detail.items())[:_MOST_FACTS]
        if value not in ("", None)
    )
    return f"<code>{safe(deed.action, 30)}</code> {facts}".rstrip()


def _proposed(facts: _Facts, frame: Frame) -> str:
    side = frame.pick(*SIDE[Side(facts["side"])])
    price = frame.pick("시장가", "market") if facts["price"] is None else won(int(facts["price"]), frame.lang)
    terms = f"{side} {safe(facts['code'], 12)} {shares(int(facts['quantity']), frame.lang)} × {price}"
    seen = f"{frame.pick('현재가', 'market at')} {won(int(facts['quote']), frame.lang)}"
    if facts.get("parent") is not None:
        return frame.pick(
            f"#{int(facts['parent'])}의 정정 주문표를 만들었습니다: ",
            f"made a ticket to revise #{int(facts['parent'])}: ",
        ) + (f"{terms} ({seen})")
    return f"{frame.pick('주문표를 만들었습니다', 'made a ticket')}: {terms} ({seen})"


def _requoted(facts: _Facts, frame: Frame) -> str:
    quote = won(int(facts["event_quote"]), frame.lang)
    return frame.pick(f"새 현재가 {quote}으로 다시 물었습니다", f"asked again at the new price {quote}")


def _reported(facts: _Facts, frame: Frame) -> str:
    filled, amount = int(facts["event_filled"]), int(facts["event_filled_amount"])
    told = []
    if filled:
        told.append(
            f"{frame.pick('체결 누적', 'filled so far')} {shares(filled, frame.lang)} @{average(amount, filled)}",
        )
    if int(facts["event_cancelled"]):
        told.append(f"{frame.pick('취소', 'cancelled')} {shares(int(facts['event_cancelled']), frame.lang)}")
    if int(facts["event_rejected"]):
        told.append(f"{frame.pick('거부', 'refused')} {shares(int(facts['event_rejected']), frame.lang)}")
    return f"{frame.pick('증권사 내역', 'the list')}: {', '.join(told) or frame.pick('변화 없음', 'no change')}"


def _no(facts: _Facts) -> str:
    """The code of a no or a doubt, and what was said with it."""
    said = str(facts.get("event_message") or "")
    code = safe(facts.get("event_code") or "-", 24)
    return f"{code} “{safe(said)}”" if said else code


def _checked(facts: _Facts, frame: Frame) -> str:
    if facts["event_to"] == "different":
        return f"🚨 {frame.pick('증권사 내역이 승인한 주문과 다릅니다', 'the list differs from what was approved')}: {safe(facts['event_differs'], 120)}"
    return frame.pick("증권사 내역과 일치함을 확인했습니다", "the broker's list agrees")


def _brake(facts: _Facts, frame: Frame) -> str:
    level = frame.pick(*LEVELS[HaltLevel[str(facts["level"])]])
    return f"{frame.pick('주문 중지 단계', 'brakes')}: {level} ({safe(facts['why'], 30)})"


_ROLES = {
    "owner": ("소유자", "owner"),
    "admin": ("관리자", "admin"),
    "trader": ("매매자", "trader"),
    "viewer": ("조회 전용", "viewer"),
}


def _role(value: object, frame: Frame) -> str:
    return frame.pick(*_ROLES[str(value)]) if value in _ROLES else safe(value, 10)


def _about(ko: str, en: str) -> Callable[[_Facts, Frame], str]:
    """What was done to a person, and the role they have by it."""

    def tell(facts: _Facts, frame: Frame) -> str:
        subject = facts.get("name_given") or facts.get("subject") or ""
        was = f"{_role(facts['was'], frame)} → " if facts.get("was") in _ROLES else ""
        role = f" ({was}{_role(facts['role'], frame)})" if facts.get("role") else ""
        return f"{frame.pick(ko, en)}{f': {safe(subject, 20)}' if subject else ''}{role}"

    return tell


def _limit(facts: _Facts, frame: Frame) -> str:
    return (
        f"{frame.pick('한도를 바꿨습니다', 'changed a limit')}: {safe(facts['subject'] or frame.pick('계좌', 'account'), 20)} "
        f"{safe(facts['item'], 24)} {safe(facts['was'], 16)} → {safe(facts['now'], 16)} ({safe(facts['day'], 10)})"
    )


def _factor(ko: str, en: str) -> Callable[[_Facts, Frame], str]:
    """What became of a second factor; never the factor itself."""

    def tell(facts: _Facts, frame: Frame) -> str:
        what = " · ".join(safe(facts[name], 20) for name in ("factor", "deed", "until") if facts.get(name))
        return f"{frame.pick(ko, en)}{f' ({what})' if what else ''}"

    return tell


def _started(facts: _Facts, frame: Frame) -> str:
    said = [frame.pick(f"시작했습니다 ({int(facts['run'])}번째 실행)", f"began run {int(facts['run'])}")]
    if facts["unclean"]:
        said.append(frame.pick("직전에 갑자기 꺼졌습니다", "the run before was cut short"))
    if facts["restored"]:
        said.append(frame.pick("예전 사본으로 되돌려졌습니다", "on an older copy of the database"))
    return ", ".join(said)


_TELL: dict[str, Callable[[_Facts, Frame], str]] = {
    "order.proposed": _proposed,
    "order.requoted": _requoted,
    "order.blocked": lambda f, o: (
        f"{o.pick('보내지 않았습니다', 'was stopped; nothing was sent')}: {reason(str(f['event_code']), {}, o.lang)}"
    ),
    "order.submitting": lambda f, o: o.pick(
        f"{int(f['event_attempt'])}번째 시도를 적고 증권사로 보냈습니다",
        f"wrote down try {int(f['event_attempt'])} and sent it",
    ),
    "order.accepted": lambda f, o: (
        f"{o.pick('증권사가 접수했습니다', 'the broker took it')}: {o.pick('주문번호', 'no.')} "
        f"<code>{safe(f['event_order_no'], 12)}</code> {hms(str(f['event_time']))}"
    ),
    "order.refused": lambda f, o: f"{o.pick('증권사가 거부했습니다', 'the broker refused it')}: {_no(f)}",
    "order.never_left": lambda f, o: f"{o.pick('나가지 못했습니다', 'it never left')}: {_no(f)}",
    "order.deferred": lambda f, o: (
        f"{o.pick('처리되지 않아 다시 보낼 예정', 'was not carried out; to be tried again')}: {_no(f)}"
    ),
    "order.lost": lambda f, o: f"{o.pick('답을 받지 못했습니다', 'the answer was lost')}: {_no(f)}",
    "order.doubted": lambda f, o: (
        f"{o.pick('모르는 코드의 거부라 내역으로 확인합니다', 'a no in an unknown code; the list is asked')}: {_no(f)}"
    ),
    "order.found": lambda f, o: (
        f"{o.pick('증권사 내역에서 찾았습니다', 'found in the broker’s list')}: "
        f"<code>{safe(f['event_report']['order_no'], 12)}</code>"
    ),
    "order.claimed": lambda f, o: (
        f"{o.pick('내역의 이 주문이라고 확인했습니다', 'said that this row is the order')}: "
        f"<code>{safe(f['event_order_no'], 12)}</code>"
    ),
    "order.checked": _checked,
    "order.moved": lambda f, o: (
        f"{o.pick('정정되어 다른 번호로 이어집니다', 'revised; goes on as')}: <code>{safe(f['event_to'], 12)}</code>"
    ),
    "order.reported": _reported,
    "order.cancel_step": lambda f, o: (
        o.pick(*_CANCEL[str(f["event_to"])]) + (f": {_no(f)}" if f.get("event_code") else "")
    ),
    "tap": lambda f, o: o.pick(*_TAPS[str(f["verdict"])]) if "verdict" in f else f"<code>{safe(f['text'], 40)}</code>",
    "command": lambda f, _: f"<code>{safe(f['text'], 60)}</code>",
    "brake": _brake,
    "order.awaits": lambda f, o: o.pick(
        f"확인을 눌렀고, 다른 {int(f['event_needed'])}명의 승인을 기다립니다",
        f"pressed confirm; {int(f['event_needed'])} more must agree",
    ),
    "order.voted": lambda f, o: (
        o.pick("승인했습니다", "agreed") if f["event_approve"] else o.pick("거부했습니다", "refused")
    ),
    "order.voided": lambda f, o: (
        f"{o.pick('무효가 되었습니다 (보내지 않음)', 'was voided; nothing was sent')}: {reason(str(f['event_code']), {}, o.lang)}"
    ),
    "people.put": _about("사람을 넣거나 바꿨습니다", "let in or changed"),
    "people.role": _about("권한을 바꿨습니다", "changed the role of"),
    "people.suspend": _about("사용을 정지했습니다", "suspended"),
    "people.resume": _about("정지를 풀었습니다", "let back in"),
    "people.remove": _about("내보냈습니다", "shut out"),
    "people.invite": _about("초대 링크를 만들었습니다", "made an invitation for"),
    "people.join": _about("초대로 들어왔습니다", "joined by an invitation"),
    "people.request": _about("들어오기를 청했습니다", "asked to be let in"),
    "people.refuse": _about("들이지 않았습니다", "turned away"),
    "limits.raised": _limit,
    "limits.lowered": _limit,
    "stepup.enrolled": _factor("2단계 인증을 등록했습니다", "set up a second factor"),
    "stepup.passed": _factor("2단계 인증을 통과했습니다", "passed the second factor"),
    "stepup.wrong": _factor("2단계 인증이 틀렸습니다", "got the second factor wrong"),
    "stepup.removed": _factor("2단계 인증을 없앴습니다", "removed a second factor"),
    "stepup.unlocked": _factor("2단계 인증 잠금을 풀었습니다", "unlocked a second factor"),
    "bot.started": _started,
    "broker.lost": lambda f, o: (
        f"{o.pick('증권사 조회가 끊겼습니다', 'the broker cannot be read')}: {safe(f['code'] or '-', 20)}"
    ),
    "external.filled": lambda f, o: (
        f"{o.pick('다른 곳에서 낸 주문의 체결', 'an order made elsewhere filled')}: {safe(f['code'], 12)} {shares(int(f['filled']), o.lang)}"
    ),
    "audit.key_made": lambda f, o: (
        f"{o.pick('기록의 새 첫 키를 만들었습니다', 'made a new first key of the log')} ({safe(f['why'], 20)})"
    ),
}
