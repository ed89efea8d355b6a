"""SGD whose weights stay between two bounds: an optimiser of one's own for `square_waves.py`."""

import jax
import jax.numpy as jnp
import optax


def bounded(learning_rate=400.0, momentum=0.9, bound=0.2):
    """No weight leaves [-bound, bound]: a step that would is cut there."""
    descent = optax.sgd(learning_rate, momentum=momentum)

    def update(gradients, state, weights):
        updates, state = descent.update(gradients, state, weights)
        kept = jax.tree.map(lambda w, u: jnp.clip(w + u, -bound, bound) - w, weights, updates)
        return kept, state

    return optax.GradientTransformation(descent.init, update)
