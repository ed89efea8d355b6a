"""What the caller can mend: each message is one line that says what is wrong and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


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


def meant(name: str, known: Iterable[str]) -> str:
    """What to use in place of an unknown name: those like it, or any that is known.

    >>> meant("width", ["weight", "depth"]), meant("foo", ["width", "depth"])
    ('Did you mean depth?', 'Use one of width, depth.')
    """
    known = [*known]
    close = get_close_matches(name, known, n=3)
    return f"Did you mean {' or '.join(close)}?" if close else f"Use one of {', '.join(known)}."
