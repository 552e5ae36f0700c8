"""What living messages cost the broker, and what becomes of prices that do not come."""

import asyncio
from collections import Counter

import pytest

from kis.errors import Unavailable
from kis.stream import Gap
from tests.support.outbox import TRADER
from tests.support.watch_world import HYNIX, KAKAO, SAMSUNG, in_harness, trade

LIVE, PAUSE, REFRESH = "w:live", "w:pause", "w:refresh"

# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_minute", [12, 60, 300])
def test_ten_people_with_twenty_stocks_each_keep_to_the_budget_and_share_it(per_minute):
    async def play(harness):
        codes = list(harness.exchange.issues)[:200]
        people = range(9001, 9011)
        for number, person in enumerate(people):
            harness.people.put(person, "누구", harness.people.get(TRADER).role)
            mine = codes[number * 20 : number * 20 + 20]
            harness.lists.add(person, [(code, code) for code in mine])
            message = await harness.say("", person)
            await harness.tap(message, LIVE, person)
        await asyncio.sleep(30)
        began, skip = harness.clock.seconds(), len(harness.simulator.requests)
        async with harness.at_work():
            await asyncio.sleep(130)
        calls = [one for one in list(harness.simulator.requests)[skip:] if one.path.endswith("inquire-price")]
        at = [(one.at - harness.clock._start).total_seconds() - began for one in calls]
        busiest = max(sum(start <= one < start + 60 for one in at) for start in at)
        assert per_minute * 0.9 <= busiest <= per_minute * 1.01 + 1
        shares = Counter(codes.index(one.query["FID_INPUT_ISCD"]) // 20 for one in calls)
        assert len(shares) == 10
        assert max(shares.values()) - min(shares.values()) <= 1

    in_harness(play, per_minute=per_minute)


def test_a_stock_that_ten_people_look_at_is_asked_for_once():
    async def play(harness):
        people = range(9001, 9011)
        for person in people:
            harness.people.put(person, "누구", harness.people.get(TRADER).role)
            harness.lists.add(person, [(SAMSUNG, "삼성전자")])
        await asyncio.gather(*(harness.say("", person) for person in people))
        assert len(harness.asked) == 1
        for person in people:
            harness.lists.live(person)
        async with harness.at_work():
            await asyncio.sleep(100)
        assert 8 <= len(harness.asked) - 1 <= 10

    in_harness(play)


def test_what_is_streamed_is_not_asked_for_until_it_falls_silent():
    async def play(harness):
        message = await harness.say("005930, 000660")
        harness.stream.streamed = frozenset({SAMSUNG, HYNIX})
        async with harness.at_work():
            await harness.tap(message, LIVE)
            await asyncio.sleep(1)
            assert harness.stream.codes == [SAMSUNG, HYNIX]
            harness.stream.on_trade(trade(harness, HYNIX, 250_000))
            await asyncio.sleep(15)
            before = Counter(harness.asked)
            for number in range(11):
                harness.stream.on_trade(trade(harness, SAMSUNG, 71_000 + 100 * number))
                await asyncio.sleep(10)
            asked = Counter(harness.asked)
            assert asked[SAMSUNG] == before[SAMSUNG]
            assert asked[HYNIX] - before[HYNIX] == 2, (
                "silent for a minute, and another: it may be halted, or the stream dumb"
            )
            assert "72,000" in harness.text(message)
            harness.stream.on_gap(Gap(harness.clock(), harness.clock()))
            await asyncio.sleep(15)
            assert Counter(harness.asked)[SAMSUNG] == asked[SAMSUNG] + 1, "what a gap hid is asked for once"

    in_harness(play)


def test_once_nobody_looks_the_registrations_are_given_back_after_a_minute():
    async def play(harness):
        message = await harness.say("005930")
        async with harness.at_work():
            await harness.tap(message, LIVE)
            await harness.tap(message, PAUSE)
            await asyncio.sleep(5)
            assert harness.stream.codes == [SAMSUNG], "KIS blocks who registers again and again"
            await asyncio.sleep(60)
            assert harness.stream.codes == []

    in_harness(play)


def test_a_person_waits_three_seconds_at_most_and_the_rest_comes_later():
    """A paper account bears one call a second."""

    async def play(harness):
        codes = list(harness.exchange.issues)[:8]
        harness.lists.add(TRADER, [(code, code) for code in codes])
        began = harness.clock.seconds()
        message = await harness.say()
        assert harness.clock.seconds() - began <= 3.1
        assert harness.text(message).count("…") in {4, 5, 6}
        async with harness.at_work():
            await asyncio.sleep(8)
            assert "…" not in harness.text(message)
        assert sorted(harness.asked) == sorted(codes), "nothing is asked for twice"

    in_harness(play, interval=1.0)


def test_while_kis_does_not_answer_it_is_asked_ever_less():
    async def play(harness):
        message = await harness.say("005930")
        async with harness.at_work():
            await harness.tap(message, LIVE)
            harness.simulator.faults.plant("refuse", times=-1, path="inquire-price", code="EGW00001")
            await asyncio.sleep(20)
            before = len(harness.asked)
            await asyncio.sleep(200)
            calls = len(harness.asked) - before
            harness.simulator.faults.clear()
            price = harness.move()
            await asyncio.sleep(70)
            assert calls < 60
            assert f"{price:,}" in harness.text(message)

    in_harness(play)


def test_a_stock_that_kis_does_not_give_spoils_no_list_and_is_left_alone():
    async def play(harness):
        harness.lists.add(TRADER, [("999999", "사라진회사"), (SAMSUNG, "삼성전자")])
        message = await harness.say()
        assert "사라진회사</b> –" in harness.text(message)
        assert f"{harness.exchange.quote(SAMSUNG).last:,}" in harness.text(message)
        async with harness.at_work():
            await harness.tap(message, LIVE)
            before = Counter(harness.asked)
            await asyncio.sleep(200)
            asked = Counter(harness.asked)
        assert asked["999999"] == before["999999"]
        assert asked[SAMSUNG] - before[SAMSUNG] > 15

    in_harness(play)


def test_a_price_that_could_not_be_read_again_bears_its_time():
    async def play(harness):
        message = await harness.say("005930")
        price = harness.exchange.quote(SAMSUNG).last
        harness.simulator.faults.plant("refuse", times=-1, path="inquire-price", code="EGW00001")
        await asyncio.sleep(60)
        await harness.tap(message, REFRESH)
        async with harness.at_work():
            await asyncio.sleep(30)
        assert f"{price:,}" in harness.text(message)
        assert "<i>09:05:0" in harness.text(message)

    in_harness(play)


def test_a_fault_of_ours_while_asking_ends_nothing():
    async def play(harness):
        message = await harness.say("005930")
        real = harness.client.price

        async def broken(code, *, max_age=0.0):
            raise RuntimeError("ours")

        async with harness.at_work():
            await harness.tap(message, LIVE)
            harness.client.price = broken
            await asyncio.sleep(30)
            harness.client.price = real
            price = harness.move()
            await asyncio.sleep(80)
            assert f"{price:,}" in harness.text(message)

    in_harness(play)


def test_an_empty_list_is_shown_though_the_holdings_cannot_be_read():
    async def play(harness):
        async def away():
            raise Unavailable("down", endpoint="balance", env="real")

        harness.client.balance = away
        message = await harness.say()
        assert harness.buttons(message) == ["w:+005930"]

    in_harness(play)


def test_an_empty_list_proposes_what_is_held():
    async def play(harness):
        message = await harness.say()
        assert harness.buttons(message) == [f"w:+{KAKAO}", f"w:+{SAMSUNG}"]
        await harness.tap(message, f"w:+{KAKAO}")
        assert "카카오" in harness.text(message)
        assert "1/20" in harness.text(message)

    in_harness(play)
