"""Writes kis/data/krx_calendar.json: the weekdays on which the exchange is shut, and the days with odd hours.

It needs the package exchange-calendars, which the program itself never does (importing it costs seconds):

    python -m venv .calendar && .calendar/bin/pip install exchange_calendars
    .calendar/bin/python scripts/make_calendar.py 2025 2027

What the package has wrong or cannot know is corrected below, each line with its reason. Run it again each
December, when KRX has published the coming year, and read the difference before committing it.
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path

import exchange_calendars

TARGET = Path(__file__).parent.parent / "kis" / "data" / "krx_calendar.json"
SATURDAY = 5

# Closed, though exchange-calendars 4.13.2 takes them for sessions.
CLOSED_AS_WELL = {
    "2026-06-03": "지방선거",
    "2026-07-17": "제헌절",  # a public holiday again by the Public Holidays Act as amended on 2026-02-10
    "2027-05-03": "노동절 대체공휴일",  # a public holiday since 2026; 2027-05-01 is a Saturday
    "2027-07-19": "제헌절 대체공휴일",  # 2027-07-17 is a Saturday
}
NAMES = {
    "01-01": "신정",
    "03-01": "삼일절",
    "05-01": "노동절",
    "05-05": "어린이날",
    "06-06": "현충일",
    "08-15": "광복절",
    "10-03": "개천절",
    "10-09": "한글날",
    "12-25": "성탄절",
    "12-31": "연말 휴장",
}
# The day of the college entrance examination (수능): everything one hour later.
EXAM_DAYS = ("2025-11-13", "2026-11-19", "2027-11-18")


def weekdays_without_session(first: date, last: date) -> dict[str, str]:
    """The closed weekdays between two dates, each with a name where the calendar date has one."""
    calendar = exchange_calendars.get_calendar("XKRX", start=first.isoformat(), end=last.isoformat())
    sessions = {moment.date() for moment in calendar.sessions}
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    closed = {
        day.isoformat(): NAMES.get(f"{day:%m-%d}", "휴장")
        for day in days
        if day.weekday() < SATURDAY and day not in sessions
    }
    corrected = {day: why for day, why in CLOSED_AS_WELL.items() if first <= date.fromisoformat(day) <= last}
    return dict(sorted((closed | corrected).items()))


def odd_hours(first: date, last: date, closed: dict[str, str]) -> dict[str, dict[str, str]]:
    """Days on which the regular session does not run from 09:00 to 15:30 KST."""
    hours: dict[str, dict[str, str]] = {}
    for year in range(first.year, last.year + 1):
        day = date(year, 1, 2)
        while day.weekday() >= SATURDAY or day.isoformat() in closed:
            day += timedelta(days=1)
        hours[day.isoformat()] = {"open": "10:00", "close": "15:30", "why": "개장일"}
    for exam in EXAM_DAYS:
        if first <= date.fromisoformat(exam) <= last:
            hours[exam] = {"open": "10:00", "close": "16:30", "why": "수능일"}
    return dict(sorted(hours.items()))


def main() -> None:
    """Writes the file for the years given, 2025 to 2027 unless told."""
    years = [int(word) for word in sys.argv[1:3]] or [2025, 2027]
    first, last = date(years[0], 1, 1), date(years[-1], 12, 31)
    closed = weekdays_without_session(first, last)
    table = {
        "source": f"exchange-calendars {exchange_calendars.__version__}, corrected in make_calendar.py",
        "first": first.isoformat(),
        "last": last.isoformat(),
        "closed": closed,
        "hours": odd_hours(first, last, closed),
    }
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(table, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
