"""What bounds the full-batch step: the best rate of its three products alone, in its shapes.

`products.py 5000` is of that width.
"""

import sys

import jax
import jax.numpy as jnp

from common import seconds, sgemm_rate
from grokscope.experiment.experiment import Experiment
from grokscope.training.compile import CPU_OPTIONS
from grokscope.training.cost import tile_size

base = Experiment()
if sys.argv[1:]:
    base = base.replace(width=int(sys.argv[1]))
p, N, B = base.task.modulus, base.model.width, base.n_train
rate = sgemm_rate()
floor = 3 * 2 * p * N * B / rate
print(f"best sgemm {rate / 1e9:.0f} GFLOP/s; floor of three products {floor * 1e3:.2f} ms")
for tile in (128, tile_size(B, N), B):
    a, r, w = (jax.random.normal(jax.random.key(i), s) for i, s in
               enumerate([(tile, N), (tile, p), (p, N)]))  # fmt: skip
    repeats = -(-B // tile)
    total = 0.0
    for name, x, y, dims in (
        ("logits", a, w, ((1,), (1,))),
        ("gradient of W", r, a, ((0,), (0,))),
        ("gradient of the hidden layer", r, w, ((1,), (0,))),
    ):

        def product(x, y, dims=dims):
            return jax.lax.dot_general(x, y, (dims, ((), ())))

        def loop(x, y, product=product, repeats=repeats):
            # Each round depends on the last, or the compiler would compute it once.
            start = (x, jnp.zeros_like(product(x, y)))

            def body(_, carry):
                x, last = carry
                return x.at[0, 0].add(0 * last[0, 0]), product(x, y)

            return jax.lax.fori_loop(0, repeats, body, start)[1]

        compiled = jax.jit(loop, compiler_options=CPU_OPTIONS)
        took = seconds(lambda f=compiled, x=x, y=y: f(x, y).block_until_ready(), 9)
        total += took
        print(f"  tile {tile:4d} {name:30s} {2 * p * N * B / took / 1e9:6.0f} GFLOP/s")
    print(f"tile {tile:4d}: the three products alone take {total / floor:.2f} × the floor")
