"""Paging by 100-character cursors that name the last row shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kis.sim.api.context import ApiCall

_WIDTH = 100
Row = TypeVar("Row")


class Page(NamedTuple, Generic[Row]):
    """A page of rows.

    Attributes:
        cursors: the two body fields that ask for the next page.
        tr_cont: F or M when more follow, D or E on the last.
        more: whether more follow.
    """

    rows: Sequence[Row]
    cursors: dict[str, str]
    tr_cont: str
    more: bool


def page(
    call: ApiCall,
    rows: Sequence[Row],
    size: int,
    *,
    key: Callable[[Row], str],
    searched: Sequence[str],
    joint: str = "^",
) -> Page[Row]:
    """The page a call requests.

    Args:
        call: with `tr_cont` N and the cursor of the page before, or neither.
        rows: all rows, in order.
        size: rows of a full page.
        key: a row's permanent name, so that rows added meanwhile do not shift the pages.
        searched: the query's values, repeated in the first cursor.
        joint: their separator.
    """
    cursor = str(call.fields.get("CTX_AREA_NK100", "")).strip()
    start = 0
    if call.tr_cont == "N" and cursor:
        keys = [key(row) for row in rows]
        start = keys.index(cursor) + 1 if cursor in keys else len(rows)
    shown = rows[start : start + size]
    more = start + size < len(rows)
    cursors = {
        "ctx_area_fk100": (joint.join(searched) + joint).ljust(_WIDTH)[:_WIDTH],
        "ctx_area_nk100": (key(shown[-1]) if more else "").ljust(_WIDTH),
    }
    tr_cont = ("M" if start else "F") if more else ("E" if start else "D")
    return Page(shown, cursors, tr_cont, more)
