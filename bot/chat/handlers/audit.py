"""/audit: the newest rows of the log in words, and what can be said of its chain."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.messages.audit_lines import entry_line
from bot.chat.ports import OrderHistory
from bot.chat.types import REFRESH, Button, Reply, Request
from bot.orders.model.timeline import AuditEntry, ChainState
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
            line = self._line(entry, orders)
            room -= len(line) + 1
            if room < 0:
                break
            shown.append(line)
        again = f"{REFRESH}/audit {count}"
        return Reply("\n".join([*lines, "", *shown]), ((Button(self.frame.text("🔄 refresh"), again),),))

    def _line(self, entry: AuditEntry, orders: Mapping[int, int]) -> str:
        about = f" · #{orders[entry.seq]}" if entry.seq in orders else ""
        return f"<code>{entry.seq}</code> {entry_line(entry, self.frame, dated=True)}{about}"


def chain_lines(state: ChainState, frame: Frame) -> list[str]:
    """What can be said of the chain here, and how to have it proven elsewhere."""
    lines = [
        f"🧾 <b>{frame.text('Audit log')}</b> {frame.badge}",
        f"{frame.text('rows')} {state.rows:,} · {frame.text('head')} <code>{safe(state.head or '-', 40)}</code>",
    ]
    if state.last is None:
        lines.append(frame.text("No head was posted yet."))
    else:
        last = state.last
        lines.append(
            f"{frame.text('last posted')} {last.at.astimezone(KST):%m/%d %H:%M} <code>{last.seq}:{safe(last.head, 16)}</code>"
        )
    if not state.agrees:
        lines.append(frame.text("🚨 <b>The rows no longer bear a head that was posted: somebody changed them.</b>"))
    if state.key_here:
        lines.append(
            frame.text(
                "⚠️ The first key still lies on this machine and protects nothing. Run once: <code>kisbot audit key</code>"
            )
        )
    head = f"{state.last.seq}:{safe(state.last.head, 16)}" if state.last else frame.text("SEQ:HEX")
    lines.append(
        f"{frame.text('To prove that nothing was changed, with the first key you keep')}: "
        f"<code>kisbot audit verify --key FILE --head {head}</code>"
    )
    return lines
