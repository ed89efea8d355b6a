"""An encoder-only Transformer of two tokens or others, read at the last (App. G)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from grokscope.models.dropout import drop, dropout_mask
from grokscope.models.network import Layer, Network
from grokscope.models.normalization import LayerNorm, Statistics, normalized

MLP_RATIO = 4
"""Width of a block's MLP over d."""


Dropped = Callable[[Array, int], Array]
"""Drops some coordinates of an array in training; the number is that of the site."""


class Block(eqx.Module):
    """x ← x + attention(norm(x)), x ← x + MLP(norm(x)); matrices are [output, input]."""

    query: Float[Array, "d d"]
    key: Float[Array, "d d"]
    value: Float[Array, "d d"]
    output: Float[Array, "d d"]
    expand: Float[Array, "mlp d"]
    contract: Float[Array, "d mlp"]
    attention_norm: LayerNorm | None
    mlp_norm: LayerNorm | None


class Shared(NamedTuple):
    """What the first block computes of single tokens and of pairs of them, not of examples.

    At position 0 stands m, at 1 stands n; a pair (m, n) has row m p + n.
    """

    x: Float[Array, "2 modulus d"]
    values: Float[Array, "2 modulus d"]
    attention: Float[Array, "query pair head"]  # the last position's alone if it has one block


