"""What headers ask of us, read as little as it can be trusted: anybody on the way may have written them.

Source: RFC 9110, 10.2.3 (Retry-After) and 6.6.1 (Date); RFC 8288 (Link).
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

# Whoever asks for more than a day does not mean a program that waits.
_LONGEST_WISH_S = 86_400.0
_NUMBER = re.compile(r"[0-9]{1,12}")
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next\b')


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` asks for, never below zero; None where it asks for nothing that can be meant.

    A date counts from the answer's own `Date`: no clock is compared with another. Names of headers are in lower case.
    """
    text = headers.get("retry-after", "").strip()
    wish_s = number(text)
    if wish_s is None:
        later_s, sent_s = _seconds(text), date_s(headers)
        wish_s = None if later_s is None or sent_s is None else max(later_s - sent_s, 0.0)
    return meant(wish_s)


def meant(wish_s: float | None) -> float | None:
    """The wish for so many seconds of quiet; None where it can't be meant."""
    return wish_s if wish_s is not None and wish_s <= _LONGEST_WISH_S else None


def date_s(headers: Mapping[str, str]) -> float | None:
    """Epoch seconds of the clock that wrote the answer; None where it does not say."""
    return _seconds(headers.get("date", ""))


def number(text: str) -> float | None:
    """What a header's digits say; None for anything else, also for what only Unicode takes for digits."""
    return float(text) if _NUMBER.fullmatch(text) else None


def next_page(headers: Mapping[str, str]) -> str:
    """The address of the page after this one (`Link: <…>; rel="next"`), empty where there is none."""
    match = _NEXT.search(headers.get("link", ""))
    return match[1] if match else ""


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
