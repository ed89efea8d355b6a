"""How long is a step of the deeper networks, against plain PyTorch and the sgemm floor?

The images are MNIST's, from the folder that GROKSCOPE_MNIST names, or downloaded.
"""

from common import our_steps, report, sgemm_rate, step_seconds, torch_images, torch_transformer
from grokscope.experiment.experiment import Experiment

base = Experiment(corruption_fraction=0.2).replace(learning_rate=0.001)

transformer = base.replace(model="transformer")
ours, theirs = step_seconds(our_steps(transformer, 3), torch_transformer(transformer, 2))
print(f"one-layer Transformer: {ours * 1e3:.1f} ms, PyTorch {theirs * 1e3:.1f} ms")
report("PyTorch / ours, one-layer Transformer", theirs / ours, 4, "above")

deep = base.replace(model="deep_mlp")
width, p = deep.model.width, deep.task.n_inputs
floor = 3 * 2 * (width * width + p * width) * deep.n_train / sgemm_rate()
(ours,) = step_seconds(our_steps(deep, 2))
print(f"3-layer MLP: {ours * 1e3:.1f} ms, floor {floor * 1e3:.1f} ms")
report("3-layer MLP / sgemm floor", ours / floor, 1.2)

images = base.replace(task="mnist", model="image_mlp", loss="cross_entropy", batch_size=256)
ours, theirs = step_seconds(our_steps(images, 100), torch_images(images, 50))
print(f"MNIST, batch size 256: {ours * 1e6:.0f} µs, PyTorch {theirs * 1e6:.0f} µs")
report("PyTorch / ours, MNIST step", theirs / ours, 1.5, "above")
