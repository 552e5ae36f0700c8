"""Why an order is refused, as a code and the values of its sentence."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Reason:
    """Why an order is refused, or what its ticket says about it."""

    code: str
    values: Mapping[str, object] = field(default_factory=dict)


def plain(reasons: Sequence[Reason]) -> list[dict[str, object]]:
    """Reasons as JSON values, as a notice stores them."""
    return [
        {
            "code": one.code,
            "values": {k: v.isoformat() if isinstance(v, datetime) else v for k, v in one.values.items()},
        }
        for one in reasons
    ]


def as_text(reasons: Sequence[Reason]) -> str:
    """Reasons as JSON text, as an order stores them; empty for none."""
    return json.dumps(plain(reasons), ensure_ascii=False, default=str) if reasons else ""
