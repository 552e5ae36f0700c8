"""Limits of one person, or of the account, that differ from the settings: what may be set, and what is a raise. Pure.

Lowering counts at once. Raising counts from the next trading day, so that nobody raises a limit and uses it within the
hour.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from bot.orders.access.roles import Actor, Role
from bot.orders.risk.checks import Limits

ACCOUNT = 0
"""Stands for the account in the place of a person's id."""

Value = int | bool | Decimal


@dataclass(frozen=True)
class SettableLimit:
    """One limit that can be set. `name` is the field of `Limits`."""

    name: str
    korean: str
    read: Callable[[str], Value | None]
    none_is_zero: bool = False
    """Whether 0 means any number."""
    account: bool = False

    def looser(self, one: Value, other: Value) -> bool:
        """Whether `one` allows more than `other`."""
        if self.none_is_zero and 0 in (one, other):
            return not one and bool(other)
        return one > other

    def shown(self, value: Value) -> object:
        """As a sentence takes it: a number, or a word for the catalogue."""
        if isinstance(value, bool):
            return "ON" if value else "OFF"
        if self.none_is_zero and value == 0:
            return "ANY_NUMBER"
        return f"{value:f}" if isinstance(value, Decimal) else value


def _count(text: str) -> int | None:
    """A whole number; commas must stand between thousands."""
    bare = text.removesuffix("원").removesuffix("주").removesuffix("건")
    digits = bare.replace(",", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 12:  # noqa: PLR2004  # a trillion won
        return None
    value = int(digits)
    return value if bare in {digits, f"{value:,}"} else None


def _positive(text: str) -> int | None:
    return _count(text) or None


def _percent(text: str) -> Decimal | None:
    try:
        value = Decimal(text.removesuffix("%"))
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 < value <= 30 else None  # noqa: PLR2004  # the exchange's own price limit


def _switch(text: str) -> bool | None:
    return {"on": True, "켬": True, "true": True, "off": False, "끔": False, "false": False}.get(text.lower())


ITEMS: Mapping[str, SettableLimit] = {
    one.name: one
    for one in (
        SettableLimit("max_quantity", "1회수량", _positive),
        SettableLimit("soft_value", "두번확인", _positive),
        SettableLimit("max_value", "1회금액", _positive),
        SettableLimit("day_value_user", "하루금액", _positive),
        SettableLimit("day_orders_user", "하루건수", _count, none_is_zero=True),
        SettableLimit("orders_per_minute", "분당건수", _count, none_is_zero=True),
        SettableLimit("collar_deny", "괴리율", _percent),
        SettableLimit("market_orders", "시장가", _switch),
        SettableLimit("day_value_account", "계좌하루금액", _positive, account=True),
    )
}
BY_WORD: Mapping[str, SettableLimit] = {word: one for one in ITEMS.values() for word in (one.name, one.korean)}


def with_overrides(limits: Limits, overrides: Mapping[str, Value]) -> Limits:
    """The settings' limits with a person's and the account's in their place, none contradicting another."""
    limits = replace(limits, **{name: value for name, value in overrides.items() if name in ITEMS})  # type: ignore[arg-type]  # the store reads each by its own item
    confirm = min(limits.collar_confirm, limits.collar_deny)
    return replace(
        limits,
        soft_value=min(limits.soft_value, limits.max_value),
        collar_confirm=confirm,
        collar_note=min(limits.collar_note, confirm),
    )


def may_set(actor: Actor, subject: int, role: Role | None, item: SettableLimit) -> bool:
    """Whether somebody may change this limit of this person (of that role) or of the account.

    Owners may change all of them; admins those of people below them.
    """
    if item.account != (subject == ACCOUNT):
        return False
    if actor.role is Role.OWNER:
        return True
    if item.account or role is None or not actor.role.covers(Role.ADMIN):
        return False
    return actor.role is not role and actor.role.covers(role)
