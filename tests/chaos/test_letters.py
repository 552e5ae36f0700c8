"""Thousands of fills at once: what `make chaos` plays in the large keeps its promises in the small, and its judge can fail."""

import dataclasses
import re

import pytest

from tests.chaos import letters
from tests.chaos.error_log import keeping_errors
from tests.chaos.letters import GROUP, OVERSEER, broken
from tests.support.telegram_wire import LABEL, delivery_harness
from tests.support.waiting import until

FEW = 100


@pytest.fixture(autouse=True)
def _listening(monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    with keeping_errors():
        yield


@pytest.fixture(scope="module")
def seen():
    return letters.run(FEW, 1)


def without(text, texts):
    return [one for one in texts if one is not text]


def with_chat(seen, chat, texts):
    return dataclasses.replace(seen, said={**seen.said, chat: texts})


def a_fill(texts, order=1):
    """The message that tells of an order's last fill."""
    return next(text for text in reversed(texts) if (letters.told_of(text) or (0,))[0] == order)


@pytest.mark.parametrize("killed", [False, True])
def test_a_hundred_fills_in_bad_weather_keep_every_promise(killed):
    seen = letters.run(FEW, 2, killed=killed)

    assert broken(seen) == []
    assert min(seen.counts[name] for name in ("bundles", "refused", "lost", "down")) > 0


@pytest.mark.parametrize("chat", [OVERSEER, GROUP])
def test_a_fill_that_a_chat_does_not_show_is_missed(seen, chat):
    texts = [text for text in seen.said[chat] if (letters.told_of(text) or (0,))[0] != 1 and letters.DIGEST not in text]

    assert any("order 1: " in one and "never told" in one for one in broken(with_chat(seen, chat, texts)))


def test_a_second_copy_must_say_so_and_a_third_is_too_many(seen):
    texts = seen.said[OVERSEER]
    bare = next(text for text in texts if letters.told_of(text) and LABEL not in text)
    place = texts.index(bare)

    twice = [*texts[:place], bare, *texts[place:]]
    labelled = [*texts[:place], bare, f"{bare}\n{LABEL}", *texts[place + 1 :]]
    thrice = [*texts[:place], bare, f"{bare}\n{LABEL}", f"{bare}\n{LABEL}", *texts[place + 1 :]]
    assert any("does not say so" in one for one in broken(with_chat(seen, OVERSEER, twice)))
    assert broken(with_chat(seen, OVERSEER, labelled)) == []
    assert any("told 3 times" in one for one in broken(with_chat(seen, OVERSEER, thrice)))


def test_an_older_figure_after_a_newer_one_is_out_of_order(seen):
    texts = seen.said[OVERSEER]
    last = a_fill(texts)
    older = re.sub(r"\d+/\d+주", "1/5주", last)

    assert any("was told after" in one for one in broken(with_chat(seen, OVERSEER, [*texts, older])))


def test_what_is_urgent_and_stands_behind_two_others_or_nowhere_is_late(seen):
    alarm = next(one for one in seen.alarms if one.chat == OVERSEER)
    others = [text for text in seen.said[OVERSEER] if alarm.mark not in text]
    ours = [text for text in seen.said[OVERSEER] if alarm.mark in text]

    assert any("was never told" in one for one in broken(with_chat(seen, OVERSEER, others)))
    assert any("stood behind" in one for one in broken(with_chat(seen, OVERSEER, [*others, *ours])))


def test_what_still_waits_and_what_is_another_chat_s_are_seen(seen):
    assert "1 letters were left over" in broken(dataclasses.replace(seen, left=1))
    stranger = a_fill(seen.said[letters.TRADERS[0]], order=2)
    chat = letters.TRADERS[1]
    assert any("none of its business" in one for one in broken(with_chat(seen, chat, [*seen.said[chat], stranger])))


@pytest.mark.virtual_time
async def test_a_group_s_fills_are_bundled_like_everybody_s_bear_no_buttons_and_are_never_dropped(tmp_path):
    """A group gets 20 messages a minute: fill by fill, a busy day would still be told at night."""
    async with delivery_harness(tmp_path) as post:
        post.telegram.inject({"message": {"message_id": 1, "chat": {"id": GROUP, "type": "group", "title": "모임"}}})
        post.telegram.faults.plant("lose_reply", times=2, method="sendMessage")
        with post.db.atomic():
            for number in range(1, 9):
                post.fill(number, chat=GROUP, kind="group_fill")
        await until(lambda: not post.left())

        first, second, digest = post.telegram.chat(GROUP)
        assert "8건 묶음: #1 ~ #8" in first.text
        assert (first.buttons, second.buttons) == ([], [])
        assert LABEL in second.text
        assert digest.text.count("• ") == 8
