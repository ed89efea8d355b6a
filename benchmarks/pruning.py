"""How much faster is a two-sided pruning curve than evaluating every masked network? One thread.

And how long is Figure 32's search in its widest network, which here is the analytic one?
"""

import time

import numpy as np

from common import report, seconds
from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.pruning import fewest_neurons, neurons_required, pruning_curve
from grokscope.models.analytic import analytic_network
from grokscope.runs.compact import COUNTS
from grokscope.training.networks import init_model

experiment = Experiment(corruption_fraction=0.35)
data, model = make_dataset(experiment), init_model(experiment)
width = experiment.model.width
order = np.random.default_rng(0).permutation(width)


def two_sided():
    for direction in (order, order[::-1]):
        pruning_curve(model, data, direction, experiment.loss)


def masked_network():
    """One count, all seven measures, each on its own subset, in plain PyTorch."""
    import torch

    torch.set_num_threads(1)
    one_hot = torch.nn.functional.one_hot
    x = one_hot(torch.as_tensor(data.inputs.astype("int64")), data.n_labels).flatten(1).float()
    given = torch.as_tensor(data.given_labels.astype("int64"))
    true = torch.as_tensor(data.true_labels.astype("int64"))
    train, corrupted = torch.as_tensor(data.is_train), torch.as_tensor(data.is_corrupted)
    first = torch.nn.Linear(2 * data.n_labels, width, bias=False)
    second = torch.nn.Linear(width, data.n_labels, bias=False)
    subsets = [(x[m], given[m]) for m in (train, ~train, corrupted, train & ~corrupted)]
    measures = [(*subset, "accuracy") for subset in subsets]
    measures += [(x[corrupted], true[corrupted], "accuracy")]
    measures += [(a, one_hot(b, data.n_labels).float(), "loss") for a, b in subsets[:2]]

    @torch.no_grad()
    def evaluate():
        with_mask = second.weight * (torch.arange(width) < width // 2)
        for inputs, target, kind in measures:
            logits = torch.nn.functional.linear(first(inputs) ** 2, with_mask)
            if kind == "accuracy":
                (logits.argmax(dim=1) == target).float().mean().item()
            else:
                torch.nn.functional.mse_loss(logits, target).item()

    return seconds(evaluate, 7)


ours = seconds(two_sided, 3)
plain = masked_network()
counts = 2 * (width + 1)
print(f"two-sided curve {ours:.2f} s; one masked network {plain * 1e3:.1f} ms, {counts} of them")
report("re-evaluating / subtracting", plain * counts / ours, 100, "above")

wide = 10_000
model, order = analytic_network(97, wide), np.random.default_rng(0).permutation(wide)
began = time.perf_counter()
coarse = pruning_curve(model, data, order, experiment.loss, stride=wide // COUNTS)
fewest = fewest_neurons(model, data, order, coarse)
took = time.perf_counter() - began
print(f"N = {wide:,}: {fewest} neurons required, found in {took:.1f} s, first use included; "
      f"{neurons_required(coarse)} on the coarse curve")  # fmt: skip
report("Figure 32's search / 30 s", took / 30, 1)
