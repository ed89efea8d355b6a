"""Random words, kills and damage: is each told in a line at most, and is nothing ever lost?

    python benchmarks/faults.py [words|kills|damages [N] [SEED]]

words    random command lines and TOML files, read in this process; nothing is trained. Prints how
         many ended how, and each kind of traceback with its input. 20,000 take ten minutes.
kills    signals at random moments of small sweeps, to the command, to a process that trains or to
         all: in one process, in a pool and on Dask. Then every run is compared bit for bit, and the
         sweep is finished by the same command. 200 take three quarters of an hour.
damages  flipped, cut, emptied, swapped and foreign files in a store and an export. Prints whether
         `open_run`, `load_sweep`, `status` and `phases` told it, or answered as before. 2,000 take
         a quarter of an hour.

Without a word a few of each are tried, in three minutes.
"""

import contextlib
import faulthandler
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import jax

import grokscope
from grokscope.cli import main
from grokscope.cli.base import INTERRUPTED
from grokscope.errors import ConfigError, StoreError
from grokscope.runs import store as stores
from kills import kill
from words import nothing_trained, own_store, random_command, random_document

SECONDS = 60
"""After which a call hangs."""


class Hung(BaseException):
    """Raised by the alarm; nothing catches it on its way."""


def ended(call):
    """How a call ended, in words that begin with WRONG if it should not; its value; its lines."""

    def ring(number, frame):
        raise Hung

    out, err, value = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO(), None
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(3 * SECONDS, exit=True)  # where no alarm is heard
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            warnings.simplefilter("always", UserWarning)
            value = call()
        word = "returned"
    except SystemExit as error:
        if error.code == INTERRUPTED:
            raise KeyboardInterrupt from None
        word = f"exit code {error.code}" if error.code in (0, 1, 2) else f"WRONG code {error.code}"
    except (ConfigError, StoreError) as error:
        word = type(error).__name__
        err.write("grokscope: " + " ".join(f"{error}".split()) + "\n")  # as the command line does
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        name, told = type(error).__name__, " ".join(f"{error}".split())[:150]
        place = f"{Path(last.filename).name}:{last.lineno}"
        word = "reached" if name == "Reached" else f"WRONG {name} at {place}: {told}"
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
    lines = err.getvalue().splitlines()
    if not word.startswith("WRONG") and not all(map(is_ours, lines)):
        word = f"WRONG lines {[line for line in lines if not is_ours(line)][:3]}"
    out.flush()
    return word, value or out.buffer.getvalue().decode("utf-8", "replace"), lines


def is_ours(line):
    """Whether a line is one that the command line prints of what went wrong."""
    return line.startswith("grokscope: ")


def command(line):
    """A command line as a call."""
    return lambda: main(line.split())


def make(folder):
    """A store with runs, a grid, a failure, a lock, a cache and half a file, and its export."""
    folder.mkdir()
    os.chdir(folder)
    base = grokscope.Experiment(steps=20, corruption_fraction=0.3, modulus=7, width=8)
    grid = grokscope.Grid(base, axes={"weight_decay": [0, 5], "train_fraction": [0.4, 0.6, 0.8]})
    Path("grid.toml").write_text(grid.to_toml())
    grokscope.sweep(grid, "runs", workers=1, limit=3, final_weights=True, progress=False)
    grokscope.sweep(grid, "runs", workers=1, limit=2, progress=False)
    grokscope.Store("runs").record_failure(grid.cell((1, 2, 0)), "out of memory")
    ended(command("phases runs --export sweep.nc --details"))
    Path("runs/.claims").mkdir(exist_ok=True)
    Path("runs/.claims", grid.digests[0]).touch()
    Path("runs/.0123456789ab-0123456789abcdef").write_bytes(b"half of a run")


def words(n=20000, seed=0):
    """Random command lines and documents."""
    rng, found, seen = random.Random(seed), Counter(), set()
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as guard:
        whole, inner = Path(made, "whole"), Path(made, "a", "b", "c")  # for words such as ../x
        os.environ["HOME"] = made
        make(whole)
        own_store()
        guard.enter_context(nothing_trained())
        for index in range(n):
            if index % 100 == 0:  # what earlier ones wrote, as grids and pictures
                shutil.rmtree(inner, ignore_errors=True)
                shutil.copytree(whole, inner)
                os.chdir(inner)
                jax.clear_caches()
            if index % 2:
                read, given = random_document(rng)
                Path("random.toml").write_bytes(given)
                word, *_ = ended(lambda read=read: read(Path("random.toml")))
            else:
                given = random_command(rng)
                word, *_ = ended(lambda given=given: main(given))
            found["WRONG" if word.startswith("WRONG") else word] += 1
            if word.startswith("WRONG") and word not in seen:
                seen.add(word)
                print(f"{word}\n    {given!r}"[:2000], flush=True)
        os.chdir("/")
    print(f"{n:,} words: {dict(found)}; {len(seen)} kinds went wrong")


