"""Bars for a chart, and the picture of them."""

import io
from datetime import date, timedelta

from PIL import Image

from bot.charts.draw import picture

CODE = "005930"


def days(*figures, volume=1_000):
    """Bars of consecutive days, each of (open, high, low, close)."""
    first = date(2026, 11, 2)
    return [[(first + timedelta(days=n)).isoformat(), *bar, volume] for n, bar in enumerate(figures)]


def facts(bars, **other):
    """What a chart is drawn from and captioned with."""
    return {
        "code": CODE,
        "name": "삼성전자",
        "period": "day",
        "bars": bars,
        "shown": min(len(bars), 60),
        "price": bars[-1][4],
        "change": 0,
        "rate": "0.00",
        "at": "2026-11-23T10:00:00+09:00",
        "average": None,
        "held": 0,
        "account_read": True,
        **other,
    }


def drawn(bars, **other):
    """The picture of the bars, read back."""
    return Image.open(io.BytesIO(picture(facts(bars, **other)))).convert("RGB")


def places(image, colour, *, top=0, bottom=None):
    """Where a picture has exactly this colour, as (x, y)."""
    wanted = bytes.fromhex(colour.removeprefix("#"))
    pane = image.crop((0, top, image.width, bottom or image.height))
    flat, found, at = pane.tobytes(), [], -1
    while (at := flat.find(wanted, at + 1)) >= 0:
        if at % 3 == 0:
            found.append((at // 3 % pane.width, at // 3 // pane.width + top))
    return found
