"""/watch: a person's stocks in one message that is brought up to date in place."""

import html
from collections.abc import Sequence

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


class WatchlistHandlers:
    """The handler of /watch, and of the buttons that begin with `types.WATCH`."""

    def __init__(self, lists: Watchlists, symbols: StockLookup, frame: Frame, post: Post) -> None:
        self._lists = lists
        self._symbols = symbols
        self._frame = frame
        self._post = post

    # --- words --------------------------------------------------------------------------------------------------------

    async def watch(self, request: Request) -> Reply | None:
        """/watch [종목, … | 삭제 종목 | 비우기]."""
        head, _, rest = request.words.partition(" ")
        if not head:
            return await self._show(request)
        if head.lower() in CLEARING and not rest:
            count = len(self._lists.of(request.actor.user_id))
            return clear_card(count, self._frame) if count else await self._show(request)
        if head.lower() in DELETE:
            return await self._delete(request, rest)
        return await self._add(request)

    async def _show(self, request: Request, notes: Sequence[str] = ()) -> Reply:
        look, before = await self._lists.show(request.actor.user_id, reply_key(request.update_id))
        self._moved(request, before)
        return watchlist_card(look, self._frame, tuple(notes))

    async def _add(self, request: Request) -> Reply:
        if not len(self._symbols):
            return self._said([reason("NO_TABLE", {}, self._frame.lang)])
        found, unclear = stocks_in(request.words, self._symbols)
        notes = self._put(request.actor.user_id, found)
        fits = {
            text: self._symbols.search(text, limit=max(2, MOST_ASKED // len(unclear))) for text in unclear[:MOST_ASKED]
        }
        notes += [reason("NO_STOCK", {"text": text[:20]}, self._frame.lang) for text, some in fits.items() if not some]
        if any(fits.values()):
            return self._ask_which({text: some for text, some in fits.items() if some}, notes)
        return await self._show(request, notes) if found else self._said([*notes, self._commas()])

    def _put(self, user_id: int, stocks: Sequence[Stock]) -> list[str]:
        """Add them, and say of each what became of it."""
        there = {one.code for one in self._lists.of(user_id)}
        added = set(self._lists.add(user_id, [(one.code, one.name) for one in stocks]))
        told: dict[str, list[str]] = {}
        for one in dict.fromkeys(stocks):
            words = (
                msgid("⭐ Added: {names}") if one.code in added
                else msgid("ℹ️ Already there: {names}") if one.code in there
                else msgid("🚫 {most} stocks at most; not added: {names}")
            )  # fmt: skip
            told.setdefault(words, []).append(one.name)
        return [self._frame.text(words, most=MAX_STOCKS, names=", ".join(names)) for words, names in told.items()]

    def _ask_which(self, fits: dict[str, list[Stock]], notes: Sequence[str]) -> Reply:
        questions = [self._frame.text("'{text}' — which one?", text=text[:20]) for text in fits]
        rows = [row for some in fits.values() for row in keyboards.stocks(some, "/watch", "")]
        return self._said([*notes, *questions], tuple(rows))

    def _said(self, lines: Sequence[str], buttons: Buttons = ()) -> Reply:
        """An answer that does not show the list."""
        return Reply("\n".join([heading(self._frame), *lines]), buttons)

    def _commas(self) -> str:
        return self._frame.text("Put commas between several stocks.")

    async def _delete(self, request: Request, words: str) -> Reply:
        user_id = request.actor.user_id
        mine = {one.code: one for one in self._lists.of(user_id)}
        found, unclear = stocks_in(words, self._symbols)
        codes = [one.code for one in found] + [text.upper() for text in unclear]
        gone = [mine[code] for code in dict.fromkeys(codes) if code in mine]
        if not gone:
            near = [one for one in mine.values() if words and words.casefold() in one.name.casefold()]
            note = self._frame.text(
                "🚫 Not on your list: {text}", text=words[:20] or self._frame.text("(which stock?)")
            )
            buttons = tuple(
                (Button(f"🗑 {one.name} {one.code}", f"/watch 삭제 {one.code}"),) for one in near[:MOST_ASKED]
            )
            return self._said([note], buttons)
        self._lists.remove(user_id, [one.code for one in gone])
        names = ", ".join(one.name for one in gone)
        return await self._show(request, [self._frame.text("🗑 Removed: {names}", names=names)])

    # --- taps ---------------------------------------------------------------------------------------------------------

    async def tap(self, data: str, request: Request) -> CallbackAnswer:
        """A button: `data` is what follows `types.WATCH`."""
        user_id, code = request.actor.user_id, data[1:]
        if f"{WATCH}{data}".startswith(STAR):
            return self._star(user_id, code)
        if f"{WATCH}{data}".startswith(ADD):
            self._star(user_id, code)
        elif f"{WATCH}{data}".startswith(REMOVE):
            self._lists.remove(user_id, [code])
        elif data not in set(WatchlistTap):
            return CallbackAnswer()
        self._moved(request, self._lists.take(user_id, request.message_id))
        match data:
            case WatchlistTap.LIVE:
                return self._live(user_id)
            case WatchlistTap.PAUSE:
                self._lists.pause(user_id)
            case WatchlistTap.EDIT:
                self._lists.edit(user_id)
            case WatchlistTap.CLEAR:
                self._lists.remove(user_id, [one.code for one in self._lists.of(user_id)])
                await self._lists.refresh(user_id)
            case _:
                await self._lists.refresh(user_id)
        return CallbackAnswer()

    def _live(self, user_id: int) -> CallbackAnswer:
        if self._lists.live(user_id):
            return CallbackAnswer(self._frame.text("▶️ Live for five minutes."))
        if not self._lists.of(user_id):
            return CallbackAnswer()
        closed = self._frame.text("🌙 The market is closed: nothing is live.")
        return CallbackAnswer(closed, alert=True)

    def _star(self, user_id: int, code: str) -> CallbackAnswer:
        stock = self._symbols.get(code)
        if stock is None:
            missing = "NO_STOCK" if len(self._symbols) else "NO_TABLE"
            return CallbackAnswer(reason(missing, {"text": code[:20]}, self._frame.lang), alert=True)
        (note,) = self._put(user_id, [stock])
        return CallbackAnswer(html.unescape(note))

    def _moved(self, request: Request, before: int | None) -> None:
        """The message that showed the list until now says where it went."""
        if before is not None:
            data = {**outgoing(moved_card(self._frame)), "message_id": before}
            self._post("edit", request.actor.chat_id, data, f"moved:{request.update_id}")


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
