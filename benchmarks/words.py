"""Random command lines and TOML documents, and a guard under which they train nothing."""

import contextlib
import os
from pathlib import Path
from unittest import mock

import tomli_w
import typer

import grokscope
from grokscope import Experiment, Grid
from grokscope.cli import app
from grokscope.cli.base import COMPLETED
from grokscope.experiment.part import PARTS, kind_name
from grokscope.experiment.settings import Settings

CODE = """
import numpy as np
def data(kind="a", rate=1.0):
    return np.eye(4)[:3], np.arange(3), np.eye(4)[3:], np.arange(1)
def rule(m, n, kind="a"):
    return m * n
def broken(m, n):
    raise OSError("broken")
def ends(m, n):
    raise SystemExit
"""
OWN = ("my_code:data", "my_code:rule", "my_code:broken", "my_code:ends", "my_code:no", "os:system")
NUMBERS = (
    "0", "1", "2", "3", "5", "7", "0.5", "0.25", "0.9", "1.5", "-1", "1e-9", "1e999", "-inf", "nan",
    "2147483648", "1_0", "0x10", "٣", "½", "1h", "0s", "9" * 309, "9" * 5000,
)  # fmt: skip
ODD = (
    "",
    " ",
    "[/]",
    "[bold]x",
    ":smile:",
    "{0}",
    "%s",
    "a\nb\r\tc",
    "é" * 300,
    "🦆\u202e",
    "$x^2$",
)
TEXTS = (
    *ODD, "-", "--", "=", "=5", "width=", "width=5", "a=b=c", "true", "none", "None", "x" * 5000,
    "\ud800", "../x", "x.png", "x.csv", "x.nc", "x.html", "x.parquet", ".", "..", "[[1]]", "@",
    "a:b", "my_code:rule@0123456789abcdef",
)  # fmt: skip
FILES = (
    "grid.toml", "random.toml", "runs", "own", "sweep.nc", "my_code.py", "nowhere", "nowhere/x.png",
    "/dev/null", "/proc/x.png", "runs/.summaries", "figure12", "figure99", "picture.svg",
)  # fmt: skip
WORDS = (
    "uniform", "batch_norm", "mse", "cross_entropy", "relu", "addition", "quick", "paper", "both",
    "lowest", "highest", "random", "ipr", "norm", "forgetting", "localhost", "tcp://127.0.0.1:9",
)  # fmt: skip
KINDS = [kind_name(kind, part) for part, kinds in PARTS.items() for kind in kinds]
SETTINGS = [*Settings.__annotations__, "name", "code", "kind", "lr", "base", "axes", "zipped"]
SOUND = {
    "modulus": 7, "width": 8, "steps": 20, "train_fraction": 0.5, "weight_decay": 5, "seed": 1,
    "corruption_fraction": 0.3, "optimizer": "sgd", "model": "deep_mlp", "settle": True,
}  # fmt: skip
AXES = {
    "weight_decay": [0, 5], "width": [8, 16], "operation": ["addition", "my_code:rule"],
    "normalization": ["none", "batch_norm"], "steps": [1, 2], "kind": ["a", "b"],
}  # fmt: skip
PLACES = {
    "list": ("runs", "own"), "show": "0123456789abcdef", "prune": "0123456789abcdef",
    "audit": "0123456789abcdef", "phases": ("runs", "own", "sweep.nc"),
    "explore": ("runs", "own", "sweep.nc"), "figure": ("12", "1", "24"),
    "sweep": ("grid.toml", "random.toml"), "status": ("grid.toml", "random.toml", "figure12"),
}  # fmt: skip
"""What each command is asked about, where it is not asked about nonsense."""


class Reached(BaseException):
    """Raised where a network would be trained or a page be served: the words were good."""


@contextlib.contextmanager
def nothing_trained():
    """Raise `Reached` in place of training, serving, and talking to a network."""
    with contextlib.ExitStack() as stack:
        for name in (
            "grokscope.runs.train.train_each", "grokscope.sweeps.sweep.open_workers",
            "grokscope.explorer.serve.make_server", "distributed.Client", "webbrowser.open",
            "distributed.comm.addressing.resolve_address", "socket.getaddrinfo",
        ):  # fmt: skip
            stack.enter_context(mock.patch(name, side_effect=Reached))
        stack.enter_context(mock.patch("grokscope.sweeps.sweep.seconds_per_work", return_value=1.0))
        yield


