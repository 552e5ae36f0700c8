"""Every command, once: the table makes the handlers, Telegram's menu, /help and the usage lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.chat.i18n.catalogue import say
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang
from bot.chat.types import Button, Chart, Handler, Reply, Request
from bot.orders.access.roles import Role


@dataclass(frozen=True)
class Command:
    """One command: `trades` marks those that are not carried out when they arrive late."""

    name: str
    korean: str
    """The same in Korean, typed after a slash; Telegram's own menu knows only Latin letters."""
    role: Role
    help_ko: str
    help_en: str
    args_ko: str = ""
    args_en: str = ""
    example: str = ""
    needs_words: bool = False
    trades: bool = False

    def usage(self, lang: Lang) -> str:
        """How it is written."""
        args = self.args_ko if lang == "ko" else self.args_en
        return f"/{self.name} {args}".rstrip()

    def help(self, lang: Lang) -> str:
        """What it does, in a few words."""
        return self.help_ko if lang == "ko" else self.help_en


COMMANDS: tuple[Command, ...] = (
    Command(
        "price", "현재가", Role.VIEWER, "현재가·등락·상하한가", "price, change and limits", "종목", "stock",
        "/price 삼성전자", needs_words=True,
    ),
    Command(
        "book", "호가", Role.VIEWER, "매도·매수 5호가와 잔량", "five best prices on either side", "종목", "stock",
        "/book 005930", needs_words=True,
    ),
    Command(
        "chart", "차트", Role.VIEWER, "봉차트·거래량·이동평균·내 평단", "candles, volume, moving averages, your average price",
        "종목 [일|주|월|분]", "stock [day|week|month|minute]", "/chart 005930", needs_words=True,
    ),
    Command(
        "buy", "매수", Role.TRADER, "매수 주문표 (확인을 눌러야 나갑니다)", "a buy ticket, sent when you confirm",
        "종목 [수량] [가격|시장가]", "stock [quantity] [price|market]", "/buy 005930 10 71000",
        needs_words=True, trades=True,
    ),
    Command(
        "sell", "매도", Role.TRADER, "매도 주문표 (확인을 눌러야 나갑니다)", "a sell ticket, sent when you confirm",
        "종목 [수량|전량] [가격|시장가]", "stock [quantity|all] [price|market]", "/sell 005930 10 시장가",
        needs_words=True, trades=True,
    ),
    Command(
        "cancel", "취소", Role.TRADER, "미체결 목록에서 골라 취소", "open orders, with a button to cancel each",
        "[주문번호|전체]", "[order number|all]", "/cancel", trades=True,
    ),
    Command(
        "revise", "정정", Role.TRADER, "미체결 주문의 가격 정정", "change the price of an open order",
        "주문번호 [가격|시장가]", "order number [price|market]", "/revise 0000117057 71500", needs_words=True, trades=True,
    ),
    Command("orders", "미체결", Role.VIEWER, "미체결과 오늘 체결", "open orders and today's fills"),
    Command("balance", "잔고", Role.VIEWER, "보유 종목·평가손익·예수금", "holdings, profit and cash"),
    Command(
        "pnl", "손익", Role.VIEWER, "실현손익·수수료·세금·평가손익", "realised and unrealised profit, fees and tax",
        "[주|월|날짜]", "[week|month|date]", "/pnl 주",
    ),
    Command(
        "fills", "체결", Role.VIEWER, "하루의 체결 내역 (HTS·MTS 주문 포함)", "a day's fills, HTS and MTS included",
        "[날짜]", "[date]", "/fills 어제",
    ),
    Command("top", "거래량", Role.VIEWER, "거래량 상위 종목", "most traded stocks", "[개수]", "[count]", "/top 20"),
    Command("index", "지수", Role.VIEWER, "코스피·코스닥·코스피200", "KOSPI, KOSDAQ and KOSPI 200"),
    Command("status", "상태", Role.VIEWER, "주문 중지 여부와 진행 중인 주문", "whether orders go out, and what is under way"),
    Command(
        "halt", "중지", Role.VIEWER, "새 주문을 즉시 중지", "stop new orders at once",
        "[매수|신규|전체취소|동결]", "[buys|new|all|freeze]", "/halt",
    ),
    Command("resume", "재개", Role.ADMIN, "중지 해제 (다른 관리자의 동의)", "let orders go out again, if another administrator agrees"),
    Command("policy", "정책", Role.VIEWER, "누구의 승인이 필요한지", "whose consent orders need"),
    Command(
        "why", "전말", Role.TRADER, "주문 하나의 전말: 누가 보고, 승인하고, 무엇이 오갔나", "the story of one order",
        "[주문번호|#접수번호]", "[order number|#ticket]", "/why #12",
    ),
    Command("audit", "기록", Role.ADMIN, "최근 감사 기록과 그 사슬", "the audit log's newest rows and its chain", "[줄 수]", "[rows]", "/audit 20"),
    Command("pin", "핀", Role.VIEWER, "본인 확인 PIN 정하기·바꾸기", "choose or change your PIN"),
    Command(
        "limits", "한도", Role.VIEWER, "내 한도, 관리자는 다른 사람 것도", "your limits; admins: everybody's",
        "[사람|계좌] [항목 값|기본]", "[person|account] [item value|default]",
    ),
    Command(
        "users", "사용자", Role.ADMIN, "사용자 목록과 권한", "people and their roles", "[번호 [할 일]]", "[id [what]]", "/users",
    ),
    Command(
        "invite", "초대", Role.ADMIN, "한 번 쓰는 초대 링크", "an invitation for one person",
        "권한 [이름]", "role [name]", "/invite trader 홍길동", needs_words=True,
    ),
    Command(
        "alert", "알림", Role.VIEWER, "가격·등락·거래량·보유 종목 알림", "be told of a price, a move, volume or your holdings",
        "[종목 조건 [반복] [오늘|7일] | 보유 비율]", "[stock condition [repeat] [today|7d] | holdings percent]",
        "/alert 005930 > 72000",
    ),
    Command("alerts", "알림목록", Role.VIEWER, "내 알림과 삭제 버튼", "your alerts, with a button to delete each"),
    Command(
        "settings", "설정", Role.VIEWER, "내 알림: 켬·무음·끔, 조용한 시간, 모음, 언어", "what rings, quiet hours, the round-up, your language",
        "[항목 값]", "[item value]", "/settings 체결 무음",
    ),
    Command(
        "watch", "관심", Role.VIEWER, "관심 종목의 시세를 한 메시지에서", "your watch list's prices in one message",
        "[종목, … | 삭제 종목 | 비우기]", "[stock, … | delete stock | clear]", "/watch 삼성전자, SK하이닉스",
    ),
    Command("help", "도움말", Role.VIEWER, "명령 안내", "the commands"),
    Command("start", "시작", Role.VIEWER, "연결된 계좌와 내 권한", "which account this is, and your role"),
)  # fmt: skip

