"""Whose updates are taken, and who is told that they are not."""

from datetime import datetime, timedelta
from itertools import count

import pytest
from telegram import Update

from bot.chat.transport.access import AccessGuard
from bot.chat.transport.flood_control import BURST, CALM_SECONDS, MAX_A_DAY, MAX_REMEMBERED, FloodControl
from bot.orders.access.roles import Person, Role
from kis.krx import KST

NOW = datetime(2026, 11, 27, 9, 30, tzinfo=KST)
PEOPLE = {7: Person(7, "엄마", Role.VIEWER, NOW), 8: Person(8, "아빠", Role.TRADER, NOW)}


class World:
    def __init__(self):
        self.now = NOW
        self.numbers = count(1)
        self.reported = []
        self.control = FloodControl(
            AccessGuard(PEOPLE.get),
            frozenset({"halt", "중지"}),
            ticks=self.ticks,
            clock=lambda: self.now,
            report=lambda actor, full: self.reported.append((actor.user_id, full)),
        )

    def ticks(self):
        return (self.now - NOW).total_seconds()

    def message(self, user, text):
        chat = {"id": user, "type": "private"}
        sender = {"id": user, "is_bot": False, "first_name": "x"}
        body = {"message_id": 1, "date": 0, "chat": chat, "from": sender, "text": text}
        return Update.de_json({"update_id": next(self.numbers), "message": body}, None)

    def tap(self, user, data):
        body = self.message(user, "card").to_dict()["message"]
        sender = {"id": user, "is_bot": False, "first_name": "x"}
        query = {"id": "1", "from": sender, "chat_instance": "1", "data": data, "message": body}
        return Update.de_json({"update_id": next(self.numbers), "callback_query": query}, None)

    def sends(self, user, times, text="/price 005930"):
        return sum(self.control.admits(self.message(user, text)) for _ in range(times))


def test_a_burst_is_taken_the_rest_is_not_and_it_is_reported_once_a_flood():
    world = World()
    assert world.sends(7, 3_000) == BURST
    assert world.reported == [(7, False)]
    assert world.sends(8, 5) == 5


def test_whoever_goes_on_flooding_is_not_heard_until_they_have_been_quiet():
    world = World()
    world.sends(7, BURST + 1)
    for _ in range(1_000):
        world.now += timedelta(seconds=0.5)
        assert world.sends(7, 1) == 0
    world.now += timedelta(seconds=CALM_SECONDS)
    assert world.sends(7, 100) == BURST
    assert world.reported == [(7, False), (7, False)]


@pytest.mark.parametrize("urgent", ["/halt", "/중지", "/HALT new"])
def test_a_halt_has_a_pace_of_its_own_and_so_has_a_tap_on_a_ticket(urgent):
    world = World()
    world.sends(7, 500)
    assert world.sends(7, 1, urgent) == 1
    assert world.control.admits(world.tap(7, "t:token"))
    assert sum(world.control.admits(world.tap(7, "t:token")) for _ in range(500)) < BURST
    assert world.sends(8, 1, urgent) == 1


@pytest.mark.parametrize(
    ("urgent", "update"),
    [
        (True, ("message", "/halt buys")),
        (True, ("tap", "t:abc")),
        (True, ("tap", "/halt")),
        (False, ("message", "halt")),
        (False, ("message", "/price halt")),
        (False, ("tap", "~/price 005930")),
        (False, ("message", "")),
    ],
)
def test_what_goes_first_in_a_batch(urgent, update):
    world = World()
    assert world.control.urgent(getattr(world, update[0])(7, update[1])) is urgent


def test_what_a_person_may_store_on_a_day_is_bounded_and_the_next_day_begins_anew():
    world = World()
    taken = 0
    while world.now.day == NOW.day:
        taken += world.sends(7, 1)
        world.now += timedelta(seconds=5)
    assert taken == MAX_A_DAY
    assert world.reported == [(7, True)], "once, and not after every pause"
    world.now += timedelta(seconds=CALM_SECONDS)
    assert world.sends(7, 1) == 1


def test_strangers_are_bounded_without_a_word_and_the_memory_of_them_is_too():
    world = World()
    assert world.sends(99, 100) == BURST
    for stranger in range(1_000, 1_000 + MAX_REMEMBERED + 50):
        world.sends(stranger, 1)
    assert world.reported == []
    assert len(world.control._paces) == MAX_REMEMBERED
