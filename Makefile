# `make figure1` and `make test` set up all they need in .venv; PYTHON chooses the interpreter.
# With `CONSTRAINT=` it takes the newest versions instead of those of constraints.txt.
PYTHON ?= python3
CONSTRAINT ?= --constraint constraints.txt
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile $(CONSTRAINT)

# Compiled modules are kept: without them each process compiles all that it imports, for some seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: figure1 test slow torch check docs notebook pictures verdicts shipped bench dist wheel clean

figure1: .venv/core  ## train three networks and draw Figure 1
	$(BIN)/grokscope figure 1

test: .venv/test  ## the tests of three seconds each at most: nine minutes on two cores, then five
	$(BIN)/python -m pytest -n 2 --dist worksteal

slow: .venv/test  ## the others: trainings, clusters, kills, browsers, the pages' shell examples
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

torch: .venv/test .venv/torch  ## the tests that need PyTorch, a large package
	$(BIN)/python -m pytest -n 2 tests/runs/test_elsewhere.py tests/analysis/test_predictions.py \
	    tests/models/test_normalization.py tests/training/test_optimizers.py tests/test_docs.py \
	    docs/how-to/from-elsewhere.md src/grokscope/session

check: .venv/test .venv/check  ## lint, format, types, those of optional packages too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: .venv/docs  ## the documentation as web pages, with the reference made from docstrings
	$(BIN)/sphinx-build --quiet --fail-on-warning docs docs/_build
	@echo "documentation  docs/_build/index.html"

notebook: .venv/test  ## runs the notebooks and keeps what they show; that of PyTorch needs .venv/torch
	$(BIN)/python docs/tutorial_notebook.py
	$(BIN)/python docs/run_notebooks.py

pictures: .venv/core  ## every figure: diagrams from the sweeps in results, the others trained; the gallery
	$(BIN)/grokscope phases results/figure3a.nc --out docs/images/figure3a.png
	for n in 3 7 9 10 11 12 13 14 16 24 25 26 27 28 29 30 31 32; do \
	    $(BIN)/grokscope figure $$n --from results --out docs/images/figure$$n.png || exit 1; done
	for n in 1 2 4 5 6 8 15 17 18 19 20 21 22 23 notebook forgetting harmonics; do \
	    $(BIN)/grokscope figure $$n --out docs/images/figure$$n.png || exit 1; done
	$(BIN)/python -c 'import grokscope as gs; run = gs.train(gs.Experiment(corruption_fraction=0.35), \
	    "runs"); run.prune(by="ipr", first="lowest").plot().savefig("docs/images/pruned.png")'
	$(BIN)/python docs/gallery.py

verdicts: .venv/core  ## the verdict on every statement, and the gallery
	$(BIN)/grokscope verify --no-sweeps --json > docs/verdicts.json.new || test $$? = 3
	mv docs/verdicts.json.new docs/verdicts.json
	$(BIN)/python docs/gallery.py

shipped: .venv/core  ## after a sweep in results has changed: their page, checksums and verdicts
	$(BIN)/grokscope provenance results --out results/README.md
	cd results && sha256sum *.nc > ../src/grokscope/paper/shipped.sha256
	$(BIN)/python docs/sweep_verdicts.py
	$(BIN)/python docs/gallery.py

bench: .venv/bench  ## print every speed and memory ratio
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

dist: .venv/dist  ## the source archive and the wheel, in dist
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

wheel: dist  ## draw Figure 1 from the wheel, in an empty environment with the newest versions
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && wheel=$$(ls "$(CURDIR)"/dist/*.whl) && \
	    $(PYTHON) -m venv "$$folder/env" && cd "$$folder" && \
	    env/bin/python -m pip --disable-pip-version-check install --quiet "$$wheel" && \
	    env/bin/grokscope figure 1 --scale quick

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "grokscope needs Python 3.11 or newer; set PYTHON, as in: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/core: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

.venv/test .venv/torch .venv/check .venv/docs .venv/bench .venv/dist: .venv/%: .venv/core
	$(PIP) --editable '.[$*]'
	@touch $@

clean:
	rm -rf .venv dist docs/_build docs/jupyter_execute docs/reference
