"""What the findings did not expect, checked by other means: about seven minutes on one core.

A 3-layer MLP at weight decay 0 gives up labels that it had fitted: does plain PyTorch, with weights
of its own? And is a Transformer's embedding periodic when its initial values are taken away?
"""

from itertools import pairwise

import numpy as np
import torch

from common import torch_pairs
from grokscope.data.dataset import make_dataset
from grokscope.measures.spectrum import ipr, power_spectrum
from grokscope.paper.grids import load_grid
from grokscope.runs.train import train
from grokscope.training.ensemble import train_steps
from grokscope.training.networks import init_model

SHOWN = (200, 400, 600, 800, 1000, 1200, 1400, 1600)


def torch_accuracies(experiment):
    """Accuracy and loss on the training set after each step in `SHOWN`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data, width = make_dataset(experiment), experiment.model.width
    x, y = torch_pairs(data)
    sizes = [x.shape[1], width, width, y.shape[1]]
    matrices = [torch.nn.Linear(*pair, bias=False) for pair in pairwise(sizes)]
    for matrix in matrices:
        torch.nn.init.normal_(matrix.weight, 0, (2 / matrix.in_features) ** 0.5)
    first, second, last = matrices
    network = torch.nn.Sequential(first, torch.nn.ReLU(), second, torch.nn.ReLU(), last)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=0.001, betas=(0.9, 0.98), weight_decay=0.0
    )
    for step in range(SHOWN[-1] + 1):
        logits = network(x)
        loss = torch.nn.functional.mse_loss(logits, y)
        if step in SHOWN:
            yield (logits.argmax(1) == y.argmax(1)).float().mean().item(), loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


deep = load_grid("figure7b").base
deep = deep.replace(width=200, train_fraction=0.8, steps=SHOWN[-1], measure_every=SHOWN[0])
ours = train(deep, progress=False).dataset.sel(step=list(SHOWN))
print("3-layer MLP, N = 200, α = .8, wd 0: training accuracy and loss, ours and PyTorch's")
theirs = torch_accuracies(deep)
for step, (accuracy, loss) in zip(SHOWN, theirs, strict=True):
    at = ours.sel(step=step)
    print(f"  step {step:4d}  {float(at.train_accuracy):.3f} {float(at.train_loss):.5f}"
          f"   {accuracy:.3f} {loss:.5f}", flush=True)  # fmt: skip

attention = load_grid("figure13").base
attention = attention.replace(train_fraction=0.9, corruption_fraction=0.1, dropout=0.05, steps=2000)
*_, (_, (state,)) = train_steps([attention], [make_dataset(attention)])
network = state.model
before, after = (np.asarray(one.E) for one in (init_model(attention), network))
print(
    "Transformer, dp .05, α = .9, ξ = .1: its embedding, mean IPR of a coordinate, and the share of"
)
print("the power of all that the four strongest frequencies have (.08 if all were even)")
for name, matrix in (("before", before), ("after", after), ("the change", after - before)):
    power = np.sort(power_spectrum(matrix).sum(axis=1))[::-1]
    share = power[:4].sum() / power.sum()
    print(f"  {name:10s}  IPR {ipr(matrix).mean():.4f}  share {share:.2f}  rms {matrix.std():.2f}")
