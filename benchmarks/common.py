"""What the benchmarks share: one thread, the sgemm floor, and the plain PyTorch network."""

import os

os.environ["NPROC"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import statistics
import time

import jax

from grokscope.config import Experiment
from grokscope.data import make_dataset
from grokscope.training import CPU_OPTIONS, _prepare, _static, train_block

jax.config.update("jax_cpu_enable_async_dispatch", False)  # no second thread that waits and spins


def seconds(call, repeats):
    """Median seconds of a call, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


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


def our_step(experiment: Experiment, steps: int, repeats: int = 7):
    """Median seconds of one training step of ours, compiled block and all."""
    state, dynamic = _prepare(experiment, make_dataset(experiment))
    static = _static(experiment)

    def run():
        jax.block_until_ready(train_block(state, dynamic, 0, steps, static, True))

    return seconds(run, repeats) / steps


def torch_step(experiment: Experiment, steps: int):
    """Median seconds of one step in plain PyTorch: dense one-hot input, autograd, AdamW."""
    import torch

    torch.set_num_threads(1)
    data = make_dataset(experiment)
    p, n = data.n_labels, data.n_train
    one_hot = torch.nn.functional.one_hot
    inputs = torch.as_tensor(data.inputs[:n].astype("int64"))
    x = one_hot(inputs, p).flatten(1).float()
    y = one_hot(torch.as_tensor(data.given_labels[:n].astype("int64")), p).float()
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
    return seconds(lambda: [step(*next(stream)) for _ in range(steps)], 7) / steps


def report(what, ratio, must, better="below"):
    """One line: the ratio, and the target that it meets or misses."""
    met = ratio <= must if better == "below" else ratio >= must
    sign = "≤" if better == "below" else "≥"
    print(f"{what:58s} {ratio:8.2f} ×   target {sign} {must} ×   {'met' if met else 'MISSED'}")
