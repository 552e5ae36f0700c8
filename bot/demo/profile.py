"""The profile of the bot: its name, its descriptions and its menu of commands."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from bot.demo.chats import Feed
from bot.demo.parameters import Parameters, bad_request

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_MAX_COMMANDS = 100
_MAX_DESCRIPTION = 256
_MAX_LENGTHS = {"name": 64, "description": 512, "short_description": 120}  # characters


class Profile:
    """Name, descriptions and commands, each by language ("" for everyone else)."""

    def __init__(self, bot_id: int, username: str, name: str, feed: Feed) -> None:
        self.bot_id = bot_id
        self.username = username
        self.name = name
        self._feed = feed
        self._texts: dict[tuple[str, str], str] = {}
        self._commands: dict[tuple[str, int, str], list[dict[str, str]]] = {}

    @property
    def user(self) -> dict[str, Any]:
        """The bot as the Bot API's User."""
        return {"id": self.bot_id, "is_bot": True, "first_name": self.name, "username": self.username}

    def text(self, field: str, language: str = "ko") -> str:
        """Return the name, description or short_description shown to readers of a language."""
        default = self.name if field == "name" else ""
        return self._texts.get((field, language)) or self._texts.get((field, "")) or default

    def menu(self, chat_id: int, language: str = "ko") -> list[dict[str, str]]:
        """Return the commands a private chat shows: the narrowest scope that has any, its language first."""
        for scope, chat in (("chat", chat_id), ("all_private_chats", 0), ("default", 0)):
            for one in (language, ""):
                if (scope, chat, one) in self._commands:
                    return self._commands[scope, chat, one]
        return []

    def methods(self) -> dict[str, Callable[[Parameters], Awaitable[Any]]]:
        """The Bot API methods about the bot itself, by lower-case name."""
        table: dict[str, Callable[[Parameters], Awaitable[Any]]] = {
            "getme": self._get_me,
            "setmycommands": self._set_commands,
            "getmycommands": self._get_commands,
            "deletemycommands": self._delete_commands,
            "setchatmenubutton": self._set_menu_button,
        }
        for field in _MAX_LENGTHS:
            method = f"my{field.replace('_', '')}"
            table[f"set{method}"] = partial(self._set_text, field)
            table[f"get{method}"] = partial(self._get_text, field)
        return table

    async def _get_me(self, _call: Parameters) -> dict[str, Any]:
        return {
            **self.user,
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    async def _set_commands(self, call: Parameters) -> bool:
        commands = call.nested("commands")
        if not isinstance(commands, list) or len(commands) > _MAX_COMMANDS:
            raise bad_request("can't parse commands: expected an Array of at most 100 BotCommand")
        for command in commands:
            if not isinstance(command, dict) or not _COMMAND.fullmatch(str(command.get("command", ""))):
                raise bad_request("BOT_COMMAND_INVALID")
            if not 1 <= len(str(command.get("description", "")).strip()) <= _MAX_DESCRIPTION:
                raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        self._commands[_scope(call)] = commands
        self._feed.publish("profile")
        return True

    async def _get_commands(self, call: Parameters) -> list[dict[str, str]]:
        return self._commands.get(_scope(call), [])

    async def _delete_commands(self, call: Parameters) -> bool:
        self._commands.pop(_scope(call), None)
        self._feed.publish("profile")
        return True

    async def _set_menu_button(self, _call: Parameters) -> bool:
        return True

    async def _set_text(self, field: str, call: Parameters) -> bool:
        text = call.text(field)
        if len(text) > _MAX_LENGTHS[field]:
            raise bad_request(f"{field.replace('_', ' ')} is too long")
        self._texts[field, call.text("language_code")] = text
        self._feed.publish("profile")
        return True

    async def _get_text(self, field: str, call: Parameters) -> dict[str, str]:
        return {field: self.text(field, call.text("language_code"))}


def _scope(call: Parameters) -> tuple[str, int, str]:
    scope = call.nested("scope") or {}
    kind = str(scope.get("type", "default"))
    try:
        chat_id = int(scope.get("chat_id", 0))
    except (TypeError, ValueError):
        raise bad_request("chat not found") from None
    return kind, chat_id, call.text("language_code")
