"""The poll of the order list."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from kis import ExecutionsPoll, Unavailable


class Story:
    """A broker that answers by script, and ears for what the poll says."""

    def __init__(self, *answers, interval=5.0):
        self.answers = list(answers)
        self.heard = []
        self.pauses = []
        self.poll = ExecutionsPoll(self.read, lambda: interval, sleep=self.sleep)
        self.resting = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(self):
        answer = self.answers.pop(0)
        if not self.answers:
            self.go_on.clear()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.resting.set()
        await self.go_on.wait()

    async def on_reports(self, reports):
        self.heard.append(reports)

    async def on_failure(self, failure):
        self.heard.append(failure)

    async def on_recovery(self):
        self.heard.append("back")

    async def tell(self):
        """Runs until the script is at its end."""
        running = asyncio.create_task(self.poll.run(self.on_reports, self.on_failure, self.on_recovery))
        for _ in range(200):
            await asyncio.sleep(0)
        return running


async def stop(running):
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_every_reading_is_handed_on():
    story = Story((), ("a",), ("b",))
    await stop(await story.tell())
    assert story.heard == [(), ("a",), ("b",)]
    assert story.pauses == [5.0] * 3


async def test_going_away_and_coming_back_are_said_once_each():
    away = Unavailable("down")
    story = Story(("a",), away, away, away, ("b",), away, ("c",))
    with structlog.testing.capture_logs() as logs:
        await stop(await story.tell())
    assert story.heard == [("a",), away, "back", ("b",), away, "back", ("c",)]
    assert [line["event"] for line in logs] == ["executions_away", "executions_back"] * 2
    assert logs[1]["failures"] == 3


async def test_a_broker_that_is_away_is_asked_less_often():
    story = Story(*[Unavailable("down")] * 6)
    await stop(await story.tell())
    assert story.pauses == [10.0, 20.0, 40.0, 40.0, 40.0, 40.0]


async def test_waking_reads_at_once():
    story = Story(("a",))
    running = await story.tell()
    story.answers.append(("b",))
    story.poll.wake()
    for _ in range(50):
        await asyncio.sleep(0)
    assert story.heard == [("a",), ("b",)]
    await stop(running)


async def test_waking_while_reading_reads_again():
    story = Story(("a",), ("b",))
    story.go_on.clear()
    read = story.read

    async def woken_while_reading():
        story.poll.wake()
        return await read()

    story.poll._read = woken_while_reading
    running = asyncio.create_task(story.poll.run(story.on_reports, story.on_failure, story.on_recovery))
    for _ in range(12):
        await asyncio.sleep(0)
        if not story.answers:
            story.poll._read = asyncio.Event().wait
    assert story.heard == [("a",), ("b",)]
    await stop(running)


async def test_a_fault_of_the_listener_is_not_swallowed():
    story = Story(("a",))

    async def fails(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await story.poll.run(fails, story.on_failure, story.on_recovery)
