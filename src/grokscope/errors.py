"""What the caller can mend: each message is one line that says what is wrong and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral
from typing import Any


class ConfigError(ValueError):
    """A setting is impossible; the message names it, its range, its value and a remedy."""


class StoreError(Exception):
    """A run file cannot be used; the message says which, why, and what to do.

    >>> from grokscope import open_run
    >>> open_run("0123")
    Traceback (most recent call last):
    grokscope.errors.StoreError: ...
    """


class WorkerError(Exception):
    """A training process ended before its run did; what others finished is stored."""


def require_kind(name: str, value: object, kinds: type | tuple[type, ...], remedy: str) -> None:
    """Refuse an argument of another type, before it is an attribute error from deep inside.

    Args:
        name: of the argument.
        value: what was given.
        kinds: what it must be an instance of, one of them.
        remedy: what to do, a sentence.

    Raises:
        ConfigError: if it is not.

    >>> require_kind("run", 5, str, "Use a name.")
    Traceback (most recent call last):
    grokscope.errors.ConfigError: `run` must be of type str, got int. Use a name.
    """
    if not isinstance(value, kinds):
        words = " or ".join(
            kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,))
        )
        raise ConfigError(f"`{name}` must be of type {words}, got {type(value).__name__}. {remedy}")


def require_whole(
    name: str, value: object, least: int, remedy: str, most: int | None = None
) -> None:
    """Refuse an argument that is no whole number, of Python or NumPy, or is out of range.

    Args:
        name: of the argument.
        value: what was given.
        least: the smallest that it may be.
        remedy: what to do, a sentence.
        most: the largest that it may be; None for any.

    Raises:
        ConfigError: if it is not.

    >>> require_whole("seed", -1, 0, "Use 0.")
    Traceback (most recent call last):
    grokscope.errors.ConfigError: `seed` must be a whole number from 0, got -1. Use 0.
    """
    if not _is_whole(value, least, most):
        to = "" if most is None else f" to {most}"
        raise ConfigError(
            f"`{name}` must be a whole number from {least}{to}, got {_shown(value)}. {remedy}"
        )


def whole_numbers(name: str, values: Any, least: int, most: int, remedy: str) -> list[int]:
    """The whole numbers that an argument holds.

    Args:
        name: of the argument.
        values: what was given, a list or an array.
        least: the smallest that each may be.
        most: the largest.
        remedy: what to do, a sentence.

    Raises:
        ConfigError: if it holds none, or anything else; naming the first that is wrong.

    >>> whole_numbers("counts", [1, 9], 1, 4, "Leave it out.")
    Traceback (most recent call last):
    grokscope.errors.ConfigError: `counts` must hold whole numbers from 1 to 4, got 9. Leave it out.
    """
    try:
        found = [] if isinstance(values, str) else [*values]
    except TypeError:
        found = []
    wrong = [value for value in found if not _is_whole(value, least, most)]
    if wrong or not found:
        must, got = ("hold", wrong[0]) if wrong else ("be a list of", values)
        raise ConfigError(
            f"`{name}` must {must} whole numbers from {least} to {most}, got {_shown(got)}. "
            f"{remedy}"
        )
    return [int(value) for value in found]


def _shown(value: Any) -> str:
    """What was given; a number of NumPy without the name of its type.

    >>> import numpy as np
    >>> _shown(np.int64(-1)), _shown("one")
    ('-1', "'one'")
    """
    return repr(value.item() if getattr(value, "ndim", None) == 0 else value)


def _is_whole(value: object, least: int, most: int | None) -> bool:
    """Whether a value is a whole number in a range; True and False are none."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        return False
    return least <= int(value) and (most is None or int(value) <= most)


def meant(name: str, known: Iterable[str]) -> str:
    """What to use in place of an unknown name: those like it, or any that is known.

    >>> meant("width", ["weight", "depth"]), meant("foo", ["width", "depth"])
    ('Did you mean depth?', 'Use one of width, depth.')
    """
    known = [*known]
    close = get_close_matches(name, known, n=3)
    return f"Did you mean {' or '.join(close)}?" if close else f"Use one of {', '.join(known)}."
