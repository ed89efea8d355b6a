"""Progress with time left: a bar on a terminal and in a notebook, a line a minute elsewhere.

Every step of progress is also where an interrupt that got lost is acted on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from grokscope import interrupts

MEMORY_SECONDS = 600
"""Span over which speed is averaged: runs of a sweep differ, and some settle early."""

LINE_SECONDS = 60.0
"""Between two lines where no bar can be drawn, as in the log of a batch system."""

Update = Callable[[str, float, float], None]
"""Called with a description, the work done so far, and all of it."""


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} {task.fields['unit']}/s" if task.speed else "")


def _bar(console: Console, *columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        speed_estimate_period=MEMORY_SECONDS,
    )


def _can_draw(console: Console) -> bool:
    """Whether bars can be drawn: on a terminal, and in a notebook that has widgets."""
    if console.is_jupyter:
        return find_spec("ipywidgets") is not None
    return console.is_terminal


class _Lines:
    """Progress as lines of text, none in the first minute."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()

    def update(self, description: str, done: float, total: float) -> None:
        """Print a line if the last one is a minute old."""
        now = time.monotonic()
        if now - self._last < LINE_SECONDS:
            return
        self._last = now
        percent = min(int(100 * done / total), 99) if total else 0  # what still works is not done
        words = f"{description}: {percent}% after {_clock(now - self._began)}"
        if done > 0:
            words += f", about {_clock((now - self._began) * (total - done) / done)} left"
        print(f"grokscope: {words}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    """A time as hours, minutes and seconds.

    >>> _clock(3725.4)
    '1:02:05'
    """
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def progress_bar(
    description: str, total: int, show: bool, unit: str = "steps"
) -> Iterator[Callable[[int], None]]:
    """Yields a function to call with the number of steps just done."""
    console, done = Console(stderr=True), 0
    if show and _can_draw(console):
        with _bar(console, MofNCompleteColumn(), _Speed()) as progress:
            task = progress.add_task(description, total=total, unit=unit)

            def draw(steps: int) -> None:
                progress.update(task, advance=steps)
                interrupts.check()

            yield draw
        return
    lines = _Lines()

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        interrupts.check()
        if show:
            lines.update(f"{description}, {done:,} of {total:,} {unit}", float(done), float(total))

    yield advance


@contextmanager
def work_bar(show: bool) -> Iterator[Update]:
    """Yields a function to call with a description, the work done so far, and all of it."""
    console = Console(stderr=True)
    if show and _can_draw(console):
        with _bar(console) as progress:
            task = progress.add_task("", total=None)

            def draw(description: str, done: float, total: float) -> None:
                progress.update(task, description=description, completed=done, total=total)
                interrupts.check()

            yield draw
        return
    lines = _Lines()

    def write(description: str, done: float, total: float) -> None:
        interrupts.check()
        if show:
            lines.update(description, done, total)

    yield write