class Transformer(Network):
    """Token and position embeddings, blocks, and logits from the last position.

    A softmax over two positions is a logistic function of the difference of two scores. In the
    first block queries, keys and values depend on one token and its position, and attention on a
    pair of tokens: all are computed once a step. The last block computes its last position only.
    Of other numbers of tokens nothing is shared, and attention is a softmax.

    >>> model = Transformer.init(jax.random.key(0), 5, 5, width=8, heads=2)
    >>> model(jnp.array([[0, 1], [4, 2]])).shape
    (2, 5)
    """

    E: Float[Array, "token d"]
    P: Float[Array, "operand d"]
    blocks: tuple[Block, ...]
    W: Float[Array, "label d"] | None  # None is E's own
    norm: LayerNorm | None
    heads: int = eqx.field(static=True)
    scaling: str = eqx.field(static=True)
    dropout_sites: str = eqx.field(static=True)

    @classmethod
    def init(
        cls,
        key: PRNGKeyArray,
        n_inputs: int,
        n_labels: int,
        width: int,
        depth: int = 1,
        heads: int = 4,
        tied: bool = False,
        tied_init: str = "read_out",
        scaling: str = "mup",
        dropout_sites: str = "everywhere",
        normalization: str | None = None,
        n_operands: int = 2,
    ) -> Transformer:
        """Embeddings ~ N(0, 1), other weights ~ N(0, 1 / fan-in); variances.

        A tied matrix is an embedding and the read-out: `tied_init` says as which it is initialised.
        """
        embeddings, positions, readout, *rest = jax.random.split(key, 3 + depth)

        def normal(key: PRNGKeyArray, *shape: int) -> Array:
            return jax.random.normal(key, shape, jnp.float32) * shape[-1] ** -0.5

        def norm() -> LayerNorm | None:
            return None if normalization is None else LayerNorm.init(width)

        def block(key: PRNGKeyArray) -> Block:
            keys = jax.random.split(key, 6)
            query, key, value, output = (normal(key, width, width) for key in keys[:4])
            expand = normal(keys[4], MLP_RATIO * width, width)
            contract = normal(keys[5], width, MLP_RATIO * width)
            return Block(query, key, value, output, expand, contract, norm(), norm())

        as_read_out = tied and tied_init == "read_out"
        return cls(
            E=jax.random.normal(embeddings, (n_inputs, width), jnp.float32)
            * (width**-0.5 if as_read_out else 1),
            P=jax.random.normal(positions, (n_operands, width), jnp.float32),
            blocks=tuple(map(block, rest)),
            W=None if tied else normal(readout, n_labels, width),
            norm=norm(),
            heads=heads,
            scaling=scaling,
            dropout_sites=dropout_sites,
        )

    @property
    def operands(self) -> tuple[str, ...]:
        """E of all."""
        return ("E",) * len(self.P)

    @property
    def layers(self) -> dict[str, Layer]:
        """The d coordinates of the token embedding, the hidden units of each block's MLP, and the
        coordinates that the logits are read from.
        """
        layers = {"embedding": Layer(("E",), "E")}
        for index in range(len(self.blocks)):
            layers[f"block_{index}_mlp"] = Layer((), f"blocks_{index}_contract")
        if self.W is None:
            return layers
        labels = ("W",) if self.W.shape == self.E.shape else ()
        return {**layers, "output": Layer(labels, "W")}

    @property
    def _score_scale(self) -> float:
        per_head = self.E.shape[1] // self.heads
        return 1 / per_head if self.scaling == "mup" else per_head**-0.5

    def shared(self) -> Shared | None:
        """Keys, values and attention of the first block: products of p rows, not of examples."""
        if len(self.P) != 2:
            return None
        block, queried = self.blocks[0], slice(0 if len(self.blocks) > 1 else 1, 2)
        x = self.E + self.P[:, None]
        h = _normed(block.attention_norm, x)
        query, key, value = (h @ matrix.T for matrix in (block.query, block.key, block.value))
        m, n = (row.reshape(len(self.E), self.heads, -1) for row in key)

        def attention(position: int) -> Array:
            """[pair, head]: how much the token at a position attends to m and not to n."""
            q = query[position].reshape(m.shape)
            own = (q * (m, n)[position]).sum(axis=-1)[..., None]  # [token, head, 1]
            other = jnp.einsum("ahi,bhi->ahb", q, (n, m)[position])
            score = own - other if position == 0 else (other - own).swapaxes(0, 2)
            weight = jax.nn.sigmoid(score * self._score_scale)  # [m, head, n]
            return jnp.moveaxis(weight, 1, 2).reshape(-1, self.heads)

        positions = range(2)[queried]
        return Shared(x, value, jnp.stack([attention(position) for position in positions]))

    def __call__(
        self, inputs: Int[Array, "example operand"], shared: Shared | None = None
    ) -> Float[Array, "example label"]:
        """Logits in evaluation."""
        return self._logits(self._features(inputs, shared, None, 0.0))

    def features(self, inputs: Int[Array, "example operand"]) -> Float[Array, "example d"]:
        """What the logits are read from: coordinate k adds `features[:, k] * W[:, k]`."""
        return self._features(inputs, None, None, 0.0)

    def logits_of_rows(self, rows: Float[Array, "operand d"]) -> Float[Array, "label"]:
        """Logits of an example with these embeddings; a tied read-out stays what it is."""
        untied = (
            self
            if self.W is not None
            else eqx.tree_at(
                lambda network: network.W, self, self.E, is_leaf=lambda array: array is None
            )
        )
        return super(Transformer, untied).logits_of_rows(rows)

    def in_training(
        self,
        inputs: Int[Array, "example operand"],
        key: PRNGKeyArray | None = None,
        dropout: Float[Array, ""] | float = 0.0,
        shared: Shared | None = None,
    ) -> tuple[Float[Array, "example label"], list[Statistics]]:
        """Logits; with a key, under dropout of what attention and MLP add; everywhere also of the
        embeddings' sum and of attention weights.
        """
        return self._logits(self._features(inputs, shared, key, dropout)), []

    def _logits(self, features: Array) -> Array:
        return features @ (self.E if self.W is None else self.W).T

    def _of_heads(self, weights: Float[Array, "*example head"]) -> Float[Array, "*example d"]:
        """Each head's weight at all of its coordinates."""
        return jnp.repeat(weights, self.E.shape[1] // self.heads, axis=-1)

    def _features(
        self,
        inputs: Array,
        shared: Shared | None,
        key: PRNGKeyArray | None,
        dropout: Float[Array, ""] | float,
    ) -> Array:
        def dropped(h: Array, site: int) -> Array:
            """`h`, some coordinates of which are dropped in training."""
            if key is None:
                return h
            flat = (h.size // h.shape[-1], h.shape[-1])
            kept = dropout_mask(jax.random.fold_in(key, site), flat, jnp.asarray(dropout))
            return drop(h, kept.reshape(h.shape), dropout)

        everywhere = key is not None and self.dropout_sites == "everywhere"
        shared = self.shared() if shared is None else shared
        last = (
            self._last_of_many(inputs, dropped, everywhere)
            if shared is None
            else self._last_of_two(inputs, shared, dropped, everywhere)
        )
        features = _normed(self.norm, last)
        return features / features.shape[1] if self.scaling == "mup" else features

    def _last_of_many(self, inputs: Array, dropped: Dropped, everywhere: bool) -> Array:
        """The last position of any number of tokens, behind all blocks: [example, d]."""
        depth, heads = len(self.blocks), self.heads
        x = _rows(self.E, inputs.T) + self.P[:, None]  # [position, example, d]
        x = dropped(x, 2 * depth) if everywhere else x
        for index, block in enumerate(self.blocks):
            h = _normed(block.attention_norm, x)
            keys, values = (
                (h @ matrix.T).reshape(*h.shape[:2], heads, -1)
                for matrix in (block.key, block.value)
            )
            x, h = (x[-1:], h[-1:]) if index == depth - 1 else (x, h)
            queries = (h @ block.query.T).reshape(*h.shape[:2], heads, -1)
            scores = jnp.einsum("qehi,kehi->qehk", queries, keys) * self._score_scale
            weights = jax.nn.softmax(scores)
            weights = dropped(weights, 2 * depth + 1 + index) if everywhere else weights
            mixed = jnp.einsum("qehk,kehi->qehi", weights, values).reshape(x.shape)
            x = self._behind(block, x, mixed, index, dropped)
        return x[-1]

    def _behind(self, block: Block, x: Array, mixed: Array, index: int, dropped: Dropped) -> Array:
        """What leaves a block: x and what attention and MLP add to it."""
        x = x + dropped(mixed @ block.output.T, 2 * index)
        h = _normed(block.mlp_norm, x)
        return x + dropped(jax.nn.relu(h @ block.expand.T) @ block.contract.T, 2 * index + 1)

    def _last_of_two(
        self, inputs: Array, shared: Shared, dropped: Dropped, everywhere: bool
    ) -> Array:
        """The same of two tokens."""
        m, n = inputs[:, 0], inputs[:, 1]
        depth = len(self.blocks)
        # All of [position, example, d].
        x: Any = None
        if everywhere:
            x = dropped(jnp.stack([_rows(shared.x[i], (m, n)[i]) for i in range(2)]), 2 * depth)
        for index, block in enumerate(self.blocks):
            if x is None:  # the first block, of which examples share what follows
                queried = [0, 1][-len(shared.attention) :]
                x = jnp.stack([_rows(shared.x[i], (m, n)[i]) for i in queried])
                v_m, v_n = _rows(shared.values[0], m), _rows(shared.values[1], n)
                pair = m * len(self.E) + n
                weight = jnp.stack([_rows(table, pair) for table in shared.attention])
            else:
                h = _normed(block.attention_norm, x)
                (k_m, k_n), (v_m, v_n) = h @ block.key.T, h @ block.value.T
                x, h = (x[1:], h[1:]) if index == depth - 1 else (x, h)
                scores = (h @ block.query.T * (k_m - k_n)).reshape(*x.shape[:2], self.heads, -1)
                weight = jax.nn.sigmoid(scores.sum(axis=-1) * self._score_scale)
            if everywhere:
                both = jnp.concatenate([weight, 1 - weight], axis=-1)
                to_m, to_n = jnp.split(dropped(both, 2 * depth + 1 + index), 2, axis=-1)
                mixed = self._of_heads(to_m) * v_m + self._of_heads(to_n) * v_n
            else:
                mixed = v_n + self._of_heads(weight) * (v_m - v_n)
            x = self._behind(block, x, mixed, index, dropped)
        return x[-1]


def _rows(table: Float[Array, "row d"], tokens: Int[Array, "*token"]) -> Float[Array, "*token d"]:
    """Rows of a table; the tokens are ours, and need no check."""
    return table.at[tokens].get(mode="promise_in_bounds")


def _normed(norm: LayerNorm | None, x: Float[Array, "*token d"]) -> Float[Array, "*token d"]:
    """Each token's coordinates behind a norm layer, if there is one."""
    return normalized(norm, x.reshape(-1, x.shape[-1]), training=False)[0].reshape(x.shape)
