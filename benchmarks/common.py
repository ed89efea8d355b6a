"""What the benchmarks share: one thread, the sgemm floor, and the plain PyTorch network."""

import os

os.environ["NPROC"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import statistics
import time

import jax
import numpy as np

from grokscope.analysis.statistics import mean_interval
from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.training.compile import CPU_OPTIONS
from grokscope.training.loop import prepare, static_settings, train_block

jax.config.update("jax_cpu_enable_async_dispatch", False)  # no second thread that waits and spins


def seconds(call, repeats):
    """Median seconds of a call, after one that is not counted."""
    return step_seconds((call, 1), repeats=repeats)[0]


def step_seconds(*works, repeats=7):
    """Median seconds of a step of each work: a call, and how many steps it takes.

    They take turns, because the machine drifts by a tenth within a minute.
    """
    for call, _ in works:
        call()
    times = [[] for _ in works]
    for _ in range(repeats):
        for (call, steps), taken in zip(works, times, strict=True):
            began = time.perf_counter()
            call()
            taken.append((time.perf_counter() - began) / steps)
    return list(map(statistics.median, times))


def sgemm_rate():
    """Best operations a second seen on large float32 matrices, by XLA's compiler variants."""
    best = 0.0
    for size in (1024, 2048, 3072):
        a = jax.random.normal(jax.random.key(0), (size, size))
        for options in (CPU_OPTIONS, {}):
            product = jax.jit(lambda a: a @ a, compiler_options=options or None)
            for _ in range(6):
                fastest = seconds(lambda f=product, a=a: f(a).block_until_ready(), 1)
                best = max(best, 2 * size**3 / fastest)
    return best


def our_steps(experiment: Experiment, steps: int):
    """Training steps of ours, compiled block and all, for `step_seconds`."""
    state, dynamic = prepare(experiment, make_dataset(experiment))
    static = static_settings(experiment)

    def run():
        jax.block_until_ready(train_block(state, dynamic, 0, steps, static, "alone"))

    return run, steps


def torch_pairs(data):
    """A dataset's training pairs side by side and its given labels, one-hot, for PyTorch."""
    import torch

    def one_hot(values):
        values = torch.as_tensor(values[: data.n_train].astype("int64"))
        return torch.nn.functional.one_hot(values, data.n_labels).flatten(1).float()

    return one_hot(data.inputs), one_hot(data.given_labels)


def torch_steps(experiment: Experiment, steps: int):
    """Steps in plain PyTorch: dense one-hot input, autograd, AdamW."""
    import torch

    torch.set_num_threads(1)
    data = make_dataset(experiment)
    p, n = data.n_labels, data.n_train
    x, y = torch_pairs(data)
    first = torch.nn.Linear(2 * p, experiment.model.width, bias=False)
    second = torch.nn.Linear(experiment.model.width, p, bias=False)
    for weights in (first.weight, second.weight):
        torch.nn.init.normal_(weights, 0, (16 * experiment.model.width) ** (-1 / 3))
    kinds = {None: torch.nn.Identity, "batch_norm": torch.nn.BatchNorm1d}
    kinds |= {"layer_norm": torch.nn.LayerNorm}
    norm = kinds[experiment.model.normalization](experiment.model.width)
    parameters = [*first.parameters(), *second.parameters(), *norm.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=0.01, betas=(0.9, 0.98), weight_decay=0.0)

    def step(x, y):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(second(norm(first(x) ** 2)), y).backward()
        optimizer.step()

    def batches():
        size = experiment.batch_size
        while size is None:
            yield x, y
        while True:
            order = torch.randperm(n)
            for index in range(n // size):
                rows = order[index * size : (index + 1) * size]
                yield x[rows], y[rows]

    stream = batches()
    return lambda: [step(*next(stream)) for _ in range(steps)], steps


def torch_transformer(experiment: Experiment, steps: int):
    """Steps of a plain PyTorch Transformer, both tokens through all of it."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    model, data = experiment.model, make_dataset(experiment)
    d, heads, p = model.width, model.heads, data.n_labels

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.key, self.value, self.output = (
                nn.Linear(d, d, bias=False) for _ in range(4)
            )
            self.expand, self.contract = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, False)

        def forward(self, x):
            q, k, v = (
                layer(x).unflatten(-1, (heads, -1)).transpose(1, 2)
                for layer in (self.query, self.key, self.value)
            )
            weights = (q @ k.transpose(-1, -2) / (d // heads)).softmax(-1)
            x = x + self.output((weights @ v).transpose(1, 2).flatten(2))
            return x + self.contract(torch.relu(self.expand(x)))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(p, d), nn.Parameter(torch.randn(2, d))
            self.blocks = nn.Sequential(*(Block() for _ in range(model.depth)))
            self.readout = nn.Linear(d, p, bias=False)

        def forward(self, x):
            return self.readout(self.blocks(self.tokens(x) + self.places))[:, -1] / d

    n = data.n_train
    x = torch.as_tensor(data.inputs[:n].astype("int64"))
    labels = torch.as_tensor(data.given_labels[:n].astype("int64"))
    y = torch.nn.functional.one_hot(labels, p).float()
    return _torch_steps(Network(), lambda: (x, y), torch.nn.functional.mse_loss, steps)


def torch_images(experiment: Experiment, steps: int):
    """Steps of a plain PyTorch MLP on batches of images."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    model, data = experiment.model, make_dataset(experiment)
    widths = [784, *[model.width] * (model.depth - 1), 10]
    layers = [
        part
        for i in range(model.depth)
        for part in (nn.Linear(widths[i], widths[i + 1], bias=False), nn.ReLU())
    ]
    n, size = data.n_train, experiment.batch_size
    x = torch.tensor(data.inputs[:n]).float() / 255
    y = torch.as_tensor(data.given_labels[:n].astype("int64"))

    def batches():
        while True:
            for rows in torch.randperm(n)[: n // size * size].split(size):
                yield x[rows], y[rows]

    stream = batches()
    loss = torch.nn.functional.cross_entropy
    return _torch_steps(nn.Sequential(*layers[:-1]), lambda: next(stream), loss, steps)


def _torch_steps(network, batch, loss, steps):
    import torch

    optimizer = torch.optim.AdamW(network.parameters(), lr=0.001, betas=(0.9, 0.98))

    def step():
        x, y = batch()
        optimizer.zero_grad()
        loss(network(x), y).backward()
        optimizer.step()

    return lambda: [step() for _ in range(steps)], steps


def report_means(rows):
    """Print what was measured of each seed's network as means with half of their 95 % interval.

    Args:
        rows: for each network, numbers by name.
    """
    for name in rows[0]:
        mean = mean_interval(np.array([row[name] for row in rows]))
        print(f"  {name:46} {mean.estimate:7.3f} ± {mean.high - mean.estimate:.3f}", flush=True)


def report(what, ratio, must, better="below"):
    """One line: the ratio, and the target that it meets or misses."""
    met = ratio <= must if better == "below" else ratio >= must
    sign = "≤" if better == "below" else "≥"
    print(f"{what:58s} {ratio:8.2f} ×   target {sign} {must} ×   {'met' if met else 'MISSED'}")
