"""What the weights of a sweep's networks know: extraction beside the vote of the labels alone.

    python benchmarks/hidden.py                     of the sweep `hidden`
    python benchmarks/hidden.py results/figure3b.nc

Means over trained cells and over seeds; intervals are 95 % over seeds (t of their means, as there
are few). Networks without these measures, of older files, are left out.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from grokscope import load_sweep

FILE = Path(__file__).parents[1] / "results" / "hidden.nc"
MEASURES = (
    "test_accuracy", "extracted_test_accuracy", "vote_test_accuracy", "restricted_test_accuracy",
    "extracted_corrected_accuracy", "restricted_corrected_accuracy", "memorizing_by_ipr",
    "steadiness_by_ipr", "memorizing_half", "mean_ipr",
)  # fmt: skip
PLANE = ["train_fraction", "corruption_fraction"]
SHORT = {"weight_decay": "wd ", "dropout": "dp "}


def cells(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """A row a network, with its settings, phase and measures; and the axes but α, ξ and seed."""
    sweep = load_sweep(file)
    measured = sweep.dataset[list(MEASURES)].to_dataframe().dropna(subset=["vote_test_accuracy"])
    number = sweep.phases().phase
    names = dict(zip(number.flag_values, number.flag_meanings.split(), strict=True))
    phases = number.to_dataframe()[["phase"]].replace(names)
    axes = [str(name) for name in number.dims if name not in (*PLANE, "seed")]
    return measured.join(phases).reset_index(), axes


def over_seeds(table: pd.DataFrame, name: str) -> str:
    """The mean over cells, and its interval over seeds."""
    means = table.groupby("seed")[name].mean().dropna()
    if len(means) < 2:
        return "-"
    half = t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    return f"{means.mean():.2f} ± {half:.2f}"


def print_rows(title: str, rows: dict[str, pd.DataFrame], names: tuple[str, ...]) -> None:
    print(f"\n{title}")
    found = {
        row: {"networks": len(table)} | {name: over_seeds(table, name) for name in names}
        for row, table in rows.items()
    }
    print(pd.DataFrame(found).T.to_string())


def main() -> None:
    """Print the tables of findings."""
    data, axes = cells(Path(sys.argv[1]) if sys.argv[1:] else FILE)
    data["beyond_vote"] = data.extracted_test_accuracy - data.vote_test_accuracy
    print(f"{len(data)} networks, {data.seed.nunique()} seeds")
    low = data[data.vote_test_accuracy < 0.99]
    where = f", at α ≤ {low.train_fraction.max():g} and ξ ≥ {low.corruption_fraction.min():g}"
    print(f"vote: test accuracy below .99 in {len(low)} networks{where if len(low) else ''}; "
          f"lowest {data.vote_test_accuracy.min():.2f}")  # fmt: skip
    highest = data.beyond_vote.max()
    print(f"extracted less vote: highest {highest:.4f}, lowest {data.beyond_vote.min():.4f}")
    kinds = {
        ", ".join(f"{SHORT.get(axis, '')}{at}" for axis, at in zip(axes, place, strict=True)): some
        for place, some in data.groupby(axes)
    }
    by_phase = {
        f"{phase}, {kind}": some[some.phase == phase]
        for kind, some in kinds.items()
        for phase in sorted(some.phase.unique())
    }
    names = ("test_accuracy", "extracted_test_accuracy", "beyond_vote", "restricted_test_accuracy")
    print_rows("by phase", by_phase, names)
    names = ("mean_ipr", "memorizing_half", "memorizing_by_ipr", "steadiness_by_ipr")
    print_rows("neurons by phase", by_phase, names)
    for kind, some in kinds.items():
        for name in ("extracted_test_accuracy", "restricted_test_accuracy", "test_accuracy"):
            print(f"\n{name}: {kind}; mean over seeds, over α and ξ")
            table = some.pivot_table(index=PLANE[0], columns=PLANE[1], values=name)
            print(table.sort_index(ascending=False).round(2).to_string())
    spread = data.groupby([*axes, *PLANE]).extracted_test_accuracy.agg(np.ptp)
    print(f"\nextracted test accuracy: range over seeds, median {spread.median():.3f}, "
          f"highest {spread.max():.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
