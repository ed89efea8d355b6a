"""Phase diagrams: Figures 3, 7, 9 to 11, 13, 14, 16 and 24 to 31."""

from __future__ import annotations

from functools import partial
from typing import Any

from grokscope.paper.figures import QUICK_AXES, SweepFigure
from grokscope.paper.grids import SHOWN
from grokscope.plotting.diagram import draw_diagrams

QUICK_ROWS = {**QUICK_AXES, "train_fraction": (0.1, 0.3, 0.5)}
"""For figures of eight panels: the row that is left out takes as long as the others together."""

WIDE: dict[str, Any] = {
    "weight_decay": (0, 15),
    "train_fraction": (0.3, 0.5, 0.7),
    "corruption_fraction": (0.0, 0.3, 0.6),
}
"""For networks of ten times the paper's other width: quick ones are fewer, and narrower."""

FIGURES = {
    3: SweepFigure(
        "Phase diagrams by weight decay and by dropout",
        ("figure3a", "figure3b"),
        draw_diagrams,
        quick_axes=QUICK_ROWS,
    ),
    24: SweepFigure(
        "Phases and accuracies by weight decay",
        ("figure3a",),
        partial(draw_diagrams, with_accuracies=True),
    ),
    25: SweepFigure(
        "Phases and accuracies by dropout",
        ("figure3b",),
        partial(draw_diagrams, with_accuracies=True),
    ),
    7: SweepFigure(
        "Transformer and 3-layer MLP: phases and input IPR by weight decay",
        ("figure7a", "figure7b"),
        partial(draw_diagrams, ipr_of=(0,), ipr_at=SHOWN["figure7a"]),
        {"train_fraction": (0.4, 0.8), "corruption_fraction": (0.0, 0.2)},
        {"figure7b": {"width": 200}},
        quick_seeds=1,
        chosen="wd, and α and ξ of the histograms",
    ),
    13: SweepFigure(
        "Transformer: phases and embedding IPR by dropout",
        ("figure13",),
        partial(draw_diagrams, ipr_of=(0,), ipr_at=SHOWN["figure13"]),
        {"train_fraction": (0.5, 0.9), "corruption_fraction": (0.0, 0.1)},
        chosen="dp, lr and steps",
    ),
    14: SweepFigure(
        "3-layer MLP: phases, input and output IPR by parameterisation",
        ("figure14",),
        partial(draw_diagrams, ipr_of=(0, -1), ipr_at=SHOWN["figure14"]),
        {"train_fraction": (0.4, 0.6, 0.8), "corruption_fraction": (0.0, 0.2, 0.4)},
        {"figure14": {"width": 200}},
        chosen="wd, lr and steps",
    ),
    16: SweepFigure(
        "MNIST: phase diagrams by weight decay and by dropout",
        ("figure16a", "figure16b"),
        draw_diagrams,
        {"train_fraction": (0.05, 0.2), "corruption_fraction": (0.0, 0.2, 0.4, 0.6)},
        chosen="everything but depth and loss",
    ),
    9: SweepFigure("Phase diagrams by batch size, with BatchNorm", ("figure9",), draw_diagrams),
    10: SweepFigure("Phase diagrams by batch size", ("figure10",), draw_diagrams),
    11: SweepFigure("Phase diagrams by batch size, with LayerNorm", ("figure11",), draw_diagrams),
    26: SweepFigure(
        "Phase diagrams with cross-entropy, by weight decay and by dropout",
        ("figure26a", "figure26b"),
        draw_diagrams,
        quick_axes=QUICK_ROWS,
        chosen="wd and dp",
    ),
    27: SweepFigure(
        "Phase diagrams with ReLU, by weight decay", ("figure27",), draw_diagrams, chosen="wd"
    ),
    28: SweepFigure(
        "Phase diagrams with ReLU, by dropout", ("figure28",), draw_diagrams, chosen="dp"
    ),
    29: SweepFigure(
        "Phase diagrams at N = 5000",
        ("figure29",),
        draw_diagrams,
        WIDE,
        {"figure29": {"width": 2000}},
        chosen="wd",
    ),
    30: SweepFigure(
        "Phase diagrams at N = 5000 and N = 500 with ReLU",
        ("figure30a", "figure30b"),
        draw_diagrams,
        {**WIDE, "weight_decay": (0, 20), "train_fraction": (0.3, 0.7)},
        {"figure30a": {"width": 2000}},
        chosen="wd and lr",
    ),
    31: SweepFigure("Phase diagrams of modular multiplication", ("figure31",), draw_diagrams),
}
