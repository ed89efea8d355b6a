"""The project's own rules: imports flow one way, the public surface is frozen."""

import ast
import re
import types
from pathlib import Path

import pytest

import grokscope

SOURCE = Path(grokscope.__file__).parent
ORDER = [
    "errors", "progress", "experiment", "models", "data", "training", "measures", "runs",
    "analysis", "sweeps", "plotting", "paper", "explorer", "cli",
]  # fmt: skip


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).with_suffix("").parts, ast.parse(path.read_text())


def imports(tree):
    """Modules of this package that a file imports, at the top or deferred, as tuples of names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("grokscope"):
            base = tuple(node.module.split(".")[1:])
            for alias in node.names:
                inner = SOURCE.joinpath(*base, alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield (*base, alias.name) if is_module else base
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("grokscope."):
                    yield tuple(alias.name.split(".")[1:])


@pytest.mark.parametrize(("name", "tree"), [(n, t) for n, t in modules() if n[0] in ORDER])
def test_a_file_imports_only_from_files_above_it(name, tree):
    for target in imports(tree):
        if target[0] != name[0]:
            assert ORDER.index(target[0]) < ORDER.index(name[0]), (name, target)


def test_every_file_has_its_place_in_the_order():
    assert {name[0] for name, _ in modules()} - set(ORDER) == {"__init__", "__main__"}


def test_architectures_do_not_import_each_other():
    """They share layers; `analytic` is weights for the two-layer network."""
    layers = {"dropout", "normalization", "network", "pairs", "dense"}
    architectures = {"two_layer", "deep_mlp", "transformer", "image_mlp"}
    allowed = {("models", name): layers for name in layers | architectures}
    allowed[("models", "analytic")] = {"two_layer"}
    for name, tree in modules():
        if name[0] == "models" and name[-1] != "__init__":
            siblings = {t[1] for t in imports(tree) if t[0] == "models" and len(t) > 1}
            assert siblings <= allowed.get(name, set()), name


def test_families_of_figures_do_not_import_each_other():
    for name, tree in modules():
        if name[:2] == ("paper", "figures") and name[-1] != "__init__":
            assert not [t for t in imports(tree) if t[:2] == ("paper", "figures") and len(t) > 2]


SERVES_THE_PAPER = {"paper", "cli", "__init__.py"}


def test_the_instrument_knows_nothing_of_the_paper():
    """No figure's number, no name of a sweep of the paper; sections and equations are sources."""
    figure = re.compile(r"(?i)\bfig(ures?|\.|s\.)?[ ~]?\d")
    for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.js"), *SOURCE.rglob("*.html")]:
        if path.relative_to(SOURCE).parts[0] not in SERVES_THE_PAPER:
            found = figure.search(path.read_text("utf-8"))
            assert found is None, f"{path}: {found and found[0]}"
    for name, tree in modules():
        if name[0] not in SERVES_THE_PAPER | {"__init__"}:
            assert not [target for target in imports(tree) if target[0] == "paper"], name


def test_jax_appears_only_where_networks_run():
    with_jax = {
        name[0] for name, tree in modules() for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(
            module.split(".")[0] in ("jax", "optax", "equinox")
            for module in [getattr(node, "module", None) or "", *(a.name for a in node.names)]
        )
    }  # fmt: skip
    assert with_jax <= {
        "models", "training", "measures", "runs", "analysis", "plotting", "paper",
    }  # fmt: skip


def test_public_surface():
    assert dir(grokscope) == [
        "Adam", "AdamW", "Boundary", "ConfigError", "Dataset", "DeepMLP", "Experiment", "Grid",
        "ImageMLP", "Layer", "MNIST", "ModularTask", "Network", "OwnModel", "OwnOptimizer",
        "OwnTask", "Phase", "Run", "SGD", "Seeds", "Settle", "StoreError", "Transformer",
        "TwoLayer", "WorkerError", "analytic_network", "archive", "as_table", "audit",
        "boundaries", "classify", "collect", "contributions", "digest", "enclosed", "export",
        "fewest_neurons", "final_network", "follow_boundaries", "growth_exponent", "has_settled",
        "ipr", "load_grid", "load_sweep", "logit_terms", "make_dataset", "neurons_required",
        "open_run", "phase_codes", "phase_diagram", "power_spectrum", "pruning_curve",
        "pruning_curves", "pruning_order", "quality", "rank_correlation", "read_mnist",
        "residue_order", "restore", "sweep", "train", "train_ensemble", "train_missing",
        "without_weights",
    ]  # fmt: skip
    for name in dir(grokscope):
        value = getattr(grokscope, name)
        assert value.__doc__
        assert not isinstance(value, types.ModuleType)
    everything = {}
    exec("from grokscope import *", everything)
    assert set(dir(grokscope)) <= set(everything)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = grokscope.nothing


def test_no_file_is_too_long():
    for path in SOURCE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 450, path
