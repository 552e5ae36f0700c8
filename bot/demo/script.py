"""A conversation as a text file, played without a browser: for a check that everything works, and for a demo.

One step a line; blank lines and lines that begin with # are skipped. A person is named by the caption on the page.

    관리자 > /price 005930        the person sends a message
    관리자 < 삼성전자              a message of the bot since the last step (new or edited) must hold this text
    관리자 ! 확인                  the person presses the button with this text on that message
    낯선 사람 ~ 0.5                for so many seconds nothing may come
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.demo.telegram import ChatMessage, LocalTelegram

ANSWER_TIMEOUT = 15.0
"""Seconds an expected answer may take."""
_STEP = re.compile(r"(?P<person>[^<>!~]+?)\s*(?P<action>[<>!~])\s*(?P<text>.+)")


class ScriptFailed(Exception):
    """The script cannot be read, or the conversation went otherwise; the text says where."""


@dataclass(frozen=True)
class Step:
    """One line of a script."""

    number: int
    person: str
    action: str
    text: str


@dataclass
class _Position:
    """Where a person is in the conversation: the last message they saw, and the revision since which answers count."""

    since: int = 0
    message: ChatMessage | None = None


def _load(path: Path) -> list[Step]:
    """Read a script; a missing file and a line that is no step raise `ScriptFailed`."""
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
        steps.append(Step(number, **found.groupdict()))
    return steps


async def play(path: Path, telegram: LocalTelegram, say: Callable[[str], object]) -> int:
    """Play every step of a script and return their number; `ScriptFailed` names the step and what the chat shows."""
    positions: defaultdict[int, _Position] = defaultdict(_Position)
    ids = {person.role: person.id for person in telegram.people}
    steps = _load(path)
    for step in steps:
        if step.person not in ids:
            raise ScriptFailed(f"{step.number}: 그런 사람이 없습니다 · nobody called {step.person}")
        say(f"  {step.person} {step.action} {step.text}")
        person_id = ids[step.person]
        try:
            await _do(step, telegram, person_id, positions[person_id])
        except (TimeoutError, LookupError, ValueError) as error:
            raise ScriptFailed(f"{step.number}: {step.person} {step.action} {step.text}\n{error}") from None
    return len(steps)


async def _do(step: Step, telegram: LocalTelegram, person_id: int, position: _Position) -> None:
    match step.action:
        case ">":
            position.since = telegram.revision
            await telegram.send(person_id, step.text)
        case "<":
            position.message = await telegram.wait(person_id, step.text, timeout=ANSWER_TIMEOUT, after=position.since)
        case "!":
            if position.message is None:
                raise LookupError("nothing to press yet")
            position.since = telegram.revision
            await telegram.tap(person_id, position.message.message_id, step.text, timeout=ANSWER_TIMEOUT)
        case _:
            before = telegram.revision
            await asyncio.sleep(float(step.text))
            answers = [one for one in telegram.chat(person_id) if one.sender == "bot" and one.revision > before]
            if answers:
                raise LookupError(f"silence was expected, but the bot said: {answers[-1].text}")
