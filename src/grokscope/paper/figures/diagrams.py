"""Phase diagrams: Figures 3, 7, 9 to 11, 13, 14, 16 and 24 to 31."""

from __future__ import annotations

from functools import partial

from grokscope.paper.figures import QUICK_AXES, SweepFigure
from grokscope.paper.grids import SHOWN
from grokscope.plotting.diagram import plot_phases

QUICK_EIGHT = {**QUICK_AXES, "train_fraction": (0.1, 0.3, 0.5)}
"""For figures of eight panels: the row left out takes as long as the other three together."""

QUICK_WIDE: dict[str, tuple[float | int, ...]] = {
    "weight_decay": (0, 15),
    "train_fraction": (0.3, 0.5, 0.7),
    "corruption_fraction": (0.0, 0.3, 0.6),
}
"""For the paper's wide networks, which take ten times as long: fewer cells."""

FIGURES = {
    3: SweepFigure(
        "Phase diagrams by weight decay and by dropout",
        "Each cell is a network, by the share of pairs that it was trained on and the share of their labels that is wrong; its colour is the phase in which it ends. Weight decay and dropout turn Coexistence into Inversion, and too much of them leads to Forgetting or Confusion.",
        ("figure3a", "figure3b"),
        plot_phases,
        quick_axes=QUICK_EIGHT,
    ),
    24: SweepFigure(
        "Phases and accuracies by weight decay",
        "The diagrams of Figure 3(a) below the final train and test accuracies. With the highest test accuracy on the way, the phases follow from them.",
        ("figure3a",),
        partial(plot_phases, with_accuracies=True),
    ),
    25: SweepFigure(
        "Phases and accuracies by dropout",
        "The diagrams of Figure 3(b) below the final train and test accuracies. With the highest test accuracy on the way, the phases follow from them.",
        ("figure3b",),
        partial(plot_phases, with_accuracies=True),
    ),
    7: SweepFigure(
        "Transformer and 3-layer MLP: phases and input IPR by weight decay",
        "Phase diagrams of deeper networks, and below them how periodic the embedding or the input layer of one of them is. Up to a point, weight decay lets more of them generalise.",
        ("figure7a", "figure7b"),
        partial(plot_phases, ipr_of=(0,), ipr_at=SHOWN["figure7a"]),
        {"train_fraction": (0.4, 0.8), "corruption_fraction": (0.0, 0.2)},
        {"figure7b": {"width": 200}},
        quick_seeds=1,
        chosen="wd, and α and ξ of the histograms",
    ),
    13: SweepFigure(
        "Transformer: phases and embedding IPR by dropout",
        "Phase diagrams of one-layer Transformers without weight decay, and how periodic the embedding of one of them is. Dropout lets more of them generalise, those with many wrong labels in Inversion.",
        ("figure13",),
        partial(plot_phases, ipr_of=(0,), ipr_at=SHOWN["figure13"]),
        {"train_fraction": (0.5, 0.9), "corruption_fraction": (0.0, 0.1)},
        chosen="dp, lr and steps",
    ),
    14: SweepFigure(
        "3-layer MLP: phases, input and output IPR by parameterisation",
        "Two ways to scale initial weights, of which the second is the lazier: the same phases, nearly the same input layer, and an output layer whose IPR differs little.",
        ("figure14",),
        partial(plot_phases, ipr_of=(0, -1), ipr_at=SHOWN["figure14"]),
        {"train_fraction": (0.4, 0.6, 0.8), "corruption_fraction": (0.0, 0.2, 0.4)},
        {"figure14": {"width": 200}},
        chosen="wd, lr and steps",
    ),
    16: SweepFigure(
        "MNIST: phase diagrams by weight decay and by dropout",
        "Networks on images with wrong labels. With some weight decay or dropout, and enough data, they answer by the image, against wrong labels. At weight decay 10 most of those with many wrong labels learn neither.",
        ("figure16a", "figure16b"),
        plot_phases,
        {"train_fraction": (0.05, 0.2), "corruption_fraction": (0.0, 0.2, 0.4, 0.6)},
        chosen="everything but depth and loss",
    ),
    9: SweepFigure(
        "Phase diagrams by batch size, with BatchNorm",
        "Networks that have seen equally many examples, in batches of 8, 64 and 256, with BatchNorm after the activation and without other regularisation.",
        ("figure9",),
        plot_phases,
    ),
    10: SweepFigure(
        "Phase diagrams by batch size",
        "Networks that have seen equally many examples, in batches of 8, 64 and 256, without a norm layer or other regularisation.",
        ("figure10",),
        plot_phases,
    ),
    11: SweepFigure(
        "Phase diagrams by batch size, with LayerNorm",
        "Networks that have seen equally many examples, in batches of 8, 64 and 256, with LayerNorm after the activation and without other regularisation.",
        ("figure11",),
        plot_phases,
    ),
    26: SweepFigure(
        "Phase diagrams with cross-entropy, by weight decay and by dropout",
        "The diagrams of Figure 3 with cross-entropy in place of the squared error. Inversion has a narrow band of weight decays. Forgetting, which the paper has not here, follows at weight decay 10 and 40.",
        ("figure26a", "figure26b"),
        plot_phases,
        quick_axes=QUICK_EIGHT,
        chosen="wd and dp",
    ),
    27: SweepFigure(
        "Phase diagrams with ReLU, by weight decay",
        "The diagrams of Figure 3(a) with ReLU in place of x². Strong weight decay leads to Confusion, and not to Forgetting.",
        ("figure27",),
        plot_phases,
        chosen="wd",
    ),
    28: SweepFigure(
        "Phase diagrams with ReLU, by dropout",
        "The diagrams of Figure 3(b) with ReLU in place of x². Moderate dropout is enough for Confusion.",
        ("figure28",),
        plot_phases,
        chosen="dp",
    ),
    29: SweepFigure(
        "Phase diagrams at N = 5000",
        "Networks ten times as wide as those of Figure 3(a). Without weight decay they keep all the labels that they are given.",
        ("figure29",),
        plot_phases,
        QUICK_WIDE,
        {"figure29": {"width": 2000}},
        chosen="wd",
    ),
    30: SweepFigure(
        "Phase diagrams at N = 5000 and N = 500 with ReLU",
        "Wide and narrow ReLU networks at the same learning rate. Up to weight decay 20 neither width is in Confusion.",
        ("figure30a", "figure30b"),
        plot_phases,
        {**QUICK_WIDE, "weight_decay": (0, 20), "train_fraction": (0.3, 0.7)},
        {"figure30a": {"width": 2000}},
        chosen="wd and lr",
    ),
    31: SweepFigure(
        "Phase diagrams of modular multiplication",
        "The diagrams of Figure 3(a) for products in place of sums.",
        ("figure31",),
        plot_phases,
    ),
}
