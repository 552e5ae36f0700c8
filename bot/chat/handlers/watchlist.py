"""/watch: a person's stocks in one message that is brought up to date in place."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from bot.chat import keyboards
from bot.chat.i18n.catalogue import msgid, reason
from bot.chat.i18n.frame import Frame
from bot.chat.messages.watchlist_messages import (
    ADD,
    MAX_STOCKS,
    REMOVE,
    WatchlistTap,
    clear_card,
    heading,
    moved_card,
    watchlist_card,
)
from bot.chat.parsing.alert_args import DELETE
from bot.chat.parsing.order_args import split_stock
from bot.chat.ports import Post, StockLookup, Watchlists
from bot.chat.types import STAR, WATCH, Button, Buttons, CallbackAnswer, Reply, Request, outgoing, reply_key
from kis.symbols import Stock

CLEARING = frozenset({"비우기", "clear"})
MOST_ASKED = 8
"""Stocks that a name may be asked back with."""


@dataclass(frozen=True)
class WatchlistHandlers:
    """The handler of /watch, and of the buttons that begin with `types.WATCH`."""

    lists: Watchlists
    symbols: StockLookup
    frame: Frame
    post: Post

    async def watch(self, request: Request) -> Reply | None:
        """/watch [종목, … | 삭제 종목 | 비우기]."""
        head, _, rest = request.words.partition(" ")
        if not head:
            return await self._show(request)
        if head.lower() in CLEARING and not rest:
            count = len(self.lists.of(request.actor.user_id))
            return clear_card(count, self.frame) if count else await self._show(request)
        if head.lower() in DELETE:
            return await self._delete(request, rest)
        return await self._add(request)

    async def _show(self, request: Request, notes: Sequence[str] = ()) -> Reply:
        view, before = await self.lists.show(request.actor.user_id, reply_key(request.update_id))
        self._moved(request, before)
        return watchlist_card(view, self.frame, tuple(notes))

    async def _add(self, request: Request) -> Reply:
        if not len(self.symbols):
            return self._without_list([reason("NO_TABLE", {}, self.frame.lang)])
        found, unclear = stocks_in(request.words, self.symbols)
        notes = self._put(request.actor.user_id, found)
        rows: list[tuple[Button, ...]] = []
        questions: list[str] = []
        for text in dict.fromkeys(unclear[:MOST_ASKED]):
            fits = self.symbols.search(text, limit=max(2, MOST_ASKED // len(unclear)))
            if fits:
                questions.append(self.frame.text("'{text}' — which one?", text=text[:20]))
                rows += keyboards.stocks(fits, "/watch", "")
            else:
                notes.append(reason("NO_STOCK", {"text": text[:20]}, self.frame.lang))
        if questions:
            return self._without_list([*notes, *questions], tuple(rows))
        if found:
            return await self._show(request, notes)
        return self._without_list([*notes, self.frame.text("Put commas between several stocks.")])

    def _put(self, user_id: int, stocks: Sequence[Stock]) -> list[str]:
        """Add them, and say of each what became of it."""
        there = dict(self.lists.of(user_id))
        added = set(self.lists.add(user_id, [(one.code, one.name) for one in stocks]))
        named: dict[str, list[str]] = {}
        for one in dict.fromkeys(stocks):
            words = (
                msgid("⭐ Added: {names}") if one.code in added
                else msgid("ℹ️ Already there: {names}") if one.code in there
                else msgid("🚫 {most} stocks at most; not added: {names}")
            )  # fmt: skip
            named.setdefault(words, []).append(one.name)
        return [self.frame.text(words, most=MAX_STOCKS, names=", ".join(names)) for words, names in named.items()]

    def _without_list(self, lines: Sequence[str], buttons: Buttons = ()) -> Reply:
        """An answer that does not show the list."""
        return Reply("\n".join([heading(self.frame), *lines]), buttons)

    async def _delete(self, request: Request, words: str) -> Reply:
        user_id = request.actor.user_id
        mine = dict(self.lists.of(user_id))
        found, unclear = stocks_in(words, self.symbols)
        codes = [one.code for one in found] + [text.upper() for text in unclear]
        gone = {code: mine[code] for code in codes if code in mine}
        if not gone:
            near = [(code, name) for code, name in mine.items() if words and words.casefold() in name.casefold()]
            note = self.frame.text("🚫 Not on your list: {text}", text=words[:20] or self.frame.text("(which stock?)"))
            buttons = tuple((Button(f"🗑 {name} {code}", f"/watch 삭제 {code}"),) for code, name in near[:MOST_ASKED])
            return self._without_list([note], buttons)
        self.lists.remove(user_id, list(gone))
        names = ", ".join(gone.values())
        return await self._show(request, [self.frame.text("🗑 Removed: {names}", names=names)])

    async def tap(self, data: str, request: Request) -> CallbackAnswer:
        """A button: `data` is what follows `types.WATCH`."""
        user_id, code = request.actor.user_id, data[1:]
        if f"{WATCH}{data}".startswith(STAR):
            return self._star(user_id, code)
        if f"{WATCH}{data}".startswith(ADD):
            self._star(user_id, code)
        elif f"{WATCH}{data}".startswith(REMOVE):
            self.lists.remove(user_id, [code])
        elif data not in set(WatchlistTap):
            return CallbackAnswer()
        self._moved(request, self.lists.take(user_id, request.message_id))
        match data:
            case WatchlistTap.LIVE:
                return self._live(user_id)
            case WatchlistTap.PAUSE:
                self.lists.pause(user_id)
            case WatchlistTap.EDIT:
                self.lists.edit(user_id)
            case WatchlistTap.CLEAR:
                self.lists.remove(user_id, [code for code, _ in self.lists.of(user_id)])
                await self.lists.refresh(user_id)
            case _:
                await self.lists.refresh(user_id)
        return CallbackAnswer()

    def _live(self, user_id: int) -> CallbackAnswer:
        if self.lists.live(user_id):
            return CallbackAnswer(self.frame.text("▶️ Live for five minutes."))
        if not self.lists.of(user_id):
            return CallbackAnswer()
        closed = self.frame.text("🌙 The market is closed: nothing is live.")
        return CallbackAnswer(closed, alert=True)

    def _star(self, user_id: int, code: str) -> CallbackAnswer:
        stock = self.symbols.get(code)
        if stock is None:
            missing = "NO_STOCK" if len(self.symbols) else "NO_TABLE"
            return CallbackAnswer(reason(missing, {"text": code[:20]}, self.frame.lang), alert=True)
        (note,) = self._put(user_id, [stock])
        return CallbackAnswer(html.unescape(note))

    def _moved(self, request: Request, before: int | None) -> None:
        """The message that showed the list until now says where it went."""
        if before is not None:
            data = {**outgoing(moved_card(self.frame)), "message_id": before}
            self.post("edit", request.actor.chat_id, data, f"moved:{request.update_id}")


def stocks_in(words: str, symbols: StockLookup) -> tuple[list[Stock], list[str]]:
    """The stocks that words name, and the pieces between commas that are not one.

    Between blanks the longest name wins: "KODEX 200" is one stock.
    """
    found: list[Stock] = []
    unclear: list[str] = []
    for piece in words.split(","):
        rest = piece.split()
        while rest:
            stock, _, tail = split_stock(" ".join(rest), symbols)
            if stock is None:
                unclear.append(" ".join(rest))
                break
            found.append(stock)
            rest = tail
    return found, unclear
