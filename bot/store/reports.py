"""What reports need to remember: the bases of cost, and which closings were told, with what they said."""

import json
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.reports.cost import CostBase, Lot
from bot.reports.model import DayReport
from bot.store.outbox import Outbox
from bot.store.rows import Store

RETENTION = timedelta(days=400)
"""So long bases are kept: every month of the year can be worked out anew."""
_REPORT = TypeAdapter(DayReport)


class ReportStore(Store):
    """The tables of bases and closings."""

    def __init__(self, db: Database, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        super().__init__(db, clock)
        self._outbox = outbox

    def opened(self) -> datetime:
        """Since when this database knows the account: what closed before is nobody's to report."""
        return datetime.fromisoformat(self._db.table("identity").get(1)["since"])

    # --- bases --------------------------------------------------------------------------------------------------------

    def add_base(self, base: CostBase) -> None:
        """Keep one more, and forget those that nobody will ask for."""
        lots = {code: [lot.quantity, str(lot.average)] for code, lot in base.lots.items()}
        with self._db.atomic():
            bases = self._db.table("cost_base").delete_where("day < ?", [(base.day - RETENTION).isoformat()])
            row = {"at": base.at.isoformat(), "day": base.day.isoformat()}
            bases.insert({**row, "lots": json.dumps(lots), "seen": json.dumps(dict(base.seen))}, replace=True)

    def bases(self, first: date, last: date) -> list[CostBase]:
        """The last one taken before `first` (or the very first), all up to `last`, and the first after it; by time."""
        before = "SELECT coalesce((SELECT max(at) FROM cost_base WHERE day < ?), (SELECT min(at) FROM cost_base))"
        after = "SELECT coalesce((SELECT min(at) FROM cost_base WHERE day > ?), (SELECT max(at) FROM cost_base))"
        return self._read(f"at >= ({before}) AND at <= ({after})", [first.isoformat(), last.isoformat()])

    def newest_base(self) -> CostBase | None:
        """The one taken last."""
        return next(iter(self._read("at = (SELECT max(at) FROM cost_base)", [])), None)

    def _read(self, where: str, values: list[object]) -> list[CostBase]:
        return [_base(row) for row in self._db.table("cost_base").rows_where(where, values, order_by="at")]

    # --- closings -----------------------------------------------------------------------------------------------------

    def told(self, moment: datetime) -> bool:
        """Whether the report due at a moment was written for everybody."""
        return bool(self._db.table("closings").count_where("moment = ?", [moment.isoformat()]))

    def last_told(self, moment: datetime) -> DayReport | None:
        """The newest report of the same day before a moment."""
        before = "closings WHERE day = ? AND moment < ? ORDER BY moment DESC"
        row = self._row(before, moment.date().isoformat(), moment.isoformat())
        return _REPORT.validate_json(row["report"]) if row else None

    def tell(self, moment: datetime, report: DayReport, chats: Iterable[int], *, quiet: bool) -> None:
        """Queue a closing's report for every chat and remember it, once: all of it or nothing."""
        facts = _REPORT.dump_python(report, mode="json")
        data = {"moment": moment.isoformat(), "report": facts, **({"quiet": True} if quiet else {})}
        with self._db.atomic():
            closings = self._db.table("closings").delete_where("day < ?", [(moment.date() - RETENTION).isoformat()])
            row = {"moment": moment.isoformat(), "day": moment.date().isoformat()}
            closings.insert({**row, "report": json.dumps(facts), "told_at": self._clock().isoformat()}, ignore=True)
            for chat in chats:
                self._outbox.put("report", chat, data, f"report:{moment:%Y-%m-%d:%H%M}:{chat}")

    def unfinished(self, moment: datetime) -> bool:
        """Whether what follows the messages of a closing has yet to be done."""
        return bool(self._db.table("closings").count_where("moment = ? AND after_at IS NULL", [moment.isoformat()]))

    def finish(self, moment: datetime) -> None:
        """It is done."""
        self._db.execute(
            "UPDATE closings SET after_at = ? WHERE moment = ?", [self._clock().isoformat(), moment.isoformat()]
        )


def _base(row: dict[str, Any]) -> CostBase:
    lots = {code: Lot(quantity, Fraction(average)) for code, (quantity, average) in json.loads(row["lots"]).items()}
    seen = {key: (filled, amount) for key, (filled, amount) in json.loads(row["seen"]).items()}
    return CostBase(datetime.fromisoformat(row["at"]), lots, seen)
