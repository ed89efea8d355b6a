"""The project's own rules: imports flow one way, the public surface is frozen."""

import ast
import re
import types
from importlib import import_module
from pathlib import Path

import pytest

import grokscope

SOURCE = Path(grokscope.__file__).parent
FLOORS = [
    {"errors", "interrupts"}, {"experiment", "progress"}, {"models"}, {"data"}, {"training"},
    {"measures"}, {"runs"}, {"analysis"}, {"sweeps"}, {"plotting"}, {"paper", "explorer"},
    {"cli", "session"},
]  # fmt: skip
"""From the ground up: a room imports from lower floors, deferred imports included."""

FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
LONGEST_FUNCTION, LONGEST_FILE = 60, 400


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).with_suffix("").parts, ast.parse(path.read_text())


def is_module(*names):
    inner = SOURCE.joinpath(*names)
    return inner.with_suffix(".py").exists() or inner.is_dir()


def imports(tree):
    """Modules of this package that a file imports, at the top or deferred, as tuples of names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where they lead"
            package, *base = (node.module or "").split(".")
            for alias in node.names if package == "grokscope" else ():
                yield (*base, alias.name) if is_module(*base, alias.name) or not base else (*base,)
        if isinstance(node, ast.Import):
            for alias in node.names:
                package, *base = alias.name.split(".")
                if package == "grokscope":
                    yield (*base,)


@pytest.mark.parametrize(
    ("line", "targets"),
    [
        ("import grokscope.runs.store as s", [("runs", "store")]),
        ("import numpy, grokscope.runs", [("runs",)]),
        ("from grokscope import runs, Experiment", [("runs",), ("Experiment",)]),
        ("from grokscope.runs import store as s", [("runs", "store")]),
        ("from grokscope.runs.store import open_run", [("runs", "store")]),
        ("def f():\n    if True:\n        import grokscope.runs", [("runs",)]),
        ("import grokscope", [()]),
        ("import numpy.random\nfrom pathlib import Path", []),
    ],
)
def test_every_way_to_import_is_seen(line, targets):
    assert list(imports(ast.parse(line))) == targets


def test_rooms_import_from_lower_floors_only():
    seen = 0
    for name, tree in modules():
        if name[0] in FLOOR:
            for target in imports(tree):
                assert target, f"{name} imports all of grokscope"
                assert target[0] in FLOOR, f"{name} imports {target} by its public name"
                if target[0] != name[0]:
                    assert FLOOR[target[0]] < FLOOR[name[0]], (name, target)
                seen += 1
    assert seen > 100


def test_the_house_has_few_rooms_and_floors_and_each_room_its_floor():
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert len(rooms - {"__pycache__"}) <= 18, sorted(rooms)
    assert len(FLOORS) <= 12
    assert {name[0] for name, _ in modules()} - set(FLOOR) == {"__init__", "__main__"}


BENCHMARKS = sorted((SOURCE.parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda script: script.name)
def test_what_a_benchmark_imports_is_there(script):
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grokscope"):
            names = {alias.name for alias in node.names}
            assert names <= {*dir(import_module(node.module))}


def test_architectures_do_not_import_each_other():
    """They share layers; `analytic` is weights for the two-layer network."""
    layers = {"dropout", "normalization", "network", "tokens", "dense", "precision"}
    architectures = {"two_layer", "deep_mlp", "transformer", "image_mlp", "outside"}
    allowed = {("models", name): layers for name in layers | architectures}
    allowed[("models", "analytic")] = {"two_layer"}
    found = {name: tree for name, tree in modules() if name[0] == "models"}
    assert found.keys() == allowed.keys() | {("models", "__init__")}
    for name in allowed:
        siblings = {t[1] for t in imports(found[name]) if t[0] == "models" and len(t) > 1}
        assert siblings <= allowed[name], name


def test_families_of_figures_do_not_import_each_other():
    families = [
        tree
        for name, tree in modules()
        if name[:2] == ("paper", "figures") and name[2:] != ("__init__",)
    ]
    assert len(families) > 5
    for tree in families:
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
        "ConfigError", "Dataset", "Experiment", "Extraction", "Grid", "Layer", "Movement",
        "Network", "Phase", "Pruned", "Run", "Store", "StoreError", "Sweep", "WorkerError",
        "allow_code", "audit", "classify", "complete", "digest", "export", "from_arrays",
        "from_torch", "label_audit", "load_sweep", "make_dataset", "models", "norm_layers",
        "open_run", "paper", "plotting", "pruning", "settle", "spectrum", "statistics", "sweep",
        "sweeps", "train", "train_missing",
    ]  # fmt: skip
    modules = [n for n in dir(grokscope) if isinstance(getattr(grokscope, n), types.ModuleType)]
    assert len(dir(grokscope)) - len(modules) <= 30
    everything = {}
    exec("from grokscope import *", everything)
    assert set(dir(grokscope)) <= set(everything)
    with pytest.raises(AttributeError, match="attribute nothing"):
        _ = grokscope.nothing


def test_no_file_and_no_function_is_too_long():
    found = set()
    for path in SOURCE.rglob("*.py"):
        source, name = path.read_text(), path.relative_to(SOURCE).as_posix()
        if len(source.splitlines()) > LONGEST_FILE:
            found.add(name)
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
            ):
                found.add(f"{name} {node.name}")
    assert not found
