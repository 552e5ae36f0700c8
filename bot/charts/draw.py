"""Draws one candlestick chart: facts as JSON on standard input, a PNG on standard output.

A program of its own, so that the bot's process never holds a picture or the library that draws it. It shows digits,
dates and the stock's code and no other words: there is no font to rely on for Hangul.
"""

import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from math import ceil, floor, log10
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1600, 1200
"""Pixels of the picture; a phone shows it at a quarter of that or less, which is why the letters are large."""
FINER = 2
"""Drawn so many times as large and then made smaller: slanting lines come out smooth."""
RED, BLUE, GREY = "#e0343c", "#2364d2", "#8b93a1"
"""Up, down and unchanged, as Korean screens show them."""
PAPER, GRID, INK, FAINT = "#ffffff", "#e2e6ec", "#3d4654", "#6b7483"
HELD = "#6d3fc0"
AVERAGES = {5: "#e08a00", 20: "#1c9a6c"}
"""Bars of a moving average, and its colour."""
LETTERS, SMALL = 50, 47
LEFT, TOP, GAP = 28, 106, 12
PRICES_END, VOLUMES_BEGIN, VOLUMES_END = 836, 900, 1098
FEWEST_PLACES = 24
"""Places for bars: a stock with a single day behind it is not drawn as one wall of colour."""
MOST_PRICES, MOST_SIZES, MOST_DATES = 6, 3, 5
"""Round figures on the axes."""
NEAR = 1.0
"""The purchase price widens the scale by as much as this many spans of the bars; from further off it is pointed at."""


class ChartBar(NamedTuple):
    """One day, week, month or minute: when ("2026-11-20" or "09:31"), prices in won, volume in shares."""

    at: str
    open: int
    high: int
    low: int
    close: int
    volume: int


class Scale(NamedTuple):
    """From a figure to its height in the picture."""

    low: float
    high: float
    top: int
    bottom: int

    def y(self, value: float) -> float:
        """Pixels from the top, held within the pane."""
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size * FINER)


def width_of(words: str, size: int) -> float:
    """How wide the words come out."""
    return float(_font(size).getlength(words)) / FINER


