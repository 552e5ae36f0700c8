"""/audit: the newest rows of the log in words, and what can be said of its chain."""

from dataclasses import dataclass

from bot.chat import keyboards
from bot.chat.i18n.catalogue import msgid
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.messages.audit_lines import entry_line
from bot.chat.ports import OrderHistory
from bot.chat.types import Reply, Request
from bot.orders.model.timeline import ChainState
from kis.krx import KST

FEW, MOST = 15, 40
"""Rows shown where no number is given, and at most; each is a line or two."""
_ROOM = 3_400


@dataclass(frozen=True)
class AuditHandlers:
    """The handler of /audit. Who may ask is for the table of commands to say: admins."""

    history: OrderHistory
    frame: Frame

    async def audit(self, request: Request) -> Reply:
        """/audit [줄 수]."""
        words = request.words.strip()
        if words and not (words.isascii() and words.isdigit() and 0 < int(words[:4]) <= MOST):
            return Reply(self.frame.text("A number from 1 to {most}.", most=MOST))
        count = int(words) if words else FEW
        entries = self.history.newest(count)
        lines = chain_lines(self.history.chain(), self.frame)
        room = _ROOM - sum(map(len, lines))
        orders = self.history.orders_of(entries)
        shown: list[str] = []
        for entry in entries:
            about = f" · #{orders[entry.seq]}" if entry.seq in orders else ""
            line = f"<code>{entry.seq}</code> {entry_line(entry, self.frame, dated=True)}{about}"
            room -= len(line) + 1
            if room < 0:
                break
            shown.append(line)
        return Reply("\n".join([*lines, "", *shown]), ((keyboards.refresh(f"/audit {count}", self.frame.lang),),))


def chain_lines(state: ChainState, frame: Frame) -> list[str]:
    """What can be said of the chain here, and how to have it proven elsewhere."""
    last: str = frame.text("No head was posted yet.")
    head: str = frame.text("SEQ:HEX")
    if state.last is not None:
        head = f"{state.last.seq}:{safe(state.last.head, 16)}"
        last = f"{frame.text('last posted')} {state.last.at.astimezone(KST):%m/%d %H:%M} <code>{head}</code>"
    lines = [
        f"🧾 <b>{frame.text('Audit log')}</b> {frame.badge}",
        f"{frame.text('rows')} {state.rows:,} · {frame.text('head')} <code>{safe(state.head or '-', 40)}</code>",
        last,
    ]
    if not state.agrees:
        lines.append(frame.text("🚨 <b>The rows no longer bear a head that was posted: somebody changed them.</b>"))
    if state.key_here:
        words = msgid("⚠️ The first key still lies on this machine and protects nothing. Run once: <code>kisbot audit key</code>")  # fmt: skip
        lines.append(frame.text(words))
    lines.append(
        f"{frame.text('To prove that nothing was changed, with the first key you keep')}: "
        f"<code>kisbot audit verify --key FILE --head {head}</code>"
    )
    return lines
