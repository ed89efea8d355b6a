"""A progress bar with time left; silent where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

MEMORY_SECONDS = 600
"""Span over which speed is averaged: runs of a sweep differ, and some settle early."""


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} {task.fields['unit']}/s" if task.speed else "")


def _bar(show: bool, *columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not (show and console.is_terminal),
        transient=True,
        speed_estimate_period=MEMORY_SECONDS,
    )


@contextmanager
def progress_bar(
    description: str, total: int, show: bool, unit: str = "steps"
) -> Iterator[Callable[[int], None]]:
    """Yields a function to call with the number of steps just done."""
    with _bar(show, MofNCompleteColumn(), _Speed()) as progress:
        task = progress.add_task(description, total=total, unit=unit)
        yield lambda steps: progress.update(task, advance=steps)


@contextmanager
def work_bar(show: bool) -> Iterator[Callable[[str, float, float], None]]:
    """Yields a function to call with a description, the work done so far, and all of it."""
    with _bar(show) as progress:
        task = progress.add_task("", total=None)

        def update(description: str, done: float, total: float) -> None:
            progress.update(task, description=description, completed=done, total=total)

        yield update
