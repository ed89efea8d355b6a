"""Sphinx: these pages, and a reference generated from the code. `make docs` builds them."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import typer

from grokscope import cli
from grokscope.experiment import experiment as config
from grokscope.experiment import part as parts
from grokscope.experiment import seeds

project = "grokscope"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "jupyter_execute", "reference", "tutorial.ipynb"]  # made from a page
default_role = "code"  # what single backticks in docstrings mean
html_theme = "furo"
html_title = "grokscope"
html_show_copyright = False
html_theme_options = {
    # Tables of a hundred columns fit without scrolling.
    "light_css_variables": {"code-font-size": "75%"},
    "dark_css_variables": {"code-font-size": "75%"},
}
myst_heading_anchors = 3
nb_execution_mode = "off"  # `make notebook` runs them
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "exclude-members": "model_config, model_post_init"}
add_module_names = False
suppress_warnings = ["ref.python"]  # `Run` is two classes: of a session, and of a store
python_use_unqualified_type_names = True

GENERATED = Path(__file__).parent / "reference"
COMMANDS = ("", *typer.main.get_command(cli.app).commands)
MODULES = (
    *("session", "experiment.experiment", "experiment.grid", "experiment.own_code"),
    *("experiment.models", "experiment.optimizers", "experiment.tasks", "experiment.seeds"),
    *("data.dataset", "data.mnist", "models.network", "models.normalization", "models.two_layer"),
    *("models.analytic", "training.loop", "training.compile", "measures.table"),
    *("measures.scores", "measures.spectrum", "measures.phases", "measures.pruning"),
    *("measures.settle", "runs.run", "runs.store", "runs.train", "runs.pruning", "runs.compact"),
    *("analysis.label_audit", "analysis.norm_layers", "analysis.statistics", "sweeps.sweep"),
    *("sweeps.diagram", "sweeps.boundary", "sweeps.estimate", "sweeps.archive"),
    *("sweeps.refine", "sweeps.executors", "plotting.run"),
    *("plotting.pruning", "plotting.diagram", "plotting.audit", "paper.grids", "paper.request"),
    *("paper.figures", "paper.statements", "paper.page", "analysis.cross_fitting", "errors"),
    *("analysis.predictions", "session.elsewhere", "models.outside"),
)


def commands() -> str:
    """The help of every command, as a terminal 96 columns wide shows it."""
    environment = os.environ | {"TERMINAL_WIDTH": "88", "COLUMNS": "88", "NO_COLOR": "1"}
    environment |= {"PYTHONIOENCODING": "utf-8"}
    shown_commands = []
    for command in COMMANDS:
        words = ["grokscope", *command.split()]
        arguments = [sys.executable, "-m", *words, "--help"]
        shown = subprocess.run(
            arguments, env=environment, capture_output=True, check=True, encoding="utf-8"
        ).stdout
        lines = "\n".join(line.rstrip() for line in shown.strip("\n").splitlines())
        shown_commands.append(f"### `{' '.join(words)}`\n\n```text\n{lines}\n```\n")
    return "\n".join(shown_commands)


def settings() -> str:
    """A table of settings for every kind of part."""
    listed = [("top level", config.Experiment)]
    listed += [(f"[{part}]", kind) for part, kinds in parts.PARTS.items() for kind in kinds]
    return "\n".join(_table(where, kind) for where, kind in listed)


def _table(where: str, kind: type[parts.Part]) -> str:
    rows = ["| setting | default | meaning | allowed |", "|---|---|---|---|"]
    named = ""
    for name, field in kind.model_fields.items():
        if name == "name":
            named = f', name = "{field.default}"'
        if name == "name" or name in parts.PARTS:
            continue
        # A setting that may be absent and shares its type keeps its rule inside the annotation.
        rules = [*field.metadata, *getattr(seeds.Seed, "__metadata__", ())]
        allowed = next(rule.must for rule in rules if isinstance(rule, parts.Rule))
        allowed = allowed.removeprefix("must be ").removeprefix("must lie ")
        if field.default is None and "none" not in allowed:
            allowed += ", or none"
        default = "none" if field.default is None else str(field.default)
        default = "required" if field.is_required() else default
        rows.append(f"| `{name}` | {default} | {field.description} | {allowed} |")
    title = f"### {kind.__name__} ({where}{named})"
    return "\n".join([title, "", inspect.getdoc(kind).splitlines()[0], "", *rows, ""])


def modules() -> str:
    """A section with `automodule` for each module."""
    sections = [
        f"### `grokscope.{name}`\n\n```{{eval-rst}}\n.. automodule:: grokscope.{name}\n```\n"
        for name in MODULES
    ]
    return "\n".join(sections)


def short_signature(app, what, name, value, options, signature, returned):
    """The settings of a part are in a table; their annotations would fill the page."""
    if inspect.isclass(value) and issubclass(value, parts.Part):
        return "(**settings)", returned
    return None


def without_aliases(app, what, name, value, skip, options):
    """The fields of a named tuple are described once, in its docstring."""
    return True if (inspect.getdoc(value) or "").startswith("Alias for field") else None


def setup(app) -> None:
    """Write the generated parts before Sphinx reads the pages."""
    app.connect("autodoc-skip-member", without_aliases)
    app.connect("autodoc-process-signature", short_signature)
    GENERATED.mkdir(exist_ok=True)
    for part in (commands, settings, modules):
        (GENERATED / f"{part.__name__}.md").write_text(part(), encoding="utf-8")
