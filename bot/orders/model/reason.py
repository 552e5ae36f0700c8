"""Why an order may not go out, as a code and the values of its sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reason:
    """Why an order may not go out, or what there is to say about it."""

    code: str
    values: Mapping[str, object] = field(default_factory=dict)
