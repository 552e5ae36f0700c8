"""The picture: where a bar stands and in which colour, and that no figures are too odd to be drawn."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.charts.draw import BLUE, GREY, HEIGHT, HELD, PRICES_END, RED, VOLUMES_BEGIN, WIDTH, ChartBar, moving, ticks
from bot.charts.draw import date_places as dates
from tests.support.chart_facts import days, drawn, places

UP, DOWN = (100, 210, 90, 200), (500, 510, 390, 400)


def mean(found):
    return tuple(sum(axis) / len(axis) for axis in zip(*found, strict=True))


def test_it_is_a_png_of_the_expected_size():
    assert drawn(days(UP, DOWN)).size == (WIDTH, HEIGHT) == (1600, 1200)


@pytest.mark.parametrize("order", [(UP, DOWN), (DOWN, UP)], ids=["up first", "down first"])
def test_what_rose_is_red_what_fell_is_blue_and_each_stands_at_its_prices_and_in_its_turn(order):
    """The rising bar trades around 150 won and the falling one around 450: blue is above red, whichever came first."""
    picture = drawn(days(*order))
    red, blue = (places(picture, colour, bottom=PRICES_END) for colour in (RED, BLUE))

    assert len(red) > 1_000
    assert len(blue) > 1_000
    assert max(y for _, y in blue) < min(y for _, y in red)
    assert (mean(red)[0] < mean(blue)[0]) is (order[0] is UP)


def test_a_bar_is_as_tall_as_what_it_tells():
    """Of two bars that fell by 100 and by 200 won the second is twice as tall."""
    picture = drawn(days((400, 400, 300, 300), (400, 400, 200, 200)))
    found = places(picture, BLUE, bottom=PRICES_END)
    middle = (min(found)[0] + max(found)[0]) / 2
    first, second = ([y for x, y in found if (x < middle) is before] for before in (True, False))

    assert (max(second) - min(second)) / (max(first) - min(first)) == pytest.approx(2, abs=0.1)


def test_a_bar_that_did_not_move_is_told_by_the_close_before_it():
    flat = (300, 300, 300, 300)
    assert places(drawn(days((100, 200, 100, 200), flat)), BLUE) == []
    assert places(drawn(days((300, 300, 200, 200), flat)), RED)
    assert places(drawn(days(flat)), RED) + places(drawn(days(flat)), BLUE) == []


def test_volume_stands_below_in_the_colour_of_its_bar_and_nothing_stands_for_none():
    picture = drawn(days(UP, DOWN))
    for colour in (RED, BLUE):
        assert places(picture, colour, top=VOLUMES_BEGIN)
    still = drawn(days(UP, DOWN, volume=0))
    assert [places(still, colour, top=VOLUMES_BEGIN) for colour in (RED, BLUE)] == [[], []]


def test_twice_the_volume_is_twice_as_tall():
    bars = days(UP, DOWN)
    bars[0][5], bars[1][5] = 5_000, 10_000
    picture = drawn(bars)
    red, blue = ({y for _, y in places(picture, colour, top=VOLUMES_BEGIN)} for colour in (RED, BLUE))

    assert len(blue) / len(red) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(("change", "colour"), [(1, RED), (-1, BLUE), (0, GREY)])
def test_the_last_price_is_a_line_in_the_colour_of_the_day(change, colour):
    picture = drawn(days((100, 100, 100, 100), volume=0), change=change)
    rows = [y for _, y in places(picture, colour, bottom=PRICES_END)]

    assert max(map(rows.count, set(rows))) > WIDTH * 0.7


def test_what_the_shares_cost_is_a_dashed_line_at_its_price():
    """150 won lies in the middle of bars between 100 and 200."""
    bars = days((100, 200, 100, 200))
    assert places(drawn(bars), HELD) == []

    marks = places(drawn(bars, average="150.00"), HELD)
    y = max({y for _, y in marks}, key=[y for _, y in marks].count)
    xs = [x for x, at in marks if at == y]
    gaps = sum(after - before > 1 for before, after in itertools.pairwise(xs))
    whole = places(drawn(bars), RED, bottom=PRICES_END)
    assert gaps > 20
    assert abs(y - mean(whole)[1]) < 40


@pytest.mark.parametrize(("average", "below"), [("80", True), ("220", False)])
def test_a_purchase_price_just_outside_the_bars_widens_the_scale_and_has_its_line_there(average, below):
    picture = drawn(days((100, 200, 100, 200)), average=average)
    rows = [y for x, y in places(picture, HELD) if x < WIDTH / 2]
    bar = [y for _, y in places(picture, RED, bottom=PRICES_END)]

    assert len(rows) > 300
    assert min(rows) > max(bar) if below else max(rows) < min(bar)


@pytest.mark.parametrize(("average", "top"), [("9000.00", True), ("1.00", False)])
def test_a_purchase_price_far_off_does_not_flatten_the_bars_and_is_pointed_at(average, top):
    bars = days((1_000, 1_100, 1_000, 1_100), (1_100, 1_150, 1_050, 1_060))
    plain, held = drawn(bars), drawn(bars, average=average)
    marks = [y for x, y in places(held, HELD)]

    heights = [{y for _, y in places(one, RED, bottom=PRICES_END)} for one in (plain, held)]
    assert len(heights[1]) > 0.9 * len(heights[0])
    assert (mean([(0, y) for y in marks])[1] < PRICES_END / 2) is top


@pytest.mark.parametrize(
    ("bars", "average"),
    [
        pytest.param(days((70_000, 70_000, 70_000, 70_000)), "70000.50", id="one bar"),
        pytest.param(days(*[(5_000,) * 4] * 79, volume=0), "5000", id="never moved nor traded"),
        pytest.param(days((1, 1, 1, 1), (1, 2, 1, 2)), "0.0001", id="one won"),
        pytest.param(
            days(*[(10**12, 2 * 10**12, 10**11, 10**12 + n * 10**10) for n in range(79)], volume=10**13),
            "99999999999999",
            id="huge",
        ),
        pytest.param(days((100, 10**9, 1, 10**9)), None, id="a millionfold"),
    ],
)
def test_odd_figures_are_drawn_all_the_same(bars, average):
    picture = drawn(bars, average=average)

    assert picture.size == (WIDTH, HEIGHT)
    assert any(places(picture, colour, bottom=PRICES_END) for colour in (RED, BLUE, GREY))


@pytest.mark.parametrize(("period", "form"), [("day", "11/02"), ("week", "26/11/02"), ("month", "2026/11")])
def test_dates_are_written_as_the_period_asks(period, form):
    (bar,) = [ChartBar(*one) for one in days(UP)]

    assert list(dates([bar], period)) == [(0, form)]
    assert drawn(days(UP), period=period).size == (WIDTH, HEIGHT)


def test_minutes_bear_round_times():
    bars = [ChartBar(f"{9 + n // 60:02}:{n % 60:02}", *UP, 1) for n in range(3, 120)]

    assert [words for _, words in dates(bars, "minute")] == ["09:30", "10:00", "10:30"]
    assert all(bars[place].at == words for place, words in dates(bars, "minute"))


def test_an_average_begins_where_there_are_bars_enough():
    bars = [ChartBar("2026-11-02", close, close, close, close, 0) for close in range(1, 8)]

    assert moving(bars, 5) == [None, None, None, None, 3, 4, 5]
    assert moving(bars, 20) == [None] * 7


@given(st.integers(0, 10**13), st.integers(1, 10**13), st.integers(2, 8))
@settings(max_examples=200)
def test_round_figures_are_few_even_and_within(low, span, most):
    found = list(ticks(low, low + span, most))

    assert len(found) <= most + 1
    assert all(low <= one <= low + span for one in found)
    steps = {after - before for before, after in itertools.pairwise(found)}
    assert len(steps) <= 1
    assert all(str(step).rstrip("0") in {"1", "2", "5"} for step in steps)


def test_letters_come_with_the_library():
    """No font of the machine is needed: the label of the price is there whatever is installed."""
    labels = drawn(days(UP)).crop((WIDTH - 160, 0, WIDTH, PRICES_END))
    assert isinstance(labels, Image.Image)
    assert len(labels.getcolors(1 << 20)) > 20
