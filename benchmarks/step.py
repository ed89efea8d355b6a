"""How long is a training step, against the sgemm floor and against plain PyTorch? One thread."""

from common import our_steps, report, sgemm_rate, step_seconds, torch_steps
from grokscope.experiment.experiment import Experiment
from grokscope.training.speed import STEP_TO_PRODUCTS, operations_of_step

base = Experiment(corruption_fraction=0.35)
rate = sgemm_rate()
floor = operations_of_step(base) / rate
print(f"best sgemm {rate / 1e9:.0f} GFLOP/s; floor of a full-batch step {floor * 1e3:.2f} ms")

full, dropout, dense = step_seconds(
    our_steps(base, 20), our_steps(base.replace(dropout=0.3), 20), torch_steps(base, 4)
)
print(f"full batch {full * 1e3:.2f} ms, with dropout .3 {dropout * 1e3:.2f} ms, "
      f"PyTorch {dense * 1e3:.2f} ms")  # fmt: skip
report("full-batch step / sgemm floor", full / floor, STEP_TO_PRODUCTS)
report("full-batch step with dropout .3 / sgemm floor", dropout / floor, 1.45)
report("PyTorch / ours, full batch", dense / full, 2.8, "above")

TARGETS = {None: (5, 3.5, 3.3), "batch_norm": (4.5, 3, 3), "layer_norm": (4.5, 3, 3)}
for normalization, targets in TARGETS.items():
    for size, steps, must in zip((8, 64, 256), (2000, 1000, 300), targets, strict=True):
        experiment = base.replace(batch_size=size, normalization=normalization)
        ours, theirs = step_seconds(
            our_steps(experiment, steps), torch_steps(experiment, steps // 5)
        )
        name = f"batch size {size}" + (f", {normalization}" if normalization else "")
        print(f"{name}: {ours * 1e6:.0f} µs, PyTorch {theirs * 1e6:.0f} µs")
        report(f"PyTorch / ours, {name}", theirs / ours, must, "above")

wide = base.replace(width=5000)
(step,) = step_seconds(our_steps(wide, 3))
print(f"N = 5000: {step * 1e3:.0f} ms")
report("N = 5000, full batch / sgemm floor", step / (10 * floor), 1.3)

permutations = base.replace(task="group", group="S5")
(step,) = step_seconds(our_steps(permutations, 10))
of_products = 3 * 2 * permutations.n_labels * base.model.width * permutations.n_train / rate
print(f"composition in S5: {step * 1e3:.2f} ms")
report("composition in S5, full batch / sgemm floor", step / of_products, 1.5)