class Canvas:
    """Lines, boxes and letters in pixels of the finished picture."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def text(self, x: float, y: float, words: str, colour: str, size: int, anchor: str = "lm") -> None:
        """Words at a point; `anchor` as Pillow says it: left, middle or right, and top, middle or baseline."""
        self._draw.text((x * FINER, y * FINER), words, fill=colour, font=_font(size), anchor=anchor)

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        """A filled box; at least a line."""
        x, y, x_end, y_end = _pixels(left, top, right, bottom)
        self._draw.rectangle((x, y, max(x, x_end - 1), max(y, y_end - 1)), colour)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        """A line through points."""
        self._draw.line([(x * FINER, y * FINER) for x, y in points], colour, width=round(width * FINER), joint="curve")

    def dashes(self, left: float, right: float, y: float, colour: str, *, dash: int, gap: int) -> None:
        """A level line of dashes."""
        for place in range(ceil((right - left) / (dash + gap))):
            x = left + place * (dash + gap)
            self.box(x, y - 1.5, min(x + dash, right), y + 1.5, colour)

    def tag(self, left: float, y: float, words: str, colour: str, size: int) -> None:
        """White figures on a coloured plate."""
        right, half = left + width_of(words, size) + 20, tag_height(size) / 2
        self._draw.rounded_rectangle(_pixels(left, y - half, right, y + half), radius=8 * FINER, fill=colour)
        self.text(left + 10, y, words, PAPER, size)

    def pointer(self, x: float, y: float, colour: str, *, up: bool) -> None:
        """A small triangle that says: further on that way."""
        tip = -14 if up else 14
        corners = ((x - 14, y), (x + 14, y), (x, y + tip * 1.6))
        self._draw.polygon([(a * FINER, b * FINER) for a, b in corners], fill=colour)

    def png(self) -> bytes:
        """The finished picture."""
        out = io.BytesIO()
        self._image.reduce(FINER).save(out, "PNG")
        return out.getvalue()


def _pixels(left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
    return round(left * FINER), round(top * FINER), round(right * FINER), round(bottom * FINER)


def tag_height(size: int) -> int:
    """Pixels from top to bottom of a plate."""
    return size + 16


def picture(facts: Mapping[str, Any]) -> bytes:
    """The chart as a PNG.

    `facts`: `code`; `period` ("day", "week", "month" or "minute"); `bars`, one at least, oldest first, each as
    `ChartBar`; `shown`, how many of the last are drawn (those before feed the moving averages); `price`, the last one,
    and its `change` since yesterday, in won; `average` cost of the shares held, as text, or None.
    """
    every = [ChartBar(*one) for one in facts["bars"]]
    bars = every[-int(facts["shown"]) :]
    price, average = int(facts["price"]), Decimal(facts["average"]) if facts.get("average") else None
    means = {} if facts["period"] == "minute" else {of: moving(every, of)[-len(bars) :] for of in AVERAGES}
    prices = price_scale(bars, price, average)
    most = max(bar.volume for bar in bars)
    volumes = Scale(0, max(most, 1) * 1.05, VOLUMES_BEGIN, VOLUMES_END)
    levels = list(ticks(prices.low, prices.high, MOST_PRICES))
    sizes = [size for size in ticks(0, most, MOST_SIZES) if size]

    canvas = Canvas()
    labels = [f"{price:,}", *(f"{level:,}" for level in levels), *(in_short(size) for size in sizes)]
    labels += [f"{average:,.0f}"] if average is not None else []
    right = WIDTH - max(width_of(label, SMALL) for label in labels) - 20 - 2 * GAP
    slot = (right - LEFT) / max(len(bars), FEWEST_PLACES)
    centres = [LEFT + slot * (place + 0.5) for place in range(len(bars))]

    _grid(canvas, bars, centres, str(facts["period"]), right)
    colour = colour_of(int(facts["change"]))
    taken = _tags(canvas, prices, price, average, colour, right)
    for level in levels:
        y = prices.y(level)
        canvas.box(LEFT, y - 0.5, right, y + 0.5, GRID)
        if all(abs(y - other) > tag_height(SMALL) * 0.9 for other in taken):
            canvas.text(right + GAP + 10, y, f"{level:,}", FAINT, SMALL)
    for size in sizes:
        canvas.box(LEFT, volumes.y(size) - 0.5, right, volumes.y(size) + 0.5, GRID)
        canvas.text(right + GAP + 10, volumes.y(size), in_short(size), FAINT, SMALL)
    _lines(canvas, prices, price, average, colour, right)
    _bars(canvas, bars, centres, slot, prices, volumes)
    for of, values in means.items():
        points = [(x, prices.y(value)) for x, value in zip(centres, values, strict=True) if value is not None]
        if len(points) > 1:
            canvas.line(points, AVERAGES[of], 3.5)
    _legend(canvas, str(facts["code"]), means)
    return canvas.png()


def moving(bars: Sequence[ChartBar], of: int) -> list[float | None]:
    """The average close of each bar and those before it; None where there are too few."""
    closes = [bar.close for bar in bars]
    return [sum(closes[place + 1 - of : place + 1]) / of if place + 1 >= of else None for place in range(len(closes))]


def price_scale(bars: Sequence[ChartBar], price: int, average: Decimal | None) -> Scale:
    """From a little below the lowest to a little above the highest; the purchase price too, unless it is far away."""
    low, high = min([price, *(bar.low for bar in bars)]), max([price, *(bar.high for bar in bars)])
    span = (high - low) or max(high // 50, 2)
    if average is not None and low - NEAR * span <= average <= high + NEAR * span:
        low, high = min(low, floor(average)), max(high, ceil(average))
    room = span / 2 if high == low else max(high - low, span) * 0.06
    return Scale(low - room, high + room, TOP, PRICES_END)


def ticks(low: float, high: float, most: int) -> Iterator[int]:
    """Round figures between two, so many at most: steps of 1, 2 or 5 and noughts."""
    wanted = max((high - low) / most, 1)
    tens = 10 ** floor(log10(wanted))
    step = next(int(tens * one) for one in (1, 2, 5, 10) if tens * one >= wanted)
    yield from range(ceil(low / step) * step, floor(high) + 1, step)


def in_short(volume: int) -> str:
    """Shares in thousands, millions or billions."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if volume >= size:
            return f"{Decimal(volume) / size:,.1f}".removesuffix(".0") + letter
    return f"{volume:,}"


def colours(bars: Sequence[ChartBar]) -> Iterator[str]:
    """Red for a bar that rose, blue for one that fell; one that did neither is told by the close before it."""
    for bar, before in zip(bars, (*bars[:1], *bars), strict=False):
        yield colour_of(bar.close - bar.open or bar.close - before.close)


