"""Plain networks in NumPy float64, written from the definitions: a second implementation."""

import numpy as np


def f64(array):
    return np.asarray(array, np.float64)


def normalized(x, norm, over):
    """BatchNorm in training (over the first axis) or LayerNorm (over the last); none is none.

    "running" is BatchNorm in evaluation.
    """
    if norm is None:
        return x
    if over == "running":
        mean, variance = f64(norm.running.mean), f64(norm.running.variance)
        return (x - mean) / np.sqrt(variance + 1e-5) * f64(norm.gamma) + f64(norm.beta)
    mean, variance = x.mean(over, keepdims=True), x.var(over, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * f64(norm.gamma) + f64(norm.beta)


def dropped(h, masks, place, p):
    return h if masks is None else h * masks(place, h.shape) / (1 - p)


def dense(h, hidden, norms, over, masks=None, p=0.0, first=0):
    """ReLU layers of pre-activations h, each followed by its norm layer; then W."""
    matrices = [None, *hidden]
    for place, (matrix, norm) in enumerate(zip(matrices, norms, strict=True), start=first):
        h = h if matrix is None else h @ f64(matrix).T
        h = normalized(np.maximum(dropped(h, masks, place, p), 0), norm, over)
    return h


def first_layer(model, inputs):
    """Pre-activations of tokens' embeddings, or of an image's pixels."""
    if hasattr(model, "U"):
        tables = [model.U, *([] if model.V is None else [model.V]), *model.more]
        return sum(f64(table)[inputs[:, place]] for place, table in enumerate(tables))
    x = f64(inputs).reshape(len(inputs), -1) / (255 if inputs.dtype == np.uint8 else 1)
    return x @ f64(model.hidden[0]).T


def two_layer(model, inputs, over=0):
    h = first_layer(model, inputs)
    h = h**2 if model.activation == "quadratic" else np.maximum(h, 0)
    return normalized(h, model.norm, over) @ f64(model.W).T


def deep_mlp(model, inputs, over=0, masks=None, p=0.0):
    h = first_layer(model, inputs)
    return dense(h, model.hidden, model.norms, over, masks, p) @ f64(model.W).T


def image_mlp(model, inputs, over=0, masks=None, p=0.0):
    h = first_layer(model, inputs)
    return dense(h, model.hidden[1:], model.norms, over, masks, p) @ f64(model.W).T


def transformer(model, inputs, masks=None, p=0.0):
    """All positions through every block; softmax; logits at the last position.

    `masks(site, shape)` gives what dropout keeps of [example, position, unit].
    """
    (n, k), heads, depth = inputs.shape, model.heads, len(model.blocks)
    everywhere = masks if model.dropout_sites == "everywhere" else None
    x = f64(model.E)[inputs] + f64(model.P)  # [example, position, d]
    x = dropped(x, everywhere, 2 * depth, p)
    d = x.shape[-1]
    per_head = d // heads
    scale = 1 / per_head if model.scaling == "mup" else per_head**-0.5
    for index, block in enumerate(model.blocks):
        h = normalized(x, block.attention_norm, -1)
        query, key, value = (
            (h @ f64(w).T).reshape(n, k, heads, per_head)
            for w in (block.query, block.key, block.value)
        )
        scores = np.einsum("eqhi,ekhi->ehqk", query, key) * scale
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        units = np.einsum("ehqk->eqkh", weights).reshape(n, k, k * heads)
        units = dropped(units, everywhere, 2 * depth + 1 + index, p)
        weights = np.einsum("eqkh->ehqk", units.reshape(n, k, k, heads))
        mixed = np.einsum("ehqk,ekhi->eqhi", weights, value).reshape(n, k, d)
        x = x + dropped(mixed @ f64(block.output).T, masks, 2 * index, p)
        h = normalized(x, block.mlp_norm, -1)
        change = np.maximum(h @ f64(block.expand).T, 0) @ f64(block.contract).T
        x = x + dropped(change, masks, 2 * index + 1, p)
    last = normalized(x[:, -1], model.norm, -1) / (d if model.scaling == "mup" else 1)
    return last @ f64(model.E if model.W is None else model.W).T


def mse(logits, labels):
    return ((logits - np.eye(logits.shape[1])[labels]) ** 2).mean()


def cross_entropy(logits, labels):
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()