def own_store():
    """Own code in the current folder, and a store of networks whose settings are odd words."""
    Path("my_code.py").write_text(CODE)
    task = {"name": "own", "code": "my_code:data"}
    base = Experiment(steps=2, task=task, model={"name": "image_mlp", "width": 8})
    odd = [word for word in ODD if "$" not in word]  # pictures read it as a formula, still
    grid = Grid(base, axes={"kind": odd, "rate": [0.0, 1.0]})
    grokscope.sweep(grid, "own", workers=1, limit=14, progress=False)


def options():
    """The options of every command, each with whether it is followed by a value."""
    group = typer.main.get_command(app)
    made = {name: COMPLETED.get(name, lambda c=c: c)() for name, c in group.commands.items()}
    return {
        name: {
            option: not getattr(parameter, "is_flag", False)
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("--")
        }
        for name, command in made.items()
    }


OPTIONS = options()


def text(rng):
    """A word from anywhere, or random bytes as a command line has them."""
    if rng.random() < 0.15:
        content = rng.randbytes(rng.randrange(1, 20)).replace(b"\0", b"")
        return os.fsdecode(content).replace("/", "|").lstrip("~")
    return rng.choice(rng.choice((NUMBERS, NUMBERS, TEXTS, FILES, WORDS, KINDS, OWN)))


def random_command(rng):
    """A command line, more or less wrong."""
    wrong = rng.choice((0.02, 0.1, 0.4))
    name = rng.choice([*OPTIONS])
    line = [name]
    if name == "train" and rng.random() > wrong:  # small, so that what is made of it is
        line += ["--modulus", "7", "--width", "8"]
    if name in PLACES and rng.random() > wrong:
        line.append(rng.choice(PLACES[name]))
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 5))):
        option = rng.choice([*OPTIONS[name]])
        takes = OPTIONS[name][option]
        if rng.random() < wrong / 4:  # a letter less, more or changed
            place = rng.randrange(len(option) + 1)
            option = option[:place] + rng.choice("aé-=._ \x7f") + option[place + rng.randrange(2) :]
        line += [option, text(rng)] if takes is not (rng.random() < wrong / 4) else [option]
    if rng.random() < wrong:
        line.insert(rng.randrange(len(line) + 1), text(rng))
    return line


def value(rng, depth=0):
    """A value for a document."""
    kind = rng.randrange(12)
    if kind < 3:
        return rng.choice((0, 1, 2, 5, 8, -1, 0.5, 0.25, 2.5, True, False, 2**31, 2**70, 10**400))
    if kind < 5:
        return text(rng).encode("utf-8", "replace").decode()
    if kind == 5:
        return rng.choice((1e300, -0.0, float("nan"), float("inf"), "none", "α"))
    if kind < 8 and depth < 3:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 8 and depth < 3:
        return {rng.choice(SETTINGS): value(rng, depth + 1) for _ in range(rng.randrange(3))}
    if kind == 9:
        start, stop, num = (rng.choice((0, 1, 3, 0.5, 10**8, "x")) for _ in range(3))
        return {"start": start, "stop": stop, "num": num}
    return rng.choice((*KINDS, *OWN))


def random_document(rng):
    """What reads a document, and one of an experiment or a grid as bytes, more or less wrong."""
    kind = rng.choice((Experiment, Grid, Grid))
    document = dict(rng.sample([*SOUND.items()], rng.randrange(4)))
    axes = dict(rng.sample([*AXES.items()], rng.randrange(1, 3)))
    if rng.random() < 0.3:
        document["task"] = {"name": "own", "code": "my_code:data"}
        document["model"] = {"name": "image_mlp", "width": 8}
        document["task"] |= {"n_examples": 4, "n_inputs": 4, "n_labels": 3}
        axes["kind"] = rng.sample(ODD, 3)
    if kind is Grid:
        document = {"base": document, "axes": axes, "seeds": rng.choice((1, 2, [0, 3]))}
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        inside = [part for part in document.values() if isinstance(part, dict)]
        rng.choice([document, *inside])[rng.choice(SETTINGS)] = value(rng)
    content = tomli_w.dumps(document).encode()
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        place = rng.randrange(len(content) + 1)
        added = rng.choice((b"", b"[", b'"', b"=", b"\n", b"[base]\n", b"\xff", rng.randbytes(3)))
        content = content[:place] + added + content[place + rng.randrange(4) :]
    return kind.from_toml, content
