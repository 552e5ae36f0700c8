"""/audit: the newest rows of the log in words, and what can be said of its chain."""

from collections.abc import Mapping

from bot.chat.i18n.catalogue import say
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.messages.audit_lines import deed_line
from bot.chat.ports import OrderHistory
from bot.chat.types import REFRESH, Button, Reply, Request
from bot.orders.model.timeline import AuditEntry, ChainState
from kis.krx import KST

FEW, MOST = 15, 40
"""Rows shown where no number is given, and at most; each is a line or two."""
_ROOM = 3_400


class AuditHandlers:
    """The handler of /audit. Who may ask is for the table of commands to say: admins."""

    def __init__(self, history: OrderHistory, frame: Frame) -> None:
        self._history = history
        self._frame = frame

    async def audit(self, request: Request) -> Reply:
        """/audit [줄 수]."""
        words = request.words.strip()
        if words and not (words.isascii() and words.isdigit() and 0 < int(words[:4]) <= MOST):
            return Reply(
                say(self._frame.lang, "1에서 {most} 사이의 수를 적어 주세요.", "A number from 1 to {most}.", most=MOST),
            )
        count = int(words) if words else FEW
        deeds = self._history.newest(count)
        lines = chain_lines(self._history.chain(), self._frame)
        room = _ROOM - sum(map(len, lines))
        orders = self._history.orders_of(deeds)
        shown: list[str] = []
        for deed in deeds:
            line = self._line(deed, orders)
            room -= len(line) + 1
            if room < 0:
                break
            shown.append(line)
        again = f"{REFRESH}/audit {count}"
        return Reply(
            "\n".join([*lines, "", *shown]),
            ((Button(self._frame.pick("🔄 새로고침", "🔄 refresh"), again),),),
        )

    def _line(self, deed: AuditEntry, orders: Mapping[int, int]) -> str:
        about = f" · #{orders[deed.seq]}" if deed.seq in orders else ""
        return f"<code>{deed.seq}</code> {deed_line(deed, self._frame, dated=True)}{about}"


def chain_lines(state: ChainState, frame: Frame) -> list[str]:
    """What can be said of the chain here, and how to have it proven elsewhere."""
    lines = [
        f"🧾 <b>{frame.pick('감사 기록', 'Audit log')}</b> {frame.badge}",
        f"{frame.pick('줄 수', 'rows')} {state.rows:,} · {frame.pick('머리값', 'head')} <code>{safe(state.head or '-', 40)}</code>",
    ]
    if state.last is None:
        lines.append(frame.pick("아직 게시한 머리값이 없습니다.", "No head was posted yet."))
    else:
        last = state.last
        lines.append(
            f"{frame.pick('마지막 게시', 'last posted')} {last.at.astimezone(KST):%m/%d %H:%M} <code>{last.seq}:{safe(last.head, 16)}</code>",
        )
    if not state.agrees:
        lines.append(
            frame.pick(
                "🚨 <b>게시한 머리값과 지금의 기록이 다릅니다. 누군가 고쳤습니다.</b>",
                "🚨 <b>The rows no longer bear a head that was posted: somebody changed them.</b>",
            ),
        )
    if state.key_here:
        lines.append(
            frame.pick(
                "⚠️ 첫 키가 아직 이 컴퓨터에 있어 기록을 지키지 못합니다. 한 번 실행하세요: <code>kisbot audit key</code>",
                "⚠️ The first key still lies on this machine and protects nothing. Run once: <code>kisbot audit key</code>",
            ),
        )
    head = f"{state.last.seq}:{safe(state.last.head, 16)}" if state.last else frame.pick("줄번호:머리값", "SEQ:HEX")
    lines.append(
        f"{frame.pick('고친 곳이 없는지 증명하려면, 따로 둔 첫 키로', 'To prove that nothing was changed, with the first key you keep')}: "
        f"<code>kisbot audit verify --key FILE --head {head}</code>",
    )
    return lines
