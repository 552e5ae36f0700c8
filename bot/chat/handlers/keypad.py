"""A keypad of buttons under a message: digits are tapped and never stand in the chat. The order of the digits is random.

The digits lie in another order on every keypad, and every key is good for one tap: then the same digit has another.
Which key is which digit is known to this process and to Telegram, which shows the keypad, and is stored nowhere.
"""

import random
import secrets
from collections.abc import Mapping
from enum import Enum
from typing import Any

from bot.chat.i18n.catalogue import translate
from bot.chat.i18n.language import Lang
from bot.chat.types import Button, Buttons

KEYPAD = "k:"
"""Before a single-use token in a button: it is a key of a keypad."""
_ERASE, _LEAVE = "⌫", "✖"


class KeypadResult(Enum):
    """What a tap on a keypad did."""

    NOTHING = "nothing"
    """Not a key of this keypad, or one that was tapped before."""
    CHANGED = "changed"
    FULL = "full"
    LEFT = "left"


class Keypad:
    """One keypad, for one entry."""

    def __init__(self, digits: int) -> None:
        self._digits = digits
        self._order = list("0123456789")
        random.SystemRandom().shuffle(self._order)
        self._signs: dict[str, str] = {}
        self._of: dict[str, str] = {}
        for sign in (*self._order, _ERASE, _LEAVE):
            self._renew(sign)
        self.entered = ""

    def _renew(self, sign: str) -> None:
        token = secrets.token_urlsafe(16)
        self._signs[token], self._of[sign] = sign, token

    @property
    def dots(self) -> str:
        """How many digits were entered, and how many are to come: ●●●○○○."""
        return "●" * len(self.entered) + "○" * (self._digits - len(self.entered))

    def press(self, token: str) -> KeypadResult:
        """Take a tap; its key is used up whatever comes of it."""
        sign = self._signs.pop(token, None)
        if sign is None:
            return KeypadResult.NOTHING
        self._renew(sign)
        if sign == _LEAVE:
            return KeypadResult.LEFT
        if sign == _ERASE:
            self.entered = self.entered[:-1]
            return KeypadResult.CHANGED
        if len(self.entered) == self._digits:
            return KeypadResult.NOTHING
        self.entered += sign
        return KeypadResult.FULL if len(self.entered) == self._digits else KeypadResult.CHANGED

    def buttons(self, lang: Lang) -> Buttons:
        """The buttons as they stand now."""
        signs = [self._order[0:3], self._order[3:6], self._order[6:9], [_LEAVE, self._order[9], _ERASE]]
        labels = {_LEAVE: translate(lang, "✖ leave")}
        return tuple(tuple(Button(labels.get(one, one), KEYPAD + self._of[one]) for one in row) for row in signs)


def without_keypads(body: Any) -> Any:
    """An update without the keypads in it: on disk nobody could then say which key was which digit."""
    if isinstance(body, Mapping):
        return {name: without_keypads(value) for name, value in body.items() if not _is_keypad(name, value)}
    if isinstance(body, list | tuple):
        return [without_keypads(one) for one in body]
    return body


def _is_keypad(name: str, value: Any) -> bool:
    if name != "reply_markup" or not isinstance(value, Mapping):
        return False
    rows = value.get("inline_keyboard") or ()
    return any(str(key.get("callback_data", "")).startswith(KEYPAD) for row in rows for key in row)
