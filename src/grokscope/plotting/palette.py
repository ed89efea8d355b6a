"""Colours and dashes, the same in every picture, in the terminal and in the browser.

Colours survive greyscale and colour-blindness: each line also has dashes of its own, and each
phase a lightness of its own.
"""

from __future__ import annotations

from typing import TypedDict

from grokscope.measures.phases import Phase

# Okabe and Ito's palette.
BLUE, ORANGE, GREEN, RED, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#222222"
GREY = "#777777"
"""Of what stands for several colours in a legend."""


class Line(TypedDict):
    """How a score's line is drawn, and what the legend calls it."""

    color: str
    ls: str | tuple[int, tuple[int, int]]
    label: str


LINES: dict[str, Line] = {
    "train_accuracy": {"color": ORANGE, "ls": "-", "label": "train"},
    "test_accuracy": {"color": BLUE, "ls": "--", "label": "test"},
    "corrupted_accuracy": {"color": RED, "ls": ":", "label": "train, corrupted"},
    "corrected_accuracy": {"color": GREEN, "ls": (0, (5, 2)), "label": "train, corrected"},
    "uncorrupted_accuracy": {"color": BLACK, "ls": "-.", "label": "train, uncorrupted"},
    "train_loss": {"color": ORANGE, "ls": "-", "label": "train"},
    "test_loss": {"color": BLUE, "ls": "--", "label": "test"},
}

PHASE_COLORS = {
    Phase.COEXISTENCE: "#E69F00",
    Phase.PARTIAL_INVERSION: "#56B4E9",
    Phase.FULL_INVERSION: "#0A4D8C",
    Phase.MEMORIZATION: "#C8553D",
    Phase.FORGETTING: "#222222",
    Phase.CONFUSION: "#B9B9B9",
    Phase.DIVERGED: "#7A1FA2",
    Phase.SECOND_RULE: "#63C08F",
}
"""The colour of each phase; their lightness differs too."""

SEQUENTIAL = (
    *("#00224E", "#1A386F", "#434E6C", "#61656F", "#7D7C78", "#9B9476", "#BCAE6C", "#DEC958"),
    "#FEE838",
)
"""From low to high: Cividis (Nuñez, Anderton and Renslow 2018), the same to the colour-blind."""

DIVERGING = ("#0A3C70", "#2F7FBF", "#8DBBDD", "#D9D9D9", "#EDB077", "#D06A1B", "#7A3300")
"""From negative to positive through grey: blue and orange, which the colour-blind tell apart."""

PALE = 0.45
"""How far the colour of an inferred cell is on its way to white."""


def ink_on(color: str) -> str:
    """Black or white, whichever is easier to read on a colour.

    >>> ink_on("#E69F00"), ink_on("#0A4D8C")
    ('black', 'white')
    """
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return "black" if luma > 0.5 else "white"
