"""What do 50 measurements cost beside 64,000 steps at batch size 8, and what is the least?

One thread. A measurement evaluates all pairs: a product of [p², N] and [N, p], whatever else.
"""

from common import our_steps, report, sgemm_rate, step_seconds
from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.together import measure
from grokscope.training.networks import init_model

experiment = Experiment(batch_size=256, corruption_fraction=0.35).with_batch_size(8)
data, model = make_dataset(experiment), init_model(experiment)
examples = Examples(data, experiment)
step, once = step_seconds(
    our_steps(experiment, 2000), (lambda: measure(model, examples), 1), repeats=20
)
product = 2 * len(data.inputs) * data.n_labels * experiment.model.width / sgemm_rate()
print(
    f"step {step * 1e6:.0f} µs; measurement {once * 1e3:.1f} ms, its product {product * 1e3:.1f} ms"
)
training = experiment.steps * step
print(f"the products alone: {50 * product / training:.1%} of the steps' time")
report("50 measurements / 64,000 steps", 50 * once / training, 0.05)
