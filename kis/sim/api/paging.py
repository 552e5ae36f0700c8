"""Lists of the ledger, paged by 100-character cursors that name the last row shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from kis.sim.api.context import ApiCall, ApiContext, queried
from kis.sim.api.responses import SimResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH = 100
DONE = ("KIOK0510", "조회가 완료되었습니다")
NO_ROWS = ("KIOK0560", "조회할 내용이 없습니다.")
CONTINUED = "조회가 계속됩니다..다음버튼을 Click 하십시오."
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
    broker: ApiContext,
    call: ApiCall,
    rows: Sequence[Row],
    size: int | None,
    *,
    key: Callable[[Row], str],
    searched: Sequence[str] = (),
    joint: str = "^",
) -> Page[Row]:
    """The page a call requests.

    Args:
        broker: whose account number precedes the query's values in the first cursor.
        call: with `tr_cont` N and the cursor of the page before, or neither.
        rows: all rows, in order.
        size: rows of a full page; None for all.
        key: a row's permanent name, so that rows added meanwhile do not shift the pages.
        searched: the query's values.
        joint: their separator.
    """
    size = size or len(rows)
    cursor = str(call.fields.get("CTX_AREA_NK100", "")).strip()
    start = 0
    if call.tr_cont == "N" and cursor:
        keys = [key(row) for row in rows]
        start = keys.index(cursor) + 1 if cursor in keys else len(rows)
    shown = rows[start : start + size]
    more = start + size < len(rows)
    cursors = {
        "ctx_area_fk100": "".join(value + joint for value in (*broker.account.split("-"), *searched)).ljust(_WIDTH)[
            :_WIDTH
        ],
        "ctx_area_nk100": (key(shown[-1]) if more else "").ljust(_WIDTH),
    }
    tr_cont = ("M" if start else "F") if more else ("E" if start else "D")
    return Page(shown, cursors, tr_cont, more)


def paged_response(
    broker: ApiContext,
    shown: Page[Any],
    outputs: dict[str, Any],
    done: tuple[str, str] = DONE,
    continued: str = "KIOK0500",
) -> SimResponse:
    """The response with a page: cursors, outputs, and the code and message that say whether more follow."""
    message = (continued, CONTINUED) if shown.more else done
    return SimResponse({**shown.cursors, **outputs, **queried(broker, *message)}, tr_cont=shown.tr_cont)
