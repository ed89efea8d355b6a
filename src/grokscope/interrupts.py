"""Ctrl-C and SIGTERM: they end what runs, but not in the middle of a file, and are never lost."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_is_told = False


def listen() -> None:
    """Raise `KeyboardInterrupt` at Ctrl-C and SIGTERM from now on; a program's main calls it once.

    An ignored Ctrl-C, as of what a shell has started in the background, stays ignored.
    """
    global _is_told
    _is_told = False
    sys.unraisablehook = _print_unless_told
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _tell)


def _tell(number: int, frame: FrameType | None) -> None:
    global _is_told
    _is_told = True
    raise KeyboardInterrupt


def _print_unless_told(dropped: sys.UnraisableHookArgs) -> None:
    """Say nothing of an interrupt that got lost: `check` acts on it."""
    if dropped.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(dropped)


def check() -> None:
    """Raise `KeyboardInterrupt` if one was raised before and got lost.

    JAX and netCDF4 drop what is raised while Python calls them back. Whoever works for long calls
    this now and then.
    """
    if _is_told:
        raise KeyboardInterrupt


@contextmanager
def held() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back while a file is read or written, and act on them afterwards.

    An exception that rises inside the netCDF library leaves its lock taken, for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # which signals do not interrupt
        return
    waiting: list[int] = []
    before = {}
    try:
        for number in SIGNALS:
            if callable(signal.getsignal(number)):
                before[number] = signal.signal(number, lambda told, frame: waiting.append(told))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(waiting):
            signal.raise_signal(number)
