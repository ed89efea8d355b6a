"""Settings of the paper's networks that several figures, claims or grids share."""

from __future__ import annotations

from grokscope.experiment.experiment import Experiment

DECAYS = (0, 5, 15, 20)
"""Weight decays of Coexistence, Partial Inversion, Full Inversion and Forgetting (Fig. 3a)."""

DROPOUTS = (0, 0.3, 0.6, 0.9)
"""Dropouts that the paper shows beside them (Fig. 3b)."""

INVERSION_DECAYS, INVERSION_DROPOUTS = DECAYS[:3], DROPOUTS[:3]
"""Those up to Full Inversion, which most figures of single networks show."""

NOISY = Experiment(corruption_fraction=0.35)
"""The default setting with the label noise of most of the paper's figures."""

FORGETTING = NOISY.replace(weight_decay=DECAYS[3])
"""A network that generalises and then loses everything (App. E)."""

IN_NOTEBOOK = FORGETTING.replace(steps=5000)
"""The same for as long as in the authors' published notebook: until nothing is left of it."""

WITH_SGD = NOISY.replace(optimizer="sgd", learning_rate=400, momentum=0.9, weight_decay=4e-6)
"""Forgetting's control without an adaptive optimiser (App. E). Its weight decay is an L2 penalty,
and small: 1e-5 empties the network before it learns anything."""

WITH_RELU = FORGETTING.replace(activation="relu")
"""Forgetting's control of degree one (App. E)."""

WITH_CROSS_ENTROPY = FORGETTING.replace(
    loss="cross_entropy", train_fraction=0.7, corruption_fraction=0.2
)
"""Forgetting's control with another loss (App. M). With the α and ξ of the others it learns nothing
that it could forget."""

BATCHES = Experiment(batch_size=256).with_batch_size(64)
"""Batches of 64 by the paper's rule: learning rate .005, 8000 steps (App. A)."""

ADAM = BATCHES.replace(
    optimizer="adam", learning_rate=0.005, train_fraction=0.65, corruption_fraction=0.2
)
"""The network whose BatchNorm weights are set against IPR (Fig. 5)."""

NOISY_BATCHES = BATCHES.replace(corruption_fraction=0.3)
"""The networks that are trained with each norm layer and without (App. F)."""

DEEP_BATCH_NORM = Experiment(
    train_fraction=0.8, corruption_fraction=0.1, batch_size=64, steps=8000, measure_every=80
).replace(model="deep_mlp", normalization="batch_norm", learning_rate=0.001)
"""The 3-layer MLP with BatchNorm (App. G.4); learning rate and steps are chosen."""

WIDE = 5000
"""The width of the paper's wide networks (App. O)."""

MEASURE_EVERY = 50
"""Steps between measurements where the curves are not shown: phases need no finer ones, and 10
would cost 15 %."""
