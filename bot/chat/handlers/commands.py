"""The table of commands, from which handlers, Telegram's menu, /help and the usage lines are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.chat.i18n.catalogue import MessageIds, msgid, reason, translate
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame, Mode
from bot.chat.i18n.language import Lang
from bot.chat.parsing.order_args import BadArguments
from bot.chat.types import Button, Buttons, Chart, Handler, Reply, Request
from bot.orders.access.roles import Role
from bot.orders.model.reason import Reason


@dataclass(frozen=True)
class Command:
    """One command: `trades` marks those that are not carried out when late, `urgent` those that overtake all others."""

    name: str
    korean: str
    """The same in Korean, typed after a slash; Telegram's own menu knows only Latin letters."""
    role: Role
    summary: str
    """What it does, in a few words: a message id."""
    args: str = ""
    """What follows it: a message id."""
    example: str = ""
    needs_words: bool = False
    trades: bool = False
    urgent: bool = False

    def usage(self, lang: Lang) -> str:
        """How it is written."""
        return f"/{self.name} {translate(lang, self.args)}" if self.args else f"/{self.name}"

    def help(self, lang: Lang) -> str:
        """What it does, in a few words."""
        return translate(lang, self.summary)


COMMANDS: tuple[Command, ...] = (
    Command("price", "현재가", Role.VIEWER, msgid("price, change and limits"), msgid("stock"), "/price 삼성전자", needs_words=True),
    Command("book", "호가", Role.VIEWER, msgid("five best prices on either side"), msgid("stock"), "/book 005930", needs_words=True),
    Command("chart", "차트", Role.VIEWER, msgid("candles, volume, moving averages, your average price"), msgid("stock [day|week|month|minute]"), "/chart 005930", needs_words=True),
    Command("buy", "매수", Role.TRADER, msgid("a buy ticket, sent when you confirm"), msgid("stock [quantity] [price|market]"), "/buy 005930 10 71000", needs_words=True, trades=True),
    Command("sell", "매도", Role.TRADER, msgid("a sell ticket, sent when you confirm"), msgid("stock [quantity|all] [price|market]"), "/sell 005930 10 시장가", needs_words=True, trades=True),
    Command("cancel", "취소", Role.TRADER, msgid("open orders, with a button to cancel each"), msgid("[order number|all]"), "/cancel", trades=True, urgent=True),
    Command("revise", "정정", Role.TRADER, msgid("change the price of an open order"), msgid("order number [price|market]"), "/revise 0000117057 71500", needs_words=True, trades=True),
    Command("orders", "미체결", Role.VIEWER, msgid("open orders and today's fills")),
    Command("balance", "잔고", Role.VIEWER, msgid("holdings, profit and cash")),
    Command("pnl", "손익", Role.VIEWER, msgid("realised and unrealised profit, fees and tax"), msgid("[week|month|date]"), "/pnl 주"),
    Command("fills", "체결", Role.VIEWER, msgid("a day's fills, HTS and MTS included"), msgid("[date]"), "/fills 어제"),
    Command("top", "거래량", Role.VIEWER, msgid("most traded stocks"), msgid("[count]"), "/top 20"),
    Command("index", "지수", Role.VIEWER, msgid("KOSPI, KOSDAQ and KOSPI 200")),
    Command("status", "상태", Role.VIEWER, msgid("whether orders go out, and what is under way")),
    Command("halt", "중지", Role.VIEWER, msgid("stop new orders at once"), msgid("[buys|new|all|freeze]"), "/halt", urgent=True),
    Command("resume", "재개", Role.ADMIN, msgid("let orders go out again, if another administrator agrees")),
    Command("policy", "정책", Role.VIEWER, msgid("whose consent orders need")),
    Command("why", "전말", Role.TRADER, msgid("the story of one order"), msgid("[order number|#ticket]"), "/why #12"),
    Command("audit", "기록", Role.ADMIN, msgid("the audit log's newest rows and its chain"), msgid("[rows]"), "/audit 20"),
    Command("pin", "핀", Role.VIEWER, msgid("choose or change your PIN")),
    Command("limits", "한도", Role.VIEWER, msgid("your limits; admins: everybody's"), msgid("[person|account] [item value|default]")),
    Command("users", "사용자", Role.ADMIN, msgid("people and their roles"), msgid("[id [what]]"), "/users"),
    Command("invite", "초대", Role.ADMIN, msgid("an invitation for one person"), msgid("role [name]"), "/invite trader 홍길동", needs_words=True),
    Command("alert", "알림", Role.VIEWER, msgid("be told of a price, a move, volume or your holdings"), msgid("[stock condition [repeat] [today|7d] | holdings percent]"), "/alert 005930 > 72000"),
    Command("alerts", "알림목록", Role.VIEWER, msgid("your alerts, with a button to delete each")),
    Command("settings", "설정", Role.VIEWER, msgid("what rings, quiet hours, the round-up, your language"), msgid("[item value]"), "/settings 체결 무음"),
    Command("watch", "관심", Role.VIEWER, msgid("your watch list's prices in one message"), msgid("[stock, … | delete stock | clear]"), "/watch 삼성전자, SK하이닉스"),
    Command("help", "도움말", Role.VIEWER, msgid("the commands")),
    Command("start", "시작", Role.VIEWER, msgid("which account this is, and your role")),
)  # fmt: skip

