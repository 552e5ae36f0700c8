"""A conversation as a text file, played without a browser: for a check that everything works, and for a demo.

One step a line; blank lines and lines that begin with # are skipped. `who` is a person's caption on the page.

    관리자 > /price 005930        the person sends a message
    관리자 < 삼성전자              a message of the bot since the last step (new or edited) must hold this text
    관리자 ! 확인                  the person presses the button with this text on that message
    낯선 사람 ~ 0.5                for so many seconds nothing may come
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bot.demo.telegram import ChatMessage, LocalTelegram

PATIENCE = 15.0
"""Seconds an expected answer may take."""
_STEP = re.compile(r"(?P<who>[^<>!~]+?)\s*(?P<verb>[<>!~])\s*(?P<words>.+)")


class ScriptFailed(Exception):
    """The script cannot be read, or the conversation went otherwise; the text says where."""


@dataclass(frozen=True)
class Step:
    """One line of a script."""

    number: int
    who: str
    verb: str
    words: str


@dataclass
class _Memory:
    """Where a person is in the conversation: what they saw last, and since when."""

    since: int = 0
    message: ChatMessage | None = field(default=None)


class Script:
    """A conversation to be played."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a script.

        Raises:
            ScriptFailed: the file is not there, or a line is no step.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ScriptFailed(f"대본을 읽을 수 없습니다 · cannot read {path}: {error.strerror}") from None
        steps = []
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = _STEP.fullmatch(line.strip())
            if found is None:
                raise ScriptFailed(f"{path.name}:{number}: 알 수 없는 줄 · not a step: {line}")
            steps.append(Step(number, found["who"], found["verb"], found["words"]))
        return cls(steps)

    async def play(self, telegram: LocalTelegram, say: Callable[[str], object]) -> int:
        """Play every step; returns their number.

        Raises:
            ScriptFailed: with the step and what the chat shows.
        """
        memories: dict[int, _Memory] = {}
        ids = {person.role: person.id for person in telegram.people}
        for step in self._steps:
            if step.who not in ids:
                raise ScriptFailed(f"{step.number}: 그런 사람이 없습니다 · nobody called {step.who}")
            say(f"  {step.who} {step.verb} {step.words}")
            try:
                await _do(step, telegram, ids[step.who], memories.setdefault(ids[step.who], _Memory()))
            except (TimeoutError, LookupError, ValueError) as error:
                raise ScriptFailed(f"{step.number}: {step.who} {step.verb} {step.words}\n{error}") from None
        return len(self._steps)


async def _do(step: Step, telegram: LocalTelegram, person: int, memory: _Memory) -> None:
    match step.verb:
        case ">":
            memory.since = telegram.revision
            await telegram.send(person, step.words)
        case "<":
            memory.message = await telegram.wait(person, step.words, timeout=PATIENCE, after=memory.since)
        case "!":
            if memory.message is None:
                raise LookupError("nothing to press yet")
            memory.since = telegram.revision
            await telegram.tap(person, memory.message.message_id, step.words, timeout=PATIENCE)
        case _:
            before = telegram.revision
            await asyncio.sleep(float(step.words))
            spoken = [one for one in telegram.chat(person) if one.sender == "bot" and one.revision > before]
            if spoken:
                raise LookupError(f"silence was expected, but the bot said: {spoken[-1].text}")
