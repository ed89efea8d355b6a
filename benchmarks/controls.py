"""Does periodicity, rather than size, tell neurons that generalise from those that memorise?

The pruning claims by IPR, by ‖W_k‖, by IPR among neurons of like ‖W_k‖, and at random, in the
default network at three weight decays. Networks are kept in the folder given, or in `runs`.
"""

import sys

import numpy as np

from grokscope.analysis.statistics import rank_correlation
from grokscope.experiment.experiment import Experiment
from grokscope.measures.orders import STRATA, pruning_order, ranks_within
from grokscope.measures.pruning import QUANTILES
from grokscope.runs.pruning import prune, random_curves
from grokscope.runs.train import train

NOISY = Experiment(corruption_fraction=0.35, measure_every=50)
DECAYS, SEEDS, STRIDE = (0, 5, 15), range(4), 10
SCORES = ("test_accuracy", "corrupted_accuracy")
CLAIMS = {
    "prune-low": (0, "lowest", SCORES, None),
    "prune-high": (0, "highest", SCORES[::-1], None),
    "prune-partial": (5, "lowest", SCORES, None),
    "prune-partial-high": (5, "highest", SCORES[::-1], None),
    "prune-full": (15, "lowest", SCORES, 0.5),
    "prune-full-high": (15, "highest", SCORES[::-1], None),
}
"""A weight decay, which neurons are removed first, the accuracies that are kept and lost, and the
share of neurons removed, if it is not where these are most apart by IPR."""

ORDERS = ("ipr", "ipr_within_norm", "norm")
OTHERS = (5, 20, 50)
"""Other numbers of strata than `STRATA`, to see what depends on it."""

store = sys.argv[1] if len(sys.argv) > 1 else "runs"
runs = {
    (decay, seed): train(NOISY.replace(weight_decay=decay, seed=seed), store, progress=False)
    for seed in SEEDS
    for decay in DECAYS
}


def excess(curve, kept, lost):
    """The most by which one accuracy exceeds the other, and the neurons removed there."""
    difference = (curve[kept] - curve[lost]).values
    return float(difference.max()), int(curve.pruned[difference.argmax()])


def norm_of(run):
    """‖W_k‖ of each neuron."""
    return run.network.layers["hidden"].outgoing_norm_of(run.network)


def within(strata):
    """IPR in any number of strata, as a function for `prune`."""
    return lambda run: ranks_within(run.neuron_ipr, norm_of(run), strata)


def mean_of(values):
    return f"{np.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def print_claim(name):
    decay, first, (kept, lost), share = CLAIMS[name]
    orders = {order: order for order in ORDERS} | {f"{n} strata": within(n) for n in OTHERS}
    found = {order: [] for order in orders}
    points = {order: [] for order in (*ORDERS, "random")}
    shares, at_random, whole = [], [], []
    for seed in SEEDS:
        run = runs[decay, seed]
        curves = {order: prune(run, by, first, stride=STRIDE) for order, by in orders.items()}
        random = random_curves(run, stride=STRIDE)
        for order, curve in curves.items():
            found[order].append(excess(curve, kept, lost)[0])
        width = int(random.pruned[-1])
        count = excess(curves["ipr"], kept, lost)[1] if share is None else round(share * width)
        shares.append(count / width)
        for order in ORDERS:
            at = curves[order].sel(pruned=count)
            points[order].append([float(at[score]) for score in SCORES])
        at = random.sel(pruned=count)
        points["random"].append([at[score].quantile(QUANTILES).values for score in SCORES])
        largest = (random[kept] - random[lost]).max("pruned")
        at_random.append(largest.quantile(QUANTILES).values)
        whole.append(float(random[kept][0, 0] - random[lost][0, 0]))
    print(f"\n{name}: wd {decay}, {first} first, {kept} above {lost}")
    print(f"  most by which it is above, mean over {len(SEEDS)} seeds (least to most)")
    for order, values in found.items():
        print(f"    {order:16s} {mean_of(values)}")
    low, middle, high = np.mean(at_random, axis=0)
    print(f"    {'random':16s} {middle:.3f}, central 95 % {low:.3f} to {high:.3f}")
    print(f"    {'no pruning':16s} {mean_of(whole)}")
    place = "where it is most by IPR, " if share is None else "with "
    print(f"  test / corrupted accuracy {place}{np.mean(shares):.0%} pruned")
    for order in ORDERS:
        test, corrupted = np.mean(points[order], axis=0)
        print(f"    {order:16s} {test:.3f} / {corrupted:.3f}")
    (t_low, t_mid, t_high), (c_low, c_mid, c_high) = np.mean(points["random"], axis=0)
    print(
        f"    {'random':16s} {t_mid:.3f} ({t_low:.3f}–{t_high:.3f}) / "
        f"{c_mid:.3f} ({c_low:.3f}–{c_high:.3f})"
    )


def print_sizes(decay):
    """How IPR and size go together, and how well strata hold size constant."""
    rho, left = [], {order: [] for order in ORDERS}
    for seed in SEEDS:
        run = runs[decay, seed]
        ipr = run.neuron_ipr
        norm = norm_of(run)
        live = ~np.isnan(ipr)
        rho.append(rank_correlation(ipr[live], norm[live]).estimate)
        numbers = {"ipr": ipr, "norm": norm, "ipr_within_norm": ranks_within(ipr, norm)}
        for order, values in numbers.items():
            half = np.array_split(norm[pruning_order(values)], 2)
            left[order].append(half[0].mean() / half[1].mean())
    ratios = ", ".join(f"{order} {np.mean(values):.2f}" for order, values in left.items())
    print(f"  wd {decay:2d}: ρ of IPR and ‖W_k‖ {mean_of(rho)}")
    print(f"         mean ‖W_k‖ of the lower half over the upper half's: {ratios}")


print(f"IPR within norm: {STRATA} strata unless said otherwise")
for decay in DECAYS:
    print_sizes(decay)
for claim in CLAIMS:
    print_claim(claim)