OF_THE_TABLE = frozenset({"help", "start"})
"""Commands that answer from the table itself."""


def usage(command: Command, lang: Lang) -> Reply:
    """One line of how the command is written."""
    return Reply(f"{safe(command.usage(lang))}\n{translate(lang, 'e.g.')}: <code>{safe(command.example)}</code>")


def refusal(reasons: Sequence[Reason], frame: Frame) -> Reply:
    """Why a command is not carried out, a line for each reason."""
    return Reply("\n".join(f"🚫 {reason(one.code, one.values, frame.lang)}" for one in reasons))


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
        self.urgent_words = frozenset(word for word, one in self.by_word.items() if one.urgent)
        self.table = table
        self._by_name = by_name
        self._frame = frame

    async def answer(self, command: Command, request: Request) -> Reply | Chart | None:
        """Carry a command out for somebody whose role was found to be enough; arguments it cannot read are refused."""
        if command.needs_words and not request.words:
            return usage(command, self._frame.lang)
        if command.name in OF_THE_TABLE:
            show = welcome if command.name == "start" else help_card
            return show(request.actor.role, self._frame)
        try:
            return await self._by_name[command.name](request)
        except BadArguments as bad:
            return refusal([bad.reason], self._frame)


def allowed(role: Role) -> Sequence[Command]:
    """The commands this role may use, in the order of the menu."""
    return [one for one in COMMANDS if role.covers(one.role)]


def help_card(role: Role, frame: Frame) -> Reply:
    """/help: only what this person may use."""
    lang = frame.lang
    lines = [f"📖 <b>{translate(lang, 'Commands')}</b> {frame.badge}"]
    for one in allowed(role):
        if one.name == "start":
            continue
        korean = f" · /{one.korean}" if lang == "ko" else ""
        lines.append(f"<b>{safe(one.usage(lang))}</b>{korean}\n   {safe(one.help(lang))}")
    lines.append(translate(lang, "A stock is its 6-character code or exact name; send just that for its price."))
    return Reply("\n".join(lines), _first_steps(lang))


_ROLES: MessageIds[Role] = {
    Role.OWNER: "owner",
    Role.ADMIN: "administrator",
    Role.TRADER: "trader",
    Role.VIEWER: "viewer",
}


_MONEY: MessageIds[Mode] = {
    "practice": "Connected to a simulated broker: no real money moves.",
    "paper": "Connected to a paper account.",
    "real": "⚠️ Connected to a real account: orders are real.",
}


def welcome(role: Role, frame: Frame) -> Reply:
    """/start."""
    text = (
        f"👋 <b>kisbot</b> {frame.badge}\n{frame.text(_MONEY[frame.mode])}\n"
        f"{frame.text('account')} {frame.account} · {frame.text('role')}: {frame.text(_ROLES[role])}\n"
        f"{frame.text('Send the name of a stock, or see /help.')}"
    )
    return Reply(text, _first_steps(frame.lang))


def _first_steps(lang: Lang) -> Buttons:
    return (
        (Button("🏷 삼성전자", "/price 005930"), Button(translate(lang, "💼 balance"), "/balance")),
        (Button(translate(lang, "🏆 volume"), "/top"), Button(translate(lang, "📉 indices"), "/index")),
    )