OF_THE_TABLE = frozenset({"help", "start"})
"""Commands that answer from the table itself."""


def usage(command: Command, lang: Lang) -> Reply:
    """One line of how the command is written."""
    return Reply(f"{safe(command.usage(lang))}\n{say(lang, '예', 'e.g.')}: <code>{safe(command.example)}</code>")


class Handlers:
    """The table of commands, and which handler answers which."""

    def __init__(self, by_name: Mapping[str, Handler], frame: Frame, table: Sequence[Command] = COMMANDS) -> None:
        """`by_name`: a handler for every command of the table but the two that answer from it.

        Raises:
            ValueError: a command has no handler, or a handler no command.
        """
        odd = {one.name for one in table} ^ {*by_name, *OF_THE_TABLE}
        if odd:
            raise ValueError(f"commands and handlers do not agree: {', '.join(sorted(odd))}")
        self.by_word = {word: one for one in table for word in (one.name, one.korean)}
        """Each command by its Latin and by its Korean word."""
        self.table = table
        self._by_name = by_name
        self._frame = frame

    async def answer(self, command: Command, request: Request) -> Reply | Chart | None:
        """Carry a command out for somebody whose role was found to be enough."""
        if command.needs_words and not request.words:
            return usage(command, self._frame.lang)
        if command.name in OF_THE_TABLE:
            show = welcome if command.name == "start" else help_card
            return show(request.actor.role, self._frame)
        return await self._by_name[command.name](request)


def allowed(role: Role) -> Sequence[Command]:
    """The commands this role may use, in the order of the menu."""
    return [one for one in COMMANDS if role.covers(one.role)]


def help_card(role: Role, frame: Frame) -> Reply:
    """/help: only what this person may use."""
    lang = frame.lang
    lines = [f"📖 <b>{say(lang, '명령 안내', 'Commands')}</b> {frame.badge}"]
    for one in allowed(role):
        if one.name == "start":
            continue
        korean = f" · /{one.korean}" if lang == "ko" else ""
        lines.append(f"<b>{safe(one.usage(lang))}</b>{korean}\n   {safe(one.help(lang))}")
    lines.append(
        say(
            lang,
            "종목은 6자리 코드나 정확한 이름으로 적습니다. 이름만 보내면 현재가를 보여 드립니다.",
            "A stock is its 6-character code or exact name; send just that for its price.",
        ),
    )
    return Reply("\n".join(lines), _first_steps(lang))


def welcome(role: Role, frame: Frame) -> Reply:
    """/start."""
    lang = frame.lang
    money = {
        "practice": say(lang, "연습용 증권사에 연결되어 있습니다. 실제 돈이 움직이지 않습니다.", "Connected to a simulated broker: no real money moves."),
        "paper": say(lang, "모의투자 계좌에 연결되어 있습니다.", "Connected to a paper account."),
        "real": say(lang, "⚠️ 실전 계좌에 연결되어 있습니다. 주문은 실제로 체결됩니다.", "⚠️ Connected to a real account: orders are real."),
    }[frame.mode]  # fmt: skip
    roles = {
        Role.OWNER: ("소유자", "owner"),
        Role.ADMIN: ("관리자", "administrator"),
        Role.TRADER: ("매매자", "trader"),
        Role.VIEWER: ("조회 전용", "viewer"),
    }[role]
    text = (
        f"👋 <b>kisbot</b> {frame.badge}\n{money}\n"
        f"{say(lang, '계좌', 'account')} {frame.account} · {say(lang, '권한', 'role')}: {roles[0 if lang == 'ko' else 1]}\n"
        f"{say(lang, '종목 이름을 보내 보세요. 명령은 /help 에 있습니다.', 'Send the name of a stock, or see /help.')}"
    )
    return Reply(text, _first_steps(lang))


def _first_steps(lang: Lang) -> tuple[tuple[Button, ...], ...]:
    return (
        (Button("🏷 삼성전자", "/price 005930"), Button(say(lang, "💼 잔고", "💼 balance"), "/balance")),
        (Button(say(lang, "🏆 거래량", "🏆 volume"), "/top"), Button(say(lang, "📉 지수", "📉 indices"), "/index")),
    )
