"""Keyboards under messages, checked as Telegram checks them.

Source: Telegram Bot API, "InlineKeyboardMarkup", "InlineKeyboardButton", "ReplyKeyboardMarkup".
"""

from __future__ import annotations

from typing import Any

from bot.demo.parameters import bad_request

_DATA_LIMIT = 64  # bytes of callback_data
_BUTTON_LIMIT = 100  # of one keyboard
_OTHER_MARKUPS = ("keyboard", "remove_keyboard", "force_reply")


def checked(markup: Any) -> dict[str, Any] | None:
    """Return the markup if Telegram would take it; None for none or an empty inline keyboard.

    Raises:
        MethodRefused: malformed, a button without text or action, or callback_data that is empty or over 64 bytes.
    """
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" not in markup:
        if not any(kind in markup for kind in _OTHER_MARKUPS):
            raise bad_request("can't parse reply markup: there is no keyboard in it")
        return markup
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    kept = [[_button(one) for one in row] for row in rows if row]
    if sum(map(len, kept)) > _BUTTON_LIMIT:
        raise bad_request("reply markup is too long")
    return {"inline_keyboard": kept} if kept else None


def _button(button: Any) -> dict[str, Any]:
    if not isinstance(button, dict):
        raise bad_request("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    text = button.get("text")
    if not isinstance(text, str) or not text.strip():
        raise bad_request("can't parse inline keyboard button: button text must be non-empty")
    if "callback_data" in button:
        data = button["callback_data"]
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= _DATA_LIMIT:
            raise bad_request("BUTTON_DATA_INVALID")
    elif "url" in button:
        if not str(button["url"]).startswith(("http://", "https://", "tg://")):
            raise bad_request("BUTTON_URL_INVALID")
    else:
        raise bad_request("BUTTON_TYPE_INVALID")
    return button
