"""Second implementations in NumPy float64: what the tests hold the package against."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.training.ensemble import train_steps

MNIST = Path(os.environ.get("GROKSCOPE_MNIST") or Path(__file__).parents[2] / "shared/data/mnist")
"""Where the real files are, if they are; tests that need them are skipped without."""


def batches(n_train, batch_size, steps, seed=0):
    """The examples of each step's batch, seen from outside, as sorted rows.

    Example k is the pair (k, 0), so that a step of plain descent moves row k of U if and only if
    k is in its batch. Batches depend on nothing but these numbers.
    """
    modulus = n_train + 1
    experiment = Experiment(
        train_fraction=(n_train + 0.5) / modulus**2, batch_size=batch_size, steps=steps,
        measure_every=1,
    ).replace(modulus=modulus, width=8, seed=seed, optimizer="sgd", learning_rate=1.0)  # fmt: skip
    data = make_dataset(experiment)
    inputs = np.zeros_like(data.inputs)
    inputs[:, 0] = np.minimum(np.arange(len(inputs)), n_train)
    rows, before = [], None
    for _, (state,) in train_steps([experiment], [replace(data, inputs=inputs)]):
        U = np.asarray(state.model.U)
        rows += [] if before is None else [np.flatnonzero((before != U).any(axis=1))]
        before = U
    return rows


def one_hot(labels, n):
    return np.eye(n)[labels]


def weights64(model):
    """U, V, W in the paper's shapes: [N, p], [N, p], [p, N]."""
    U, V, W = (np.asarray(matrix, np.float64) for matrix in (model.U, model.V, model.W))
    return U.T, V.T, W


def appendix_e_gradient(U, V, W, inputs, labels):
    """Eq. 9 written out over the full table of pairs with a mask (V line: delta of m + b - q).

    U, V are [N, p], W is [p, N]; returns dU, dV, dW in those shapes.
    """
    p, size = W.shape[0], len(labels)
    in_D = np.zeros((p, p))
    delta = np.zeros((p, p, p))
    in_D[inputs[:, 0], inputs[:, 1]] = 1
    delta[inputs[:, 0], inputs[:, 1], labels] = 1
    h = U.T[:, None, :] + V.T[None, :, :]  # [m, n, k]
    bracket = np.einsum("qk,mnk->mnq", W, h**2) - delta
    bracket *= in_D[:, :, None]
    factor = 4 / (size * p)
    dU = factor * np.einsum("bnq,qa,bna->ab", bracket, W, h, optimize=True)
    dV = factor * np.einsum("mbq,qa,mba->ab", bracket, W, h, optimize=True)
    # The paper's factor 4 holds for U and V; the quadratic activation has no inner 2 for W.
    dW = factor / 2 * np.einsum("mnc,mnd->cd", bracket, h**2, optimize=True)
    return dU, dV, dW


def dense_loss_and_gradient(U, V, W, inputs, labels, activation, loss):
    """Plain dense one-hot network and backpropagation; shapes as in `appendix_e_gradient`."""
    p, B = W.shape[0], len(labels)
    X = np.concatenate([one_hot(inputs[:, 0], p), one_hot(inputs[:, 1], p)], axis=1)
    W_in = np.concatenate([U, V], axis=1)
    h = X @ W_in.T
    a, slope = (h**2, 2 * h) if activation == "quadratic" else (np.maximum(h, 0), (h > 0) * 1.0)
    f = a @ W.T
    y = one_hot(labels, p)
    if loss == "mse":
        value, df = ((f - y) ** 2).mean(), 2 * (f - y) / (B * p)
    else:
        shifted = f - f.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        value, df = -(y * log_p).sum() / B, (np.exp(log_p) - y) / B
    dW = df.T @ a
    dh = (df @ W) * slope
    dW_in = dh.T @ X
    return value, (dW_in[:, :p], dW_in[:, p:], dW)


def accuracy(logits, labels):
    return (logits.argmax(axis=1) == labels).mean() if len(labels) else np.nan


def dense_scores(U, V, W, data, activation="quadratic", loss="mse"):
    """The seven scores by evaluating the network on each subset separately, in float64."""
    p = W.shape[0]
    subsets = {
        "train": data.is_train,
        "test": ~data.is_train,
        "corrupted": data.is_corrupted,
        "uncorrupted": data.is_train & ~data.is_corrupted,
    }
    scores = {}
    for name, mask in subsets.items():
        h = U.T[data.inputs[mask, 0]] + V.T[data.inputs[mask, 1]]
        f = (h**2 if activation == "quadratic" else np.maximum(h, 0)) @ W.T
        scores[f"{name}_accuracy"] = accuracy(f, data.given_labels[mask])
        if name == "corrupted":
            scores["corrected_accuracy"] = accuracy(f, data.true_labels[mask])
        if name in ("train", "test"):
            y = one_hot(data.given_labels[mask], p)
            if loss == "mse":
                scores[f"{name}_loss"] = ((f - y) ** 2).mean()
            else:
                top = f.max(axis=1, keepdims=True)
                log_sum = np.log(np.exp(f - top).sum(axis=1)) + top[:, 0]
                scores[f"{name}_loss"] = (log_sum - (f * y).sum(axis=1)).mean()
    return scores


def normalized(h, gamma, beta, axis):
    """BatchNorm (axis 0) or LayerNorm (axis 1) in training, and what its backward pass needs."""
    mean, variance = h.mean(axis, keepdims=True), h.var(axis, keepdims=True)
    unit = (h - mean) / np.sqrt(variance + 1e-5)
    return gamma * unit + beta, (unit, variance, mean)


def normalized_gradient(U, V, W, gamma, beta, inputs, labels, axis):
    """MSE's gradient for W norm((U e_m + V e_n)²), by the published backward passes.

    U, V, W as [p, N]; returns gradients of all five, and the batch's mean and variance.
    """
    p, B = len(W), len(labels)
    h = U[inputs[:, 0]] + V[inputs[:, 1]]
    a, (unit, variance, mean) = normalized(h**2, gamma, beta, axis)
    df = 2 * (a @ W.T - one_hot(labels, p)) / (B * p)
    da = df @ W
    du = da * gamma
    dphi = du - du.mean(axis, keepdims=True) - unit * (du * unit).mean(axis, keepdims=True)
    dh = dphi / np.sqrt(variance + 1e-5) * 2 * h
    dU, dV = (one_hot(inputs[:, i], p).T @ dh for i in (0, 1))
    gradients = dU, dV, df.T @ a, (da * unit).sum(0), da.sum(0)
    return gradients, (mean.ravel(), variance.ravel())