def colour_of(change: int) -> str:
    """Red is up, blue is down."""
    return RED if change > 0 else BLUE if change < 0 else GREY


def date_places(bars: Sequence[ChartBar], period: str) -> Iterator[tuple[int, str]]:
    """Which bars bear their date under the axis, and how it is written there."""
    if period == "minute":
        of_day = [60 * int(bar.at[:2]) + int(bar.at[3:]) for bar in bars]
        for step in (1, 2, 5, 10, 15, 30, 60, 120):
            places = [place for place, minute in enumerate(of_day) if minute % step == 0]
            if len(places) <= MOST_DATES:
                break
        yield from ((place, bars[place].at) for place in places)
        return
    form = {"day": "%m/%d", "week": "%y/%m/%d", "month": "%Y/%m"}[period]
    every = max(ceil(len(bars) / (MOST_DATES - 1)), 1)
    for place in range(len(bars) - 1, -1, -every):
        yield place, date.fromisoformat(bars[place].at).strftime(form)


def _grid(canvas: Canvas, bars: Sequence[ChartBar], centres: Sequence[float], period: str, right: float) -> None:
    taken = float("inf")
    for place, words in date_places(bars, period):
        x, half = centres[place], width_of(words, SMALL) / 2
        if abs(x - taken) < 2 * half + 24:
            continue
        taken = x
        canvas.box(x - 0.5, TOP, x + 0.5, VOLUMES_END, GRID)
        canvas.text(min(max(x, LEFT + half), right - half), VOLUMES_END + 50, words, FAINT, SMALL, "mm")
    canvas.box(LEFT, VOLUMES_END, right, VOLUMES_END + 1, FAINT)
    canvas.box(right, TOP, right + 1, VOLUMES_END, GRID)


def _tags(canvas: Canvas, prices: Scale, price: int, average: Decimal | None, colour: str, right: float) -> list[float]:
    """The plates of the last price and the purchase price on the right; returns where they stand."""
    at = prices.y(price)
    canvas.tag(right + GAP, at, f"{price:,}", colour, SMALL)
    if average is None:
        return [at]
    held, apart = prices.y(float(average)), tag_height(SMALL) + 4
    if abs(held - at) < apart:
        held = at + apart if held >= at else at - apart
        held += 2 * apart if held < TOP else -2 * apart if held > PRICES_END else 0
    canvas.tag(right + GAP, held, f"{average:,.0f}", HELD, SMALL)
    return [at, held]


def _lines(canvas: Canvas, prices: Scale, price: int, average: Decimal | None, colour: str, right: float) -> None:
    """The last price as a line, the purchase price in dashes, or a pointer to where it is off the scale."""
    canvas.box(LEFT, prices.y(price) - 1, right, prices.y(price) + 1, colour)
    if average is None:
        return
    if prices.low <= average <= prices.high:
        canvas.dashes(LEFT, right, prices.y(float(average)), HELD, dash=22, gap=14)
    else:
        canvas.pointer(right - 26, prices.y(float(average)), HELD, up=average > prices.high)


def _bars(
    canvas: Canvas, bars: Sequence[ChartBar], centres: Sequence[float], slot: float, prices: Scale, volumes: Scale
) -> None:
    half = max(slot * 0.34, 1)
    wick = min(1.5, half)
    for bar, x, colour in zip(bars, centres, colours(bars), strict=True):
        canvas.box(x - wick, prices.y(bar.high), x + wick, prices.y(bar.low), colour)
        top, bottom = prices.y(max(bar.open, bar.close)), prices.y(min(bar.open, bar.close))
        canvas.box(x - half, top, x + half, max(bottom, top + 3), colour)
        if bar.volume:
            canvas.box(x - half, volumes.y(bar.volume), x + half, VOLUMES_END, colour)


def _legend(canvas: Canvas, code: str, means: Mapping[int, Sequence[float | None]]) -> None:
    canvas.text(LEFT, 50, code, INK, LETTERS)
    x = LEFT + width_of(code, LETTERS) + 48
    for of, values in means.items():
        if values and values[-1] is not None:
            words = f"MA{of} {values[-1]:,.0f}"
            if x + width_of(words, LETTERS) > WIDTH:
                return
            canvas.text(x, 50, words, AVERAGES[of], LETTERS)
            x += width_of(words, LETTERS) + 40


if __name__ == "__main__":
    sys.stdout.buffer.write(picture(json.load(sys.stdin.buffer)))
