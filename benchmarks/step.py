"""How long is a training step, against the sgemm floor and against plain PyTorch? One thread."""

from common import our_step, report, sgemm_rate, torch_step
from grokscope.config import Experiment

base = Experiment(corruption_fraction=0.35)
rate = sgemm_rate()
floor = 3 * 2 * base.task.modulus * base.model.width * base.n_train / rate
print(f"best sgemm {rate / 1e9:.0f} GFLOP/s; floor of a full-batch step {floor * 1e3:.2f} ms")

full = our_step(base, 20)
dropout = our_step(base.replace(dropout=0.3), 20)
dense = torch_step(base, 4)
print(f"full batch {full * 1e3:.2f} ms, with dropout .3 {dropout * 1e3:.2f} ms, "
      f"PyTorch {dense * 1e3:.2f} ms")  # fmt: skip
report("full-batch step / sgemm floor", full / floor, 1.25)
report("full-batch step with dropout .3 / sgemm floor", dropout / floor, 1.45)
report("PyTorch / ours, full batch", dense / full, 2.8, "above")
for size, steps, must in ((8, 2000, 5), (64, 1000, 3.5), (256, 300, 3.3)):
    experiment = base.replace(batch_size=size)
    ours, theirs = our_step(experiment, steps, 5), torch_step(experiment, steps // 5)
    print(f"batch size {size}: {ours * 1e6:.0f} µs, PyTorch {theirs * 1e6:.0f} µs")
    report(f"PyTorch / ours, batch size {size}", theirs / ours, must, "above")
