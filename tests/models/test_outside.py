"""Networks that a function outside JAX evaluates."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.models.outside import Outside

ON_ONE_CORE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax.numpy as jnp
import numpy as np

from grokscope import Experiment
from grokscope.data.dataset import make_dataset
from grokscope.measures.examples import Examples
from grokscope.measures.together import scores_on
from grokscope.models.outside import Outside

experiment = Experiment(modulus=11)
examples = Examples(make_dataset(experiment), experiment)

def forward(arrays, pairs):
    return arrays["U"][pairs[:, 0]] @ arrays["W"].T

for _ in range(20):
    U, W = (jnp.asarray(np.ones((11, 200_000), np.float32)) for _ in "UW")
    scores_on(examples, Outside({"U": U, "W": W}, forward, 11))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds to a core")
def test_one_core_is_enough():
    """Large arrays are on their way when the function is called, and must not wait for its end."""
    subprocess.run([sys.executable, "-c", ON_ONE_CORE], check=True, timeout=60)


def test_the_function_may_keep_and_change_its_arrays():
    kept = []

    def forward(arrays, inputs):
        kept.append(arrays["W"])
        arrays["W"] += 1
        return inputs @ arrays["W"]

    network, inputs = Outside({"W": jnp.eye(3)}, forward, 3), jnp.ones((2, 3))
    for call in (network, jax.jit(lambda inputs: network(inputs))):
        np.testing.assert_array_equal(call(inputs), np.full((2, 3), 4.0))
    jnp.zeros(10**6).block_until_ready()  # in memory that is free by now
    np.testing.assert_array_equal(kept, np.stack([np.eye(3) + 1] * 2))
    np.testing.assert_array_equal(network.outside["W"], np.eye(3))