def kills(n=200, seed=0):
    """Sweeps that are killed."""
    kill(lambda line: ended(command(line)), n, seed)


HOW = ("flipped", "flipped", "flipped", "cut", "emptied", "noise", "swapped", "folder", "beside")


def damage(path, how, rng, others):
    """Damage a file in one of the ways that happen."""
    if how == "beside":  # a file that is no part of the store
        name = f"{rng.randbytes(32).hex()}.nc" if rng.random() < 0.5 else f"{path.name}~"
        shutil.copy(rng.choice(others), path.with_name(name))
        return
    content, times = bytearray(path.read_bytes()), path.stat()
    if how == "flipped" and content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del content[rng.randrange(len(content) + 1) :]
    elif how == "emptied":
        content.clear()
    elif how == "noise":
        content = rng.randbytes(rng.choice((1, 100, 5000)))
    elif how == "swapped":
        content = rng.choice(others).read_bytes()
    path.unlink()
    path.mkdir() if how == "folder" else path.write_bytes(content)
    if rng.random() < 0.5:  # as a disk does it, which tells nobody
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def kind_of(path):
    """What a file of the store, or beside it, is."""
    if path.parent.name == ".claims":
        return "lock"
    if path.name.startswith(".0"):
        return "temporary file"
    kinds = {".toml": "grid", ".failed": "failure", ".summaries": "cache", "sweep.nc": "export"}
    return kinds.get(path.name) or kinds.get(path.suffix) or "run"


def readings(run):
    """What reads a store and an export, by name; `run` is the digest that is opened."""
    yield "open_run", lambda: grokscope.open_run(run).dataset.drop_attrs()
    yield "load_sweep", lambda: grokscope.load_sweep("sweep.nc").dataset.drop_attrs()
    yield "status", command("status grid.toml --json")
    yield "phases", command("phases runs --json")
    yield "phases of the export", command("phases sweep.nc --json")


def judged(word, value, lines, sound):
    """What a reading is worth beside that of a sound store: WRONG, told or harmless."""
    if word.startswith("WRONG"):
        return word
    if word not in ("returned", "exit code 0"):
        return "told" if lines and not value else "WRONG: without a word"
    if not isinstance(sound, str):
        return "harmless" if value.identical(sound) else "WRONG: another answer"
    if value == sound:
        return "told" if lines else "harmless"
    value, sound = json.loads(value), json.loads(sound)
    phases = zip(value.get("phase", ()), sound.get("phase", ()), strict=True)
    if any(phase not in (None, other) for phase, other in phases):
        return "WRONG: another phase"
    told = lines or "cannot be read" in f"{value}"  # as of a failure
    return "told" if told and value.get("done", 0) <= sound.get("done", 0) else "WRONG: not told"


def damages(n=2000, seed=0):
    """Damage files, one at a time, and read the store and the export."""
    rng, found, seen, sound = random.Random(seed), Counter(), set(), {}
    with tempfile.TemporaryDirectory() as made:
        whole, broken = Path(made, "whole"), Path(made, "broken")
        make(whole)
        files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
        files.remove(Path("grid.toml"))  # the user's own
        kinds = sorted({kind_of(path) for path in files})
        runs = [path.stem for path in files if kind_of(path) == "run"]
        for index in range(n):
            kind, how = kinds[index % len(kinds)], rng.choice(HOW)
            path = rng.choice([path for path in files if kind_of(path) == kind])
            run = path.stem if kind == "run" else rng.choice(runs)
            shutil.copytree(whole, broken)
            os.chdir(broken)
            if run not in sound:
                sound[run] = {name: ended(call)[1] for name, call in readings(run)}
            damage(path, how, rng, files)
            stores._read_grid.cache_clear()  # as in a new process
            words = set()
            for name, call in readings(run):
                word = judged(*ended(call), sound[run][name])
                words.add(word[:5])
                if word.startswith("WRONG") and (kind, name, word) not in seen:
                    seen.add((kind, name, word))
                    print(f"{kind} {how}: {name}: {word}", flush=True)
            found[kind, next(w for w in ("WRONG", "told", "harml") if w in words)] += 1
            os.chdir("/")
            shutil.rmtree(broken)
    for kind in kinds:
        told, harmless, wrong = (found[kind, word] for word in ("told", "harml", "WRONG"))
        print(f"{kind:15} {told:4} told, {harmless:4} harmless, {wrong:4} went wrong")


PARTS = {"words": words, "kills": kills, "damages": damages}
FEW = (400, 6, 100)

if __name__ == "__main__":
    began = time.monotonic()
    try:
        if sys.argv[1:]:
            PARTS[sys.argv[1]](*map(int, sys.argv[2:]))
        else:
            for part, few in zip(PARTS.values(), FEW, strict=True):
                part(few)
    except KeyboardInterrupt:  # from outside: none of the signals of `kills` comes here (traced)
        sys.exit("interrupted: this process itself was told to end, by Ctrl-C or SIGTERM")
    print(f"{time.monotonic() - began:.0f} s")
