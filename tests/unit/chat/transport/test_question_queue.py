"""How many questions of one person are under way, wait, or are refused."""

import asyncio

import pytest

from bot.chat.transport.question_queue import MAX_UNDER_WAY, MAX_WAITING, QuestionQueue, QuestionsWait


async def test_three_of_a_person_are_under_way_five_wait_and_more_are_refused_whoever_else_asks():
    queue, under_way, most, refused = QuestionQueue(), [], {}, []

    async def ask(user_id):
        try:
            async with queue.turn(user_id):
                under_way.append(user_id)
                most[user_id] = max(most.get(user_id, 0), under_way.count(user_id))
                await asyncio.sleep(0)
                under_way.remove(user_id)
        except QuestionsWait:
            refused.append(user_id)

    await asyncio.gather(*(ask(1) for _ in range(20)), ask(2), ask(2))
    assert most == {1: MAX_UNDER_WAY, 2: 2}
    assert refused == [1] * (20 - MAX_UNDER_WAY - MAX_WAITING)
    await asyncio.gather(*(ask(1) for _ in range(MAX_UNDER_WAY + MAX_WAITING)))
    assert len(refused) == 20 - MAX_UNDER_WAY - MAX_WAITING


async def test_whoever_gives_up_or_fails_leaves_their_place_to_the_next():
    queue, answered = QuestionQueue(), []

    async def ask(fails):
        async with queue.turn(1):
            await asyncio.sleep(0)
            if fails:
                raise RuntimeError
            answered.append(1)

    tasks = [asyncio.ensure_future(ask(fails)) for fails in (True, True, True, False, False, False)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(answered) == 2
    assert not queue._asked
    with pytest.raises(RuntimeError):
        await ask(fails=True)
