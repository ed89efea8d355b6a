"""Steps at which a network is measured or kept: every so many, at equal ratios, or as listed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator

LARGEST = 100_000
"""Steps of the longest list, and of the most at equal ratios: more is a slip of the keyboard."""


def _read(value: object) -> object:
    """A list as a tuple, from commas too; the name of steps at equal ratios as such."""
    if isinstance(value, str) and "," in value:
        value = [int(part) if part.strip().isdecimal() else part for part in value.split(",")]
    value = getattr(value, "tolist", lambda: value)()  # of a NumPy array
    if value is None or (isinstance(value, str) and _is_logarithmic(value)):
        return value
    if not isinstance(value, range | list | tuple) or not 1 <= len(value) <= LARGEST:
        raise ValueError
    steps = tuple(value)
    if not all(type(step) is int and step >= 0 for step in steps) or [*steps] != sorted({*steps}):
        raise ValueError
    return steps


def _is_logarithmic(value: str) -> bool:
    named = re.fullmatch("log:([0-9]{1,6})", value)
    return named is not None and 2 <= int(named[1]) <= LARGEST


def _read_or_every(value: object) -> object:
    """The same, or a number of steps from one to the next."""
    return value if type(value) is int and 1 <= value < 2**31 else _read(value)


Steps = Annotated[str | tuple[int, ...] | None, BeforeValidator(_read)]
"""Steps at equal ratios, as in log:60, or a list of them."""

Schedule = Annotated[str | tuple[int, ...] | int | None, BeforeValidator(_read_or_every)]
"""The same, or every so many."""


@lru_cache(maxsize=1024)
def steps_of(schedule: str | tuple[int, ...] | int, first: int, last: int) -> Sequence[int]:
    """The steps of a schedule, ascending; the first and the last always count.

    Args:
        schedule: `n` for every multiple of n; `log:n` for n steps, counted from the first, whose
            ratios are equal but for rounding; or a list.
        first: the step at which training begins.
        last: the step at which it ends.

    >>> steps_of(10, 0, 25), steps_of("log:6", 0, 1000), steps_of((3,), 0, 5)
    ((0, 10, 20, 25), (0, 1, 6, 32, 178, 1000), (0, 3, 5))
    """
    if isinstance(schedule, int):
        begun = range(-(-first // schedule) * schedule, last, schedule)
    elif isinstance(schedule, str):
        ratios = _equal_ratios(int(schedule.removeprefix("log:")), last - first)
        begun = [first + step for step in ratios]
    else:
        begun = schedule
    return tuple(sorted({first, *begun, last}))


def count_of(schedule: str | tuple[int, ...] | int, first: int, last: int) -> int:
    """How many steps a schedule has; even ones are not listed for it.

    >>> count_of(10, 0, 25), count_of(1, 0, 2**31 - 1)
    (4, 2147483648)
    """
    if isinstance(schedule, int):
        multiples = range(-(-first // schedule) * schedule, last, schedule)
        return len(multiples) + bool(first % schedule) + 1
    return len(steps_of(schedule, first, last))


def _equal_ratios(n: int, length: int) -> list[int]:
    """Up to n - 1 whole numbers from 1 to `length` at equal ratios.

    Rounding makes some of the smallest equal; then more are taken.
    """
    found = {length}  # of two steps, the last alone
    for points in range(max(n - 1, 2), 100 * n):
        if len(found) >= min(n - 1, length):
            break
        ratio = length ** (1 / max(points - 1, 1))
        found = {round(ratio**power) for power in range(points)}
    return sorted(step for step in found if step <= length)
