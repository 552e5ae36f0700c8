"""The poll of the order list."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from kis import ExecutionsPoll, Unavailable


class ScriptedPoll:
    """A broker that answers by script, and what the poll reported."""

    def __init__(self, *answers, interval=5.0):
        self.answers = list(answers)
        self.reported = []
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
        self.reported.append(reports)

    async def on_failure(self, failure):
        self.reported.append(failure)

    async def on_recovery(self):
        self.reported.append("back")

    async def run_script(self):
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
    poll = ScriptedPoll((), ("a",), ("b",))
    await stop(await poll.run_script())
    assert poll.reported == [(), ("a",), ("b",)]
    assert poll.pauses == [5.0] * 3


async def test_going_away_and_coming_back_are_said_once_each():
    away = Unavailable("down")
    poll = ScriptedPoll(("a",), away, away, away, ("b",), away, ("c",))
    with structlog.testing.capture_logs() as logs:
        await stop(await poll.run_script())
    assert poll.reported == [("a",), away, "back", ("b",), away, "back", ("c",)]
    assert [line["event"] for line in logs] == ["executions_away", "executions_back"] * 2
    assert logs[1]["failures"] == 3


async def test_a_broker_that_is_away_is_asked_less_often():
    poll = ScriptedPoll(*[Unavailable("down")] * 6)
    await stop(await poll.run_script())
    assert poll.pauses == [10.0, 20.0, 40.0, 40.0, 40.0, 40.0]


async def test_waking_reads_at_once():
    poll = ScriptedPoll(("a",))
    running = await poll.run_script()
    poll.answers.append(("b",))
    poll.poll.wake()
    for _ in range(50):
        await asyncio.sleep(0)
    assert poll.reported == [("a",), ("b",)]
    await stop(running)


async def test_waking_while_reading_reads_again():
    poll = ScriptedPoll(("a",), ("b",))
    poll.go_on.clear()
    read = poll.read

    async def woken_while_reading():
        poll.poll.wake()
        return await read()

    poll.poll._read = woken_while_reading
    running = asyncio.create_task(poll.poll.run(poll.on_reports, poll.on_failure, poll.on_recovery))
    for _ in range(12):
        await asyncio.sleep(0)
        if not poll.answers:
            poll.poll._read = asyncio.Event().wait
    assert poll.reported == [("a",), ("b",)]
    await stop(running)


async def test_a_fault_of_the_listener_is_not_swallowed():
    poll = ScriptedPoll(("a",))

    async def fails(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await poll.poll.run(fails, poll.on_failure, poll.on_recovery)
