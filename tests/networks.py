"""Networks of random weights, made without compiling anything, and their logits."""

import jax
import jax.numpy as jnp
import numpy as np

from grokscope.training.networks import model_shapes


def random_network(experiment, seed=0):
    """The experiment's network with every array drawn anew, norm layers and all."""
    rng = np.random.default_rng(seed)

    def drawn(path, leaf):
        array = rng.normal(size=leaf.shape) / leaf.shape[-1] ** 0.5
        is_variance = jax.tree_util.keystr(path).endswith("variance")
        return jnp.asarray(np.abs(array) + 0.5 if is_variance else array, jnp.float32)

    return jax.tree_util.tree_map_with_path(drawn, model_shapes(experiment))


def logits_of(network, inputs):
    """A network's logits in evaluation, compiled as a whole: that takes less time."""
    return np.asarray(_logits(network, jnp.asarray(inputs)))


@jax.jit
def _logits(network, inputs):
    return network(inputs)


def numbers(source, network, examples):
    """What a source of `network_measures` says of a network, as floats by name."""
    found = source(network, examples.material, examples.experiment.loss)
    return {name: float(value) for name, value in found.items()}
