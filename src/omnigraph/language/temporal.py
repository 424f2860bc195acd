"""Dates and instants: their texts, and the integers that stand for them.

A Date is a number of days since 1970-01-01, a DateTime a number of milliseconds since 1970-01-01T00:00:00Z. The calendar
is the proleptic Gregorian one of the years 1 to 9999; stored integers outside of it are shown as they are.
"""

from __future__ import annotations

import re

_TEXT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,32}))?(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))?)?"
)
_DAY_MS = 86_400_000
_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class TemporalError(ValueError):
    """A text that is no Date or no DateTime; the message is that of the specification."""


def parse_date(text: str) -> int:
    """Return the days of ``YYYY-MM-DD``; a longer timestamp is cut to its date in UTC. Raises TemporalError."""
    milliseconds = _milliseconds(text)
    if milliseconds is None:
        raise TemporalError(f"invalid Date literal '{text}'")
    return milliseconds // _DAY_MS


def parse_datetime(text: str) -> int:
    """Return the milliseconds of a date (midnight) or a timestamp, its offset applied. Raises TemporalError.

    Without an offset the time is UTC. A finer fraction is cut to milliseconds.
    """
    milliseconds = _milliseconds(text)
    if milliseconds is None:
        raise TemporalError(f"invalid DateTime literal '{text}'")
    return milliseconds


def format_date(days: int) -> str | int:
    """Return ``YYYY-MM-DD`` as results show it, or the integer itself outside the calendar."""
    return _date_text(days) if DATE_DAYS_MIN <= days <= DATE_DAYS_MAX else days


def format_datetime(milliseconds: int) -> str | int:
    """Return ``YYYY-MM-DDThh:mm:ss.mmmZ`` as results show it, or the integer itself outside the calendar."""
    if not DATE_DAYS_MIN * _DAY_MS <= milliseconds < (DATE_DAYS_MAX + 1) * _DAY_MS:
        return milliseconds
    text, fraction = _datetime_text(milliseconds)
    return f"{text}.{fraction:03d}Z"


def export_date(days: int) -> int:
    """Return a Date as export writes it: its days."""
    return days


def export_datetime(milliseconds: int) -> str | int:
    """Return a DateTime as export writes it: without a zone, the fraction only when it is not zero."""
    if not DATE_DAYS_MIN * _DAY_MS <= milliseconds < (DATE_DAYS_MAX + 1) * _DAY_MS:
        return milliseconds
    text, fraction = _datetime_text(milliseconds)
    return f"{text}.{fraction:03d}" if fraction else text


def _milliseconds(text: str) -> int | None:
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= _month_length(year, month):
        return None
    milliseconds = days_from_civil(year, month, day) * _DAY_MS
    if match[4] is None:
        return milliseconds
    hour, minute, second = int(match[4]), int(match[5]), int(match[6])
    if hour > 23 or minute > 59 or second > 59:
        return None
    milliseconds += ((hour * 60 + minute) * 60 + second) * 1000
    if match[7]:
        milliseconds += int(match[7][:3].ljust(3, "0"))
    if match[9]:
        offset_hours, offset_minutes = int(match[10]), int(match[11])
        if offset_hours > 23 or offset_minutes > 59:
            return None
        offset = (offset_hours * 60 + offset_minutes) * 60_000
        milliseconds += -offset if match[9] == "+" else offset
    return milliseconds if DATE_DAYS_MIN * _DAY_MS <= milliseconds < (DATE_DAYS_MAX + 1) * _DAY_MS else None


def _month_length(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_LENGTHS[month - 1] + leap


def _date_text(days: int) -> str:
    year, month, day = civil_from_days(days)
    return f"{year:04d}-{month:02d}-{day:02d}"


def _datetime_text(milliseconds: int) -> tuple[str, int]:
    days, rest = divmod(milliseconds, _DAY_MS)
    seconds, fraction = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date_text(days)}T{hour:02d}:{minute:02d}:{second:02d}", fraction


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 of a date that exists.

    Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    """
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return year, month and day; the inverse of ``days_from_civil``."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


DATE_DAYS_MIN = days_from_civil(1, 1, 1)
DATE_DAYS_MAX = days_from_civil(9999, 12, 31)
